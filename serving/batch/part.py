"""The part file: finished chunks of scores on disk, one after the other, until all are there."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

_MAGIC = b"PAR1"
_TAIL = 8  # bytes: a footer's length, then the magic
_BYTES_A_COLUMN = 1 << 12  # for pages' heads and the footer, beside the values


class Part(Protocol):
    """A part file; every method raises OSError where the disk doesn't take it."""

    end: int

    def append(self, table: pa.Table) -> int:
        """Write a chunk, synced, and return where the file ends with it."""

    def close(self, ends: Sequence[int]) -> None:
        """Make one file of the chunks, which end at these places."""


def open_part(path: Path, target: Path, schema: pa.Schema, end: int) -> Part:
    """Open the part file of a target, cut to its finished chunks."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(fd, end)
    finally:
        os.close(fd)
    kind = ParquetPart if target.suffix == ".parquet" else CsvPart
    return kind(path, schema, end)


class CsvPart:
    """Lines of CSV."""

    def __init__(self, path: Path, schema: pa.Schema, end: int) -> None:
        self._path = path
        self.end = end

    def append(self, table: pa.Table) -> int:
        """See `Part.append`."""
        text = io.BytesIO()
        pa_csv.write_csv(table, text, pa_csv.WriteOptions(include_header=self.end == 0))
        with self._path.open("r+b") as file:
            file.seek(self.end)
            file.write(text.getbuffer())
            _sync(file)
            self.end = file.tell()
        return self.end

    def close(self, ends: Sequence[int]) -> None:
        """Do nothing, since lines of CSV are a file as they are."""


class ParquetPart:
    """Row groups, each followed by the footer of a file that would end there.

    Parquet finds row groups by their place in the file, so all of them become one file by one
    more footer that lists them; what lies between them is not looked at.
    """

    def __init__(self, path: Path, schema: pa.Schema, end: int) -> None:
        self._path, self._schema = path, schema
        texts = [field.name for field in schema if not pa.types.is_floating(field.type)]
        self._options = {"compression": "zstd", "compression_level": 1, "use_dictionary": texts}
        self.end = end

    def append(self, table: pa.Table) -> int:
        """See `Part.append`."""
        with self._path.open("r+b") as file:
            # a memory map, since only that can be written from another place than 0; its room is
            # asked for before, since a full disk would end the process
            room = 2 * table.nbytes + _BYTES_A_COLUMN * (1 + table.num_columns)
            os.posix_fallocate(file.fileno(), self.end, room)
            with pa.memory_map(str(self._path), "r+") as places:
                with pq.ParquetWriter(places, self._schema, **self._options) as writer:
                    places.seek(max(self.end, len(_MAGIC)))
                    writer.write_table(table)
                self.end = places.tell()
            file.truncate(self.end)
            _sync(file)
        return self.end

    def close(self, ends: Sequence[int]) -> None:
        """See `Part.close`."""
        with self._path.open("r+b") as file:
            footers = [pq.read_metadata(_footer(file, end)) for end in ends]
            whole = footers[0]
            for footer in footers[1:]:
                whole.append_row_groups(footer)
            written = io.BytesIO()
            whole.write_metadata_file(written)
            file.seek(self.end)
            file.write(written.getbuffer()[len(_MAGIC) :])
            _sync(file)


def _footer(file: io.BufferedRandom, end: int) -> io.BytesIO:
    """Return the footer that ends at a place, as a Parquet file without rows."""
    file.seek(end - _TAIL)
    length = int.from_bytes(file.read(_TAIL - len(_MAGIC)), "little")
    file.seek(end - _TAIL - length)
    return io.BytesIO(_MAGIC + file.read(length + _TAIL))


def _sync(file: io.BufferedRandom) -> None:
    file.flush()
    os.fsync(file.fileno())
