"""What a stream remembers between days: integer counts and one number a bet, exact to the bit."""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import EvidenceError
from monitoring.evidence.dispersion import KINDS, NOTHING_YET, Dispersion

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Rows = Mapping[int, Counts]  # rows a bin, [bins], of the strata that have any

_VERSION, _WITHOUT_DISPERSION = 2, 1
# magic, version, joining, strata, bins, bets, epoch, closed_through
_HEADER = struct.Struct("<4sBBHHHII")
_MAGIC = b"AEVS"
_DISPERSION = struct.Struct("<dI")  # behind the last days' counts
_CHECKSUM = struct.Struct("<I")


@dataclass(frozen=True, eq=False)
class StreamState:
    """Counts are [strata, bins]; `log_m`, `log_run` and `run_start` are [bets].

    `log_m` is the log of the Shiryaev-Roberts sum. `log_run` is the best log likelihood ratio of
    any recent start, `run_start` that start as a day's ordinal: the change-point estimate. A run
    that has gained nothing but rounding has not begun.
    `epoch` counts how often rows were first kept out of the reference; `dispersion` is that of the
    days that joined it.
    """

    reference: Counts
    today: Counts
    log_m: Floats
    log_run: Floats
    run_start: NDArray[np.int32]
    closed_through: int = 0
    epoch: int = 0
    joining: bool = True
    dispersion: Dispersion = NOTHING_YET

    def __post_init__(self) -> None:
        if self.reference.ndim != 2 or self.reference.shape != self.today.shape:
            raise EvidenceError("reference and today's counts must both be [strata, bins]")
        if (self.reference < 0).any() or (self.today < 0).any():
            raise EvidenceError("a stream's counts can't be negative")
        if self.dispersion.last.shape not in ((KINDS, 0), (KINDS, self.reference.shape[1])):
            raise EvidenceError("the last days' counts must be [kinds of days, bins]")
        if not self.log_m.shape == self.log_run.shape == self.run_start.shape:
            raise EvidenceError("a stream's evidence must hold one number for each bet")

    @property
    def last_closed(self) -> date | None:
        """Return the last day that was closed, if any was."""
        return date.fromordinal(self.closed_through) if self.closed_through else None

    def changed(self, **parts: Any) -> "StreamState":
        """Return the state with parts that are right by construction; they aren't checked again."""
        state = object.__new__(StreamState)
        state.__dict__.update(self.__dict__, **parts)
        return state

    def observe(self, counts: ArrayLike, stratum: int = 0) -> "StreamState":
        """Add rows to the open day; the order in which this is done changes nothing."""
        return self.changed(today=_with(self.today, counts, stratum, 1))

    @property
    def open_rows(self) -> Rows:
        """Return the open day's rows."""
        return {at: self.today[at] for at in np.flatnonzero(self.today.any(axis=1)).tolist()}

    def merge(self, other: "StreamState") -> "StreamState":
        """Join the open day of two workers that started from the same closed state."""
        if replace(self, today=other.today).to_bytes() != other.to_bytes():
            raise EvidenceError("two states can be merged only while they differ in today's rows")
        return replace(self, today=self.today + other.today)

    def withdraw(self, counts: ArrayLike, stratum: int = 0) -> "StreamState":
        """Take rows that proved to be faulty out of the reference; begins a new epoch."""
        reference = _with(self.reference, counts, stratum, -1)
        return replace(
            self, reference=reference, epoch=self.epoch + int(self.joining), joining=False
        )

    def admit(self, counts: ArrayLike, stratum: int = 0) -> "StreamState":
        """Let rows that were kept out join the reference, for an alarm that proved false."""
        return self.changed(reference=_with(self.reference, counts, stratum, 1))

    def forget(self, bets: NDArray[np.bool_]) -> "StreamState":
        """Begin the evidence of some bets, [bets], anew; the reference stays as it is."""
        return self.changed(
            log_m=np.where(bets, -np.inf, self.log_m),
            log_run=np.where(bets, -np.inf, self.log_run),
            run_start=np.where(bets, 0, self.run_start).astype(np.int32),
        )

    def to_bytes(self) -> bytes:
        """Write the state exactly, with a version and a checksum."""
        strata, bins = self.reference.shape
        header = _HEADER.pack(
            _MAGIC,
            _VERSION,
            int(self.joining),
            strata,
            bins,
            self.log_m.size,
            self.epoch,
            self.closed_through,
        )
        body = header + b"".join(
            part.astype(kind).tobytes()
            for part, kind in (
                (self.reference, "<i8"),
                (self.today, "<i8"),
                (self.log_m, "<f8"),
                (self.log_run, "<f8"),
                (self.run_start, "<i4"),
            )
        )
        found = self.dispersion
        body += found.last.astype("<i8").tobytes().ljust(8 * KINDS * bins, b"\0")
        body += _DISPERSION.pack(found.total, found.pairs)
        return body + _CHECKSUM.pack(zlib.crc32(body))

    @classmethod
    def from_bytes(cls, data: bytes) -> "StreamState":
        """Read what `to_bytes` wrote; refuse another version, another length, a changed byte."""
        if len(data) < _HEADER.size + _CHECKSUM.size or data[:4] != _MAGIC:
            raise EvidenceError(f"these {len(data)} bytes are not a stream's state")
        _, version, joining, strata, bins, bets, epoch, closed = _HEADER.unpack_from(data)
        if version not in (_WITHOUT_DISPERSION, _VERSION):
            raise EvidenceError(f"a stream's state is of version {version}, this code reads 1 or 2")
        cells = strata * bins
        body = data[: -_CHECKSUM.size]
        end = _HEADER.size + 16 * cells + 20 * bets
        more = 8 * KINDS * bins + _DISPERSION.size if version == _VERSION else 0
        if len(body) != end + more:
            raise EvidenceError(f"a stream's state has {len(data)} bytes, its header says other")
        if _CHECKSUM.unpack(data[-_CHECKSUM.size :])[0] != zlib.crc32(body):
            raise EvidenceError("a stream's state was changed or cut: its checksum is wrong")
        at = _HEADER.size
        reference, today = (
            np.frombuffer(body, "<i8", cells, at + 8 * cells * part)
            .astype(np.int64)
            .reshape(strata, bins)
            for part in (0, 1)
        )
        at += 16 * cells
        log_m, log_run = (
            np.frombuffer(body, "<f8", bets, at + 8 * bets * part).astype(np.float64)
            for part in (0, 1)
        )
        run_start = np.frombuffer(body, "<i4", bets, at + 16 * bets).astype(np.int32)
        dispersion = _dispersion(body, end, bins) if more else NOTHING_YET
        return cls(
            reference, today, log_m, log_run, run_start, closed, epoch, bool(joining), dispersion
        )


