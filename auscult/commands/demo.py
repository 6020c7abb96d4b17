"""The demo: the whole loop on a real cohort."""

from typing import Annotated

import typer


def demo(
    exit_: Annotated[
        bool, typer.Option("--exit", help="Stop everything at the end, as CI does.")
    ] = False,
) -> None:
    """Train, promote, package, serve, record and watch a real model, then stay up."""
    from auscult.demo.story import run

    run(stay=not exit_)
