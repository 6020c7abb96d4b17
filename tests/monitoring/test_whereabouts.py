import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from monitoring.alarms import where_words
from monitoring.evidence.alarm import percent
from monitoring.evidence.apportion import Apportioned, Part
from monitoring.evidence.bets import Bet
from monitoring.grouping import MOST_WARDS, named_wards
from monitoring.placement import placed
from monitoring.whereabouts import as_told
from records.agreement import disagreements
from records.models import Alarm, Client, Prediction, Refusal
from tests.monitoring.clinic import FIRST, Change, Clinic, in_umol, older, without_creatinine

FAULT = FIRST + timedelta(days=25)
LAST = FAULT + timedelta(days=4)


def name_clients() -> None:
    times = {"created_at": "2024-01-01T00:00Z", "expires_at": "2034-01-01T00:00Z"}
    for key_id, name in (("x1", "lab-x"), ("x2", "lab-x"), ("w", "wards")):
        Client.objects.create(key_id=key_id, name=name, digest="", **times)


def dimensions(alarm: Alarm) -> dict[str, Any]:
    return {one["dimension"]: one for one in alarm.details["where"]["dimensions"]}


def found(clinic: Clinic, stream: str, through: date = LAST) -> Alarm:
    result = clinic.watch(through)
    return next(alarm for alarm in result.open_alarms if alarm.stream == stream)


def test_a_fault_in_one_sending_system_is_named(any_clinic: Clinic) -> None:
    name_clients()
    for step in range(30):
        day = FIRST + timedelta(days=step)
        # its key was rotated on the way; it's the same system
        key = "x1" if step < 20 else "x2"
        change = {"change": without_creatinine(0.9)} if day >= FAULT else {}
        any_clinic.record(day, 20, client=key, **change)
        any_clinic.record(day, 40, client="w")
    where = dimensions(found(any_clinic, "missing:creatinine"))
    system = where["sending system"]
    assert system["verdict"] == "sits"
    assert system["words"].startswith("It sits in requests from lab-x: 9")
    assert re.search(r"elsewhere \(1\d % in earlier requests\)\.$", system["words"])
    assert [one["name"] for one in system["groups"]] == ["lab-x", "wards"]
    assert system["groups"][0]["rows"] == 100
    assert where["site"]["words"] == "Requests name no site."
    assert [one for one in disagreements() if one.table == "records_alarm"] == []


def test_a_site_that_the_reference_does_not_know_is_named_as_new(clinic: Clinic) -> None:
    for step in range(30):
        day = FIRST + timedelta(days=step)
        clinic.record(day, 40, site="north")
        clinic.record(day, 40, site="south")
        if day >= FAULT:
            clinic.record(day, 25, site="west", change=older(14))
    site = dimensions(found(clinic, "value:age"))["site"]
    assert site["verdict"] == "sits"
    assert site["words"].startswith("It sits at west (none before 2024-01-26): +1.")
    assert site["groups"][0] | {"share": "", "interval": "", "now": ""} == {
        "name": "west", "rows": 125, "now": "", "before": "none before", "share": "",
        "interval": "",
    }  # fmt: skip


def always_measured(columns: dict[str, Any], generator: np.random.Generator) -> None:
    columns["creatinine"] = np.nan_to_num(columns["creatinine"], nan=1.0)


def test_a_third_site_that_changes_the_other_way_takes_from_the_change(clinic: Clinic) -> None:
    changes = {"north": without_creatinine(0.9), "west": always_measured}
    for step in range(30):
        day = FIRST + timedelta(days=step)
        for site in ("north", "south", "west"):
            change = {"change": changes[site]} if day >= FAULT and site in changes else {}
            clinic.record(day, 30, site=site, **change)
    site = dimensions(found(clinic, "missing:creatinine"))["site"]
    assert [one["name"] for one in site["groups"]] == ["north", "south", "west"]
    assert site["words"].startswith("It sits at north: 9")
    shares = [float(one["share"].removesuffix(" %").replace("−", "-")) for one in site["groups"]]
    assert shares[0] > 100
    assert shares[2] < 0
    assert site["groups"][2]["now"] == "0 %"


