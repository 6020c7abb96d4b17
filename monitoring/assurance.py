"""What silence is worth: which assumptions the days so far meet, and what would be seen."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from models.errors import StatisticsError
from monitoring import ledger as books
from monitoring.evidence.detector import DAYS_A_YEAR, Budget, open_stream
from monitoring.evidence.onboarding import (
    LEAST_DAYS,
    Design,
    Form,
    Onboarding,
    Strata,
    assess,
    budget_claim,
)
from monitoring.evidence.power import HORIZONS_DAYS, Power, power
from monitoring.evidence.state import Counts
from monitoring.ledger import Ledger
from monitoring.streams import Watched
from records.models import Alarm, Prediction

ASSESSED = timedelta(days=2 * DAYS_A_YEAR)
VOLUME_DAYS = 28


@dataclass(frozen=True)
class Assurance:
    """What one stream's silence is worth.

    `unmet` names each assumption that is not met with what was measured; `smallest` reads the
    smallest change that half of the time is seen within so many days at `rows_a_day`, the mean of
    the latest 28 closed days; where there's none, `no_power` says why. Evidence is divided by
    `divisor` where days vary more than their rows explain. `since` is the first day of a stream
    that opened later than the others, `site` where it is watched, if not everywhere.
    """

    title: str
    about: str
    claim: str
    unmet: tuple[tuple[str, str], ...]
    rows_a_day: float
    smallest: tuple[tuple[int, str], ...]
    divisor: float
    since: str | None = None
    site: str | None = None
    no_power: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return vars(self)


def assurances(
    watched: Iterable[Watched], ledger: Ledger, budget: Budget, through: date
) -> dict[str, Assurance]:
    """Return the assurance of every stream that has days to judge by."""
    alarmed = _alarmed_days(ledger, through)
    nameless = _share_without_patient(ledger)
    twins = {one.base: one for one in watched if one.is_twin}
    closed = books.traffic(ledger)  # every closed day has its requests, those without any too
    found = {}
    for one in watched:
        if one.is_twin:
            continue
        days = books.day_counts(ledger, one.key, through - ASSESSED, through)
        if days:
            calm = [row for row in days if not _within(row[0], alarmed.get(one.key, ()))]
            since = ledger.opened.get(one.key)
            volume = _rows_a_day(days, closed, since, through)
            smallest, no_power = _smallest(one, twins.get(one.key), ledger, budget, volume)
            claim, unmet = _claim(one, calm, nameless, budget)
            divisor = ledger.states[one.key].dispersion.divisor(one.stream.tau)
            found[one.key] = Assurance(
                one.title,
                one.subject,
                claim + _divided(divisor),
                unmet,
                volume,
                smallest,
                divisor,
                since.isoformat() if since else None,
                one.site,
                no_power,
            )
    return found


def overall_claim(streams: Sequence[Assurance], budget: Budget) -> str:
    """Say what is claimed of a model's budget, which all of its streams share."""
    unmet = Counter(name for one in streams for name, _ in one.unmet)
    if not unmet and streams:
        return (
            f"Simulated, not proved: about one false alarm or fewer in {budget.years:g} years over "
            "all streams; no departure from its assumptions was found."
        )
    reasons = ", ".join(f"{name} ({times} of {len(streams)})" for name, times in unmet.items())
    return (
        "No budget claimed, because these assumptions are not met in some streams: "
        f"{reasons or 'no day was watched yet'}. They are watched all the same."
    )


def _divided(divisor: float) -> str:
    if divisor == 1:
        return ""
    return f" Its evidence is divided by {divisor:.2g}: days vary more than their rows explain."


def _claim(
    one: Watched, calm: Sequence[tuple[date, Counts]], nameless: float, budget: Budget
) -> tuple[str, tuple[tuple[str, str], ...]]:
    try:
        assessed = [_assess(one, calm, table, nameless) for table in _tables(one, calm)]
    except StatisticsError as error:
        claim = f"No budget claimed, because {error}. The stream is watched all the same."
        judged = len(calm) >= LEAST_DAYS
        return claim, (("values that vary" if judged else "days to judge by", str(error)),)
    worst = max(assessed, key=lambda found: len(found.unmet))
    unmet = tuple((assumption.name, assumption.measured) for assumption in worst.unmet)
    return budget_claim(worst, budget, Form.COUNT), unmet


