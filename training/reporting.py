"""What reporting guidelines ask of a model, answered from a run's evidence or not at all.

TRIPOD+AI, the CHAI Applied Model Card and ONC HTI-1. Nothing is invented: what neither definition
nor evidence holds is "not provided".
"""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from models.definition import Definition
from training.reporting_facts import facts

NOT_PROVIDED: Final = "not provided"
NOT_COVERED: Final = "not covered"
_ITEMS: Final = Path(__file__).with_name("reporting_items.toml")


@dataclass(frozen=True, slots=True)
class Answer:
    """One item of a guideline and what the run says to it."""

    item: str
    topic: str
    answer: str


@dataclass(frozen=True, slots=True)
class Report:
    """One guideline's items, answered."""

    key: str
    title: str
    source: str
    answers: tuple[Answer, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values that JSON can hold."""
        return asdict(self)


def reports(definition: Definition, evidence: Mapping[str, Any]) -> tuple[Report, ...]:
    """Answer every item of every guideline."""
    known = facts(definition, evidence)
    items = _items()
    return tuple(
        Report(
            key=guideline["key"],
            title=guideline["title"],
            source=guideline["source"],
            answers=tuple(
                Answer(item["item"], item["topic"], _answer(item, known))
                for item in items[guideline["key"]]
            ),
        )
        for guideline in items["guidelines"]
    )


def _answer(item: Mapping[str, Any], known: Mapping[str, str | None]) -> str:
    if not item.get("covered", True):
        return NOT_COVERED
    return (known[item["fact"]] if "fact" in item else None) or NOT_PROVIDED


@cache
def _items() -> dict[str, Any]:
    return tomllib.loads(_ITEMS.read_text(encoding="utf-8"))
