"""The last days' counts of a stream, from which an alarm's size is read."""

import struct
import zlib
from dataclasses import dataclass
from datetime import date

import numpy as np

from models.errors import EvidenceError
from monitoring.evidence.detector import Closing
from monitoring.evidence.state import Counts

KEPT_DAYS = 90
_HEADER = struct.Struct("<4sBHHH")
_MAGIC, _VERSION = b"AEVH", 1


@dataclass(frozen=True, eq=False)
class PastDay:
    """A closed day's counts, [strata, bins], and whether they joined the reference."""

    day: date
    counts: Counts
    joined: bool


@dataclass(frozen=True, eq=False)
class History:
    """At most 90 closed days that had rows, oldest first."""

    days: tuple[PastDay, ...] = ()

    def after(self, closing: Closing) -> "History":
        """Return the history with a closed day added and the oldest dropped."""
        if not closing.counts.any():
            return self
        latest = PastDay(closing.day, closing.counts, closing.joined)
        return History((*self.days, latest)[-KEPT_DAYS:])

    def since(self, onset: date) -> tuple[PastDay, ...]:
        """Return the days from `onset` on that are still kept."""
        return tuple(past for past in self.days if past.day >= onset)

    def to_bytes(self) -> bytes:
        """Write the days exactly, compressed; zlib's checksum guards them."""
        if not self.days:
            return b""
        strata, bins = self.days[0].counts.shape
        header = _HEADER.pack(_MAGIC, _VERSION, len(self.days), strata, bins)
        when = np.array([past.day.toordinal() for past in self.days], "<i4").tobytes()
        joined = bytes(past.joined for past in self.days)
        counts = np.stack([past.counts for past in self.days]).astype("<i8").tobytes()
        return header + zlib.compress(when + joined + counts)

    @classmethod
    def from_bytes(cls, data: bytes) -> "History":
        """Read what `to_bytes` wrote; refuse anything else."""
        if not data:
            return cls()
        if len(data) < _HEADER.size or data[:4] != _MAGIC or data[4] != _VERSION:
            raise EvidenceError(f"these {len(data)} bytes are not a stream's history")
        _, _, size, strata, bins = _HEADER.unpack_from(data)
        try:
            body = zlib.decompress(data[_HEADER.size :])
        except zlib.error as error:
            raise EvidenceError(f"a stream's history was changed or cut: {error}") from error
        if len(body) != size * (5 + 8 * strata * bins):
            raise EvidenceError("a stream's history has another length than its header says")
        when = np.frombuffer(body, "<i4", size)
        counts = np.frombuffer(body, "<i8", size * strata * bins, 5 * size).astype(np.int64)
        rows = counts.reshape(size, strata, bins)
        return cls(
            tuple(
                PastDay(date.fromordinal(int(when[i])), rows[i], bool(body[4 * size + i]))
                for i in range(size)
            )
        )
