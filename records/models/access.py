"""Who may call, under which keys; and which model is in use."""

from django.db import models


class Installation(models.Model):
    """This installation: the fingerprint of the key that its pseudonyms were made with."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    pseudonym_key = models.CharField(max_length=64)

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="one_installation"),)


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

    @property
    def words(self) -> str:
        """What is to be said of a version that is given the alias which it has."""
        return f"is {self.alias} already, since {self.since:%Y-%m-%d %H:%M:%S} UTC (by {self.by})"

    @property
    def overridden_gates(self) -> tuple[str, ...]:
        """Each gate that was let through without having passed, with its figures and limits."""
        if not self.overridden:
            return ()
        gates = self.evidence.get("gates", ())
        return tuple(
            f"{gate['result']}: {gate['words']}" for gate in gates if gate["result"] != "passed"
        )


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
