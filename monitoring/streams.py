"""What is watched of a model: its streams, their reference, and how rows of a day are counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.definition import Definition
from models.edges import Edges
from models.errors import EvidenceError
from models.feature import Feature
from models.profile import CategoricalProfile, NumericProfile, ReferenceProfile
from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.categorical import CategoricalStream
from monitoring.evidence.detector import Budget
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.state import Counts
from monitoring.refusals import REFUSALS, REFUSED, refusal_group

Kind = Literal["numeric", "binary", "categorical"]
Subject = Literal["value", "missing", "category", "score", "alerts", "refusals"]
AnyStream = NumericStream | BinaryStream | CategoricalStream

# keys of the streams that are not about one feature
SCORE, TRAFFIC = "score", "traffic"

WEIGHED_OTHERWISE = 2

# twins: what their keys begin with, and which streams have one
TWIN = "fixed:"
TWINNED = ("value", "missing", "score")
# a month's fixed reference with fewer rows or events would alarm by chance for ever
LEAST_ROWS_FIXED_MONTH, LEAST_EVENTS_FIXED = 2_000, 100


@dataclass(frozen=True, eq=False)
class DayRows:
    """One day's stays as columns (NaN or None is missing), and its refusals by reason.

    `answered` counts every prediction, also those of a stay that is counted already.
    """

    features: Mapping[str, NDArray[np.generic]]
    margin: NDArray[np.float64]
    risk: NDArray[np.float64]
    refusals: Mapping[str, int]
    answered: int

    def column(self, feature: str) -> NDArray[np.generic]:
        """Return a feature's values; a window without rows names no features."""
        return self.features[feature] if self.margin.size else np.zeros(0)

    @property
    def requests(self) -> int:
        """Return how many requests came, answered or refused."""
        return self.answered + sum(self.refusals.values())


@dataclass(frozen=True, eq=False)
class Seen:
    """What a stream saw on a day: rows a bin, rows in all, missing ones, and the mean."""

    counts: Counts
    total: int
    missing: int
    mean: float | None


@dataclass(frozen=True, eq=False)
class Watched:
    """One stream with its key in the records, its reference counts and its way of counting.

    `feature` names the definition's feature that it is about, if it is about one. A twin has
    `stream.grows` false: its reference stays the first year, so that a slow ramp can't hide in it.
    """

    key: str
    subject: Subject
    title: str
    kind: Kind
    stream: AnyStream
    reference: Counts
    see: Callable[[DayRows], Seen]
    feature: str | None = None

    @property
    def base(self) -> str:
        """Return the key of the stream that this is the twin of, or its own."""
        return self.key.removeprefix(TWIN)

    @property
    def is_twin(self) -> bool:
        """Whether the reference stays fixed."""
        return self.key.startswith(TWIN)

    def weighs(self, reference: Counts) -> bool:
        """Whether a reference, [bins], is large enough; a fixed one must be, or chance lasts."""
        if not self.is_twin:
            return True
        rare = self.kind == "binary" and reference.min() < LEAST_EVENTS_FIXED
        return not rare and int(reference.sum()) >= LEAST_ROWS_FIXED_MONTH


def watched_streams(definition: Definition, profile: ReferenceProfile) -> tuple[Watched, ...]:
    """Return every stream of a model, in the order of its definition."""
    tau = definition.monitoring.smallest_drift_sd
    streams: list[Watched] = []
    for feature in definition.features:
        reference = profile.features.get(feature.name)
        if reference is None:
            raise EvidenceError(
                f"the reference profile of {profile.model} lacks the feature {feature.name}: "
                "train this version again"
            )
        streams.append(_values(feature, reference, tau))
        if not feature.required:
            streams.append(_missingness(feature, reference, tau))
    streams.append(_score(profile.score, tau))
    streams += [_alerts(threshold.risk, profile, tau) for threshold in definition.thresholds]
    twins = [_twin(one) for one in streams if one.subject in TWINNED] if tau else []
    return (*streams, *(_refusals(group, tau) for group in REFUSALS), *twins)


def _twin(watched: Watched) -> Watched:
    """Watch the same rows against a reference that stays fixed."""
    stream = replace(watched.stream, grows=False)
    # training has no seasons, so the reference is local
    return replace(
        watched,
        key=f"{TWIN}{watched.key}",
        stream=stream,
        reference=np.zeros_like(watched.reference),
    )


def budget_of(definition: Definition, watched: Sequence[Watched]) -> Budget:
    """Return the false-alarm budget that a definition grants to all streams together.

    Traffic and calibration, which are weighed otherwise, have their shares of it.
    """
    years = definition.monitoring.years_between_false_alarms
    return Budget(years, len(watched) + WEIGHED_OTHERWISE)


