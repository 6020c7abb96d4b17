"""A made-up model with its reference, and predictions of it that are recorded day by day."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import numpy as np
import pandas as pd

from models.artefact import write_manifest
from models.basis import Basis, written
from models.definition import Definition, parse_definition
from models.encoding import encode
from models.profile import ReferenceProfile, build_profile, to_json
from models.readings import Reading
from models.scoring.calibration import Sigmoid
from models.scoring.linear import LinearModel, LinearTerm
from models.scoring.scorer import save_scorer
from monitoring.job import MonitorResult, monitor
from records.models import Alarm, Outcome, Prediction, Refusal, Review
from records.settings import Settings

FIRST = date(2024, 1, 1)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
PATIENT = "c" * 64
NAMES = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")

DEFINITION = """
schema_version = 1
name = "kidney_failure"
title = "Risk of kidney failure within 90 days"
owner = "Tests"
review_by = 2030-01-01
status = "demonstration"
[intended_use]
population = "Adults"
setting = "A made-up clinic"
user = "Tests"
decision = "None at all"
not_for = ["Clinical use of any kind"]
[outcome]
title = "Kidney failure"
definition = "Kidney failure within 90 days"
horizon_days = 90
time_zero = "the prediction"
reporting_delay_days = 30
[estimand]
treatment_policy = "Usual care"
censoring = "Weighted"
[[features]]
name = "age"
title = "Age"
kind = "numeric"
source = "birth_date"
unit = "a"
plausible = [0, 120]
required = true
decimals = 0
[[features]]
name = "creatinine"
title = "Creatinine in serum"
kind = "numeric"
unit = "mg/dL"
analyte = "creatinine"
loinc = ["2160-0", "38483-4"]
plausible = [0.1, 300]
look_back_days = 30
[[features]]
name = "lactate"
title = "Lactate in blood"
kind = "numeric"
unit = "mmol/L"
analyte = "lactate"
plausible = [0.1, 40]
look_back_days = 1
[[features]]
name = "ward"
title = "Ward"
kind = "categorical"
categories = { medical = "Medical", surgical = "Surgical", other = "Other" }
look_back_days = 1
[[bands]]
name = "low"
title = "Lower risk"
starts_at = 0.0
qualitative = "low"
indicator = "info"
action = "Usual care"
[[bands]]
name = "high"
title = "High risk"
starts_at = 0.2
qualitative = "high"
indicator = "critical"
action = "Look again"
[[thresholds]]
risk = 0.2
because = "Four looks for one failure"
[smallest_group]
people = 10
events = 20
non_events = 20
[monitoring]
years_between_false_alarms = 5
smallest_drift_sd = 0.1
"""

Change = Callable[[dict[str, Any], np.random.Generator], None]


def people(rows: int, generator: np.random.Generator) -> dict[str, Any]:
    """Draw people like those that the model was made from."""
    columns: dict[str, Any] = {
        "age": np.clip(generator.normal(65, 12, rows), 18, 100).round(),
        "creatinine": np.exp(generator.normal(0, 0.3, rows)).round(2),
        "lactate": np.exp(generator.normal(0.3, 0.4, rows)).round(1),
        "ward": generator.choice(["medical", "surgical", "other"], rows, p=[0.6, 0.3, 0.1]),
    }
    columns["ward"] = columns["ward"].astype(object)
    columns["creatinine"][generator.random(rows) < 0.15] = np.nan
    return columns


def unchanged(columns: dict[str, Any], generator: np.random.Generator) -> None:
    """Leave people as they are drawn."""


def log_odds(columns: dict[str, Any]) -> np.ndarray:
    """Score people by a made-up formula."""
    creatinine = np.nan_to_num(columns["creatinine"], nan=1.0)
    return -2.5 + 0.03 * (columns["age"] - 65) + 1.2 * (creatinine - 1)


def save_formula(directory: Path, definition: Definition) -> None:
    """Write that formula as the scorer that training leaves."""
    effects = {"age": (0.03, 65.0), "creatinine": (1.2, 1.0)}
    terms = [
        LinearTerm(usual, (effect,), (usual,), (1.0,), (0.0,))
        for effect, usual in (effects.get(name, (0.0, 0.0)) for name in definition.columns)
    ]
    save_scorer(
        directory,
        features=tuple(feature.name for feature in definition.features),
        columns=definition.columns,
        column_feature=np.array(definition.column_feature),
        calibration=Sigmoid(),
        booster_ubj=None,
        linear=LinearModel(-2.5, tuple(terms)),
    )


def leave_artefact(
    directory: Path, definition_text: str, columns: dict[str, Any]
) -> tuple[Definition, ReferenceProfile, Path]:
    """Write what training on these people leaves for monitoring."""
    text = definition_text.encode()
    (directory / "model.toml").write_bytes(text)
    definition = parse_definition(text, source="tests")
    margin = log_odds(columns)
    profile = build_profile(
        definition,
        columns,
        margin,
        definition_digest=hashlib.sha256(text).hexdigest(),
        seed=1,
    )
    (directory / "profile.json").write_bytes(to_json(profile))
    (directory / "card.html").write_text("<!doctype html><title>Card</title><p>A made-up card</p>")
    sample = pd.DataFrame(columns).head(2000)
    sample["risk"] = 1 / (1 + np.exp(-margin[:2000]))
    sample.to_parquet(directory / "reference.parquet")
    (directory / "card.md").write_text("# A made-up model\n\nFor tests only.")
    save_formula(directory, definition)
    write_manifest(directory, definition.name)
    return definition, profile, directory / "reference.parquet"


@dataclass
class Clinic:
    """A model in use: its reference on disk, and a record of what it predicted."""

    definition: Definition
    profile: ReferenceProfile
    reference: Path
    settings: Settings
    version: str = "1"
    recorded: int = 0
    stages: list[str] = field(default_factory=list)

    @property
    def model(self) -> str:
        return self.definition.name

    def record(
        self,
        day: date,
        rows: int = 60,
        change: Change = unchanged,
        **fields: Any,
    ) -> list[Prediction]:
        """Record a day's predictions, spread over its hours, the same ones for the same calls."""
        generator = np.random.default_rng([day.toordinal(), rows, self.recorded])
        columns = people(rows, generator)
        change(columns, generator)
        margin = log_odds(columns)
        self.recorded += rows
        made = [
            self._prediction(day, row, {name: _plain(c[row]) for name, c in columns.items()}, m)
            for row, m in enumerate(margin.tolist())
        ]
        for prediction in made:
            for name, value in fields.items():
                setattr(prediction, name, value)
        Prediction.objects.bulk_create(made)
        return made

    def _prediction(
        self, day: date, row: int, features: dict[str, Any], margin: float
    ) -> Prediction:
        name = f"{day}-{self.recorded}-{row}"
        at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=row % 1440)
        risk = float(1 / (1 + np.exp(-margin)))
        shares = np.array(
            [0.03 * (features["age"] - 65), margin + 2.5 - 0.03 * (features["age"] - 65), 0, 0]
        )
        return Prediction(
            id=uuid5(NAMES, name),
            model=self.model,
            version=self.version,
            definition_digest=self.profile.definition_digest,
            artefact_digest="a" * 64,
            patient=hashlib.sha256(name.encode()).hexdigest(),
            client="client",
            protocol="json",
            predicted_at=at,
            recorded_at=at,
            features=features,
            vector=encode(self.definition, features).astype("<f8").tobytes(),
            contributions=shares.astype("<f8").tobytes(),
            base=-2.5,
            margin=margin,
            risk=risk,
            band=self.definition.band(risk).name,
            findings=[],
            sources=[],
            input_digest="b" * 64,
        )

    def record_days(
        self, first: date, days: int, rows: int = 60, change: Change | None = None
    ) -> None:
        for step in range(days):
            chosen = {"change": change} if change else {}
            self.record(first + timedelta(days=step), rows, **chosen)

    def refuse(self, day: date, times: int, reason: str = "unknown_unit") -> None:
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        Refusal.objects.bulk_create(
            Refusal(
                model=self.model,
                version=self.version,
                client="client",
                protocol="json",
                predicted_at=at,
                recorded_at=at,
                field="creatinine",
                reason=reason,
            )
            for _ in range(times)
        )

    def report_outcomes(
        self,
        predictions: Sequence[Prediction],
        happened: Sequence[bool],
        days: float,
        reported_at: datetime = NOW,
    ) -> None:
        Outcome.objects.bulk_create(
            Outcome(
                prediction=prediction,
                model=self.model,
                happened=what,
                known_at=prediction.predicted_at + timedelta(days=days),
                reported_at=reported_at,
                client="client",
            )
            for prediction, what in zip(predictions, happened, strict=True)
        )

    def watch(
        self,
        through: date,
        now: datetime = NOW,
        *,
        with_reports: bool = False,
        interval: timedelta | None = None,
        stops_early: bool = False,
    ) -> MonitorResult:
        return monitor(
            self.model,
            version=self.version,
            profile=self.profile,
            reference=self.reference,
            through=through,
            settings=self.settings,
            now=now,
            progress=lambda stage, done, total: self.stages.append(f"{stage} {done}/{total}"),
            with_reports=with_reports,
            interval=interval,
            stops_early=stops_early,
        )


