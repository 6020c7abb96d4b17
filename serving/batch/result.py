"""The scores as a table: the keys, the risk with its explanation, and why there is none."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.batch import Rows, ScoredRows
from models.definition import Status
from models.encoding import RowFault
from models.errors import BatchError
from models.risk_model import RiskModel
from serving.answer import describe_model

CONTRIBUTION = "contribution_"


def result_schema(
    model: RiskModel,
    keys: Sequence[pa.Field],
    *,
    explain: bool,
    recorded: bool,
    metadata: Mapping[str, str],
) -> pa.Schema:
    """Return the columns of the scores; raise BatchError where a key has the name of another."""
    shown = model.definition.status is not Status.SILENT
    numbers = ["margin"] if shown else []
    if shown and explain:
        features = [feature.name for feature in model.definition.features]
        numbers += ["base", *(CONTRIBUTION + name for name in features)]
    own = [("prediction_id", pa.string())] if recorded else []
    own += [("risk", pa.float64()), ("band", pa.string())] if shown else []
    own += [(name, pa.float64()) for name in numbers]
    own += [(name, pa.string()) for name in ("missing", "excluded", "refused_because")]
    own += [("notice", pa.string())] if describe_model(model).notice else []
    taken = sorted({name for name, _ in own} & {key.name for key in keys})
    if taken:
        raise BatchError(
            f"the columns {', '.join(taken)} can't be carried over, since the scores have columns "
            "of these names; rename them"
        )
    return pa.schema([*keys, *(pa.field(*each) for each in own)], metadata=dict(metadata))


def result_table(
    model: RiskModel,
    schema: pa.Schema,
    given: pa.Table,
    rows: ScoredRows,
    ids: Sequence[UUID | None] = (),
) -> pa.Table:
    """Return what is written for some rows, in the schema's columns."""
    columns = {name: given.column(name) for name in given.column_names if name in schema.names}
    bands = pa.array([band.name for band in model.definition.bands], pa.string())
    columns |= {
        "risk": _figures(rows.risk, rows.scored),
        "band": bands.take(pa.array(rows.band, mask=~rows.scored)),
        "margin": _figures(rows.margin, rows.scored),
        "base": _figures(np.full(len(rows.scored), rows.base), rows.scored),
        "missing": _missing(model, rows),
        "excluded": _excluded(rows),
        "refused_because": _refused_because(rows),
        "notice": pa.array([describe_model(model).notice]).take(pa.array(np.zeros_like(rows.band))),
        "prediction_id": pa.array([None if each is None else str(each) for each in ids]),
    }
    for index, feature in enumerate(model.definition.features):
        amounts = np.ascontiguousarray(rows.contributions[:, index])
        columns[CONTRIBUTION + feature.name] = _figures(amounts, rows.scored)
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def refusal_words(fault: RowFault) -> str:
    """Say why a row is refused: the reason and the column, without any value."""
    return f"{fault.reason}: {fault.feature}"


def refusal_counts(rows: ScoredRows) -> dict[str, int]:
    """Count the refused rows by reason."""
    return {refusal_words(fault): int(fault.rows.sum()) for fault in rows.refusals}


def _figures(values: np.ndarray, scored: Rows) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~scored)


def _missing(model: RiskModel, rows: ScoredRows) -> pa.Array:
    names = [feature.name for feature in model.definition.features]
    return _listed(rows.missing, names, rows.scored)


def _excluded(rows: ScoredRows) -> pa.Array:
    labels = [f"{fault.feature}: {fault.reason}" for fault in rows.excluded]
    return _listed(_matrix(rows.excluded, len(rows.scored)), labels, rows.scored)


def _refused_because(rows: ScoredRows) -> pa.Array:
    labels = pa.array([refusal_words(fault) for fault in rows.refusals], pa.string())
    which = _matrix(rows.refusals, len(rows.scored)).argmax(axis=1) if rows.refusals else rows.band
    return labels.take(pa.array(which, pa.int64(), mask=rows.scored))


def _matrix(faults: Sequence[RowFault], rows: int) -> np.ndarray:
    return (
        np.column_stack([fault.rows for fault in faults]) if faults else np.zeros((rows, 0), bool)
    )


def _listed(matrix: np.ndarray, labels: Iterable[str], scored: Rows) -> pa.Array:
    """Return for each row the labels of its columns that are true, as one text."""
    offsets = np.concatenate([[0], np.cumsum(matrix.sum(axis=1))]).astype(np.int32)
    values = pa.array(list(labels), pa.string()).take(pa.array(np.nonzero(matrix)[1]))
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), values), ", ")
    return pc.if_else(pa.array(scored), joined, None)
