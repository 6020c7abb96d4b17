"""What makes a training table unusable: each fault names column, row count and what to do."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pandas as pd

from models.definition import Definition
from models.feature import Feature
from models.units import accepted_units, convert
from training.cohort import input_features

LARGEST_IMPLAUSIBLE_SHARE = 0.05
_SHARE_UNDER_ANOTHER_UNIT = 0.1
_EARLIEST = pd.Timestamp(1900, 1, 1)
_NOBODY_CENSORED = "nobody is censored"  # how a claim begins that data can contradict


def faults(frame: pd.DataFrame, definition: Definition, now: datetime) -> list[str]:
    """Return every fault for which the table is refused, empty if there is none."""
    if frame.empty:
        return ["the table has no rows: give one row a prediction"]
    found = [*_outcome_faults(frame["outcome"], definition), *_patient_faults(frame["patient_id"])]
    for name in input_features(definition):
        found += _feature_faults(frame[name], definition.by_name[name])
    if "time" in frame:
        found += _time_faults(frame["time"], now)
    if "site" in frame:
        found += _absent_faults(frame["site"], "name the site of every row, or leave it out")
    if "follow_up_days" in frame and not found:
        found += _follow_up_faults(frame, definition.outcome.horizon_days)
    return found + list(_duplicate_faults(frame))


def numbers(values: pd.Series) -> pd.Series:
    """Return a column as numbers, missing where a value isn't one, infinite beyond every float."""
    try:
        return pd.to_numeric(values, errors="coerce").astype("float64")
    except OverflowError:
        return values.map(_number).astype("float64")


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]  # what it can't take is no number
    except OverflowError:
        return np.inf
    except (TypeError, ValueError):
        return np.nan


def times(values: pd.Series) -> pd.Series:
    """Return a column of times in UTC; a number stays one, for it only orders."""
    if pd.api.types.is_numeric_dtype(values):
        return values
    parsed = pd.to_datetime(values, utc=True, errors="coerce", format="ISO8601")
    return parsed.dt.tz_localize(None)


def claims_nobody_censored(definition: Definition) -> bool:
    """Whether a definition claims that everybody's outcome is known, as it begins if it does."""
    return definition.estimand.censoring.lower().startswith(_NOBODY_CENSORED)


def _outcome_faults(outcome: pd.Series, definition: Definition) -> Iterator[str]:
    absent = int(outcome.isna().sum())
    if absent:
        advice = (
            ", though the definition says that nobody is censored; find these outcomes out, or say "
            "in [estimand] how unknown ones are taken, and give outcome 0 with their follow_up_days"
            if claims_nobody_censored(definition)
            else "; leave rows with an unknown outcome out, or give outcome 0 with their "
            "follow_up_days"
        )
        yield f"outcome: {_rows_are(absent, len(outcome))} empty{advice}"
    known = numbers(outcome)
    other = outcome.notna() & ~known.isin((0, 1))
    if other.any():
        examples = ", ".join(repr(value) for value in outcome[other].unique()[:3].tolist())
        yield f"outcome: {_rows_are(int(other.sum()))} neither 0 nor 1 but {examples}; recode them"
    elif known.dropna().nunique() == 1:
        yield (
            f"outcome: {known.dropna().iloc[0]:g} in {_all(len(outcome))}; a model needs people "
            "with and without the event"
        )


def _patient_faults(patient: pd.Series) -> Iterator[str]:
    yield from _absent_faults(patient, "every row needs a patient, by whom the parts are divided")
    merged = _beyond_exact(patient)
    if merged.any():
        yield (
            f"patient_id: {_rows_are(int(merged.sum()), len(patient))} too large a number for "
            f"{patient.dtype}, in which different ids become one; write ids as text or as whole "
            "numbers"
        )
    if patient.nunique() == 1:
        yield (
            f"patient_id: one patient in {_all(len(patient))}; a model needs many, and the id "
            "must differ between them"
        )


def _beyond_exact(ids: pd.Series) -> pd.Series:
    """Say which floating-point numbers are so large that their neighbours can't be told apart."""
    if not pd.api.types.is_float_dtype(ids.dtype):
        return pd.Series(data=False, index=ids.index)
    digits = np.finfo(getattr(ids.dtype, "numpy_dtype", ids.dtype)).nmant + 1
    return ids.abs().fillna(0) >= 2.0**digits


def _feature_faults(values: pd.Series, feature: Feature) -> Iterator[str]:
    if values.isna().all():
        yield (
            f"{feature.name}: empty in {_all(len(values))}; fill the column, or take the feature "
            "out of the definition"
        )
    elif feature.kind == "categorical":
        yield from _category_faults(values, feature)
    else:
        yield from _number_faults(values, feature)


def _category_faults(values: pd.Series, feature: Feature) -> Iterator[str]:
    known = values.dropna().astype("str")
    unseen = known[~known.isin(list(feature.categories))]
    if len(unseen):
        examples = ", ".join(repr(value) for value in unseen.unique()[:3])
        yield (
            f"{feature.name}: {_rows_are(len(unseen))} of categories that the definition "
            f"doesn't know ({examples}); use {', '.join(feature.categories)}, or leave the value "
            "empty"
        )
    elif known.nunique() == 1:
        yield _constant(feature.name, len(known), known.iloc[0])