def _dispersion(body: bytes, at: int, bins: int) -> Dispersion:
    last = np.frombuffer(body, "<i8", KINDS * bins, at).astype(np.int64).reshape(KINDS, bins)
    return Dispersion(last, *_DISPERSION.unpack_from(body, at + 8 * KINDS * bins))


def opened(reference: ArrayLike, bets: int) -> StreamState:
    """Open a stream with its reference's counts, [bins] or [strata, bins], and no evidence."""
    counts = np.atleast_2d(_integers(reference))
    nothing = np.full(bets, -np.inf)
    return StreamState(
        counts, np.zeros_like(counts), nothing, nothing.copy(), np.zeros(bets, np.int32)
    )


def with_rows(reference: Counts, rows: Rows) -> Counts:
    """Return a reference, [strata, bins], with rows of some strata."""
    reference = reference.copy()
    for stratum, row in rows.items():
        reference[stratum] += row
    return reference


def _integers(counts: ArrayLike) -> Counts:
    array = np.asarray(counts)
    if array.dtype.kind not in "iu":
        raise EvidenceError(f"counts must be whole numbers, got {array.dtype}")
    return array.astype(np.int64)


def _with(table: Counts, counts: ArrayLike, stratum: int, sign: int) -> Counts:
    added = _integers(counts)
    strata, bins = table.shape
    if added.shape != (bins,):
        raise EvidenceError(f"counts have shape {added.shape}, this stream has {bins} bins")
    if not 0 <= stratum < strata:
        raise EvidenceError(f"stratum {stratum} is not one of this stream's {strata}")
    if (added < 0).any():
        raise EvidenceError("counts of rows can't be negative")
    result = table.copy()
    result[stratum] += sign * added
    return result
