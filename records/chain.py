"""The audit chain: each commit's records under one Merkle root, each root on the one before.

Leaves are the records of one commit, `leaf = SHA256(0x00 || bytes)` of their canonical JSON; a
block's header is `{count, root, seq, time, writer}`, and `h_i = SHA256(h_(i-1) || SHA256(header))`
with 32 zero bytes before the first. Every writer has a chain of its own, which starts when it
connects; what is noted in a Django transaction goes into the chain called `audit`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from records.canonical import canonical
from records.merkle import root
from records.rows import Prepared, Row, Sql, prepare, sql_time

GENESIS = bytes(32)
AUDIT = "audit"
BLOCK_COLUMNS = ("writer", "seq", "root", "count", "time", "hash")


@dataclass(frozen=True, slots=True)
class Block:
    """The header of one commit, and its hash."""

    writer: str
    seq: int
    root: bytes
    count: int
    time: datetime
    hash: bytes

    @property
    def values(self) -> tuple[Sql, ...]:
        """The block as it is inserted, in the order of `BLOCK_COLUMNS`."""
        time = sql_time(self.time)
        return (self.writer, self.seq, self.root.hex(), self.count, time, self.hash.hex())


def link(previous: bytes, content: bytes) -> bytes:
    """Return `h_i` from `h_(i-1)` and the canonical bytes of what is linked."""
    return sha256(previous + sha256(content).digest()).digest()


def header(writer: str, seq: int, root: str, count: int, time: datetime) -> bytes:
    """Return the canonical bytes of a block's header."""
    return canonical(
        {"writer": writer, "seq": seq, "root": root, "count": count, "time": f"{sql_time(time)}Z"}
    )


def next_block(
    writer: str, previous: Block | None, leaves: Sequence[bytes], time: datetime
) -> Block:
    """Return the block that holds `leaves` and follows the writer's `previous` one."""
    seq = previous.seq + 1 if previous else 1
    merkle = root(leaves)
    content = header(writer, seq, merkle.hex(), len(leaves), time)
    hash_ = link(previous.hash if previous else GENESIS, content)
    return Block(writer, seq, merkle, len(leaves), time, hash_)


def chained(block: Block, rows: Sequence[Prepared]) -> dict[str, list[tuple[Sql, ...]]]:
    """Return whole rows by table, each with its place in the block."""
    tables: dict[str, list[tuple[Sql, ...]]] = {}
    for position, row in enumerate(rows):
        place = (block.writer, block.seq, position, row.leaf)
        tables.setdefault(row.table, []).append((*row.values, *place))
    return tables


def append(rows: Sequence[Row], now: datetime) -> None:
    """Insert rows through Django's connection, within its transaction if it is in one.

    For what is rare; predictions go through `records.writer`.
    """
    from django.db import connection, transaction

    from records.store import insert_statements

    prepared = [prepare(row) for row in rows]
    with transaction.atomic(), connection.cursor() as cursor:
        lock()
        block = next_block(AUDIT, _last_block(AUDIT), [row.leaf for row in prepared], now)
        for statement, values in insert_statements(block, chained(block, prepared)):
            cursor.executemany(statement, values)


def lock() -> None:
    """Let this transaction alone append until it ends."""
    from django.db import connection

    if connection.vendor == "postgresql":
        # SQLite's immediate transactions see to that themselves
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('auscult audit chain'))")


def _last_block(writer: str) -> Block | None:
    from records.models import ChainBlock

    last = ChainBlock.objects.filter(writer=writer).order_by("-seq").first()
    if last is None:
        return None
    root_, hash_ = bytes.fromhex(last.root), bytes.fromhex(last.hash)
    return Block(writer, last.seq, root_, last.count, last.time, hash_)
