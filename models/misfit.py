"""What doesn't fit an agreed form, in our own words: the thing, and what to do about it.

The readers' own texts are never passed on: they speak of types, and some repeat the value.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from models.errors import MalformedInput

# in a pattern, what keeps a line break from its end
_NO_LINE_BREAK = re.compile(r"\(\?!\\+n\)")
_PLACE = re.compile(r" - at `\$\.?(?P<place>[^`]*)`$")
# a feature's name may look so; what has more digits may be somebody's number
_NAME = re.compile(r"(?!.*\d{4})[a-z][a-z0-9_]{0,62}")
# an escape of the first half of a surrogate pair with another text behind it than the second half
_HALF = re.compile(
    rb"(?<!\\)(?:\\\\)*(\\u[dD][89abAB][0-9a-fA-F]{2})(?=.)(?!\\u[dD][c-fC-F])", re.DOTALL
)
_TIME = "2026-01-05T10:15:00Z"
_NOUNS = {
    "array": "a list",
    "bool": "true or false",
    "datetime": "a time with its offset",
    "float": "a number",
    "int": "a whole number",
    "null": "null",
    "object": "an object",
    "str": "a text",
    "uuid": "a UUID",
}
_SIDES = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than", "==": "exactly"}
_NOT_SHOWN = "a key that isn't shown"


@dataclass(frozen=True, slots=True)
class _Rule:
    """A text of msgspec's: the slug of what is wrong, and our words for it."""

    pattern: re.Pattern[str]
    reason: str
    words: Callable[[re.Match[str]], str]


def _rule(pattern: str, reason: str, words: str | Callable[[re.Match[str]], str]) -> _Rule:
    tell = words if callable(words) else lambda _: words
    return _Rule(re.compile(pattern, re.DOTALL), reason, tell)


_RULES = (
    _rule(
        r"Expected `([^`]+)`, got `([^`]+)`$",
        "wrong_type",
        lambda m: f"must be {_noun(m[1])}, not {_noun(m[2])}",
    ),
    _rule(
        r"Expected `(?:str|array|object)` of length (\S+) (\d+)$",
        "wrong_type",
        lambda m: f"must have a length of {_SIDES.get(m[1], m[1])} {m[2]}",
    ),
    _rule(
        r"Expected `(?:int|float)` (\S+) (\S+)$",
        "wrong_type",
        lambda m: f"must be {_SIDES.get(m[1], m[1])} {m[2]}",
    ),
    _rule(
        r"Expected `str` matching regex '(.*)'$",
        "wrong_type",
        lambda m: f"must be written as the pattern {_NO_LINE_BREAK.sub('', m[1])} says",
    ),
    _rule(r"Expected `datetime` with", "no_timezone", f"has no offset; give one, as {_TIME}"),
    _rule(r"Invalid RFC3339", "wrong_type", f"is no day and time; write one as {_TIME}"),
    _rule(r"Invalid UUID", "wrong_type", "is no UUID"),
    _rule(r"Invalid enum value", "wrong_type", "is none of the values that are known here"),
    _rule(r".*out of range", "not_finite", "is beyond what a number can hold"),
)


def misfit(text: str, *, taken: Mapping[str, Sequence[str]] | None = None) -> MalformedInput:
    """Make the error for JSON of another form, from what msgspec says of it.

    `taken` lists the keys that are known at a place, to be named where another key stands.
    """
    found = _PLACE.search(text)
    place = found["place"] if found else ""
    said = text[: found.start()] if found else text
    unknown = re.match(r"Object contains unknown field `(.*)`$", said, re.DOTALL)
    if unknown:
        return _unknown(place, unknown[1], (taken or {}).get(place, ()))
    missing = re.match(r"Object missing required field `(.*)`$", said)
    if missing:
        field = _joined(place, missing[1])
        return MalformedInput(f"{field}: is missing; give it", field=field, reason="missing_field")
    field = place or "body"
    for rule in _RULES:
        match = rule.pattern.match(said)
        if match:
            return MalformedInput(f"{field}: {rule.words(match)}", field=field, reason=rule.reason)
    return MalformedInput(f"{field}: is not of the agreed form", field=field, reason="wrong_type")


