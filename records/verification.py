"""Verifying the audit chain: every record, block and signed head, and where the first is wrong."""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection
from django.db.models import Max, Model, QuerySet
from django.db.models.functions import Collate

from models.errors import RecordError
from records.chain import GENESIS, header, link
from records.heads import NONE_BEFORE, SignedStatement
from records.merkle import root
from records.models import (
    Amendment,
    AuditEvent,
    ChainBlock,
    Chained,
    Feedback,
    Outcome,
    Prediction,
    Refusal,
)
from records.rows import (
    TABLES,
    AmendmentRow,
    AuditRow,
    FeedbackRow,
    OutcomeRow,
    PredictionRow,
    RefusalRow,
    Table,
    leaf_of,
)

ROWS_AT_ONCE = 2_000
CHAINED: tuple[tuple[type[Chained], Table], ...] = (
    (Prediction, TABLES[PredictionRow]),
    (Refusal, TABLES[RefusalRow]),
    (Outcome, TABLES[OutcomeRow]),
    (Feedback, TABLES[FeedbackRow]),
    (Amendment, TABLES[AmendmentRow]),
    (AuditEvent, TABLES[AuditRow]),
)
HEADS = "heads"
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Fault:
    """The first wrong place of a writer's chain; `position` where one record can be named."""

    writer: str
    block: int
    position: int | None
    words: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was verified, the first fault of each chain, and until when heads were signed."""

    writers: int
    blocks: int
    records: int
    signed_until: str | None
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class _Leaf:
    table: str
    writer: str
    block: int
    position: int
    stored: bytes
    computed: bytes

    @property
    def place(self) -> tuple[str, int, int]:
        return self.writer, self.block, self.position


class _Leaves:
    """All records' leaves in the chain's order, taken block by block; the others are strays."""

    def __init__(self, leaves: Iterable[_Leaf]) -> None:
        self._groups = groupby(leaves, key=lambda leaf: (leaf.writer, leaf.block))
        self._next = self._read()
        self.strays: dict[tuple[str, int], str] = {}
        self.count = 0

    def _read(self) -> tuple[tuple[str, int], list[_Leaf]] | None:
        group = next(self._groups, None)
        return group and (group[0], list(group[1]))

    def of(self, writer: str, block: int) -> list[_Leaf]:
        """Return a block's leaves; places must be asked for in order."""
        self._pass(before=(writer, block))
        if self._next is None or self._next[0] != (writer, block):
            return []
        leaves, self._next = self._next[1], self._read()
        self.count += len(leaves)
        return leaves

    def rest(self) -> None:
        """Take what is left for strays."""
        self._pass(before=None)

    def _pass(self, before: tuple[str, int] | None) -> None:
        while self._next is not None and (before is None or self._next[0] < before):
            self.strays[self._next[0]] = self._next[1][0].table
            self._next = self._read()


def verify(signed: Sequence[SignedStatement], key: Ed25519PublicKey) -> Verification:
    """Recompute every chain, and hold it against the statements that `key` signed.

    Writers may go on meanwhile: what they add after the start isn't looked at.
    """
    faults: dict[str, Fault] = {}
    for fault in _faults_of_heads(signed, key):
        faults.setdefault(HEADS, fault)
    trusted = [one for one in signed if one.is_signed_by(key)]
    promised = _promised(trusted)
    newest = ChainBlock.objects.values("writer").annotate(end=Max("seq"))
    ends = {row["writer"]: row["end"] for row in newest}
    leaves = _Leaves(_read_leaves())
    for writer, blocks in groupby(_read_blocks(ends), key=lambda block: block.writer):
        first = _first_fault(writer, blocks, leaves, promised.pop(writer, {}))
        if first:
            faults[writer] = first
    for writer, heads in promised.items():
        faults[writer] = Fault(writer, 1, None, f"all {max(heads)} signed blocks are missing")
    leaves.rest()
    _note_strays(leaves.strays, ends, faults)
    return Verification(
        writers=len(ends),
        blocks=sum(ends.values()),
        records=leaves.count,
        signed_until=max((one.statement.time for one in trusted), default=None),
        faults=tuple(faults.values()),
    )


