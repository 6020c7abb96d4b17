import re
from datetime import date, timedelta

import numpy as np
import pytest

from models.edges import Edges, edges_from
from models.errors import EvidenceError
from monitoring.evidence.alarm import describe
from monitoring.evidence.binary import BinaryStream
from monitoring.evidence.categorical import CategoricalStream
from monitoring.evidence.detector import Budget, close_day, open_stream
from monitoring.evidence.history import History
from monitoring.evidence.numeric import NumericStream
from monitoring.evidence.units import UnitChange, recognise_unit

START, BUDGET = date(2026, 1, 5), Budget(5, 21)
EDGES = edges_from(np.exp(np.random.default_rng(99).normal(size=20_000) * 0.3))


def lognormal(rng, n):
    return np.exp(rng.normal(size=n) * 0.3)


def first_alarm(stream, reference, draw, onset, until=80):
    state, history = open_stream(stream, stream.count(reference)), History()
    for day in range(until):
        state = state.observe(stream.count(draw(day >= onset)))
        closing = close_day(stream, state, START + timedelta(day), BUDGET)
        state, history = closing.state, history.after(closing)
        if closing.alarm:
            return closing, history
    raise AssertionError("no alarm")


def test_a_missing_laboratory_is_said_in_clinical_words():
    rng = np.random.default_rng(0)
    stream = BinaryStream("creatinine", "missing")
    closing, history = first_alarm(
        stream,
        rng.random(2_000) < 0.14,
        lambda faulty: rng.random(100) < (0.91 if faulty else 0.14),
        20,
    )
    alarm = describe(stream, closing, history)
    assert (alarm.kind, alarm.direction) == ("missingness", "more missing")
    assert alarm.onset == START + timedelta(20)
    assert alarm.size.low < 0.91 < alarm.size.high
    assert alarm.size.before == pytest.approx(0.14, abs=0.02)
    assert alarm.sentence.startswith("creatinine is missing in 9")
    assert alarm.sentence.endswith("of requests, was 14 %, since 2026-01-25")


@pytest.mark.parametrize(
    ("change", "kind", "direction", "truth"),
    [
        (lambda x: x * np.exp(0.3 * 0.5), "shift", "higher", 0.5),
        (lambda x: x / np.exp(0.3 * 0.5), "shift", "lower", -0.5),
        (lambda x: x**1.5, "spread", "more spread", 1.5),
        (lambda x: x**0.6, "spread", "less spread", 0.6),
    ],
)
def test_direction_and_size_are_those_of_the_change(change, kind, direction, truth):
    rng = np.random.default_rng(1)
    stream = NumericStream("potassium", EDGES)
    closing, history = first_alarm(
        stream,
        lognormal(rng, 5_000),
        lambda faulty: change(lognormal(rng, 200)) if faulty else lognormal(rng, 200),
        30,
    )
    alarm = describe(stream, closing, history)
    assert (alarm.kind, alarm.direction) == (kind, direction)
    assert abs((alarm.onset - START).days - 30) <= 2
    width = alarm.size.high - alarm.size.low
    assert alarm.size.low - width / 2 < truth < alarm.size.high + width / 2
    assert direction in alarm.sentence


@pytest.mark.parametrize(
    ("change", "scale", "truth"),
    [(lambda x: x * np.exp(0.3 * 0.8), "SD", 0.8), (lambda x: x**1.4, "ratio of SDs", 1.4)],
)
def test_the_interval_holds_the_truth_19_times_of_20(change, scale, truth):
    held, runs = 0, 60
    rng = np.random.default_rng(2)
    stream = NumericStream("x", EDGES)
    for _ in range(runs):
        # so large a change that it alarms at once: no choosing of the moment
        closing, history = first_alarm(
            stream, lognormal(rng, 3_000), lambda _: change(lognormal(rng, 400)), 0
        )
        size = describe(stream, closing, history).size
        assert size.scale == scale
        held += size.low < truth < size.high
    assert held >= 51


def test_days_that_joined_before_the_alarm_do_not_count_as_before():
    rng = np.random.default_rng(3)
    stream = BinaryStream("score", "above the alert threshold")
    reference = rng.random(1_000) < 0.1
    closing, history = first_alarm(
        stream,
        reference,
        lambda faulty: rng.random(100) < (0.2 if faulty else 0.1),
        0,
    )
    alarm = describe(stream, closing, history)
    since = history.since(alarm.onset)
    assert len(since) > 2
    assert alarm.rows == 100 * len(since)
    held_back = closing.state.reference.sum() - sum(d.counts.sum() for d in since if d.joined)
    assert 1_000 <= held_back <= 1_000 + 100 * (len(history.days) - len(since))
    earlier = [past.counts[0] for past in history.days if past.day < alarm.onset]
    before = np.sum([stream.count(reference), *earlier], axis=0)
    assert alarm.size.before == pytest.approx(before[1] / before.sum(), rel=1e-12)
    assert alarm.kind == "rate"
    assert "above the alert threshold in" in alarm.sentence


