"""Published formulas that a definition may name as the source of a derived feature."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FormulaInput:
    """An input of a formula with its unit; a category has none."""

    name: str
    unit: str | None


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula, its inputs in order, the unit of its result, its source."""

    inputs: tuple[FormulaInput, ...]
    unit: str
    source: str
    compute: Callable[..., float]


def ckd_epi_2021(creatinine: float, age: float, sex: str) -> float:
    """Return the estimated glomerular filtration rate in mL/min/1.73 m2.

    Creatinine in mg/dL, age in years (18 or more), sex `female` or `male`. Inker et al.,
    N Engl J Med 2021;385:1737-49, the equation without race. Raises ValueError for another sex
    or age, since the equation was not made for them, and without any creatinine.
    """
    if sex not in ("female", "male"):
        raise ValueError(f"CKD-EPI 2021 is defined for female and male, not {sex!r}")
    if age < 18:
        raise ValueError(f"CKD-EPI 2021 is defined for adults, not for age {age:g}")
    if not creatinine > 0:
        raise ValueError(f"CKD-EPI 2021 is defined for creatinine above 0, not {creatinine:g}")
    kappa, alpha, factor = (0.7, -0.241, 1.012) if sex == "female" else (0.9, -0.302, 1.0)
    ratio = creatinine / kappa
    return float(142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.2 * 0.9938**age * factor)


FORMULAS: Mapping[str, Formula] = {
    "ckd_epi_2021": Formula(
        inputs=(
            FormulaInput("creatinine", "mg/dL"),
            FormulaInput("age", "a"),
            FormulaInput("sex", None),
        ),
        unit="mL/min/{1.73_m2}",
        source="Inker et al., N Engl J Med 2021;385:1737-49",
        compute=ckd_epi_2021,
    )
}
