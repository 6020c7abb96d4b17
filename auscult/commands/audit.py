"""The audit chain: signing how far it has come, and finding what was changed."""

import typer

from auscult.database import now, open_records
from auscult.screen import out
from models.amounts import counted

app = typer.Typer(no_args_is_help=True, help="The chain of everything that was recorded.")


@app.callback()
def _group() -> None:
    """Sign and verify the audit chain."""


@app.command()
def sign() -> None:
    """Sign how far each writer's chain has come; run it hourly, away from the writers' reach."""
    from records import heads

    settings = open_records()
    if heads.sign_head(settings.signing_key, settings.heads, now()):
        out.print(f"Signed; the statement is kept in {settings.heads} too.")
    else:
        out.print("Nothing was recorded since the last signature.")


@app.command()
def verify() -> None:
    """Verify records, blocks, heads, and tables beside them; exit 4 where one was changed."""
    settings = open_records()
    from monitoring.console import account_agreement
    from records import agreement, heads, verification

    public = heads.read_signing_key(settings.signing_key).public_key()
    found = verification.verify(heads.known(settings.heads), public)
    signed = found.signed_until or "never: what was recorded could be cut off without trace"
    blocks, writers = counted(found.blocks, "block"), counted(found.writers, "writer")
    out.print(f"{counted(found.records, 'record')} in {blocks} of {writers}")
    out.print(f"Signed until: {signed}")
    for fault in found.faults:
        out.print(f"[red]Chain {fault.writer}, block {fault.block}[/red]: {fault.words}")
    disagreements = agreement.disagreements(account_agreement.disagreements)
    for one in disagreements:
        out.print(f"[red]{one.table} disagrees with the chain[/red]: {one.words}")
    for words in agreement.uncovered():
        out.print(f"[yellow]Not covered by the chain[/yellow]: {words}")
    raise typer.Exit(4 if found.faults or disagreements else 0)
