"""Which champions came before the present one, and which of them may be given the alias back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from records.models import Tenure

ROLLED_BACK_FROM: Final = "rolled_back_from"


def earlier_champion(tenures: Sequence["Tenure"]) -> "Tenure | None":
    """Return the tenure that a rollback restores, of a champion's tenures from oldest to newest.

    That is the last of another version which nobody has rolled back from since it was promoted;
    None where there is no such.
    """
    standing: list[Tenure] = []
    for tenure in tenures:
        if ROLLED_BACK_FROM in tenure.evidence:
            from_version = tenure.evidence[ROLLED_BACK_FROM]
            standing = [one for one in standing if one.version != from_version]
            while standing and standing[-1].version != tenure.version:
                standing.pop()
        if not standing or standing[-1].version != tenure.version:
            standing.append(tenure)
    current = tenures[-1].version if tenures else None
    return next((one for one in reversed(standing) if one.version != current), None)


def rolled_back_from(tenures: Sequence["Tenure"]) -> tuple[str, ...]:
    """Return the versions that were rolled back from since they were last promoted, in order."""
    found: dict[str, None] = {}
    for tenure in tenures:
        if ROLLED_BACK_FROM in tenure.evidence:
            found[tenure.evidence[ROLLED_BACK_FROM]] = None
        else:
            found.pop(tenure.version, None)
    return tuple(found)
