"""Signed tokens in the place of API keys: CDS Hooks clients' and OIDC or SMART issuers'."""
