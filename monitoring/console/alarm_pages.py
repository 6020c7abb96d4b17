"""The page of an alarm: what is seen, how the evidence grew, and signing what to do about it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from models.definition import Definition
from models.errors import DefinitionError
from monitoring import chapters
from monitoring.alarms import OPEN_STATES
from monitoring.consequences import COMPARED_DAYS, wholes_of
from monitoring.console.accounts import assignable, may_sign, person, reviewers, viewers
from monitoring.console.charts import Point, Scale, trend
from monitoring.console.forms import DECISIONS, OUTCOME_DECISIONS, ReviewForm
from monitoring.console.model_pages import auscult_settings, known_definition
from monitoring.console.overview import assurance
from monitoring.console.references import became_of_days
from monitoring.console.trends import days_of, draw_large, quantities, quantity_of
from monitoring.console.wording import share_words
from monitoring.dossier import Dossier, find_dossier
from monitoring.heartbeat import version_in_use
from monitoring.mutes import condition_words, conditions
from monitoring.outcome_alarms import BY_OUTCOMES
from monitoring.streams import TWIN, site_of, ward_of
from monitoring.watchlist import budget_of, watched_streams
from records import audit
from records.agreement.alarms import REVIEWED, UNMUTED
from records.decisions import CLOSED, GRAVER_THAN, state_after
from records.models import Alarm, AuditEvent, DayCount, Review


@dataclass(frozen=True)
class Signed:
    """A decision on an alarm, why, until when and unless what it mutes, and to whom it assigns."""

    decision: str
    because: str
    muted_until: date | None = None
    muted_unless: str = ""
    assigned_to: str = ""


@require_safe
@viewers
def one_alarm(request: HttpRequest, alarm_id: int) -> HttpResponse:
    """Show an alarm, and to reviewers the form that signs a decision."""
    alarm = get_object_or_404(Alarm, pk=alarm_id)
    form = ReviewForm(request, person(request), timezone.now().date())
    _offer(form, alarm)
    return _page(request, alarm, form)


@sensitive_post_parameters("password")
@require_POST
@reviewers
def sign_review(request: HttpRequest, alarm_id: int) -> HttpResponse:
    """Take a signed decision on an alarm."""
    alarm = get_object_or_404(Alarm, pk=alarm_id)
    form = ReviewForm(request, person(request), timezone.now().date(), request.POST)
    _offer(form, alarm)
    if alarm.state == CLOSED:
        messages.error(request, "This alarm was closed already; nothing was signed.")
        return redirect("alarm", alarm_id=alarm_id)
    if not form.is_valid():
        return _page(request, alarm, form, status=422)
    given = form.cleaned_data
    signed = Signed(**{each.name: given[each.name] for each in fields(Signed)})
    record_review(alarm.pk, person(request).get_username(), signed)
    messages.success(request, "Signed and recorded.")
    return redirect("alarm", alarm_id=alarm_id)


def _offer(form: ReviewForm, alarm: Alarm) -> None:
    words = OUTCOME_DECISIONS if alarm.stream in BY_OUTCOMES else DECISIONS
    found = conditions(alarm, version_in_use(alarm.model, timezone.now()))
    form.offer(words, assignable(), {one: condition_words(one) for one in found})


def record_review(alarm_id: int, by: str, signed: Signed) -> None:
    """Write a decision on an alarm and on what follows from it, all or none."""
    now = timezone.now()
    with transaction.atomic():
        alarm = Alarm.objects.select_for_update().get(pk=alarm_id)
        _decide(alarm, by, signed, now)
        for one in consequences(alarm).select_for_update():
            _decide(one, by, signed, now)


def consequences(alarm: Alarm) -> QuerySet[Alarm]:
    """Return the alarms that follow from one and are not closed."""
    return Alarm.objects.filter(
        model=alarm.model,
        version=alarm.version,
        state__in=OPEN_STATES,
        details__follows=alarm.pk,
    ).order_by("pk")


def _decide(alarm: Alarm, by: str, signed: Signed, now: datetime) -> None:
    """Write the decision, the alarm's new state and the audit event."""
    alarm.state = state_after(signed.decision)
    alarm.muted_until = signed.muted_until
    alarm.muted_unless = _unless(alarm, signed.muted_unless)
    alarm.assigned_to = signed.assigned_to or alarm.assigned_to
    alarm.save(update_fields=["state", "muted_until", "muted_unless", "assigned_to"])
    Review.objects.create(
        alarm=alarm,
        model=alarm.model,
        version=alarm.version,
        decision=signed.decision,
        by=by,
        because=signed.because,
        signed_at=now,
    )
    details = {
        "alarm": alarm.pk,
        "model": alarm.model,
        "version": alarm.version,
        "stream": alarm.stream,
        "decision": signed.decision,
        "because": signed.because,
        "muted_until": str(signed.muted_until or ""),
        "muted_unless": alarm.muted_unless,
        "assigned_to": signed.assigned_to,
        "as_shown": alarm.summary,
    }
    audit.note(REVIEWED, by, details, now)


def _unless(alarm: Alarm, condition: str) -> str:
    """Return what ends an alarm's mute; what follows from an alarm has a severity of its own."""
    return f"{GRAVER_THAN}{alarm.severity}" if condition.startswith(GRAVER_THAN) else condition


