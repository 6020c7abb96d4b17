"""Requests nobody would think of: good ones with places changed, and ones made from scratch."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.serving.faults.requests import GOOD, as_hook
from tests.serving.hooks import CREATININE, LACTATE

TIMES = (
    *("2026-03-02T08:00:00Z", "2026-03-02T09:59:59.5+00:00", "2026-03-02T12:00:00+02:00"),
    *("2026-03-01T08:00:00Z", "2026-02-01T08:00:00Z", "2021-03-02T08:00:00Z"),
    *("2026-03-02T08:00:00", "2026-03-02", "2026", "2030-01-01T00:00:00Z", "2026-02-30T08:00:00Z"),
    "2026-03-02T10:15:00Z",
)
UNITS = ("mmol/L", "mg/dL", "umol/L", "mg/L", "furlong", "", "1", "mmol", "MMOL/L", "µmol/L")
STATUSES = (
    *("final", "amended", "corrected", "preliminary", "registered", "cancelled"),
    *("entered-in-error", "unknown", "bogus"),
)
SUBJECTS = (
    *("Patient/p1", "Patient/p2", "https://ehr.example.org/fhir/Patient/p1", "#p1", "Group/p1"),
    *("https://other.example.org/fhir/Patient/p1", "Patient/p1/_history/3", "urn:uuid:p1"),
)
NUMBERS = st.one_of(
    st.sampled_from([3.1, 31, 0.4, 1.4, 124.0, 0, -1, 3100, 1e308, 1e-9, 80.7]),
    st.floats(0, 40),
    st.floats(),
    st.integers(-(10**20), 10**20),
)
# what may stand under a key, so that a change is often one that makes sense
POOLS: dict[str, tuple[Any, ...]] = {
    "status": STATUSES,
    "code": (*UNITS, "2524-7", "2160-0", "14118-4", "unknown", "masked"),
    "unit": UNITS,
    "system": ("http://loinc.org", "http://unitsofmeasure.org", "http://snomed.info/sct", ""),
    "reference": SUBJECTS,
    "time": TIMES,
    "effectiveDateTime": TIMES,
    "issued": TIMES,
    "birthDate": ("1954-06-30", "1954", "2020-01-01", "2030-01-01", "1850-01-01", "1954-02-30"),
    "gender": ("female", "male", "other", "unknown", ""),
    "comparator": ("<", "<=", ">=", ">", "~", ""),
    "deceasedBoolean": (True, False),
    "type": ("collection", "searchset", "history", "batch", "message"),
    "resourceType": ("Observation", "Patient", "OperationOutcome", "Bundle", "Device"),
    "age": (17, 18, 71, 71.7, 130, "71", {"value": 852, "unit": "mo"}),
    "sex": ("female", "male", "other", "FEMALE", 1),
    "hook": ("patient-view", "order-sign", "encounter-discharge", "order-select"),
    "patientId": ("p1", "p2", "../p1", ""),
}
# what may be beside what there is
MORE: dict[str, Any] = {
    "dataAbsentReason": {"coding": [{"code": "unknown"}]},
    "modifierExtension": [{"url": "https://example.org/negated", "valueBoolean": True}],
    "implicitRules": "https://example.org/rules",
    "valueString": "3.1",
    "comparator": "<",
    "issued": "2026-03-02T11:00:00Z",
    "deceasedBoolean": True,
    "meta": {"tag": [{"code": "HTEST"}], "security": [{"code": "MASKED"}]},
    "total": 7,
    "link": [{"relation": "next", "url": "https://ehr.example.org/fhir/next"}],
    "_birthDate": {"extension": [{"url": "x"}]},
    "component": [],
    "predicted_at": "2025-01-01T00:00:00Z",
}
WORDS = st.sampled_from(sorted({*TIMES, *UNITS, *STATUSES, *SUBJECTS}))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place inside a request."""
    parts: Any = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    for key, part in parts:
        yield (*place, key)
        yield from places(part, (*place, key))


