"""Every way to tamper with the records, and the place where the verifier finds it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection
from django.db.models import F

from records import audit, heads
from records.models import AuditEvent, ChainBlock, Outcome, Prediction, Refusal, SignedHead
from records.settings import Settings
from records.verification import Fault, Verification, verify
from records.writer import Writer
from tests.records.made_up import NOW, outcome, prediction, refusal

Tamper = Callable[[str], object]


@pytest.fixture
def key(records_db: Settings) -> Ed25519PublicKey:
    return heads.read_signing_key(records_db.signing_key).public_key()


@pytest.fixture
def recorded(records_db: Settings) -> str:
    """Three blocks of four records each by one writer, signed up to the second; its name."""
    writer = Writer(records_db.database, queue=100)
    writer.start()
    for number in range(3):
        if number == 2:
            heads.sign_head(records_db.signing_key, records_db.heads, NOW)
        row = prediction(site=f"ward {number}")
        writer.submit([row, refusal(), outcome(row.id), prediction()]).result(10)
    writer.close()
    audit.note("model.promote", "ada", {"version": 3}, NOW)
    return ChainBlock.objects.exclude(writer="audit")[0].writer


def verified(settings: Settings, key: Ed25519PublicKey) -> Verification:
    return verify(heads.known(settings.heads), key)


def test_untouched_records_verify(
    records_db: Settings, key: Ed25519PublicKey, recorded: str
) -> None:
    assert verified(records_db, key) == Verification(
        writers=2, blocks=4, records=13, signed_until="2026-03-01 12:30:15.250000Z", faults=()
    )


def test_an_empty_database_verifies(records_db: Settings, key: Ed25519PublicKey) -> None:
    assert verified(records_db, key) == Verification(0, 0, 0, None, ())


def test_writers_may_go_on_while_their_chains_are_verified(
    records_db: Settings, key: Ed25519PublicKey
) -> None:
    writer = Writer(records_db.database, queue=100_000, batch=8)
    writer.start()
    writer.submit([prediction()]).result(10)
    futures = [writer.submit([prediction(), refusal()]) for _ in range(400)]
    results = [verified(records_db, key)]
    while not futures[-1].done():
        results.append(verified(records_db, key))
    writer.close()
    assert [result.faults for result in results] == [()] * len(results)
    assert results[0].records < 801
    assert verified(records_db, key).records == 801


def edit(writer: str) -> None:
    Prediction.objects.filter(block=2, position=3).update(risk=F("risk") / 2)


def name_ward(writer: str) -> None:
    Prediction.objects.filter(block=2, position=3).update(ward="7B")


def name_code(writer: str) -> None:
    Prediction.objects.filter(block=2, position=3).update(codes={"lactate": "2524-7"})


def spoil_codes(writer: str) -> None:
    Prediction.objects.filter(block=2, position=3).update(codes=[])


def edit_features(writer: str) -> None:
    Prediction.objects.filter(block=2, position=0).update(features={"lactate": 1.0})


def edit_with_its_hash(writer: str) -> None:
    Refusal.objects.filter(block=2).update(reason="none", leaf=bytes(32))


def delete(writer: str) -> None:
    Refusal.objects.filter(block=2).delete()


def delete_the_last(writer: str) -> None:
    Prediction.objects.filter(block=2, position=3).delete()


def insert(writer: str) -> None:
    copied = Refusal.objects.get(block=2)
    copied.pk = None
    copied.save()


def insert_at_the_end(writer: str) -> None:
    copied = Refusal.objects.get(block=2)
    copied.pk, copied.position = None, 4
    copied.save()


def swap(writer: str) -> None:
    Prediction.objects.filter(block=2, position=0).update(position=7)
    Prediction.objects.filter(block=2, position=3).update(position=0)
    Prediction.objects.filter(block=2, position=7).update(position=3)


def move_to_another_block(writer: str) -> None:
    Refusal.objects.filter(block=2).update(block=3, position=4)


def delete_a_block(writer: str) -> None:
    Outcome.objects.filter(block=2).delete()
    for table in (Prediction, Refusal):
        table._default_manager.filter(block=2).delete()
    ChainBlock.objects.filter(writer=writer, seq=2).delete()


def edit_a_header(writer: str) -> None:
    block = ChainBlock.objects.get(writer=writer, seq=2)
    ChainBlock.objects.filter(pk=block.pk).update(time=block.time - timedelta(days=1))


def edit_a_count(writer: str) -> None:
    ChainBlock.objects.filter(writer=writer, seq=2).update(count=3)


@pytest.mark.parametrize(
    ("tamper", "position", "words"),
    [
        (edit, 3, "the record in prediction was changed"),
        (edit_features, 0, "the record in prediction was changed"),
        (name_ward, 3, "the record in prediction was changed"),
        (name_code, 3, "the record in prediction was changed"),
        (spoil_codes, 3, "the record in prediction was changed"),
        (edit_with_its_hash, 1, "the record in refusal was changed"),
        (delete, 1, "the record was deleted"),
        (delete_the_last, 3, "the record was deleted"),
        (insert, 1, "a record was inserted into refusal"),
        (insert_at_the_end, 4, "a record was inserted into refusal"),
        (swap, None, "order were changed"),
        (move_to_another_block, 1, "the record was deleted"),
        (delete_a_block, None, "the block is missing"),
        (edit_a_header, None, "the block's header was changed"),
        (edit_a_count, 3, "a record was inserted"),
    ],
)
def test_the_first_wrong_place_is_named(
    records_db: Settings,
    key: Ed25519PublicKey,
    recorded: str,
    tamper: Tamper,
    position: int | None,
    words: str,
) -> None:
    tamper(recorded)
    (fault,) = verified(records_db, key).faults
    assert (fault.writer, fault.block, fault.position) == (recorded, 2, position)
    assert words in fault.words


def test_a_chain_cut_before_its_signed_head_is_found(
    records_db: Settings, key: Ed25519PublicKey, recorded: str
) -> None:
    for block in (3, 2):
        Outcome.objects.filter(block=block).delete()
        Prediction.objects.filter(block=block).delete()
        Refusal.objects.filter(block=block).delete()
        ChainBlock.objects.filter(writer=recorded, seq=block).delete()
        faults = verified(records_db, key).faults
        assert bool(faults) == (block == 2)  # what comes after the last signed head isn't held
    assert faults == (
        Fault(recorded, 2, None, "the chain was cut off: 2 blocks were signed, 1 are left"),
    )


def test_a_whole_chain_that_was_signed_is_missed(
    records_db: Settings, key: Ed25519PublicKey, recorded: str
) -> None:
    for table in (Outcome, Prediction, Refusal):
        table._default_manager.all().delete()
    ChainBlock.objects.filter(writer=recorded).delete()
    SignedHead.objects.all().delete()
    assert verified(records_db, key).faults == (
        Fault(recorded, 1, None, "all 2 signed blocks are missing"),
    )


def test_a_chain_that_was_made_anew_is_not_the_signed_one(
    records_db: Settings, key: Ed25519PublicKey, recorded: str
) -> None:
    from records.chain import next_block

    leaves = Refusal.objects.filter(block=1)
    Outcome.objects.all().delete()
    Prediction.objects.all().delete()
    Refusal.objects.filter(block__gt=1).delete()
    leaves.update(position=0)
    forged = next_block(recorded, None, [bytes(leaves[0].leaf)], NOW)
    ChainBlock.objects.filter(writer=recorded, seq__gt=1).delete()
    ChainBlock.objects.filter(writer=recorded).update(
        root=forged.root.hex(), hash=forged.hash.hex(), count=1, time=NOW
    )
    (fault,) = verified(records_db, key).faults
    assert (fault.block, fault.words.split(":")[0]) == (2, "the chain was cut off")
    assert verify([], key).faults == ()


def test_a_record_inserted_past_the_chain_is_found(
    records_db: Settings, key: Ed25519PublicKey, recorded: str
) -> None:
    AuditEvent.objects.create(action="alarm.close", by="mallory", recorded_at=NOW)
    assert verified(records_db, key).faults == (
        Fault("", 0, None, "a record was inserted into auditevent past the chain"),
    )


def test_a_value_that_could_never_have_been_written_is_a_change(
    sqlite_db: Settings, tmp_path: Path
) -> None:
    key = heads.read_signing_key(sqlite_db.signing_key).public_key()
    audit.note("model.promote", "ada", {}, NOW)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE records_auditevent SET details = '1e999'")
    (fault,) = verify([], key).faults
    assert (fault.block, fault.position) == (1, 0)


def test_every_chain_tells_its_own_first_fault(
    records_db: Settings, key: Ed25519PublicKey, recorded: str
) -> None:
    edit(recorded)
    AuditEvent.objects.update(by="mallory")
    faults = verified(records_db, key).faults
    assert {(fault.writer, fault.block) for fault in faults} == {(recorded, 2), ("audit", 1)}


def test_a_head_signed_by_another_key_is_no_promise(
    records_db: Settings, recorded: str, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    other = Ed25519PrivateKey.generate().public_key()
    result = verified(records_db, other)
    assert result.signed_until is None
    assert [fault.writer for fault in result.faults] == ["heads"]
    assert "isn't signed by this key" in result.faults[0].words


def test_a_changed_head_is_found(
    records_db: Settings, key: Ed25519PublicKey, recorded: str
) -> None:
    SignedHead.objects.update(time=NOW - timedelta(days=1))
    (fault,) = verified(records_db, key).faults
    assert fault.words == "the head of 2026-02-28 12:30:15.250000Z isn't signed by this key"


def test_a_missing_head_between_others_is_found(
    records_db: Settings, key: Ed25519PublicKey, recorded: str
) -> None:
    heads.sign_head(records_db.signing_key, records_db.heads, NOW + timedelta(hours=1))
    SignedHead.objects.order_by("id")[0].delete()
    sorted(records_db.heads.iterdir())[0].unlink()
    (fault,) = verified(records_db, key).faults
    assert fault.words.startswith("the head before that of 2026-03-01 13:30")
