"""What a model's pages draw: its day counts as trends beside the reference."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from django.utils.safestring import SafeString

from models.definition import Definition
from models.feature import Feature
from models.profile import CategoricalProfile, NumericProfile, ReferenceProfile
from monitoring.alarms import RANK
from monitoring.attribution import SHARE
from monitoring.chapters import changed_days
from monitoring.console.charts import Point, Scale, bars, spark, trend
from monitoring.console.wording import share_words, with_unit
from monitoring.flags import flag_streams
from monitoring.input_streams import shown_category
from monitoring.override_streams import override_streams
from monitoring.streams import SCORE, everywhere, site_of, ward_name, ward_of
from records.models import Alarm, DayCount

DAILY, WEEKLY = timedelta(days=90), timedelta(days=730)


@dataclass(frozen=True)
class Quantity:
    """A stream as people read it: its title, the reference's figure, and how figures are worded.

    `share` says that the figure is a share, drawn from none to all.
    """

    key: str
    title: str
    reference: float | None
    unit: str = ""
    decimals: int = 1
    share: bool = False

    def words(self, value: float) -> str:
        """Word a figure with its unit."""
        return share_words(value) if self.share else with_unit(value, self.decimals, self.unit)


@dataclass(frozen=True)
class Drawn:
    """A quantity with its trend, the latest and the usual figure, and its gravest open alarm."""

    quantity: Quantity
    chart: SafeString
    latest: str
    usual: str
    alarm: Alarm | None


@dataclass(frozen=True)
class FeatureTrends:
    """A feature's row on the model's page."""

    feature: Feature
    values: Drawn
    missing: Drawn | None
    share: Drawn | None


def quantities(definition: Definition, profile: ReferenceProfile) -> dict[str, Quantity]:
    """Return every stream of a model as people read it, by its key."""
    found: list[Quantity] = []
    for feature in definition.features:
        found += _of_feature(feature, profile.features[feature.name])
    found.append(Quantity(SCORE, "Score (mean log-odds)", profile.score.mean, decimals=2))
    for threshold in definition.thresholds:
        alerts = profile.alerts[f"{threshold.risk:g}"]
        title = f"Risk of {100 * threshold.risk:g} % or more"
        share = alerts / max(profile.rows_counted, 1)
        found.append(Quantity(f"alerts:{threshold.risk:g}", title, share, share=True))
    # training knows nothing of these
    for feature in definition.features:
        title = f"{feature.title}: its share of explanations"
        found.append(Quantity(f"{SHARE}{feature.name}", title, None, share=True))
    for one in (*flag_streams(definition), *override_streams(definition)):
        found.append(Quantity(one.key, one.title, None, share=True))
    return {quantity.key: quantity for quantity in found}


def quantity_of(known: Mapping[str, Quantity], stream: str) -> Quantity | None:
    """Return a stream as people read it; at a site or on a ward there is none of training."""
    found, site, ward = known.get(everywhere(stream)), site_of(stream), ward_of(stream)
    if found is None or (site is None and ward is None):
        return found
    place = f"at {site}" if ward is None else f"on {ward_name(site or '', ward)}"
    return replace(found, key=stream, title=f"{found.title} {place}", reference=None)


def _of_feature(feature: Feature, reference: NumericProfile | CategoricalProfile) -> list[Quantity]:
    name = feature.name
    missing = Quantity(
        f"missing:{name}",
        f"{feature.title}: missing",
        reference.missing / max(reference.total, 1),
        share=True,
    )
    if isinstance(reference, NumericProfile):
        unit, decimals = feature.unit or "", feature.decimals + 1
        value = Quantity(f"value:{name}", feature.title, reference.mean, unit, decimals)
    else:
        shown = shown_category(feature, reference)
        code = list(feature.categories)[shown]
        known = max(sum(reference.counts.values()), 1)
        title = f"{feature.title}: {feature.categories[code]}"
        value = Quantity(f"category:{name}", title, reference.counts[code] / known, share=True)
    return [value] if feature.required else [value, missing]


def days_of(model: str, version: str, keys: Iterable[str]) -> dict[str, list[DayCount]]:
    """Load the day counts of some streams, oldest first, without their bins."""
    rows = DayCount.objects.filter(model=model, version=version, stream__in=list(keys))
    found: dict[str, list[DayCount]] = {}
    for row in rows.defer("counts").order_by("day").iterator():
        found.setdefault(row.stream, []).append(row)
    return found


def points(quantity: Quantity, days: Sequence[DayCount]) -> list[Point]:
    """Gather days into points: each day, week or month, as the span asks for."""
    gathered: dict[date, tuple[float, int]] = {}
    span = days[-1].day - days[0].day if days else timedelta()
    for row in days:
        rows = row.total - row.missing
        if row.mean is not None and rows:
            start = _start(row.day, span)
            total, size = gathered.get(start, (0.0, 0))
            gathered[start] = (total + row.mean * rows, size + rows)
    return [
        Point(day, total / size, quantity.words(total / size))
        for day, (total, size) in gathered.items()
    ]


def _start(day: date, span: timedelta) -> date:
    if span <= DAILY:
        return day
    return day - timedelta(days=day.weekday()) if span <= WEEKLY else day.replace(day=1)


def draw(quantity: Quantity, days: Sequence[DayCount], alarms: Sequence[Alarm]) -> Drawn:
    """Draw a quantity's trend beside its reference, small, with what its open alarms say.

    One of a change that has turned may have an alarm from before the turn beside it.
    """
    found = points(quantity, days)
    chart = spark(
        found,
        label=quantity.title,
        reference=quantity.reference,
        changed=sorted(span for alarm in alarms for span in changed_days(alarm, date.max)),
    )
    usual = "none" if quantity.reference is None else quantity.words(quantity.reference)
    latest = found[-1].words if found else "none"
    gravest = max(alarms, key=lambda one: (RANK[one.severity], one.raised_on), default=None)
    return Drawn(quantity, chart, latest, usual, gravest)


def draw_large(quantity: Quantity, days: Sequence[DayCount], alarm: Alarm) -> SafeString:
    """Draw the trend that an alarm is about; shares are drawn from none to all."""
    low, high = (0.0, 1.0) if quantity.share else (None, None)
    return trend(
        points(quantity, days),
        label=quantity.title,
        scale=Scale(low, high, quantity.words),
        reference=quantity.reference,
        changed=changed_days(alarm, date.max),
    )


def draw_features(
    definition: Definition,
    known: Mapping[str, Quantity],
    days: Mapping[str, Sequence[DayCount]],
    alarms: Mapping[str, Sequence[Alarm]],
) -> list[FeatureTrends]:
    """Draw every feature's values, its missingness where it may be missing, and its share."""

    def one(key: str) -> Drawn | None:
        if key not in known:
            return None
        return draw(known[key], days.get(key, ()), alarms.get(key, ()))

    found = []
    for feature in definition.features:
        values = one(f"value:{feature.name}") or one(f"category:{feature.name}")
        if values is not None:
            missing, share = one(f"missing:{feature.name}"), one(f"{SHARE}{feature.name}")
            found.append(FeatureTrends(feature, values, missing, share))
    return found


def traffic_by_month(days: Sequence[DayCount]) -> SafeString:
    """Draw how many requests each month had."""
    months: dict[date, int] = {}
    for row in days:
        month = row.day.replace(day=1)
        months[month] = months.get(month, 0) + row.total
    named = [(f"{month:%b %Y}", count) for month, count in months.items()]
    return bars(named, label="Requests by month")


def traffic_spark(days: Sequence[DayCount]) -> SafeString:
    """Draw the requests over time, small."""
    span = days[-1].day - days[0].day if days else timedelta()
    gathered: dict[date, int] = {}
    for row in days:
        start = _start(row.day, span)
        gathered[start] = gathered.get(start, 0) + row.total
    drawn = [Point(day, count, f"{count:,} requests") for day, count in gathered.items()]
    return spark(drawn, label="Requests", low=0.0)
