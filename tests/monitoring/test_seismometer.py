"""The export for seismometer: what is in it, and that the real package opens it."""

import json
import os
import stat
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow.parquet as pq
import pytest

from models.errors import RecordError
from monitoring.followed import follow
from monitoring.outcome_file import Reader, record_outcomes
from monitoring.performance import evaluate_window
from monitoring.periods import period_of
from monitoring.seismometer import Exported, export
from records.models import Amendment, Feedback, Outcome, Prediction
from records.pseudonym import Pseudonymiser
from records.writer import Writer
from tests.monitoring.clinic import FIRST, NOW, Clinic

PEOPLE = Pseudonymiser(b"k" * 32)
SEISMOMETER = os.environ.get("AUSCULT_TEST_SEISMOMETER_PYTHON", "")
LAST = FIRST + timedelta(days=9)


def lived(clinic: Clinic, days: int = 10, rows: int = 60) -> list[Prediction]:
    """Record days whose outcomes are known, drawn from the risks that were given."""
    clinic.record_days(FIRST, days, rows)
    made = list(Prediction.objects.order_by("predicted_at", "pk"))
    chance = np.random.default_rng(5).random(len(made))
    happened = [bool(one.risk > luck) for one, luck in zip(made, chance, strict=True)]
    yes = [one for one, did in zip(made, happened, strict=True) if did]
    no = [one for one, did in zip(made, happened, strict=True) if not did]
    clinic.report_outcomes(yes, [True] * len(yes), 30)
    clinic.report_outcomes(no, [False] * len(no), 90)
    return made


def written(clinic: Clinic, target: Path, **changes: Any) -> Exported:
    options = {"first": FIRST, "last": LAST, "now": NOW} | changes
    return export(
        clinic.definition,
        clinic.version,
        target=target,
        progress=lambda stage, done, total: None,
        **options,
    )


def read(target: Path, name: str) -> list[dict[str, Any]]:
    return pq.read_table(target / "data" / name).to_pylist()


def test_every_settled_prediction_is_there_with_its_features_and_outcome(
    any_clinic: Clinic, tmp_path: Path
) -> None:
    made = {str(one.pk): one for one in lived(any_clinic, 3)}
    found = written(any_clinic, tmp_path / "out")
    rows = read(tmp_path / "out", "predictions.parquet")
    events = {row["PredictionId"]: row for row in read(tmp_path / "out", "events.parquet")}
    assert {row["PredictionId"] for row in rows} == set(made) == set(events)
    for row in rows:
        one = made[row["PredictionId"]]
        assert (row["PatientId"], row["Risk"]) == (one.patient, one.risk)
        assert row["PredictionTime"].to_pydatetime().replace(tzinfo=UTC) == one.predicted_at
        assert {name: row[name] for name in one.features} == one.features
    assert found.events == sum(event["Value"] for event in events.values()) > 0
    assert not found.unsettled


def test_what_is_not_settled_is_never_counted_as_no(clinic: Clinic, tmp_path: Path) -> None:
    made = lived(clinic, 2, 40)
    late = clinic.record(FIRST + timedelta(days=5), 3)
    early = clinic.record(FIRST + timedelta(days=6), 2)
    clinic.report_outcomes(early, [False, False], 10)
    new = clinic.record(LAST, 1)
    at = datetime.combine(LAST, datetime.min.time(), UTC) + timedelta(days=119)
    found = written(clinic, tmp_path / "out", now=at)
    assert found.predictions == len(made)
    others = read(tmp_path / "out", "unsettled.parquet")
    reasons = {row["PredictionId"]: row["Reason"] for row in others}
    assert reasons == (
        {str(one.pk): "unreported" for one in late}
        | {str(one.pk): "follow-up ended early" for one in early}
        | {str(one.pk): "the window hasn't closed" for one in new}
    )
    assert found.unsettled == {
        "unreported": 3,
        "follow-up ended early": 2,
        "the window hasn't closed": 1,
    }


