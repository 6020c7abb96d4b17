import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from models.errors import RecordError, SettingsError
from monitoring.outcome_file import OutcomeFile, Reader, record_outcomes
from records.clients import create_client
from records.follow_up import follow_up
from records.home import init_home
from records.models import AuditEvent, Outcome, Prediction
from records.pseudonym import Pseudonymiser
from records.writer import Writer
from tests.monitoring.clinic import FIRST, NOW, Clinic

PEOPLE = Pseudonymiser(b"k" * 32)
KNOWN = "2024-04-01T08:00:00Z"
HORIZON = timedelta(days=90)


def read(clinic: Clinic, text: str, tmp_path: Path) -> OutcomeFile:
    path = tmp_path / "outcomes.csv"
    path.write_text(text)
    return reader(clinic).read(path)


def reader(clinic: Clinic) -> Reader:
    return Reader(clinic.model, "client", False, PEOPLE, "urn:clinic", NOW, HORIZON)


def record(clinic: Clinic, found: OutcomeFile) -> None:
    writer = Writer(clinic.settings.database, queue=100)
    writer.start()
    record_outcomes(found, lambda rows: writer.submit(rows).result(20), lambda done: None)
    writer.close()


def test_outcomes_by_prediction_and_by_patient_are_recorded_once(
    clinic: Clinic, tmp_path: Path
) -> None:
    first, second = clinic.record(FIRST, 2)
    text = (
        "prediction_id,patient_id,happened,known_at\n"
        f"{first.pk},,true,{KNOWN}\n"
        f",123,no,2024-04-01T10:00:00+02:00\n"
        f"{second.pk},,0,{KNOWN}\n"
        f"{second.pk},,0,{KNOWN}\n"
    )
    found = read(clinic, text, tmp_path)
    assert len(found.rows) == 3
    record(clinic, found)
    rows = Outcome.objects.values_list("prediction", "patient", "happened")
    patient = PEOPLE.pseudonym("urn:clinic", "123")
    assert set(rows) == {(first.pk, "", True), (None, patient, False), (second.pk, "", False)}
    assert set(Outcome.objects.values_list("known_at", flat=True)) == {
        datetime(2024, 4, 1, 8, tzinfo=UTC)
    }
    again = read(clinic, text, tmp_path)
    assert (len(again.rows), again.known_already) == (0, 4)


def test_a_contradictory_report_is_recorded_beside_the_first(
    clinic: Clinic, tmp_path: Path
) -> None:
    (made,) = clinic.record(FIRST, 1)
    head = "prediction_id,happened,known_at\n"
    record(clinic, read(clinic, f"{head}{made.pk},true,{KNOWN}\n", tmp_path))
    found = read(clinic, f"{head}{made.pk},false,{KNOWN}\n", tmp_path)
    assert [row.happened for row in found.rows] == [False]


def test_a_report_that_was_contradicted_since_is_recorded_anew(
    clinic: Clinic, tmp_path: Path
) -> None:
    (made,) = clinic.record(FIRST, 1)
    text = "prediction_id,happened,known_at\n{},{},{}\n"
    path = tmp_path / "outcomes.csv"
    for minutes, happened in enumerate(("true", "false", "true")):
        path.write_text(text.format(made.pk, happened, KNOWN))
        now = NOW + timedelta(minutes=minutes)
        later = Reader(clinic.model, "client", False, PEOPLE, "urn:clinic", now, HORIZON)
        record(clinic, later.read(path))
        assert later.read(path).rows == ()
    told = Outcome.objects.order_by("reported_at").values_list("happened", flat=True)
    assert list(told) == [True, False, True]


def test_the_outcome_that_was_told_first_is_recorded_again_where_another_holds(
    clinic: Clinic, tmp_path: Path
) -> None:
    (made,) = clinic.record(FIRST, 1)
    head = "prediction_id,happened,known_at\n"
    right, wrong = f"{made.pk},false,{KNOWN}\n", f"{made.pk},true,2024-03-01T08:00:00Z\n"
    for text in (right, wrong, right):
        found = read(clinic, head + text, tmp_path)
        assert len(found.rows) == 1
        record(clinic, found)
    assert read(clinic, head + right, tmp_path).known_already == 1
    told = Outcome.objects.order_by("pk").values_list("happened", flat=True)
    assert list(told) == [False, True, False]


