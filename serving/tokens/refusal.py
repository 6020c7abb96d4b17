"""Why a token isn't taken."""


class TokenRefused(Exception):
    """A token isn't taken; the reason is for the audit log only (CDS-20)."""
