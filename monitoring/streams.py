"""What a stream is: what it counts of a day's rows, its reference, and where it sits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.categorical import CategoricalStream
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.state import Counts

Kind = Literal["numeric", "binary", "categorical"]
Subject = Literal[
    "value", "missing", "category", "score", "alerts", "share", "refusals", "flags", "overrides"
]
AnyStream = NumericStream | BinaryStream | CategoricalStream
Column = NDArray[np.generic]

# keys of the streams that are not about one feature
SCORE, TRAFFIC = "score", "traffic"

# twins: what their keys begin with, and which streams have one
TWIN = "fixed:"
TWINNED = ("value", "missing", "score")
# a month's fixed reference with fewer rows or events would alarm by chance for ever
LEAST_ROWS_FIXED_MONTH, LEAST_EVENTS_FIXED = 2_000, 100

# what parts a stream's key from the site that it is watched at; no site's name holds it
AT = "@"


@dataclass(frozen=True, eq=False)
class Reports:
    """Clinicians' reports on shown risks as columns of (n,), a stay's by its first.

    `reason` is the code of an override's reason where the definition offers it, else empty.
    `received` counts every report, also those of a stay that is counted already.
    """

    overridden: NDArray[np.bool_]
    reason: NDArray[np.object_]
    site: NDArray[np.object_]
    received: int
    ward: NDArray[np.object_] = field(default_factory=lambda: np.zeros(0, dtype=np.object_))

    def part(self, chosen: NDArray[np.bool_]) -> "Reports":
        """Return some of the rows, which are then all that were received."""
        overridden, reason, site = self.overridden[chosen], self.reason[chosen], self.site[chosen]
        return Reports(overridden, reason, site, int(chosen.sum()), _some(self.ward, chosen))

    def on(self, site: str, ward: str) -> "Reports":
        """Return the reports on one ward, of a site or of "" where none is named."""
        chosen = self.site == site
        return self.part(chosen & (self.ward == ward) if self.ward.size else chosen & False)


def no_reports() -> Reports:
    """Return the reports of a day on which nobody reported."""
    nothing = np.zeros(0, dtype=np.object_)
    return Reports(np.zeros(0, dtype=np.bool_), nothing, nothing, 0)


@dataclass(frozen=True, eq=False)
class DayRows:
    """One day's stays as columns (NaN or None is missing), and its refusals by reason.

    `answered` counts every prediction, also those of a stay that is counted already.
    `contributions` are (n, features) in the definition's order, `flags` (n,) by what is flagged,
    `site` and `ward` (n,) with "" where none was named, `client` (n,), `codes` (n,) as recorded
    JSON; each is empty where it isn't known.
    """

    features: Mapping[str, Column]
    margin: NDArray[np.float64]
    risk: NDArray[np.float64]
    refusals: Mapping[str, int]
    answered: int
    contributions: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    flags: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    site: NDArray[np.object_] = field(default_factory=lambda: np.zeros(0, dtype=np.object_))
    reports: Reports = field(default_factory=no_reports)
    client: NDArray[np.object_] = field(default_factory=lambda: np.zeros(0, dtype=np.object_))
    ward: NDArray[np.object_] = field(default_factory=lambda: np.zeros(0, dtype=np.object_))
    codes: NDArray[np.object_] = field(default_factory=lambda: np.zeros(0, dtype=np.object_))

    def column(self, feature: str) -> Column:
        """Return a feature's values; a window without rows names no features."""
        return self.features[feature] if self.margin.size else np.zeros(0)

    @property
    def requests(self) -> int:
        """Return how many requests came, answered or refused."""
        return self.answered + sum(self.refusals.values())

    def at(self, site: str) -> "DayRows":
        """Return the rows of one site; a refusal names none."""
        if site not in self._parts:
            self._parts[site] = self.part(self.site == site, self.reports.site == site)
        return self._parts[site]

    def once(self, what: str, count: Callable[[], Any]) -> Any:
        """Return what the first call counted: streams of one kind share a count of the day."""
        if what not in self._counted:
            self._counted[what] = count()
        return self._counted[what]

    @cached_property
    def _parts(self) -> dict[str, "DayRows"]:
        return {}

    @cached_property
    def _counted(self) -> dict[str, Any]:
        return {}

    def part(self, chosen: NDArray[np.bool_], reported: NDArray[np.bool_]) -> "DayRows":
        """Return some of the rows and some of the reports, and no refusal."""
        if not self.site.size:
            return replace(self, refusals={}, answered=0, reports=self.reports.part(reported))
        return DayRows(
            {name: column[chosen] for name, column in self.features.items()},
            self.margin[chosen],
            self.risk[chosen],
            {},
            int(chosen.sum()),
            self.contributions[chosen] if self.contributions.size else self.contributions,
            {name: marked[chosen] for name, marked in self.flags.items()},
            self.site[chosen],
            self.reports.part(reported),
            _some(self.client, chosen),
            _some(self.ward, chosen),
            _some(self.codes, chosen),
        )


