"""What the audit record calls changes of console users' accounts."""

from typing import Final

NOTED: Final = "console.users_noted"
CREATED: Final = "console.user_created"
ROLE: Final = "console.user_role"
RETIRED: Final = "console.user_retired"
REINSTATED: Final = "console.user_reinstated"
PASSWORD: Final = "console.password_renewed"  # noqa: S105 - the event, no password
SECOND_FACTOR: Final = "console.second_factor_removed"
