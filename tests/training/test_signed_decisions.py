"""Decisions signed in the console, carried out on a registry of real versions."""

from datetime import timedelta

import pytest

from auscult.work import carry_out
from records import decisions, tenure
from records.models import Review
from records.settings import Settings
from tests.training.conftest import NOW
from training.promotion import promote
from training.registry import find_version

LATER = NOW + timedelta(hours=1)


def sign(decision: str, version: str, by: str = "Grace") -> Review:
    return decisions.sign(
        "readmission", version, decision, by=by, because="It was reviewed", now=NOW
    )


def test_a_signed_promotion_is_carried_out_once_in_the_name_of_who_signed(
    registry: Settings,
) -> None:
    sign("promote", "1")
    (done,) = carry_out(registry, lambda: LATER)
    assert done.carried_out
    assert done.decision == "promote readmission 1, signed by Grace"
    assert find_version("readmission", "champion", settings=registry).version == "1"
    (entry,) = tenure.history("readmission")
    assert (entry.by, entry.because) == ("Grace", "It was reviewed")
    assert carry_out(registry, lambda: LATER) == []


@pytest.mark.parametrize(
    ("decision", "version", "by", "words"),
    [
        ("promote", "the stricter", "Grace", "may not become champion"),
        ("promote", "1", "Ada", "let someone else judge it"),
        ("promote", "99", "Grace", "99"),
        ("roll back", "", "Grace", "no"),
    ],
)
def test_a_decision_that_may_not_be_is_refused_with_its_reason_and_not_tried_again(
    registry: Settings, stricter_version: str, decision: str, version: str, by: str, words: str
) -> None:
    review = sign(decision, version.replace("the stricter", stricter_version), by)
    (done,) = carry_out(registry, lambda: LATER)
    review.refresh_from_db()
    assert not done.carried_out
    assert review.result.startswith("Refused: ")
    assert words in review.result
    assert tenure.history("readmission") == []
    assert carry_out(registry, lambda: LATER) == []


def test_a_promotion_that_was_cut_off_before_it_was_written_down_is_not_repeated(
    registry: Settings,
) -> None:
    review = sign("promote", "1")
    carry_out(registry, lambda: LATER)
    Review.objects.filter(pk=review.pk).update(carried_out_at=None, result="")
    (done,) = carry_out(registry, lambda: LATER)
    assert done.carried_out
    assert len(tenure.history("readmission")) == 1


def test_a_signed_promotion_of_the_champion_moves_nothing_and_says_so(registry: Settings) -> None:
    asked = {"by": "Mary", "because": "First in use", "settings": registry}
    promote("readmission", "1", to="champion", now=NOW, **asked)
    review = sign("promote", "1")

    (done,) = carry_out(registry, lambda: LATER)

    review.refresh_from_db()
    assert done.carried_out
    assert review.result.startswith("Version 1 is champion already, since ")
    assert review.result.endswith("(by Mary); nothing was moved.")
    assert len(tenure.history("readmission")) == 1


def test_a_signed_rollback_says_that_gates_were_overridden_and_asks_for_somebody_else(
    registry: Settings, stricter_version: str
) -> None:
    asked = {"to": "champion", "by": "Grace", "because": "The board agreed", "settings": registry}
    promote("readmission", stricter_version, override=True, now=NOW, **asked)
    promote("readmission", "1", now=NOW + timedelta(minutes=1), **asked)
    own, others = sign("roll back", "", by="Ada"), sign("roll back", "")

    refused, done = carry_out(registry, lambda: LATER)

    own.refresh_from_db()
    others.refresh_from_db()
    assert not refused.carried_out
    assert "let someone else judge it" in own.result
    assert done.carried_out
    assert f"Version {stricter_version} is champion again" in others.result
    assert "overridden" in others.result
