"""The Django app of the console: accounts, roles and pages."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The console; it reads `records` and writes there only what a person signed."""

    name = "monitoring.console"
    label = "console"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Note every login, logout and failed login in the audit record."""
        from monitoring.console import signs_in  # models must be loaded first

        signs_in.connect()