def test_the_order_of_rows_changes_nothing(clinic: Clinic, tmp_path: Path) -> None:
    (made,) = clinic.record(FIRST, 1)
    rows = [
        f"{made.pk},,false,2024-02-01T08:00:00Z",
        f"{made.pk},,false,2024-03-01T08:00:00Z",
        f"{made.pk},,true,{KNOWN}",
        f",123,true,{KNOWN}",
    ]
    for order in permutations(rows):
        text = "\n".join(["prediction_id,patient_id,happened,known_at", *order])
        named = [row for row in read(clinic, text, tmp_path).rows if row.prediction]
        assert [row.happened for row in named] == [False, False, True]
        assert named == sorted(named, key=lambda row: row.known_at)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{id},,true,2024-04-01T08:00:00Z", "{id},,false,2024-04-01T08:00:00Z"),
        ("{id},,true,2024-03-01T08:00:00Z", "{id},,false,2024-04-01T08:00:00Z"),
        ("{id},,true,2024-04-01T08:00:00Z", "{id},,true,2024-03-01T08:00:00Z"),
        (",123,true,2024-04-01T08:00:00Z", ",123,false,2024-04-01T08:00:00Z"),
    ],
)
def test_rows_that_contradict_each_other_are_refused_whatever_their_order(
    clinic: Clinic, tmp_path: Path, first: str, second: str
) -> None:
    (made,) = clinic.record(FIRST, 1)
    for rows in ((first, second), (second, first)):
        text = "prediction_id,patient_id,happened,known_at\n" + "\n".join(rows)
        with pytest.raises(RecordError, match="rows 1 and 2 contradict each other"):
            read(clinic, text.format(id=made.pk), tmp_path)


def told_of(clinic: Clinic, made: Prediction) -> bool:
    found = follow_up(clinic.model, HORIZON).of(made.pk, made.patient, made.predicted_at)
    assert found is not None
    return found[1]


def of_a_patient(clinic: Clinic) -> Prediction:
    (made,) = clinic.record(FIRST, 1, patient=PEOPLE.pseudonym("urn:clinic", "123"))
    return made


HEAD = "patient_id,happened,known_at\n"
EVENT = "123,true,2024-02-01T08:00:00Z\n"
NONE_AFTER = "123,false,2024-03-01T08:00:00Z\n"


def test_what_is_taken_back_by_patient_and_told_again_holds_each_time(
    clinic: Clinic, tmp_path: Path
) -> None:
    made = of_a_patient(clinic)
    path = tmp_path / "outcomes.csv"
    for minutes, (text, holds) in enumerate(((EVENT, True), (NONE_AFTER, False)) * 2):
        path.write_text(HEAD + text)
        later = replace(reader(clinic), now=NOW + timedelta(minutes=minutes))
        found = later.read(path)
        assert len(found.rows) == 1
        record(clinic, found)
        assert told_of(clinic, made) is holds
        assert later.read(path).rows == ()


def test_events_that_a_file_takes_back_are_counted(clinic: Clinic, tmp_path: Path) -> None:
    of_a_patient(clinic)
    record(clinic, read(clinic, HEAD + EVENT, tmp_path))
    assert read(clinic, HEAD + NONE_AFTER, tmp_path).taken_back == 1
    assert read(clinic, HEAD + EVENT + NONE_AFTER, tmp_path).taken_back == 0


def test_the_end_of_follow_up_in_the_file_of_an_event_leaves_it_one(
    clinic: Clinic, tmp_path: Path
) -> None:
    made = of_a_patient(clinic)
    record(clinic, read(clinic, HEAD + EVENT, tmp_path))
    for text in (EVENT + NONE_AFTER, NONE_AFTER + EVENT):
        record(clinic, read(clinic, HEAD + text, tmp_path))
        assert told_of(clinic, made)
        assert read(clinic, HEAD + text, tmp_path).rows == ()


def test_a_patients_events_of_several_times_contradict_nothing(
    clinic: Clinic, tmp_path: Path
) -> None:
    clinic.record(FIRST, 1)
    text = (
        "patient_id,happened,known_at\n"
        f"123,true,2024-03-01T08:00:00Z\n123,true,{KNOWN}\n123,false,2024-05-01T08:00:00Z\n"
    )
    assert len(read(clinic, text, tmp_path).rows) == 3


def test_an_event_counts_when_it_happened_and_not_when_it_became_known(
    clinic: Clinic, tmp_path: Path
) -> None:
    first, second = clinic.record(FIRST, 2)
    happened, known = (first.predicted_at + timedelta(days=day) for day in (89, 95))
    head = "prediction_id,happened,known_at,happened_at\n"
    late = f"{first.pk},true,{known.isoformat()},\n{second.pk},false,{known.isoformat()},\n"
    found = read(clinic, head + late, tmp_path)
    assert [row.known_at for row in found.rows] == [known, known]
    assert found.after_horizon == 1
    dated = f"{first.pk},true,{known.isoformat()},{happened.isoformat()}\n"
    found = read(clinic, head + dated, tmp_path)
    assert [row.known_at for row in found.rows] == [happened]
    assert found.after_horizon == 0


