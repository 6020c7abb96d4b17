"""A risk model's definition: the one contract that training, serving and monitoring read."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from models.cds_hooks import CdsHooks
from models.change_plan import ChangePlan
from models.coherence import check_coherence
from models.errors import DefinitionError
from models.feature import Feature
from models.gate import Gate
from models.measured import Measured, by_coding, measured
from models.misfit import faults_in_words
from models.retraining_triggers import RetrainingTriggers

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,62}$")]
Words = Annotated[str, StringConstraints(min_length=3, strip_whitespace=True)]
NOT_FOR_CLINICAL_USE = "not for clinical use"
Risk = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class Part(BaseModel):
    """A frozen part of a definition that refuses keys it doesn't know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Status(StrEnum):
    """How far a model may be used; `demonstration` is never for clinical use."""

    DEMONSTRATION = "demonstration"
    SILENT = "silent"
    APPROVED = "approved"
    RETIRED = "retired"


class IntendedUse(Part):
    """Whom the model is for, who acts on it, and what it is not for."""

    population: Words
    setting: Words
    user: Words
    decision: Words
    not_for: tuple[Words, ...] = Field(min_length=1)


class Inclusion(Part):
    """A limit of a feature outside which there is no score."""

    feature: Name
    rule: Words
    at_least: float | None = None
    at_most: float | None = None
    one_of: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.at_least is None and self.at_most is None and not self.one_of:
            raise ValueError("give at_least, at_most or one_of")
        return self


class Coding(Part):
    """A code in a system, as FHIR writes it."""

    system: Words
    code: Words
    display: Words


class Outcome(Part):
    """What is predicted, from when, and how long until it's known."""

    title: Words
    definition: Words
    horizon_days: int = Field(gt=0)
    time_zero: Words
    codes: tuple[Coding, ...] = ()
    reporting_delay_days: int = Field(ge=0)

    def closed_through(self, today: date) -> date:
        """Return the last day of prediction whose outcomes must be known by today."""
        return today - timedelta(days=self.horizon_days + self.reporting_delay_days + 1)

    def closes_on(self, day: date) -> date:
        """Return the last day before the outcomes of a day's predictions must be known."""
        return day + timedelta(days=self.horizon_days + self.reporting_delay_days)


class Estimand(Part):
    """The risk that is meant: under which treatment policy, and how censoring is taken."""

    treatment_policy: Words
    censoring: Words


class Band(Part):
    """A range of risk and the action that it asks for."""

    name: Name
    title: Words
    starts_at: float = Field(ge=0, lt=1)
    action: Words
    qualitative: Literal["negligible", "low", "moderate", "high", "certain"]
    indicator: Literal["info", "warning", "critical"]


class Threshold(Part):
    """A risk at which a decision changes, and the harm-to-benefit reasoning behind it."""

    risk: Risk
    because: Words


class Subgroup(Part):
    """A characteristic by which performance is reported, or why it can't be.

    It is a feature, or a column that only training tables have and the model never sees.
    """

    name: Name
    title: Words
    feature: Name | None = None
    column: Name | None = None
    cuts: tuple[float, ...] = ()
    not_assessed: Words | None = None

    @model_validator(mode="after")
    def _has_a_source_or_a_reason(self) -> Self:
        given = [part for part in (self.feature, self.column, self.not_assessed) if part]
        if len(given) != 1:
            raise ValueError("give a feature, a column, or the reason in not_assessed")
        if self.cuts and self.feature is None:
            raise ValueError("cuts divide a feature; a column holds groups by their names")
        if list(self.cuts) != sorted(set(self.cuts)):
            raise ValueError(f"cuts {self.cuts} must rise")
        return self


class SmallestGroup(Part):
    """Numbers of patients: below `people` a subgroup is withheld, below the others without figures.

    `events` and `non_events` are patients with and without an event; fewer would give figures that
    mislead, which is no secret.
    """

    people: int = Field(ge=5)
    events: int = Field(ge=1)
    non_events: int = Field(ge=1)


class Monitoring(Part):
    """What alarms promise, the smallest drift that matters, and the windows of performance."""

    years_between_false_alarms: float = Field(gt=0)
    smallest_drift_sd: float = Field(ge=0)
    performance_window: Literal["month", "quarter", "year"] | None = None


