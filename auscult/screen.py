"""What the commands show: one console, one form of progress, and secrets shown once."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

out = Console(highlight=False)
Step = Callable[[str, int, int], None]


@contextmanager
def progress() -> Iterator[Step]:
    """Show stages as they go: call the yielded function with (stage, done, total)."""
    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=out, transient=not out.is_terminal) as bars:
        tasks: dict[str, int] = {}

        def step(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = int(bars.add_task(stage, total=total))
                if not out.is_terminal:
                    count = f", {total:,} in all" if total > 1 else ""
                    out.print(f"  {stage}{count} …")
            bars.update(bars.task_ids[tasks[stage]], completed=done, total=total)

        yield step


@contextmanager
def rows_progress(stage: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show how many rows are done, the rate and the time left: call it with (done, total)."""
    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,} rows"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=out, transient=not out.is_terminal) as bars:
        task = bars.add_task(stage, total=None, rate="")

        def step(done: int, total: int | None) -> None:
            speed = bars.tasks[0].speed
            rate = f"{speed:,.0f} rows/s" if speed else ""
            bars.update(task, completed=done, total=total, rate=rate)

        yield step


def show_secrets(title: str, secrets: Mapping[str, str]) -> None:
    """Print secrets that are stored nowhere in this form and so can't be shown again."""
    width = max(map(len, secrets))
    lines = "\n".join(f"{name:<{width}}  [bold]{value}[/bold]" for name, value in secrets.items())
    out.print(Panel.fit(lines, title=f"{title} (shown once)", border_style="yellow"))
