"""Writing recorded predictions and what became of them for Epic's `seismometer`.

It counts a prediction without an event as one without the outcome. So only those go into its table
whose window has closed and whose outcome is settled; the others lie beside it, each with the
reason.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.definition import Definition
from models.errors import RecordError
from models.event_dates import EventDates
from monitoring import seismometer_config as config
from monitoring.stays import ONE_DAY, start_of
from records.answers import times
from records.follow_up import FollowUp, follow_up, prediction_keys
from records.models import Amendment, Feedback, Prediction

ROWS_AT_ONCE = 20_000
MADE, WHEN = pa.string(), pa.timestamp("ns")
EVENT = pa.schema(
    [
        (config.PATIENT, MADE),
        (config.PREDICTION, MADE),
        ("Type", MADE),
        ("EventTime", WHEN),
        ("Value", pa.float64()),
    ]
)
REASON = "Reason"


@dataclass
class Exported:
    """How many predictions were written as settled, how many of them as events, and the rest.

    `to_bear_in_mind` says how many events after the horizon count as none, and whether they seem
    dated by when they became known.
    """

    predictions: int = 0
    events: int = 0
    feedback: int = 0
    unsettled: dict[str, int] = field(default_factory=dict)
    to_bear_in_mind: tuple[str, ...] = ()


def export(
    definition: Definition,
    version: str,
    first: date,
    last: date,
    target: Path,
    now: datetime,
    progress: Callable[[str, int, int], None],
) -> Exported:
    """Write a version's predictions from the first to the last day into a new directory.

    It appears whole or not at all, readable for its owner alone. Raises RecordError where the
    directory is there already or can't be made, or where no outcome is settled, since nothing could
    be judged.
    """
    if target.exists():
        raise RecordError(f"{target} is there already; name a directory that isn't")
    if not target.parent.is_dir():
        raise RecordError(f"{target}: {target.parent} is no directory; make it first")
    if first > last:
        raise RecordError(f"{first} comes after {last}")
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        exported = _Export(definition, version, part / "data", now).write(first, last, progress)
        if not exported.predictions:
            raise RecordError(
                f"{definition.name} version {version}: no prediction from {first} to {last} has a "
                f"settled outcome ({_words(exported.unsettled)}), so there is nothing to judge"
            )
        done = [kind for kind in config.DONE if kind in _kinds_done(part / "data")]
        for name, text in config.files(definition, version, done).items():
            (part / name).write_text(text, encoding="utf-8")
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return exported


@dataclass
class _Export:
    definition: Definition
    version: str
    place: Path
    now: datetime

    def write(self, first: date, last: date, progress: Callable[[str, int, int], None]) -> Exported:
        self.place.mkdir()
        schema = _schema(self.definition)
        exported, dates = Exported(), EventDates(self.definition.outcome, 0, 0, 0)
        horizon = timedelta(days=self.definition.outcome.horizon_days)
        reports = follow_up(self.definition.name, horizon)
        amended = _amended(self.definition.name)
        chosen = self._predictions(first, last)
        total, written = chosen.count(), 0
        with (
            pq.ParquetWriter(self.place / config.PREDICTIONS, schema) as settled,
            pq.ParquetWriter(self.place / config.EVENTS, EVENT) as events,
            pq.ParquetWriter(
                self.place / config.UNSETTLED, schema.append(pa.field(REASON, MADE))
            ) as others,
        ):
            for rows in _parts(chosen.order_by("predicted_at", "pk")):
                known, happenings, unknown, dated = self._divided(rows, reports, amended)
                dates = dates.joined(dated)
                settled.write_table(pa.Table.from_pylist(known, schema))
                others.write_table(pa.Table.from_pylist(unknown, others.schema))
                exported.predictions += len(known)
                exported.events += sum(event["Value"] == 1 for event in happenings)
                for row in unknown:
                    reason = row[REASON]
                    exported.unsettled[reason] = exported.unsettled.get(reason, 0) + 1
                feedback = self._feedback(rows)
                exported.feedback += len(feedback)
                events.write_table(pa.Table.from_pylist([*happenings, *feedback], EVENT))
                written += len(rows)
                progress("writing predictions", written, total)
        exported.to_bear_in_mind = (*dates.notes, *dates.suspicions)
        return exported

    def _predictions(self, first: date, last: date) -> Any:
        return Prediction.objects.filter(
            model=self.definition.name,
            version=self.version,
            is_test=False,
            predicted_at__gte=start_of(first),
            predicted_at__lt=start_of(last + ONE_DAY),
        ).defer("vector", "contributions", "findings", "sources", "basis", "unused")

    def _divided(
        self, rows: Sequence[Prediction], reports: FollowUp, amended: dict[Any, str]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]], EventDates]:
        """Return the settled rows, their outcomes as events, the others, and how events are dated.

        An event's time is when it was: a report's `happened_at`, where that was stated.
        """
        settled, events, others = [], [], []
        predicted_at = times([one.predicted_at for one in rows])
        known_at, happened = reports.of_all(
            prediction_keys([one.pk for one in rows]), [one.patient for one in rows], predicted_at
        )
        days = (known_at - predicted_at) / np.timedelta64(1, "D")
        closed = np.array([self._is_closed(one) for one in rows])
        known = zip(known_at.astype(object), happened.tolist(), closed.tolist(), strict=True)
        for one, (at, did, is_closed) in zip(rows, known, strict=True):
            row = _row(self.definition, one, amended)
            found = (
                self._outcome(one, at.replace(tzinfo=UTC) if at else None, did)
                if is_closed
                else "the window hasn't closed"
            )
            if isinstance(found, str):
                others.append(row | {REASON: found})
                continue
            settled.append(row)
            events.append(_event(one, config.OUTCOME, found[0], float(found[1])))
        dated = EventDates.of(self.definition.outcome, days[closed], happened[closed])
        return settled, events, others, dated

    def _is_closed(self, one: Prediction) -> bool:
        """Whether a prediction's outcome must be known, by its date alone.

        An event is known as soon as it happens and its absence only later, so what is known
        before would be events alone.
        """
        outcome = self.definition.outcome
        days = outcome.horizon_days + outcome.reporting_delay_days
        return self.now > one.predicted_at + timedelta(days=days)

    def _outcome(
        self, one: Prediction, known_at: datetime | None, happened: bool
    ) -> tuple[datetime, bool] | str:
        """Return when the outcome was, or the horizon's end without it; or why neither is known."""
        end = one.predicted_at + timedelta(days=self.definition.outcome.horizon_days)
        if known_at is not None and happened and known_at <= end:
            return known_at, True
        if known_at is not None and known_at >= end:
            return end, False
        return "unreported" if known_at is None else "follow-up ended early"

    def _feedback(self, rows: Sequence[Prediction]) -> list[dict[str, Any]]:
        by_key = {one.pk: one for one in rows}
        told = Feedback.objects.filter(prediction__in=list(by_key), is_test=False)
        return [
            _event(by_key[key], kind, at, 1.0)
            for key, kind, at in told.order_by("happened_at", "pk").values_list(
                "prediction_id", "outcome", "happened_at"
            )
            if kind in config.DONE
        ]


