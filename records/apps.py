"""The Django app that holds what happened."""

from django.apps import AppConfig


class RecordsConfig(AppConfig):
    """The records app; it knows people by a string id only."""

    name = "records"
    default_auto_field = "django.db.models.BigAutoField"