def _number_faults(values: pd.Series, feature: Feature) -> Iterator[str]:
    amounts = numbers(values)
    text = values.notna() & amounts.isna()
    if text.any():
        yield (
            f"{feature.name}: {_rows_are(int(text.sum()), len(values))} not a number, such as "
            f"{str(values[text].iloc[0])!r}; write numbers in {feature.unit}, or leave them empty"
        )
    infinite = int(np.isinf(amounts).sum())
    if infinite:
        yield f"{feature.name}: {_rows_are(infinite)} infinite; leave them empty or correct them"
    usable = amounts[np.isfinite(amounts)]
    if usable.nunique() == 1:
        yield _constant(feature.name, len(usable), f"{usable.iloc[0]:g}")
    elif len(usable):
        yield from _range_faults(usable, feature)


def _range_faults(usable: pd.Series, feature: Feature) -> Iterator[str]:
    outside = outside_range(usable, feature)
    if outside.mean() <= LARGEST_IMPLAUSIBLE_SHARE:
        return
    low, high = feature.plausible or (-np.inf, np.inf)
    units = suspected_units(usable, feature)
    advice = (
        "the values would be plausible as "
        + " or as ".join(f"{unit} (median {middle:.3g} {feature.unit})" for unit, middle in units)
        + f"; convert them to {feature.unit}"
        if units
        else "check the unit and the column"
    )
    yield (
        f"{feature.name}: {int(outside.sum())} of {len(usable)} values lie outside the plausible "
        f"range {low:g} to {high:g} {feature.unit}; {advice}"
    )


def suspected_units(usable: pd.Series, feature: Feature) -> list[tuple[str, float]]:
    """Return other units in which nearly all values would be plausible, with the median then."""
    if feature.unit is None:
        return []
    amounts = usable.to_numpy(dtype=np.float64)
    found = []
    for unit in accepted_units(feature.unit, feature.analyte)[1:]:
        converted = convert(amounts, unit, to=feature.unit, analyte=feature.analyte)
        if outside_range(pd.Series(converted), feature).mean() <= _SHARE_UNDER_ANOTHER_UNIT:
            found.append((unit, float(np.median(converted))))
    return found


def outside_range(values: pd.Series, feature: Feature) -> pd.Series:
    """Say which known values lie outside the plausible range."""
    low, high = feature.plausible or (-np.inf, np.inf)
    return values.notna() & ~values.between(low, high)


def _constant(name: str, rows: int, value: str) -> str:
    return (
        f"{name}: {value} in {_all(rows, 'known value')}; a feature of one value can't be learnt "
        "from, so take it out of the definition or correct the column"
    )


def _time_faults(values: pd.Series, now: datetime) -> Iterator[str]:
    yield from _absent_faults(values, "every row needs its prediction time, or no row")
    parsed = times(values)
    if pd.api.types.is_numeric_dtype(parsed):
        infinite = int(np.isinf(numbers(parsed)).sum())
        if infinite:
            yield f"time: {_rows_are(infinite, len(values))} infinite; correct or leave them out"
        return
    wrong = values.notna() & parsed.isna()
    if wrong.any():
        yield (
            f"time: {_rows_are(int(wrong.sum()))} no time, such as {str(values[wrong].iloc[0])!r}; "
            "write ISO 8601, as 2024-05-31T08:00:00Z"
        )
    future = int((parsed > pd.Timestamp(now).tz_convert(None)).sum())
    if future:
        yield f"time: {_rows_are(future, len(values))} in the future; correct or leave them out"
    early = int((parsed < _EARLIEST).sum())
    if early:
        yield (
            f"time: {_rows_are(early, len(values))} before {_EARLIEST.year}, which no record is; "
            "correct or leave them out"
        )


def _absent_faults(values: pd.Series, advice: str) -> Iterator[str]:
    absent = int(values.isna().sum())
    if absent:
        yield f"{values.name}: {_rows_are(absent, len(values))} empty; {advice}"


def _follow_up_faults(frame: pd.DataFrame, horizon_days: int) -> Iterator[str]:
    days = numbers(frame["follow_up_days"])
    wrong = ~np.isfinite(days) | (days < 0)
    if wrong.any():
        yield (
            f"follow_up_days: {_rows_are(int(wrong.sum()), len(days))} not a number of 0 or more; "
            "give the day of the event, or of the last contact"
        )
    late = (numbers(frame["outcome"]) == 1) & (days > horizon_days)
    if late.any():
        yield (
            f"follow_up_days: {_rows_are(int(late.sum()))} of outcome 1 after day {horizon_days}, "
            "the horizon; give outcome 0, for the event came later than what is predicted"
        )


def _duplicate_faults(frame: pd.DataFrame) -> Iterator[str]:
    again = int(frame.duplicated(["patient_id", "time"]).sum()) if "time" in frame else 0
    if again:
        yield (
            f"patient_id, time: {_rows_are(again, len(frame))} the repetition of the same patient "
            "and time; keep one of each"
        )


def repeated_rows(frame: pd.DataFrame) -> list[str]:
    """Say in a table without times how many rows repeat another, as a suspicion: they may be two.

    With times, a repetition is a fault.
    """
    again = 0 if "time" in frame else int(frame.duplicated().sum())
    if not again:
        return []
    return [
        f"patient_id: {_rows_are(again, len(frame))}, {again / len(frame):.2%}, in every column "
        "the repetition of another; without a time it can't be told whether that is one "
        "prediction that came twice, which would count twice, or two that are alike"
    ]


def _rows_are(count: int, total: int | None = None) -> str:
    """Say how many rows, of how many, are what follows."""
    of = "" if total is None else f" of {total:,}"
    rows = "row" if (total or count) == 1 else "rows"
    return f"{count:,}{of} {rows} {'is' if count == 1 else 'are'}"


def _all(count: int, what: str = "row") -> str:
    """Say that all rows, or the only one, are meant."""
    return f"the only {what}" if count == 1 else f"all {count:,} {what}s"
