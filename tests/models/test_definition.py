"""Definitions: what contradicts itself or can't be converted is refused with file and key."""

from pathlib import Path

import pytest

from models.catalogue import definitions, find_definition
from models.definition import Definition, parse_definition, read_definition
from models.errors import DefinitionError
from models.loinc import check_digit, check_loinc
from models.unit_table import MASS_CODES, MOLAR_CODES
from tests.models.ward import WARD


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('owner = "The tests"', 'owner = "The tests"\nhyper = 1', "hyper", "not a known key"),
        ('"2160-0"', '"2160-1"', "features.3.loinc.0", "expected 0"),
        ('"2160-0"', '"2160"', "features.3.loinc.0", "form of a LOINC code"),
        ('unit = "a"', 'unit = "furlong"', "features.0", "not a known UCUM unit"),
        (
            'unit = "mm[Hg]"',
            'unit = "mg/dL"',
            "features.6",
            "can't be converted for blood_pressure",
        ),
        ('unit = "mm[Hg]"', 'unit = "mmHg"', "features.6", "as its UCUM code 'mm[Hg]'"),
        ('analyte = "glucose"', 'analyte = "sugar"', "features.4", "analyte 'sugar' is none of"),
        ("plausible = [0.1, 30]", "plausible = [30, 0.1]", "features.3", "low < high"),
        ('loinc = ["8480-6"]', 'codes = [{system = "http://loinc.org", code = "1"}]', "", "digits"),
        ('loinc = ["8480-6"]', 'codes = [{system = "x", code = "1"}]', "codes.0.system", "pattern"),
        (
            'source = "gender"',
            'source = "gender"\ncategory_systems = ["urn:x"]',
            "features.1",
            "a Patient's gender has none",
        ),
        (
            'analyte = "glucose"',
            'analyte = "glucose"\ncategory_systems = ["urn:x"]',
            "features.4",
            "numeric feature has no categories",
        ),
        (
            'name = "ward"\ntitle = "Ward"',
            'name = "ward"\ntitle = "Ward"\ncategory_systems = ["wards"]',
            "features.2.category_systems.0",
            "pattern",
        ),
        ("look_back_days = 2\n", "", "features.4", "look_back_days"),
        ('reduce = "mean"', 'reduce = "mode"', "features.6.reduce", "median"),
        ('inputs = ["creatinine", "age", "sex"]', 'inputs = ["age"]', "features.7", "creatinine"),
        ('"creatinine", "age", "sex"]', '"glucose", "sex", "sex"]', "", "age in a, but sex is in"),
        ('"creatinine", "age", "sex"]', '"egfr", "age", "sex"]', "", "egfr is itself derived"),
        ('"creatinine", "age", "sex"]', '"urea", "age", "sex"]', "", "no feature 'urea'"),
        ('"ckd_epi_2021"', '"ckd_epi_1999"', "features.7.derived", "none of"),
        ("[2, 250]", "[2, 250]\ndecimals = 9", "features.7.decimals", "at most 6, not 9"),
        ("starts_at = 0\n", "starts_at = 0.1\n", "definition", "must rise from 0"),
        ('name = "sex"', 'name = "age"', "definition", "['age'] stand twice"),
        ("at_least = 18, ", "", "inclusion.0", "at_least, at_most or one_of"),
        ('"surgery", "medicine"], rule', '"theatre"], rule', "", "ward has no ['theatre']"),
        ('feature = "ward", one_of', 'feature = "age", one_of', "", "limited by one_of"),
        ("count = 1", "count = 3", "", "3 of 2 can't be known"),
        ('analyte = "glucose"\n', "", "features.4", "loinc 14749-6 states an amount of substance"),
        (
            "schema_version = 1",
            'schema_version = 1\ngates = [{ metric = "auroq", at_least = 0.6 }]',
            "gates.0.metric",
            "'auroq' is no figure; name one of",
        ),
        (
            "schema_version = 1",
            'schema_version = 1\ngates = [{ metric = "auroc" }]',
            "gates.0",
            "give at_least or at_most",
        ),
        (
            "schema_version = 1",
            "schema_version = 1\nchange_plan = { max_depth = [4, 2], learning_rate = [0.02, 0.1], "
            "window_days = 365 }",
            "change_plan",
            "max_depth [4, 2] must be [least, most]",
        ),
        ("schema_version = 1", "schema_version = 2", "schema_version", "1"),
        ("schema_version = 1", "schema_version = ", "", "not TOML"),
    ],
)
def test_a_faulty_definition_is_refused_with_file_and_key(
    old: str, new: str, key: str, words: str
) -> None:
    assert old in WARD
    with pytest.raises(DefinitionError) as caught:
        parse_definition(WARD.replace(old, new, 1).encode(), source="ward/model.toml")
    message = str(caught.value)
    assert message.startswith("ward/model.toml: ")
    assert key in message
    assert words in message