def _page(request: HttpRequest, alarm: Alarm, form: ReviewForm, status: int = 200) -> HttpResponse:
    dossier = find_dossier(auscult_settings(), alarm.model, alarm.version)
    by_outcomes = alarm.stream in BY_OUTCOMES
    words = OUTCOME_DECISIONS if by_outcomes else DECISIONS
    where = alarm.details.get("where")
    reviews = list(Review.objects.filter(alarm=alarm).order_by("-signed_at"))
    context = {
        "alarm": alarm,
        "definition": _definition(alarm, dossier),
        "cause": Alarm.objects.filter(pk=alarm.details.get("follows")).first(),
        "together_with": Alarm.objects.filter(pk__in=alarm.details.get("together_with", [])),
        "by_outcomes": by_outcomes,
        "site": site_of(alarm.stream),
        "ward": ward_of(alarm.stream),
        "part_of": _whole(alarm),
        "sits": alarm.details.get("sits"),
        "where": where,
        "then": "Then" if alarm.details.get("ended") else "Since",
        "as_it_is": "As it was" if alarm.details.get("ended") else "As it is",
        "divided": any(one["groups"] for one in where["dimensions"]) if where else False,
        "ended_on": chapters.last_day(alarm, date.max) if chapters.is_ended(alarm) else None,
        "consequences": list(consequences(alarm)),
        "compared_days": COMPARED_DAYS,
        "risk": _risk_rows(alarm.details.get("risk")),
        "assured": _assured(alarm),
        **became_of_days(alarm, assurance(alarm.model, alarm.version)),
        "unmuted": _unmuted(alarm, reviews),
        "reviews": [(review, words.get(review.decision, review.decision)) for review in reviews],
        "form": form,
        "may_sign": may_sign(person(request)) and alarm.state != CLOSED,
        "charts": _charts(alarm, dossier) if dossier else {},
    }
    return render(request, "console/alarm.html", context, status=status)


def _unmuted(alarm: Alarm, reviews: Sequence[Review]) -> AuditEvent | None:
    """Return the end of the last mute, if nothing was signed since."""
    ends = AuditEvent.objects.filter(action=UNMUTED, details__alarm=alarm.pk)
    last = ends.order_by("-recorded_at").first()
    return last if last and reviews and last.recorded_at >= reviews[0].signed_at else None


def _whole(alarm: Alarm) -> Alarm | None:
    """Return the alarm of all sites' rows, or of all overrides, that an alarm is a part of."""
    follows, wholes = alarm.details.get("follows"), wholes_of(alarm.stream)
    return Alarm.objects.filter(pk=follows, stream__in=wholes).first()


def _risk_rows(risk: dict[str, Any] | None) -> list[tuple[str, str, str]]:
    """Word what a change does to the risk: a figure's name, as in the reference, as it is."""
    if not risk:
        return []
    usual, now = ([share_words(value) for value in quartiles] for quartiles in risk["quartiles"])
    mean = [share_words(value) for value in risk["mean"]]
    middle = [f"{one[1]} ({one[0]} to {one[2]})" for one in (usual, now)]
    return [
        ("Mean risk", mean[0], mean[1]),
        ("Median risk (quartiles)", middle[0], middle[1]),
        *(
            (f"Risk of {100 * threshold:g} % or more", share_words(before), share_words(after))
            for threshold, before, after in risk["alerts"]
        ),
    ]


def _assured(alarm: Alarm) -> dict[str, Any] | None:
    streams = assurance(alarm.model, alarm.version).get("streams", {})
    found: dict[str, Any] | None = streams.get(alarm.stream)
    return found


def _definition(alarm: Alarm, dossier: Dossier | None) -> Definition | None:
    if dossier:
        return dossier.definition
    try:
        return known_definition(alarm.model)
    except DefinitionError:
        return None


def _charts(alarm: Alarm, dossier: Dossier) -> dict[str, SafeString]:
    days = days_of(alarm.model, alarm.version, [alarm.stream]).get(alarm.stream, [])
    weighed = days
    if alarm.details.get("fixed"):
        twin = f"{TWIN}{alarm.stream}"
        weighed = days_of(alarm.model, alarm.version, [twin]).get(twin, [])
    charts = {}
    if any(row.evidence is not None for row in weighed):
        charts["evidence"] = evidence_over_time(alarm, weighed, dossier)
    quantity = quantity_of(quantities(dossier.definition, dossier.profile), alarm.stream)
    if quantity is not None:
        charts["trend"] = draw_large(quantity, days, alarm)
    return charts


def evidence_over_time(alarm: Alarm, days: list[DayCount], dossier: Dossier) -> SafeString:
    """Draw the evidence in powers of ten up to the alarm, beside the limit that it passed."""
    watched = watched_streams(dossier.definition, dossier.profile)
    # alarms of before limits were kept with them
    known = alarm.details.get("log_limit", budget_of(dossier.definition, watched).log_limit)
    limit = known / math.log(10)
    drawn = [
        Point(row.day, max(evidence, -1.0), power_of_ten(evidence))
        for row in days
        if row.evidence is not None and row.day <= alarm.raised_on
        for evidence in (row.evidence / math.log(10),)
    ]
    scale = Scale(words=power_of_ten, dashed="limit")
    changed = chapters.changed_days(alarm, date.max)
    return trend(drawn, label="Evidence", scale=scale, reference=limit, changed=changed)


def power_of_ten(exponent: float) -> str:
    """Word evidence as so many to one, from ten million on by its power of ten."""
    if exponent >= 7:
        power, digits = math.floor(exponent), str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
        return f"{math.floor(10 ** (exponent - power))} × 10{str(power).translate(digits)} : 1"
    return f"{10**exponent:,.0f} : 1" if exponent >= 0 else "none"