def test_a_change_everywhere_sits_nowhere(clinic: Clinic) -> None:
    fault = without_creatinine(0.8)
    for step in range(30):
        day = FIRST + timedelta(days=step)
        for site in ("north", "south"):
            change = {"change": fault} if day >= FAULT else {}
            clinic.record(day, 40, site=site, **change)
    site = dimensions(found(clinic, "missing:creatinine"))["site"]
    assert (site["verdict"], site["words"]) == ("spread", "No site stands out among 2.")


def test_sites_of_few_rows_stand_together(clinic: Clinic) -> None:
    for step in range(30):
        day = FIRST + timedelta(days=step)
        change = {"change": without_creatinine(0.9)} if day >= FAULT else {}
        clinic.record(day, 40, site="north", **change)
        clinic.record(day, 40, site="south")
    clinic.record(FAULT, 5, site="hut")
    clinic.record(FAULT, 6, site="tent")
    site = dimensions(found(clinic, "missing:creatinine"))["site"]
    assert {one["name"]: one["rows"] for one in site["groups"]} == {
        "north": 200,
        "south": 200,
        "all others": 11,
    }


def test_without_earlier_days_sites_are_compared_with_the_reference(clinic: Clinic) -> None:
    for step in range(10):
        day = FIRST + timedelta(days=step)
        clinic.record(day, 30, site="north", change=older(15))
        clinic.record(day, 30, site="south")
    alarm = found(clinic, "value:age", FIRST + timedelta(days=9))
    site = dimensions(alarm)["site"]
    assert alarm.since == FIRST
    assert alarm.details["where"]["earlier"] is None
    assert site["words"].startswith("It sits at north: +1.")
    assert site["words"].endswith(" in the reference.")


def test_an_alarm_and_where_it_sits_tell_one_figure_of_what_was_usual(clinic: Clinic) -> None:
    for step in range(10):
        day = FIRST + timedelta(days=step)
        clinic.record(day, 30, site="north", change=without_creatinine(0.5))
        clinic.record(day, 30, site="south")
    alarm = found(clinic, "missing:creatinine", FIRST + timedelta(days=9))
    usual = re.search(r"was (\d+ %)", alarm.summary)
    assert usual is not None
    assert dimensions(alarm)["site"]["words"].endswith(f"elsewhere, {usual[1]} in the reference.")
    assert alarm.summary.count("was") == 1
    assert "was" not in dimensions(alarm)["site"]["words"]
    groups = Apportioned((), 0.14, by_reference=True)
    weighed = {"scale": "share", "before": 0.19}
    assert as_told(groups, weighed).usual == 0.19
    assert as_told(replace(groups, by_reference=False), weighed).usual == 0.14
    assert as_told(groups, {"scale": "SD", "before": 0.0}).usual == 0.14


def test_the_ward_whose_creatinine_comes_in_another_unit_is_named(any_clinic: Clinic) -> None:
    for step in range(30):
        day = FIRST + timedelta(days=step)
        for ward in ("7B", "ICU"):
            fault = {"change": in_umol} if day >= FAULT and ward == "7B" else {}
            any_clinic.record(day, 30, site="north", ward=ward, **fault)
        any_clinic.record(day, 30, site="south", ward="7B")
    alarm = found(any_clinic, "value:creatinine")
    ward = dimensions(alarm)["ward"]
    assert ward["verdict"] == "sits"
    assert ward["words"] == (
        "It sits on 7B (north): 100 % of readings there (0 % in earlier requests), 0 % elsewhere "
        "(0 % in earlier requests) look like umol/L taken for mg/dL."
    )
    assert [one["name"] for one in ward["groups"]] == ["7B (north)", "7B (south)", "ICU (north)"]
    assert [one["now"] for one in ward["groups"]] == ["100 %", "0 %", "0 %"]
    assert alarm.details["where"]["looks_like"] == "umol/L taken for mg/dL"
    assert ward["words"] in where_words(alarm)
    assert [one for one in disagreements() if one.table == "records_alarm"] == []