def _some(column: NDArray[np.object_], chosen: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Return some of a column's rows; one that isn't known stays so."""
    return column[chosen] if column.size else column


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

    `feature` names the definition's feature that it is about, if it is about one; `site` and `ward`
    those whose rows it counts, if not all. A twin has `stream.grows` false: its reference stays the
    first year, so that a slow ramp can't hide in it.
    """

    key: str
    subject: Subject
    title: str
    kind: Kind
    stream: AnyStream
    reference: Counts
    see: Callable[[DayRows], Seen]
    feature: str | None = None
    site: str | None = None
    ward: str | None = None

    @cached_property
    def base(self) -> str:
        """Return the key of the stream that this is the twin of, or its own."""
        return self.key.removeprefix(TWIN)

    @cached_property
    def is_twin(self) -> bool:
        """Whether the reference stays fixed."""
        return self.key.startswith(TWIN)

    @property
    def rows_are(self) -> str:
        """Return what one of its rows is."""
        return "reports" if self.subject == "overrides" else "requests"

    def weighs(self, reference: Counts) -> bool:
        """Whether a reference, [bins], is large enough; a fixed one must be, or chance lasts."""
        if not self.is_twin:
            return True
        rare = self.kind == "binary" and reference.min() < LEAST_EVENTS_FIXED
        return not rare and int(reference.sum()) >= LEAST_ROWS_FIXED_MONTH


def twin(watched: Watched) -> Watched:
    """Watch the same rows against a reference that stays fixed."""
    # training has no seasons, so the reference is local
    return replace(
        watched,
        key=f"{TWIN}{watched.key}",
        stream=replace(watched.stream, grows=False),
        reference=np.zeros_like(watched.reference),
    )


def at_site(watched: Watched, site: str) -> Watched:
    """Watch the same quantity at one site, whose own past is its reference."""
    return replace(
        watched,
        key=at_key(watched.key, site),
        title=f"{watched.title} at {site}",
        stream=replace(watched.stream, name=f"{watched.stream.name} at {site}"),
        reference=np.zeros_like(watched.reference),
        see=lambda rows: watched.see(rows.at(site)),
        site=site,
    )


def on_ward(watched: Watched, site: str, ward: str) -> Watched:
    """Watch the same reports on one ward, of a site or of none that is named, by its own past."""
    name = ward_name(site, ward)
    return replace(
        watched,
        key=on_key(watched.key, site, ward),
        title=f"{watched.title} on {name}",
        stream=replace(watched.stream, name=f"{watched.stream.name} on {name}"),
        reference=np.zeros_like(watched.reference),
        see=lambda rows: watched.see(replace(rows, reports=rows.reports.on(site, ward))),
        site=site or None,
        ward=ward,
    )


def ward_name(site: str, ward: str) -> str:
    """Return what a ward is called: two sites may each have an ICU."""
    return f"{ward} ({site})" if site else ward


def at_key(key: str, site: str) -> str:
    """Return the key of a stream's copy at a site."""
    return f"{key}{AT}{site}"


def on_key(key: str, site: str, ward: str) -> str:
    """Return the key of a stream's copy on a ward, whose name may hold anything."""
    return f"{key}{AT}{site}{AT}{ward}"


def site_of(key: str) -> str | None:
    """Return the site that a stream's key names, if it names one."""
    return key.partition(AT)[2].partition(AT)[0] or None


def ward_of(key: str) -> str | None:
    """Return the ward that a stream's key names, if it names one."""
    return key.partition(AT)[2].partition(AT)[2] or None


def everywhere(key: str) -> str:
    """Return the key of the stream that counts the rows of all sites."""
    return key.partition(AT)[0]


def is_missing(values: Column) -> NDArray[np.bool_]:
    """Say which values of a column are missing: NaN among numbers, None among categories."""
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values), dtype=np.bool_)
    return np.array([value is None for value in values], dtype=np.bool_)


def seen_numbers(stream: NumericStream, values: NDArray[np.float64]) -> Seen:
    """Count the numbers of a column; NaN is missing."""
    known = values[~np.isnan(values)]
    # the sum of `mean`, without what it asks of every array first
    mean = float(np.add.reduce(known)) / known.size if known.size else None
    return Seen(stream.count(known), values.size, values.size - known.size, mean)


def seen_events(stream: BinaryStream, events: NDArray[np.bool_]) -> Seen:
    """Count the rows with and without an event."""
    counts = stream.count(events)
    rate = int(counts[1]) / events.size if events.size else None
    return Seen(counts, events.size, 0, rate)
