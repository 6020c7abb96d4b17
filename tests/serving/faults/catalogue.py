"""The faults, each with the outcome that is expected of every protocol in which it can occur.

Outcomes: `unchanged` and `converted` (the features are those of the good request), `flagged R`
and `excluded R` (so too, and the answer says R), `missing F: R` (feature F has no value because
of R, and the answer, the card and the record name it), `refused R` (no risk, and the reason R is
recorded) and `status N` (the call itself is refused).
"""

from dataclasses import dataclass

from tests.serving.faults import changes as c
from tests.serving.faults.requests import CREATININE, LACTATE, UCUM, Change, through_bundle

ERROR = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
MODIFIER = [{"url": "https://example.org/negated", "valueBoolean": True}]
OF_P2 = {"reference": "Patient/p2"}
ABSENT = {"coding": [{"code": "unknown"}]}
MASKED = {"coding": [{"code": "masked"}]}
MASKED_LABELS = {"security": [{"code": "MASKED"}]}
SUPPRESSED = {"severity": "information", "code": "suppressed"}
UNKNOWN_AND_MASKED = {"coding": [{"code": "unknown"}, {"code": "masked"}]}
REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
WITHHELD = {"extension": [{"url": REASON, "valueCode": "masked"}]}


@dataclass(frozen=True)
class Fault:
    """One fault: its change and outcome by protocol; `fhir` stands for CDS Hooks as well."""

    group: str
    name: str
    outcomes: dict[str, str]
    changes: dict[str, Change]


FAULTS: list[Fault] = []


def fault(
    group: str,
    name: str,
    *,
    json: tuple[Change, str] | None = None,
    fhir: tuple[Change, str] | None = None,
    hook: tuple[Change, str] | None = None,
    fhir_only: bool = False,
) -> None:
    """Add a fault; without `hook` that of `fhir` is sent as a prefetch too.

    Unless it's `fhir_only`, of a Bundle as a prefetch has none.
    """
    given = {"json": json, "fhir": fhir, "cds-hooks": hook}
    if hook is None and fhir is not None and not fhir_only:
        given["cds-hooks"] = (through_bundle(fhir[0]), fhir[1])
    FAULTS.append(
        Fault(
            group,
            name,
            {protocol: one[1] for protocol, one in given.items() if one},
            {protocol: one[0] for protocol, one in given.items() if one},
        )
    )


def everywhere(group: str, name: str, json: Change, fhir: Change, outcome: str) -> None:
    """Add a fault of the same outcome in every protocol."""
    fault(group, name, json=(json, outcome), fhir=(fhir, outcome))


UNIT, ABSENCE, STATUS, TIME = "unit and value", "absence", "status", "time"
IDENTITY, REQUEST = "identity", "request"
GONE = "missing lactate: no_value"
UNDECIDED = "refused undecided_version"

# units and values
everywhere(
    UNIT,
    "another unit of the analyte",
    c.lactate_json(value=3.1 / 0.111, unit="mg/dL"),
    c.quantity(3.1 / 0.111, "mg/dL"),
    "converted",
)
fault(
    UNIT,
    "molar unit under a mass code",
    fhir=(
        c.resource(
            c.CREATININE_AT,
            valueQuantity={"value": 1.4 / 0.011312, "system": c.UCUM, "code": "umol/L"},
        ),
        "flagged code_unit_mismatch",
    ),
)
fault(
    UNIT,
    "the unit as text only",
    fhir=(c.lactate(valueQuantity={"value": 3.1, "unit": "mmol/L"}), "unchanged"),
)
everywhere(
    UNIT,
    "no unit where it is mandatory",
    c.lactate_json(unit=...),
    c.lactate(valueQuantity={"value": 3.1}),
    "refused no_unit",
)
fault(
    UNIT,
    "no unit where JSON has the definition's",
    json=(c.value("creatinine", 1.4), "unchanged"),
    fhir=(c.resource(c.CREATININE_AT, valueQuantity={"value": 1.4}), "refused no_unit"),
)
everywhere(
    UNIT,
    "unknown unit",
    c.lactate_json(unit="furlong"),
    c.quantity(3.1, "furlong"),
    "refused unknown_unit",
)
everywhere(
    UNIT,
    "unit of another kind of quantity",
    c.lactate_json(unit="kg"),
    c.quantity(3.1, "kg"),
    "refused unit_not_convertible",
)
fault(
    UNIT,
    "a unit's text that contradicts its code",
    fhir=(c.quantity(3.1, unit="mg/dL"), "flagged unit_text_mismatch"),
)
fault(
    UNIT,
    "a unit's text that contradicts a code of no system",
    fhir=(
        c.lactate(valueQuantity={"value": 3.1, "unit": "mmol/L", "code": "mg/dL"}),
        "refused contradictory_unit",
    ),
)
for text in ("nmol/L", "kg", "MG/DL", "mg / dL"):
    fault(
        UNIT,
        f"a unit's text {text} beside the code mmol/L",
        fhir=(c.quantity(3.1, unit=text), "flagged unit_text_mismatch"),
    )
for code in ("nmol/L", "garbage"):
    fault(
        UNIT,
        f"a unit's text beside the code {code} of no system",
        fhir=(
            c.lactate(valueQuantity={"value": 3.1, "unit": "mmol/L", "code": code}),
            "refused contradictory_unit",
        ),
    )
fault(
    UNIT,
    "a unit's text that is spelt otherwise than its code",
    fhir=(c.quantity(3.1, unit="MMOL / L"), "unchanged"),
)
for code in ("C", "degF"):
    fault(
        UNIT,
        f"{code} as a code of UCUM",
        fhir=(c.quantity(3.1, code), "refused unknown_unit"),
    )
AMOUNTS = {"mg/dL": 1.4, "umol/L": 1.4 / 0.011312}
for code, unit, outcome in (
    ("mg/dl", "mg/dL", "unchanged"),
    ("umol/l", "umol/L", "flagged code_unit_mismatch"),
    ("MG/DL", "mg/dL", "refused unknown_unit"),
    ("mg%", "mg/dL", "unchanged"),
    ("mcmol/L", "umol/L", "flagged code_unit_mismatch"),
    ("\u00b5mol/L", "umol/L", "flagged code_unit_mismatch"),
):
    coded = {"value": AMOUNTS[unit], "system": c.UCUM, "code": code}
    fault(
        UNIT,
        f"creatinine in {unit}, spelt {code} as a code of UCUM",
        fhir=(c.resource(c.CREATININE_AT, valueQuantity=coded), outcome),
    )
