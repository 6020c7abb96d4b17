"""Which predictions a faulty feature touched, and what they would be with corrected values."""

import ast
import csv
import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from datetime import date
from typing import Any, TextIO
from uuid import UUID

import numpy as np
from django.db.models import Count
from numpy.typing import NDArray

from models.encoding import complete_columns, encode_columns, row_faults
from models.errors import RecordError
from models.risk_model import RiskModel
from monitoring.origin import Origin, check_known, client_names
from monitoring.stays import ONE_DAY, start_of
from monitoring.streams import is_missing
from records.models import Prediction
from records.predictions import WindowFrame, windows

Column = NDArray[Any]
ANY = Origin()
SAME_MARGIN = 1e-6
# a formula is tried on so many values over the plausible range
TRIED = 1001
_OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class Affected:
    """One prediction as it was, and with the corrected value.

    `client` is the name of the client that asked; `site` and `ward` are empty where it named none.
    `no_score` says why there would be no score any more, which is a change of band as well.
    """

    prediction_id: str
    patient: str
    predicted_at: str
    site: str
    client: str
    ward: str
    value: float | str
    risk: float
    band: str
    corrected_value: float | None = None
    corrected_risk: float | None = None
    corrected_band: str | None = None
    band_changed: bool | None = None
    no_score: str = ""


@dataclass(frozen=True)
class Correction:
    """A formula of one number x, such as x/88.4: what the value should have been."""

    text: str

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the corrected values; raise RecordError where the formula isn't one."""
        try:
            with np.errstate(all="ignore"):
                found = _computed(ast.parse(self.text, mode="eval").body, values)
        except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
            raise RecordError(
                f"{self.text!r} is no correction: use x, numbers, + - * / and brackets, "
                "such as x/88.4"
            ) from None
        return np.broadcast_to(np.asarray(found, dtype=np.float64), values.shape).copy()


def lookback(
    model: RiskModel,
    feature: str,
    first: date,
    last: date,
    correction: Correction | None,
    origin: Origin = ANY,
) -> list[Affected]:
    """Return the predictions that used a feature, those first whose band would be another.

    Raises RecordError for a feature, a correction or an origin that can't be.
    """
    definition = model.definition
    if feature not in definition.by_name:
        known = ", ".join(definition.by_name)
        raise RecordError(f"{definition.name} has no feature {feature}, only {known}")
    chosen = definition.by_name[feature]
    if correction and (chosen.kind != "numeric" or chosen.derived is not None):
        raise RecordError(f"{chosen.title} is no measured number, so no formula corrects it")
    if first > last:
        raise RecordError(f"{first} comes after {last}")
    if correction:
        _check_finite(correction, chosen.plausible)
    check_known(definition.name, model.version, first, last, origin)
    names = client_names()
    found: list[Affected] = []
    categorical = [one.name for one in definition.features if one.kind == "categorical"]
    frames = windows(
        definition.name,
        model.version,
        start_of(first),
        start_of(last + ONE_DAY),
        categorical=categorical,
        only=origin.chosen(),
    )
    for frame in frames:
        found += _affected(model, feature, frame, correction, names)
    return sorted(
        found, key=lambda one: (not one.band_changed, one.predicted_at, one.prediction_id)
    )


def _check_finite(correction: Correction, plausible: tuple[float, float] | None) -> None:
    """Raise RecordError where a formula gives no finite number for any value that may be."""
    low, high = plausible or (-1e6, 1e6)
    if not np.isfinite(correction(np.linspace(low, high, TRIED))).any():
        raise RecordError(f"{correction.text!r} is no correction: it gives no number for any value")


def made_by_others(
    model: RiskModel, first: date, last: date, origin: Origin = ANY
) -> dict[str, int]:
    """Count the predictions of the same days and origin that other versions made, by version."""
    rows = (
        Prediction.objects.filter(
            model=model.definition.name,
            is_test=False,
            predicted_at__gte=start_of(first),
            predicted_at__lt=start_of(last + ONE_DAY),
            **origin.chosen(),
        )
        .exclude(version=model.version)
        .values("version")
        .annotate(made=Count("pk"))
    )
    return dict(rows.order_by("version").values_list("version", "made"))


