from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import MalformedInput, SettingsError
from records.pseudonym import Pseudonymiser, check_key, read_pseudonym_key
from records.settings import Settings

KEY = bytes(range(32))
CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXT = st.text(CHARACTERS, min_size=1).filter(str.strip)


def test_the_published_pseudonym() -> None:
    assert Pseudonymiser(KEY).pseudonym("urn:oid:1.2.3.4", "12345") == (
        "76f784a11a8e8b97964b108bbe80b1c15eaf9a83c0ab91ee10d382189484ed4b"
    )


@given(TEXT, TEXT, TEXT, TEXT)
def test_two_identifiers_share_a_pseudonym_only_if_they_are_the_same(
    system: str, value: str, other_system: str, other_value: str
) -> None:
    pseudonymiser = Pseudonymiser(KEY)
    same = pseudonymiser.pseudonym(system, value) == pseudonymiser.pseudonym(
        other_system, other_value
    )
    first, second = (system.strip(), value.strip()), (other_system.strip(), other_value.strip())
    assert same == (first == second)


@pytest.mark.parametrize("value", [" 12345", "12345  ", "\t12345\n", "12345\u00a0"])
def test_a_padded_number_is_the_same_patients(value: str) -> None:
    plain = Pseudonymiser(KEY).pseudonym("urn:oid:1.2.3.4", "12345")
    assert Pseudonymiser(KEY).pseudonym(" urn:oid:1.2.3.4", value) == plain
    assert Pseudonymiser(KEY).pseudonym("urn:oid:1.2.3.4", "123 45") != plain


@pytest.mark.parametrize(
    ("system", "value"), [("urn:x", ""), ("urn:x", " "), ("urn:x", "a\0b"), ("a\0b", "c")]
)
def test_an_ambiguous_identifier_is_refused_without_being_quoted(system: str, value: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        Pseudonymiser(KEY).pseudonym(system, value)
    assert caught.value.field == "patient"
    assert "a\0b" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "g" * 64, "é"])
def test_a_key_file_of_another_form_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pseudonym.key"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"pseudonym\.key"):
        read_pseudonym_key(path)


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="auscult init"):
        read_pseudonym_key(tmp_path / "pseudonym.key")


def test_a_key_is_read_as_it_was_made(sqlite_db: Settings) -> None:
    assert len(read_pseudonym_key(sqlite_db.pseudonym_key)) == 32


def test_the_database_knows_the_key_that_it_was_made_with(records_db: Settings) -> None:
    check_key(KEY)
    check_key(KEY)
    with pytest.raises(SettingsError, match="another than the one"):
        check_key(bytes(32))