for text, unit, outcome in (
    ("mg%", "mg/dL", "unchanged"),
    ("\u00b5mol/L", "umol/L", "flagged code_unit_mismatch"),
):
    stated = {"value": AMOUNTS[unit], "unit": text}
    fault(
        UNIT,
        f"creatinine in {unit}, spelt {text} as text only",
        fhir=(c.resource(c.CREATININE_AT, valueQuantity=stated), outcome),
    )
fault(
    UNIT,
    "a unit's text that is no unit, beside its code",
    fhir=(c.quantity(3.1, unit="millimoles"), "unchanged"),
)
fault(
    UNIT,
    "a unit's text that is a concentration of no table, of another size than its code",
    fhir=(c.quantity(3.1, unit="nmol/mL (serum)"), "flagged unit_text_mismatch"),
)
fault(
    UNIT,
    "unit coded in another system",
    fhir=(c.quantity(3.1, "1", system="http://snomed.info/sct"), "refused unit_system"),
)
for code, outcome in (
    ("<", "refused censored"),
    (">", "refused censored"),
    ("QCF", "flagged quality_control"),
    ("H", "unchanged"),
):
    fault(
        UNIT,
        f"an interpretation that is coded {code}",
        fhir=(c.lactate(interpretation=[{"coding": [{"code": code}]}]), outcome),
    )
for sign, name in (("<", "below a limit"), (">", "above a limit")):
    everywhere(
        UNIT,
        f"only that the value is {name} ({sign})",
        c.lactate_json(comparator=sign),
        c.quantity(3.1, comparator=sign),
        "refused censored",
    )
fault(
    UNIT,
    "a comparator that isn't one",
    json=(c.lactate_json(comparator="~"), "refused wrong_type"),
    fhir=(c.quantity(3.1, comparator="~"), "refused comparator"),
)
fault(
    UNIT,
    "a text in the place of a number",
    json=(c.lactate_json(value="3.1"), "refused wrong_type"),
    fhir=(c.other_value(valueString="3.1"), "refused text_value"),
)
fault(
    UNIT,
    "true in the place of a number",
    json=(c.lactate_json(value=True), "refused wrong_type"),
    fhir=(c.other_value(valueBoolean=True), "refused not_a_value"),
)
fault(
    UNIT,
    "a range in the place of a number",
    json=(c.lactate_json(value=[3, 4]), "refused wrong_type"),
    fhir=(c.other_value(valueRange={"low": {"value": 3}}), "refused not_a_value"),
)
for number in ("NaN", "Infinity", "-Infinity"):
    fault(
        UNIT,
        number,
        json=(c.text("3.1", number), "refused not_finite"),
        fhir=(c.text("3.1", number), "status 400"),
        hook=(c.text("3.1", number), "status 400"),
    )
fault(
    UNIT,
    "a number beyond every double",
    json=(c.text("3.1", "1e999"), "refused not_finite"),
    fhir=(c.text("3.1", "1e999"), "refused malformed"),
    hook=(c.text("3.1", "1e999"), "refused malformed"),
)
fault(
    UNIT,
    "a whole number beyond every double",
    fhir=(c.other_value(valueInteger=2 * 10**400), "refused not_finite"),
)
for wrong, name in ((300, "implausibly high"), (-3.1, "negative"), (0, "zero"), (1e300, "1e300")):
    everywhere(UNIT, name, c.lactate_json(value=wrong), c.quantity(wrong), "refused implausible")
fault(
    UNIT,
    "a tenfold error that a range check finds",
    json=(c.value("creatinine", 140), "refused implausible"),
    fhir=(
        c.resource(
            c.CREATININE_AT, valueQuantity={"value": 140, "system": c.UCUM, "code": "mg/dL"}
        ),
        "refused implausible",
    ),
)

