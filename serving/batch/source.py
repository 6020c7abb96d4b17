"""A file of rows to be scored: Parquet or CSV, checked by its columns and read in chunks."""

import difflib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from models.definition import Definition
from models.errors import BatchError
from models.feature import Feature

KEYS = ("row_id", "patient_id", "time", "site", "ward")
SUFFIXES = (".parquet", ".csv", ".csv.gz")
_READ_BYTES = 1 << 20
_CSV_BLOCK_BYTES = 1 << 22
_ROWS_READ = 16_384  # at once, of a Parquet file
Reader = Callable[[int], Iterator[pa.RecordBatch]]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A file whose columns fit the definition.

    `schema` is of the columns that are read: the measured features, then `keys`. In a CSV file
    they are all text. `rows` is what the progress goes by: None if it isn't known, and for a CSV
    file the count of its lines.
    """

    path: Path
    digest: str
    size: int
    modified_ns: int
    rows: int | None
    schema: pa.Schema
    keys: tuple[str, ...]
    is_text: bool
    read: Reader

    def chunks(self, start: int, rows: int) -> Iterator[pa.Table]:
        """Yield tables of so many rows each, the last one shorter, from row `start` on."""
        waiting: list[pa.RecordBatch] = []
        room = rows
        for given in self.read(start):
            batch = given
            while batch.num_rows >= room:
                yield pa.Table.from_batches([*waiting, batch.slice(0, room)], self.schema)
                batch, waiting, room = batch.slice(room), [], rows
            if batch.num_rows:
                waiting.append(batch)
                room -= batch.num_rows
        if waiting:
            yield pa.Table.from_batches(waiting, self.schema)

    def check_unchanged(self) -> None:
        """Raise BatchError if the file was touched since it was opened."""
        now = _stat(self.path)
        if now != (self.size, self.modified_ns):
            raise BatchError(
                f"{self.path.name} changed while it was scored; its scores are not finished, "
                "delete them and score it again"
            )


def open_source(path: Path, definition: Definition, keep: Sequence[str] = ()) -> Source:
    """Check a file's columns against a definition; raise BatchError that names what's wrong."""
    if not path.is_file():
        raise BatchError(f"{path}: there is no such file; give one of {', '.join(SUFFIXES)}")
    if not path.name.endswith(SUFFIXES):
        raise BatchError(f"{path.name}: its kind is none of {', '.join(SUFFIXES)}")
    size, modified_ns = _stat(path)
    is_text = path.suffix != ".parquet"
    whole = _csv_schema(path) if is_text else _parquet_schema(path)
    names, keys = _wanted(path.name, whole, definition, keep)
    if not is_text:
        _check_types(path.name, whole, definition, keys)
    schema = pa.schema([_plain(whole.field(name)) for name in (*names, *keys)])
    digest, lines = _digest(path)
    if is_text:
        rows = None if path.suffix == ".gz" else max(lines - 1, 0)
        return Source(
            path, digest, size, modified_ns, rows, schema, keys, True, _csv_reader(path, schema)
        )
    rows = pq.read_metadata(path).num_rows
    reader = _parquet_reader(path, schema)
    return Source(path, digest, size, modified_ns, rows, schema, keys, False, reader)


def _wanted(
    name: str, schema: pa.Schema, definition: Definition, keep: Sequence[str]
) -> tuple[list[str], tuple[str, ...]]:
    """Return the features' and the keys' columns."""
    twice = sorted({column for column in schema.names if schema.names.count(column) > 1})
    if twice:
        raise BatchError(f"{name}: the columns {', '.join(twice)} stand twice")
    names = [feature.name for feature in definition.features if feature.derived is None]
    features = {feature.name for feature in definition.features}
    optional = [key for key in KEYS if key in schema.names and key not in keep]
    keys = tuple(key for key in dict.fromkeys([*optional, *keep]) if key not in features)
    absent = [column for column in (*names, *keys) if column not in schema.names]
    if absent:
        hints = [_hint(column, schema.names) for column in absent]
        raise BatchError(
            f"{name}: columns are missing: {', '.join(hints)}; {definition.name} takes "
            f"{', '.join(names)}, each in the definition's unit"
        )
    return names, keys


def _hint(column: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(column, names, n=1)
    return f"{column!r}" + (f" (rename {near[0]!r}?)" if near else "")


def _check_types(name: str, schema: pa.Schema, definition: Definition, keys: Sequence[str]) -> None:
    for feature in definition.features:
        if feature.derived is None and not _holds(feature, schema.field(feature.name).type):
            needed = "numbers" if feature.kind == "numeric" else "text"
            raise BatchError(
                f"{name}: column {feature.name!r} holds {schema.field(feature.name).type}; "
                f"write it as {needed}"
            )
    for key in keys:
        if pa.types.is_nested(schema.field(key).type):
            kind = schema.field(key).type
            raise BatchError(f"{name}: column {key!r} holds {kind}, which can't be carried over")


def _holds(feature: Feature, given: pa.DataType) -> bool:
    """Say whether a column of this type may hold the feature."""
    kind = given.value_type if pa.types.is_dictionary(given) else given
    types = pa.types
    if types.is_null(kind):
        return True
    if feature.kind == "categorical":
        return bool(
            types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
        )
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _plain(field: pa.Field) -> pa.Field:
    """Return a field without dictionary, whose values are read out."""
    kind = field.type
    return pa.field(field.name, kind.value_type if pa.types.is_dictionary(kind) else kind)


def _digest(path: Path) -> tuple[str, int]:
    """Return a file's SHA-256 and how many line ends it has."""
    digest, lines, piece = hashlib.sha256(), 0, b"\n"
    with path.open("rb") as file:
        while more := file.read(_READ_BYTES):
            digest.update(more)
            lines += more.count(b"\n")
            piece = more
    return digest.hexdigest(), lines + (not piece.endswith(b"\n"))