class AtLeast(Part):
    """Of these features, so many must be known, or there is no score."""

    count: int = Field(gt=0)
    of: tuple[Name, ...] = Field(min_length=1)


class Definition(Part):
    """A model's definition, as `models/<name>/model.toml` states it."""

    schema_version: Literal[1]
    name: Name
    title: Words
    owner: Words
    review_by: date
    status: Status
    intended_use: IntendedUse
    outcome: Outcome
    estimand: Estimand
    features: tuple[Feature, ...] = Field(min_length=1)
    inclusion: tuple[Inclusion, ...] = ()
    smallest_set: tuple[AtLeast, ...] = ()
    bands: tuple[Band, ...] = Field(min_length=1)
    thresholds: tuple[Threshold, ...] = Field(min_length=1)
    subgroups: tuple[Subgroup, ...] = ()
    smallest_group: SmallestGroup
    monitoring: Monitoring
    gates: tuple[Gate, ...] = ()
    change_plan: ChangePlan | None = None
    retraining_triggers: RetrainingTriggers | None = None
    cds_hooks: CdsHooks | None = None

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        check_coherence(self)
        return self

    @cached_property
    def by_name(self) -> Mapping[str, Feature]:
        """The features by their names."""
        return {feature.name: feature for feature in self.features}

    @cached_property
    def by_coding(self) -> Mapping[tuple[str, str], tuple[Feature, ...]]:
        """The observed features by each system and code under which they are reported."""
        return by_coding(self.features)

    @cached_property
    def given(self) -> frozenset[str]:
        """The names of the features that are given, not derived from others."""
        return frozenset(one.name for one in self.measured)

    @cached_property
    def measured(self) -> tuple[Measured, ...]:
        """The features that are given, with what is known of them beforehand."""
        return measured(self.features)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The names of the features without which there is no score."""
        return tuple(feature.name for feature in self.features if feature.required)

    @cached_property
    def is_numeric(self) -> bool:
        """Whether every feature is a number, and so a column of its own name."""
        return all(feature.kind == "numeric" for feature in self.features)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The model's input columns, in order: one a number, one or more a category."""
        return tuple(column for feature in self.features for column in feature.columns)

    @cached_property
    def column_feature(self) -> tuple[int, ...]:
        """For every input column, the index of the feature that it's made from."""
        return tuple(i for i, feature in enumerate(self.features) for _ in feature.columns)

    def band(self, risk: float) -> Band:
        """Return the band that a risk in [0, 1] falls into."""
        return next(band for band in reversed(self.bands) if risk >= band.starts_at)

    @property
    def for_demonstration(self) -> bool:
        """Whether every answer has to say that it's not for clinical use."""
        return self.status is Status.DEMONSTRATION


@dataclass(frozen=True, slots=True)
class DefinitionFile:
    """A definition with the file it was read from, its SHA-256 and its model card's text."""

    definition: Definition
    path: Path
    text: bytes
    card: str

    @property
    def digest(self) -> str:
        """Return the SHA-256 of `model.toml`, which every version and prediction carries."""
        return hashlib.sha256(self.text).hexdigest()


def read_definition(path: Path) -> DefinitionFile:
    """Read `model.toml` and the `card.md` beside it; raise DefinitionError with file and key."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DefinitionError(f"{path}: can't be read ({error.strerror})") from error
    definition = parse_definition(text, source=str(path))
    card = path.with_name("card.md")
    if not card.is_file():
        raise DefinitionError(f"{card}: every model needs a card; write one beside {path.name}")
    return DefinitionFile(definition, path, text, card.read_text(encoding="utf-8"))


def parse_definition(text: bytes, *, source: str) -> Definition:
    """Parse a definition's TOML; raise DefinitionError that names `source` and every bad key."""
    try:
        return Definition.model_validate(tomllib.loads(text.decode("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{source}: not TOML: {error}") from error
    except ValidationError as error:
        faults = faults_in_words(error, lambda loc: ".".join(map(str, loc)) or "definition")
        raise DefinitionError(f"{source}: {faults}") from error