def json_fault(error: Exception, body: bytes = b"") -> str:
    """Say in which way a text isn't JSON."""
    half = _HALF.search(body) if "truncated" in str(error) else None
    if half is not None:
        # the reader looks for the other half beyond the end
        return f"it has half of a surrogate pair at byte {half.start(1)}, which is no letter"
    at = re.search(r"\(byte (\d+)\)$", str(error))
    if isinstance(error, UnicodeDecodeError):
        return "it isn't text in UTF-8"
    return f"it breaks the rules at byte {at[1]}" if at else "it ends too early"


def faults_in_words(
    error: ValidationError,
    name: Callable[[Sequence[int | str]], str],
    *,
    is_secret: Callable[[str], bool] = lambda _: False,
) -> str:
    """Say every fault that pydantic found, each with the thing's name and its value."""
    words = []
    for fault in error.errors(include_url=False):
        called = name(fault["loc"])
        given = "" if is_secret(called) else _shown(fault["input"])
        words.append(f"{called}: {_fault(fault['type'], fault.get('ctx', {}), given)}")
    return "; ".join(words)


def nearest(name: str, known: Sequence[str], *, prefix: str = "") -> str:
    """Return ` (did you mean NAME?)` for the known name that is most like this one, or nothing.

    `prefix` is what all names begin with, so that it makes none like another.
    """
    own = [one.removeprefix(prefix) for one in known]
    found = get_close_matches(name.removeprefix(prefix), own, 1)
    return f" (did you mean {prefix}{found[0]}?)" if found else ""


def _unknown(place: str, key: str, taken: Sequence[str]) -> MalformedInput:
    # a key that is no plain name may be anything, a person's name too
    plain = _NAME.fullmatch(key) is not None
    field = _joined(place, key) if plain else place or "body"
    shown = field if plain else f"{field}: {_NOT_SHOWN}"
    guess = nearest(key, taken) if plain else ""
    known = f"; taken are {', '.join(taken)}" if taken else "; leave it out"
    return MalformedInput(
        f"{shown} is not known here{guess}{known}", field=field, reason="unknown_field"
    )


def _joined(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _noun(types: str) -> str:
    nouns = [_NOUNS.get(one, one) for one in types.split(" | ")]
    return nouns[0] if len(nouns) == 1 else f"{', '.join(nouns[:-1])} or {nouns[-1]}"


def _shown(value: Any) -> str:
    """Return a value for a message: a short scalar as it is, nothing else."""
    if isinstance(value, str | int | float | bool) and len(repr(value)) <= 60:
        return f", not {value!r}"
    return ""


def _fault(kind: str, about: Mapping[str, Any], given: str) -> str:
    if kind == "missing":
        return "is missing; give it"
    if kind == "extra_forbidden":
        return "is not a known key; correct its name or remove it"
    if kind in ("value_error", "assertion_error"):
        return str(about["error"])
    wanted = _WANTED.get(kind)
    if wanted is None:
        wanted = next(
            (words for part, words in _ENDINGS.items() if part in kind), "of another form"
        )
    return f"must be {wanted.format_map(_plain(about))}{given}"


def _plain(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return limits as people write them: 0, not 0.0."""
    return {k: f"{v:g}" if isinstance(v, float) else v for k, v in about.items()}


_WANTED = {
    "literal_error": "one of {expected}",
    "enum": "one of {expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "finite_number": "a finite number",
    "string_too_short": "{min_length} characters or more",
    "string_pattern_mismatch": "written as the pattern {pattern} says",
    "too_short": "a list of {min_length} or more",
    "too_long": "a list of {max_length} or fewer",
}
_ENDINGS = {
    "int_": "a whole number",
    "float_": "a number",
    "bool_": "true or false",
    "string_": "a text",
    "date_": "a day, as 2026-01-05",
    "path_": "a path",
    "tuple_": "a list",
    "dict_": "a table",
    "model_": "a table",
}
