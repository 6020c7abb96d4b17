"""What a Patient resource says of the features that have no Observation: birth date and sex."""

from models.definition import Definition
from models.fhir_absence import check_not_absent
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
        check_not_absent(name, value, beside)
        because = beside.absent_because if beside is not None else None
        readings[feature.name] = [Reading(value, absent_because=because)]
    return readings