def test_an_event_of_a_patient_is_late_only_where_its_last_prediction_before_is(
    clinic: Clinic, tmp_path: Path
) -> None:
    patient = PEOPLE.pseudonym("urn:clinic", "123")
    (early,) = clinic.record(FIRST, 1)
    (later,) = clinic.record(FIRST + timedelta(days=60), 1)
    Prediction.objects.filter(pk__in=[early.pk, later.pk]).update(patient=patient)
    for days, late in ((80, 0), (149, 0), (151, 1)):
        at = early.predicted_at + timedelta(days=days)
        row = f"patient_id,happened,known_at\n123,true,{at.isoformat()}\n"
        assert read(clinic, row, tmp_path).after_horizon == late


@pytest.mark.parametrize(
    ("happened", "at", "words"),
    [
        ("false", KNOWN, "happened_at is the time of an event, and happened is false"),
        ("true", "2024-04-02T08:00:00Z", "happened_at is after known_at"),
        ("true", "2024-04-01", "happened_at must say its offset"),
        ("true", "2023-04-01T08:00:00Z", "the outcome is before prediction"),
    ],
)
def test_a_time_of_an_event_that_cannot_be_is_refused(
    clinic: Clinic, tmp_path: Path, happened: str, at: str, words: str
) -> None:
    (made,) = clinic.record(FIRST, 1)
    text = f"prediction_id,happened,known_at,happened_at\n{made.pk},{happened},{KNOWN},{at}\n"
    with pytest.raises(RecordError, match=words):
        read(clinic, text, tmp_path)


def test_parquet_is_read_like_csv(clinic: Clinic, tmp_path: Path) -> None:
    (made,) = clinic.record(FIRST, 1)
    path = tmp_path / "outcomes.parquet"
    known = datetime(2024, 4, 1, 8, tzinfo=UTC)
    pd.DataFrame(
        {"prediction_id": [str(made.pk)], "happened": [True], "known_at": [known]}
    ).to_parquet(path)
    (row,) = reader(clinic).read(path).rows
    assert (row.prediction, row.happened, row.known_at) == (made.pk, True, known)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ID,,maybe,2024-04-01T08:00:00Z", "row 1: happened must be true or false"),
        ("ID,,true,yesterday", "row 1: known_at must be a time"),
        ("ID,,true,2024-04-01", "row 1: known_at must say its offset"),
        ("ID,,true,2031-04-01T08:00:00Z", "row 1: known_at is later than now"),
        ("ID,123,true,2024-04-01T08:00:00Z", "row 1: give either"),
        (",,true,2024-04-01T08:00:00Z", "row 1: give either"),
        ("no-uuid,,true,2024-04-01T08:00:00Z", "row 1: prediction_id is not a UUID"),
        ("OTHER,,true,2024-04-01T08:00:00Z", "there is no prediction"),
        ("ID,,true,2023-04-01T08:00:00Z", "the outcome is before prediction"),
        ("ID,,true,0001-01-01T00:00:00+14:00", "row 1: known_at must be a time"),
        (",1\x0023,true,2024-04-01T08:00:00Z", "row 1: a patient's identifier must have a value"),
    ],
)
def test_a_faulty_row_is_named_and_nothing_is_recorded(
    clinic: Clinic, tmp_path: Path, line: str, words: str
) -> None:
    (made,) = clinic.record(FIRST, 1)
    line = line.replace("ID", str(made.pk)).replace("OTHER", str(uuid4()))
    with pytest.raises(RecordError, match="nothing was recorded") as caught:
        read(clinic, f"prediction_id,patient_id,happened,known_at\n{line}\n", tmp_path)
    assert words in str(caught.value)
    assert "123" not in str(caught.value).replace(str(made.pk), "")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([["a"]], "column 'patient_id' holds list"),
        ([12.0], "column 'patient_id' holds double; write text or whole numbers"),
        ([b"a"], "column 'patient_id' holds binary"),
    ],
)
def test_a_column_that_can_not_say_whose_outcomes_they_are_is_refused(
    clinic: Clinic, tmp_path: Path, values: list[object], words: str
) -> None:
    path = tmp_path / "outcomes.parquet"
    times = {"happened": [True], "known_at": [KNOWN]}
    pd.DataFrame({"patient_id": values, **times}).to_parquet(path)
    with pytest.raises(RecordError, match=words):
        reader(clinic).read(path)
    pd.DataFrame({"patient_id": [12], "prediction_id": [np.nan], **times}).to_parquet(path)
    (row,) = reader(clinic).read(path).rows
    assert row.patient == PEOPLE.pseudonym("urn:clinic", "12")


