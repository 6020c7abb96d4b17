"""What a prediction's readings would have been, by the reports on its sources that hold."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from models.basis import Basis
from models.candidates import SET_ASIDE
from models.corrections import IN_ERROR
from models.definition import Definition
from models.errors import RecordError
from models.feature import Feature
from models.fhir_names import server_and_resource
from models.readings import Reading, Readings
from records.models import SourceCorrection
from records.sources import Sources

# what speaks against a reading whatever its value is
_LASTING: Final = frozenset((*SET_ASIDE, "undecided_version", "contradictory_code"))
# of these, what a report's own time mends
_OF_TIME: Final = frozenset(("undated", "partial_time"))

Kept = dict[str, list[Reading]]


def recorded_readings(definition: Definition, basis: Basis, values: Mapping[str, Any]) -> Kept:
    """Return a prediction's readings: those of its sources, and what else it knew as current."""
    found: Kept = {}
    for name in definition.given:
        if name in basis.readings:
            found[name] = list(basis.readings[name])
        elif values[name] is not None:
            found[name] = [_current(definition.by_name[name], values[name])]
    return found


def sources_in(basis: Basis) -> list[str]:
    """Return the names of the sources that gave readings."""
    named = (one.source for readings in basis.readings.values() for one in readings)
    return list(dict.fromkeys(name for name in named if name is not None))


def corrected_readings(
    definition: Definition,
    basis: Basis,
    readings: Kept,
    held: Mapping[str, Sequence[SourceCorrection]],
) -> Readings:
    """Return the readings with what the reports say of their sources.

    `held` has the reports that hold, by source. Raises RecordError where they don't say enough.
    """
    for source, reports in held.items():
        readings = _with(definition, basis, readings, source, reports)
    return readings


def _with(
    definition: Definition,
    basis: Basis,
    readings: Kept,
    source: str,
    reports: Sequence[SourceCorrection],
) -> Kept:
    wanted = Sources([source])
    own = {name for name in sources_in(basis) if wanted.among([name])}
    if reports[0].status == IN_ERROR:
        return {
            name: [_in_error(one) if one.source in own else one for one in given]
            for name, given in readings.items()
        }
    if any(not one.feature and not one.whole for one in reports):
        raise RecordError("the report says no value that it should have been")
    resource = next((one for one in reports if one.whole), None)
    if resource is not None and not _is_of_the_patient(resource, own, basis):
        return _without(readings, own)
    values = {one.feature: one for one in reports if one.feature}
    found = {
        name: _replaced(definition.by_name[name], given, own, values.get(name), resource)
        for name, given in readings.items()
    }
    for name, report in values.items():
        if not any(one.source in own for one in readings.get(name, ())):
            if resource is None:
                title = definition.by_name[name].title
                raise RecordError(f"the result never was one of: {title}")
            added = _corrected(definition.by_name[name], Reading(None, source=source), report)
            added = replace(added, taken_at=resource.taken_at, issued_at=_issued_at(readings, own))
            found.setdefault(name, []).append(added)
    return found


def _issued_at(readings: Kept, own: set[str]) -> datetime | None:
    """Return when a source was issued, whichever features it gave readings of."""
    return next(
        (one.issued_at for given in readings.values() for one in given if one.source in own), None
    )


def _is_of_the_patient(resource: SourceCorrection, own: set[str], basis: Basis) -> bool:
    """Say whether a whole resource is of the prediction's patient; RecordError where none can.

    The ids of a resource that states its server say nothing of a prediction that states none.
    """
    unknown = [name for name in own if not server_and_resource(name)[0]]
    if server_and_resource(resource.source)[0] and unknown:
        raise RecordError(
            "it can't be told whether the corrected result is the same patient's: the report "
            "states its server, and the prediction none"
        )
    if not resource.subject or not basis.subject:
        raise RecordError("it can't be told whether the corrected result is the same patient's")
    return resource.subject == basis.subject


def _replaced(
    feature: Feature,
    given: Iterable[Reading],
    own: set[str],
    report: SourceCorrection | None,
    resource: SourceCorrection | None,
) -> list[Reading]:
    """Return a feature's readings with those of a source as its reports have them."""
    found = []
    for one in given:
        if one.source not in own:
            found.append(one)
        elif report is None:
            # a whole resource that says nothing of the feature has no value of it any more
            found += [one] if resource is None else []
        else:
            corrected = _corrected(feature, one, report)
            if resource is not None:
                taken_at = report.taken_at or resource.taken_at
                corrected = replace(corrected, taken_at=taken_at, fault=None)
            found.append(corrected)
    return found


def _without(readings: Kept, own: set[str]) -> Kept:
    return {
        name: [one for one in given if one.source not in own] for name, given in readings.items()
    }


def _in_error(reading: Reading) -> Reading:
    return replace(reading, status=IN_ERROR)


def _corrected(feature: Feature, reading: Reading, report: SourceCorrection) -> Reading:
    mended = _OF_TIME if report.taken_at else frozenset()
    return replace(
        reading,
        value=report.value,
        unit=feature.unit,
        taken_at=report.taken_at or reading.taken_at,
        code=None,
        status="corrected",
        comparator=None,
        absent_because=None,
        fault=reading.fault if reading.fault in _LASTING - mended else None,
    )


def _current(feature: Feature, value: float | str) -> Reading:
    return Reading(value, feature.unit)