def _parts(chosen: Any) -> Iterator[list[Prediction]]:
    rows: list[Prediction] = []
    for one in chosen.iterator(chunk_size=2_000):
        rows.append(one)
        if len(rows) == ROWS_AT_ONCE:
            yield rows
            rows = []
    if rows:
        yield rows


def _schema(definition: Definition) -> pa.Schema:
    kinds = {"object": MADE, "float64": pa.float64(), "datetime64[ns]": WHEN}
    own = [(name, kinds[dtype]) for name, (dtype, _) in config.COLUMNS.items()]
    features = [
        (one.name, pa.float64() if one.kind == "numeric" else MADE) for one in definition.features
    ]
    return pa.schema([*own, *features])


def _row(definition: Definition, one: Prediction, amended: dict[Any, str]) -> dict[str, Any]:
    return {
        config.PATIENT: one.patient or str(one.pk),
        config.PREDICTION: str(one.pk),
        config.TIME: _naive(one.predicted_at),
        config.RISK: one.risk,
        config.BAND: one.band,
        config.SHOWN: "shown" if one.shown else "silent",
        config.SITE: one.site or None,
        config.VERSION: one.version,
        config.STATUS: amended.get(one.pk, one.status),
        **{feature.name: one.features.get(feature.name) for feature in definition.features},
    }


def _event(one: Prediction, kind: str, time: datetime, value: float) -> dict[str, Any]:
    return {
        config.PATIENT: one.patient or str(one.pk),
        config.PREDICTION: str(one.pk),
        "Type": kind,
        "EventTime": _naive(time),
        "Value": value,
    }


def _amended(model: str) -> dict[Any, str]:
    """Return what became of each prediction that was amended or withdrawn, the last word."""
    found = Amendment.objects.filter(prediction__model=model, is_test=False).order_by("pk")
    return dict(found.values_list("prediction_id", "status"))


def _kinds_done(place: Path) -> set[str]:
    column = pq.read_table(place / config.EVENTS, columns=["Type"])["Type"]
    return set(column.unique().to_pylist())


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _words(unsettled: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {why}" for why, count in unsettled.items()) or "none was made"
