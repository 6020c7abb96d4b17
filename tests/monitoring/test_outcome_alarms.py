"""Which outcomes the alarms that rest on outcomes weigh, and what is said of the rest."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auscult.summary import show_status
from monitoring.alarms import RANK
from monitoring.calibration import CALIBRATION
from monitoring.console.alarm_pages import Signed, record_review
from monitoring.console.figures import exposed
from monitoring.heartbeat import Heartbeat, heartbeat
from monitoring.mutes import conditions
from monitoring.notices import notify
from monitoring.outcome_alarms import LOOKS, gravest
from monitoring.outcome_bets import DayOfOutcomes, Shares
from records.agreement import disagreements
from records.models import Alarm, MonitorRun
from tests.monitoring.clinic import FIRST, NOW, Clinic

DAYS = 60
THROUGH = FIRST + timedelta(days=DAYS - 1)


def record(
    clinic: Clinic,
    *,
    site: str,
    reported: bool,
    odds: float = 0.0,
    start: int = 0,
    rows: int = 30,
) -> None:
    """Record two months of a site whose true log-odds are off by so much."""
    for step in range(start, start + DAYS):
        made = clinic.record(FIRST + timedelta(days=step), rows, site=site)
        generator = np.random.default_rng([step, 5])
        chance = [1 / (1 + np.exp(-one.margin - odds)) for one in made]
        if reported:
            clinic.report_outcomes(made, (generator.random(rows) < chance).tolist(), 90)


def beat(clinic: Clinic) -> Heartbeat:
    clinic.watch(THROUGH)
    return heartbeat(clinic.model, "1", NOW)


def test_a_site_that_reports_nothing_does_not_silence_the_others(
    clinic: Clinic, capsys: pytest.CaptureFixture[str]
) -> None:
    record(clinic, site="north", reported=True, odds=1.5)
    record(clinic, site="south", reported=False)
    found = beat(clinic)
    assert Alarm.objects.filter(stream=CALIBRATION).count() == 1
    assert not found.outcomes_unwatched
    assert found.outcomes_weighed == found.outcomes_due // 2 == DAYS * 30
    words = (
        "calibration and discrimination are watched in part: 50 % of due predictions left out, "
        "50 % of due outcomes unreported"
    )
    assert found.outcomes_note == words
    show_status([found])
    assert words in " ".join(capsys.readouterr().out.split())


def test_months_before_a_feed_of_outcomes_began_are_left_out(clinic: Clinic) -> None:
    january = clinic.record(FIRST, 60)
    february = clinic.record(FIRST + timedelta(days=40), 60)
    clinic.report_outcomes(february, [False] * 60, 90)
    clinic.report_outcomes(january[:50], [False] * 50, 90)
    clinic.watch(THROUGH)
    run = MonitorRun.objects.latest("pk")
    assert run.summary["outcomes"] == {
        "due": 120, "unreported": 10, "censored": 0, "weighed": 60,
    }  # fmt: skip


def test_where_no_outcome_is_weighed_everyone_is_told(
    clinic: Clinic, capsys: pytest.CaptureFixture[str]
) -> None:
    record(clinic, site="", reported=False)
    found = beat(clinic)
    assert found.alive
    assert found.outcomes_unwatched
    words = "calibration and discrimination are not watched: 100 % of due outcomes unreported"
    assert found.outcomes_note == words
    show_status([found])
    assert words in " ".join(capsys.readouterr().out.split())
    exposition = exposed((found,)).decode()
    labels = f'{{model="{clinic.model}",version="1"}}'
    assert f"auscult_outcomes_unwatched{labels} 1.0" in exposition
    assert f"auscult_outcomes_unreported_ratio{labels} 1.0" in exposition


@pytest.mark.parametrize("odds", [0.0, 1.5])
def test_who_is_lost_before_the_horizon_is_censored_and_not_unreported(
    clinic: Clinic, capsys: pytest.CaptureFixture[str], odds: float
) -> None:
    for step in range(DAYS):
        made = clinic.record(FIRST + timedelta(days=step), 30)
        generator = np.random.default_rng([step, 5])
        lost = generator.random(30) < 0.2
        chance = np.array([1 / (1 + np.exp(-one.margin - odds)) for one in made])
        happened = (generator.random(30) < chance) & ~lost
        for is_lost, days in ((True, 45), (False, 90)):
            own = np.flatnonzero(lost == is_lost)
            clinic.report_outcomes([made[row] for row in own], happened[own].tolist(), days)

    found = beat(clinic)

    assert found.outcomes_weighed == found.outcomes_due == DAYS * 30
    assert (found.outcomes_unreported, found.outcomes_note) == (0, "")
    assert 0.17 < found.outcomes_censored / found.outcomes_due < 0.23
    show_status([found])
    share = f"{100 * found.outcomes_censored / found.outcomes_due:.0f} %"
    words = f"{share} of due outcomes were lost before the horizon, and are weighted for"
    assert f"Outcomes: {words}" in " ".join(capsys.readouterr().out.split())
    exposition = exposed((found,)).decode()
    labels = f'{{model="{clinic.model}",version="1"}}'
    ratio = found.outcomes_censored / found.outcomes_due
    assert f"auscult_outcomes_unreported_ratio{labels} 0.0" in exposition
    assert f"auscult_outcomes_censored_ratio{labels} {ratio}" in exposition
    raised = Alarm.objects.filter(stream=CALIBRATION)
    assert bool(raised) is bool(odds)
    if odds:
        assert raised.get().details["direction"] == "too low"
        assert "lost before the horizon, and weighted for" in raised.get().summary


def test_events_that_seem_dated_by_when_they_became_known_are_doubted_beside_the_alarm(
    clinic: Clinic, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in range(DAYS):
        made = clinic.record(FIRST + timedelta(days=step), 30)
        luck = np.random.default_rng([step, 5]).random(30)
        happened = [bool(one.risk > chance) for one, chance in zip(made, luck, strict=True)]
        clinic.report_outcomes(made, happened, 95)

    found = beat(clinic)

    assert Alarm.objects.get(stream=CALIBRATION).details["direction"] == "too high"
    assert found.outcomes_weighed == found.outcomes_due
    assert "100% of the reported events are dated in the 30 days after" in found.outcomes_note
    assert "report them again with happened_at" in found.outcomes_note
    show_status([found])
    assert "OUTCOMES outcome: 100% of" in " ".join(capsys.readouterr().out.split())


def test_nothing_is_said_while_all_is_reported_or_nothing_is_due(clinic: Clinic) -> None:
    clinic.report_outcomes(clinic.record(FIRST, 60), [False] * 60, 90)
    assert beat(clinic).outcomes_note == ""
    clinic.watch(FIRST, now=NOW)
    late = NOW.date() - timedelta(days=30)
    clinic.version = "2"
    clinic.record(late, 60)
    clinic.watch(late)
    assert heartbeat(clinic.model, "2", NOW).outcomes_note == ""


def test_a_rerun_weighs_the_same_and_raises_nothing(clinic: Clinic) -> None:
    record(clinic, site="north", reported=True, odds=1.5)
    first = beat(clinic)
    raised = list(Alarm.objects.order_by("pk").values("stream", "summary", "details"))
    assert beat(clinic).outcomes_weighed == first.outcomes_weighed
    assert list(Alarm.objects.order_by("pk").values("stream", "summary", "details")) == raised


def test_an_open_alarm_says_what_the_windows_that_closed_since_show(any_clinic: Clinic) -> None:
    clinic = any_clinic
    record(clinic, site="north", reported=True, odds=1.5)
    clinic.watch(THROUGH)
    first = Alarm.objects.get(stream=CALIBRATION)
    rows = first.details["rows"] + first.details["later"]["rows"]
    assert rows == DAYS * 30
    made = clinic.record(THROUGH + timedelta(days=1), 30)
    clinic.report_outcomes(made, [False] * 30, 90)
    clinic.watch(THROUGH + timedelta(days=1))
    now = Alarm.objects.get(stream=CALIBRATION)
    last = str(THROUGH + timedelta(days=1))
    assert (now.since, now.details["rows"]) == (first.since, first.details["rows"])
    assert now.details["later"]["rows"] == first.details["later"]["rows"] + 30
    assert now.details["later"]["last"] == last
    assert f"to {last}" in now.summary
    assert f"from {first.details['onset']} to {first.details['through']}" in now.summary
    assert [one for one in disagreements() if one.table == "records_alarm"] == []


def test_an_alarm_on_outcomes_says_how_many_predictions_are_left_out_and_why(
    clinic: Clinic,
) -> None:
    record(clinic, site="north", reported=True, odds=1.5)
    record(clinic, site="south", reported=False)
    clinic.watch(THROUGH)
    first = Alarm.objects.get(stream=CALIBRATION)
    own, later = first.details["rows"], first.details["later"]["rows"]
    assert own + later == DAYS * 30
    assert f"{first.details['through']} ({own} others left out: {own} without a known" in (
        first.summary
    )
    coming = THROUGH + timedelta(days=1)
    made = clinic.record(coming, 30, site="north")
    clinic.report_outcomes(made[:29], [False] * 29, 90)
    thin = clinic.record(coming, 4, site="west")
    clinic.report_outcomes(thin[:3], [False] * 3, 90)
    again = clinic.record(coming, 2, site="north", patient=made[0].patient)
    clinic.report_outcomes(again, [False] * 2, 90)
    clinic.watch(coming)
    said = Alarm.objects.get(stream=CALIBRATION)
    assert said.details["later"]["rows"] == later + 29
    assert (
        f"Of the {later + 29:,} after that, from {said.details['later']['first']} to {coming} "
        f"({later + 7:,} others left out: {later + 2:,} without a known outcome, 3 of a site's "
        "month in which more than 5 % are without, 2 of patients who count already), "
    ) in said.summary
    assert said.details["left_out"] == first.details["left_out"]


def test_what_was_closed_is_raised_again_by_later_days_alone(clinic: Clinic) -> None:
    record(clinic, site="north", reported=True, odds=1.5)
    clinic.watch(THROUGH)
    alarm = Alarm.objects.get(stream=CALIBRATION)
    record_review(alarm.pk, "rita", Signed("accept", "More of them come from the emergency room"))
    for _ in range(2):
        clinic.watch(THROUGH)
    assert Alarm.objects.filter(stream=CALIBRATION).count() == 1
    for step in range(1, 30):
        made = clinic.record(THROUGH + timedelta(days=step), 30, site="north")
        clinic.report_outcomes(made, [True] * 15 + [False] * 15, 90)
    clinic.watch(THROUGH + timedelta(days=29))
    again = Alarm.objects.filter(stream=CALIBRATION).latest("pk")
    assert again.pk != alarm.pk
    assert again.since is not None
    assert again.since > THROUGH


def test_a_turn_to_the_opposite_is_an_alarm_of_its_own(any_clinic: Clinic) -> None:
    clinic = any_clinic
    record(clinic, site="north", reported=True, odds=-1.0)
    record(clinic, site="north", reported=True, odds=1.5, start=DAYS)
    turned = THROUGH + timedelta(days=1)
    clinic.watch(turned + timedelta(days=DAYS))
    standing, turn = Alarm.objects.filter(stream=CALIBRATION).order_by("pk")
    assert (standing.details["direction"], turn.details["direction"]) == ("too high", "too low")
    assert turn.since is not None
    assert abs(turn.since - turned) < timedelta(days=10)
    assert standing.details["until"] == turn.details["onset"]
    assert standing.summary.endswith(f", until it turned on {turn.since}.")
    assert standing.details["later"]["last"] < turn.details["onset"]
    assert turn.summary.startswith("Risks are too low: ")
    assert turn.severity == "critical"
    record_review(standing.pk, "rita", Signed("accept", "Fewer came from the emergency room"))
    before = list(Alarm.objects.order_by("pk").values("state", "summary", "details"))
    clinic.watch(turned + timedelta(days=DAYS))
    assert list(Alarm.objects.order_by("pk").values("state", "summary", "details")) == before
    turn.refresh_from_db()
    assert turn.state == "open"
    assert [one for one in disagreements() if one.table == "records_alarm"] == []


def test_a_turn_is_found_whenever_monitoring_runs(clinic: Clinic) -> None:
    record(clinic, site="north", reported=True, odds=-1.0)
    clinic.watch(THROUGH)
    record(clinic, site="north", reported=True, odds=1.5, start=DAYS)
    for day in (10, 20, 60):
        clinic.watch(THROUGH + timedelta(days=day))
    daily = [
        (one.details["direction"], one.since, one.summary)
        for one in Alarm.objects.filter(stream=CALIBRATION).order_by("pk")
    ]
    assert len(daily) == 2
    Alarm.objects.all().delete()
    clinic.watch(THROUGH + timedelta(days=60))
    assert daily == [
        (one.details["direction"], one.since, one.summary)
        for one in Alarm.objects.filter(stream=CALIBRATION).order_by("pk")
    ]


def test_the_opposite_counts_from_the_day_that_raised_an_alarm_even_once_it_is_closed(
    clinic: Clinic,
) -> None:
    record(clinic, site="north", reported=True, odds=-1.0)
    for step in range(3):
        made = clinic.record(THROUGH + timedelta(days=step + 1), 30, site="north")
        clinic.report_outcomes(made, [False] * 30, 90)
    clinic.watch(THROUGH + timedelta(days=3))
    alarm = Alarm.objects.get(stream=CALIBRATION)
    record_review(alarm.pk, "rita", Signed("accept", "Fewer came from the emergency room"))
    signed = Alarm.objects.values("summary", "details").get(pk=alarm.pk)
    record(clinic, site="north", reported=True, odds=1.5, start=DAYS + 3)
    clinic.watch(THROUGH + timedelta(days=DAYS + 3))
    turn = Alarm.objects.filter(stream=CALIBRATION).latest("pk")
    assert turn.details["direction"] == "too low"
    assert Alarm.objects.values("summary", "details").get(pk=alarm.pk) == signed


def test_nothing_is_said_of_predictions_after_the_last_watched_day(clinic: Clinic) -> None:
    record(clinic, site="north", reported=True, odds=1.5)
    last = THROUGH - timedelta(days=20)
    clinic.watch(last)
    alarm = Alarm.objects.get(stream=CALIBRATION)
    assert alarm.details["later"]["last"] == str(last)
    assert str(THROUGH) not in alarm.summary
    assert MonitorRun.objects.latest("pk").summary["outcomes"]["due"] == (DAYS - 20) * 30
    clinic.watch(THROUGH)
    alarm.refresh_from_db()
    assert alarm.details["later"]["last"] == str(THROUGH)


def test_calibration_that_worsens_is_told_again_as_graver_and_stays_so(
    any_clinic: Clinic, tmp_path: Path
) -> None:
    clinic = any_clinic
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    unheard = {"webhook_url": "http://127.0.0.1:9/", "webhook_secret_file": secret}
    settings = clinic.settings.model_copy(update={"home": tmp_path, **unheard})
    record(clinic, site="north", reported=True, odds=0.35, rows=90)
    result = clinic.watch(THROUGH)
    alarm = Alarm.objects.get(stream=CALIBRATION)
    assert alarm.severity == "warning"
    assert "graver than warning" in conditions(alarm, None)
    notify(result.open_alarms, settings, NOW)
    muted = Signed("mute", "Known", NOW.date() + timedelta(days=60), "graver than warning")
    record_review(alarm.pk, "rita", muted)
    record(clinic, site="north", reported=True, odds=1.5, start=DAYS, rows=90)
    result = clinic.watch(THROUGH + timedelta(days=DAYS))
    alarm.refresh_from_db()
    assert (alarm.severity, alarm.state) == ("critical", "open")
    notify(result.open_alarms, settings, NOW)
    waiting = [json.loads(one.read_text())["notice"] for one in settings.outbox.glob("*.json")]
    assert {one["event"] for one in waiting if one["alarm"] == alarm.pk} == {
        "alarm.raised",
        "alarm.graver",
    }
    record(clinic, site="north", reported=True, start=2 * DAYS, rows=90)
    clinic.watch(THROUGH + timedelta(days=2 * DAYS))
    alarm.refresh_from_db()
    assert alarm.severity == "critical"
    assert [one for one in disagreements() if one.table == "records_alarm"] == []


SEEN = Shares(FIRST, FIRST + timedelta(days=9), 1000, 0.13, 0.11, 0.15, 0.1, 1000.0)


def after(*days: tuple[int, float, float]) -> list[DayOfOutcomes]:
    """Return days of so many rows, of which these shares had the event and were expected to."""
    return [
        DayOfOutcomes(
            FIRST + timedelta(days=10 + at), rows, np.zeros(6), rows * np.array([1, 1, *of])
        )
        for at, (rows, *of) in enumerate(days)
    ]


@pytest.mark.parametrize(
    ("days", "severity"),
    [
        ([], "warning"),
        ([(100, 0.13, 0.1)] * 20, "warning"),
        # together since the onset half more than expected
        ([(420, 0.2, 0.1)], "critical"),
        # those after it alone, once they are as many
        ([(100, 0.155, 0.1)] * 9, "warning"),
        ([(100, 0.155, 0.1)] * 10, "critical"),
        # at their worst, whatever came after that
        ([(1000, 0.2, 0.1), (9000, 0.1, 0.1)], "critical"),
        # a handful by chance, and what went the other way
        ([(10, 0.5, 0.1)], "warning"),
        ([(2000, 0.02, 0.1)], "warning"),
    ],
)
def test_an_alarm_on_outcomes_is_as_severe_as_its_days_and_those_after_them_at_their_worst(
    days: list[tuple[int, float, float]], severity: str
) -> None:
    assert gravest(LOOKS[0], SEEN, after(*days)) == severity


@given(
    st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1), st.floats(0.01, 1)), max_size=12),
    st.integers(0, 12),
)
def test_days_that_come_later_never_make_it_less_severe(
    days: list[tuple[int, float, float]], cut: int
) -> None:
    whole, before = after(*days), after(*days[:cut])
    assert RANK[gravest(LOOKS[0], SEEN, whole)] >= RANK[gravest(LOOKS[0], SEEN, before)]
