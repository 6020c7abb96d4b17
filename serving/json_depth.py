"""Refusing JSON that is nested deeper than anybody means, before anything reads it (API-4)."""

import re

import numpy as np

from serving.json_scan import MAX_DEPTH, is_plain
from serving.problems import TooLarge

__all__ = ["MAX_DEPTH", "check_depth"]

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_STEPS = np.zeros(256, np.int8)
_STEPS[[ord("{"), ord("[")]] = 1
_STEPS[[ord("}"), ord("]")]] = -1


def check_depth(body: bytes) -> None:
    """Raise TooLarge for a body that is nested deeper than MAX_DEPTH, JSON or not."""
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH or is_plain(body):
        return
    # brackets in texts neither nest nor close
    if _depth(_STRING.sub(b"", body)) > MAX_DEPTH:
        raise TooLarge(f"the body may be nested {MAX_DEPTH} deep at most")


def _depth(body: bytes) -> int:
    steps = _STEPS[np.frombuffer(body, np.uint8)]
    return int(np.cumsum(steps, dtype=np.int32).max())