def write_csv(found: list[Affected], target: TextIO) -> None:
    """Write what was affected as CSV, with a header."""
    rows = csv.writer(target)
    rows.writerow([field.name for field in fields(Affected)])
    rows.writerows(["" if cell is None else cell for cell in astuple(one)] for one in found)


def summary(found: list[Affected]) -> dict[str, int]:
    """Count what was affected, which bands change, and what would get no score."""
    moves = Counter(
        f"{one.band} to {'no score' if one.no_score else one.corrected_band}"
        for one in found
        if one.band_changed
    )
    return {
        "predictions": len(found),
        "patients": len({one.patient for one in found if one.patient}),
        **dict(sorted(moves.items())),
    }


def _affected(
    model: RiskModel,
    feature: str,
    frame: WindowFrame,
    correction: Correction | None,
    names: Mapping[str, str],
) -> Iterator[Affected]:
    used = ~is_missing(frame.features[feature])
    if not used.any():
        return
    columns = {name: column[used] for name, column in frame.features.items()}
    changed = _rescored(model, feature, columns, frame.margin[used], correction)
    values = columns[feature].tolist()
    for row, at in enumerate(np.flatnonzero(used).tolist()):
        yield Affected(
            str(UUID(frame.id[at])),
            frame.patient[at],
            f"{frame.predicted_at[at]}Z",
            frame.site[at],
            names.get(frame.client[at], frame.client[at]),
            frame.ward[at],
            values[row],
            float(frame.risk[at]),
            frame.band[at],
            **(_of_row(model, changed, row, frame.band[at]) if changed else {}),
        )


def _rescored(
    model: RiskModel,
    feature: str,
    columns: dict[str, Column],
    margin: NDArray[np.float64],
    correction: Correction | None,
) -> tuple[Column, NDArray[np.float64], dict[int, str]] | None:
    """Return corrected values, their risks, and for rows that get no score the reason."""
    if correction is None:
        return None
    definition = model.definition

    def scored(of: dict[str, Column]) -> Any:
        table = complete_columns(definition, of)
        return model.scorer.explain_batch(encode_columns(definition, table))

    if np.abs(scored(columns).margin - margin).max() > SAME_MARGIN:
        raise RecordError(
            f"{definition.name} version {model.version} doesn't give the recorded risks again; "
            "name the version that made these predictions"
        )
    values = correction(columns[feature])
    # what can't be computed isn't missing
    refused = dict.fromkeys(
        np.flatnonzero(~np.isfinite(values)).tolist(), "no number is left of it"
    )
    usable = np.where(np.isfinite(values), values, np.nan)
    for fault in row_faults(definition, complete_columns(definition, {**columns, feature: usable})):
        for row in np.flatnonzero(fault.rows).tolist():
            refused.setdefault(row, fault.words)
    usable[list(refused)] = np.nan
    return values, scored({**columns, feature: usable}).risk, refused


def _of_row(
    model: RiskModel,
    changed: tuple[Column, NDArray[np.float64], dict[int, str]],
    row: int,
    band: str,
) -> dict[str, Any]:
    values, risks, refused = changed
    if row in refused:
        return {
            "corrected_value": float(values[row]),
            "band_changed": True,
            "no_score": refused[row],
        }
    risk = float(risks[row])
    new = model.definition.band(risk).name
    return {
        "corrected_value": float(values[row]),
        "corrected_risk": risk,
        "corrected_band": new,
        "band_changed": new != band,
    }


def _computed(node: ast.expr, x: NDArray[np.float64]) -> Any:
    match node:
        case ast.Name(id="x"):
            return x
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_computed(operand, x)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_computed(left, x), _computed(right, x))
    raise ValueError("not arithmetic")
