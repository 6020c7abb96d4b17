"""The category that a coded value, a text or a truth names, and what speaks against it."""

import re
from typing import Final

from models.feature import Feature
from models.fhir_resources import UCUM, CodedValue, Measured
from models.loinc import LOINC
from models.readings import Fault

Value = tuple[float | str | None, str | None, str | None, Fault | None]
# a category is named by a code of any system, but never by what can't be a code of its own
_FORMS: Final = {
    "http://snomed.info/sct": re.compile(r"[0-9]{6,18}"),
    LOINC: re.compile(r"(?:[0-9]{1,7}|L[AP][0-9]+)-[0-9]"),
    UCUM: re.compile(r"(?!)"),
}


def category_in(part: Measured, feature: Feature) -> Value:
    """Return the category and what speaks against it; a category has no unit or comparator."""
    concept = part.value_codeable_concept
    if part.value_string is not None:
        fault = _text_fault(feature)
        return None if fault else part.value_string, None, None, fault
    if part.value_boolean is not None:
        return "true" if part.value_boolean else "false", None, None, None
    category, fault = (None, None) if concept is None else _coded(concept, feature)
    return category, None, None, fault or ("not_a_value" if category is None else None)


def _coded(concept: CodedValue, feature: Feature) -> tuple[str | None, Fault | None]:
    """Return the category that a concept's codings name, and what speaks against it.

    Codings of other systems than the categories' are translations, and alone they name nothing.
    Nor does a text where the categories are codes: it may be another system's code, or a word.
    """
    own = feature.category_systems
    stated = [(coding.system, coding.code) for coding in concept.coding if coding.code]
    sound = [one for one in stated if (one[0] in own if own else _may_be_of(*one))]
    known = {code for _, code in sound if code in feature.categories}
    naming = {system for system, code in sound if code in known}
    # another code of a system that names one is another category, known or not
    said = {code for system, code in sound if system in naming}
    if known and concept.text in feature.categories:
        said.add(concept.text)
    if len(said) > 1:
        return None, "contradictory_category"
    if stated and not sound:
        return None, "category_system"
    if not stated and concept.text is not None:
        fault = _text_fault(feature)
        return None if fault else concept.text, fault
    return next(iter(known or [code for _, code in sound]), None), None


def is_doubtful_category(concept: CodedValue | None, feature: Feature, value: object) -> bool:
    """Say whether a text beside the code of a category names another category by its title."""
    if concept is None or value not in feature.categories:
        return False
    others = {_plain(title) for code, title in feature.categories.items() if code != value}
    others |= {_plain(code) for code in feature.categories if code != value}
    others -= {_plain(str(value)), _plain(feature.categories[str(value)])}
    texts = [concept.text, *(one.display for one in concept.coding)]
    return any(text is not None and _plain(text) in others for text in texts)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _text_fault(feature: Feature) -> Fault | None:
    """Return what speaks against a category that is stated without a code."""
    return "category_system" if feature.category_systems else None


def _may_be_of(system: str | None, code: str) -> bool:
    form = _FORMS.get(system or "")
    return form is None or form.fullmatch(code) is not None