def partly_in_umol(share: float) -> Change:
    """Give this share of creatinine in umol/L where mg/dL is said."""

    def change(columns: dict[str, Any], generator: np.random.Generator) -> None:
        wrong = generator.random(len(columns["age"])) < share
        columns["creatinine"] = np.where(wrong, 88.42, 1.0) * columns["creatinine"]

    return change


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
def test_readings_in_another_unit_are_told_by_their_true_share(
    clinic: Clinic, share: float
) -> None:
    for step in range(30):
        day = FIRST + timedelta(days=step)
        for site in ("north", "south", "west"):
            fault = {"change": partly_in_umol(share)} if day >= FAULT and site == "north" else {}
            clinic.record(day, 30, site=site, **fault)
    alarm = found(clinic, "value:creatinine")
    assert alarm.kind == "unit"
    site = dimensions(alarm)["site"]
    made = Prediction.objects.filter(site="north", predicted_at__date__gte=FAULT)
    values = [one.features["creatinine"] for one in made if one.features["creatinine"] is not None]
    true = percent(sum(value > 20 for value in values) / len(values))
    assert site["words"] == (
        f"It sits at north: {true} of readings there (0 % in earlier requests), 0 % elsewhere "
        "(0 % in earlier requests) look like umol/L taken for mg/dL."
    )
    assert {one["name"]: one["rows"] for one in site["groups"]}["north"] == len(values)


def test_a_unit_that_is_another_at_one_site_alone_is_told_of_its_wards(clinic: Clinic) -> None:
    for step in range(29):
        day = FIRST + timedelta(days=step)
        for site, ward in (("north", "7B"), ("north", "ICU"), ("south", "7B")):
            at_fault = day >= FAULT and (site, ward) == ("north", "ICU")
            fault = {"change": partly_in_umol(0.3)} if at_fault else {}
            clinic.record(day, 20 if site == "north" else 300, site=site, ward=ward, **fault)
    alarm = found(clinic, "value:creatinine@north", FIRST + timedelta(days=28))
    ward = dimensions(alarm)["ward"]
    assert ward["words"].startswith("It sits on ICU: 2")
    assert ward["words"].endswith(
        " % of readings there (0 % in earlier requests), 0 % elsewhere (0 % in earlier requests) "
        "look like umol/L taken for mg/dL."
    )
    # the site's alone, of whose readings some are missing
    assert sum(one["rows"] for one in ward["groups"]) <= 40 * 4


def test_the_ward_of_a_site_that_is_watched_by_itself_needs_no_site(clinic: Clinic) -> None:
    for step in range(30):
        day = FIRST + timedelta(days=step)
        for site, ward in (("north", "7B"), ("north", "ICU"), ("south", "7B")):
            at_fault = day >= FAULT and (site, ward) == ("north", "7B")
            fault = {"change": without_creatinine(0.9)} if at_fault else {}
            clinic.record(day, 30, site=site, ward=ward, **fault)
    watched = clinic.watch(LAST).open_alarms
    words = {one.stream: where_words(one) for one in watched}
    assert any(one.startswith("It sits on 7B (north): 9") for one in words["missing:creatinine"])
    wards = named_wards(clinic.model, "1", [(FIRST, LAST)], "north")
    assert wards == {("north", "7B"): "7B", ("north", "ICU"): "ICU"}


