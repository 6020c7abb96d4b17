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
from training.people_sketch import shared_share, sketch_of
from training.population import Population
from training.registry import TAG, store

JUDGED_PEOPLE: Final = "judged_people"
LEAST_SHARED: Final = 0.1  # of the people, who judged an earlier run too
_SKETCH: Final = "judged_sketch"
_TABLE: Final = "cohort_digest"
_THIS: Final = "this model"


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """How many earlier runs the same people or the same table judged, since when, of what models.

    They are those of the whole registry: choices are made on seeing another model's figures too.
    `sharing` of them, of this model, are known by nothing but a tenth or more of the people, and of
    `untold` of it that can't be told. Ids of other models' tables may be other people's.
    """

    count: int
    first: date | None
    models: tuple[str, ...] = (_THIS,)
    sharing: int = 0
    untold: int = 0

    @property
    def words(self) -> str:
        """What that means for the figures."""
        if self.first is None:
            return (
                "No earlier run in this registry, of this or another model, was judged by exactly "
                "these people or with this very table, and none of this model by a tenth or more "
                f"of these people, so far as their ids tell{self._untold}"
            )
        of = ", ".join(self.models)
        runs = (
            f"an earlier run of {of}, on {self.first.isoformat()}"
            if self.count == 1
            else f"{self.count:,} earlier runs of {of}, the first on {self.first.isoformat()}"
        )
        return (
            f"{self._who} judged {runs}: whatever was chosen after seeing such figures makes these "
            f"optimistic to that extent{self._untold}"
        )

    @property
    def _who(self) -> str:
        if not self.sharing:
            return "These people, or others of this table,"
        some = "a tenth or more of these people, by their ids,"
        if self.sharing == self.count:
            return some.capitalize()
        return f"These people, others of this table, or {some}"

    @property
    def _untold(self) -> str:
        if not self.untold:
            return ""
        runs = "one run" if self.untold == 1 else f"{self.untold:,} runs"
        return f"; of {runs} of this model by an earlier release it can't be told who they share"

    def to_dict(self) -> dict[str, Any]:
        """Return them as plain values that JSON can hold."""
        first = None if self.first is None else self.first.isoformat()
        return {
            "count": self.count,
            "first": first,
            "models": list(self.models) if self.count else [],
            "sharing": self.sharing,
            "untold": self.untold,
            "words": self.words,
        }


def people_digest(cohort: Cohort, judged: Population) -> str:
    """Return the SHA-256 of who the judged rows belong to, whatever their order and number."""
    return hashlib.sha256("\0".join(sorted(_people(cohort, judged))).encode()).hexdigest()


def people_tags(cohort: Cohort, judged: Population) -> dict[str, str]:
    """Return the tags of a run by which later ones know who judged it."""
    return {
        JUDGED_PEOPLE: people_digest(cohort, judged),
        _SKETCH: sketch_of(_people(cohort, judged), salt=cohort.digest),
    }


def _people(cohort: Cohort, judged: Population) -> set[str]:
    return set(cohort.frame["patient_id"].iloc[judged.row].astype(str))


def earlier_runs(
    name: str, cohort: Cohort, judged: Population, settings: Settings, *, but: str = ""
) -> EarlierRuns:
    """Count the registry's runs so far, validations too, with this table or by these people.

    Of this model, those too by a tenth of these people. The run `but` is not counted, as it is the
    one that asks.
    """
    experiments = {one.experiment_id: one.name for one in store(settings).search_experiments()}
    tags = {_TABLE: cohort.digest, JUDGED_PEOPLE: people_digest(cohort, judged)}
    found = {
        run.info.run_id: run.info
        for tag, value in tags.items()
        for run in _search(list(experiments), f"tags.`{TAG}{tag}` = '{value}'", settings)
        if run.info.run_id != but
    }
    own = [one for one, named in experiments.items() if named == name]
    others = [
        run
        for run in _search(own, f"tags.`{TAG}{JUDGED_PEOPLE}` != ''", settings)
        if run.info.run_id not in found and run.info.run_id != but
    ]
    shared = _sharing(others, _people(cohort, judged))
    untold = sum(f"{TAG}{_SKETCH}" not in run.data.tags for run in others)
    found |= {run.info.run_id: run.info for run in shared}
    if not found:
        return EarlierRuns(0, None, untold=untold)
    start = min(info.start_time for info in found.values())
    first = datetime.fromtimestamp(start / 1000, tz=UTC).date()
    models = {experiments[info.experiment_id] for info in found.values()}
    this = (_THIS,) if name in models else ()
    further = (f"the model {other}" for other in sorted(models - {name}))
    return EarlierRuns(len(found), first, (*this, *further), len(shared), untold)


def _sharing(runs: list[Run], people: set[str]) -> list[Run]:
    """Return the runs that a tenth or more of these people judged, so far as sketches tell."""
    shares: dict[tuple[str, str], float] = {}  # runs by the same people are many
    found = []
    for run in runs:
        sketch, salt = run.data.tags.get(f"{TAG}{_SKETCH}"), run.data.tags.get(f"{TAG}{_TABLE}")
        if sketch is None or salt is None:
            continue
        if (sketch, salt) not in shares:
            shares[sketch, salt] = shared_share(people, sketch, salt=salt)
        if shares[sketch, salt] >= LEAST_SHARED:
            found.append(run)
    return found


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


def _search(experiments: list[str], wanted: str, settings: Settings) -> Iterator[Run]:
    page = None
    while experiments:
        runs = store(settings).search_runs(experiments, wanted, page_token=page)
        yield from runs
        page = runs.token
        if not page:
            return
