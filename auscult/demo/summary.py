"""What the demonstration says at its end."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from auscult.screen import out, show_secrets

if TYPE_CHECKING:
    from auscult.demo.story import Told


def show_told(told: "Told", seconds: Mapping[str, float]) -> None:
    """Show what was made, the first answer and what the monitoring saw."""
    from auscult.summary import show_monitored, show_trained

    show_trained(told.trained)
    show_answer(told.answer)
    out.print(
        f"\n{told.people:,} people sampled 1997-2003 were sent as FHIR Bundles; the day within "
        f"each year is made up by a fixed seed. {told.deaths:,} deaths within 5 years reported."
    )
    show_monitored(told.monitored)
    marks = ", ".join(f"{what} after {passed:.1f} s" for what, passed in seconds.items())
    out.print(f"\n{marks}.")


def show_answer(answer: Mapping[str, Any]) -> None:
    """Show one explained risk as a clinician would read it."""
    band = answer["band"]
    out.print(
        f"\n[bold]Risk {answer['risk']:.1%}[/bold], {band['title'].lower()}: {band['action']}."
    )
    table = Table("What contributed to the score", "Log-odds", box=None)
    for item in answer["contributions"]:
        table.add_row(item["words"].partition(" contributed")[0], f"{item['contribution']:+z.3f}")
    out.print(table)
    if notice := answer["model"].get("notice"):
        out.print(f"[yellow]{notice}[/yellow]")


def show_addresses(told: "Told", others: Mapping[str, str]) -> None:
    """Show where to look, and with which key and password."""
    table = Table("Open", "", box=None)
    table.add_row("Console", told.console)
    table.add_row("Service", f"{told.serving}/docs (any name, the API key as password)")
    for name, address in others.items():
        table.add_row(name, address)
    out.print(table)
    show_secrets(
        "For this demonstration",
        {"API key": told.key, "console user demo-reviewer": told.password},
    )
