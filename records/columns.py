"""Adding columns to tables that may be large."""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import AddField


class AddColumn(AddField):
    """Add a column with a constant default of the database's own, in place.

    Of SQLite's tables Django would make a copy, which takes a ledger of millions of predictions
    many minutes and as much disk again, though SQLite adds such a column without touching a row.
    """

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Add the column."""
        model = to_state.apps.get_model(app_label, self.model_name)
        field = model._meta.get_field(self.name)
        if schema_editor.connection.vendor != "sqlite" or not field.has_db_default():
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        else:
            before = from_state.apps.get_model(app_label, self.model_name)
            BaseDatabaseSchemaEditor.add_field(schema_editor, before, field)
