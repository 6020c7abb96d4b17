"""The reference profile of a model version: training writes it, monitoring reads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.definition import Definition
from models.edges import edges_from
from models.errors import ArtefactError, CohortError
from models.subgroups import subgroup_labels

FORMAT = 1


class NumericProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="numeric"):
    """A numeric feature: counts between `edges`, and its moments and quartiles where known.

    Bin i holds edges[i - 1] <= value < edges[i]; `total` counts the missing ones too.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int
    total: int
    mean: float
    sd: float
    median: float
    q25: float
    q75: float


class CategoricalProfile(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="categorical"
):
    """A categorical feature: the count of each category; `total` counts the missing ones too."""

    counts: dict[str, int]
    missing: int
    total: int


class ReferenceProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model version's people looked like, and how it scored them.

    `score` is on the calibrated log-odds; `alerts` counts the people at or above each threshold;
    `strata` counts them by subgroup and its label.
    """

    model: str
    definition_digest: str
    features: dict[str, NumericProfile | CategoricalProfile]
    score: NumericProfile
    alerts: dict[str, int]
    rows_for_edges: int
    rows_counted: int
    strata: dict[str, dict[str, int]]
    format: int = FORMAT


def build_profile(
    definition: Definition,
    columns: Mapping[str, NDArray[Any]],
    margin: NDArray[np.float64],
    *,
    definition_digest: str,
    seed: int,
) -> ReferenceProfile:
    """Count a table's completed columns and their calibrated log-odds.

    Bin edges are made from a third of the rows, drawn by `seed`, and these rows aren't counted:
    otherwise every bin would hold its share by construction.
    """
    edge_rows = np.zeros(len(margin), dtype=np.bool_)
    order = np.random.default_rng(seed).permutation(len(margin))
    edge_rows[order[: len(margin) // 3]] = True
    features: dict[str, NumericProfile | CategoricalProfile] = {}
    for feature in definition.features:
        column = columns[feature.name]
        if feature.kind == "numeric":
            features[feature.name] = _numeric(feature.name, column, edge_rows)
        else:
            features[feature.name] = _categorical(tuple(feature.categories), column[~edge_rows])
    risk = 1.0 / (1.0 + np.exp(-margin[~edge_rows]))
    return ReferenceProfile(
        model=definition.name,
        definition_digest=definition_digest,
        features=features,
        score=_numeric("score", margin, edge_rows),
        alerts={f"{t.risk:g}": int((risk >= t.risk).sum()) for t in definition.thresholds},
        rows_for_edges=int(edge_rows.sum()),
        rows_counted=int((~edge_rows).sum()),
        strata={
            name: _tally(labels[~edge_rows])
            for name, labels in subgroup_labels(definition, columns).items()
        },
    )


def to_json(profile: ReferenceProfile) -> bytes:
    """Write a profile so that it's read back exactly."""
    return msgspec.json.format(msgspec.json.encode(profile), indent=1)


def from_json(text: bytes) -> ReferenceProfile:
    """Read what `to_json` wrote; raise ArtefactError for anything else."""
    try:
        profile = msgspec.json.decode(text, type=ReferenceProfile)
    except msgspec.DecodeError as error:
        raise ArtefactError(f"the reference profile can't be read: {error}") from error
    if profile.format != FORMAT:
        raise ArtefactError(
            f"the reference profile has format {profile.format}; this code reads {FORMAT}"
        )
    return profile


def read_profile(path: Path) -> ReferenceProfile:
    """Read the profile of a model version's directory."""
    try:
        return from_json(path.read_bytes())
    except OSError as error:
        raise ArtefactError(f"{path}: can't be read ({error.strerror})") from error


def _numeric(
    name: str, column: NDArray[np.float64], edge_rows: NDArray[np.bool_]
) -> NumericProfile:
    values = column[~edge_rows]
    known, for_edges = values[~np.isnan(values)], column[edge_rows & ~np.isnan(column)]
    if not known.size or not for_edges.size:
        raise CohortError(
            f"column {name!r}: {known.size + for_edges.size} of {column.size} rows have a value; "
            "too few for a reference profile, which needs some on either side of its split"
        )
    edges = edges_from(for_edges)
    q25, median, q75 = np.quantile(known, [0.25, 0.5, 0.75]).tolist()
    return NumericProfile(
        edges=edges.cuts,
        counts=tuple(edges.count(known).tolist()),
        missing=int(values.size - known.size),
        total=int(values.size),
        mean=float(known.mean()),
        sd=float(known.std()),
        median=median,
        q25=q25,
        q75=q75,
    )


def _categorical(categories: tuple[str, ...], values: NDArray[Any]) -> CategoricalProfile:
    counts = {category: int((values == category).sum()) for category in categories}
    return CategoricalProfile(counts, int(values.size - sum(counts.values())), int(values.size))


def _tally(labels: NDArray[np.object_]) -> dict[str, int]:
    names, counts = np.unique(labels.astype(str), return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}
