"""Reports of corrected sources: recorded once, in a few statements however many there are."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from models.corrections import Correction
from records import corrections
from records.models import SourceCorrection
from records.settings import Settings
from tests.records.made_up import NOW


def report(*found: Correction, model: str = "sepsis") -> int:
    return corrections.report(model, found, by="lena", now=NOW)


def test_what_the_last_report_says_already_is_not_recorded_again(records_db: Settings) -> None:
    first = Correction("Observation/1", "corrected", "lactate", 4.0)
    other = Correction("Observation/1", "corrected", "lactate", 4.5)
    ward = Correction("Observation/1", "corrected", "ward", "surgical")
    assert report(first, ward, first) == 2
    assert report(first, ward) == 0
    assert report(other, ward) == 1
    assert report(first) == 1
    assert report(first, model="aki") == 1
    assert SourceCorrection.objects.count() == 5


@pytest.mark.parametrize("count", [1, 1100])
def test_many_reports_take_a_few_statements(records_db: Settings, count: int) -> None:
    many = [Correction(f"Observation/{number}", "entered-in-error") for number in range(count)]
    with CaptureQueriesContext(connection) as queries:
        assert report(*many) == count
    assert len(queries) < 30
    assert report(*many) == 0
