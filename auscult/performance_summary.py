"""What `auscult performance` and `auscult transportability` print: figures with intervals."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from rich.table import Table

from auscult.screen import out
from models.amounts import counted

FIGURES = {
    "auroc": "AUROC",
    "brier": "Brier",
    "calibration_in_the_large": "In the large",
    "calibration_slope": "Slope",
    "observed_expected": "O:E",
    "ici": "ICI",
}
AT_THRESHOLDS = {
    "net_benefit": "Net benefit",
    "ppv": "PPV",
    "sensitivity": "Sensitivity",
    "alerts_per_100": "Alerts per 100",
}
# a figure with its interval and the space around it, as in "-0.123 (-0.234 to -0.012)"
FIGURE_WIDTH = 27


def show_performance(report: Mapping[str, Any]) -> None:
    """Show each window's figures, what acting at a threshold is worth, and groups apart."""
    out.print(f"\n[bold]{report['model']} version {report['version']}[/bold]")
    out.print(f"By {report['window']}: {report['because']}.")
    windows = report["windows"]
    if not windows:
        out.print("No prediction was recorded.")
        return
    _show("Window", [(one["label"], one) for one in windows], FIGURES)
    acting = [
        (f"{one['label']} at {100 * float(risk):g} %", {"figures": figures})
        for one in windows
        for risk, figures in one["at_thresholds"].items()
    ]
    _show("Acting", acting, AT_THRESHOLDS)
    apart = [
        (f"{one['label']} {row['title']}: {row['group']}", row)
        for one in windows
        for row in one["apart"]
    ]
    _show("Apart", apart, FIGURES)
    told = [one for one in windows if one["shown"] is not None]
    made, shown = (sum(one[name] for one in told) for name in ("predictions", "shown"))
    others = sum(one["predictions"] for one in windows) - made
    if made:
        were = "was" if shown == 1 else "were"
        words = f"{counted(shown, 'prediction')} {were} shown"
        out.print(f"{words}, {made - shown:,} recorded in silence.")
    if others:
        out.print(f"How many of {others:,}{' others' if made else ''} were shown is withheld.")
    late = sum(one.get("after_horizon", 0) for one in windows)
    if late:
        are = "is" if late == 1 else "are"
        out.print(f"{counted(late, 'reported event')} {are} after the horizon: none within it.")
    out.print(report["treatment"])


def show_transportability(found: Mapping[str, Any]) -> None:
    """Show each quantity in training and here, the largest effects first."""
    from monitoring.transportability import by_size

    out.print(f"\n[bold]{found['model']} version {found['version']}[/bold]")
    contrasts = by_size(found)
    if not contrasts:
        out.print(found.get("reason", "Nothing was found yet: watch it again."))
        return
    out.print(
        f"{counted(found['stays'], 'stay')} from {found['first']} to {found['last']}, beside "
        f"{counted(found['training_rows'], 'row')} of training."
    )
    table = Table("Quantity", "Training", "Here", "Standardised difference", "Effect", box=None)
    for one in contrasts:
        ends = ("standardised", "standardised_low", "standardised_high")
        table.add_row(
            f"{one['title']} {one['unit']}".strip(),
            f"{one['training']['mean']:.3f}",
            f"{one['here']['mean']:.3f}",
            _words(dict(zip(("value", "low", "high"), (one[end] for end in ends), strict=True))),
            one["size"],
        )
    out.print(table)


def _show(
    title: str, rows: Sequence[tuple[str, Mapping[str, Any]]], names: Mapping[str, str]
) -> None:
    """Print what is claimed, in as many tables as the width asks for, and why the rest isn't."""
    claimed = {label: row["figures"] for label, row in rows if not row.get("reason")}
    if claimed:
        room = out.width - max(len(label) for label in (title, *claimed))
        at_once = max(room // FIGURE_WIDTH, 1)
        for some in _batched(names, at_once):
            out.print(_table(title, claimed, {name: names[name] for name in some}))
    reasons: dict[str, list[str]] = {}
    for label, row in rows:
        if row.get("reason"):
            reasons.setdefault(row["reason"], []).append(label)
    for reason, labels in reasons.items():
        out.print(f"{', '.join(labels)}: {reason}.")


def _batched(names: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """Yield names in batches of a size, in their order."""
    rest = iter(names)
    while some := tuple(islice(rest, size)):
        yield some


def _table(title: str, rows: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> Table:
    table = Table(title, *names.values(), box=None)
    for label, figures in rows.items():
        table.add_row(label, *(_words(figures[name]) for name in names))
    return table


def _words(figure: Mapping[str, float | None]) -> str:
    value, low, high = (figure[end] for end in ("value", "low", "high"))
    if value is None:
        return "not estimable"
    if low is None or high is None:
        return f"{value:.3f}"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"