# absence
everywhere(ABSENCE, "the value isn't there", c.value("lactate", ...), c.without(1), GONE)
fault(
    ABSENCE,
    "null in its place",
    json=(c.value("lactate", None), GONE),
    hook=(c.prefetch(LACTATE, None), GONE),
)
fault(ABSENCE, "the prefetch key isn't there", hook=(c.prefetch(LACTATE, ...), "status 412"))
fault(ABSENCE, "no prefetch at all", hook=(c.member(prefetch=...), "status 412"))
fault(
    ABSENCE,
    "an OperationOutcome in its place",
    fhir=(c.member(entry=[{"resource": ERROR}]), "refused too_little_data"),
    hook=(c.prefetch(LACTATE, ERROR), "status 412"),
)
fault(
    ABSENCE,
    "an OperationOutcome among the results",
    hook=(
        c.prefetch(
            LACTATE,
            {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": ERROR}]},
        ),
        "status 412",
    ),
)
fault(
    ABSENCE,
    "only the first page of the results",
    hook=(
        c.prefetch(
            LACTATE, {"resourceType": "Bundle", "type": "searchset", "total": 5, "entry": []}
        ),
        "status 412",
    ),
)
cancelled = {
    "resourceType": "Observation",
    "status": "cancelled",
    "subject": {"reference": "Patient/p1"},
}
fault(
    ABSENCE,
    "as many cancelled results as were asked for, without a total or a link",
    hook=(
        c.prefetch(
            LACTATE,
            {
                "resourceType": "Bundle",
                "type": "searchset",
                "entry": [{"resource": {**cancelled, "id": f"c{i}"}} for i in range(10)],
            },
        ),
        "status 412",
    ),
)
for name, wrong in (
    ("an entry whose response is an error", {"response": {"status": "500"}}),
    ("an entry without a resource", {"fullUrl": "https://ehr.example.org/fhir/Observation/o1"}),
    ("a Bundle as an entry", {"resource": {"resourceType": "Bundle", "type": "searchset"}}),
):
    found = {"resourceType": "Bundle", "type": "searchset", "entry": [wrong]}
    fault(ABSENCE, f"{name} of a search", hook=(c.prefetch(LACTATE, found), "status 412"))
for kind in ("history", "batch-response"):
    found = {"resourceType": "Bundle", "type": kind, "entry": []}
    fault(ABSENCE, f"a Bundle of type {kind}", hook=(c.prefetch(LACTATE, found), "status 412"))
fault(
    ABSENCE,
    "a next page without its address",
    hook=(
        c.prefetch(
            LACTATE,
            {"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "next"}]},
        ),
        "status 412",
    ),
)
fault(
    ABSENCE,
    "nothing at all",
    json=(c.member(values={}), "refused too_little_data"),
    fhir=(c.member(entry=[]), "refused too_little_data"),
    hook=(
        c.member(prefetch={"patient": None, LACTATE: None, CREATININE: None}),
        "refused too_little_data",
    ),
)
everywhere(
    ABSENCE,
    "no laboratory value",
    lambda request: [request["values"].pop(name) for name in ("lactate", "creatinine")] and None,
    c.without(1, 2),
    "missing lactate, creatinine: no_value",
)
fault(
    ABSENCE,
    "a quantity without a value",
    json=(c.lactate_json(value=...), "refused missing_field"),
    fhir=(c.quantity(None), GONE),
)
fault(
    ABSENCE,
    "dataAbsentReason unknown",
    fhir=(
        c.other_value(dataAbsentReason=ABSENT),
        "missing lactate: reported_absent",
    ),
)
fault(
    ABSENCE,
    "dataAbsentReason masked",
    fhir=(c.other_value(dataAbsentReason=MASKED), "refused masked"),
)
for name, change in (
    ("in the second coding", c.other_value(dataAbsentReason=UNKNOWN_AND_MASKED)),
    ("beside the number", c.lactate(valueQuantity={"_value": WITHHELD})),
    ("within the quantity", c.lactate(valueQuantity=WITHHELD)),
    ("beside the quantity", c.other_value(_valueQuantity=WITHHELD)),
    ("within a concept", c.other_value(valueCodeableConcept=WITHHELD)),
    *(
        (f"by _value{kind}", c.other_value(**{f"_value{kind}": WITHHELD}))
        for kind in ("CodeableConcept", "String", "Boolean", "Integer", "Time", "DateTime")
    ),
):
    fault(ABSENCE, f"masked, as is said {name}", fhir=(change, "refused masked"))
fault(
    ABSENCE,
    "unknown, as is said by _valueString",
    fhir=(
        c.other_value(_valueString={"extension": [{"url": REASON, "valueCode": "unknown"}]}),
        "missing lactate: reported_absent",
    ),
)
fault(
    ABSENCE,
    "a text and, beside it, a reason for its absence",
    fhir=(
        c.other_value(valueString="3.1", _valueString=WITHHELD),
        "refused contradictory_value",
    ),
)
fault(
    ABSENCE,
    "a coded value and, within it, a reason for its absence",
    fhir=(
        c.other_value(valueCodeableConcept={**WITHHELD, "coding": [{"code": "high"}]}),
        "refused contradictory_value",
    ),
)
fault(
    ABSENCE,
    "a coded value and, beside its code, a reason for its absence",
    fhir=(
        c.other_value(valueCodeableConcept={"coding": [{"code": "high", "_code": WITHHELD}]}),
        "refused contradictory_value",
    ),
)
fault(
    ABSENCE,
    "a number and, beside it, a reason for its absence",
    fhir=(
        c.quantity(3.1, _value=WITHHELD),
        "refused contradictory_value",
    ),
)
for part, reason in (
    ("_comparator", "absent_comparator"),
    ("_unit", "absent_unit"),
    ("_system", "absent_unit"),
    ("_code", "absent_unit"),
):
    fault(
        ABSENCE,
        f"a number and, by {part}, a reason for the absence of a part of it",
        fhir=(c.quantity(3.1, **{part: WITHHELD}), f"refused {reason}"),
    )
fault(
    ABSENCE,
    "a value and a reason for its absence",
    fhir=(c.lactate(dataAbsentReason=ABSENT), "refused contradictory_value"),
)
# a panel has no value of its own, so that these say nothing of its components
for code in ("not-applicable", "unknown"):
    fault(
        ABSENCE,
        f"a component of a panel without a value of its own, {code}",
        fhir=(c.panel(code), "unchanged"),
    )
for code, reason in (
    ("masked", "masked"),
    ("not-permitted", "masked"),
    ("error", "absent_whole"),
    ("not-performed", "absent_whole"),
):
    fault(
        ABSENCE,
        f"a component of a panel that is absent as a whole, {code}",
        fhir=(c.panel(code), f"refused {reason}"),
    )
for kind, wrong in (
    ("valueDecimal", 3.1),
    ("valueMoney", {"value": 3.1, "currency": "EUR"}),
    ("valueAttachment", {"contentType": "text/plain", "data": "My4x"}),
    ("valuequantity", {"value": 3.1, "system": UCUM, "code": "mmol/L"}),
    ("_valueDecimal", {"id": "a"}),
):
    fault(
        ABSENCE,
        f"{kind} in the place of the quantity",
        fhir=(c.other_value(**{kind: wrong}), "refused not_a_value"),
    )
for kind, other in (
    ("valueDecimal", 9.0),
    ("valueMoney", {"value": 9}),
    ("valueFoo", 3),
    ("valuequantity", {"value": 9, "system": UCUM, "code": "mmol/L"}),
):
    fault(
        ABSENCE,
        f"{kind} beside the quantity",
        fhir=(c.lactate(**{kind: other}), "refused not_a_value"),
    )
fault(
    ABSENCE,
    "valueMoney beside the quantity of a component",
    fhir=(
        c.other_value(
            code={"coding": [c.loinc("24338-6")]},
            component=[c.part(3.1) | {"valueMoney": {"value": 9}}],
        ),
        "refused not_a_value",
    ),
)
fault(
    ABSENCE,
    "valueDecimal and valueMoney in extensions",
    fhir=(
        c.both(
            c.lactate(extension=[{"url": "https://example.org/a", "valueDecimal": 9.0}]),
            c.patient(extension=[{"url": "https://example.org/b", "valueMoney": {"value": 9}}]),
        ),
        "unchanged",
    ),
)
fault(
    ABSENCE,
    "valueDecimal in a component",
    fhir=(
        c.other_value(
            code={"coding": [c.loinc("85354-9")]},
            component=[{"code": {"coding": [c.loinc("2524-7")]}, "valueDecimal": 3.1}],
        ),
        "refused not_a_value",
    ),
)
fault(
    ABSENCE,
    "valueDecimal beside a reason for the absence of a value",
    fhir=(
        c.other_value(dataAbsentReason=ABSENT, valueDecimal=3.1),
        "refused not_a_value",
    ),
)
for kind in ("observation", "OBSERVATION", "Observations"):
    fault(
        ABSENCE,
        f"a result whose resourceType is {kind}",
        fhir=(c.lactate(resourceType=kind), "refused unknown_resource"),
    )
for name, change in (
    ("an entry without anything", c.entry(c.LACTATE_AT, resource=..., fullUrl=...)),
    ("a resource under a key in large letters", c.capital("resource")),
):
    fault(
        ABSENCE,
        name,
        fhir=(change, "refused no_resource"),
        hook=(c.first_result(change), "status 412"),
    )
fault(
    ABSENCE,
    "a result that is said to be a message on the search",
    fhir=(
        c.both(c.member(type="searchset"), c.entry(c.LACTATE_AT, search={"mode": "outcome"})),
        "refused not_data",
    ),
)
fault(
    ABSENCE,
    "two values at once",
    fhir=(c.lactate(valueString="3.1"), "refused contradictory_value"),
)
fault(
    ABSENCE,
    "a component that says another value than the whole",
    fhir=(c.lactate(component=[c.part(9.9)]), "refused contradictory_value"),
)
fault(
    ABSENCE,
    "a component that says the value of the whole again",
    fhir=(c.lactate(component=[c.part(3.1)]), "unchanged"),
)

# status
for status, reason in (
    ("entered-in-error", "entered_in_error"),
    ("cancelled", "cancelled"),
    ("preliminary", "preliminary"),
    ("registered", "not_final"),
    ("unknown", "not_final"),
    ("bogus", "not_final"),
):
    fault(STATUS, f"{status}, alone", fhir=(c.lactate(status=status), f"missing lactate: {reason}"))
    fault(STATUS, f"{status}, beside a final one", fhir=(c.beside(status=status), "unchanged"))
fault(STATUS, "no status", fhir=(c.lactate(status=...), "missing lactate: not_final"))
fault(
    STATUS,
    "final, beside a reason for the absence of the status",
    fhir=(c.lactate(_status=WITHHELD), "missing lactate: not_final"),
)
fault(STATUS, "amended, alone", fhir=(c.lactate(status="amended"), "unchanged"))
fault(
    STATUS,
    "an older version beside the newer one",
    fhir=(
        c.both(
            c.lactate(meta={"versionId": "2", "lastUpdated": "2026-03-02T08:30:00Z"}),
            c.beside(id="o1", meta={"versionId": "1", "lastUpdated": "2026-03-02T08:10:00Z"}),
        ),
        "unchanged",
    ),
)
for name, old, new, outcome in (
    (
        "an older version by an offset that looks later",
        {"lastUpdated": "2026-03-02T09:10:00+01:00"},
        {"lastUpdated": "2026-03-02T08:30:00Z"},
        "unchanged",
    ),
    ("an older version by its number", {"versionId": "9"}, {"versionId": "10"}, "unchanged"),
    ("another version, and it can't be told which is the newer", {}, {}, UNDECIDED),
):
    fault(STATUS, name, fhir=(c.both(c.lactate(meta=new), c.beside(id="o1", meta=old)), outcome))

# set aside
for name, fields in (
    ("undated", {"effectiveDateTime": ...}),
    ("of a day without a time", {"effectiveDateTime": "2026-03-02"}),
    ("without a subject", {"subject": ...}),
    ("withheld for privacy", {"valueQuantity": ..., "dataAbsentReason": MASKED}),
):
    fault(
        ABSENCE,
        f"a usable value beside another that is {name}",
        fhir=(c.beside(**fields), "excluded set_aside"),
    )

for code in ("error", "unknown", "not-performed", "unsupported"):
    absent = {"coding": [{"code": code}]}
    fault(
        ABSENCE,
        f"a usable value beside a later result without one, {code}",
        fhir=(c.beside(valueQuantity=..., dataAbsentReason=absent), "flagged newer_absent"),
    )

# time
everywhere(
    TIME,
    "taken in the future",
    c.lactate_json(time="2026-03-03T08:00:00Z"),
    c.lactate(effectiveDateTime="2026-03-03T08:00:00Z"),
    "refused in_the_future",
)
everywhere(
    TIME,
    "one of the future beside a current one",
    lambda request: request["values"].update(
        lactate=[
            request["values"]["lactate"],
            {"value": 9.9, "unit": "mmol/L", "time": "2026-03-03T08:00:00Z"},
        ]
    ),
    c.beside(effectiveDateTime="2026-03-03T08:00:00Z"),
    "excluded set_aside",
)
fault(
    TIME,
    "one issued in the future beside a current one",
    fhir=(c.beside(issued="2026-03-03T08:00:00Z"), "excluded set_aside"),
)
fault(
    TIME,
    "issued after the prediction",
    fhir=(c.lactate(issued="2026-03-02T11:00:00Z"), "missing lactate: not_yet_issued"),
)
fault(
    TIME,
    "issued before it was taken",
    fhir=(c.lactate(issued="2026-03-01T08:00:00Z"), "flagged issued_before_taken"),
)
fault(TIME, "issued on a mere day", fhir=(c.lactate(issued="2026-03-05"), "refused partial_time"))
fault(
    TIME,
    "no time",
    json=(c.lactate_json(time=...), "unchanged"),
    fhir=(c.lactate(effectiveDateTime=...), "refused undated"),
)
ENDED = {"end": "2026-03-02T08:00:00Z", "_end": WITHHELD}
for name, fields in (
    ("_effectiveDateTime", {"_effectiveDateTime": WITHHELD}),
    ("_end of its period", {"effectiveDateTime": ..., "effectivePeriod": ENDED}),
    ("_issued", {"issued": "2026-03-02T08:00:00Z", "_issued": WITHHELD}),
):
    fault(
        TIME,
        f"a time and, by {name}, a reason for its absence",
        fhir=(c.lactate(**fields), "refused undated"),
    )
    fault(
        TIME,
        f"such a time by {name}, of a value beside a usable one",
        fhir=(c.beside(**fields), "excluded set_aside"),
    )
fault(
    TIME,
    "a date without a time",
    json=(c.lactate_json(time="2026-03-02"), "refused wrong_type"),
    fhir=(c.lactate(effectiveDateTime="2026-03-02"), "refused partial_time"),
)
fault(
    TIME,
    "a time without an offset",
    json=(c.lactate_json(time="2026-03-02T08:00:00"), "refused no_timezone"),
    fhir=(c.lactate(effectiveDateTime="2026-03-02T08:00:00"), "refused naive_time"),
)
fault(
    TIME,
    "no time at all, but words",
    json=(c.lactate_json(time="this morning"), "refused wrong_type"),
    fhir=(c.lactate(effectiveDateTime="this morning"), "refused not_a_time"),
)
fault(
    TIME,
    "a day that doesn't exist",
    json=(c.lactate_json(time="2026-02-30T08:00:00Z"), "refused wrong_type"),
    fhir=(c.lactate(effectiveDateTime="2026-02-30T08:00:00Z"), "refused not_a_time"),
)
everywhere(
    TIME,
    "the same time with another offset",
    c.lactate_json(time="2026-03-02T10:00:00+02:00"),
    c.lactate(effectiveDateTime="2026-03-02T10:00:00+02:00"),
    "unchanged",
)
for offset in ("+15:00", "-14:01", "+23:59"):
    everywhere(
        TIME,
        f"an offset of {offset}",
        c.lactate_json(time=f"2026-03-02T08:00:00{offset}"),
        c.lactate(effectiveDateTime=f"2026-03-02T08:00:00{offset}"),
        "refused bad_offset",
    )
for label, outcome in (("MASKED", "refused masked"), ("HTEST", "flagged test_data")):
    labels = {"security": [{"code": label}]}
    fault(ABSENCE, f"a Patient labelled {label}", fhir=(c.patient(meta=labels), outcome))
for label, outcome in (
    ("MASKED", "refused masked"),
    ("HTEST", "flagged test_data"),
    ("SUBSETTED", "flagged subsetted"),
    ("REDACTED", "flagged altered"),
    ("UNRELIABLE", "flagged unreliable"),
):
    labels = {"security": [{"code": label}]}
    fault(
        ABSENCE,
        f"a Bundle labelled {label}",
        fhir=(c.member(meta=labels), outcome),
        hook=(c.found(meta=labels), outcome),
    )
fault(
    ABSENCE,
    "a Bundle without it that is labelled MASKED",
    fhir=(c.both(c.without(c.LACTATE_AT), c.member(meta=MASKED_LABELS)), "refused masked"),
    hook=(c.found(entry=[], total=0, meta=MASKED_LABELS), "refused masked"),
)
for name, issues, outcome in (
    ("left data out for privacy", [SUPPRESSED], "flagged suppressed"),
    ("reports no issue", [], "flagged sender_issue"),
    ("reports an issue of no severity", [{"code": "processing"}], "flagged sender_issue"),
):
    fault(
        ABSENCE,
        f"a sender that says that it {name}",
        fhir=(c.message(issues), outcome),
        hook=(through_bundle(c.message(issues)), "status 412"),
    )
for offset in ("+05:99", "+13:60", "+00:60"):
    fault(
        TIME,
        f"an offset of {offset}",
        json=(c.lactate_json(time=f"2026-03-02T08:00:00{offset}"), "refused wrong_type"),
        fhir=(c.lactate(effectiveDateTime=f"2026-03-02T08:00:00{offset}"), "refused bad_offset"),
    )
everywhere(
    TIME,
    "an offset of +14:00",
    c.lactate_json(time="2026-03-02T22:00:00+14:00"),
    c.lactate(effectiveDateTime="2026-03-02T22:00:00+14:00"),
    "unchanged",
)
everywhere(
    TIME,
    "a fraction of a second with twelve digits",
    c.lactate_json(time="2026-03-02T08:00:00.123456789012Z"),
    c.lactate(effectiveDateTime="2026-03-02T08:00:00.123456789012Z"),
    "unchanged",
)
fault(
    TIME,
    "a value without a time, before another an hour later",
    json=(
        c.value(
            "lactate",
            [
                {"value": 3.1, "unit": "mmol/L"},
                {"value": 9.9, "unit": "mmol/L", "time": "2026-03-02T09:00:00Z"},
            ],
        ),
        "flagged untimed_used",
    ),
)
fault(
    TIME,
    "a value without a time, and the same an hour later",
    json=(
        c.value(
            "lactate",
            [
                {"value": 3.1, "unit": "mmol/L"},
                {"value": 3.1, "unit": "mmol/L", "time": "2026-03-02T09:00:00Z"},
            ],
        ),
        "unchanged",
    ),
)
everywhere(
    TIME,
    "five years old",
    c.lactate_json(time="2021-03-02T08:00:00Z"),
    c.lactate(effectiveDateTime="2021-03-02T08:00:00Z"),
    "missing lactate: outside_look_back",
)
everywhere(
    TIME,
    "an older value beside it, of which the latest counts",
    lambda request: request["values"].update(
        lactate=[
            {"value": 9.9, "unit": "mmol/L", "time": "2026-03-02T06:00:00Z"},
            request["values"]["lactate"],
        ]
    ),
    c.beside(effectiveDateTime="2026-03-02T06:00:00Z"),
    "unchanged",
)
everywhere(
    TIME,
    "another value of the same time beside it, issued or listed before",
    lambda request: request["values"].update(
        lactate=[{**request["values"]["lactate"], "value": 9.9}, request["values"]["lactate"]]
    ),
    c.beside(id="o0", effectiveDateTime="2026-03-02T08:00:00Z"),
    "flagged contradictory",
)
everywhere(
    TIME,
    "the same result of the same time beside it, in another unit",
    lambda request: request["values"].update(
        lactate=[
            {**request["values"]["lactate"], "value": 27.9, "unit": "mg/dL"},
            request["values"]["lactate"],
        ]
    ),
    c.beside(
        id="o0",
        effectiveDateTime="2026-03-02T08:00:00Z",
        valueQuantity={"value": 27.9, "system": UCUM, "code": "mg/dL"},
    ),
    "unchanged",
)
fault(
    TIME,
    "an age that was true years ago",
    json=(c.value("age", {"value": 71, "time": "2019-03-02T08:00:00Z"}), "refused stale_age"),
)
fault(
    TIME,
    "an age that isn't whole years",
    json=(c.value("age", 71.7), "refused not_whole"),
)
fault(
    TIME,
    "an observation from the year of birth doesn't make its subject younger",
    fhir=(c.beside(effectiveDateTime="1955-03-02T06:00:00Z"), "unchanged"),
)

fault(
    TIME,
    "two effective times",
    fhir=(c.lactate(effectiveInstant="2026-03-01T08:00:00Z"), "refused contradictory_time"),
)
fault(
    TIME,
    "an effective time and a timing",
    fhir=(
        c.lactate(effectiveTiming={"event": ["2026-03-01T08:00:00Z"]}),
        "refused contradictory_time",
    ),
)
fault(
    TIME,
    "a timing only",
    fhir=(
        c.lactate(effectiveDateTime=..., effectiveTiming={"event": ["2026-03-02T08:00:00Z"]}),
        "refused undated",
    ),
)
for start in ("2026-03-02T09:00:00Z", "2026-03-03"):
    period = {"start": start, "end": "2026-03-02T08:00:00Z"}
    fault(
        TIME,
        f"a period that ends before its start of {start}",
        fhir=(
            c.lactate(effectiveDateTime=..., effectivePeriod=period),
            "refused contradictory_time",
        ),
    )

# identity
for name, first in (("before ours", True), ("beside ours", False)):
    fault(
        IDENTITY,
        f"another patient's value {name}",
        fhir=(c.beside(first=first, subject=OF_P2), "refused foreign_subject"),
    )
fault(
    IDENTITY,
    "another patient's value only",
    fhir=(c.lactate(subject=OF_P2), "refused foreign_subject"),
)
fault(
    IDENTITY,
    "the subject by its absolute address",
    fhir=(
        c.lactate(subject={"reference": "https://ehr.example.org/fhir/Patient/p1"}),
        "unchanged",
    ),
)
fault(
    IDENTITY,
    "the same id on another server",
    fhir=(
        c.lactate(subject={"reference": "https://other.example.org/fhir/Patient/p1"}),
        "refused foreign_subject",
    ),
)
P1 = {"reference": "Patient/p1"}
fault(
    IDENTITY,
    "a focus on somebody else",
    fhir=(c.lactate(focus=[{"reference": "RelatedPerson/r1"}]), "refused other_focus"),
)
fault(IDENTITY, "a focus on the patient", fhir=(c.lactate(focus=[P1]), "unchanged"))
fault(
    IDENTITY,
    "a value of another focus beside ours",
    fhir=(c.beside(focus=[{"reference": "RelatedPerson/r1"}]), "excluded set_aside"),
)
fault(
    IDENTITY,
    "a subject of another type than its address",
    fhir=(c.lactate(subject={**P1, "type": "Group"}), "refused no_subject"),
)
fault(
    IDENTITY,
    "a subject with a number that isn't the patient's",
    fhir=(
        c.both(
            c.patient(identifier=[{"system": "urn:mrn", "value": "77"}]),
            c.lactate(subject={**P1, "identifier": {"system": "urn:mrn", "value": "78"}}),
        ),
        "refused foreign_subject",
    ),
)
fault(IDENTITY, "no subject", fhir=(c.lactate(subject=...), "refused no_subject"))
fault(
    IDENTITY,
    "a subject whose reference is empty",
    fhir=(c.lactate(subject={"reference": "", "display": "Somebody"}), "refused no_subject"),
)
fault(
    IDENTITY,
    "a subject that is contained",
    fhir=(c.lactate(subject={"reference": "#p1"}), "refused no_subject"),
)
fault(
    IDENTITY,
    "a group as subject",
    fhir=(c.lactate(subject={"reference": "Group/p1"}), "refused no_subject"),
)
fault(
    IDENTITY, "a result's id that FHIR doesn't allow", fhir=(c.lactate(id="a_b"), "refused bad_id")
)
fault(
    IDENTITY,
    "a version that FHIR doesn't allow",
    fhir=(c.lactate(meta={"versionId": "1/2"}), "refused bad_id"),
)
fault(
    IDENTITY,
    "a patient's id that FHIR doesn't allow",
    fhir=(c.patient(id="p 1"), "refused bad_id"),
    hook=(
        c.member(context={"userId": "Practitioner/x", "patientId": "p 1"}),
        "status 400",
    ),
)
OBSERVATIONS = "https://ehr.example.org/fhir/Observation"
for name, address in (
    ("another id than its address", f"{OBSERVATIONS}/zzz"),
    ("another type than its address", "https://ehr.example.org/fhir/Condition/o1"),
    ("another id than its relative address", "Observation/zzz"),
):
    fault(
        IDENTITY,
        f"a result of {name}",
        fhir=(c.entry(c.LACTATE_AT, fullUrl=address), "refused contradictory_id"),
    )
fault(
    IDENTITY,
    "a result without an id, of another type than its address",
    fhir=(
        c.both(
            c.lactate(id=...),
            c.entry(c.LACTATE_AT, fullUrl="https://ehr.example.org/fhir/Condition/o1"),
        ),
        "refused contradictory_id",
    ),
)
versioned = c.entry(c.LACTATE_AT, fullUrl=f"{OBSERVATIONS}/o1/_history/3")
fault(
    IDENTITY,
    "the address of a version",
    fhir=(versioned, "refused versioned_address"),
)
fault(
    IDENTITY,
    "another Patient resource than the values'",
    fhir=(
        c.both(
            c.patient(id="p2"),
            c.entry(c.PATIENT, fullUrl="https://ehr.example.org/fhir/Patient/p2"),
        ),
        "refused foreign_subject",
    ),
)
fault(
    IDENTITY,
    "a Patient of another id than its address",
    fhir=(c.patient(id="p2"), "refused contradictory_id"),
    hook=(through_bundle(c.patient(id="p2")), "refused foreign_subject"),
)
fault(
    IDENTITY,
    "another patient in the context",
    hook=(
        c.member(context={"userId": "Practitioner/x", "patientId": "p2"}),
        "refused foreign_subject",
    ),
)
OF_P1 = {"subject": {"reference": "Patient/p1"}}
ELSEWHERE = {"encounter": {"reference": "Encounter/e2"}}
for name, order, outcome in (
    ("an order to be signed of the patient", c.signing(OF_P1), "unchanged"),
    ("an order of another patient", c.signing({"subject": OF_P2}), "refused foreign_subject"),
    (
        "an order of another patient beside one of ours",
        c.signing(OF_P1, {"subject": OF_P2}),
        "refused foreign_subject",
    ),
    ("an order that doesn't say whom it is for", c.signing({}), "flagged draft_unread"),
    ("an order of another encounter", c.signing({**OF_P1, **ELSEWHERE}), "flagged draft_unread"),
    (
        "an order with a modifierExtension",
        c.signing({**OF_P1, "modifierExtension": MODIFIER}),
        "flagged draft_unread",
    ),
    ("orders with unknown rules", c.signing(OF_P1, implicitRules="urn:x"), "status 400"),
    ("an entry of the orders that is null", c.signing(entry=[None]), "status 400"),
    ("orders that are no Bundle", c.signing(resourceType="List"), "status 400"),
):
    fault(IDENTITY, name, hook=(order, outcome))
HERE, THERE = "https://ehr.example.org/fhir", "https://other.example.org/fhir"
for name, changed, outcome in (
    (
        "subjects on two servers, and a Patient without its address",
        c.addressed(None, HERE, THERE),
        "refused foreign_subject",
    ),
    (
        "an Observation of another server, its subject relative",
        c.addressed(HERE, HERE, THERE, absolute=False),
        "refused foreign_subject",
    ),
    (
        "Observations of two servers, and a Patient without its address",
        c.addressed(None, HERE, THERE, absolute=False),
        "refused foreign_subject",
    ),
    (
        "an Observation of the same server, in large letters",
        c.addressed(HERE, HERE, HERE.replace("ehr", "EHR"), absolute=False),
        "unchanged",
    ),
    ("subjects on one server", c.addressed(None, HERE, HERE), "unchanged"),
):
    fault(IDENTITY, name, fhir=(changed, outcome))
fault(
    IDENTITY,
    "all on another server than fhirServer",
    hook=(
        through_bundle(c.addressed(THERE, THERE, THERE, absolute=False)),
        "refused foreign_subject",
    ),
)
fault(
    IDENTITY,
    "a Patient resource that isn't active",
    fhir=(c.patient(active=False), "refused replaced_patient"),
)
fault(
    IDENTITY,
    "a Patient resource that another one replaces",
    fhir=(
        c.patient(link=[{"other": {"reference": "Patient/p3"}, "type": "replaced-by"}]),
        "refused replaced_patient",
    ),
)
fault(
    IDENTITY,
    "a Patient resource that replaces another one",
    fhir=(
        c.patient(link=[{"other": {"reference": "Patient/p3"}, "type": "replaces"}]),
        "unchanged",
    ),
)
fault(
    IDENTITY,
    "two Patient resources",
    fhir=(
        lambda bundle: bundle["entry"].append(
            {"resource": {**bundle["entry"][0]["resource"], "id": "p2"}}
        ),
        "refused several_patients",
    ),
    hook=(
        c.prefetch("patient", {"resourceType": "Bundle", "type": "searchset", "entry": []}),
        "status 412",
    ),
)
fault(IDENTITY, "deceased", fhir=(c.patient(deceasedBoolean=True), "refused deceased"))
fault(
    IDENTITY,
    "deceased before the prediction",
    fhir=(c.patient(deceasedDateTime="2026-03-01T08:00:00Z"), "refused deceased"),
)
for beside in ("_deceasedDateTime", "_deceasedBoolean"):
    fault(
        IDENTITY,
        f"{beside} without a value",
        fhir=(c.patient(**{beside: WITHHELD}), "refused deceased"),
    )
fault(
    IDENTITY,
    "_deceasedDateTime where deceasedBoolean is false",
    fhir=(c.patient(deceasedBoolean=False, _deceasedDateTime=WITHHELD), "unchanged"),
)
for name, value in (("deceasedBoolean", False), ("active", True)):
    fault(
        IDENTITY,
        f"{name} with a reason for its absence beside it",
        fhir=(
            c.patient(**{name: value, f"_{name}": WITHHELD}),
            "refused contradictory_value",
        ),
    )
for sex in ("unknown", "other"):
    everywhere(
        IDENTITY,
        f"sex {sex}",
        c.value("sex", sex),
        c.patient(gender=sex),
        "refused unseen_category",
    )
everywhere(
    IDENTITY, "no sex", c.value("sex", ...), c.patient(gender=...), "refused too_little_data"
)
everywhere(
    IDENTITY,
    "no age or date of birth",
    c.value("age", ...),
    c.patient(birthDate=...),
    "refused too_little_data",
)
fault(
    IDENTITY, "only the year of birth", fhir=(c.patient(birthDate="1954"), "refused partial_date")
)
fault(
    IDENTITY,
    "born after the prediction",
    json=(c.value("age", -1), "refused implausible"),
    fhir=(c.patient(birthDate="2027-01-01"), "refused in_the_future"),
)
everywhere(
    IDENTITY,
    "a child",
    c.value("age", 5),
    c.patient(birthDate="2020-06-30"),
    "refused out_of_scope",
)
for name in ("birthDate", "gender"):
    fault(
        IDENTITY,
        f"a {name} beside a reason for its absence",
        fhir=(c.patient(**{f"_{name}": WITHHELD}), "refused contradictory_value"),
    )
fault(
    IDENTITY,
    "only a number that is old",
    fhir=(
        c.patient(identifier=[{"use": "old", "system": "urn:oid:1.2.3.4", "value": "12345"}]),
        "unchanged",
    ),
)
fault(
    IDENTITY,
    "a Patient with an unknown modifier",
    fhir=(c.patient(modifierExtension=MODIFIER), "refused unknown_modifier"),
)
fault(
    IDENTITY,
    "a value with an unknown modifier",
    fhir=(c.lactate(modifierExtension=MODIFIER), "refused unknown_modifier"),
)
fault(
    IDENTITY,
    "a value with unknown rules",
    fhir=(c.lactate(implicitRules="https://example.org/rules"), "refused unknown_modifier"),
)

# request
fault(
    REQUEST,
    "the codes of two features",
    fhir=(
        c.lactate(code={"coding": [c.loinc("2524-7"), c.loinc("2160-0")]}),
        "refused contradictory_code",
    ),
)
for name, code in (("another analyte", "2951-2"), ("the analyte in another specimen", "2161-8")):
    fault(
        REQUEST,
        f"the code of a feature and one of {name}",
        fhir=(
            c.resource(c.CREATININE_AT, code={"coding": [c.loinc("2160-0"), c.loinc(code)]}),
            "refused contradictory_code",
        ),
    )
fault(
    REQUEST,
    "the codes of one analyte in serum and in blood",
    fhir=(
        c.resource(c.CREATININE_AT, code={"coding": [c.loinc("2160-0"), c.loinc("38483-4")]}),
        "unchanged",
    ),
)
for label, where, outcome in (
    ("MASKED", "security", "refused masked"),
    ("HTEST", "security", "flagged test_data"),
    ("HTEST", "tag", "flagged test_data"),
    ("UNRELIABLE", "security", "flagged unreliable"),
    ("SUBSETTED", "tag", "flagged subsetted"),
    ("REDACTED", "security", "flagged altered"),
    ("other", "tag", "unchanged"),
):
    labels = [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": label}
    ]
    fault(
        REQUEST,
        f"a value with the {where} label {label}",
        fhir=(c.lactate(meta={where: labels}), outcome),
    )
fault(
    REQUEST,
    "the code in another system",
    json=(c.text('"lactate"', '"2524-7"'), "refused unknown_field"),
    fhir=(
        c.lactate(code={"coding": [{"system": "http://snomed.info/sct", "code": "2524-7"}]}),
        GONE,
    ),
)
fault(
    REQUEST,
    "another code",
    json=(c.text('"lactate"', '"lactat"'), "refused unknown_field"),
    fhir=(c.lactate(code={"coding": [{"system": "http://loinc.org", "code": "2345-7"}]}), GONE),
)
for name, changed in (
    ("JSON that breaks off", lambda _: '{"values": {"age": 71'),
    ("no JSON", lambda _: "age=71"),
    ("an empty body", lambda _: ""),
):
    fault(
        REQUEST,
        name,
        json=(changed, "refused not_json"),
        fhir=(changed, "status 400"),
        hook=(changed, "status 400"),
    )
fault(
    REQUEST,
    "a list in the place of an object",
    json=(lambda _: "[]", "refused wrong_type"),
    fhir=(lambda _: "[]", "status 422"),
    hook=(lambda _: "[]", "status 400"),
)
twice = c.text('"value": 3.1', '"value": 3.1, "value": 1.0')
fault(
    REQUEST,
    "a key that stands twice",
    json=(twice, "status 422"),
    fhir=(twice, "status 422"),
    hook=(twice, "status 422"),
)
fault(
    REQUEST,
    "nested without an end",
    json=(lambda _: '{"values": ' + "[" * 5000, "status 413"),
    fhir=(lambda _: '{"resourceType": ' + "[" * 5000, "status 413"),
    hook=(lambda _: '{"context": ' + "[" * 5000, "status 413"),
)
fault(
    REQUEST,
    "a Bundle of history",
    fhir=(c.member(type="history"), "refused bundle_type"),
    hook=(c.prefetch(LACTATE, {"resourceType": "List"}), "status 412"),
)
for name, entry, outcome in (
    ("a Bundle in a Bundle", {"resource": {"resourceType": "Bundle"}}, "nested_bundle"),
    ("an entry to be deleted", {"request": {"method": "DELETE"}}, "not_data"),
    ("an entry that is a patch", {"request": {"method": "PATCH"}}, "not_data"),
    ("an entry that asks for data", {"request": {"method": "GET"}}, "not_data"),
    ("an entry that is a failed answer", {"response": {"status": "404"}}, "failed_response"),
    (
        "an entry that is an answer with an error",
        {"response": {"status": "200", "outcome": ERROR}},
        "failed_response",
    ),
    ("an entry with an unknown modifier", {"modifierExtension": MODIFIER}, "unknown_modifier"),
):
    fault(
        REQUEST,
        name,
        fhir=(c.entry(1, **entry), f"refused {outcome}"),
        hook=(through_bundle(c.entry(1, **entry)), "status 412"),
    )
fault(
    REQUEST,
    "an entry that would be stored",
    fhir=(c.stored("transaction"), "unchanged"),
)
for kind in ("batch", "transaction"):
    fault(
        REQUEST,
        f"a {kind} of which one entry has no request",
        fhir=(c.both(c.stored(kind), c.entry(c.LACTATE_AT, request=...)), "refused bundle_form"),
        fhir_only=True,
    )
for name, change in (
    ("a request in a collection", c.entry(1, request={"method": "PUT", "url": "Observation/o1"})),
    ("an answer to a request in a collection", c.entry(1, response={"status": "200"})),
    ("a search's mode in a collection", c.entry(1, search={"mode": "match"})),
    ("a total in a collection", c.member(total=3)),
):
    fault(
        REQUEST,
        name,
        fhir=(change, "refused bundle_form"),
        fhir_only=True,
    )
NEXT = [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]
fault(
    REQUEST,
    "the first page of several, with the newest",
    fhir=(
        c.member(type="searchset", link=NEXT),
        "refused incomplete_bundle",
    ),
    hook=(lambda request: request["prefetch"][LACTATE].update(link=NEXT), "unchanged"),
)
fault(
    REQUEST,
    "fewer matches than their total, with the newest",
    fhir=(c.member(type="searchset", total=4), "refused incomplete_bundle"),
    hook=(lambda request: request["prefetch"][LACTATE].update(total=2), "unchanged"),
)
for total in (2, 0, -1):
    fault(
        REQUEST,
        f"more matches than their total of {total}",
        fhir=(c.member(type="searchset", total=total), "refused contradictory_total"),
        fhir_only=True,
    )
for total in (0, -1):
    fault(
        REQUEST,
        f"a search's result beside a total of {total}",
        hook=(
            lambda request, total=total: request["prefetch"][LACTATE].update(total=total),
            "status 412",
        ),
    )
fault(
    REQUEST,
    "a Bundle with unknown rules",
    fhir=(c.member(implicitRules="https://example.org/rules"), "refused unknown_modifier"),
    hook=(
        lambda request: request["prefetch"][LACTATE].update(implicitRules="https://x.example"),
        "status 412",
    ),
)
fault(
    REQUEST,
    "two entries of one address",
    fhir=(
        lambda bundle: bundle["entry"].append(bundle["entry"][1]),
        "refused duplicate_entry",
    ),
    hook=(
        through_bundle(lambda bundle: bundle["entry"].append(bundle["entry"][1])),
        "unchanged",
    ),
)
fault(
    REQUEST,
    "another resource",
    fhir=(c.member(resourceType="List"), "refused wrong_resource"),
    hook=(c.prefetch("patient", {"resourceType": "List"}), "status 412"),
)
for server in ("http://ehr.example.org/fhir", "javascript:1"):
    fault(REQUEST, f"fhirServer {server}", hook=(c.member(fhirServer=server), "status 400"))
fault(REQUEST, "another hook", hook=(c.member(hook="encounter-discharge"), "status 400"))
fault(REQUEST, "no hook", hook=(c.member(hook=...), "status 400"))
fault(REQUEST, "no context", hook=(c.member(context=...), "status 400"))
fault(
    REQUEST,
    "no patient in the context",
    hook=(c.member(context={"userId": "Patient/p1"}), "status 400"),
)
fault(REQUEST, "no hookInstance", hook=(c.member(hookInstance=...), "status 400"))
fault(REQUEST, "a hookInstance that is no UUID", hook=(c.member(hookInstance="1"), "status 400"))
fault(
    REQUEST,
    "predicted in the future",
    json=(c.member(predicted_at="2027-01-01T00:00:00Z"), "refused in_the_future"),
)
for field, wrong in (("patientId", "."), ("patientId", ".."), ("encounterId", 7)):
    context = {"userId": "Practitioner/x", "patientId": "p1", field: wrong}
    fault(REQUEST, f"{field} {wrong}", hook=(c.member(context=context), "status 400"))
