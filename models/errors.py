"""Everything that can go wrong, as one tree that knows nothing of HTTP.

AuscultError
├── SettingsError            a setting, key or home directory can't be used
├── DefinitionError          a model's definition can't be used: file and key
├── StatisticsError          a figure can't be computed from these numbers
├── EvidenceError            a stream's stored evidence can't be read, merged or closed
├── CohortError              a training table can't be used: column and row count
├── InputError               a request can't be scored: field, value and reason
│   ├── MalformedInput       it isn't of the form that was agreed
│   ├── TooMuchData          more than is read at once
│   ├── UnusableValue        a value that can't be right (never the same as a missing one)
│   ├── OutOfScope           the patient lies outside the definition's inclusion limits
│   └── TooLittleData        less than the smallest set without which there is no score
├── BatchError               a file can't be scored, or its scores can't be written
├── ModelSuspended           the model was taken out of use
├── ArtefactError            a file of a model version is absent, changed or not allowed
│   └── ModelNotSupported    a fitted model of a kind that can't be explained exactly
├── ExplanationMismatch      contributions don't add up to the risk: nothing is answered
├── RegistryError            a model version, alias or run isn't there or isn't as recorded
│   └── PromotionRefused     a gate failed
└── RecordError              what happened can't be written down
    ├── NotMigrated          the database has another schema than this code
    ├── WriterBusy           more is waiting to be recorded than is allowed
    └── WriterStopped        the writer can't record any more
"""

from collections.abc import Sequence


class AuscultError(Exception):
    """Root of every error that Auscult raises on purpose; its text is fit to be shown."""


class SettingsError(AuscultError):
    """A setting, key or home directory can't be used."""


class DefinitionError(AuscultError):
    """A model's definition can't be used; the text names file and key."""


class StatisticsError(AuscultError):
    """A figure can't be computed from these numbers; the text names the argument and counts."""


class EvidenceError(AuscultError):
    """A stream's stored evidence can't be read, merged or closed; the text says which part."""


class CohortError(AuscultError):
    """A training table can't be used; the text names column, row count and what to do."""


class InputError(AuscultError):
    """A request can't be scored.

    `field` names where, `reason` is a stable slug (`unknown_unit`, `implausible`, ...) that is
    counted and watched; neither holds a patient's identifier.
    """

    def __init__(self, message: str, *, field: str, reason: str) -> None:
        super().__init__(message)
        self.field = field
        self.reason = reason


class MalformedInput(InputError):
    """The request isn't of the form that was agreed."""


class TooMuchData(InputError):
    """There is more than is read at once; the text says how much is."""


class UnusableValue(InputError):
    """A value can't be right: unknown unit, implausible, in the future, unseen category."""


class OutOfScope(InputError):
    """The patient lies outside the limits of the model's definition."""


class TooLittleData(InputError):
    """Less is known than the smallest set without which there is no score."""

    def __init__(self, message: str, *, missing: Sequence[str]) -> None:
        super().__init__(message, field=", ".join(missing), reason="too_little_data")
        self.missing = tuple(missing)


class BatchError(AuscultError):
    """A file can't be scored, or its scores can't be written; the text holds no cell of it."""


class ModelSuspended(AuscultError):
    """The model was taken out of use; the text says why."""


class ArtefactError(AuscultError):
    """A file of a model version is absent, changed or not allowed."""


class ModelNotSupported(ArtefactError):
    """A fitted model of a kind that can't be explained exactly."""


class ExplanationMismatch(AuscultError):
    """Contributions don't add up to the risk, so nothing may be answered."""


class RegistryError(AuscultError):
    """A model version, alias or run isn't there or isn't as recorded."""


class PromotionRefused(RegistryError):
    """A gate failed, or the person may not promote this version."""


class RecordError(AuscultError):
    """What happened can't be written down."""


class NotMigrated(RecordError):
    """The database has another schema than this code."""


class WriterBusy(RecordError):
    """More is waiting to be recorded than is allowed."""


class WriterStopped(RecordError):
    """The writer can't record any more."""