def test_requests_that_name_no_ward_say_so(clinic: Clinic) -> None:
    for step in range(30):
        day = FIRST + timedelta(days=step)
        clinic.record(day, 60, **({"change": without_creatinine(0.9)} if day >= FAULT else {}))
    where = dimensions(found(clinic, "missing:creatinine"))
    assert where["ward"]["words"] == "Requests name no ward."
    # a missing value has no code
    assert "code" not in where


def test_wards_beyond_the_twenty_with_the_most_requests_stand_together(clinic: Clinic) -> None:
    for step in range(30):
        day = FIRST + timedelta(days=step)
        change = {"change": without_creatinine(0.9)} if day >= FAULT else {}
        clinic.record(day, 40, ward="7B", **change)
        made = clinic.record(day, 60)
        for number, one in enumerate(made):
            one.ward = f"made up {step} {number}"
        Prediction.objects.bulk_update(made, ["ward"])
    ward = dimensions(found(clinic, "missing:creatinine"))["ward"]
    assert {one["name"]: one["rows"] for one in ward["groups"]} == {"7B": 200, "all others": 300}
    assert len(named_wards(clinic.model, "1", [(FIRST, LAST)], None)) == MOST_WARDS


def higher(columns: dict[str, Any], generator: np.random.Generator) -> None:
    columns["creatinine"] = columns["creatinine"] * 1.8


def test_a_new_code_that_brings_the_change_is_named_with_its_day(any_clinic: Clinic) -> None:
    usual, new = {"creatinine": "2160-0"}, {"creatinine": "38483-4"}
    for step in range(30):
        day = FIRST + timedelta(days=step)
        any_clinic.record(day, 40, codes=usual, ward="7B")
        any_clinic.record(day, 20, ward="7B")  # by JSON, which has no codes
        if day >= FAULT:
            any_clinic.record(day, 40, codes=new, change=higher, ward="7B")
    alarm = found(any_clinic, "value:creatinine")
    code = dimensions(alarm)["code"]
    assert code["verdict"] == "sits"
    assert code["words"].startswith("It sits in values under 38483-4 (none before 2024-01-26): +")
    assert [one["name"] for one in code["groups"]] == ["38483-4", "2160-0", "no code"]
    assert dimensions(alarm)["ward"]["words"] == "All requests name the ward 7B."
    assert code["words"] in where_words(alarm)


def test_values_of_several_codes_stand_together(clinic: Clinic) -> None:
    both_codes = {"creatinine": "2160-0 + 38483-4"}
    for step in range(30):
        day = FIRST + timedelta(days=step)
        change = {"change": higher} if day >= FAULT else {}
        clinic.record(day, 40, codes=both_codes, **change)
        clinic.record(day, 40, codes={"creatinine": "2160-0"})
    code = dimensions(found(clinic, "value:creatinine"))["code"]
    assert code["words"].startswith("It sits in values under several codes: +")


def test_other_versions_are_seen_beside_it_on_the_same_days(clinic: Clinic) -> None:
    for step in range(30):
        day = FIRST + timedelta(days=step)
        change = {"change": without_creatinine(0.9)} if day >= FAULT else {}
        clinic.record(day, 60, **change)
        clinic.record(day, 30, version="2")
        clinic.record(day, 10, version="3", definition_digest="c" * 64)
    versions = found(clinic, "missing:creatinine").details["where"]["versions"]
    assert versions[0]["version"] == "2"
    assert versions[0]["now"].endswith(" % of 150")
    assert versions[1] == {"version": "3", "now": None}


def test_refusals_are_divided_among_sending_systems(clinic: Clinic) -> None:
    name_clients()
    for step in range(40):
        day = FIRST + timedelta(days=step)
        clinic.record(day, 60, client="w")
        clinic.record(day, 30, client="x1")
        if step >= 30:
            clinic.refuse(day, 12)
    Refusal.objects.update(client="x2")
    alarm = found(clinic, "refusals:unit", FIRST + timedelta(days=39))
    (system,) = alarm.details["where"]["dimensions"]
    assert system["words"].startswith("It sits in requests from lab-x: 2")
    assert "0 % elsewhere" in system["words"]


