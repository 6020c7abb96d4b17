"""The people that a model is trained and tested on: their model inputs, outcomes and weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.definition import Definition
from models.encoding import complete_columns, encode_table, row_faults
from models.errors import CohortError
from models.evaluation.censoring import CensoringWeighter, effective_size
from training.cohort import Cohort, characteristic_columns, input_features
from training.cohort_faults import faults, numbers, outside_range, times

FloatArray = npt.NDArray[np.float64]
_BY_ROW = ("row", "inputs", "outcome", "patient", "time", "site", "follow_up_days", "stratum")


@dataclass(frozen=True, eq=False)
class Population:
    """Rows that may be scored, as arrays of one length; patients have numbers, not their ids.

    `columns` holds the features in the definition's units, `inputs` the model's input columns made
    from them (rows, columns), NaN being missing; `row` is each one's place in the cohort.
    `characteristics` are the further columns that form the definition's subgroups, missing values
    None. Where `follow_up_days` is there, outcomes are censored and count by
    inverse-probability-of-censoring weights.
    """

    columns: Mapping[str, npt.NDArray[np.generic]]
    row: npt.NDArray[np.intp]
    inputs: FloatArray
    outcome: FloatArray
    patient: npt.NDArray[np.generic]
    horizon_days: int
    characteristics: Mapping[str, npt.NDArray[np.object_]]
    time: npt.NDArray[np.generic] | None = None
    site: npt.NDArray[np.generic] | None = None
    follow_up_days: FloatArray | None = None
    stratum: npt.NDArray[np.generic] | None = None

    def __len__(self) -> int:
        return len(self.outcome)

    def part(self, rows: npt.NDArray[np.generic]) -> "Population":
        """Return some of the rows, by mask or by positions."""
        arrays: dict[str, Any] = {name: values[rows] for name, values in self._arrays().items()}
        return replace(
            self,
            columns={name: values[rows] for name, values in self.columns.items()},
            characteristics={name: names[rows] for name, names in self.characteristics.items()},
            **arrays,
        )

    def joined(self, other: "Population") -> "Population":
        """Return these rows and then those of the other, which has the same columns."""
        columns = {
            name: np.concatenate([values, other.columns[name]])
            for name, values in self.columns.items()
        }
        characteristics = {
            name: np.concatenate([names, other.characteristics[name]])
            for name, names in self.characteristics.items()
        }
        theirs = other._arrays()
        arrays: dict[str, Any] = {
            name: np.concatenate([values, theirs[name]]) for name, values in self._arrays().items()
        }
        return replace(self, columns=columns, characteristics=characteristics, **arrays)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays = {name: getattr(self, name) for name in _BY_ROW}
        return {name: array for name, array in arrays.items() if array is not None}

    def censoring(self) -> CensoringWeighter | None:
        """Return what weights these rows for censoring, None where nobody can be censored."""
        if self.follow_up_days is None:
            return None
        return CensoringWeighter(
            self.follow_up_days, self.outcome, self.horizon_days, strata=self.stratum
        )

    def weights(self) -> FloatArray:
        """Return the case weight of each row; the censoring is estimated from these rows alone."""
        weighter = self.censoring()
        return np.ones(len(self)) if weighter is None else weighter.weights().weights

    def effective_size(self) -> int:
        """Return how many people of known outcome these rows are worth, under censoring.

        Several rows of a patient are one person, of the rows' mean weight.
        """
        place = np.unique(self.patient, return_inverse=True)[1]
        weight = np.bincount(place, weights=self.weights()) / np.bincount(place)
        return round(effective_size(weight))


@dataclass(frozen=True, slots=True)
class NotAsGiven:
    """What of a table was not taken as it was given.

    `left_out` are the rows that aren't in the population, by reason; `set_to_missing` the
    population's values that are taken as unknown because they are implausible, by feature's title.
    """

    left_out: tuple[tuple[str, int], ...]
    set_to_missing: tuple[tuple[str, int], ...]


def admit(cohort: Cohort, definition: Definition, now: datetime) -> tuple[Population, NotAsGiven]:
    """Return the rows that serving would score too, and what was left out or set to missing.

    Raises CohortError that lists every fault of the table.
    """
    found = faults(cohort.frame, definition, now)
    if found:
        raise CohortError(f"{cohort.source} can't be used:\n" + "\n".join(f"- {f}" for f in found))
    frame, implausible = _without_unusable(_typed(cohort.frame, definition), definition)
    columns = {name: frame[name].to_numpy() for name in input_features(definition)}
    kept, refused = _admissible(definition, columns, len(frame))
    left_out = (*cohort.exclusions, *refused)
    if not kept.any():
        emptied = ((f"{title}: implausible", int(rows.sum())) for title, rows in implausible)
        reasons = "; ".join(f"{reason}: {rows:,}" for reason, rows in (*left_out, *emptied))
        raise CohortError(f"{cohort.source}: no row is left to train on ({reasons})")
    emptied = ((title, int((rows & kept).sum())) for title, rows in implausible)
    not_as_given = NotAsGiven(left_out, tuple((title, rows) for title, rows in emptied if rows))
    return _population(frame[kept], np.flatnonzero(kept), definition), not_as_given


def _population(
    frame: pd.DataFrame, row: npt.NDArray[np.intp], definition: Definition
) -> Population:
    inputs = {name: frame[name].to_numpy() for name in input_features(definition)}
    follow_up = _column(frame, "follow_up_days")
    return Population(
        columns=complete_columns(definition, inputs),
        row=row,
        inputs=encode_table(definition, inputs),
        outcome=frame["outcome"].to_numpy(dtype=np.float64),
        patient=pd.factorize(frame["patient_id"])[0],
        horizon_days=definition.outcome.horizon_days,
        characteristics={
            name: _names(frame[name])
            for name in characteristic_columns(definition)
            if name in frame
        },
        time=_column(frame, "time"),
        site=_column(frame, "site"),
        follow_up_days=None if follow_up is None else follow_up.astype(np.float64),
        stratum=_column(frame, "stratum"),
    )


def _names(values: pd.Series) -> npt.NDArray[np.object_]:
    text = values.astype("str").astype("object")
    return np.asarray(text.where(values.notna(), None).to_numpy(), dtype=object)


def _column(frame: pd.DataFrame, name: str) -> npt.NDArray[np.generic] | None:
    return np.asarray(frame[name].to_numpy()) if name in frame else None


def _typed(frame: pd.DataFrame, definition: Definition) -> pd.DataFrame:
    typed = frame.copy()
    for name in input_features(definition):
        if definition.by_name[name].kind == "numeric":
            typed[name] = numbers(frame[name])
        else:
            text = frame[name].astype("str").astype("object")
            typed[name] = text.where(frame[name].notna(), None)
    typed["outcome"] = numbers(frame["outcome"])
    typed["patient_id"] = frame["patient_id"].astype("str").astype("object")
    if "time" in frame:
        typed["time"] = times(frame["time"])
    if "follow_up_days" in frame:
        typed["follow_up_days"] = numbers(frame["follow_up_days"])
    return typed


def _without_unusable(
    frame: pd.DataFrame, definition: Definition
) -> tuple[pd.DataFrame, list[tuple[str, npt.NDArray[np.bool_]]]]:
    """Empty the implausible values of features that the definition permits scoring without.

    Return in which rows these are, too, by the feature's title.
    """
    emptied = []
    for name in input_features(definition):
        feature = definition.by_name[name]
        if feature.kind == "numeric" and feature.if_unusable == "score_without":
            outside = outside_range(frame[name], feature)
            if outside.any():
                frame = frame.assign(**{name: frame[name].mask(outside)})
                emptied.append((feature.title, np.asarray(outside, dtype=np.bool_)))
    return frame, emptied


def _admissible(
    definition: Definition, columns: Mapping[str, npt.NDArray[np.generic]], rows: int
) -> tuple[npt.NDArray[np.bool_], list[tuple[str, int]]]:
    """Return the rows that serving would score; each other row counts under its first reason."""
    kept = np.ones(rows, dtype=np.bool_)
    refused = []
    for fault in row_faults(definition, complete_columns(definition, columns)):
        newly = kept & fault.rows
        if newly.any():
            refused.append((fault.words[0].upper() + fault.words[1:], int(newly.sum())))
            kept &= ~fault.rows
    return kept, refused
