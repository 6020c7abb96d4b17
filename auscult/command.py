"""The `auscult` command: every step of the loop, and the demo that runs them all."""

import logging
import sys

import typer

from auscult.commands import (
    audit,
    corrections,
    data,
    decisions,
    evidence,
    export,
    lookback,
    model,
    outcomes,
    people,
    performance,
    score,
    setup,
    suspension,
    watch,
)
from auscult.commands import demo as demo_command
from auscult.database import in_words

app = typer.Typer(
    name="auscult",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Clinical risk models: train, register, package, serve, record, watch.",
)

for panel, commands in {
    "Set up": (setup.init, setup.migrate, setup.env, setup.models),
    "Models": (
        model.train,
        model.retrain,
        model.promote,
        model.rollback,
        model.history,
        model.package,
    ),
    "Evidence": (evidence.reproduce, evidence.validate),
    "Run": (
        model.serve,
        suspension.suspend,
        suspension.restore,
        score.score,
        watch.monitor,
        watch.alarms,
        performance.performance,
        performance.transportability,
        outcomes.outcomes,
        lookback.lookback,
        corrections.corrections,
        watch.console,
        decisions.work,
        demo_command.demo,
    ),
}.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(audit.app, name="audit", rich_help_panel="Run")
app.add_typer(data.app, name="data", rich_help_panel="Set up")
app.add_typer(export.app, name="export", rich_help_panel="Run")
app.add_typer(people.clients, name="client", rich_help_panel="Set up")
app.add_typer(people.users, name="user", rich_help_panel="Set up")


def main() -> None:
    """Run the command; an error made on purpose is one line on standard error and exit 1.

    Ctrl-C is one line too, and exit 130.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its lines name every address called
    try:
        app()
    except Exception as error:
        words = in_words(error)
        if words is None:
            raise
        sys.stderr.write(f"auscult: {words}\n")
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit) as end:
        interruption = _interruption(end)
        if interruption is None:
            raise
        sys.stderr.write(f"auscult: {'; '.join(('interrupted', *map(str, interruption.args)))}\n")
        sys.exit(130)


def _interruption(end: BaseException | None) -> KeyboardInterrupt | None:
    """Return the Ctrl-C that ended the command, of which Typer makes an exit without a word."""
    while end is not None and not isinstance(end, KeyboardInterrupt):
        end = end.__cause__ or end.__context__
    return end
