"""A feature of a risk model: what is measured, in which unit, how far back, and if it's absent."""

import math
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Literal, Self

from msgspec import Struct
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from models.formulas import FORMULAS
from models.loinc import LOINC, check_loinc
from models.units import check_codes, check_convertible, is_as_it_is

LoincCode = Annotated[str, AfterValidator(check_loinc)]
FeatureName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,62}$")]


System = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9+.-]*:[^\s|,$\\]+$")]


class LocalCode(BaseModel):
    """A code of another system than LOINC under which a feature is reported."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: System
    code: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]

    @field_validator("system")
    @classmethod
    def _is_another(cls, system: str) -> str:
        if system == LOINC:
            raise ValueError("LOINC codes stand in loinc, where their check digits are verified")
        return system


class Derived(BaseModel):
    """A published formula and the features that it's computed from, in the formula's order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    formula: str
    inputs: tuple[FeatureName, ...]

    @model_validator(mode="after")
    def _is_a_known_formula(self) -> Self:
        formula = FORMULAS.get(self.formula)
        if formula is None:
            raise ValueError(f"formula {self.formula!r} is none of {sorted(FORMULAS)}")
        if len(self.inputs) != len(formula.inputs):
            needs = ", ".join(given.name for given in formula.inputs)
            raise ValueError(f"{self.formula} needs {needs}, not {', '.join(self.inputs)}")
        return self


class Plain(Struct, frozen=True):
    """What makes a value plain: a finite number in this range, or a category; its unit and codes.

    Without a range `low` is above `high`. Under `codes` a number in the unit is the value itself.
    `is_text` is a category that a text names, which those of `category_systems` aren't;
    `is_birth_date` is one that makes an age in years.
    """

    name: str
    low: float
    high: float
    whole: bool
    unit: str | None
    unit_mandatory: bool
    is_category: bool
    is_text: bool
    is_birth_date: bool
    categories: frozenset[str]
    look_back: timedelta | None
    codes: frozenset[str]
    has_several_codes: bool


class Feature(BaseModel):
    """One feature of the definition.

    `plausible` is in `unit`; a value outside it is unusable, which is not missing.
    `look_back_days` counts back from the prediction time; `reduce` says how several values
    within it become one. `analyte` names the table of unit conversions, since amounts of
    substance convert to masses for one analyte at a time. With `unit_mandatory` a bare number is
    refused, because a wrong unit would still look plausible. `category_systems` are those of which
    the categories' keys are codes: a coding of another one is refused, and so is a text in FHIR.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: FeatureName
    title: Annotated[str, StringConstraints(min_length=2)]
    kind: Literal["numeric", "categorical"]
    source: Literal["observation", "birth_date", "gender"] = "observation"
    unit: str | None = None
    analyte: str | None = None
    unit_mandatory: bool = False
    loinc: tuple[LoincCode, ...] = ()
    codes: tuple[LocalCode, ...] = ()
    plausible: tuple[float, float] | None = None
    categories: dict[str, str] = Field(default_factory=dict)
    category_systems: tuple[System, ...] = ()
    look_back_days: float | None = Field(default=None, gt=0)
    reduce: Literal["latest", "earliest", "maximum", "minimum", "mean", "median"] = "latest"
    required: bool = False
    if_unusable: Literal["refuse", "score_without"] = "refuse"
    accept_preliminary: bool = False
    accept_censored: bool = False
    direction: Literal["increasing", "decreasing"] | None = None
    derived: Derived | None = None
    decimals: int = Field(default=1, ge=0, le=6)

    @field_validator("plausible")
    @classmethod
    def _is_a_range(cls, plausible: tuple[float, float] | None) -> tuple[float, float] | None:
        if plausible is not None and not plausible[0] < plausible[1]:
            raise ValueError(f"plausible {plausible} must be [low, high] with low < high")
        return plausible

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind == "numeric":
            self._check_numeric()
        elif len(self.categories) < 2:
            raise ValueError("a categorical feature needs two or more categories")
        elif self.unit or self.plausible or self.derived:
            raise ValueError("a categorical feature has no unit, plausible range or formula")
        elif self.category_systems and self.source != "observation":
            raise ValueError("category_systems are of coded results; a Patient's gender has none")
        elif self.reduce not in ("latest", "earliest"):
            raise ValueError(f"categories can't be reduced by their {self.reduce}")
        if self.required and self.if_unusable == "score_without":
            raise ValueError("a required feature can't be scored without")
        if self.source == "observation" and not self.derived:
            self._check_observed()
        return self

    def _check_numeric(self) -> None:
        if self.unit is None or self.plausible is None:
            raise ValueError("a numeric feature needs a unit and a plausible range")
        if self.categories or self.category_systems:
            raise ValueError("a numeric feature has no categories")
        check_convertible(self.unit, self.analyte)
        check_codes(self.unit, self.analyte, self.loinc)
        if self.derived and self.unit != FORMULAS[self.derived.formula].unit:
            wanted = FORMULAS[self.derived.formula].unit
            raise ValueError(f"{self.derived.formula} gives {wanted}, not {self.unit}")

    def _check_observed(self) -> None:
        if self.look_back_days is None:
            raise ValueError("an observed feature needs look_back_days")

    @property
    def columns(self) -> tuple[str, ...]:
        """The model's input columns made from this feature.

        A number is one column; two categories are one (1 is the second); more are one each.
        """
        if self.kind == "numeric":
            return (self.name,)
        return tuple(f"{self.name}={level}" for level in self.levels)

    @cached_property
    def codings(self) -> tuple[tuple[str, str], ...]:
        """The systems and codes under which values are reported, LOINC first."""
        local = ((one.system, one.code) for one in self.codes)
        return (*((LOINC, code) for code in self.loinc), *local)

    @cached_property
    def plain(self) -> Plain:
        """What makes a value plain."""
        unit, observed = self.unit or "1", self.source == "observation"
        codes = {code for _, code in self.codings} if observed else set()
        low, high = self.plausible or (math.inf, -math.inf)
        is_category = self.kind == "categorical"
        return Plain(
            self.name,
            # so that the comparison itself refuses what isn't finite
            max(low, math.nextafter(-math.inf, 0)),
            min(high, math.nextafter(math.inf, 0)),
            self.is_whole,
            self.unit,
            self.unit_mandatory,
            is_category,
            is_category and not self.category_systems,
            self.source == "birth_date" and unit == "a",
            frozenset(self.categories),
            self.look_back,
            frozenset(code for code in codes if is_as_it_is(unit, self.analyte, code)),
            len(self.codings) > 1,
        )

    @cached_property
    def look_back(self) -> timedelta | None:
        """How far before the prediction time a reading may have been taken."""
        return None if self.look_back_days is None else timedelta(days=self.look_back_days)

    @cached_property
    def is_whole(self) -> bool:
        """Whether only whole numbers can be right: completed years, and what is counted."""
        return self.source == "birth_date" or self.unit == "{count}"

    @cached_property
    def levels(self) -> tuple[str, ...]:
        """The categories that have a column of their own; none for a number."""
        known = tuple(self.categories)
        return known[1:] if len(known) == 2 else known

    @cached_property
    def cells(self) -> Mapping[float | str | None, tuple[float, ...]]:
        """What stands in a category's columns, for each category and for none."""
        cells: dict[float | str | None, tuple[float, ...]] = {
            one: tuple(float(one == level) for level in self.levels) for one in self.categories
        }
        cells[None] = (math.nan,) * len(self.levels)
        return cells
