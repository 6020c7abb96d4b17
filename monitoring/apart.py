"""Performance of a window's groups apart: of shown and silent predictions, and of subgroups.

What clinicians do about a shown risk changes the outcome, which silent ones don't; but who is shown
a risk may differ as well, so that their difference tells neither alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition
from models.evaluation.subgroups import NOT_RECORDED
from models.evaluation.suppression import ReportingLimits
from monitoring.followed import Followed, group_names
from monitoring.heartbeat import per_cent
from monitoring.performance import SHOWN, Judged, judge
from records.follow_up import LARGEST_UNREPORTED

SHOWN_TITLE, OF_SHOWN = "Shown or silent", ("Silent", "Shown")
TREATMENT = (
    "What clinicians do about a shown risk changes the outcome. Effective treatment and decay of "
    "the model can't be told apart here: that takes a randomised or a phased silent comparison."
)


@dataclass(frozen=True)
class Apart:
    """One group of a window's predictions, judged, or with the reason why it is withheld."""

    characteristic: str
    title: str
    group: str
    judged: Judged | str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        named = {"characteristic": self.characteristic, "title": self.title, "group": self.group}
        if isinstance(self.judged, str):
            return {**named, "predictions": None, "reason": self.judged}
        return {**named, **vars(self.judged)}


def judge_apart(definition: Definition, rows: Followed) -> list[Apart]:
    """Evaluate each group of a closed window; where all rows are of one group, none of them.

    A group is withheld below the definition's smallest number of patients, or below five patients
    with an event or without, and so is another from which its counts would follow.
    """
    found = []
    for characteristic, title, names, place in _characteristics(definition, rows):
        groups = [(name, place == number) for number, name in names]
        groups = [(name, members) for name, members in groups if members.any()]
        if len(groups) < 2:
            continue
        parts = [(name, rows.part(members)) for name, members in groups]
        hidden = _withheld(definition, rows, [members for _, members in groups])
        found += [
            Apart(
                *(characteristic, title, name),
                _reason(definition, part) if hide else judge(definition, part, None),
            )
            for (name, part), hide in zip(parts, hidden, strict=True)
        ]
    return found


def _characteristics(
    definition: Definition, rows: Followed
) -> Iterator[tuple[str, str, Sequence[tuple[int, str]], NDArray[np.int8]]]:
    """Yield each characteristic with its groups' numbers and names, and each row's number."""
    yield SHOWN, SHOWN_TITLE, list(enumerate(OF_SHOWN)), rows.shown.astype(np.int8)
    titles = {group.name: group.title for group in definition.subgroups}
    for column, (name, groups) in enumerate(group_names(definition).items()):
        named = [*enumerate(groups), (-1, NOT_RECORDED)]
        yield name, titles[name], named, rows.groups[:, column]


def _withheld(
    definition: Definition, rows: Followed, groups: Sequence[NDArray[np.bool_]]
) -> list[bool]:
    horizon = definition.outcome.horizon_days
    limits = ReportingLimits(people=definition.smallest_group.people)
    hidden: list[bool] = rows.by_patient(horizon).withheld(groups, limits).tolist()
    return hidden


def _reason(definition: Definition, part: Followed) -> str:
    """Say why a group is withheld; not whether it is the small one, or the one beside it."""
    people, cell = definition.smallest_group.people, ReportingLimits().cell
    unreported = int((~part.known).sum())
    enough = np.unique(part.patients).size >= people
    if enough and unreported > LARGEST_UNREPORTED * part.known.size:
        share = per_cent(unreported, part.known.size)
        return f"withheld: {share} of its outcomes are unreported, and too few are known"
    return (
        f"withheld: it or a group beside it has fewer than {people} patients, or fewer than {cell} "
        "with or without the event"
    )
