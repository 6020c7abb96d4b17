"""An Observation as most are: one code, one value, one time, and nothing said beside them."""

from typing import Final, Literal

import msgspec

from models.feature import Feature
from models.fhir_resources import (
    UCUM,
    CodeableConcept,
    Meta,
    Observation,
    Quantity,
    Reference,
)
from models.fhir_value import contradicts
from models.units import is_text_only

_NOTHING: Final = msgspec.Raw()


class _Known(msgspec.Struct, frozen=True, rename="camel", gc=False, forbid_unknown_fields=True):
    """What has fields that are known here, and no other one."""


class UsualQuantity(_Known, frozen=True):
    """An amount in a unit of UCUM, of which nothing is said to be absent."""

    value: float
    code: str
    system: Literal["http://unitsofmeasure.org"]
    unit: str | None = None
    comparator: str | None = None
    id: msgspec.Raw = _NOTHING


class UsualObservation(_Known, frozen=True, kw_only=True):
    """An Observation that fills only what is read of most of them, or what is never read.

    That it has no modifier, component, reason for an absence, second time, nor any value that R4
    doesn't know, follows from its being decoded. `whole` is the same for whoever looks at more.
    """

    resource_type: Literal["Observation"]
    status: Literal["final", "amended", "corrected", "preliminary"]
    code: CodeableConcept
    subject: Reference
    effective_date_time: str
    value_quantity: UsualQuantity | None = None
    value_string: str | None = None
    id: str | None = None
    issued: str | None = None
    meta: Meta | None = None
    interpretation: msgspec.Raw = _NOTHING
    # what may stand in an Observation of R4 besides, and changes nothing of what is read
    based_on: msgspec.Raw = _NOTHING
    body_site: msgspec.Raw = _NOTHING
    category: msgspec.Raw = _NOTHING
    contained: msgspec.Raw = _NOTHING
    derived_from: msgspec.Raw = _NOTHING
    device: msgspec.Raw = _NOTHING
    encounter: msgspec.Raw = _NOTHING
    extension: msgspec.Raw = _NOTHING
    has_member: msgspec.Raw = _NOTHING
    identifier: msgspec.Raw = _NOTHING
    language: msgspec.Raw = _NOTHING
    method: msgspec.Raw = _NOTHING
    note: msgspec.Raw = _NOTHING
    part_of: msgspec.Raw = _NOTHING
    performer: msgspec.Raw = _NOTHING
    reference_range: msgspec.Raw = _NOTHING
    specimen: msgspec.Raw = _NOTHING
    text: msgspec.Raw = _NOTHING

    @property
    def whole(self) -> Observation:
        """The Observation with all of its fields, nearly all of them empty."""
        given = self.value_quantity
        quantity = None
        if given is not None:
            quantity = Quantity(
                value=given.value,
                comparator=given.comparator,
                unit=given.unit,
                system=UCUM,
                code=given.code,
            )
        return Observation(
            resource_type="Observation",
            id=self.id,
            meta=self.meta,
            status=self.status,
            code=self.code,
            subject=self.subject,
            effective_date_time=self.effective_date_time,
            issued=self.issued,
            value_quantity=quantity,
            value_string=self.value_string,
            interpretation=self.interpretation,
        )


USUAL: Final[msgspec.json.Decoder[UsualObservation]] = msgspec.json.Decoder(UsualObservation)
AnyObservation = Observation | UsualObservation


def usual_value(
    observation: UsualObservation, feature: Feature
) -> tuple[float | str, str | None, str | None] | None:
    """Return value, unit and comparator of a quantity in UCUM or of a category's text.

    None is for whatever else is given: that needs a closer look.
    """
    quantity, text, plain = observation.value_quantity, observation.value_string, feature.plain
    if plain.is_category:
        if text is None or quantity is not None or not plain.is_text:
            return None
        return text, None, None
    if quantity is None or text is not None:
        return None
    code, words = quantity.code, quantity.unit
    if not code or (code != plain.unit and is_text_only(code)):
        return None
    if words and contradicts(words, code, feature):
        return None
    return quantity.value, code, quantity.comparator


def whole(observation: AnyObservation) -> Observation:
    """Return an Observation with all of its fields."""
    return observation.whole if isinstance(observation, UsualObservation) else observation
