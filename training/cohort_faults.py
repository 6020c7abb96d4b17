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


def faults(frame: pd.DataFrame, definition: Definition, now: datetime) -> list[str]:
    """Return every fault for which the table is refused, empty if there is none."""
    if frame.empty:
        return ["the table has no rows: give one row a prediction"]
    found = [*_outcome_faults(frame["outcome"]), *_patient_faults(frame["patient_id"])]
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
    """Return a column as numbers, missing where a value isn't one."""
    return pd.to_numeric(values, errors="coerce").astype("float64")


def times(values: pd.Series) -> pd.Series:
    """Return a column of times in UTC; a number stays one, for it only orders."""
    if pd.api.types.is_numeric_dtype(values):
        return values
    parsed = pd.to_datetime(values, utc=True, errors="coerce", format="ISO8601")
    return parsed.dt.tz_localize(None)


def _outcome_faults(outcome: pd.Series) -> Iterator[str]:
    absent = int(outcome.isna().sum())
    if absent:
        yield (
            f"outcome: {absent} of {len(outcome)} rows are empty; leave rows with an unknown "
            "outcome out, or give outcome 0 with their follow_up_days"
        )
    known = numbers(outcome)
    other = outcome.notna() & ~known.isin((0, 1))
    if other.any():
        examples = ", ".join(repr(value) for value in outcome[other].unique()[:3].tolist())
        yield f"outcome: {int(other.sum())} rows are neither 0 nor 1 but {examples}; recode them"
    elif known.dropna().nunique() == 1:
        yield (
            f"outcome: all {len(outcome)} rows are {known.dropna().iloc[0]:g}; a model needs "
            "people with and without the event"
        )


def _patient_faults(patient: pd.Series) -> Iterator[str]:
    yield from _absent_faults(patient, "every row needs a patient, by whom the parts are divided")
    if patient.nunique() == 1:
        yield (
            f"patient_id: all {len(patient)} rows are of one patient; a model needs many, and "
            "the id must differ between them"
        )


def _feature_faults(values: pd.Series, feature: Feature) -> Iterator[str]:
    if values.isna().all():
        yield (
            f"{feature.name}: all {len(values)} rows are empty; fill the column, or take the "
            "feature out of the definition"
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
            f"{feature.name}: {len(unseen)} rows hold categories that the definition doesn't know "
            f"({examples}); use {', '.join(feature.categories)}, or leave the value empty"
        )
    elif known.nunique() == 1:
        yield _constant(feature.name, len(known), known.iloc[0])


def _number_faults(values: pd.Series, feature: Feature) -> Iterator[str]:
    amounts = numbers(values)
    text = values.notna() & amounts.isna()
    if text.any():
        yield (
            f"{feature.name}: {int(text.sum())} of {len(values)} rows aren't numbers, such as "
            f"{str(values[text].iloc[0])!r}; write numbers in {feature.unit}, or leave them empty"
        )
    infinite = int(np.isinf(amounts).sum())
    if infinite:
        yield f"{feature.name}: {infinite} rows are infinite; leave them empty or correct them"
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
        f"{name}: all {rows} known values are {value}; a feature of one value can't be learnt "
        "from, so take it out of the definition or correct the column"
    )


def _time_faults(values: pd.Series, now: datetime) -> Iterator[str]:
    yield from _absent_faults(values, "every row needs its prediction time, or no row")
    parsed = times(values)
    if pd.api.types.is_numeric_dtype(parsed):
        return
    wrong = values.notna() & parsed.isna()
    if wrong.any():
        yield (
            f"time: {int(wrong.sum())} rows aren't times, such as {str(values[wrong].iloc[0])!r}; "
            "write ISO 8601, as 2024-05-31T08:00:00Z"
        )
    future = int((parsed > pd.Timestamp(now).tz_convert(None)).sum())
    if future:
        yield f"time: {future} of {len(values)} rows lie in the future; correct or leave them out"


def _absent_faults(values: pd.Series, advice: str) -> Iterator[str]:
    absent = int(values.isna().sum())
    if absent:
        yield f"{values.name}: {absent} of {len(values)} rows are empty; {advice}"


def _follow_up_faults(frame: pd.DataFrame, horizon_days: int) -> Iterator[str]:
    days = numbers(frame["follow_up_days"])
    wrong = ~np.isfinite(days) | (days < 0)
    if wrong.any():
        yield (
            f"follow_up_days: {int(wrong.sum())} of {len(days)} rows aren't numbers of 0 or more; "
            "give the day of the event, or of the last contact"
        )
    late = (numbers(frame["outcome"]) == 1) & (days > horizon_days)
    if late.any():
        yield (
            f"follow_up_days: {int(late.sum())} rows have outcome 1 after day {horizon_days}, the "
            "horizon; give them outcome 0, for the event came later than what is predicted"
        )


def _duplicate_faults(frame: pd.DataFrame) -> Iterator[str]:
    key = ["patient_id", "time"] if "time" in frame else list(frame.columns)
    again = int(frame.duplicated(key).sum())
    if again:
        what = "the same patient at the same time" if "time" in frame else "another row exactly"
        yield f"{', '.join(key[:2])}: {again} of {len(frame)} rows repeat {what}; keep one of each"
