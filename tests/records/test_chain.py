from hashlib import sha256
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from models.errors import RecordError
from records import audit
from records.canonical import canonical
from records.chain import AUDIT, GENESIS, header, link
from records.merkle import leaf_hash, root
from records.models import AuditEvent, ChainBlock
from records.rows import TABLES, PredictionRow, leaf_of, prepare
from records.settings import Settings
from records.writer import Writer
from tests.records.made_up import NOW, prediction


def test_the_published_chain_of_two_events() -> None:
    first = link(GENESIS, canonical({"seq": 1, "event": "predict"}))
    assert first.hex() == "3ef385f3e56d7af8550acbea938672f0e80b36a5ff506b873654a6a86ceb3005"
    second = link(first, canonical({"seq": 2, "event": "review"}))
    assert second.hex() == "297f4cbd122a76b6f52268479742ec6d7bcda7b81db73c37dcc037dfd143b66e"


def test_a_block_can_be_computed_from_what_is_written_down_here(writer: Writer) -> None:
    rows = [prediction(), prediction()]
    writer.submit(rows).result(10)
    block = ChainBlock.objects.get()
    content = (
        f'{{"count":2,"root":"{block.root}","seq":1,'
        f'"time":"{block.time.replace(tzinfo=None).isoformat(" ")}Z","writer":"{block.writer}"}}'
    )
    assert block.hash == sha256(bytes(32) + sha256(content.encode()).digest()).hexdigest()
    leaves = [prepare(row).leaf for row in rows]
    assert block.root == sha256(b"\1" + leaves[0] + leaves[1]).hexdigest()


def test_the_bytes_of_a_record_are_canonical_json() -> None:
    row = prediction(id=None)
    text = (
        '{"artefact_digest":"' + "a" * 64 + '","band":"low","base":-1.25,'
        '"client":"0123456789abcdef","contributions":"' + row.contributions.hex() + '",'
        '"definition_digest":"' + "d" * 64 + '",'
        '"features":{"age":71,"lactate":2.5,"sex":null},'
        '"findings":[{"feature":"sex","kind":"missing","reason":"missing","words":"Sex"}],'
        '"id":null,"input_digest":"' + "e" * 64 + '","is_test":false,"margin":-1.5,'
        '"model":"sepsis","patient":"' + "p" * 64 + '",'
        '"predicted_at":"2026-03-01 12:30:15.250000Z","protocol":"json",'
        '"recorded_at":"2026-03-01 12:30:15.250000Z","risk":0.1824255238063563,"shown":true,'
        '"site":"","sources":["Observation/1"],"status":"final","table":"prediction",'
        '"vector":"' + row.vector.hex() + '","version":"3"}'
    )
    assert prepare(row).leaf == leaf_hash(text.encode())
    placed = text.replace('"contributions"', '"codes":{"lactate":"2524-7"},"contributions"')
    placed = placed[:-1] + ',"ward":"7B"}'
    row = prediction(id=None, ward="7B", codes={"lactate": "2524-7"})
    assert prepare(row).leaf == leaf_hash(placed.encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"margin": 1e-7, "base": 1e22, "features": {"lactate": 5e-324}},
        {"ward": "Säuglinge 2", "codes": {"lactate": "2524-7", "creatinine": "2160-0 + 38483-4"}},
    ],
)
def test_a_record_read_back_has_the_leaf_it_was_written_with(
    writer: Writer, changes: dict[str, Any]
) -> None:
    writer.submit([prediction(**changes)]).result(10)
    from records.models import Prediction

    table = TABLES[PredictionRow]
    *values, _, _, _, leaf = Prediction.objects.values_list(*table.sql_columns).get()
    assert leaf_of(table, values) == bytes(leaf)


def test_audit_events_are_chained_in_order(records_db: Settings) -> None:
    for number in range(3):
        audit.note("model.promote", "ada", {"number": number, "risk": 0.1}, NOW)
    blocks = list(ChainBlock.objects.filter(writer=AUDIT).order_by("seq"))
    assert [(block.seq, block.count) for block in blocks] == [(1, 1), (2, 1), (3, 1)]
    previous = GENESIS
    for block in blocks:
        previous = link(previous, header(AUDIT, block.seq, block.root, 1, block.time))
        assert previous.hex() == block.hash
        event = AuditEvent.objects.get(block=block.seq)
        assert root([bytes(event.leaf)]).hex() == block.root
    event = AuditEvent.objects.get(block=2)
    assert (event.action, event.by, event.details) == (
        "model.promote",
        "ada",
        {"number": 1, "risk": 0.1},
    )


def test_an_audit_event_goes_with_the_transaction_it_belongs_to(records_db: Settings) -> None:
    audit.note("first", "ada", {}, NOW)

    def fail_after_noting() -> None:
        with transaction.atomic():
            audit.note("undone", "ada", {}, NOW)
            raise IntegrityError

    with pytest.raises(IntegrityError):
        fail_after_noting()
    audit.note("second", "ada", {}, NOW)
    assert list(AuditEvent.objects.order_by("block").values_list("action", "block")) == [
        ("first", 1),
        ("second", 2),
    ]


def test_an_audit_event_that_is_no_json_is_refused(sqlite_db: Settings) -> None:
    with pytest.raises(RecordError):
        audit.note("model.promote", "ada", {"when": NOW}, NOW)
    assert ChainBlock.objects.count() == 0
