"""All that is watched of a version: the streams of all rows, and those of sites and wards."""

from collections.abc import Iterator, Sequence
from itertools import chain

from models.definition import Definition
from models.profile import ReferenceProfile
from monitoring.attribution import attribution_streams
from monitoring.evidence.detector import Budget
from monitoring.flags import flag_streams
from monitoring.input_streams import answer_streams, input_streams, refusal_streams
from monitoring.override_streams import OVERRIDES, override_streams
from monitoring.streams import TWINNED, Watched, at_site, on_ward, twin

# what is watched at each site too, beside overrides; a refusal names no site, shares follow values
AT_SITES = ("value", "missing", "category", "score", "alerts")

# traffic, calibration and discrimination, which are weighed otherwise
WEIGHED_OTHERWISE = 3


class Watchlist:
    """A version's streams: those of all rows in the definition's order, then sites' and wards'."""

    def __init__(self, pooled: Sequence[Watched]) -> None:
        self.pooled = tuple(pooled)
        self._at: dict[str, tuple[Watched, ...]] = {}
        self._on: dict[tuple[str, str], Watched] = {}

    def __iter__(self) -> Iterator[Watched]:
        yield from self.pooled
        for site in self.sites:
            yield from self._at[site]
        for place in self.wards:
            yield self._on[place]

    def __len__(self) -> int:
        return len(self.pooled) + sum(map(len, self._at.values())) + len(self._on)

    @property
    def sites(self) -> tuple[str, ...]:
        """Return the sites that are watched by themselves."""
        return tuple(sorted(self._at))

    def open(self, site: str) -> tuple[Watched, ...]:
        """Watch a site by itself from now on; return its streams."""
        if site not in self._at:
            self._at[site] = tuple(at_site(one, site) for one in self.pooled if _is_copied(one))
        return self._at[site]

    @property
    def wards(self) -> tuple[tuple[str, str], ...]:
        """Return the wards whose overrides are watched by themselves, each with its site or ""."""
        return tuple(sorted(self._on))

    def open_ward(self, site: str, ward: str) -> Watched:
        """Watch the overrides on a ward by themselves from now on; return their stream."""
        if (site, ward) not in self._on:
            whole = next(one for one in self.pooled if one.key == OVERRIDES)
            self._on[site, ward] = on_ward(whole, site, ward)
        return self._on[site, ward]


def _is_copied(one: Watched) -> bool:
    return one.key == OVERRIDES or (one.subject in AT_SITES and not one.is_twin)


def watched_streams(definition: Definition, profile: ReferenceProfile) -> Watchlist:
    """Return every stream of a model, before any site of its own is watched."""
    people = [*input_streams(definition, profile), *answer_streams(definition, profile)]
    tau = definition.monitoring.smallest_drift_sd
    twins = [twin(one) for one in people if one.subject in TWINNED] if tau else []
    return Watchlist(
        tuple(
            chain(
                people,
                refusal_streams(definition),
                twins,
                attribution_streams(definition),
                flag_streams(definition),
                override_streams(definition),
            )
        )
    )


def budget_of(definition: Definition, watched: Watchlist) -> Budget:
    """Return the false-alarm budget that a definition grants to all streams together.

    Traffic, calibration and discrimination, which are weighed otherwise, have their shares of it.
    As streams open, the limit of all of them rises, so that together they keep to the same budget.
    """
    years = definition.monitoring.years_between_false_alarms
    return Budget(years, len(watched) + WEIGHED_OTHERWISE)
