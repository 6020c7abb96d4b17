"""A training table: its rows, where they come from, and what was left out of it."""

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.definition import Definition
from models.errors import CohortError
from training.csv_table import csv_columns, read_csv
from training.parquet_table import parquet_columns, read_parquet

REQUIRED: Final = ("outcome", "patient_id")
OPTIONAL: Final = ("time", "site", "follow_up_days")
_NAMES: Final = ("patient_id", "site")
_READ_BYTES = 1 << 20
_ARCHIVE: Final = b"PK\x03\x04"  # a ZIP file, as .xlsx and .ods are
_OLD_SPREADSHEET: Final = b"\xd0\xcf\x11\xe0"  # .xls


@dataclass(frozen=True, eq=False)
class Designated:
    """Which rows of a table test, decided before it is divided, and that in words."""

    tests: npt.NDArray[np.bool_]
    method: str


@dataclass(frozen=True, eq=False)
class Cohort:
    """A table with one row a prediction, and its history.

    `frame` has the definition's features in its units, `outcome` (1 where the event came within
    the horizon) and `patient_id`, and may have `time`, `site` and `follow_up_days` (the day of the
    event or of the last contact). A `stratum` splits the estimate of the censoring.
    `test_share` of the rows, the latest, test where times are known; `unordered_because` says why
    the rows can't be ordered by time although they span some. `designated` decides instead which
    rows test; `retraining` says what a retraining was made from. `suspicions` are those that the
    rows no longer show.
    """

    frame: pd.DataFrame
    source: str
    digest: str
    exclusions: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    test_share: float = 0.4
    unordered_because: str | None = None
    designated: Designated | None = None
    retraining: Mapping[str, Any] | None = None
    suspicions: tuple[str, ...] = ()


def read_cohort(path: Path, definition: Definition) -> Cohort:
    """Read a Parquet or CSV file (`.csv`, `.csv.gz`); raise CohortError if that can't be done.

    Only what the file lacks is judged here; `training.admission` judges the rows. Patients and
    sites are read without white space around them: some systems pad their ids.
    """
    if not path.is_file():
        what = "that is a directory" if path.is_dir() else "there is no such file"
        raise CohortError(f"{path}: {what}; give a .parquet, .csv or .csv.gz file")
    suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    if suffix not in (".parquet", ".csv", ".csv.gz"):
        raise CohortError(
            f"{path.name}: {suffix or 'no suffix'} isn't .parquet, .csv or .csv.gz; save the table "
            "as one of them (a spreadsheet as CSV with commas, in UTF-8)"
        )
    if not path.stat().st_size:
        raise CohortError(
            f"{path.name} is empty; give a header with the columns' names and one row a prediction"
        )
    try:
        _refuse_archives(path, suffix)
        columns = _column_names(path)
        _check_columns(path.name, columns, definition)
        wanted = _wanted(columns, definition)
        if suffix == ".parquet":
            frame = read_parquet(path, wanted, _numbers(definition))
        else:
            frame = read_csv(path, wanted, _texts(definition))
    except UnicodeDecodeError as error:
        raise CohortError(f"{path.name} isn't UTF-8 ({error}); save it as that") from error
    except MemoryError as error:
        raise CohortError(
            f"{path.name} is too large for this machine's memory; give fewer rows, or as .parquet "
            "only those columns that are read"
        ) from error
    except (ValueError, OSError, EOFError) as error:
        raise CohortError(f"{path.name} can't be read: {error}") from error
    names = {name: _stripped(frame[name]) for name in _NAMES if name in frame}
    return Cohort(frame.assign(**names), path.name, file_digest(path))


def _refuse_archives(path: Path, suffix: str) -> None:
    """Refuse a spreadsheet or another archive that is only called a CSV file."""
    with path.open("rb") as file:
        start = file.read(len(_ARCHIVE))
    if suffix == ".csv" and start in (_ARCHIVE, _OLD_SPREADSHEET):
        raise CohortError(
            f"{path.name} is a spreadsheet or an archive, not CSV, whatever it is called; save the "
            "table as CSV with commas, in UTF-8"
        )


def _stripped(values: pd.Series) -> pd.Series:
    """Return ids without the white space around them, which is none of them; blank is missing."""
    if pd.api.types.is_numeric_dtype(values):
        return values
    return values.astype("object").map(
        lambda value: (value.strip() or None) if isinstance(value, str) else value
    )


def input_features(definition: Definition) -> tuple[str, ...]:
    """Return the features that a table has to hold: all that no formula derives."""
    return tuple(feature.name for feature in definition.features if feature.derived is None)


def characteristic_columns(definition: Definition) -> tuple[str, ...]:
    """Return the further columns by which the definition's subgroups are formed."""
    return tuple(group.column for group in definition.subgroups if group.column is not None)


def file_digest(path: Path) -> str:
    """Return a file's SHA-256, read piece by piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _column_names(path: Path) -> list[str]:
    return parquet_columns(path) if path.suffix == ".parquet" else csv_columns(path)


def _check_columns(name: str, columns: list[str], definition: Definition) -> None:
    needed = (*input_features(definition), *REQUIRED)
    read = _wanted(columns, definition)
    repeated = sorted({column for column in read if read.count(column) > 1})
    if repeated:
        raise CohortError(
            f"{name}: more than one column is called {', '.join(map(repr, repeated))}; keep the "
            "one that is meant, or rename the others"
        )
    absent = [column for column in needed if column not in columns]
    if not absent:
        return
    hints = []
    for column in absent:
        near = difflib.get_close_matches(column, columns, n=1)
        hints.append(f"{column!r}" + (f" (rename {near[0]!r}?)" if near else ""))
    raise CohortError(
        f"{name}: {len(absent)} of {len(needed)} columns are missing: {', '.join(hints)}; the "
        f"table needs every feature of {definition.name} by its name, and outcome and patient_id"
    )


def _wanted(columns: list[str], definition: Definition) -> list[str]:
    known = {
        *input_features(definition),
        *characteristic_columns(definition),
        *REQUIRED,
        *OPTIONAL,
    }
    return [column for column in columns if column in known]


def _numbers(definition: Definition) -> set[str]:
    return {feature.name for feature in definition.features if feature.kind == "numeric"}


def _texts(definition: Definition) -> set[str]:
    """Return the columns whose values are names, whatever they look like."""
    numeric = _numbers(definition)
    categorical = {feature.name for feature in definition.features} - numeric
    return {*categorical, *(set(characteristic_columns(definition)) - numeric), *_NAMES}