def came_from(prediction: Prediction, *sources: str, feature: str = "creatinine") -> None:
    """Let a recorded prediction have a feature's value from the last source, and save it.

    The other sources gave nothing that the model reads.
    """
    value, unit, at = prediction.features[feature], "mg/dL", prediction.predicted_at
    prediction.sources = list(sources)
    if value is not None:
        prediction.basis = written(
            Basis({feature: (Reading(value, unit, at, "2160-0", sources[-1]),)}, PATIENT)
        )
    prediction.save()


def _plain(value: Any) -> float | str | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return value if isinstance(value, str) else float(value)


def without_creatinine(share: float) -> Change:
    """Let creatinine be missing in this share of rows."""

    def change(columns: dict[str, Any], generator: np.random.Generator) -> None:
        columns["creatinine"][generator.random(len(columns["age"])) < share] = np.nan

    return change


def in_umol(columns: dict[str, Any], generator: np.random.Generator) -> None:
    """Give creatinine in umol/L where mg/dL is said."""
    columns["creatinine"] = columns["creatinine"] * 88.42


def older(years: float) -> Change:
    """Let people be older by so many years."""

    def change(columns: dict[str, Any], generator: np.random.Generator) -> None:
        columns["age"] = columns["age"] + years

    return change


def sign(alarm: Alarm, decision: str) -> None:
    """Close an alarm by a decision; what is watched next settles it."""
    Alarm.objects.filter(pk=alarm.pk).update(state="closed")
    Review.objects.create(
        alarm=alarm,
        model=alarm.model,
        version=alarm.version,
        decision=decision,
        by="reviewer",
        because="seen",
        signed_at=NOW,
    )


def both(*changes: Change) -> Change:
    """Apply several changes."""

    def change(columns: dict[str, Any], generator: np.random.Generator) -> None:
        for one in changes:
            one(columns, generator)

    return change
