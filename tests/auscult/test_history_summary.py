"""What `auscult history` prints."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auscult.history_summary import show_history
from models.errors import AuscultError
from records.models import Tenure
from records.settings import Settings
from records.tenure import move_alias
from tests.records.made_up import NOW

CUT = NOW.replace(second=17, microsecond=345_678)
FAILED = {"name": "auroc", "result": "failed", "words": "AUROC [auroc] 0.700 (0.650 to 0.750)"}
PASSED = {"name": "brier", "result": "passed", "words": "Brier score [brier] 0.100"}


@pytest.fixture
def promoted(records_db: Settings) -> None:
    move_alias("sepsis", "champion", "3", by="grace", because="calibrated", evidence={}, now=NOW)


@pytest.fixture
def replaced(promoted: None) -> None:
    move_alias("sepsis", "champion", "4", by="mary", because="narrower", evidence={}, now=CUT)


def _shown(capsys: pytest.CaptureFixture[str], at: str = "") -> str:
    show_history("sepsis", at)
    return capsys.readouterr().out


def test_a_time_is_answered_with_who_approved_and_why(
    promoted: None, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = _shown(capsys, "2026-03-02")
    assert all(words in shown for words in ("3", "grace", "calibrated", "2026-03-01T12:30"))


def test_every_time_that_is_printed_is_answered_with_the_version_beside_it(
    replaced: None, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [line.split() for line in _shown(capsys).splitlines()[1:]]

    assert [row[2] for row in rows] == ["4", "3"]
    for since, _, version, *_ in rows:
        (answer,) = [line.split() for line in _shown(capsys, since).splitlines()[1:]]
        assert answer[:3] == [since, "champion", version]


def test_a_second_in_which_the_champion_changed_has_all_its_answers_and_says_so(
    replaced: None, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = _shown(capsys, "2026-03-01 12:30:17")

    assert "The champion changed within the second 2026-03-01 12:30:17" in " ".join(shown.split())
    assert "mary" in shown
    assert "grace" in shown


def test_a_time_with_a_fraction_has_the_one_answer_of_that_moment(
    replaced: None, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = (_shown(capsys, f"2026-03-01T12:30:17.{part}") for part in ("345677", "345678"))

    assert "grace" in before
    assert "mary" not in before
    assert "mary" in after
    assert "grace" not in after


@given(microseconds=st.integers(0, 10_000_000))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whenever_the_first_promotion_was_its_printed_time_finds_it(
    microseconds: int, records_db: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    since = NOW + timedelta(microseconds=microseconds)
    Tenure.objects.filter(model="sepsis").delete()
    Tenure.objects.create(
        model="sepsis", alias="champion", version="1", since=since, by="ada", because="first"
    )
    printed = _shown(capsys).splitlines()[1].split()[0]

    assert "ada" in _shown(capsys, printed)
    assert "ada" in _shown(capsys, printed.partition(".")[0])


@pytest.mark.parametrize(
    ("at", "unit"),
    [
        ("2026-03-01", "day"),
        ("20260301", "day"),
        ("2026-03-01T12", "hour"),
        ("2026-03-01T12Z", "hour"),
        ("2026-03-01 12:30", "minute"),
        ("2026-03-01T14:30+02:00", "minute"),
        ("2026-03-01T12:30:17Z", "second"),
    ],
)
def test_a_day_or_less_in_which_the_champion_changed_has_all_its_answers(
    replaced: None, capsys: pytest.CaptureFixture[str], at: str, unit: str
) -> None:
    shown = " ".join(_shown(capsys, at).split())

    assert f"The champion changed within the {unit} {at}" in shown
    assert "mary" in shown


def test_before_the_first_promotion_no_version_is_named(
    promoted: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no version of sepsis was champion then" in _shown(capsys, "2026-02-01")


def test_a_model_that_was_never_promoted_says_so(
    records_db: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "No alias of sepsis was ever moved" in _shown(capsys)


def test_a_time_to_come_is_refused(promoted: None) -> None:
    with pytest.raises(AuscultError, match="hasn't come yet"):
        show_history("sepsis", "2999-01-01")


def test_the_gates_that_were_overridden_are_named_and_those_that_passed_are_not(
    records_db: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = {"gates": [FAILED, PASSED]}
    move_alias(
        *("sepsis", "champion", "3"),
        by="grace",
        because="the board agreed",
        evidence=gates,
        overridden=True,
        now=NOW,
    )

    shown = " ".join(_shown(capsys).split())

    assert "the board agreed gate overridden, failed: AUROC [auroc] 0.700" in shown
    assert "Brier" not in shown
