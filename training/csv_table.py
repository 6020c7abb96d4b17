"""Tables as CSV: every row as wide as the header, and ids and codes the text that they are."""

import csv
import gzip
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, TextIO, cast

import pandas as pd

from models.errors import CohortError

_OTHER_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}


def csv_columns(path: Path) -> list[str]:
    """Return the header as it is written; raise CohortError where commas don't separate it."""
    # read as a row: as a header, a repeated name would get a number
    header = pd.read_csv(path, header=None, nrows=1, dtype="str", keep_default_na=False)
    columns = [str(name) for name in header.iloc[0]]
    others = [words for sign, words in _OTHER_SEPARATORS.items() if sign in columns[0]]
    if len(columns) == 1 and others:
        raise CohortError(
            f"{path.name}: its columns are separated by {others[0]}; write it with commas, and "
            "decimals with a point"
        )
    return columns


def read_csv(path: Path, wanted: Collection[str], text: Collection[str]) -> pd.DataFrame:
    """Read columns of a table, those of `text` as text; numbers are judged by row later.

    Raises CohortError that names the first row which hasn't as many fields as the header, for what
    stands in its columns is then anybody's guess; an empty line is no row.
    """
    _check_width(path)
    types = {name: "str" for name in wanted if name in text}
    with warnings.catch_warnings():
        # by pieces, or the whole file would lie in memory; a column may be of several types then
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        try:
            return pd.read_csv(path, usecols=list(wanted), dtype=types)
        except OverflowError:  # of a number beyond every float, which is named by column and row
            return pd.read_csv(path, usecols=list(wanted), dtype="str")


def _check_width(path: Path) -> None:
    width, wrong, first = 0, 0, ""
    with _opened(path) as lines:
        reader = csv.reader(_without_nul(lines))
        try:
            for row in reader:
                width = width or len(row)
                if row and len(row) != width:
                    first = first or f"line {reader.line_num:,} has {len(row)}"
                    wrong += 1
        except csv.Error as error:
            raise CohortError(f"{path.name} can't be read: {error}") from error
    if wrong:
        raise CohortError(
            f"{path.name}: {wrong:,} row{'s' if wrong > 1 else ''} not as wide as the header of "
            f"{width} fields; {first}. Quote texts that hold a comma, and write numbers without one"
        )


def _without_nul(lines: TextIO) -> Iterator[str]:
    """Yield the lines; pandas would end a value at a NUL, so that two ids could become one."""
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            raise csv.Error(f"line {number:,} holds a NUL, so it isn't text")
        yield line


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")
