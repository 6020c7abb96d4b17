"""Carrying out what people signed in the console: promotions and roll-backs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from models.errors import AuscultError
from records.settings import Settings

if TYPE_CHECKING:
    from records.models import Review


@dataclass(frozen=True)
class Done:
    """A decision in words, whether it was carried out, and what came of it."""

    decision: str
    carried_out: bool
    result: str


def carry_out(settings: Settings, clock: Callable[[], datetime]) -> list[Done]:
    """Carry out every decision that waits, oldest first; one that is refused ends with its reason.

    A refused decision isn't tried again: whoever signed it reads why and signs anew.
    """
    from records import decisions

    done = []
    for review in decisions.waiting():
        words = f"{review.decision} {review.model} {review.version}".strip()
        try:
            result, carried_out = _carried_out(review, settings, clock()), True
        except AuscultError as error:
            result, carried_out = f"Refused: {error}", False
        decisions.finish(review, result, now=clock())
        done.append(Done(f"{words}, signed by {review.by}", carried_out, result))
    return done


def _carried_out(review: "Review", settings: Settings, now: datetime) -> str:
    from records.decisions import PROMOTE
    from training import promotion
    from training.registry import CHAMPION

    if _is_done(review):
        return "Carried out already, before that could be written down."
    if review.decision == PROMOTE:
        already = promotion.promote(
            review.model,
            review.version,
            to=CHAMPION,
            by=review.by,
            because=review.because,
            settings=settings,
            now=now,
        )
        if already is not None:
            return f"Version {review.version} {already.words}; nothing was moved."
        return f"Version {review.version} is champion. Package and serve it to bring it into use."
    restored = promotion.rollback(
        review.model, by=review.by, because=review.because, settings=settings, now=now
    )
    said = f"Version {restored.version} is champion again. {restored.words}".strip()
    return f"{said} Package and serve it to bring it into use."


def _is_done(review: "Review") -> bool:
    """Say whether an earlier run moved the alias and was ended before it wrote so."""
    from records import tenure

    return any(
        (one.by, one.because) == (review.by, review.because) and one.since >= review.signed_at
        for one in tenure.history(review.model)
    )
