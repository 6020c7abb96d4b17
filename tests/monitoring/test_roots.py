"""Which of two alarms began first, as far as their onsets can be dated."""

from datetime import date, timedelta

import numpy as np
import pytest

from models.edges import edges_from
from monitoring.evidence.detector import Budget, close_day, open_stream
from monitoring.evidence.numeric import NumericStream
from monitoring.roots import LEAST_SLACK, MOST_SLACK, begins_before, slack
from records.models import Alarm

ONSET = date(2026, 3, 1)


def alarm(now, before=0.0, *, scale="SD", rows_a_day=100.0, days=50, since=ONSET):
    size = {"scale": scale, "now": now, "before": before}
    through = since + timedelta(days=days - 1)
    details = {"size": size, "rows": int(rows_a_day * days), "through": through.isoformat()}
    return Alarm(since=since, details=details)


def test_a_clear_change_among_many_patients_is_dated_within_days():
    assert slack(alarm(0.5)) == LEAST_SLACK
    assert slack(alarm(0.91, 0.15, scale="share", rows_a_day=10)) == LEAST_SLACK


def test_a_change_among_few_patients_is_dated_within_the_days_that_its_rows_take():
    found = slack(alarm(0.5, rows_a_day=2))
    assert found / timedelta(days=1) == pytest.approx(11 / 0.25 / 2)
    assert slack(alarm(0.33, 0.06, scale="share", rows_a_day=0.5, days=400)).days == 47
    assert slack(alarm(1.1, 1.0, scale="ratio of SDs", rows_a_day=5)) == MOST_SLACK


def test_what_has_no_size_is_dated_to_a_few_days():
    assert slack(Alarm(since=ONSET, details={})) == LEAST_SLACK


@pytest.mark.parametrize(("rows_a_day", "before"), [(100.0, True), (0.5, False)])
def test_an_alarm_begins_before_another_by_more_than_both_may_be_off(rows_a_day, before):
    later = alarm(-0.44, rows_a_day=rows_a_day, since=ONSET + timedelta(days=15))
    assert begins_before(alarm(-0.6, rows_a_day=100), later) is before
    assert not begins_before(later, alarm(-0.6, rows_a_day=100))


def test_onsets_that_the_detector_estimates_lie_within_the_slack():
    """At five rows a day a shift of half an SD is dated to the day by nobody."""
    rng = np.random.default_rng(0)
    stream = NumericStream("sodium", edges_from(rng.normal(size=20_000)), 0.1)
    budget, off = Budget(5, 21), []
    for _ in range(30):
        state = open_stream(stream, stream.count(rng.normal(size=5_000)))
        for day in range(400):
            values = rng.normal(size=rng.poisson(5)) + (0.5 if day >= 40 else 0.0)
            closing = close_day(
                stream, state.observe(stream.count(values)), ONSET + timedelta(days=day), budget
            )
            state = closing.state
            if closing.alarm and closing.onset:
                off.append(abs((closing.onset - ONSET).days - 40))
                break
    allowed = slack(alarm(0.5, rows_a_day=5)).days
    assert len(off) == 30
    assert np.mean(np.array(off) <= allowed) >= 0.8
    assert max(off) > LEAST_SLACK.days