@st.composite
def mutated(draw: st.DrawFn, protocol: str) -> Any:
    """A good request with up to three places changed, left out, doubled or added to."""
    request = copy.deepcopy(GOOD[protocol]())
    for _ in range(draw(st.integers(1, 3))):
        every = list(places(request))
        if every:
            _mutate(draw, request, draw(st.sampled_from(every)))
    return request


def _mutate(draw: st.DrawFn, request: Any, place: tuple[Any, ...]) -> None:
    *way, last = place
    holder = request
    for step in way:
        holder = holder[step]
    what = draw(st.sampled_from(["likely", "likely", "anything", "leave out", "double", "add"]))
    if what == "likely" and last in POOLS:
        holder[last] = copy.deepcopy(draw(st.sampled_from(POOLS[last])))
    elif what == "likely" and last == "value":
        holder[last] = draw(NUMBERS)
    elif what == "leave out":
        del holder[last]
    elif what == "double" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[last]))
    elif what == "add" and isinstance(holder[last], dict):
        name = draw(st.sampled_from(sorted(MORE)))
        holder[last][name] = copy.deepcopy(MORE[name])
    else:
        holder[last] = draw(VALUES)


@st.composite
def observations(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """An Observation of which every part may be wrong."""
    quantity = {
        "value": draw(NUMBERS.filter(lambda one: one == one and abs(one) < 1e300)),
        "system": draw(st.sampled_from(["http://unitsofmeasure.org"] * 4 + ["urn:other"])),
        "code": draw(st.sampled_from(UNITS[:4] * 3 + UNITS[4:])),
    }
    if draw(st.integers(0, 7)) == 0:
        quantity["comparator"] = draw(st.sampled_from(POOLS["comparator"]))
    code = {"system": "http://loinc.org", "code": draw(st.sampled_from(["2524-7", "2160-0"]))}
    subject = draw(st.sampled_from(("Patient/p1",) * 8 + SUBJECTS))
    resource = {
        "resourceType": "Observation",
        "id": f"o{number if draw(st.integers(0, 5)) else 0}",
        "status": draw(st.sampled_from(("final",) * 6 + STATUSES)),
        "code": {"coding": [code]},
        "subject": {"reference": subject},
        "effectiveDateTime": draw(st.sampled_from(TIMES[:4] * 3 + TIMES)),
        "valueQuantity": quantity,
    }
    for name in draw(st.lists(st.sampled_from(sorted(MORE)), max_size=1)):
        if draw(st.booleans()):
            resource[name] = copy.deepcopy(MORE[name])
    return resource


@st.composite
def bundles(draw: st.DrawFn) -> dict[str, Any]:
    """A Bundle from scratch: one patient or another, and some Observations."""
    patient = {
        "resourceType": "Patient",
        "id": "p1",
        "gender": draw(st.sampled_from(("female",) * 4 + POOLS["gender"])),
        "birthDate": draw(st.sampled_from(("1954-06-30",) * 6 + POOLS["birthDate"])),
    }
    results = [draw(observations(number)) for number in range(draw(st.integers(0, 5)))]
    people = [patient] * draw(st.sampled_from([1, 1, 1, 1, 1, 0, 2]))
    entries = [{"resource": one} for one in draw(st.permutations([*people, *results]))]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


@st.composite
def hooks(draw: st.DrawFn) -> dict[str, Any]:
    """A CDS Hooks request whose prefetch is made from scratch, whole or not."""
    request = as_hook(draw(bundles()))
    prefetch = request["prefetch"]
    error = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x"}]}
    for key in (LACTATE, CREATININE, "patient"):
        fate = draw(st.sampled_from(["as it is"] * 8 + ["absent", "null", "error", "partly"]))
        if fate == "absent":
            del prefetch[key]
        elif fate == "null":
            prefetch[key] = None
        elif fate == "error":
            prefetch[key] = error
        elif fate == "partly" and prefetch[key]:
            prefetch[key]["total"] = 50
    return request


def whatever(protocol: str) -> st.SearchStrategy[Any]:
    """Requests of a protocol, of either kind."""
    scratch = {"fhir": bundles(), "cds-hooks": hooks()}
    return mutated(protocol) | scratch[protocol] if protocol in scratch else mutated(protocol)