def _first_fault(
    writer: str, blocks: Iterable[ChainBlock], leaves: _Leaves, promised: Mapping[int, str]
) -> Fault | None:
    previous, seq = GENESIS, 0
    for block in blocks:
        seq += 1
        if block.seq != seq:
            return Fault(writer, seq, None, "the block is missing")
        fault = _fault_of_leaves(block, leaves.of(writer, seq))
        if fault:
            return fault
        previous = link(previous, header(writer, seq, block.root, block.count, block.time))
        if previous.hex() != block.hash:
            return Fault(writer, seq, None, "the block's header was changed")
        if promised.get(seq, block.hash) != block.hash:
            return Fault(writer, seq, None, "the block isn't the one that was signed")
    if promised and max(promised) > seq:
        words = f"the chain was cut off: {max(promised)} blocks were signed, {seq} are left"
        return Fault(writer, seq + 1, None, words)
    return None


def _fault_of_leaves(block: ChainBlock, leaves: Sequence[_Leaf]) -> Fault | None:
    for position, leaf in enumerate(leaves):
        if leaf.position > position:
            return Fault(block.writer, block.seq, position, "the record was deleted")
        if leaf.position < position or position >= block.count:
            words = f"a record was inserted into {leaf.table}"
            return Fault(block.writer, block.seq, leaf.position, words)
        if leaf.computed != leaf.stored:
            words = f"the record in {leaf.table} was changed"
            return Fault(block.writer, block.seq, position, words)
    if len(leaves) < block.count:
        return Fault(block.writer, block.seq, len(leaves), "the record was deleted")
    if root([leaf.computed for leaf in leaves]).hex() != block.root:
        words = "records or their order were changed together with their hashes"
        return Fault(block.writer, block.seq, None, words)
    return None


def _note_strays(
    strays: Mapping[tuple[str, int], str], ends: Mapping[str, int], faults: dict[str, Fault]
) -> None:
    """Note records that no block holds, unless their block was committed after the start."""
    for (writer, block), table in strays.items():
        if writer in faults:
            continue
        is_new = block > ends.get(writer, 0)
        if is_new and ChainBlock.objects.filter(writer=writer, seq=block).exists():
            continue
        words = f"a record was inserted into {table} past the chain"
        faults[writer] = Fault(writer, block, None, words)


def _faults_of_heads(signed: Sequence[SignedStatement], key: Ed25519PublicKey) -> Iterator[Fault]:
    known = {NONE_BEFORE, *(one.statement.digest for one in signed)}
    for number, one in enumerate(signed, start=1):
        if not one.is_signed_by(key):
            words = f"the head of {one.statement.time} isn't signed by this key"
            yield Fault(HEADS, number, None, words)
        elif one.statement.previous not in known:
            words = f"the head before that of {one.statement.time} is missing"
            yield Fault(HEADS, number, None, words)


def _promised(trusted: Iterable[SignedStatement]) -> dict[str, dict[int, str]]:
    promised: dict[str, dict[int, str]] = {}
    for one in trusted:
        for writer, head in one.statement.heads.items():
            promised.setdefault(writer, {})[head.seq] = head.hash
    return promised


def _read_blocks(ends: Mapping[str, int]) -> Iterator[ChainBlock]:
    for block in _in_order(ChainBlock.objects.all(), "seq").iterator(ROWS_AT_ONCE):
        if block.seq <= ends.get(block.writer, 0):
            yield block


def _read_leaves() -> Iterator[_Leaf]:
    tables = [_leaves_of(model, table) for model, table in CHAINED]
    return heapq.merge(*tables, key=lambda leaf: leaf.place)


def _leaves_of(model: type[Chained], table: Table) -> Iterator[_Leaf]:
    ordered = _in_order(model._default_manager.all(), "block", "position")
    rows = ordered.values_list(*table.sql_columns)
    try:
        for *values, writer, block, position, leaf in rows.iterator(ROWS_AT_ONCE):
            yield _Leaf(table.name, writer, block, position, bytes(leaf), _computed(table, values))
    except ValueError as error:
        raise RecordError(
            f"a record in {table.name} can't be read, so it was changed: {error}"
        ) from error


def _computed(table: Table, values: Sequence[object]) -> bytes:
    try:
        return leaf_of(table, values)
    except (RecordError, TypeError, AttributeError):
        # what this code could never have written matches no hash
        return b""


def _in_order(rows: QuerySet[M], *columns: str) -> QuerySet[M]:
    """Order by writer as Python orders strings, whatever the database's language."""
    binary = "C" if connection.vendor == "postgresql" else "BINARY"
    return rows.order_by(Collate("writer", binary), *columns)
