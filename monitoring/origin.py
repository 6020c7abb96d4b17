"""Where predictions were asked for: at which site, by which client, on which ward."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from models.errors import RecordError
from monitoring.alarms import OPEN_STATES
from monitoring.chapters import changed_days
from monitoring.placement import SITE, SYSTEM, WARD
from monitoring.stays import ONE_DAY, start_of
from monitoring.streams import everywhere, site_of
from records.models import Alarm, Client, Prediction

ABOUT_VALUES = ("value", "missing", "category")
# what is told of an alarm's whereabouts, and the limit that fits it
LIMITS = {SITE: "site", SYSTEM: "client", WARD: "ward"}
MOST_NAMED = 20


@dataclass(frozen=True)
class Origin:
    """The site, the client by name, and the ward to which predictions are limited; None is any.

    An empty site or ward is that of the predictions that name none.
    """

    site: str | None = None
    client: str | None = None
    ward: str | None = None

    @property
    def given(self) -> dict[str, str]:
        """Return the limits that there are, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def chosen(self) -> dict[str, Any]:
        """Return what to filter predictions by; a client may have had several keys."""
        limits: dict[str, Any] = {
            name: value for name, value in self.given.items() if name != "client"
        }
        if self.client is not None:
            keys = [key for key, name in client_names().items() if name == self.client]
            limits["client__in"] = keys or [self.client]
        return limits


def client_names() -> dict[str, str]:
    """Return the name of each client by its key's id."""
    return dict(Client.objects.values_list("key_id", "name"))


def check_known(model: str, version: str, first: date, last: date, origin: Origin) -> None:
    """Raise RecordError for a site, client or ward of which some days have no prediction."""
    made = Prediction.objects.filter(
        model=model,
        version=version,
        is_test=False,
        predicted_at__gte=start_of(first),
        predicted_at__lt=start_of(last + ONE_DAY),
    )
    for name, value in origin.given.items():
        if made.filter(**Origin(**{name: value}).chosen()).exists():
            continue
        found = made.order_by().values_list(name, flat=True).distinct()[: MOST_NAMED + 1]
        raise RecordError(
            f"no prediction of version {version} from {first} to {last} is of the {name} "
            f"{value!r}; {_known(name, list(found))}"
        )


def _known(name: str, found: Sequence[str]) -> str:
    names = client_names() if name == "client" else {}
    known = sorted({names.get(one, one) for one in found} - {""})
    if not known:
        return f"they name no {name}" if found else "there are none in these days"
    more = " and others" if len(found) > MOST_NAMED else ""
    return f"there are those of {', '.join(known)}{more}"


def unlimited(
    model: str, version: str, feature: str, first: date, last: date, origin: Origin
) -> Iterator[str]:
    """Yield where open alarms of a feature in some days sit, as far as no limit says so."""
    keys = {f"{about}:{feature}" for about in ABOUT_VALUES}
    alarms = Alarm.objects.filter(model=model, version=version, state__in=OPEN_STATES)
    for alarm in alarms.order_by("since", "pk"):
        if everywhere(alarm.stream) not in keys or not _overlaps(alarm, first, last):
            continue
        at = site_of(alarm.stream)
        if at is not None and alarm.details.get("follows") is None and origin.site is None:
            yield f"An open alarm is of the site {at}: {alarm.summary} Limit this by --site {at}."
        yield from _sits(alarm, origin)


def _sits(alarm: Alarm, origin: Origin) -> Iterator[str]:
    where: Mapping[str, Any] = alarm.details.get("where") or {"dimensions": []}
    for one in where["dimensions"]:
        limit = LIMITS.get(one["dimension"])
        if one["verdict"] == "sits" and limit is not None and limit not in origin.given:
            yield f"An open alarm: {alarm.summary} {one['words']} Limit this by --{limit}."


def _overlaps(alarm: Alarm, first: date, last: date) -> bool:
    """Say whether an alarm's change was there on one of some days."""
    since = alarm.since or alarm.raised_on
    return since <= last and any(
        begins <= last and first <= ends for begins, ends in changed_days(alarm, last)
    )
