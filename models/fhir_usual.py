"""The value of an Observation as most are: one value, one time, and nothing said beside them."""

from typing import Final

from msgspec.structs import astuple

from models.feature import Feature
from models.fhir_resources import UCUM, Observation, Quantity
from models.fhir_value import contradicts
from models.units import is_text_only

# A value of another type than number or text, another time, a component, a modifier, or what
# stands beside any of them: all of these fields together are compared as quickly as one.
_UNUSUAL: Final = slice(
    Observation.__struct_fields__.index("value_codeable_concept"),
    Observation.__struct_fields__.index("component") + 1,
)
_NONE_OF_THEM: Final = astuple(Observation(resource_type="Observation"))[_UNUSUAL]
_BESIDES: Final = slice(Quantity.__struct_fields__.index("value_beside"), None)
_NOTHING_BESIDE: Final = astuple(Quantity())[_BESIDES]


def usual_value(
    observation: Observation, feature: Feature
) -> tuple[float | str, str | None, str | None] | None:
    """Return value, unit and comparator of a quantity in UCUM or of a category's text.

    None is for whatever else is given, or is said beside the value, its time or its status: that
    needs a closer look.
    """
    if astuple(observation)[_UNUSUAL] != _NONE_OF_THEM:
        return None
    quantity, text, plain = observation.value_quantity, observation.value_string, feature.plain
    if plain.is_category:
        return (
            (text, None, None) if plain.is_text and text is not None and quantity is None else None
        )
    if quantity is None or text is not None:
        return None
    value, code = quantity.value, quantity.code
    if value is None or not code or quantity.system != UCUM or quantity.extension:
        return None
    if astuple(quantity)[_BESIDES] != _NOTHING_BESIDE or (
        code != plain.unit and is_text_only(code)
    ):
        return None
    words = quantity.unit
    if words and words != code and contradicts(quantity, feature):
        return None
    return value, code, quantity.comparator
