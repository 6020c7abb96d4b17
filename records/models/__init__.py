"""The tables: what was predicted, what became known, what alarmed, who decided."""

from records.models.access import Client, Installation, Suspension, Tenure, UsedToken
from records.models.chained import (
    Amendment,
    AuditEvent,
    ChainBlock,
    Chained,
    Feedback,
    Outcome,
    Prediction,
    Refusal,
    SignedHead,
)
from records.models.watching import (
    AffectedPrediction,
    Alarm,
    DayCount,
    MonitorRun,
    RetrainingRequest,
    Review,
    SourceCorrection,
    Stream,
)

__all__ = [
    "AffectedPrediction",
    "Alarm",
    "Amendment",
    "AuditEvent",
    "ChainBlock",
    "Chained",
    "Client",
    "DayCount",
    "Feedback",
    "Installation",
    "MonitorRun",
    "Outcome",
    "Prediction",
    "Refusal",
    "RetrainingRequest",
    "Review",
    "SignedHead",
    "SourceCorrection",
    "Stream",
    "Suspension",
    "Tenure",
    "UsedToken",
]
