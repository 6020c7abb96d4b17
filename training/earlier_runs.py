"""Whether the people who judge a version have judged earlier ones: a test part is touched once.

That is of the registry, not of the version, so it stands in the run and not in the sealed artefact.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from mlflow.entities import Run

from records.settings import Settings
from training.artefact import plain_json
from training.card import Card
from training.cohort import Cohort
from training.population import Population
from training.registry import TAG, store

JUDGED_PEOPLE: Final = "judged_people"
_THIS: Final = "this model"


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """How many earlier runs the same people or the same table judged, since when, of what models.

    They are those of the whole registry: choices are made on seeing another model's figures too.
    """

    count: int
    first: date | None
    models: tuple[str, ...] = (_THIS,)

    @property
    def words(self) -> str:
        """What that means for the figures."""
        if self.first is None:
            return (
                "No earlier run in this registry, of this or another model, was judged by exactly "
                "these people or with this very table; how many share some of them isn't counted"
            )
        of = ", ".join(self.models)
        runs = (
            f"an earlier run of {of}, on {self.first.isoformat()}"
            if self.count == 1
            else f"{self.count:,} earlier runs of {of}, the first on {self.first.isoformat()}"
        )
        return (
            f"These people, or others of this table, judged {runs}: whatever was chosen "
            "after seeing such figures makes these optimistic to that extent"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return them as plain values that JSON can hold."""
        first = None if self.first is None else self.first.isoformat()
        return {
            "count": self.count,
            "first": first,
            "models": list(self.models) if self.count else [],
            "words": self.words,
        }


def people_digest(cohort: Cohort, judged: Population) -> str:
    """Return the SHA-256 of who the judged rows belong to, whatever their order and number."""
    people = sorted(set(cohort.frame["patient_id"].iloc[judged.row].astype(str)))
    return hashlib.sha256("\0".join(people).encode()).hexdigest()


def earlier_runs(
    name: str, cohort: Cohort, judged: Population, settings: Settings, *, but: str = ""
) -> EarlierRuns:
    """Count the registry's runs so far, validations too, with this table or by these people.

    The run `but` is not counted, as it is the one that asks.
    """
    experiments = {one.experiment_id: one.name for one in store(settings).search_experiments()}
    tags = {"cohort_digest": cohort.digest, JUDGED_PEOPLE: people_digest(cohort, judged)}
    found = {
        run.info.run_id: run.info
        for tag, value in tags.items()
        for run in _tagged(list(experiments), tag, value, settings)
        if run.info.run_id != but
    }
    if not found:
        return EarlierRuns(0, None)
    start = min(info.start_time for info in found.values())
    first = datetime.fromtimestamp(start / 1000, tz=UTC).date()
    models = {experiments[info.experiment_id] for info in found.values()}
    own = (_THIS,) if name in models else ()
    others = (f"the model {other}" for other in sorted(models - {name}))
    return EarlierRuns(len(found), first, (*own, *others))


class Looks:
    """Counts the earlier runs when a run begins, so that of two at once the later counts the first.

    What was `found`, which is None until then, is written among the run's `files` and on its card.
    """

    def __init__(
        self,
        name: str,
        cohort: Cohort,
        judged: Population,
        settings: Settings,
        files: Path,
        card: Card,
    ) -> None:
        self.found: EarlierRuns | None = None
        self._count = partial(earlier_runs, name, cohort, judged, settings)
        self._files, self._card = files, card

    def __call__(self, run_id: str) -> dict[str, float]:
        """Count them as the run of that id has begun, and return the run's metric."""
        self.found = self._count(but=run_id)
        (self._files / "earlier_runs.json").write_bytes(plain_json(self.found.to_dict()))
        for name, content in self.card().items():
            (self._files / name).write_bytes(content)
        return {"earlier_runs": float(self.found.count)}

    def card(self, **more: Any) -> dict[str, bytes]:
        """Return the run's card with what was found, and with `more`."""
        return self._card(earlier="" if self.found is None else self.found.words, **more)


def _tagged(experiments: list[str], tag: str, value: str, settings: Settings) -> Iterator[Run]:
    wanted, page = f"tags.`{TAG}{tag}` = '{value}'", None
    while experiments:
        runs = store(settings).search_runs(experiments, wanted, page_token=page)
        yield from runs
        page = runs.token
        if not page:
            return
