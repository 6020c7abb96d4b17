"""Amounts of things as people read them."""


def counted(count: float, noun: str) -> str:
    """Write a count before its noun, with an s unless there is one: `1 day`, `1,000 days`."""
    number = f"{count:,}" if isinstance(count, int) else f"{count:g}"
    return f"{number} {noun}" if number == "1" else f"{number} {noun}s"
