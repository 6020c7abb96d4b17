"""Recorded predictions whose outcomes must be known by now, as rows that a model can learn from."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from django.db.models import Max, Min, Q, QuerySet

from models.amounts import counted
from models.change_plan import ChangePlan
from models.definition import Definition
from models.encoding import complete_columns, encode_columns
from models.errors import CohortError, RecordError
from models.event_dates import EventDates
from records.follow_up import LARGEST_UNREPORTED, ONE_DAY, FollowUp, follow_up
from records.models import Amendment, Prediction
from training.cohort import input_features

_FIELDS: Final = (
    "id",
    "version",
    "artefact_digest",
    "patient",
    "predicted_at",
    "site",
    "shown",
    "features",
    "vector",
)
_AT_ONCE: Final = 10_000
_OTHER_DEFINITION: Final = "Recorded predictions of versions whose features were defined otherwise"
_AMENDED: Final = "Recorded predictions that were corrected or withdrawn"
_SHOWN: Final = "Recorded predictions that were shown, which the change plan doesn't learn from"
_TWICE: Final = "Recorded predictions of one patient at one time, but for the last recorded"
_UNREPORTED: Final = "Recorded predictions whose outcome nobody reported"

IsAlike = Callable[[str, str], bool]


@dataclass(frozen=True, eq=False)
class Closed:
    """Predictions of closed windows with a reported outcome, in order of prediction time.

    `frame` has the features in the definition's units, `outcome`, `follow_up_days`, `patient_id`,
    `predicted_at` (UTC), `site` and `shown`, and whether the event `happened`, even after the
    horizon. `through` is the last day of prediction that has closed, `digest` that of the rows.
    """

    frame: pd.DataFrame
    through: date
    left_out: tuple[tuple[str, int], ...]
    censored: int
    dates: EventDates
    digest: str


@dataclass(frozen=True, eq=False)
class _Rows:
    """Predictions as they were recorded, and what is known of each afterwards."""

    ids: list[str]
    table: pd.DataFrame
    vectors: npt.NDArray[np.float64]


def closed_predictions(
    definition: Definition, plan: ChangePlan, is_alike: IsAlike, *, known_by: datetime
) -> Closed:
    """Return the model's predictions whose outcomes had to be known by a time, and what is known.

    A window closes by prediction date, horizon and reporting delay, whatever has been reported.
    Test clients' predictions and reports never enter. `is_alike` says whether the version of a
    number and artefact digest has these features. Raises CohortError where nothing has closed, too
    much is unreported or all events seem dated by when they became known, RecordError where
    recorded values no longer give the recorded inputs.
    """
    through = definition.outcome.closed_through(known_by.date())
    chosen, left_out = _chosen(definition, plan, is_alike, through, known_by)
    within = timedelta(days=definition.outcome.horizon_days)
    rows = _rows(definition, chosen, follow_up(definition.name, within, known_by))
    if not rows.ids:
        raise CohortError(
            f"{definition.name}: of the recorded predictions of closed windows none can be learnt "
            f"from ({_counted(left_out)})"
        )
    _check_inputs(definition, rows)
    last = ~rows.table.duplicated(["patient_id", "predicted_at"], keep="last")
    left_out[_TWICE] = int((~last).sum())
    known = rows.table["follow_up_days"].notna()
    left_out[_UNREPORTED] = int((last & ~known).sum())
    _check_reported(definition, left_out[_UNREPORTED], int(last.sum()))
    frame = rows.table[last & known].reset_index(drop=True)
    dates = _dates(definition, frame)
    horizon = definition.outcome.horizon_days
    censored = (frame["outcome"] == 0) & (frame["follow_up_days"] < horizon)
    return Closed(
        frame=frame,
        through=through,
        left_out=tuple((reason, count) for reason, count in left_out.items() if count),
        censored=int(censored.sum()),
        dates=dates,
        digest=_digest(np.array(rows.ids)[(last & known).to_numpy()].tolist(), frame),
    )


def _chosen(
    definition: Definition,
    plan: ChangePlan,
    is_alike: IsAlike,
    through: date,
    known_by: datetime,
) -> tuple[QuerySet[Prediction], dict[str, int]]:
    """Return the predictions of the plan's window that may be learnt from, and those left out."""
    every = Prediction.objects.filter(
        model=definition.name, is_test=False, recorded_at__lte=known_by
    )
    newest = _newest_closed(definition, every, through)
    since = newest - timedelta(days=plan.window_days)
    closed = every.filter(predicted_at__gt=since, predicted_at__lte=newest)
    # distinct pairs only: thousands of predictions come from few versions
    pairs = closed.order_by().values_list("version", "artefact_digest").distinct()
    alike = Q(pk__in=[])
    for version, digest in pairs:
        if is_alike(version, digest):
            alike |= Q(version=version, artefact_digest=digest)
    amended = Q(
        pk__in=Amendment.objects.filter(recorded_at__lte=known_by, is_test=False).values(
            "prediction"
        )
    )
    left_out = {
        _OTHER_DEFINITION: closed.exclude(alike).count(),
        _AMENDED: closed.filter(alike & amended).count(),
    }
    chosen = closed.filter(alike).exclude(amended)
    if plan.learn_from == "silent":
        left_out[_SHOWN] = chosen.filter(shown=True).count()
        chosen = chosen.filter(shown=False)
    return chosen.order_by("predicted_at", "recorded_at", "id"), left_out


