from typing import Any

import pytest
from django.db.models import Model

from records.models import AuditEvent, Outcome, Prediction, Refusal
from records.rows import TABLES, AuditRow, OutcomeRow, PredictionRow, RefusalRow


@pytest.mark.parametrize(
    ("row", "model"),
    [
        (PredictionRow, Prediction),
        (RefusalRow, Refusal),
        (OutcomeRow, Outcome),
        (AuditRow, AuditEvent),
    ],
)
def test_every_column_of_a_table_is_written_by_its_row(row: type[Any], model: type[Model]) -> None:
    table = TABLES[row]
    given_by_database = {"id"} if model in (Refusal, Outcome) else set()
    columns = {field.column for field in model._meta.concrete_fields}
    assert set(table.sql_columns) == columns - given_by_database
    assert model._meta.db_table == f"records_{table.name}"
