"""What the audit chain holds: predictions and all that was said of them, and its blocks."""

from uuid import uuid4

from django.db import models


class Chained(models.Model):
    """A record in the audit chain: leaf `position` of its writer's block `block`.

    `leaf` is the RFC 6962 leaf hash of the record's canonical bytes (`records.chain`). A row
    without a writer was inserted past the chain, and fails its verification.
    """

    writer = models.CharField(max_length=16, default="")
    block = models.BigIntegerField(default=0)
    position = models.IntegerField(default=0)
    leaf = models.BinaryField(default=b"")

    class Meta:
        abstract = True


class Prediction(Chained):
    """One answered prediction: pseudonym, features, score, explanation and provenance.

    `features` maps each feature to its value in the definition's unit (null is missing);
    `vector` holds the model's input columns and `contributions` the features' contributions, as
    little-endian float64. `findings` lists what was missing, excluded, converted or flagged.
    `codes` maps each feature that has several to the code under which its value came. `basis` has,
    as JSON (`models.basis`), the readings of the features that came from sources, and `unused` the
    sources of which none was used.
    """

    id = models.UUIDField(primary_key=True, default=uuid4)
    model = models.CharField(max_length=64)
    version = models.CharField(max_length=32)
    definition_digest = models.CharField(max_length=64)
    artefact_digest = models.CharField(max_length=64)
    patient = models.CharField(max_length=64, blank=True)
    client = models.CharField(max_length=16)
    is_test = models.BooleanField(default=False)
    protocol = models.CharField(max_length=16)
    site = models.CharField(max_length=64, blank=True)
    predicted_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    status = models.CharField(max_length=16, default="final")
    shown = models.BooleanField(default=True)
    features = models.JSONField()
    vector = models.BinaryField()
    contributions = models.BinaryField()
    base = models.FloatField()
    margin = models.FloatField()
    risk = models.FloatField()
    band = models.CharField(max_length=64)
    findings = models.JSONField(default=list)
    sources = models.JSONField(default=list)
    input_digest = models.CharField(max_length=64)
    ward = models.CharField(max_length=64, blank=True, default="", db_default="")
    codes = models.JSONField(default=dict, db_default={})
    basis = models.TextField(blank=True, default="", db_default="")
    unused = models.JSONField(default=list, db_default=[])

    class Meta:
        indexes = (
            models.Index(fields=("model", "predicted_at"), name="prediction_window"),
            models.Index(fields=("patient", "model", "predicted_at"), name="prediction_patient"),
        )


class Refusal(Chained):
    """A request that got no score, and why; it holds no value and no patient."""

    model = models.CharField(max_length=64)
    version = models.CharField(max_length=32)
    client = models.CharField(max_length=16)
    is_test = models.BooleanField(default=False)
    protocol = models.CharField(max_length=16)
    predicted_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    field = models.CharField(max_length=120)
    reason = models.CharField(max_length=64)

    class Meta:
        indexes = (models.Index(fields=("model", "predicted_at"), name="refusal_window"),)


class Outcome(Chained):
    """A report of what became of a patient; contradictory reports are kept, the latest counts."""

    prediction = models.ForeignKey(Prediction, null=True, on_delete=models.PROTECT)
    model = models.CharField(max_length=64)
    patient = models.CharField(max_length=64, blank=True)
    happened = models.BooleanField()
    known_at = models.DateTimeField(help_text="event, or end of follow-up where none happened")
    reported_at = models.DateTimeField()
    client = models.CharField(max_length=16)
    is_test = models.BooleanField(default=False)

    class Meta:
        indexes = (models.Index(fields=("model", "known_at"), name="outcome_window"),)


class Feedback(Chained):
    """What a clinician did with a card or an answer; every report is kept, silence is no report.

    `card` is the prediction's id, or the audit event's of a card that said there was no score.
    A comment's text may name the patient, so only that there was one is kept.
    """

    prediction = models.ForeignKey(Prediction, null=True, on_delete=models.PROTECT)
    card = models.UUIDField()
    model = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16)
    reason_system = models.CharField(max_length=200, blank=True)
    reason_code = models.CharField(max_length=64, blank=True)
    has_comment = models.BooleanField(default=False)
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    protocol = models.CharField(max_length=16)
    client = models.CharField(max_length=16)
    is_test = models.BooleanField(default=False)

    class Meta:
        indexes = (models.Index(fields=("model", "happened_at"), name="feedback_window"),)


class Amendment(Chained):
    """What became of a prediction whose source was corrected; the prediction itself stays.

    `status` is FHIR's: `amended`, with the prediction that replaces it, or `entered-in-error`.
    """

    prediction = models.ForeignKey(Prediction, on_delete=models.PROTECT, related_name="amendments")
    status = models.CharField(max_length=16)
    replacement = models.ForeignKey(
        Prediction, null=True, on_delete=models.PROTECT, related_name="replaces"
    )
    source = models.CharField(max_length=160, blank=True)
    recorded_at = models.DateTimeField()
    client = models.CharField(max_length=16)
    is_test = models.BooleanField(default=False)


class AuditEvent(Chained):
    """What someone or something did that must be accounted for, outside predictions."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    action = models.CharField(max_length=64)
    by = models.CharField(max_length=150)
    recorded_at = models.DateTimeField()
    details = models.JSONField(default=dict)

    class Meta:
        indexes = (models.Index(fields=("action",), name="audit_action"),)


class ChainBlock(models.Model):
    """The header of one group commit: its leaves' Merkle root, chained to the writer's last."""

    writer = models.CharField(max_length=16)
    seq = models.BigIntegerField()
    root = models.CharField(max_length=64)
    count = models.IntegerField()
    time = models.DateTimeField()
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("writer", "seq"), name="one_block"),)


class SignedHead(models.Model):
    """A signed statement of how far every writer's chain that grew since the last had come."""

    time = models.DateTimeField()
    previous = models.CharField(max_length=64)
    heads = models.JSONField()
    signature = models.CharField(max_length=128)
    key = models.CharField(max_length=64)
