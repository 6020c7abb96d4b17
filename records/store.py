"""The two databases as the writer sees them: a connection of its own, and one commit."""

import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Protocol

import psycopg
from psycopg import sql

from models.errors import RecordError, WriterBusy, WriterStopped
from records.chain import BLOCK_COLUMNS, Block
from records.rows import TABLES, Sql
from records.setup import BUSY_SECONDS, SQLITE, SQLITE_PRAGMAS, sqlite_path, without_secrets

Rows = Mapping[str, list[tuple[Sql, ...]]]
COLUMNS = {table.name: table.sql_columns for table in TABLES.values()}
# rows a statement, each a power of two so that few statements are prepared
_MOST_ROWS = 32
_log = logging.getLogger(__name__)
_SHORTEST_WAIT, _LONGEST_WAIT = 2e-4, 1e-2  # seconds


class Store(Protocol):
    """A database to which blocks of records are committed."""

    def commit(self, block: Block, rows: Rows) -> None:
        """Commit a block and its rows in one transaction, on disk when this returns.

        Raises RecordError if a row can't be stored, WriterBusy if the database stayed locked,
        and WriterStopped if it's gone; nothing is stored then.
        """

    def check(self) -> None:
        """Do all that a commit does but write a row; raise WriterBusy or WriterStopped as it."""

    def close(self) -> None:
        """Close the connection."""


def open_store(url: str) -> Store:
    """Connect to a database; raise WriterStopped if it can't be reached."""
    return SqliteStore(url) if url.startswith(SQLITE) else PostgresqlStore(url)


def insert_statements(block: Block, rows: Rows) -> Iterator[tuple[str, list[tuple[Sql, ...]]]]:
    """Return the statements that insert a block and its rows, each with its rows' values."""
    yield _insert("chainblock", BLOCK_COLUMNS, "%s"), [block.values]
    for table, values in rows.items():
        yield _insert(table, COLUMNS[table], "%s"), values


@cache
def _insert(table: str, columns: tuple[str, ...], placeholder: str, rows: int = 1) -> str:
    names = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join([f"({', '.join([placeholder] * len(columns))})"] * rows)
    # tables and columns are this code's own names
    return f"INSERT INTO records_{table} ({names}) VALUES {values}"  # noqa: S608


def _many(table: str, rows: list[tuple[Sql, ...]]) -> Iterator[tuple[str, tuple[Sql, ...]]]:
    """Return statements of many rows each, with their values.

    After each statement a thread waits for the interpreter's lock, so one a row costs more.
    """
    start = 0
    while start < len(rows):
        count = min(_MOST_ROWS, 1 << (len(rows) - start).bit_length() - 1)
        part = rows[start : start + count]
        yield _insert(table, COLUMNS[table], "?", count), tuple(chain.from_iterable(part))
        start += count


class SqliteStore:
    """SQLite in WAL mode: several processes may write, each commit is synced to the disk."""

    def __init__(self, url: str) -> None:
        self._path = sqlite_path(url)
        self._name = os.fspath(self._path)
        if not self._path.is_file():
            raise WriterStopped(f"there is no database {self._path}; run `auscult migrate`")
        try:
            self._connection = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
            )
            for pragma in SQLITE_PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
            # only a transaction's begin finds the database locked, and `_begin` waits better
            self._connection.execute("PRAGMA busy_timeout=0")
        except sqlite3.Error as error:
            raise WriterStopped(f"the database {self._path} can't be opened: {error}") from error
        self._file = self._file_now()

    def commit(self, block: Block, rows: Rows) -> None:
        """See `Store.commit`."""
        try:
            self._transact(block, rows)
        except sqlite3.OperationalError as error:
            self._roll_back()
            raise _why_unwritten(error) from error
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError) as error:
            self._roll_back()
            _log.warning("the database refuses a record: %s", error)
            raise RecordError("the database refuses a record") from error
        except sqlite3.Error as error:
            raise WriterStopped(f"the database can't be used: {error}") from error

    def check(self) -> None:
        """See `Store.check`."""
        try:
            self._begin(seconds=0)
            self._roll_back()
        except sqlite3.OperationalError as error:
            raise _why_unwritten(error) from error

    def _transact(self, block: Block, rows: Rows) -> None:
        execute = self._connection.execute
        self._begin(seconds=BUSY_SECONDS)
        execute(_insert("chainblock", BLOCK_COLUMNS, "?"), block.values)
        for table, values in rows.items():
            for statement, several in _many(table, values):
                execute(statement, several)
        execute("COMMIT")

    def _begin(self, *, seconds: float) -> None:
        """Wait for the database's lock; SQLite itself sleeps for longer than a commit takes."""
        if self._file_now() != self._file:
            # SQLite would go on writing to the deleted file without a complaint
            raise WriterStopped(f"the database {self._path} was moved or deleted")
        until, wait = time.monotonic() + seconds, _SHORTEST_WAIT
        while True:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(wait)
                wait = min(1.2 * wait, _LONGEST_WAIT)
            else:
                return

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _file_now(self) -> tuple[int, int]:
        try:
            status = os.stat(self._name)
        except OSError as error:
            raise WriterStopped(f"the database {self._path} is gone") from error
        return status.st_dev, status.st_ino

    def close(self) -> None:
        """See `Store.close`."""
        self._connection.close()


