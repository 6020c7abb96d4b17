"""What `auscult performance` and `auscult transportability` print: figures with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from auscult.screen import out

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


def show_performance(report: Mapping[str, Any]) -> None:
    """Show each window's figures, what acting at a threshold is worth, and groups apart."""
    out.print(f"\n[bold]{report['model']} version {report['version']}[/bold]")
    out.print(f"By {report['window']}: {report['because']}.")
    windows = report["windows"]
    if not windows:
        out.print("No prediction was recorded.")
        return
    out.print(_table("Window", [(one["label"], one) for one in windows], FIGURES))
    acting = [
        (f"{one['label']} at {100 * float(risk):g} %", {"figures": figures})
        for one in windows
        for risk, figures in one["at_thresholds"].items()
    ]
    if acting:
        out.print(_table("Acting", acting, AT_THRESHOLDS))
    apart = [
        (f"{one['label']} {row['title']}: {row['group']}", row)
        for one in windows
        for row in one["apart"]
    ]
    if apart:
        out.print(_table("Apart", apart, FIGURES))
    made, shown = (sum(one[name] for one in windows) for name in ("predictions", "shown"))
    out.print(f"{shown:,} predictions were shown, {made - shown:,} recorded in silence.")
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
        f"{found['stays']:,} stays from {found['first']} to {found['last']}, beside "
        f"{found['training_rows']:,} rows of training."
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


def _table(
    title: str, rows: Sequence[tuple[str, Mapping[str, Any]]], names: Mapping[str, str]
) -> Table:
    table = Table(title, *names.values(), box=None)
    for label, row in rows:
        if row.get("reason"):
            table.add_row(label, row["reason"])
        else:
            table.add_row(label, *(_words(row["figures"][name]) for name in names))
    return table


def _words(figure: Mapping[str, float | None]) -> str:
    value, low, high = (figure[end] for end in ("value", "low", "high"))
    if value is None:
        return "not estimable"
    if low is None or high is None:
        return f"{value:.3f}"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"
