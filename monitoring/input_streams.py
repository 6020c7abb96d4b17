"""The streams of a definition's features, of its score and of refused requests."""

from collections.abc import Iterator

import numpy as np

from models.definition import Definition
from models.edges import Edges
from models.errors import EvidenceError
from models.feature import Feature
from models.profile import CategoricalProfile, NumericProfile, ReferenceProfile
from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.categorical import CategoricalStream
from monitoring.evidence.numeric import NumericStream
from monitoring.refusals import REFUSALS, REFUSED, refusal_group
from monitoring.streams import (
    SCORE,
    DayRows,
    Seen,
    Watched,
    is_missing,
    seen_events,
    seen_numbers,
)


def input_streams(definition: Definition, profile: ReferenceProfile) -> Iterator[Watched]:
    """Yield the streams of every feature's values and, where it may be missing, missingness."""
    tau = definition.monitoring.smallest_drift_sd
    for feature in definition.features:
        reference = profile.features.get(feature.name)
        if reference is None:
            raise EvidenceError(
                f"the reference profile of {profile.model} lacks the feature {feature.name}: "
                "train this version again"
            )
        yield _values(feature, reference, tau)
        if not feature.required:
            yield _missingness(feature, reference, tau)


def answer_streams(definition: Definition, profile: ReferenceProfile) -> Iterator[Watched]:
    """Yield the streams of the score and of each threshold."""
    tau = definition.monitoring.smallest_drift_sd
    yield _score(profile.score, tau)
    for threshold in definition.thresholds:
        yield _alerts(threshold.risk, profile, tau)


def refusal_streams(definition: Definition) -> Iterator[Watched]:
    """Yield a stream for each group of reasons for which requests are refused."""
    for group in REFUSALS:
        yield _refusals(group, definition.monitoring.smallest_drift_sd)


def _values(
    feature: Feature, reference: NumericProfile | CategoricalProfile, tau: float
) -> Watched:
    if isinstance(reference, CategoricalProfile):
        return _category(feature, reference, tau)
    stream = NumericStream(feature.title, Edges(tuple(reference.edges)), tau)

    def see(rows: DayRows) -> Seen:
        values = np.asarray(rows.column(feature.name), dtype=np.float64)
        return seen_numbers(stream, values)

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
        return seen_events(stream, is_missing(rows.column(feature.name)))

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
        lambda rows: seen_numbers(stream, rows.margin),
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
        lambda rows: seen_events(stream, rows.risk >= threshold),
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
