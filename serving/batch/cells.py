"""Columns of a file as features: numbers, categories, and where a text stands for a number."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.batch import Rows
from models.definition import Definition
from models.encoding import Column

# What a CSV file writes where there is nothing, as pandas reads it when a model is trained.
NOTHING = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
_PLAIN_NUMBER = r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"


def columns_of(
    definition: Definition, table: pa.Table, *, is_text: bool
) -> tuple[dict[str, Column], dict[str, Rows]]:
    """Return the measured features' columns, and for each the rows where a text isn't a number.

    Numbers are float64 with NaN for missing, categories objects with None. `is_text` says that
    all columns are text, as in a CSV file.
    """
    columns: dict[str, Column] = {}
    texts: dict[str, Rows] = {}
    for feature in definition.features:
        if feature.derived is not None:
            continue
        given = table.column(feature.name).combine_chunks()
        if feature.kind == "categorical":
            columns[feature.name] = _categories(given, is_text=is_text)
        elif is_text:
            columns[feature.name], wrong = _parsed(given)
            if wrong.any():
                texts[feature.name] = wrong
        else:
            columns[feature.name] = _numbers(given.cast(pa.float64(), safe=False))
    return columns, texts


def _numbers(array: pa.Array) -> NDArray[np.float64]:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)


def _categories(given: pa.Array, *, is_text: bool) -> Column:
    if pa.types.is_null(given.type):
        return np.full(len(given), None, dtype=object)
    encoded = given.dictionary_encode()
    levels = encoded.dictionary.to_pylist()
    if is_text:
        levels = [None if level in NOTHING else level for level in levels]
    # the last one is for what has no code
    by_code = np.array([*levels, None], dtype=object)
    return np.asarray(by_code[encoded.indices.fill_null(len(levels)).to_numpy()])


def _parsed(given: pa.Array) -> tuple[NDArray[np.float64], Rows]:
    """Return a text column's numbers, and the rows that hold something else."""
    trimmed = pc.utf8_trim_whitespace(given)
    nothing = pc.fill_null(pc.is_in(trimmed, pa.array(NOTHING)), True)
    known = pc.if_else(nothing, None, trimmed)
    try:
        return _numbers(known.cast(pa.float64())), np.zeros(len(given), np.bool_)
    except pa.ArrowInvalid:
        plain = pc.fill_null(pc.match_substring_regex(known, _PLAIN_NUMBER), True)
    odd = pc.unique(known.filter(pc.invert(plain)))
    wrong = pa.array([text for text in odd.to_pylist() if not _is_number(text)], pa.string())
    unreadable = pc.is_in(known, wrong)
    numbers = pc.if_else(unreadable, None, known).cast(pa.float64())
    return _numbers(numbers), np.asarray(unreadable.to_numpy(zero_copy_only=False), np.bool_)


def _is_number(text: str) -> bool:
    try:
        pa.scalar(text).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True
