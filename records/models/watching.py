"""What monitoring saw, the alarms that it raised, and what people decided."""

from django.db import models

from records.models.chained import Prediction


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
    """The sequential evidence of one stream: its exact state, and the last day that it holds.

    `opened_on` is the first day of a stream that opened later than its version's others; `leaf` the
    SHA-256 of the row, empty where it was written before such was noted (`records.agreement`).
    """

    model = models.CharField(max_length=64)
    version = models.CharField(max_length=32)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=16)
    epoch = models.IntegerField(default=0)
    state = models.BinaryField()
    closed_through = models.DateField(null=True)
    opened_on = models.DateField(null=True)
    leaf = models.BinaryField(default=b"")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("model", "version", "name"), name="one_stream"),
        )


class DayCount(models.Model):
    """What a stream saw on one day, for the trends that reviewers read.

    `counts` holds the day's rows a bin (little-endian int32): rows that arrive late are what a
    recount has more. `leaf` is the row's SHA-256, as in `Stream`.
    """

    model = models.CharField(max_length=64)
    version = models.CharField(max_length=32)
    stream = models.CharField(max_length=200)
    day = models.DateField()
    total = models.IntegerField()
    missing = models.IntegerField()
    mean = models.FloatField(null=True)
    evidence = models.FloatField(null=True)
    counts = models.BinaryField(default=b"")
    leaf = models.BinaryField(default=b"")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("model", "version", "stream", "day"), name="one_count_a_day"
            ),
        )


class Alarm(models.Model):
    """An alarm: the stream, since when, what is seen in clinical words, and its state.

    A mute ends on `muted_until`, or earlier with `muted_unless`, as `records.decisions` writes it.
    """

    model = models.CharField(max_length=64)
    version = models.CharField(max_length=32)
    stream = models.CharField(max_length=200)
    kind = models.CharField(max_length=32)
    severity = models.CharField(max_length=16)
    raised_on = models.DateField()
    recorded_at = models.DateTimeField()
    since = models.DateField(null=True)
    summary = models.TextField()
    details = models.JSONField(default=dict)
    state = models.CharField(max_length=16, default="open")
    muted_until = models.DateField(null=True)
    muted_unless = models.CharField(max_length=64, blank=True)
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

    With `feature`, `value` is what the source should have said, in the definition's unit, null
    where there is none, and `taken_at` when that was true, null where it's as it was. Where the
    report is the resource itself (`whole`), it says all that the source holds, that time, and
    whose it is (`subject`, a pseudonym, empty where that can't be told). `listed_at` is when the
    predictions that used the source were listed.
    """

    model = models.CharField(max_length=64)
    source = models.CharField(max_length=160)
    status = models.CharField(max_length=16)
    feature = models.CharField(max_length=64, blank=True)
    value = models.JSONField(null=True)
    whole = models.BooleanField(default=False, db_default=False)
    taken_at = models.DateTimeField(null=True)
    subject = models.CharField(max_length=64, blank=True, default="", db_default="")
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
