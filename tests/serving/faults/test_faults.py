"""Every fault through every protocol: converted, named or refused, and never a silent score."""

from typing import Any

import httpx
import pytest

from records.clients import SCOPES
from tests.serving.faults.catalogue import FAULTS, Fault
from tests.serving.faults.requests import ADDRESSES, body_of
from tests.serving.faults.table import PAGE, render

CASES = [(fault, protocol) for fault in FAULTS for protocol in fault.outcomes]


@pytest.fixture(scope="module")
def client(service) -> httpx.Client:
    return service.client(*SCOPES)


def send(client: httpx.Client, protocol: str, change: Any) -> httpx.Response:
    return client.post(
        ADDRESSES[protocol],
        content=body_of(protocol, change),
        headers={"Content-Type": "application/json"},
    )


@pytest.fixture(scope="module")
def good(client) -> dict[str, Any]:
    from records.models import Prediction

    rows = {}
    for protocol in ADDRESSES:
        assert send(client, protocol, None).status_code == 200
        rows[protocol] = Prediction.objects.order_by("-recorded_at", "-block").first()
    assert len({bytes(row.vector) for row in rows.values()}) == 1
    return {protocol: row.features for protocol, row in rows.items()}


class Recorded:
    """What one request left behind in the records."""

    def __enter__(self) -> "Recorded":
        from records.models import Prediction, Refusal

        self._predictions = set(Prediction.objects.values_list("id", flat=True))
        self._last_refusal = Refusal.objects.order_by("-id").values_list("id", flat=True).first()
        return self

    def __exit__(self, *_: object) -> None:
        from records.models import Prediction, Refusal

        self.predictions = list(Prediction.objects.exclude(id__in=self._predictions))
        self.refusals = list(Refusal.objects.filter(id__gt=self._last_refusal or 0))


@pytest.mark.parametrize(
    ("fault", "protocol"), CASES, ids=[f"{f.name}-{protocol}" for f, protocol in CASES]
)
def test_a_fault_is_never_silent(client, good, fault: Fault, protocol: str):
    """FHIR-4 to FHIR-10, FHIR-16, UNIT-2, CDS-6 to CDS-8, CDS-10, ML-2, API-10."""
    with Recorded() as left:
        response = send(client, protocol, fault.changes[protocol])
    kind, _, rest = fault.outcomes[protocol].partition(" ")
    if kind in ("refused", "status"):
        check_no_risk(response, left, protocol, kind, rest)
        return
    assert response.status_code == 200, response.text
    (row,) = left.predictions
    assert left.refusals == []
    if kind == "missing":
        check_missing(response, row, good[protocol], rest)
        return
    for name, value in good[protocol].items():
        expected = value if isinstance(value, str | None) else pytest.approx(value, rel=1e-4)
        assert row.features[name] == expected
    said = {one["reason"] for one in row.findings if one["feature"] != "ward"}
    if kind == "unchanged":
        assert not said
        assert row.features == good[protocol]
    else:
        assert (rest or "converted") in said
        words = [one["words"] for one in row.findings if one["reason"] == (rest or "converted")]
        assert all(one.split(": ")[0] in response.text for one in words)
        if protocol == "cds-hooks":
            (card,) = response.json()["cards"]
            assert f"- {kind.capitalize()}: " in card["detail"]


def check_no_risk(
    response: httpx.Response, left: Recorded, protocol: str, kind: str, rest: str
) -> None:
    assert left.predictions == []
    if kind == "status":
        assert response.status_code == int(rest), response.text
    elif protocol == "cds-hooks":
        (card,) = response.json()["cards"]
        assert "isk not calculated" in card["summary"]
        assert "Risk not calculated" in card["detail"]
        assert "Do: look at the patient" in card["detail"]
    else:
        assert response.status_code in (400, 422), response.text
    if kind == "refused" and (protocol, rest) != ("fhir", "wrong_resource"):
        assert [one.reason for one in left.refusals] == [rest]
    assert "does not mean low risk" in response.text
    assert "probabilityDecimal" not in response.text
    assert '"risk"' not in response.text


def check_missing(response: httpx.Response, row: Any, good: dict[str, Any], rest: str) -> None:
    names, _, reason = rest.partition(": ")
    titles = {"lactate": "Lactate in blood", "creatinine": "Creatinine in serum"}
    for name in names.split(", "):
        assert row.features[name] is None
        found = {one["feature"]: one for one in row.findings}
        assert (found[name]["kind"], found[name]["reason"]) == ("missing", reason)
        assert titles[name] in response.text
    kept = {name: value for name, value in good.items() if name not in names.split(", ")}
    assert {name: row.features[name] for name in kept} == kept


def test_there_are_at_least_sixty_faults_and_each_protocol_has_its_share():
    assert len(FAULTS) >= 60
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    for protocol, least in (("json", 40), ("fhir", 60), ("cds-hooks", 60)):
        assert sum(protocol in fault.outcomes for fault in FAULTS) >= least


def test_the_page_of_the_faults_is_made_from_these_tests():
    assert PAGE.read_text() == render(), "run: python -m tests.serving.faults.table"
