"""What an address or a form asks: names with values, in the order given."""

from collections.abc import Sequence
from urllib.parse import parse_qsl

from models.errors import MalformedInput

# of FHIR's own parameters those that leave what is answered as it is
OF_FORM = ("_format", "_pretty")
AS_IT_IS = ("_summary", "false")
WHOLE = "what is answered is whole, without _summary or _elements"


def read_query(text: bytes) -> list[tuple[str, str]]:
    """Return what a query or a form asks, each name as often as it's given.

    Raises MalformedInput for a NUL, which PostgreSQL takes in no text; of bytes that are no
    UTF-8 each becomes the replacement character.
    """
    given = parse_qsl(text.decode("latin-1"), keep_blank_values=True)
    if any("\0" in name or "\0" in value for name, value in given):
        raise MalformedInput(
            "a parameter holds the character NUL (%00), which no record can; leave it out",
            field="query",
            reason="control_character",
        )
    return given


def check_query(text: bytes, known: Sequence[str], *, of_fhir: bool) -> None:
    """Raise MalformedInput for a parameter that wouldn't be heeded, or is given twice.

    Of FHIR's own, those of the answer's form are taken beside those that are known, and that the
    answer is to be whole.
    """
    given = read_query(text)
    names = [one[0] for one in given if not of_fhir or one != AS_IT_IS]
    if not of_fhir and not known:
        raise _unknown(
            "the address has a query, which isn't read; send all of the request in the body"
        )
    taken = [*known, *OF_FORM] if of_fhir else [*known]
    for name in names:
        if names.count(name) > 1 or name not in taken:
            whole = f"; {WHOLE}" if of_fhir else ""
            raise _unknown(
                f"each of {', '.join(taken)} may be given once in the address, and nothing else"
                + whole
            )


def _unknown(words: str) -> MalformedInput:
    return MalformedInput(words, field="query", reason="unknown_parameter")
