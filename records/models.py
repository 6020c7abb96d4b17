"""The tables: what was predicted, what became known, what alarmed, who decided."""

from uuid import uuid4

from django.db import models


class Installation(models.Model):
    """This installation: the fingerprint of the key that its pseudonyms were made with."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    pseudonym_key = models.CharField(max_length=64)

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="one_installation"),)


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


class Client(models.Model):
    """A program that may call the prediction endpoints, known by its API key's digest."""

    key_id = models.CharField(max_length=16, primary_key=True)
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    is_test = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)


class UsedToken(models.Model):
    """A one-time token that was used; its digest, until the token expires."""

    digest = models.CharField(max_length=64, primary_key=True)
    expires_at = models.DateTimeField(db_index=True)


class Prediction(Chained):
    """One answered prediction: pseudonym, features, score, explanation and provenance.

    `features` maps each feature to its value in the definition's unit (null is missing);
    `vector` holds the model's input columns and `contributions` the features' contributions, as
    little-endian float64. `findings` lists what was missing, excluded, converted or flagged.
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


class Tenure(models.Model):
    """From when an alias of a model meant which version: who moved it, why, on what evidence."""

    model = models.CharField(max_length=64)
    alias = models.CharField(max_length=32)
    version = models.CharField(max_length=32)
    since = models.DateTimeField()
    by = models.CharField(max_length=150)
    because = models.TextField()
    overridden = models.BooleanField(default=False)
    evidence = models.JSONField(default=dict)

    class Meta:
        indexes = (models.Index(fields=("model", "alias", "since"), name="tenure_history"),)


class Suspension(models.Model):
    """A time in which a model answers no request; without `ended_at` it goes on."""

    model = models.CharField(max_length=64)
    since = models.DateTimeField()
    by = models.CharField(max_length=150)
    because = models.TextField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, blank=True)
    ended_because = models.TextField(blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("model",),
                condition=models.Q(ended_at=None),
                name="one_suspension_at_a_time",
            ),
        )


class MonitorRun(models.Model):
    """One run of the monitoring job over a model's closed days."""

    model = models.CharField(max_length=64)
    version = models.CharField(max_length=32)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    first_day = models.DateField(null=True)
    last_day = models.DateField(null=True)
    predictions = models.IntegerField(default=0)
    report = models.CharField(max_length=200, blank=True)
    summary = models.JSONField(default=dict)


class Stream(models.Model):
    """The sequential evidence of one stream: its exact state, and the last day that it holds."""

    model = models.CharField(max_length=64)
    version = models.CharField(max_length=32)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16)
    epoch = models.IntegerField(default=0)
    state = models.BinaryField()
    closed_through = models.DateField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("model", "version", "name"), name="one_stream"),
        )


class DayCount(models.Model):
    """What a stream saw on one day, for the trends that reviewers read.

    `counts` holds the day's rows a bin (little-endian int32): rows that arrive late are what a
    recount has more.
    """

    model = models.CharField(max_length=64)
    version = models.CharField(max_length=32)
    stream = models.CharField(max_length=120)
    day = models.DateField()
    total = models.IntegerField()
    missing = models.IntegerField()
    mean = models.FloatField(null=True)
    evidence = models.FloatField(null=True)
    counts = models.BinaryField(default=b"")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("model", "version", "stream", "day"), name="one_count_a_day"
            ),
        )


class Alarm(models.Model):
    """An alarm: the stream, since when, what is seen in clinical words, and its state."""

    model = models.CharField(max_length=64)
    version = models.CharField(max_length=32)
    stream = models.CharField(max_length=120)
    kind = models.CharField(max_length=32)
    severity = models.CharField(max_length=16)
    raised_on = models.DateField()
    recorded_at = models.DateTimeField()
    since = models.DateField(null=True)
    summary = models.TextField()
    details = models.JSONField(default=dict)
    state = models.CharField(max_length=16, default="open")
    muted_until = models.DateField(null=True)
    assigned_to = models.CharField(max_length=150, blank=True)

    class Meta:
        indexes = (models.Index(fields=("model", "state"), name="alarm_state"),)


class Review(models.Model):
    """A decision that a person signed in the console, and what came of carrying it out."""

    alarm = models.ForeignKey(Alarm, null=True, on_delete=models.PROTECT)
    model = models.CharField(max_length=64)
    version = models.CharField(max_length=32, blank=True)
    decision = models.CharField(max_length=32)
    by = models.CharField(max_length=150)
    because = models.TextField()
    signed_at = models.DateTimeField()
    carried_out_at = models.DateTimeField(null=True)
    result = models.TextField(blank=True)


class RetrainingRequest(models.Model):
    """A request to retrain a model: what opened it, what a reviewer signed, and what came of it.

    `causes` lists each cause with a key, by which it is known again, and words. `treatment` holds
    what was known, when it was signed, of what clinicians did with shown risks. Without
    `decision` it is open; `retrain` waits for `auscult retrain` until `taken_up_at`.
    """

    model = models.CharField(max_length=64)
    version = models.CharField(max_length=32)
    opened_at = models.DateTimeField()
    causes = models.JSONField(default=list)
    treatment = models.JSONField(default=dict)
    decision = models.CharField(max_length=16, blank=True)
    by = models.CharField(max_length=150, blank=True)
    statement = models.TextField(blank=True)
    signed_at = models.DateTimeField(null=True)
    taken_up_at = models.DateTimeField(null=True)
    result = models.TextField(blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("model",),
                condition=models.Q(decision=""),
                name="one_open_retraining_request",
            ),
        )


class SourceCorrection(models.Model):
    """A report that a source result was corrected or entered in error.

    With `feature`, `value` is what the source should have said, in the definition's unit; null
    where there is none. `listed_at` is when the predictions that used the source were listed.
    """

    model = models.CharField(max_length=64)
    source = models.CharField(max_length=160)
    status = models.CharField(max_length=16)
    feature = models.CharField(max_length=64, blank=True)
    value = models.JSONField(null=True)
    reported_at = models.DateTimeField()
    by = models.CharField(max_length=150)
    listed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=("model", "source"), name="correction_source"),)


class AffectedPrediction(models.Model):
    """A prediction that used a corrected source, what it would have been, and who has seen that.

    `no_score` says why it can't be known, or that with the corrected value there is no score.
    """

    correction = models.ForeignKey(
        SourceCorrection, on_delete=models.PROTECT, related_name="affected"
    )
    prediction = models.ForeignKey(Prediction, on_delete=models.PROTECT, related_name="+")
    corrected_risk = models.FloatField(null=True)
    corrected_band = models.CharField(max_length=64, blank=True)
    band_changed = models.BooleanField(default=False)
    no_score = models.CharField(max_length=300, blank=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    acknowledged_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("correction", "prediction"), name="affected_once"),
        )


class AuditEvent(Chained):
    """What someone or something did that must be accounted for, outside predictions."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    action = models.CharField(max_length=64)
    by = models.CharField(max_length=150)
    recorded_at = models.DateTimeField()
    details = models.JSONField(default=dict)


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