def test_an_event_in_a_window_that_has_not_closed_waits_for_those_without(
    any_clinic: Clinic, tmp_path: Path
) -> None:
    made = any_clinic.record(FIRST, 40)
    at = datetime.combine(FIRST, datetime.min.time(), UTC)
    any_clinic.report_outcomes(made[:8], [True] * 8, 10)
    any_clinic.report_outcomes(made[8:12], [True] * 4, 95)
    for day in (60, 100, 119):  # within the horizon, and within the delay until all is reported
        with pytest.raises(RecordError, match=r"settled outcome \(40 the window hasn't closed\)"):
            written(any_clinic, tmp_path / "early", now=at + timedelta(days=day))
    any_clinic.report_outcomes(made[12:], [False] * 28, 90)
    found = written(any_clinic, tmp_path / "out", now=at + timedelta(days=121))
    assert (found.predictions, found.events, found.unsettled) == (40, 8, {})
    assert found.to_bear_in_mind[0].startswith("4 reported events are dated after the horizon")


def test_the_event_rate_is_that_of_the_windows_that_have_closed(
    clinic: Clinic, tmp_path: Path
) -> None:
    made = lived(clinic)
    # at this moment the windows of the first five days have closed
    at = datetime.combine(FIRST, datetime.min.time(), UTC) + timedelta(days=125)
    found = written(clinic, tmp_path / "out", now=at)
    closed = [one for one in made if one.predicted_at < at - timedelta(days=120)]
    ids = {str(one.pk) for one in closed}
    assert {row["PredictionId"] for row in read(tmp_path / "out", "predictions.parquet")} == ids
    yes = Outcome.objects.filter(prediction__in=closed, happened=True).count()
    assert (found.predictions, found.events) == (300, yes)
    assert found.unsettled == {"the window hasn't closed": 300}


def test_an_events_time_is_when_it_happened_where_a_report_says_so(
    clinic: Clinic, tmp_path: Path
) -> None:
    dated, late, without = clinic.record(FIRST, 3)
    happened, known = (dated.predicted_at + timedelta(days=day) for day in (40, 95))
    (tmp_path / "outcomes.csv").write_text(
        "prediction_id,happened,known_at,happened_at\n"
        f"{dated.pk},true,{known.isoformat()},{happened.isoformat()}\n"
        f"{late.pk},true,{known.isoformat()},\n{without.pk},false,{known.isoformat()},\n"
    )
    horizon = timedelta(days=clinic.definition.outcome.horizon_days)
    reader = Reader(clinic.model, "client", False, PEOPLE, "urn:clinic", NOW, horizon)
    writer = Writer(clinic.settings.database, queue=10)
    writer.start()
    told = reader.read(tmp_path / "outcomes.csv")
    record_outcomes(told, lambda rows: writer.submit(rows).result(20), lambda done: None)
    writer.close()

    found = written(clinic, tmp_path / "out")

    events = {row["PredictionId"]: row for row in read(tmp_path / "out", "events.parquet")}
    time = events[str(dated.pk)]["EventTime"].to_pydatetime().replace(tzinfo=UTC)
    assert (time, events[str(dated.pk)]["Value"]) == (happened, 1)
    assert [events[str(one.pk)]["Value"] for one in (late, without)] == [0, 0]
    assert found.events == 1
    assert found.to_bear_in_mind == (
        "1 reported event is dated after the horizon and counts as none within 90 days of the "
        "prediction",
    )


def test_events_that_seem_dated_by_when_they_became_known_are_said_to_be(
    clinic: Clinic, tmp_path: Path
) -> None:
    made = clinic.record(FIRST, 80)
    clinic.report_outcomes(made[:20], [True] * 20, 60)
    clinic.report_outcomes(made[20:60], [True] * 40, 95)
    clinic.report_outcomes(made[60:], [False] * 20, 95)

    said = written(clinic, tmp_path / "out").to_bear_in_mind

    assert said[0].startswith("40 reported events are dated after the horizon")
    assert "report them again with happened_at" in said[1]


