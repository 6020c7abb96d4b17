"""Tables of figures as markdown."""

from collections.abc import Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a markdown table whose first column is words and whose others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_between(page: Path, name: str, text: str) -> None:
    """Put text between the two marks of a page that name a benchmark; stop where they lack."""
    put_between(page, text, (f"<!-- {name} -->", f"<!-- end of {name} -->"))


def put_between(page: Path, text: str, marks: tuple[str, str]) -> None:
    """Put text between two marks of a page; stop where they lack."""
    begin, end = marks
    before, first, rest = page.read_text("utf-8").partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise SystemExit(f"{page} lacks the marks {begin} and {end}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def put_or_print(page: Path | None, text: str, marks: tuple[str, str]) -> None:
    """Put text between the marks of the page that is wanted, or print it where none is."""
    if page is None:
        print(text)
    else:
        put_between(page, text, marks)
