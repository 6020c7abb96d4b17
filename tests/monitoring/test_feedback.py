from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from models.cds_hooks import CdsHooks
from monitoring.feedback import feedback
from monitoring.grouping import MOST_WARDS
from monitoring.wilson import wilson
from records.models import Feedback, Prediction
from tests.monitoring.clinic import FIRST, NOW, Clinic

HOOKS = CdsHooks.model_validate(
    {
        "id": "kidney-failure",
        "hooks": ["patient-view"],
        "card_from": "high",
        "fallback": "judge without this model",
        "override_reasons": [{"system": "urn:x", "code": "known", "display": "Known already"}],
    }
)


def tell(
    one: Prediction,
    outcome: str,
    code: str = "",
    *,
    system: str | None = None,
    is_test: bool = False,
) -> None:
    Feedback.objects.create(
        prediction=one,
        card=uuid4(),
        model=one.model,
        outcome=outcome,
        reason_system=("urn:x" if code else "") if system is None else system,
        reason_code=code,
        happened_at=NOW,
        recorded_at=NOW,
        protocol="cds-hooks",
        client="client",
        is_test=is_test,
    )


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_are_those_of_another_implementation(counts: tuple[int, int]) -> None:
    events, rows = counts
    share, low, high = wilson(events, rows)
    assert share == events / rows
    assert (low, high) == pytest.approx(proportion_confint(events, rows, method="wilson"), abs=1e-6)


def test_reports_are_counted_by_site_and_reason(any_clinic: Clinic) -> None:
    north = any_clinic.record(FIRST, 30, site="north")
    south = any_clinic.record(FIRST, 30, site="south")
    for one in north[:12]:
        tell(one, "overridden", "known")
    for one in north[12:24]:
        tell(one, "accepted")
    tell(south[0], "overridden")
    tell(south[1], "overridden", "odd")
    tell(south[3], "overridden", "known", system="urn:another")
    tell(south[4], "overridden", "known", system="")
    tell(south[5], "overridden", "", system="urn:x")
    tell(south[2], "overridden", is_test=True)
    definition = any_clinic.definition.model_copy(update={"cds_hooks": HOOKS})
    found = feedback(definition, "1")
    assert [(one.place, one.accepted, one.overridden) for one in found.groups] == [
        ("All sites", 12, 17),
        ("north", 12, 12),
        ("south", 0, 5),
    ]
    assert found.groups[1].words == "50 % (31 to 69)"
    assert found.groups[2].share is None
    assert found.reasons[0] == ("Known already", 13)
    assert set(found.reasons[1:]) == {
        ("no reason given", 1),
        ("odd (not one that cards offer)", 1),
        ("known (not one that cards offer)", 1),
        ("a reason without a code (not one that cards offer)", 1),
    }
    assert feedback(definition, "2").groups == ()


def test_reports_are_counted_by_ward(any_clinic: Clinic) -> None:
    north = any_clinic.record(FIRST, 24, site="north", ward="ICU")
    south = any_clinic.record(FIRST, 12, site="south", ward="ICU")
    nowhere = any_clinic.record(FIRST, 3)
    for one in north[:6] + south + nowhere:
        tell(one, "overridden")
    for one in north[6:]:
        tell(one, "accepted")
    found = feedback(any_clinic.definition, "1").wards
    assert [(one.place, one.accepted, one.overridden, one.words) for one in found] == [
        ("ICU (north)", 18, 6, "25 % (12 to 45)"),
        ("ICU (south)", 0, 12, "100 % (76 to 100)"),
        ("Ward not known", 0, 3, ""),
    ]


def test_reports_of_wards_beyond_the_twenty_most_stand_together(clinic: Clinic) -> None:
    made = clinic.record(FIRST, 60)
    for number, one in enumerate(made):
        one.ward = f"ward {min(number % 30, 25):02}"
    Prediction.objects.bulk_update(made, ["ward"])
    for one in made:
        tell(one, "accepted")
    found = feedback(clinic.definition, "1").wards
    assert len(found) == MOST_WARDS + 1
    assert {one.place: one.reports for one in found}["all others"] == 60 - 10 - 2 * 19


def test_reports_without_any_ward_have_no_table_of_wards(clinic: Clinic) -> None:
    tell(clinic.record(FIRST, 1, site="north")[0], "accepted")
    assert feedback(clinic.definition, "1").wards == ()


def test_of_few_reports_nothing_is_shown(clinic: Clinic) -> None:
    for one in clinic.record(FIRST, 9):
        tell(one, "overridden", "known")
    found = feedback(clinic.definition, "1")
    assert [one.place for one in found.groups] == ["All sites"]
    assert found.groups[0].share is None
    assert found.reasons == ()
