"""Whether the people who judge a version have judged earlier ones: a test part is touched once.

That is of the registry, not of the version, so it stands in the run and not in the sealed artefact.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from mlflow.entities import Run

from records.settings import Settings
from training.cohort import Cohort
from training.population import Population
from training.registry import TAG, store

JUDGED_PEOPLE: Final = "judged_people"


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """How many earlier runs of a model the same people or the same table judged, since when."""

    count: int
    first: date | None

    @property
    def words(self) -> str:
        """What that means for the figures."""
        if self.first is None:
            return "No earlier run in this registry was judged by these people or with this table"
        runs = (
            f"an earlier run of this model, on {self.first.isoformat()}"
            if self.count == 1
            else f"{self.count:,} earlier runs of this model, the first on {self.first.isoformat()}"
        )
        return (
            f"These people, or others of this table, judged {runs}: whatever was chosen "
            "after seeing such figures makes these optimistic to that extent"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return them as plain values that JSON can hold."""
        first = None if self.first is None else self.first.isoformat()
        return {"count": self.count, "first": first, "words": self.words}


def people_digest(cohort: Cohort, judged: Population) -> str:
    """Return the SHA-256 of who the judged rows belong to, whatever their order and number."""
    people = sorted(set(cohort.frame["patient_id"].iloc[judged.row].astype(str)))
    return hashlib.sha256("\0".join(people).encode()).hexdigest()


def earlier_runs(name: str, cohort: Cohort, judged: Population, settings: Settings) -> EarlierRuns:
    """Count the runs of a model so far, validations too, with this table or by these people."""
    experiment = store(settings).get_experiment_by_name(name)
    if experiment is None:
        return EarlierRuns(0, None)
    tags = {"cohort_digest": cohort.digest, JUDGED_PEOPLE: people_digest(cohort, judged)}
    found = {
        run.info.run_id: run.info.start_time
        for tag, value in tags.items()
        for run in _tagged(experiment.experiment_id, tag, value, settings)
    }
    if not found:
        return EarlierRuns(0, None)
    first = datetime.fromtimestamp(min(found.values()) / 1000, tz=UTC).date()
    return EarlierRuns(len(found), first)


def _tagged(experiment: str, tag: str, value: str, settings: Settings) -> Iterator[Run]:
    wanted, page = f"tags.`{TAG}{tag}` = '{value}'", None
    while True:
        runs = store(settings).search_runs([experiment], wanted, page_token=page)
        yield from runs
        page = runs.token
        if not page:
            return
