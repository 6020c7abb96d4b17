"""SMART scopes as our own: what an access token grants, and for one patient or for all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from records.clients import SCOPES

_GRAMMAR = re.compile(
    r"(?P<context>patient|user|system)/(?P<type>[A-Z][A-Za-z]*|\*)"
    r"\.(?P<rights>c?r?u?d?s?|read|write|\*)(?P<query>\?.+)?"
)
_V1: Mapping[str, str] = {"read": "rs", "write": "cud", "*": "cruds"}
_OURS = {"c": "predict", "r": "read", "s": "read"}
# these are granted by their own URI only, never by a wildcard
BY_URI = tuple(name for name in SCOPES if name not in _OURS.values())
URI_PATH = "/scope/"


@dataclass(frozen=True, slots=True)
class Granted:
    """Our scopes that a token grants; `wide` for every patient, `narrow` for the token's own.

    It is `for_one` where it has any scope of a patient's, of whatever type of resource (AUTH-7).
    """

    wide: frozenset[str]
    narrow: frozenset[str]
    for_one: bool = False


def granted(scope: str, public_url: str) -> Granted:
    """Return what a token's `scope` grants; what isn't understood grants nothing.

    A scope with a `?query` limits which resources are meant, which can't be kept here.
    """
    wide: set[str] = set()
    narrow: set[str] = set()
    for_one = False
    prefix = public_url.rstrip("/") + URI_PATH
    for one in scope.split():
        name = one.removeprefix(prefix)
        if one.startswith(prefix) and name in BY_URI:
            wide.add(name)
            continue
        found = _GRAMMAR.fullmatch(one)
        if found is None or not found["rights"]:
            continue
        for_one = for_one or found["context"] == "patient"
        if found["query"]:
            continue
        if found["type"] not in ("RiskAssessment", "*"):
            continue
        rights = _V1.get(found["rights"], found["rights"])
        ours = {_OURS[letter] for letter in rights if letter in _OURS}
        (narrow if found["context"] == "patient" else wide).update(ours)
    return Granted(frozenset(wide), frozenset(narrow - wide), for_one)
