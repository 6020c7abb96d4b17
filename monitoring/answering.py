"""Which versions answer a model's requests, whichever of them is meant to."""

from datetime import datetime, timedelta

from django.db.models import QuerySet

from records.models import Prediction, Refusal

# versions whose requests are so near each other answer side by side, or one has just followed
SIDE_BY_SIDE = timedelta(hours=1)


def answering(model: str) -> frozenset[str]:
    """Return the versions that were asked within the hour before the last request, most often one.

    Test clients' requests are left out; a refusal is an answer too.
    """
    asked: tuple[QuerySet[Prediction] | QuerySet[Refusal], ...] = (
        Prediction.objects.filter(model=model, is_test=False),
        Refusal.objects.filter(model=model, is_test=False),
    )
    newest: list[datetime] = []
    for rows in asked:
        newest += rows.order_by("-predicted_at").values_list("predicted_at", flat=True)[:1]
    if not newest:
        return frozenset()
    since = max(newest) - SIDE_BY_SIDE
    found: set[str] = set()
    for rows in asked:
        lately = rows.filter(predicted_at__gte=since).order_by()
        found.update(lately.values_list("version", flat=True).distinct())
    return frozenset(found)