def _why_unwritten(error: sqlite3.OperationalError) -> RecordError:
    if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
        return WriterBusy(f"the database stayed locked for {BUSY_SECONDS} s")
    return WriterStopped(f"the database can't be written: {error}")


class PostgresqlStore:
    """PostgreSQL, rows by COPY.

    Per row in commits of 256 rows of 30 features, COPY took 64 us, executemany in a pipeline
    132, unnest 219 and many VALUES 330; in commits of one, 0.9 ms, 1.5, 2.3 and 3.0.
    """

    def __init__(self, url: str) -> None:
        try:
            self._connection = psycopg.connect(
                url, autocommit=True, cursor_factory=psycopg.ClientCursor
            )
            self._cursor = self._connection.cursor()
            self._cursor.execute("SET timezone TO 'UTC'")
            if self.synchronous_commit == "off":
                self._cursor.execute("SET synchronous_commit TO on")
        except psycopg.Error as error:
            raise WriterStopped(
                f"the database {without_secrets(url)} can't be opened: {error}"
            ) from error
        self._copies = {
            table: sql.SQL("COPY {} ({}) FROM STDIN").format(
                sql.Identifier(f"records_{table}"),
                sql.SQL(", ").join(map(sql.Identifier, columns)),
            )
            for table, columns in COLUMNS.items()
        }
        self._begin = f"BEGIN; {_insert('chainblock', BLOCK_COLUMNS, '%s')}"
        tables = [f"records_{table}" for table in ("chainblock", *COLUMNS)]
        # takes the locks of a commit, is refused where one is, and inserts no row
        inserts = [f"INSERT INTO {one} SELECT * FROM {one} WHERE false" for one in tables]  # noqa: S608
        self._check = "; ".join(["BEGIN; SET LOCAL lock_timeout TO '100ms'", *inserts, "ROLLBACK"])

    @property
    def synchronous_commit(self) -> str:
        """How far a commit has come when the server reports it."""
        (setting,) = self._cursor.execute("SHOW synchronous_commit").fetchone() or ("",)
        return str(setting)

    def commit(self, block: Block, rows: Rows) -> None:
        """See `Store.commit`."""
        try:
            # one round trip for both statements
            self._cursor.execute(self._begin, block.values)
            for table, values in rows.items():
                with self._cursor.copy(self._copies[table]) as copy:
                    for row in values:
                        copy.write_row(row)
            self._cursor.execute("COMMIT")
        except psycopg.Error as error:
            self._roll_back(error)
            # of the latter kind is that it can only be read; no row is at fault
            if isinstance(error, psycopg.OperationalError | psycopg.InternalError):
                raise _busy(error) from error
            _log.warning("the database refuses a record: %s", _words(error))
            raise RecordError("the database refuses a record") from error

    def check(self) -> None:
        """See `Store.check`."""
        try:
            self._cursor.execute(self._check)
        except psycopg.Error as error:
            self._roll_back(error)
            raise _busy(error) from error

    def _roll_back(self, cause: psycopg.Error) -> None:
        try:
            if not self._connection.closed:
                self._cursor.execute("ROLLBACK")
        except psycopg.Error:
            self._connection.close()
        if self._connection.closed:
            _log.error("the database is gone: %s", _words(cause))
            raise WriterStopped("the connection to the database is gone") from cause

    def close(self) -> None:
        """See `Store.close`."""
        self._connection.close()


def _busy(error: psycopg.Error) -> WriterBusy:
    """Return what callers are told; the server's own words are for the log alone."""
    _log.warning("the database is busy: %s", _words(error))
    return WriterBusy("the database is busy, so nothing can be recorded for now")


def _words(error: psycopg.Error) -> str:
    """Return the server's message without its context, which quotes the row."""
    return error.diag.message_primary or type(error).__name__