def _stat(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise BatchError(f"{path}: can't be read ({error.strerror})") from error
    return status.st_size, status.st_mtime_ns


def _parquet_schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise BatchError(f"{path.name}: can't be read as Parquet; write it anew") from error


def _parquet_reader(path: Path, schema: pa.Schema) -> Reader:
    def read(start: int) -> Iterator[pa.RecordBatch]:
        try:
            # without pre-buffering, so that memory doesn't grow with the row groups
            with pq.ParquetFile(path, pre_buffer=False, buffer_size=_READ_BYTES) as file:
                groups, skip = _groups_from(file.metadata, start)
                batches = file.iter_batches(_ROWS_READ, row_groups=groups, columns=schema.names)
                for batch in batches:
                    kept = batch.slice(min(skip, batch.num_rows))
                    skip -= batch.num_rows - kept.num_rows
                    yield kept.select(schema.names).cast(schema)
        except (pa.ArrowException, OSError) as error:
            raise BatchError(f"{path.name}: can't be read to its end; write it anew") from error

    return read


def _groups_from(metadata: pq.FileMetaData, start: int) -> tuple[list[int], int]:
    """Return the row groups from the one that holds row `start`, and how many rows to skip."""
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if start < rows:
            return list(range(group, metadata.num_row_groups)), start
        start -= rows
    return [], 0


def _csv_schema(path: Path) -> pa.Schema:
    try:
        # a row of another length is refused when it's reached, by the number of its line
        lenient = pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
        with pa_csv.open_csv(path, parse_options=lenient) as reader:
            names = reader.schema.names
    except (pa.ArrowException, OSError) as error:
        words = "is empty" if path.stat().st_size == 0 else "can't be read as CSV in UTF-8"
        raise BatchError(f"{path.name}: {words}; give a header and a line for each row") from error
    return pa.schema([(name, pa.string()) for name in names])


def _csv_reader(path: Path, schema: pa.Schema) -> Reader:
    def read(start: int) -> Iterator[pa.RecordBatch]:
        faults: list[str] = []

        def refuse(row: pa_csv.InvalidRow) -> str:
            where = "a row" if row.number is None else f"line {row.number}"
            faults.append(
                f"{where} has {row.actual_columns} cells, the header {row.expected_columns}"
            )
            return "error"

        skip = start
        try:
            with pa_csv.open_csv(
                path,
                read_options=pa_csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK_BYTES),
                parse_options=pa_csv.ParseOptions(
                    newlines_in_values=True, invalid_row_handler=refuse
                ),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=schema.names,
                    column_types={name: pa.string() for name in schema.names},
                ),
            ) as reader:
                for batch in reader:
                    kept = batch.slice(min(skip, batch.num_rows))
                    skip -= batch.num_rows - kept.num_rows
                    yield kept
        except (pa.ArrowException, OSError):
            # Arrow's own words quote the row
            words = faults[0] if faults else "it is no CSV in UTF-8"
            raise BatchError(f"{path.name}: can't be read to its end: {words}") from None

    return read