def test_what_follows_from_another_alarm_says_nothing_of_its_own(clinic: Clinic) -> None:
    for step in range(30):
        day = FIRST + timedelta(days=step)
        for site in ("north", "south"):
            change = {"change": without_creatinine(0.9)} if day >= FAULT and site == "north" else {}
            clinic.record(day, 50, site=site, **change)
    part = found(clinic, "missing:creatinine@north")
    assert part.details["follows"]
    assert part.details["where"] is None


def test_the_same_days_say_the_same(clinic: Clinic) -> None:
    for step in range(30):
        day = FIRST + timedelta(days=step)
        change = {"change": without_creatinine(0.9)} if day >= FAULT else {}
        clinic.record(day, 30, site="north", **change)
        clinic.record(day, 30, site="south")
    once = found(clinic, "missing:creatinine").details["where"]
    assert found(clinic, "missing:creatinine").details["where"] == once
    assert once["first"] == FAULT.isoformat()


LOCATION = Bet("location", "higher", 1.0, 0.05)
RATE = Bet("rate", "more missing", 2.0, 0.1)


def part(group: str, rows: int, now: float | None, share: float, half: float = 0.05) -> Part:
    return Part(group, rows, 500, now, 0.1, share, share - half, share + half)


@pytest.mark.parametrize(
    ("parts", "verdict", "words"),
    [
        (
            (part("a", 100, 0.9, 0.7), part("b", 100, 0.44, 0.3)),
            "leans",
            "It is seen elsewhere too, but more in requests from a: 90 % there (10 % in earlier "
            "requests), 44 % elsewhere (10 % in earlier requests).",
        ),
        (
            (part("a", 0, None, 0.9), part("b", 100, 0.3, 0.1)),
            "sits",
            "It comes of there being no requests any more from a.",
        ),
        (
            (part("a", 100, 0.5, 0.4), part("b", 900, 0.2, 0.6)),
            "spread",
            "No sending system stands out among 2.",
        ),
    ],
)
def test_how_a_change_is_divided_is_put_into_words(
    parts: tuple[Part, ...], verdict: str, words: str
) -> None:
    found = Apportioned(parts, 0.1, by_reference=False)
    said = placed("sending system", ["a", "b"], found, RATE, {})
    assert (said.verdict, said.words) == (verdict, words)


@pytest.mark.parametrize(
    ("parts", "looks_like", "words"),
    [
        (
            (part("a", 100, 0.9, 0.95), part("b", 100, 0.1, 0.05)),
            "",
            "It sat in requests from a: 90 % there (10 % in earlier requests), "
            "10 % elsewhere (10 % in earlier requests).",
        ),
        (
            (part("a", 100, 0.9, 0.95), part("b", 100, 0.1, 0.05)),
            "X taken for Y",
            "It sat in requests from a: 90 % of readings there (10 % in earlier requests), "
            "10 % elsewhere (10 % in earlier requests) looked like X taken for Y.",
        ),
        (
            (part("a", 100, 0.5, 0.4), part("b", 900, 0.2, 0.6)),
            "",
            "No sending system stood out among 2.",
        ),
        (
            (part("a", 0, None, 0.9), part("b", 100, 0.3, 0.1)),
            "",
            "It came of there being no requests any more from a.",
        ),
    ],
)
def test_where_a_change_sat_that_has_ended_is_told_in_the_past_tense(
    parts: tuple[Part, ...], looks_like: str, words: str
) -> None:
    found = Apportioned(parts, 0.1, by_reference=False)
    said = placed("sending system", ["a", "b"], found, RATE, {}, looks_like, over=True)
    assert said.words == words


def test_too_few_requests_are_said_to_be_too_few() -> None:
    said = placed("site", ["a", "b"], None, LOCATION, {})
    assert said.words == "Too few requests to divide the change among 2 sites."