def _values(
    feature: Feature, reference: NumericProfile | CategoricalProfile, tau: float
) -> Watched:
    if isinstance(reference, CategoricalProfile):
        return _category(feature, reference, tau)
    stream = NumericStream(feature.title, Edges(tuple(reference.edges)), tau)

    def see(rows: DayRows) -> Seen:
        values = np.asarray(rows.column(feature.name), dtype=np.float64)
        return _seen_numbers(stream, values)

    return Watched(
        f"value:{feature.name}",
        "value",
        feature.title,
        "numeric",
        stream,
        np.asarray(reference.counts, dtype=np.int64),
        see,
        feature.name,
    )


def _seen_numbers(stream: NumericStream, values: NDArray[np.float64]) -> Seen:
    known = values[~np.isnan(values)]
    mean = float(known.mean()) if known.size else None
    return Seen(stream.count(known), values.size, values.size - known.size, mean)


def _category(feature: Feature, reference: CategoricalProfile, tau: float) -> Watched:
    codes = tuple(feature.categories)
    shown = shown_category(feature, reference)
    stream = CategoricalStream(feature.title, tuple(feature.categories.values()), tau)
    words = feature.categories

    def see(rows: DayRows) -> Seen:
        values = rows.column(feature.name)
        known = [words.get(str(value), str(value)) for value in values[~is_missing(values)]]
        counts = stream.count(known)
        mean = float(counts[shown] / len(known)) if known else None
        return Seen(counts, len(values), len(values) - len(known), mean)

    counts = [reference.counts.get(code, 0) for code in codes]
    other = sum(reference.counts.values()) - sum(counts)
    return Watched(
        f"category:{feature.name}",
        "category",
        feature.title,
        "categorical",
        stream,
        np.array([*counts, other], dtype=np.int64),
        see,
        feature.name,
    )


def shown_category(feature: Feature, reference: CategoricalProfile) -> int:
    """Return which category's share is drawn: the second of two, else the commonest."""
    codes = list(feature.categories)
    if len(codes) == 2:
        return 1
    return max(range(len(codes)), key=lambda at: reference.counts.get(codes[at], 0))


def _missingness(
    feature: Feature, reference: NumericProfile | CategoricalProfile, tau: float
) -> Watched:
    stream = BinaryStream(feature.title, "missing", tau)

    def see(rows: DayRows) -> Seen:
        return _seen_events(stream, is_missing(rows.column(feature.name)))

    return Watched(
        f"missing:{feature.name}",
        "missing",
        feature.title,
        "binary",
        stream,
        np.array([reference.total - reference.missing, reference.missing], dtype=np.int64),
        see,
        feature.name,
    )


def is_missing(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Say which values of a column are missing: NaN among numbers, None among categories."""
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values), dtype=np.bool_)
    return np.array([value is None for value in values], dtype=np.bool_)


def _seen_events(stream: BinaryStream, events: NDArray[np.bool_]) -> Seen:
    rate = float(events.mean()) if events.size else None
    return Seen(stream.count(events), events.size, 0, rate)


def _score(reference: NumericProfile, tau: float) -> Watched:
    title = "Risk score (log-odds)"
    stream = NumericStream(title, Edges(tuple(reference.edges)), tau)
    counts = np.asarray(reference.counts, dtype=np.int64)
    return Watched(
        SCORE,
        "score",
        title,
        "numeric",
        stream,
        counts,
        lambda rows: _seen_numbers(stream, rows.margin),
    )


def _alerts(threshold: float, profile: ReferenceProfile, tau: float) -> Watched:
    title = f"A risk of {100 * threshold:g} % or more"
    stream = BinaryStream(title, "reached", tau)
    alerts = profile.alerts.get(f"{threshold:g}")
    if alerts is None:
        raise EvidenceError(
            f"the reference profile of {profile.model} lacks the threshold {threshold:g}: "
            "train this version again"
        )
    return Watched(
        f"alerts:{threshold:g}",
        "alerts",
        title,
        "binary",
        stream,
        np.array([profile.rows_counted - alerts, alerts], dtype=np.int64),
        lambda rows: _seen_events(stream, rows.risk >= threshold),
    )


def _refusals(group: str, tau: float) -> Watched:
    """Watch one group of refusals; training saw none, so its own past is its reference."""
    stream = BinaryStream("A request", REFUSED[group], tau)

    def see(rows: DayRows) -> Seen:
        refused = sum(
            count for reason, count in rows.refusals.items() if refusal_group(reason) == group
        )
        counts = np.array([rows.requests - refused, refused], dtype=np.int64)
        return Seen(counts, rows.requests, 0, refused / rows.requests if rows.requests else None)

    nothing = np.zeros(2, dtype=np.int64)
    title = f"Requests {REFUSED[group]}"
    return Watched(f"refusals:{group}", "refusals", title, "binary", stream, nothing, see)