def test_a_time_of_a_year_that_nobody_writes_is_refused(clinic: Clinic, tmp_path: Path) -> None:
    path = tmp_path / "outcomes.parquet"
    far = pa.array([2**40], pa.timestamp("s", "UTC"))
    columns = {"patient_id": ["1"], "happened": [True], "known_at": far}
    parquet.write_table(pa.table(columns), path)
    with pytest.raises(RecordError, match="column 'known_at' holds a timestamp"):
        reader(clinic).read(path)


def test_outcomes_that_are_about_no_prediction_are_counted(clinic: Clinic, tmp_path: Path) -> None:
    (made,) = clinic.record(FIRST, 1)
    patient = PEOPLE.pseudonym("urn:clinic", "123")
    Prediction.objects.filter(pk=made.pk).update(patient=patient)
    rows = (
        "patient_id,patient_system,happened,known_at\n"
        f"123,,true,{KNOWN}\n"
        f"123,urn:other,true,{KNOWN}\n"
        f"124,,false,{KNOWN}\n"
        "123,,false,2023-04-01T08:00:00Z\n"
    )
    found = read(clinic, rows, tmp_path)
    assert (len(found.rows), found.without_prediction) == (4, 3)


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        "patient_id,happened\n1,true\n",
        "",
        '"',
        f"patient_id,happened,known_at,known_at\n1,true,{KNOWN},{KNOWN}\n",
    ],
)
def test_what_is_no_file_of_outcomes_is_refused(clinic: Clinic, tmp_path: Path, text: str) -> None:
    with pytest.raises(RecordError, match=r"outcomes\.csv"):
        read(clinic, text, tmp_path)


def test_many_rows_are_joined_in_parts(clinic: Clinic, tmp_path: Path) -> None:
    made = clinic.record(FIRST, 1200)
    lines = [f"{one.pk},false,{KNOWN}" for one in made]
    found = read(clinic, "\n".join(["prediction_id,happened,known_at", *lines]), tmp_path)
    assert len(found.rows) == 1200
    assert Prediction.objects.count() == 1200
    assert found.rows[-1].known_at - timedelta(days=1) > datetime.combine(
        date(2024, 3, 1), datetime.min.time(), UTC
    )


def test_the_command_needs_a_key_of_scope_outcome_and_is_audited(
    clinic: Clinic, tmp_path: Path
) -> None:
    from auscult.outcomes_job import FILE_SYSTEM, record_file

    (made,) = clinic.record(FIRST, 1)
    source, key_file = tmp_path / "outcomes.csv", tmp_path / "key"
    source.write_text(f"prediction_id,happened,known_at\n{made.pk},true,{KNOWN}\n")
    init_home(clinic.settings)

    def run(*scopes: str) -> OutcomeFile:
        key_file.write_text(create_client(f"lab {scopes[0]}", scopes, now=NOW)[0])
        return record_file(
            clinic.definition,
            source,
            key_file=key_file,
            system=FILE_SYSTEM,
            settings=clinic.settings,
            step=lambda stage, done, total: None,
        )

    with pytest.raises(SettingsError, match="without the scope outcome"):
        run("predict")
    found = run("outcome")
    assert (len(found.rows), found.known_already, found.after_horizon) == (1, 0, 1)
    assert Outcome.objects.get().prediction_id == made.pk
    event = AuditEvent.objects.get(action="outcomes.file")
    assert (event.by, event.details["recorded"]) == ("lab outcome", 1)
    assert event.details["after_horizon"] == 1


def test_the_command_says_how_many_outcomes_joined_no_prediction_and_what_is_taken_back(
    clinic: Clinic,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from auscult.commands import outcomes

    source, key_file = tmp_path / "outcomes.csv", tmp_path / "key"
    source.write_text(f"patient_id,happened,known_at\n123,true,{KNOWN}\n")
    init_home(clinic.settings)
    key_file.write_text(create_client("lab", ["outcome"], now=NOW)[0])
    place = tmp_path / "models" / clinic.model
    place.mkdir(parents=True)
    for name in ("model.toml", "card.md"):
        shutil.copy(clinic.reference.with_name(name), place / name)
    settings = clinic.settings.model_copy(update={"models": (place.parent,)})
    monkeypatch.setattr(outcomes, "open_records", lambda: settings)
    outcomes.outcomes(clinic.model, source, key_file, "urn:elsewhere")
    said = " ".join(capsys.readouterr().out.split())
    assert "Recorded 1 outcome; 0 known already." in said
    assert "1 outcome of the file joined no prediction, as kidney_failure made none before" in said
    assert "urn:elsewhere" in said
    assert "takes back" not in said
    source.write_text("patient_id,happened,known_at\n123,false,2024-05-01T08:00:00Z\n")
    outcomes.outcomes(clinic.model, source, key_file, "urn:elsewhere")
    said = " ".join(capsys.readouterr().out.split())
    assert "the file takes back 1 event reported by patient before" in said
