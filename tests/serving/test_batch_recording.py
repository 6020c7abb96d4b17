"""Rows of a file as predictions in the records: each once, as a request would leave them."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.batch import readings_of
from models.errors import BatchError, WriterStopped
from models.risk_model import RiskModel
from records.pseudonym import Pseudonymiser, read_pseudonym_key
from records.settings import Settings
from records.writer import Writer
from serving.batch.recording import Recorder
from serving.batch.run import BatchOptions, BatchSummary, score_file
from tests.factories import DEFINITION, NAME, NOW, make_artefact, make_population

ROWS = 5000
CHUNK = 2048


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.batch.run._MOST_ROWS", CHUNK)


@pytest.fixture
def writer(sqlite_db: Settings) -> Iterator[Writer]:
    writer = Writer(sqlite_db.database, queue=20_000, clock=lambda: NOW)
    writer.start()
    yield writer
    writer.close()


def make_recorder(writer: Writer, settings: Settings, *scopes: str, **about: bool) -> Recorder:
    from records.clients import create_client

    _, client = create_client("nightly", scopes or ("bulk",), now=NOW, **about)
    key = read_pseudonym_key(settings.pseudonym_key)
    return Recorder(writer, Pseudonymiser(key), client, lambda: NOW + timedelta(seconds=1))


@pytest.fixture
def recorder(writer: Writer, sqlite_db: Settings) -> Recorder:
    return make_recorder(writer, sqlite_db)


def write_people(path: Path, rows: int = 40, **columns: Any) -> pd.DataFrame:
    people = pd.DataFrame(make_population(rows, seed=3))
    people.insert(0, "patient_id", [f"p{i}" for i in range(rows)])
    people = people.assign(**columns)
    people.to_parquet(path, index=False) if path.suffix == ".parquet" else people.to_csv(
        path, index=False
    )
    return people


def record(
    model: RiskModel, recorder: Recorder, source: Path, target: Path, stop_after: int = ROWS
) -> BatchSummary:
    def progress(done: int, total: int | None) -> None:
        if done > stop_after:
            raise KeyboardInterrupt

    return score_file(
        model,
        source,
        target,
        options=BatchOptions(threads=2),
        recorder=recorder,
        now=NOW,
        progress=progress,
    )


def predictions() -> dict[str, Any]:
    from records.models import Prediction

    return {str(one.id): one for one in Prediction.objects.all()}


def test_a_row_is_recorded_as_what_it_was_scored_as(
    model: RiskModel, recorder: Recorder, sqlite_db: Settings, tmp_path: Path
) -> None:
    people = write_people(tmp_path / "in.parquet", site="north")
    record(model, recorder, tmp_path / "in.parquet", tmp_path / "out.parquet")
    scores = pd.read_parquet(tmp_path / "out.parquet")
    recorded = predictions()
    assert set(scores["prediction_id"]) == set(recorded)
    key = read_pseudonym_key(sqlite_db.pseudonym_key)
    columns = {name: people[name].to_numpy(dtype=object) for name in make_population(1)}
    for row, score in scores.iterrows():
        one = recorded[score["prediction_id"]]
        alone = model.assess(readings_of(model.definition, columns, int(str(row))), NOW)
        assert (one.risk, one.margin, one.base) == tuple(score[["risk", "margin", "base"]])
        assert one.features == dict(alone.features.values)
        assert bytes(one.vector) == alone.features.vector.tobytes()
        np.testing.assert_array_equal(
            np.frombuffer(one.contributions), alone.explanation.contributions
        )
        assert [finding["words"] for finding in one.findings] == [
            finding.words for finding in alone.features.findings
        ]
        pseudonym = Pseudonymiser(key).pseudonym("urn:auscult:batch", str(score["patient_id"]))
        assert (one.patient, one.protocol) == (pseudonym, "batch")
        assert (one.site, one.ward) == ("north", "")  # its `ward` is a feature
        assert (one.predicted_at, one.recorded_at) == (NOW, NOW + timedelta(seconds=1))
        assert (one.version, one.band, one.shown) == ("1", score["band"], True)


def test_a_file_and_requests_leave_the_same_records(
    model: RiskModel, service: Any, ehr: httpx.Client, sqlite_db: Settings, tmp_path: Path
) -> None:
    people = write_people(tmp_path / "in.parquet", 8)
    record(
        model,
        make_recorder(service.writer, sqlite_db),
        tmp_path / "in.parquet",
        tmp_path / "out.parquet",
    )
    from records.models import Prediction

    by_file = {one.risk: one for one in Prediction.objects.filter(protocol="batch")}
    features = list(make_population(1))
    for _, person in people.iterrows():
        values = {name: person[name] for name in features if person[name] == person[name]}
        values |= (
            {"lactate": {"value": values["lactate"], "unit": "mmol/L"}}
            if "lactate" in values
            else {}
        )
        body = json.dumps({"values": values}, default=float)
        answer = ehr.post(
            f"/v1/models/{NAME}/predict",
            content=body,
            headers={"Content-Type": "application/json"},
        ).json()
        asked, scored = predictions()[answer["prediction_id"]], by_file[answer["risk"]]
        for name in (
            "features", "vector", "contributions", "base", "margin", "band", "findings", "status",
            "shown", "definition_digest", "artefact_digest", "model", "version",
        ):  # fmt: skip
            assert getattr(asked, name) == getattr(scored, name), name


def test_refused_rows_are_recorded_without_whose_they_are(
    model: RiskModel, recorder: Recorder, tmp_path: Path
) -> None:
    people = write_people(tmp_path / "in.parquet")
    people.loc[3, "age"] = 17
    people.to_parquet(tmp_path / "in.parquet")
    record(model, recorder, tmp_path / "in.parquet", tmp_path / "out.parquet")
    from records.models import Refusal

    refusal = Refusal.objects.get()
    assert (refusal.field, refusal.reason, refusal.protocol) == ("age", "out_of_scope", "batch")
    assert len(predictions()) == 39
    assert pd.read_parquet(tmp_path / "out.parquet")["prediction_id"].isna().sum() == 1


def test_an_interrupted_run_records_every_row_once(
    model: RiskModel, recorder: Recorder, tmp_path: Path
) -> None:
    people = write_people(tmp_path / "in.parquet", ROWS)
    people.loc[::9, "age"] = 17
    people.loc[CHUNK : 2 * CHUNK - 1, "age"] = 200  # a whole commit without a prediction
    people.to_parquet(tmp_path / "in.parquet")
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    with pytest.raises(KeyboardInterrupt):
        record(model, recorder, source, target, stop_after=CHUNK)
    # as if it had stopped after the second commit and before the state file knew of it
    state = tmp_path / "out.parquet.state"
    state.write_bytes(b"".join(state.read_bytes().splitlines(keepends=True)[:-1]))
    summary = record(model, recorder, source, target)
    assert summary.went_on_from == CHUNK
    from records.models import AuditEvent, Refusal
    from records.verification import verify

    scores = pq.read_table(target)
    ids = [each for each in scores["prediction_id"].to_pylist() if each]
    assert set(ids) == set(predictions())
    assert len(ids) == summary.scored
    assert Refusal.objects.count() == ROWS - summary.scored
    events = AuditEvent.objects.filter(action="batch.record")
    assert sorted(event.details["first_row"] for event in events) == [0, CHUNK, 2 * CHUNK]
    assert {event.by for event in events} == {"nightly"}
    checked = verify([], Ed25519PrivateKey.generate().public_key())
    assert (checked.records, checked.faults) == (ROWS + 3, ())


def test_the_same_file_scored_again_is_recorded_again(
    model: RiskModel, recorder: Recorder, tmp_path: Path
) -> None:
    write_people(tmp_path / "in.parquet")
    for day in (1, 2):
        score_file(
            model,
            tmp_path / "in.parquet",
            tmp_path / f"out{day}.parquet",
            options=BatchOptions(threads=1),
            recorder=recorder,
            now=NOW - timedelta(days=day),
            progress=lambda *_: None,
        )
    assert len(predictions()) == 80


TIMES = {
    "2026-03-01T10:00:00+01:00": None,
    "2026-03-02T10:15:00Z": None,
    "2026-03-02T10:15:01Z": "in_the_future: time",
    "2026-03-01T10:00:00": "naive_time: time",
    "yesterday": "not_a_time: time",
    "0001-01-01T00:00:00+10:00": "not_a_time: time",
    "": "no_time: time",
}


def test_times_are_those_of_the_rows_and_wrong_ones_are_refused(
    model: RiskModel, writer: Writer, sqlite_db: Settings, tmp_path: Path
) -> None:
    recorder = make_recorder(writer, sqlite_db, "bulk", "replay")
    write_people(tmp_path / "in.csv", len(TIMES), time=list(TIMES))
    record(model, recorder, tmp_path / "in.csv", tmp_path / "out.parquet")
    scores = pd.read_parquet(tmp_path / "out.parquet")
    because = scores["refused_because"].astype(object).where(scores["refused_because"].notna())
    assert [each if isinstance(each, str) else None for each in because] == list(TIMES.values())
    assert scores["time"].tolist() == list(TIMES)
    recorded = {one.predicted_at for one in predictions().values()}
    assert recorded == {datetime(2026, 3, 1, 9, tzinfo=UTC), NOW}


def test_times_in_parquet_need_a_zone_and_keep_their_microseconds(
    model: RiskModel, writer: Writer, sqlite_db: Settings, tmp_path: Path
) -> None:
    recorder = make_recorder(writer, sqlite_db, "bulk", "replay")
    naive = pd.Timestamp("2026-03-01T09:00:00.123456")
    write_people(tmp_path / "in.parquet", 2, time=[naive, pd.NaT])
    with pytest.raises(BatchError, match=r"'time' holds timestamp\[us\]; .* times with a zone"):
        record(model, recorder, tmp_path / "in.parquet", tmp_path / "out.parquet")
    times = pd.Series([naive, pd.NaT, pd.Timestamp("2090-01-01")]).dt.tz_localize("Asia/Tokyo")
    write_people(tmp_path / "in.parquet", 3, time=times)
    record(model, recorder, tmp_path / "in.parquet", tmp_path / "out.parquet")
    refused = pd.read_parquet(tmp_path / "out.parquet")["refused_because"].tolist()
    assert refused[1:] == ["no_time: time", "in_the_future: time"]
    (one,) = predictions().values()
    assert one.predicted_at == datetime(2026, 3, 1, 0, 0, 0, 123456, tzinfo=UTC)


def test_without_the_scope_nothing_is_recorded_or_written(
    model: RiskModel, writer: Writer, sqlite_db: Settings, tmp_path: Path
) -> None:
    write_people(tmp_path / "in.csv")
    with pytest.raises(BatchError, match="client nightly lacks the scope bulk"):
        record(
            model,
            make_recorder(writer, sqlite_db, "predict"),
            tmp_path / "in.csv",
            tmp_path / "out.csv",
        )
    write_people(tmp_path / "in.csv", time="2026-03-01T10:00:00Z")
    with pytest.raises(BatchError, match="lacks the scope replay"):
        record(
            model,
            make_recorder(writer, sqlite_db, "bulk"),
            tmp_path / "in.csv",
            tmp_path / "out.csv",
        )
    assert predictions() == {}
    assert [path.name for path in tmp_path.glob("*.csv*")] == ["in.csv"]


def test_whose_a_row_is_must_be_clear(model: RiskModel, recorder: Recorder, tmp_path: Path) -> None:
    people = write_people(tmp_path / "in.parquet", 4)
    people["patient_id"] = ["p1", None, "p\0", "p4"]
    people["site"] = ["north", None, "north", "the ward upstairs"]
    people.to_parquet(tmp_path / "in.parquet")
    record(model, recorder, tmp_path / "in.parquet", tmp_path / "out.parquet")
    refused = pd.read_parquet(tmp_path / "out.parquet")["refused_because"].tolist()
    assert refused[2:] == ["bad_identifier: patient_id", "bad_site: site"]
    assert sorted(len(one.patient) for one in predictions().values()) == [0, 64]
    write_people(tmp_path / "in.parquet", 4, patient_id=[1.0, 2.0, 3.0, np.nan])
    with pytest.raises(BatchError, match=r"'patient_id' holds double; .* text or whole numbers"):
        record(model, recorder, tmp_path / "in.parquet", tmp_path / "more.parquet")


@pytest.mark.parametrize("name", ["in.parquet", "in.csv"])
def test_rows_name_their_ward_where_that_is_no_feature(
    recorder: Recorder, tmp_path: Path, name: str
) -> None:
    text = re.sub(
        r'\[\[features\]\]\nname = "ward"\n.*?(?=\n\[\[)', "", DEFINITION, flags=re.DOTALL
    )
    model = make_artefact(tmp_path / "model", definition_text=text)
    assert "ward" not in model.definition.by_name
    wards = ["Ward 7 B", None, "7B ", "7\u200bB", "7" * 65, "Überwachung"]
    write_people(tmp_path / name, 6, ward=wards)
    record(model, recorder, tmp_path / name, tmp_path / "out.parquet")
    refused = pd.read_parquet(tmp_path / "out.parquet")["refused_because"].tolist()
    assert refused[2:5] == ["bad_ward: ward"] * 3
    assert {one.ward for one in predictions().values()} == {"Ward 7 B", "", "Überwachung"}
    write_people(tmp_path / "in.parquet", 6, ward=[7.0, 1, 1, 1, 1, np.nan])
    with pytest.raises(BatchError, match=r"'ward' holds double; .* text or whole numbers"):
        record(model, recorder, tmp_path / "in.parquet", tmp_path / "more.parquet")


def test_a_blank_cell_is_no_patient_and_a_padded_one_the_same(
    model: RiskModel, recorder: Recorder, sqlite_db: Settings, tmp_path: Path
) -> None:
    write_people(tmp_path / "in.parquet", 3, patient_id=["  ", "p1", " p1 "])
    record(model, recorder, tmp_path / "in.parquet", tmp_path / "out.parquet")
    key = read_pseudonym_key(sqlite_db.pseudonym_key)
    p1 = Pseudonymiser(key).pseudonym("urn:auscult:batch", "p1")
    assert sorted(one.patient for one in predictions().values()) == ["", p1, p1]


def test_a_silent_model_records_its_risks_and_writes_none(
    recorder: Recorder, tmp_path: Path
) -> None:
    model = make_artefact(tmp_path / "artefact", status="silent")
    write_people(tmp_path / "in.parquet")
    record(model, recorder, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert pq.read_schema(tmp_path / "out.parquet").names == [
        "patient_id", "prediction_id", "missing", "excluded", "refused_because", "notice",
    ]  # fmt: skip
    assert len(predictions()) == 40
    assert not any(one.shown for one in predictions().values())


def test_a_test_client_records_test_rows(
    model: RiskModel, writer: Writer, sqlite_db: Settings, tmp_path: Path
) -> None:
    recorder = make_recorder(writer, sqlite_db, "bulk", is_test=True)
    write_people(tmp_path / "in.parquet")
    record(model, recorder, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert all(one.is_test for one in predictions().values())


def test_nothing_is_written_that_could_not_be_recorded(
    model: RiskModel, writer: Writer, recorder: Recorder, tmp_path: Path
) -> None:
    write_people(tmp_path / "in.parquet")
    writer.close()
    with pytest.raises(WriterStopped):
        record(model, recorder, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet.part").stat().st_size == 0
    assert not (tmp_path / "out.parquet").exists()
