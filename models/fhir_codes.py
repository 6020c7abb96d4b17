"""What the codes of an Observation stand for, and whether they contradict each other."""

from collections.abc import Mapping, Sequence

from models.feature import Feature
from models.fhir_resources import Coding, Measured
from models.loinc import LOINC
from models.loinc_analytes import analyte_of
from models.readings import Fault
from models.units import convert

Codes = Mapping[tuple[str, str], Sequence[Feature]]
Wanted = tuple[Measured, Feature, str]


def wanted_in(part: Measured, codes: Codes) -> list[Wanted]:
    """Return each feature that a part's concept stands for once, with the code that says so."""
    wanted: list[Wanted] = []
    for coding in part.code.coding if part.code is not None else ():
        code = coding.code
        if code is None or coding.system is None:
            continue
        for feature in codes.get((coding.system, code), ()):
            if not wanted or all(feature is not known for _, known, _ in wanted):
                wanted.append((part, feature, code))
    return wanted


def code_fault(part: Measured, codes: Codes) -> Fault | None:
    """Return `contradictory_code` where the codings of a part stand for different things.

    Those are two features, or a feature and what another LOINC code is known to be: another
    analyte, the same in another specimen, or measured otherwise (`loinc_analytes`). Or they make
    the value two amounts.
    """
    coding = part.code.coding if part.code is not None else ()
    if len(coding) < 2:
        return None
    stand_for = [codes.get((one.system or "", one.code or ""), ()) for one in coding]
    known = [{feature.name for feature in features} for features in stand_for if features]
    if any(names.isdisjoint(others) for names in known for others in known):
        return "contradictory_code"
    own = {
        analyte_of(code)
        for features in stand_for
        for feature in features
        for system, code in feature.codings
        if system == LOINC
    } - {None}
    others = {
        _analyte(one) for one, features in zip(coding, stand_for, strict=True) if not features
    } - {None}
    if (own and not others <= own) or _are_two_amounts(part, stand_for):
        return "contradictory_code"
    return None


def _are_two_amounts(part: Measured, stand_for: Sequence[Sequence[Feature]]) -> bool:
    """Say whether a value is another amount under each of several codes of one feature.

    So is urea's mass under the code of urea and under that of the nitrogen in it (UNIT-3).
    """
    quantity, coding = part.value_quantity, part.code.coding if part.code is not None else ()
    unit = None if quantity is None else quantity.code or quantity.unit
    if unit is None:
        return False
    features = [one for features in stand_for for one in features if one.kind == "numeric"]
    return any(
        len(
            {
                _amount(unit, feature, one.code)
                for one, own in zip(coding, stand_for, strict=True)
                if any(feature is other for other in own)
            }
        )
        > 1
        for feature in features
    )


def _amount(unit: str, feature: Feature, code: str | None) -> float | None:
    """Return what one of a unit is in the feature's under a code, or None if it can't be told."""
    try:
        return convert(1.0, unit, to=feature.unit or "1", analyte=feature.analyte, code=code)
    except ValueError:
        return None


def _analyte(coding: Coding) -> str | None:
    return analyte_of(coding.code) if coding.system == LOINC and coding.code else None
