"""A ward's name: text from outside that is recorded and shown, so it's bounded and printable."""

from models.amounts import counted
from models.errors import MalformedInput

LONGEST_WARD = 64
WRITTEN = f"1 to {LONGEST_WARD} printable characters, no space at either end"


def is_ward(text: str) -> bool:
    """Say whether a text can name a ward: no control, format or surrogate character, no new line.

    Of the spaces only the plain one will do, within the name.
    """
    return 0 < len(text) <= LONGEST_WARD and text.isprintable() and text.strip() == text


def check_ward(text: str, field: str) -> None:
    """Raise MalformedInput that names the field for a text that can't name a ward.

    The text itself isn't repeated, since nobody knows what somebody put there; how long it is, is.
    """
    if not is_ward(text):
        raise MalformedInput(
            f"{field}: can't name a ward; it {_fault(text)}; write {WRITTEN}",
            field=field,
            reason="bad_ward",
        )


def _fault(text: str) -> str:
    if not 0 < len(text) <= LONGEST_WARD:
        return f"has {counted(len(text), 'character')}"
    return "has a character that isn't printable, or a space at an end"