@pytest.mark.parametrize(
    ("subgroup", "words"),
    [
        ('name = "age_band"\ntitle = "Age"\nfeature = "age"', "a number needs cuts"),
        ('name = "by_sex"\ntitle = "Sex"\nfeature = "sex"\ncuts = [1]', "a category has none"),
        ('name = "by_sex"\ntitle = "Sex"', "a feature, a column, or the reason"),
        ('name = "by_age"\ntitle = "Age"\nfeature = "age"\ncuts = [70, 60]', "must rise"),
    ],
)
def test_a_subgroup_that_can_not_be_formed_is_refused(subgroup: str, words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        parse_definition(f"{WARD}\n[[subgroups]]\n{subgroup}\n".encode(), source="ward")


def test_a_risk_falls_into_the_band_that_it_reaches(ward: Definition) -> None:
    assert [ward.band(risk).name for risk in (0.0, 0.19, 0.2, 1.0)] == [
        "low",
        "low",
        "high",
        "high",
    ]


# UNIT-5, with the published examples 2160-0 and 8867-4
def test_loinc_check_digits_are_those_published() -> None:
    assert (check_digit("2160"), check_digit("8867"), check_digit("3150")) == (0, 4, 0)
    for code in MASS_CODES | MOLAR_CODES:
        assert check_loinc(code) == code
    with pytest.raises(ValueError, match="expected 0"):
        check_loinc("3150-6")


def test_every_shipped_definition_can_be_read() -> None:
    shipped = definitions([])
    assert "mortality_5y" in shipped
    for name, file in shipped.items():
        assert file.definition.name == name
        assert len(file.digest) == 64
        assert file.definition.title in file.card


def _add(directory: Path, name: str, text: str = WARD) -> None:
    (directory / name).mkdir(parents=True)
    (directory / name / "model.toml").write_text(text)
    (directory / name / "card.md").write_text("# A card\n")


def test_shipped_definitions_ask_to_retrain_where_their_gates_would_refuse() -> None:
    for name, file in definitions([]).items():
        triggers = file.definition.retraining_triggers
        assert triggers is not None, name
        gates = {gate.metric: (gate.at_least, gate.at_most) for gate in file.definition.gates}
        assert triggers.calibration_slope == gates["calibration_slope"]
        assert triggers.calibration_in_the_large == gates["calibration_in_the_large"]
        assert triggers.severity == "critical"


def test_a_hospitals_own_definitions_are_found_beside_the_shipped_ones(tmp_path: Path) -> None:
    _add(tmp_path, "ward")
    assert set(definitions([tmp_path])) == {*definitions([]), "ward"}
    assert find_definition("ward", [tmp_path]).definition.name == "ward"


def test_a_name_that_is_not_known_is_answered_with_those_that_are(tmp_path: Path) -> None:
    _add(tmp_path, "ward")
    with pytest.raises(DefinitionError, match=r"no model 'word'; known are: .*ward"):
        find_definition("word", [tmp_path])


def test_a_name_in_two_places_or_beside_its_directory_is_an_error(tmp_path: Path) -> None:
    _add(tmp_path / "one", "ward")
    _add(tmp_path / "two", "ward")
    with pytest.raises(DefinitionError, match="'ward' is defined twice"):
        find_definition("ward", [tmp_path / "one", tmp_path / "two"])
    _add(tmp_path / "three", "theatre")
    with pytest.raises(DefinitionError, match=r"name: 'ward' must equal .* 'theatre'"):
        find_definition("theatre", [tmp_path / "three"])
    with pytest.raises(DefinitionError, match="no such directory"):
        definitions([tmp_path / "four"])


def test_a_broken_neighbour_does_not_keep_a_model_from_being_found(tmp_path: Path) -> None:
    _add(tmp_path, "ward")
    _add(tmp_path, "broken", "nonsense")
    assert find_definition("ward", [tmp_path]).definition.name == "ward"


def test_a_definition_needs_a_card_and_a_file(tmp_path: Path) -> None:
    _add(tmp_path, "ward")
    (tmp_path / "ward" / "card.md").unlink()
    with pytest.raises(DefinitionError, match="needs a card"):
        read_definition(tmp_path / "ward" / "model.toml")
    with pytest.raises(DefinitionError, match="can't be read"):
        read_definition(tmp_path / "nowhere.toml")
