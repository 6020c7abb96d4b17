"""Small charts as inline SVG, made on the server: trends, bars and explanations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

# the first and last day of each
Spans = Sequence[tuple[date, date]]


@dataclass(frozen=True)
class Point:
    """A trend's value over some days; `words` say it for those who can't see the line."""

    day: date
    value: float
    words: str


@dataclass(frozen=True)
class Size:
    """A chart's drawing size and the margin that its line keeps to the edge."""

    width: int
    height: int
    margin: int = 4


SPARK = Size(168, 36)
WIDE = Size(720, 200, 0)


@dataclass(frozen=True)
class Axes:
    """How days and values become places on a chart."""

    size: Size
    first: date
    last: date
    low: float
    high: float

    def x(self, day: date) -> float:
        """Return a day's place from the left."""
        span = max((self.last - self.first).days, 1)
        share = (day - self.first).days / span
        return round(self.size.margin + share * (self.size.width - 2 * self.size.margin), 1)

    def y(self, value: float) -> float:
        """Return a value's place from the top."""
        span = self.high - self.low
        share = (value - self.low) / span if span > 0 else 0.5
        share = min(max(share, 0.0), 1.0)
        return round(
            self.size.height - self.size.margin - share * (self.size.height - 2 * self.size.margin),
            1,
        )


@dataclass(frozen=True)
class Scale:
    """What a wide chart says beside its line: the ends of its axis and its dashed line."""

    low: float | None = None
    high: float | None = None
    words: Callable[[float], str] = str
    dashed: str = "reference"


def spark(
    points: Sequence[Point],
    *,
    label: str,
    reference: float | None = None,
    changed: Spans = (),
    low: float | None = None,
) -> SafeString:
    """Draw values over time, small: the reference is dashed, an alarm's changed days are shaded."""
    if not points:
        return format_html('<span class="quiet">{}</span>', "no values")
    axes = _axes(points, reference, SPARK, low, None)
    last = points[-1]
    return format_html(
        '<svg class="chart spark" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}'
        '<circle class="end" cx="{}" cy="{}" r="2.5"/></svg>',
        SPARK.width,
        SPARK.height,
        _spoken(label, points),
        _shaded(axes, changed),
        _dashed(axes, reference),
        _line(axes, points),
        axes.x(last.day),
        axes.y(last.value),
    )


def trend(
    points: Sequence[Point],
    *,
    label: str,
    scale: Scale,
    reference: float | None = None,
    changed: Spans = (),
) -> SafeString:
    """Draw values over time, large, with what its axes mean; changed days are shaded."""
    if not points:
        return format_html('<span class="quiet">{}</span>', "no values")
    axes = _axes(points, reference, WIDE, scale.low, scale.high)
    drawn = format_html(
        '<svg class="chart wide" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}{}{}{}</svg>',
        WIDE.width,
        WIDE.height,
        _spoken(label, points),
        _shaded(axes, changed),
        _dashed(axes, reference),
        _line(axes, points),
        _pointers(axes, points),
    )
    dashed = "" if reference is None else f"dashed: {scale.dashed} {scale.words(reference)}"
    ends = (f"{points[0].day:%-d %b %Y}", f"{points[-1].day:%-d %b %Y}")
    return _figure(drawn, scale.words(axes.high), scale.words(axes.low), ends, dashed)


def _figure(
    drawn: SafeString, high: str, low: str, ends: tuple[str, str], dashed: str = ""
) -> SafeString:
    return format_html(
        '<figure class="plot"><div class="axis"><span>{}</span><span>{}</span></div>{}'
        "<figcaption><span>{}</span><span>{}</span><span>{}</span></figcaption></figure>",
        high,
        low,
        drawn,
        ends[0],
        dashed,
        ends[1],
    )


def _spoken(label: str, points: Sequence[Point]) -> str:
    first, last = points[0], points[-1]
    return f"{label}: {first.words} on {first.day}, {last.words} on {last.day}"


def _line(axes: Axes, points: Sequence[Point]) -> SafeString:
    corners = " ".join(f"{axes.x(p.day)},{axes.y(p.value)}" for p in points)
    return format_html('<polyline class="line" points="{}"/>', corners)


