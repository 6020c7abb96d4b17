"""What a Patient can't say at once: a value, and a reason for its absence."""

from models.errors import MalformedInput
from models.fhir_resources import Primitive, is_absent


def check_not_absent(name: str, value: object, beside: Primitive | None) -> None:
    """Raise MalformedInput for a value of a Patient with a reason for its absence beside it."""
    if value is not None and is_absent(beside):
        raise MalformedInput(
            f"Patient.{name} has a value and a reason for its absence; give one",
            field=f"Patient.{name}",
            reason="contradictory_value",
        )
