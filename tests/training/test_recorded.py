"""Which recorded predictions may be learnt from, and what is made of them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from models.change_plan import ChangePlan
from models.definition import Definition
from models.errors import CohortError, RecordError
from models.evaluation.censoring import CensoringWeighter
from records.models import Amendment, Prediction
from records.settings import Settings
from tests.training.readmissions import cohort, followed, people
from tests.training.records import FIRST, record, report
from training.joining import join
from training.population import admit
from training.recorded import Closed, closed_predictions

PLAN = ChangePlan(max_depth=(2, 3), learning_rate=(0.02, 0.1), window_days=400)
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def closed(definition: Definition, known_by: datetime = NOW, plan: ChangePlan = PLAN) -> Closed:
    return closed_predictions(definition, plan, lambda *_: True, known_by=known_by)


def test_a_closed_prediction_comes_back_with_its_values_and_outcome(
    records_db: Settings, definition: Definition
) -> None:
    frame = followed(40, seed=3)
    report(definition, record(definition, frame), frame)

    found = closed(definition)

    for name in ("age", "creatinine", "crp"):
        assert found.frame[name].tolist() == pytest.approx(frame[name].tolist(), nan_ok=True)
    assert found.frame["ward"].tolist() == frame["ward"].tolist()
    assert found.frame["outcome"].tolist() == frame["outcome"].tolist()
    assert found.frame["follow_up_days"].tolist() == pytest.approx(frame["follow_up_days"].tolist())
    assert found.frame["shown"].all()
    assert found.left_out == ()
    lost = (frame["outcome"] == 0) & (frame["follow_up_days"] < 30)
    assert found.censored == lost.sum() > 0
    assert found.through.isoformat() == "2026-03-30"  # 30 days and 1 of delay before the last one


def test_a_window_closes_by_its_date_and_never_by_an_outcome_that_came_early(
    records_db: Settings, definition: Definition
) -> None:
    frame = people(40, seed=3)
    known_by = FIRST + timedelta(days=50)
    report(definition, record(definition, frame, hours=24), frame, reported_at=known_by)

    found = closed(definition, known_by)

    # day 50 less the horizon, the delay and the day itself: predictions of days 0 to 18
    assert len(found.frame) == 19
    assert found.frame["predicted_at"].max() == np.datetime64("2025-01-19T09:00")


def test_a_report_made_later_is_not_known_by_then(
    sqlite_db: Settings, definition: Definition
) -> None:
    frame = people(40, seed=3)
    predictions = record(definition, frame)
    report(definition, predictions, frame)
    report(definition, predictions, frame.assign(outcome=1 - frame["outcome"]), reported_at=NOW)

    before = closed(definition, NOW - timedelta(seconds=1))

    assert before.frame["outcome"].tolist() == frame["outcome"].tolist()
    assert closed(definition).frame["outcome"].tolist() == (1 - frame["outcome"]).tolist()
    assert closed(definition).digest != before.digest
    assert closed(definition).digest == closed(definition).digest


def test_an_event_after_the_horizon_is_none_of_what_is_predicted(
    sqlite_db: Settings, definition: Definition
) -> None:
    frame = people(40, seed=3).assign(follow_up_days=33.0)
    report(definition, record(definition, frame), frame, by_patient=True)

    found = closed(definition)

    assert not found.frame["outcome"].any()
    assert (found.frame["follow_up_days"] == 33).all()
    assert found.censored == 0
    events = int(frame["outcome"].sum())
    assert found.dates.after == events > 1
    assert found.dates.notes == (
        f"{events} reported events are dated after the horizon and count as none within 30 days "
        "of the prediction",
    )


def test_events_dated_by_when_they_became_known_are_suspected_or_refused(
    records_db: Settings, definition: Definition
) -> None:
    """The definition's reports come a day late, and so do these events of the horizon's last."""
    frame = people(200, seed=3).assign(outcome=1)
    days = np.where(np.arange(200) < 150, 10.0, 30.5)
    report(definition, record(definition, frame), frame.assign(follow_up_days=days))

    some = closed(definition)

    assert some.frame["outcome"].sum() == 150
    assert len(some.dates.suspicions) == 1
    assert "25% of the reported events are dated in the 1 day after" in some.dates.suspicions[0]
    assert "report them again with happened_at" in some.dates.suspicions[0]

    predictions = list(Prediction.objects.order_by("predicted_at"))
    late = frame.assign(follow_up_days=30.5)
    report(definition, predictions, late, reported_at=NOW)
    with pytest.raises(CohortError, match="dated by when they became known"):
        closed(definition)


def test_a_test_clients_predictions_and_reports_never_enter(
    records_db: Settings, definition: Definition
) -> None:
    frame = people(40, seed=3)
    predictions = record(definition, frame)
    report(definition, predictions, frame)
    report(definition, predictions, frame.assign(outcome=1), is_test=True, reported_at=NOW)
    trial = record(definition, people(5, seed=4), is_test=True)
    report(definition, trial, people(5, seed=4), is_test=True)

    found = closed(definition)

    assert len(found.frame) == 40
    assert found.frame["outcome"].tolist() == frame["outcome"].tolist()


def test_what_nobody_reported_is_left_out_and_counted_while_it_is_little(
    records_db: Settings, definition: Definition
) -> None:
    frame = people(100, seed=3)
    predictions = record(definition, frame)
    report(definition, predictions[5:], frame.iloc[5:])

    found = closed(definition)

    assert dict(found.left_out)["Recorded predictions whose outcome nobody reported"] == 5
    assert len(found.frame) == 95


def test_too_much_unreported_is_neither_censored_nor_event_free(
    sqlite_db: Settings, definition: Definition
) -> None:
    frame = people(100, seed=3)
    predictions = record(definition, frame)
    report(definition, predictions[6:], frame.iloc[6:])

    with pytest.raises(CohortError, match=r"outcomes of 6 of 100 predictions .* unreported"):
        closed(definition)


def test_an_outcome_that_is_years_away_says_from_when_there_is_something_to_learn(
    sqlite_db: Settings, definition: Definition
) -> None:
    later = definition.outcome.model_copy(update={"horizon_days": 1826})
    far = definition.model_copy(update={"outcome": later})
    frame = people(40, seed=3)
    report(far, record(far, frame), frame)

    with pytest.raises(CohortError, match="no closed window until 2030-01-02"):
        closed(far)


def test_a_model_that_never_predicted_has_nothing_to_learn_from(
    sqlite_db: Settings, definition: Definition
) -> None:
    with pytest.raises(CohortError, match="no recorded predictions; serve it first"):
        closed(definition)


def test_corrected_and_withdrawn_predictions_are_left_out(
    records_db: Settings, definition: Definition
) -> None:
    frame = people(40, seed=3)
    predictions = record(definition, frame)
    report(definition, predictions, frame)
    for one, status in zip(predictions, ("amended", "entered-in-error"), strict=False):
        Amendment.objects.create(
            prediction=one, status=status, recorded_at=one.predicted_at, client="client"
        )

    found = closed(definition)

    assert len(found.frame) == 38
    assert found.left_out == (("Recorded predictions that were corrected or withdrawn", 2),)


def test_of_a_patient_twice_at_one_time_the_last_recorded_counts(
    sqlite_db: Settings, definition: Definition
) -> None:
    frame = people(40, seed=3)
    report(definition, record(definition, frame), frame)
    again = record(definition, frame.iloc[:1].assign(age=33.0), recorded_at=FIRST + timedelta(1))
    report(definition, again, frame.iloc[:1])

    found = closed(definition)

    assert len(found.frame) == 40
    assert found.frame["age"].iloc[0] == 33


def test_versions_of_other_features_are_left_out_and_counted(
    records_db: Settings, definition: Definition
) -> None:
    frame = people(40, seed=3)
    report(definition, record(definition, frame), frame)
    record(definition, people(3, seed=4), version="7")

    found = closed_predictions(definition, PLAN, lambda version, _: version == "1", known_by=NOW)

    assert len(found.frame) == 40
    assert [count for _, count in found.left_out] == [3]
    with pytest.raises(CohortError, match=r"none can be learnt from \(.*otherwise: 43\)"):
        closed_predictions(definition, PLAN, lambda *_: False, known_by=NOW)


def test_a_plan_may_learn_from_what_nobody_was_shown_alone(
    records_db: Settings, definition: Definition
) -> None:
    frame = people(40, seed=3)
    report(definition, record(definition, frame, shown=False), frame)
    report(definition, record(definition, frame, first=FIRST + timedelta(1)), frame)

    found = closed(definition, plan=PLAN.model_copy(update={"learn_from": "silent"}))

    assert len(found.frame) == 40
    assert not found.frame["shown"].any()
    assert [count for _, count in found.left_out] == [40]


def test_the_plans_window_ends_with_the_newest_closed_prediction(
    sqlite_db: Settings, definition: Definition
) -> None:
    frame = people(40, seed=3)
    report(definition, record(definition, frame, hours=24), frame)

    found = closed(definition, plan=PLAN.model_copy(update={"window_days": 10}))

    assert len(found.frame) == 10


def test_recorded_values_that_no_longer_give_the_recorded_inputs_are_refused(
    sqlite_db: Settings, definition: Definition
) -> None:
    frame = people(40, seed=3)
    report(definition, record(definition, frame), frame)
    first = Prediction.objects.order_by("predicted_at").first()
    assert first is not None
    first.features["age"] += 1
    first.save()

    with pytest.raises(RecordError, match="1 of 40 recorded predictions no longer give"):
        closed(definition)


def test_censored_records_are_weighted_by_year_and_the_original_cohort_by_itself(
    sqlite_db: Settings, definition: Definition
) -> None:
    frame = followed(400, seed=3)
    report(definition, record(definition, frame), frame)
    original = people(60, seed=5)

    joined = join(definition, cohort(original), closed(definition), None)
    rows, _ = admit(joined.cohort, definition, NOW)

    weights = rows.weights()
    recorded = closed(definition).frame
    year = recorded["predicted_at"].dt.year.to_numpy()
    for one in np.unique(year):
        alone = CensoringWeighter(
            frame["follow_up_days"][year == one], frame["outcome"][year == one], 30
        )
        assert weights[60:][year == one].tolist() == pytest.approx(alone.weights().weights.tolist())
    assert weights[:60].tolist() == [1.0] * 60
    assert joined.test == 160
    assert not joined.cohort.designated.tests[:60].any()  # type: ignore[union-attr]  # it is there


def test_no_prediction_that_the_champion_may_have_learnt_from_tests(
    sqlite_db: Settings, definition: Definition
) -> None:
    frame = people(40, seed=3)
    report(definition, record(definition, frame, hours=24), frame)
    found = closed(definition)

    late = join(definition, cohort(people(60)), found, datetime(2025, 2, 1))  # noqa: DTZ001

    assert late.test == 9
    with pytest.raises(CohortError, match=r"no closed prediction is later than 2025-03-01"):
        join(definition, cohort(people(60)), found, datetime(2025, 3, 1))  # noqa: DTZ001
