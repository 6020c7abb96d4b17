"""The CDS Hooks 2.0 protocol: discovery, cards and feedback for the models that ask for it."""

from serving.cds_hooks.services import operations

__all__ = ["operations"]
