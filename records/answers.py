"""Recorded answers as columns, read in the form in which the model saw them.

A prediction holds its features twice: as JSON for people and SQL, and as the model's input vector.
The vector takes a tenth of the time to read, and means the same.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Func, QuerySet, TextField
from numpy.typing import NDArray

from models.definition import Definition
from models.errors import RecordError
from models.feature import Feature
from records.models import Prediction

ROWS_AT_ONCE = 20_000
COLUMNS = ("patient", "margin", "risk", "vector")
# what is read beside, if it's asked for
MORE = ("site", "contributions", "findings", "client", "ward", "codes")
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Answers:
    """Predictions in order of prediction time, as columns of (n,).

    `features` maps each feature, in the definition's order, to its values in the definition's
    unit: float64 with NaN where missing, or objects with None for a category. `contributions`
    are (n, features) in that order, `findings` and `codes` the recorded JSON, `client` the key's
    id; all of these, `site` and `ward` are empty unless they were asked for.
    """

    predicted_at: NDArray[np.datetime64]
    patient: NDArray[np.object_]
    features: Mapping[str, NDArray[Any]]
    margin: Floats
    risk: Floats
    site: NDArray[np.object_]
    contributions: Floats
    findings: NDArray[np.object_]
    client: NDArray[np.object_]
    ward: NDArray[np.object_]
    codes: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.margin)


def answers(
    definition: Definition,
    version: str,
    start: datetime,
    end: datetime,
    *,
    rows: int = ROWS_AT_ONCE,
    more: Collection[str] = (),
) -> Iterator[Answers]:
    """Yield a version's predictions from start to before end, test clients' left out.

    `definition` is the one that the version was trained with; `more` names what to read of
    `MORE`. Each part has so many rows at most, so memory doesn't grow with the window. Raises
    RecordError where a vector isn't of its length.
    """
    chosen = Prediction.objects.filter(
        model=definition.name,
        version=version,
        predicted_at__gte=start,
        predicted_at__lt=end,
        is_test=False,
    )
    names = [*COLUMNS, *more]
    columns = chosen.order_by("predicted_at", "id").values_list(Moment("predicted_at"), *names)
    for chunk in raw_rows(columns, rows):
        predicted_at, *others = zip(*chunk, strict=True)
        found = dict(zip(names, others, strict=True))
        yield Answers(
            times(predicted_at),
            objects(found["patient"]),
            decoded(definition, found["vector"]),
            np.array(found["margin"], dtype=np.float64),
            np.array(found["risk"], dtype=np.float64),
            objects(found.get("site", ())),
            _matrix(found.get("contributions", ()), len(definition.features)),
            objects(found.get("findings", ())),
            *(objects(found.get(name, ())) for name in ("client", "ward", "codes")),
        )


def _matrix(blobs: Sequence[bytes], width: int) -> Floats:
    """Return rows of so many numbers; raise RecordError where one has another length."""
    wrong = next((one for one in blobs if len(one) != 8 * width), None)
    if wrong is not None:
        raise RecordError(f"a prediction has {len(wrong) / 8:g} contributions of {width} features")
    return np.frombuffer(b"".join(blobs), dtype="<f8").reshape(len(blobs), width)


def joined(parts: Sequence[Answers]) -> Answers:
    """Return parts one after the other as one; no part gives no rows and no features."""
    if not parts:
        nothing, nobody = np.zeros(0), objects(())
        moments = nothing.astype("datetime64[us]")
        table = np.zeros((0, 0))
        more = [nobody] * 4
        return Answers(moments, nobody, {}, nothing, nothing, nobody, table, *more)

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    names = parts[0].features
    features = {name: np.concatenate([part.features[name] for part in parts]) for name in names}
    return Answers(
        features=features,
        **{each.name: column(each.name) for each in fields(Answers) if each.name != "features"},
    )


def raw_rows(chosen: QuerySet[Any, Any], rows: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows as the database gives them, since Django's conversion costs as much again."""
    statement, values = chosen.query.sql_with_params()
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, values)
        while chunk := cursor.fetchmany(rows):
            yield chunk


def decoded(definition: Definition, vectors: Sequence[bytes]) -> dict[str, NDArray[Any]]:
    """Return each feature's values from input vectors, as `models.encoding.encode` made them."""
    width = len(definition.columns)
    wrong = next((one for one in vectors if len(one) != 8 * width), None)
    if wrong is not None:
        raise RecordError(
            f"{definition.name}: a prediction's vector has {len(wrong) / 8:g} numbers, its "
            f"definition {width} columns; name the version that made it"
        )
    table = np.frombuffer(b"".join(vectors), dtype="<f8").reshape(len(vectors), width)
    found, at = {}, 0
    for feature in definition.features:
        size = len(feature.columns)
        found[feature.name] = _column(feature, table[:, at : at + size])
        at += size
    return found


def _column(feature: Feature, block: Floats) -> NDArray[Any]:
    if feature.kind == "numeric":
        return np.ascontiguousarray(block[:, 0])
    known = [*feature.categories, None]
    # of two categories only the second has a column
    chosen = block[:, 0].astype(bool) if len(feature.levels) == 1 else block.argmax(axis=1)
    place = np.where(np.isnan(block[:, 0]), len(known) - 1, chosen)
    return objects(known)[place]


class Moment(Func):
    """A time as text or a number, since drivers take longer to parse times than to read rows."""

    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Return text in UTC, as SQLite holds it."""
        return self.as_sql(compiler, connection, template="(%(expressions)s || '')", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Return microseconds since 1970."""
        template = "(extract(epoch from %(expressions)s) * 1000000)::bigint"
        return self.as_sql(compiler, connection, template=template, **context)


def times(values: Sequence[str | int | datetime]) -> NDArray[np.datetime64]:
    """Return moments, or times as a database gives them (SQLite as text), in UTC."""
    naive = [
        value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
        for value in values
    ]
    if naive and isinstance(naive[0], int):
        return np.array(naive, dtype=np.int64).astype("datetime64[us]")
    return np.array(naive, dtype="datetime64[us]")


def objects(values: Sequence[Any]) -> NDArray[np.object_]:
    """Return values as a column of objects, whatever they are."""
    column = np.empty(len(values), dtype=np.object_)
    column[:] = values
    return column
