"""Replaced predictions: one replacement holds, however many come at once."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from django.db import connection

from records import amendments, chain
from records.models import Amendment
from records.rows import AmendmentRow
from records.settings import Settings
from tests.records.made_up import NOW, prediction


def amendment(of: UUID, status: str, replacement: UUID | None) -> AmendmentRow:
    return AmendmentRow(
        prediction=of,
        status=status,
        replacement=replacement,
        source="",
        recorded_at=NOW,
        client="0123456789abcdef",
        is_test=False,
    )


def replace(old: UUID, new: UUID) -> UUID | None:
    try:
        amended = amendment(old, "amended", new)
        return amendments.replace(amended, amendment(new, "entered-in-error", None), NOW)
    finally:
        connection.close()


def test_of_replacements_at_the_same_time_the_first_holds_and_the_others_are_told_which(
    records_db: Settings,
) -> None:
    old, *new = (prediction() for _ in range(7))
    chain.append([old, *new], NOW)
    assert amendments.replacement_of(old.id) is None
    with ThreadPoolExecutor(len(new)) as threads:
        before = list(threads.map(lambda one: replace(old.id, one.id), new))
    holds = amendments.replacement_of(old.id)
    assert sorted(map(str, before)) == sorted(["None"] + 5 * [str(holds)])
    assert new[before.index(None)].id == holds
    withdrawn = Amendment.objects.filter(status="entered-in-error")
    assert {one.prediction_id for one in withdrawn} == {one.id for one in new} - {holds}
    assert Amendment.objects.filter(status="amended").count() == 1
