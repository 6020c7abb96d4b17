"""What a Patient resource says of the features that have no Observation: birth date and sex."""

from models.definition import Definition
from models.errors import MalformedInput
from models.fhir_subject import Person
from models.readings import Reading


def demographics(definition: Definition, person: Person | None) -> dict[str, list[Reading]]:
    """Return the readings that a Patient gives; raise MalformedInput for a contradiction."""
    readings: dict[str, list[Reading]] = {}
    if person is None:
        return readings
    patient = person.patient
    for feature in definition.features:
        if feature.source == "birth_date":
            name, value, beside = "birthDate", patient.birth_date, patient.birth_date_beside
        elif feature.source == "gender":
            name, value, beside = "gender", patient.gender, patient.gender_beside
        else:
            continue
        because = beside.absent_because if beside is not None else None
        if value is not None and because is not None:
            raise MalformedInput(
                f"Patient.{name} has a value and a reason for its absence; give one",
                field=f"Patient.{name}",
                reason="contradictory_value",
            )
        readings[feature.name] = [Reading(value, absent_because=because)]
    return readings