def _axes(
    points: Sequence[Point],
    reference: float | None,
    size: Size,
    low: float | None,
    high: float | None,
) -> Axes:
    values = [point.value for point in points] + ([] if reference is None else [reference])
    floor = min(values) if low is None else low
    top = max(values) if high is None else max(high, *values)
    if top == floor:
        floor, top = floor - 1, top + 1
    return Axes(size, points[0].day, points[-1].day, floor, top)


def _shaded(axes: Axes, changed: Spans) -> SafeString:
    """Shade the days of some spans, each at least two wide so that one day is seen.

    A point may stand for a week or a month: a span that begins after the last one is at the end.
    """
    drawn = []
    for first, last in changed:
        if last < axes.first:
            continue
        start, end = axes.x(max(first, axes.first)), axes.x(min(last, axes.last))
        start = min(start, axes.size.width - axes.size.margin - 2.0)
        drawn.append((round(start, 1), round(max(end - start, 2.0), 1), axes.size.height))
    return format_html_join(
        "", '<rect class="changed" x="{}" y="0" width="{}" height="{}"/>', drawn
    )


def _dashed(axes: Axes, reference: float | None) -> SafeString:
    if reference is None:
        return SafeString("")
    return format_html(
        '<line class="reference" x1="{}" x2="{}" y1="{}" y2="{}"/>',
        axes.size.margin,
        axes.size.width - axes.size.margin,
        axes.y(reference),
        axes.y(reference),
    )


def _pointers(axes: Axes, points: Sequence[Point]) -> SafeString:
    """Give every point a column that tells its value when it's pointed at."""
    step = max(axes.size.width / len(points), 1.0)
    return format_html_join(
        "",
        '<rect class="pointer" x="{}" y="0" width="{}" height="{}"><title>{}: {}</title></rect>',
        (
            (round(axes.x(p.day) - step / 2, 1), round(step, 1), axes.size.height, p.day, p.words)
            for p in points
        ),
    )


def bars(values: Sequence[tuple[str, int]], *, label: str) -> SafeString:
    """Draw counts as bars, each with a title that names it."""
    if not values:
        return format_html('<span class="quiet">{}</span>', "nothing yet")
    top = max(count for _, count in values) or 1
    step = WIDE.width / len(values)
    rectangles = format_html_join(
        "",
        '<rect class="bar" x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>',
        (
            (
                round(place * step, 2),
                round(WIDE.height * (1 - count / top), 2),
                round(step - min(2.0, step / 4), 2),
                round(WIDE.height * count / top, 2),
                name,
                f"{count:,}",
            )
            for place, (name, count) in enumerate(values)
        ),
    )
    drawn = format_html(
        '<svg class="chart wide" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>',
        WIDE.width,
        WIDE.height,
        f"{label}: {sum(count for _, count in values):,} in all, at most {top:,}",
        rectangles,
    )
    return _figure(drawn, f"{top:,}", "0", (values[0][0], values[-1][0]))


@dataclass(frozen=True)
class Step:
    """One feature's part of an explanation, in log-odds."""

    title: str
    value: str
    contribution: float


@dataclass(frozen=True)
class Bar:
    """A step of the explanation as drawn: its bar's start and width in percent of the row."""

    step: Step
    left: float
    width: float
    raises: bool


def waterfall(base: float, steps: Sequence[Step]) -> list[Bar]:
    """Place each contribution where the ones before it ended, from the base to the score."""
    corners = [base]
    for step in steps:
        corners.append(corners[-1] + step.contribution)
    low, high = min(corners), max(corners)
    span = (high - low) or 1.0
    return [
        Bar(
            step,
            round(100 * (min(start, end) - low) / span, 2),
            round(max(100 * abs(end - start) / span, 0.4), 2),
            step.contribution > 0,
        )
        for step, start, end in zip(steps, corners, corners[1:], strict=False)
    ]


def waterfall_bar(bar: Bar) -> SafeString:
    """Draw one contribution's bar."""
    words = "raises" if bar.raises else "lowers"
    return format_html(
        '<svg class="chart part" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        'aria-label="{} {} the log-odds by {}"><rect class="{}" x="{}" y="1" width="{}" '
        'height="8"/></svg>',
        bar.step.title,
        words,
        f"{abs(bar.step.contribution):.2f}",
        words,
        min(bar.left, 99.6),
        bar.width,
    )
