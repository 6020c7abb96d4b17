"""Tables as Parquet: one value a cell, and no column lost in an index."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from models.errors import CohortError


def parquet_columns(path: Path) -> list[str]:
    """Return the names of all columns, those too that pandas wrote as an index."""
    import pyarrow.parquet as pq  # only here, for it is slow to import

    return list(pq.read_schema(path).names)


def read_parquet(path: Path, wanted: list[str], numbers: Collection[str]) -> pd.DataFrame:
    """Read columns of a table.

    Raises CohortError that names a column of lists or structures, and one of `numbers` that holds
    times.
    """
    import pyarrow as pa  # only here, for it is slow to import
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    for name in wanted:
        kind = schema.field(name).type
        if pa.types.is_nested(kind):
            raise CohortError(f"{path.name}: {name} holds {kind}; write one value a row")
        if name in numbers and pa.types.is_temporal(kind):
            raise CohortError(f"{path.name}: {name} holds {kind}; write numbers in its unit")
    frame = pd.read_parquet(path, columns=wanted)
    indexed = [name for name in wanted if name not in frame]
    return frame.reset_index()[wanted] if indexed else frame
