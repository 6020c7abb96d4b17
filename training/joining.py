"""An original cohort and recorded predictions as one table, whose later predictions test."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.definition import Definition
from models.errors import CohortError
from training.cohort import Cohort, Designated, input_features
from training.recorded import Closed
from training.split import TEST_SHARE
from training.unused_people import later_if_enough

_ORIGINAL: Final = "original cohort"
_NOT_RECORDED: Final = "not recorded"


@dataclass(frozen=True, eq=False)
class Joined:
    """The table, how many recorded predictions train and test, and the newest that trains.

    `calibration_used` says why those that test aren't unused for the champion's calibration.
    """

    cohort: Cohort
    training: int
    test: int
    learnt_through: str
    calibration_used: str | None = None


def join(
    definition: Definition,
    original: Cohort,
    closed: Closed,
    learnt_through: datetime | None,
    calibrated_through: datetime | None = None,
) -> Joined:
    """Return all of the original cohort and the closed predictions, the latest of which test.

    None that the champion may have learnt from tests: those through `learnt_through` train. Nor do
    those through `calibrated_through`, if enough are later, to which it may be calibrated. People
    of the original cohort can't be recognised among pseudonyms, which the table's notes say.
    Raises CohortError where no later prediction is left to test.
    """
    recorded = closed.frame
    tests, used = _later(definition, recorded["predicted_at"], learnt_through), None
    if calibrated_through is not None:
        event = recorded["outcome"].to_numpy() == 1
        followed = recorded["follow_up_days"].to_numpy() >= definition.outcome.horizon_days
        times, patient = recorded["predicted_at"].to_numpy(), recorded["patient_id"].to_numpy()
        tests, used = later_if_enough(
            tests, times, event, ~event & followed, patient, calibrated_through
        )
    newest = recorded.loc[~tests, "predicted_at"].max()
    frame = pd.concat(
        [_original(definition, original), _recorded(definition, recorded)], ignore_index=True
    )
    if not _needs_follow_up(original, closed):
        frame = frame.drop(columns=["follow_up_days", "stratum"])
    if "site" not in original.frame and not recorded["site"].astype(bool).any():
        frame = frame.drop(columns="site")
    method = (
        f"recorded predictions after {newest:%Y-%m-%d} test; earlier ones and the whole original "
        "cohort train"
    )
    cohort = Cohort(
        frame=frame,
        source=f"{original.source} and predictions recorded through {closed.through.isoformat()}",
        digest=hashlib.sha256(f"{original.digest} {closed.digest}".encode()).hexdigest(),
        exclusions=(*original.exclusions, *closed.left_out),
        notes=(*original.notes, *_notes(closed)),
        suspicions=closed.dates.suspicions,
        designated=Designated(np.r_[np.zeros(len(original.frame), dtype=bool), tests], method),
    )
    return Joined(cohort, int((~tests).sum()), int(tests.sum()), newest.isoformat(), used)


def _later(
    definition: Definition, predicted_at: pd.Series, learnt_through: datetime | None
) -> npt.NDArray[np.bool_]:
    """Say which predictions test: the latest share, and none that the champion learnt from."""
    times = predicted_at.to_numpy()
    cut = times[round((1 - TEST_SHARE) * (len(times) - 1))]
    if learnt_through is not None:
        cut = max(cut, np.datetime64(learnt_through))
    later = np.asarray(times > cut)
    if not later.any():
        raise CohortError(
            f"{definition.name}: no closed prediction is later than {str(cut)[:10]}, through which "
            "the champion and its challenger learn, so nothing can judge them; wait for more"
        )
    return later


def _original(definition: Definition, original: Cohort) -> pd.DataFrame:
    """Return the original rows, in their order of time, which comes before every record's."""
    frame, horizon = original.frame, definition.outcome.horizon_days
    known: dict[str, Any] = {name: frame[name] for name in input_features(definition)}
    followed = "follow_up_days" in frame
    stratum = frame["stratum"].astype(str) if "stratum" in frame else ""
    return pd.DataFrame(
        {
            **known,
            "outcome": frame["outcome"],
            "patient_id": "cohort " + frame["patient_id"].astype(str),
            "time": _order(frame),
            "site": frame["site"].astype(str) if "site" in frame else _ORIGINAL,
            # nobody was censored: in a stratum of their own they all weigh 1
            "follow_up_days": frame["follow_up_days"] if followed else float(horizon),
            "stratum": f"{_ORIGINAL} " + stratum,
        }
    )


def _order(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return numbers below 0 that order the rows as their times do, equal where those are."""
    if "time" not in frame:
        return np.arange(-len(frame), 0, dtype=np.float64)
    ranks = pd.factorize(frame["time"], sort=True)[0]
    return np.asarray(ranks - len(frame), dtype=np.float64)


def _recorded(definition: Definition, recorded: pd.DataFrame) -> pd.DataFrame:
    order = np.unique(recorded["predicted_at"], return_inverse=True)[1]
    return pd.DataFrame(
        {
            **{name: recorded[name] for name in input_features(definition)},
            "outcome": recorded["outcome"],
            "patient_id": "record " + recorded["patient_id"],
            "time": order.astype(np.float64),
            "site": recorded["site"].where(recorded["site"] != "", _NOT_RECORDED),
            "follow_up_days": recorded["follow_up_days"],
            "stratum": "recorded " + recorded["predicted_at"].dt.year.astype(str),
        }
    )


def _needs_follow_up(original: Cohort, closed: Closed) -> bool:
    return "follow_up_days" in original.frame or closed.censored > 0


def _notes(closed: Closed) -> list[str]:
    rows, shown = len(closed.frame), int(closed.frame["shown"].sum())
    notes = [
        f"{rows:,} rows are recorded predictions of closed windows: {shown:,} were shown and "
        f"{rows - shown:,} were silent",
        "whether a person of the original cohort is also among the recorded ones can't be told "
        "from a pseudonym",
    ]
    if shown:
        notes.append(
            f"the outcomes of the {shown:,} shown predictions may have been changed by what was "
            "done about them: people whom treatment helped teach a model that people like them "
            "were at low risk, and the champion looks worse for having helped"
        )
    return [*notes, *closed.dates.notes]
