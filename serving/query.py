"""What an address or a form asks: names with values, in the order given."""

from urllib.parse import parse_qsl

from models.errors import MalformedInput


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