def test_feedback_and_amendments_come_along(clinic: Clinic, tmp_path: Path) -> None:
    first, second, *_ = lived(clinic, 1, 30)
    for one, what in ((first, "overridden"), (second, "accepted")):
        Feedback.objects.create(
            prediction=one,
            card=one.pk,
            model=clinic.model,
            outcome=what,
            happened_at=one.predicted_at + timedelta(hours=1),
            recorded_at=NOW,
            protocol="json",
            client="client",
        )
    Amendment.objects.create(
        prediction=first, status="entered-in-error", recorded_at=NOW, client="client"
    )
    assert written(clinic, tmp_path / "out").feedback == 2
    kinds = {row["Type"] for row in read(tmp_path / "out", "events.parquet")}
    assert kinds == {"outcome", "overridden", "accepted"}
    usage = json.loads((tmp_path / "out" / "usage_config.yml").read_text())["data_usage"]
    assert [one["usage"] for one in usage["events"]] == ["target", "intervention", "intervention"]
    status = {
        row["PredictionId"]: row["Status"] for row in read(tmp_path / "out", "predictions.parquet")
    }
    assert status[str(first.pk)] == "entered-in-error"
    assert status[str(second.pk)] == "final"


def test_only_its_owner_may_read_it_and_nothing_is_left_of_a_failed_one(
    clinic: Clinic, tmp_path: Path
) -> None:
    clinic.record_days(FIRST, 1, 5)
    with pytest.raises(RecordError, match=r"settled outcome \(5 unreported\)"):
        written(clinic, tmp_path / "out")
    assert list(tmp_path.glob("*out*")) == []
    lived(clinic, 1, 30)
    written(clinic, tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    with pytest.raises(RecordError, match="is there already"):
        written(clinic, tmp_path / "out")
    with pytest.raises(RecordError, match="nowhere is no directory; make it first"):
        written(clinic, tmp_path / "nowhere" / "out")


def test_test_clients_other_versions_and_other_days_stay_out(
    clinic: Clinic, tmp_path: Path
) -> None:
    lived(clinic, 3, 30)
    clinic.record(FIRST, 4, is_test=True)
    clinic.record(FIRST, 4, version="2")
    found = written(clinic, tmp_path / "out", last=FIRST + timedelta(days=1))
    assert (found.predictions, sum(found.unsettled.values())) == (60, 0)


def test_days_in_the_wrong_order_are_refused(clinic: Clinic, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="2024-01-10 comes after 2024-01-01"):
        written(clinic, tmp_path / "out", first=LAST, last=FIRST)


@pytest.mark.skipif(
    not SEISMOMETER, reason="AUSCULT_TEST_SEISMOMETER_PYTHON names no interpreter with seismometer"
)
def test_the_real_package_opens_it_and_finds_our_figures(clinic: Clinic, tmp_path: Path) -> None:
    made = lived(clinic, 10, 100)
    Feedback.objects.create(
        prediction=made[0],
        card=uuid4(),
        model=clinic.model,
        outcome="accepted",
        happened_at=made[0].predicted_at + timedelta(hours=1),
        recorded_at=NOW,
        protocol="json",
        client="client",
    )
    Prediction.objects.filter(pk__in=[one.pk for one in made[:300]]).update(shown=False)
    clinic.record(FIRST, 7)  # nobody reports on them
    found = written(clinic, tmp_path / "out")
    script = Path(__file__).with_name("seismometer_startup.py")
    done = subprocess.run(
        [SEISMOMETER, str(script), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.splitlines()[-1])
    with follow(clinic.definition, clinic.version, clinic.settings.cache) as months:
        followed = months.of(months.months)
    year = period_of(FIRST, "year")
    ours = evaluate_window(clinic.definition, year, followed, date(2025, 6, 1))
    assert theirs["name"] == "Risk of kidney failure within 90 days (version 1)"
    assert theirs["predictions"] == found.predictions == ours.judged.predictions - 7 == 1000
    assert theirs["events"] == ours.judged.events == found.events
    assert theirs["auroc_exact"] == pytest.approx(ours.figures["auroc"]["value"], abs=1e-12)
    assert theirs["auroc"] == pytest.approx(ours.figures["auroc"]["value"], abs=1e-3)
    assert theirs["cohorts"] == {"Shown": 2}
    assert theirs["interventions"] == ["Accepted"]
    assert theirs["definition"] == "Creatinine in serum, mg/dL"
    assert theirs["drawn"] == [True, True]
