"""Whether a champion is compared on people to whom its own calibration was not fitted.

A recalibrated version looks better on those than on others, so a comparison on them is no evidence.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.evaluation.counts import PatientRows
from models.evaluation.suppression import FEWEST_OF_EACH, assessable
from records.settings import Settings
from training.cohort import Cohort
from training.evidence import RECALIBRATED
from training.lineage import Made, seen_before, untold
from training.population import Population
from training.registry import registered_at

CALIBRATION_USED: Final = "calibration_used"  # of what a retraining was made from
_LAST_MOMENT: Final = timedelta(days=1) - timedelta(microseconds=1)


def calibrated_through(made: Sequence[Made], *, settings: Settings) -> datetime | None:
    """Return the last time (UTC) of which a prediction may have recalibrated a version.

    That is the end of the last day of the tables; of one without dates, when its version was
    registered, for outcomes were known by then. None of a version that was never recalibrated.
    """
    ends = [_last(one, settings) for one in _recalibrations(made)]
    return max(ends, default=None)


def later_if_enough(
    tests: npt.NDArray[np.bool_],
    times: npt.NDArray[np.datetime64],
    event: npt.NDArray[np.bool_],
    non_event: npt.NDArray[np.bool_],
    patient: npt.NDArray[np.generic],
    through: datetime,
) -> tuple[npt.NDArray[np.bool_], str | None]:
    """Return those of the testing predictions that are later than `through`, and None.

    Where fewer than 100 patients of no earlier prediction are known to have, or not to have, the
    event, no gate could pass on them: then all that test are returned, and why a comparison on them
    says nothing of a champion that was calibrated through that time.
    """
    later = tests & (times > np.datetime64(through.replace(tzinfo=None)))
    judging = later & ~np.isin(patient, patient[~later])  # who is in training judges nothing
    counts = PatientRows(patient, event, non_event).count(judging)
    _, *people = counts.people
    if np.array_equal(later, tests) or assessable(*people):
        return later, None
    whose = "" if counts.one_row_each else "patients "
    dropped = int(later.sum()) - counts.n
    new = f", leaving out {dropped:,} of people who have earlier ones," if dropped else ""
    return tests, (
        f"its calibration may have been fitted to {int((tests & ~later).sum()):,} of the "
        f"{int(tests.sum()):,} later predictions, those through {through.date().isoformat()}; "
        f"after that day{new} there are {people[0]:,} {whose}with and {people[1]:,} without the "
        f"event, where {FEWEST_OF_EACH} of each are needed, so retrain again once there are"
    )


def used_for_calibration(
    made: Sequence[Made], cohort: Cohort, judged: Population, *, settings: Settings
) -> str | None:
    """Say why these people are not known to be unused for a version's calibration; None if not.

    Only a recalibrated version can have a calibration fitted to people that its trees never met.
    Raises as `seen_before`.
    """
    recalibrations = _recalibrations(made)
    if not recalibrations:
        return None
    then: Mapping[str, Any] = cohort.retraining or {}
    if then.get(CALIBRATION_USED):
        return str(then[CALIBRATION_USED])
    found = seen_before(recalibrations, cohort, judged, settings=settings)
    if found is not None:
        return f"its calibration was fitted to people who judge here, of whose table {found.words}"
    # predictions that are later than a recalibration can't be in it, whatever is kept of its rows
    return None if CALIBRATION_USED in then else untold(recalibrations)


def _recalibrations(made: Sequence[Made]) -> list[Made]:
    return [one for one in made if RECALIBRATED in one.evidence]


def _last(one: Made, settings: Settings) -> datetime:
    dates = (one.evidence.get("accrual") or {}).get("test")
    if dates is None:
        return registered_at(one.version, settings=settings)
    return datetime.combine(datetime.fromisoformat(dates["last"]), time(), UTC) + _LAST_MOMENT