def test_a_recoded_category_is_named():
    rng = np.random.default_rng(4)
    stream = CategoricalStream("sex", ("F", "M"))
    closing, history = first_alarm(
        stream,
        rng.choice(["F", "M"], 2_000),
        lambda faulty: rng.choice(["F", "male" if faulty else "M"], 60),
        5,
    )
    alarm = describe(stream, closing, history)
    assert alarm.kind == "category"
    assert alarm.direction in ("more unknown codes", "less “M”")
    assert "was 0 %" in alarm.sentence or "is “M” in 0 %" in alarm.sentence


def test_of_two_categories_less_of_one_has_the_form_of_more_of_the_other():
    two = CategoricalStream("ward", ("Medicine", "Surgery"))
    forms = {bet.direction: two.plain(bet).direction for bet in two.bets}
    assert forms == {
        "more “Medicine”": "more “Medicine”",
        "less “Medicine”": "more “Surgery”",
        "more “Surgery”": "more “Surgery”",
        "less “Surgery”": "more “Medicine”",
        "more unknown codes": "more unknown codes",
        "less unknown codes": "less unknown codes",
    }
    three = CategoricalStream("ward", ("Medicine", "Surgery", "Other"))
    assert all(three.plain(bet) is bet for bet in three.bets)


@pytest.mark.parametrize(
    ("lifted", "told"),
    [
        (0.0, ""),
        (0.5, " (median between 0.375 and 0.625, was between -0.125 and 0.125)"),
    ],
)
def test_medians_are_told_only_where_they_differ(lifted, told):
    rng = np.random.default_rng(6)
    stream = NumericStream("its share", Edges(tuple(np.arange(-2.125, 2.5, 0.25).tolist())))

    def drawn(rows, others=0.0, middle=0.0):
        """Half of the values are the middle one, the others around it."""
        return np.where(rng.random(rows) < 0.5, middle, rng.normal(others, 1, rows))

    closing, history = first_alarm(
        stream, drawn(5_000), lambda faulty: drawn(200, 0.5, lifted) if faulty else drawn(200), 5
    )
    alarm = describe(stream, closing, history)
    assert alarm.medians is not None
    assert f"SD{told}, since" in alarm.sentence


@pytest.mark.parametrize(
    ("lifted", "told"),
    [
        (25, r"sodium runs higher by more than (2\.\d|3\.[0-3])\d SD \(median above 15\d"),
        (-30, r"sodium runs lower by more than (2\.\d|3\.[0-3])\d SD \(median below 12\d"),
    ],
)
def test_a_shift_beyond_all_that_was_before_is_told_from_below_alone(lifted, told):
    rng = np.random.default_rng(8)
    stream = NumericStream("sodium", edges_from(rng.normal(139, 4, size=4_000)), 0.1)
    closing, history = first_alarm(
        stream,
        rng.normal(139, 4, size=20_000),
        lambda faulty: rng.normal(139 + (lifted if faulty else 0), 4, size=80),
        5,
    )
    assert re.match(told, describe(stream, closing, history).sentence)


def test_stray_high_values_are_called_tails_or_their_unit():
    rng = np.random.default_rng(5)
    stream = NumericStream("creatinine", EDGES)
    now = np.concatenate([lognormal(rng, 188), lognormal(rng, 12) * 88.4])
    reference = lognormal(rng, 5_000)
    closing, history = first_alarm(stream, reference, lambda _: now, 0)
    plain = describe(stream, closing, history)
    assert (plain.kind, plain.direction) == ("tails", "upper tail")
    assert plain.size.low < 0.06 + 0.02 < plain.size.high
    found = recognise_unit(reference, now, [UnitChange("µmol/L read as mg/dL", 88.4)])
    named = describe(stream, closing, history, found)
    assert named.kind == "unit"
    assert "of creatinine values look like µmol/L read as mg/dL" in named.sentence


def test_a_quiet_day_has_no_alarm_to_describe():
    rng = np.random.default_rng(6)
    stream = NumericStream("x", EDGES)
    state = open_stream(stream, stream.count(lognormal(rng, 500)))
    closing = close_day(stream, state.observe(stream.count([1.0])), START, BUDGET)
    with pytest.raises(EvidenceError, match="raised no alarm"):
        describe(stream, closing, History().after(closing))


def test_a_history_without_the_alarming_day_is_refused():
    rng = np.random.default_rng(7)
    stream = NumericStream("x", EDGES)
    closing, _ = first_alarm(stream, lognormal(rng, 500), lambda _: lognormal(rng, 90) * 9, 0)
    with pytest.raises(EvidenceError, match="history lacks 2026-01-05"):
        describe(stream, closing, History())