def _newest_closed(definition: Definition, every: QuerySet[Prediction], through: date) -> datetime:
    """Return the newest prediction of a closed window; raise CohortError where there is none."""
    end = datetime.combine(through + ONE_DAY, time(), UTC)
    newest: datetime | None = every.filter(predicted_at__lt=end).aggregate(at=Max("predicted_at"))[
        "at"
    ]
    if newest is not None:
        return newest
    first: datetime | None = every.aggregate(at=Min("predicted_at"))["at"]
    if first is None:
        raise CohortError(
            f"{definition.name} has no recorded predictions; serve it first, or train it on a table"
        )
    until = definition.outcome.closes_on(first.date())
    raise CohortError(
        f"{definition.name}: no closed window until {until.isoformat()}: its first prediction was "
        f"made on {first.date().isoformat()}, and an outcome within "
        f"{counted(definition.outcome.horizon_days, 'day')} is known "
        f"{counted(definition.outcome.reporting_delay_days, 'day')} later"
    )


def _rows(definition: Definition, chosen: QuerySet[Prediction], reports: FollowUp) -> _Rows:
    ids: list[str] = []
    records: list[dict[str, Any]] = []
    vectors: list[bytes] = []
    for row in chosen.values(*_FIELDS).iterator(chunk_size=_AT_ONCE):
        ids.append(str(row["id"]))
        vectors.append(bytes(row["vector"]))
        records.append(_record(definition, row, reports))
    width = len(definition.columns)
    if any(len(vector) != 8 * width for vector in vectors):
        raise RecordError(f"a recorded prediction of {definition.name} hasn't {width} inputs")
    matrix = np.frombuffer(b"".join(vectors), dtype="<f8").reshape(len(vectors), width)
    return _Rows(ids, pd.DataFrame(records), matrix)


def _record(definition: Definition, row: dict[str, Any], reports: FollowUp) -> dict[str, Any]:
    """Return a prediction's values with its outcome by the horizon; without a report, with none."""
    predicted_at: datetime = row["predicted_at"]
    report = reports.of(row["id"], row["patient"], predicted_at)
    days = None if report is None else (report[0] - predicted_at) / ONE_DAY
    horizon = definition.outcome.horizon_days
    by_horizon = report is not None and report[1] and days is not None and days <= horizon
    return {
        **{name: row["features"].get(name) for name in input_features(definition)},
        "outcome": float(by_horizon),
        "follow_up_days": np.nan if days is None else days,
        "happened": report is not None and report[1],
        "patient_id": row["patient"] or str(row["id"]),
        "predicted_at": predicted_at.astimezone(UTC).replace(tzinfo=None),
        "site": row["site"],
        "shown": row["shown"],
    }


def _check_inputs(definition: Definition, rows: _Rows) -> None:
    """Hold the one feature path against the record: the same values give the same inputs."""
    columns = {}
    for name in input_features(definition):
        numeric = definition.by_name[name].kind == "numeric"
        columns[name] = rows.table[name].to_numpy(dtype=np.float64 if numeric else object)
    again = encode_columns(definition, complete_columns(definition, columns))
    same = (again == rows.vectors) | (np.isnan(again) & np.isnan(rows.vectors))
    differ = int((~same.all(axis=1)).sum())
    if differ:
        raise RecordError(
            f"{definition.name}: the values of {differ:,} of {len(rows.ids):,} recorded "
            "predictions no longer give the model inputs that were recorded with them; run "
            "`auscult audit verify`, and retrain with the version of Auscult that served them"
        )


def _check_reported(definition: Definition, unreported: int, closed: int) -> None:
    if unreported > LARGEST_UNREPORTED * closed:
        raise CohortError(
            f"{definition.name}: the outcomes of {unreported:,} of {closed:,} predictions of "
            f"closed windows are unreported, more than {LARGEST_UNREPORTED:.0%}; unreported is "
            "neither censored nor event-free, so report them with `auscult outcomes` first"
        )


def _dates(definition: Definition, frame: pd.DataFrame) -> EventDates:
    """Return how the events are dated; raise CohortError where that leaves none to learn from."""
    days, happened = frame["follow_up_days"].to_numpy(), frame["happened"].to_numpy(dtype=np.bool_)
    dates = EventDates.of(definition.outcome, days, happened)
    if dates.suspicions and not dates.within:
        raise CohortError(f"{definition.name}: {'; '.join(dates.suspicions)}")
    return dates


def _counted(left_out: dict[str, int]) -> str:
    return "; ".join(f"{reason}: {count:,}" for reason, count in left_out.items() if count)


def _digest(ids: list[str], frame: pd.DataFrame) -> str:
    """Return a SHA-256 by which the same predictions and outcomes are known again."""
    known = zip(ids, frame["outcome"].tolist(), frame["follow_up_days"].tolist(), strict=True)
    return hashlib.sha256("\n".join(map(repr, sorted(known))).encode()).hexdigest()
