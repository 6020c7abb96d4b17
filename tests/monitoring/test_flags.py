import json
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.flags import FLAGGED, flag_group, flags_of, groups_of
from monitoring.validity import validity
from records.models import Alarm, DayCount
from serving.cds_hooks import drafts, stay
from tests.monitoring.clinic import FIRST, Clinic

findings = st.lists(
    st.fixed_dictionaries(
        {
            "feature": st.sampled_from(["age", "excluded"]),
            "kind": st.sampled_from(["missing", "excluded", "converted", "flagged"]),
            "reason": st.sampled_from(["no_value", "unknown_unit", "code_unit_mismatch", "odd"]),
            "words": st.text(max_size=12),
        }
    ),
    max_size=3,
)


@given(st.lists(findings, max_size=8))
def test_flags_are_those_of_each_predictions_findings(rows: list[list[dict[str, str]]]) -> None:
    found = flags_of([json.dumps(row) for row in rows])
    compact = flags_of([json.dumps(row, separators=(",", ":")) for row in rows])
    for group in FLAGGED:
        expected = [group in groups_of(row) for row in rows]
        assert found[group].tolist() == compact[group].tolist() == expected


def test_a_value_that_is_only_missing_is_no_flag() -> None:
    assert flag_group("missing", "no_value") is None
    assert flag_group("excluded", "unknown_unit") == "left_out_unit"
    assert flag_group("excluded", "implausible") == "left_out"
    assert flag_group("flagged", "censored") == "doubtful"


@pytest.mark.parametrize("reason", [stay.UNREAD, drafts.UNREAD])
def test_what_was_not_read_beside_the_values_makes_none_of_them_doubtful(reason: str) -> None:
    assert flag_group("flagged", reason) is None


def test_values_that_begin_to_come_in_another_unit_raise_an_alarm_that_names_them(
    any_clinic: Clinic,
) -> None:
    finding = {"feature": "creatinine", "kind": "converted", "reason": "converted", "words": "x"}
    any_clinic.record_days(FIRST, 14)
    begun = FIRST + timedelta(days=14)
    for step in range(3):
        any_clinic.record(begun + timedelta(days=step), findings=[finding])
    any_clinic.watch(begun + timedelta(days=2))
    alarm = Alarm.objects.get(stream="flags:converted")
    assert alarm.summary.startswith("Some value is converted from another unit in 100 %")
    assert alarm.since == begun
    assert alarm.details["reasons"] == [["creatinine", "converted", 180]]
    assert validity([alarm]).inside
    rows = DayCount.objects.filter(stream="flags:converted").order_by("day")
    assert np.isclose([row.mean for row in rows][-4:], [0, 1, 1, 1]).all()
