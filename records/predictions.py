"""Reading recorded predictions back: counts by day, and windows of them as arrays."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson
from django.db.models import Count, DateField, Func, QuerySet
from numpy.typing import NDArray

from models.errors import RecordError
from records.answers import ROWS_AT_ONCE, Moment, objects, raw_rows, times
from records.models import Prediction

# the moment of the prediction comes first
COLUMNS = (
    "predicted_at",
    "id",
    "patient",
    "features",
    "vector",
    "contributions",
    "margin",
    "risk",
    "band",
    "site",
    "client",
    "ward",
)


@dataclass(frozen=True, eq=False)
class WindowFrame:
    """Predictions as columns, in order of prediction time; (n,) unless said otherwise.

    `features` maps each feature, in alphabetical order, to its values in the definition's unit:
    float64 with NaN where missing, or objects with None for a category. `client` is the key's id;
    `site` and `ward` are empty where the request named none. `missing` is
    (n, features) in that order; `vector` is (n, input columns) and `contributions`
    (n, features), both in the definition's order.
    """

    id: NDArray[np.object_]
    predicted_at: NDArray[np.datetime64]
    patient: NDArray[np.object_]
    features: Mapping[str, NDArray[Any]]
    missing: NDArray[np.bool_]
    vector: NDArray[np.float64]
    contributions: NDArray[np.float64]
    margin: NDArray[np.float64]
    risk: NDArray[np.float64]
    band: NDArray[np.object_]
    site: NDArray[np.object_]
    client: NDArray[np.object_]
    ward: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.margin)


def days(model: str, version: str, first: date, last: date) -> list[tuple[date, int]]:
    """Return how many predictions were made on each day from first to last that had any."""
    rows = (
        _chosen(model, version, _midnight(first), _midnight(last + timedelta(days=1)))
        .annotate(day=Func("predicted_at", function="DATE", output_field=DateField()))
        .values("day")
        .annotate(count=Count("id"))
        .order_by("day")
    )
    return [(row["day"], row["count"]) for row in rows]


def window(
    model: str,
    version: str,
    start: datetime,
    end: datetime,
    *,
    categorical: Collection[str] = (),
) -> WindowFrame:
    """Return the predictions of a version from start to before end, without test clients'.

    A category that is missing in every row can't be told from a number: name it `categorical`.
    """
    rows = [row for chunk in _read(model, version, start, end, ROWS_AT_ONCE) for row in chunk]
    return _frame(rows, categorical)


def windows(
    model: str,
    version: str,
    start: datetime,
    end: datetime,
    *,
    categorical: Collection[str] = (),
    rows: int = ROWS_AT_ONCE,
    only: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[WindowFrame]:
    """Yield what `window` returns in frames of so many rows, in memory that doesn't grow.

    `only` filters predictions by their fields, as Django does.
    """
    for chunk in _read(model, version, start, end, rows, only):
        yield _frame(chunk, categorical)


def _chosen(model: str, version: str, start: datetime, end: datetime) -> QuerySet[Prediction]:
    return Prediction.objects.filter(
        model=model,
        version=version,
        predicted_at__gte=start,
        predicted_at__lt=end,
        is_test=False,
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _read(
    model: str,
    version: str,
    start: datetime,
    end: datetime,
    rows: int,
    only: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[list[tuple[Any, ...]]]:
    chosen = _chosen(model, version, start, end).filter(**only).order_by("predicted_at", "id")
    yield from raw_rows(chosen.values_list(Moment("predicted_at"), *COLUMNS[1:]), rows)


def _frame(rows: Sequence[tuple[Any, ...]], categorical: Collection[str]) -> WindowFrame:
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    by_name = dict(zip(COLUMNS, columns, strict=True))
    features = _features(by_name["features"], categorical)
    return WindowFrame(
        id=objects([str(value).replace("-", "") for value in by_name["id"]]),
        predicted_at=times(by_name["predicted_at"]),
        patient=objects(by_name["patient"]),
        features=features,
        missing=_missing(features, len(rows)),
        vector=_matrix(by_name["vector"]),
        contributions=_matrix(by_name["contributions"]),
        margin=np.array(by_name["margin"], dtype=np.float64),
        risk=np.array(by_name["risk"], dtype=np.float64),
        band=objects(by_name["band"]),
        site=objects(by_name["site"]),
        client=objects(by_name["client"]),
        ward=objects(by_name["ward"]),
    )


def _features(texts: Sequence[str], categorical: Collection[str]) -> dict[str, NDArray[Any]]:
    rows = [orjson.loads(text) for text in texts]
    names = sorted(rows[0]) if rows else []
    try:
        columns = {name: [row[name] for row in rows] for name in names}
    except KeyError as error:
        raise RecordError(f"a prediction of this version lacks the feature {error}") from error
    return {
        name: objects(values)
        if name in categorical or str in set(map(type, values))
        else np.array(values, dtype=np.float64)
        for name, values in columns.items()
    }


def _missing(features: Mapping[str, NDArray[Any]], rows: int) -> NDArray[np.bool_]:
    missing = np.empty((rows, len(features)), dtype=np.bool_)
    for i, column in enumerate(features.values()):
        if column.dtype == np.object_:
            missing[:, i] = [value is None for value in column]
        else:
            missing[:, i] = np.isnan(column)
    return missing


def _matrix(blobs: Sequence[bytes]) -> NDArray[np.float64]:
    if len({len(blob) for blob in blobs}) > 1:
        raise RecordError("predictions of one version have vectors of several lengths")
    return np.frombuffer(b"".join(blobs), dtype="<f8").reshape(len(blobs), -1 if blobs else 0)