def _assess(
    one: Watched, calm: Sequence[tuple[date, Counts]], table: Counts, nameless: float
) -> Onboarding:
    year = (calm[-1][0] - calm[0][0]).days + 1 >= DAYS_A_YEAR
    design = Design(
        strata=Strata.WEEKEND_MONTH if year else Strata.WEEKEND,
        tau=one.stream.tau,
        grows=True,
        separate_edges=True,
    )
    rows = int(table.sum())
    # whoever is not named may come again
    stays = max(round(rows * (1 - nameless)), 1)
    days = [day for day, _ in calm]
    return assess(days, table, stays=stays, design=design, earlier=int(one.reference.sum()))


def _tables(one: Watched, calm: Sequence[tuple[date, Counts]]) -> list[Counts]:
    """Return [days, bins] of ordered bins: one table, or one for each category that varies."""
    if not calm:
        raise StatisticsError("every day so far is of an alarm, so there is none to judge by")
    table = np.array([counts for _, counts in calm])
    if one.kind != "categorical":
        return [table]
    rows = table.sum(axis=1)
    tables = [
        np.column_stack([rows - table[:, bin_], table[:, bin_]]) for bin_ in range(one.stream.bins)
    ]
    varying = [each for each in tables if each.sum(axis=0).all()]
    return varying or tables[:1]


def _smallest(
    one: Watched,
    twin: Watched | None,
    ledger: Ledger,
    budget: Budget,
    volume: float,
) -> tuple[tuple[tuple[int, str], ...], str]:
    """Return the smallest change seen within each horizon, by the stream or by its twin.

    Or why nothing is claimed to be seen, which is empty else. `volume` is in rows a day.
    """
    if not volume:
        return (), f"no row in the latest {VOLUME_DAYS} days"
    found: list[tuple[Power, ...]] = []
    for each in (one, twin):
        if each is None:
            continue
        held = ledger.states[each.key].reference
        # a day is compared with one stratum of a fixed reference, the largest at best
        reference = held[held.sum(axis=1).argmax()] if each.is_twin else held.sum(axis=0)
        if reference.any() and each.weighs(reference):
            known = ledger.states[each.key].dispersion
            state = replace(open_stream(each.stream, reference), dispersion=known)
            found.append(power(each.stream, state, volume, budget))
    if not found:
        return (), "no reference yet"
    smallest = tuple(
        (days, min(several, key=lambda each: each.shift or np.inf).reading)
        for days, several in zip(HORIZONS_DAYS, zip(*found, strict=True), strict=True)
    )
    return smallest, ""


def _rows_a_day(
    days: Sequence[tuple[date, Counts]],
    closed: Collection[date],
    since: date | None,
    through: date,
) -> float:
    """Return the mean of a stream's rows over the latest closed days, those without any included.

    Of one that opened `since` a day, earlier days don't count.
    """
    first = max(through - timedelta(days=VOLUME_DAYS - 1), since or date.min)
    latest = [day for day in closed if first <= day <= through]
    rows = sum(int(counts.sum()) for day, counts in days if day >= first)
    return rows / len(latest) if latest else 0.0


def _alarmed_days(ledger: Ledger, through: date) -> dict[str, list[tuple[date, date]]]:
    """Return the spans of each stream's alarms that were not found false."""
    spans: dict[str, list[tuple[date, date]]] = {}
    alarms = Alarm.objects.filter(model=ledger.model, version=ledger.version)
    for alarm in alarms.exclude(review__decision="false"):
        last = date.fromisoformat(alarm.details.get("through", through.isoformat()))
        spans.setdefault(alarm.stream, []).append((alarm.since or alarm.raised_on, last))
    return spans


def _within(day: date, spans: Iterable[tuple[date, date]]) -> bool:
    return any(first <= day <= last for first, last in spans)


def _share_without_patient(ledger: Ledger) -> float:
    rows = Prediction.objects.filter(model=ledger.model, version=ledger.version, is_test=False)
    without = rows.filter(patient="").count()  # an index gives it; counting all reads every row
    return without / rows.count() if without else 0.0
