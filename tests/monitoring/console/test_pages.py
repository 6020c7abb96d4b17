import math
import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.test import Client

from monitoring.console.alarm_pages import power_of_ten
from monitoring.console.charts import Point, Scale, Step, spark, trend, waterfall
from monitoring.console.model_pages import outside_links
from monitoring.console.overview import summary
from monitoring.console.wording import (
    risk_words,
    share_words,
    signed_words,
    unbroken,
    with_unit,
)
from monitoring.followed import follow
from monitoring.over_time import performance_over_time
from monitoring.periods import Choice
from records import tenure
from records.models import Alarm, AuditEvent, Feedback, MonitorRun, Prediction
from records.settings import Settings
from tests.monitoring.clinic import FIRST, NOW, PATIENT, Clinic

Browse = Callable[[str], Client]


def text_of(client: Client, address: str) -> str:
    page = client.get(address)
    assert page.status_code == 200
    return page.content.decode()


def test_the_first_page_says_which_model_is_outside_its_validated_use(
    watched: Clinic, browse: Browse
) -> None:
    page = text_of(browse("vera"), "/")
    assert watched.definition.title in page
    assert "outside its validated use" in page
    assert "Not for clinical use" in page
    assert "mortality_5y" in page
    assert "not in use" in page


def test_a_models_page_shows_alarm_drift_and_what_is_not_claimed(
    watched: Clinic, browse: Browse
) -> None:
    page = text_of(browse("vera"), f"/models/{watched.model}/")
    assert "Outside its validated use" in page
    lines = [part.split("</a>", 1)[0] for part in page.split('class="alarm-summary"')[1:]]
    missing = 'Creatinine in serum is missing in <span class="whole">9'
    assert any(missing in line for line in lines)
    creatinine = watched.profile.features["creatinine"]
    assert f"training {share_words(creatinine.missing / creatinine.total)}" in page
    assert "not claimed: the outcomes of 900 of 900 predictions are unreported" in page
    assert "champion → version 1" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_model_that_was_never_used_says_so(watched: Clinic, browse: Browse) -> None:
    page = text_of(browse("vera"), "/models/mortality_5y/")
    assert "no version in use" in page
    assert "No alarm is open" in page
    assert "No outcome was reported yet" in page


def test_a_version_that_nobody_watched_is_not_called_within_its_validated_use(
    watched: Clinic, browse: Browse
) -> None:
    evidence = {"artefact_digest": "0" * 64, "run_id": "4567cdef"}
    tenure.move_alias(
        watched.model,
        "champion",
        "2",
        by="rita",
        because="a new fit",
        evidence=evidence,
        overridden=False,
        now=NOW,
    )
    page = text_of(browse("vera"), f"/models/{watched.model}/")
    assert "Not watched yet" in page
    assert "Within its validated use" not in page
    earlier = page.split("Still open from earlier versions", 1)[1]
    assert 'Creatinine in serum is missing in <span class="whole">9' in earlier
    assert "not watched yet" in text_of(browse("vera"), "/")


def test_a_model_most_of_whose_predictions_carry_one_patient_id_is_not_called_valid(
    watched: Clinic, browse: Browse
) -> None:
    Alarm.objects.update(state="closed")
    assert "Within its validated use" in text_of(browse("vera"), f"/models/{watched.model}/")
    watched.record(FIRST + timedelta(days=15), 2_000, patient=PATIENT)
    watched.watch(FIRST + timedelta(days=15))
    Alarm.objects.update(state="closed")
    page = text_of(browse("vera"), f"/models/{watched.model}/")
    assert "Not watched as it should be" in page
    assert "2,000 of 2,900 predictions from 2024-01-01 to 2024-01-16 carry one patient id" in page
    assert "Whether it is within its validated use isn" in page
    assert "Within its validated use" not in page
    assert PATIENT not in page
    first = text_of(browse("vera"), "/")
    assert "not watched as it should be" in first
    assert "within its validated use" not in first


def test_an_unknown_model_is_not_found(watched: Clinic, browse: Browse) -> None:
    assert browse("vera").get("/models/nothing/").status_code == 404


def test_links_lead_outside_only_where_their_addresses_are_set(watched: Clinic) -> None:
    overview = summary(watched.definition, NOW)
    history = tenure.history(watched.model)
    assert outside_links(Settings(), overview, history) == {}
    found = outside_links(
        Settings(mlflow_url="http://127.0.0.1:5000/", evidently_url="http://127.0.0.1:8000"),
        overview,
        history,
    )
    assert found == {
        "MLflow run": "http://127.0.0.1:5000/#/runs/0123abcd",
        "Evidently, all reports": "http://127.0.0.1:8000",
    }


def test_a_prediction_is_explained_without_its_patient(watched: Clinic, browse: Browse) -> None:
    prediction = watched.record(FIRST, 1, findings=[{"kind": "missing", "words": "No lactate"}])[0]
    page = text_of(browse("vera"), f"/predictions/{prediction.pk}/")
    assert prediction.patient not in page
    assert risk_words(prediction.risk) in page
    assert "No lactate" in page
    assert f"{prediction.features['lactate']:.1f} mmol/L" in page
    assert prediction.artefact_digest in page
    seen = AuditEvent.objects.get(action="prediction.read")
    assert (seen.by, seen.details) == ("vera", {"prediction": str(prediction.pk)})


def test_a_prediction_is_found_by_its_id(watched: Clinic, browse: Browse) -> None:
    prediction = Prediction.objects.first()
    assert prediction is not None
    vera = browse("vera")
    answer = vera.get("/predictions/", {"id": str(prediction.pk)})
    assert answer.headers["Location"] == f"/predictions/{prediction.pk}/"
    assert vera.get("/predictions/", {"id": "MRN 12345"}).status_code == 422
    assert vera.get("/predictions/00000000-0000-4000-8000-000000000000/").status_code == 404


def test_the_card_of_the_version_and_the_written_one_are_shown(
    watched: Clinic, browse: Browse
) -> None:
    page = text_of(browse("vera"), f"/models/{watched.model}/1/card/")
    assert "<h1>A made-up model</h1>" in page
    assert 'sandbox="allow-scripts"' in page
    assert "A made-up card" in text_of(browse("vera"), f"/models/{watched.model}/1/card/file")


def test_a_summary_is_shown_as_text_whatever_it_holds(watched: Clinic, browse: Browse) -> None:
    Alarm.objects.update(summary="<script>alert(1)</script>")
    for address in ("/", f"/models/{watched.model}/"):
        assert "<script" not in text_of(browse("vera"), address)


def test_a_waterfall_ends_where_the_contributions_sum_to() -> None:
    bars = waterfall(-2.0, [Step("a", "", 3.0), Step("b", "", -1.0)])
    assert [(bar.left, bar.width, bar.raises) for bar in bars] == [
        (0.0, 100.0, True),
        (66.67, 33.33, False),
    ]


def test_a_trend_says_its_ends_to_those_who_cannot_see_it() -> None:
    drawn = spark([Point(FIRST, 0.1, "10 %"), Point(NOW.date(), 0.9, "90 %")], label="Missing")
    assert 'aria-label="Missing: 10 % on 2024-01-01, 90 % on 2026-06-01"' in drawn


DAYS = [FIRST + timedelta(days=number) for number in range(101)]


def shaded(changed: list[tuple[date, date]], days: list[date] = DAYS) -> list[tuple[float, float]]:
    """Return the left and right of what is shaded on a chart from 0 to 720."""
    points = [Point(day, 0.1, "10 %") for day in days]
    drawn = trend(points, label="Missing", scale=Scale(), changed=changed)
    found = re.findall(r'class="changed" x="([0-9.]+)" y="0" width="([0-9.]+)"', drawn)
    return [(float(left), float(left) + float(width)) for left, width in found]


def test_a_chart_shades_the_days_of_a_change_and_no_others() -> None:
    assert shaded([]) == []
    assert shaded([(DAYS[20], DAYS[30]), (DAYS[50], date.max)]) == [
        pytest.approx((144, 216), abs=0.1),
        pytest.approx((360, 720), abs=0.1),
    ]
    # a single day is seen, one before the chart's first isn't there
    assert shaded([(DAYS[0], DAYS[0]), (DAYS[100], DAYS[100])]) == [(0, 2), (718, 720)]
    assert shaded([(date(2023, 1, 1), date(2023, 5, 1))]) == []
    assert shaded([(date(2023, 1, 1), DAYS[10])]) == [pytest.approx((0, 72), abs=0.1)]
    # the last week's point is of its Monday
    assert shaded([(DAYS[97], date.max)], DAYS[:96:7]) == [(718, 720)]


def test_the_page_of_an_alarm_whose_change_ended_shades_its_days_alone(
    watched: Clinic, browse: Browse
) -> None:
    watched.record_days(FIRST + timedelta(days=15), 25)
    watched.watch(FIRST + timedelta(days=39))
    alarm = Alarm.objects.get(stream="missing:creatinine")
    assert alarm.details["ended"] == "2024-01-15"
    text = text_of(browse("vera"), f"/alarms/{alarm.pk}/")
    assert "that they begin and end where they do is an estimate" in text
    seen = text[text.index('id="seen"') : text.index("</section>", text.index('id="seen"'))]
    ((left, width),) = re.findall(r'class="changed" x="([0-9.]+)" y="0" width="([0-9.]+)"', seen)
    # days 10 to 14 of those from 0 to 39
    assert float(left) == pytest.approx(720 * 10 / 39, abs=0.1)
    assert float(width) == pytest.approx(720 * 4 / 39, abs=0.1)
    assert ">Where it sat</h2>" in text
    assert ">What it did to the risk</h2>" in text
    assert 'data-label="As it was"' in text
    assert 'data-label="As it is"' not in text
    page = text_of(browse("vera"), f"/models/{watched.model}/")
    assert page.count('class="changed"') > 0
    assert 'from <span class="whole">2024-01-11</span> to <span class="whole">' in page


@pytest.mark.parametrize(
    ("exponent", "words"),
    [
        (-0.5, "none"),
        (0, "1 : 1"),
        (math.log10(105_850), "105,850 : 1"),
        (7, "1 × 10⁷ : 1"),
        (15.58, "3 × 10¹⁵ : 1"),
        (8.9999, "9 × 10⁸ : 1"),
    ],
)
def test_evidence_is_worded_so_that_it_leaves_room_for_its_line(
    exponent: float, words: str
) -> None:
    assert power_of_ten(exponent) == words


def test_a_title_cannot_break_out_of_a_chart() -> None:
    drawn = spark([Point(FIRST, 0.1, '"><script>')], label="<b>")
    assert "<script>" not in drawn
    assert "<b>" not in drawn


@pytest.mark.parametrize(
    ("risk", "words"), [(0.0, "below 0.1 %"), (0.123, "12.3 %"), (0.9999, "above 99.9 %")]
)
def test_a_risk_never_reads_as_certain(risk: float, words: str) -> None:
    assert risk_words(risk) == words


def test_figures_carry_units_that_people_write() -> None:
    assert with_unit(-1.25, 1, "Cel") == "−1.2 °C"
    assert with_unit(3, 0, "{score}") == "3"
    assert (with_unit(1, 0, "d"), with_unit(2, 0, "d")) == ("1 day", "2 days")
    assert (with_unit(1, 1, "a"), with_unit(-0.01, 1, "Cel")) == ("1.0 years", "0.0 °C")
    assert (signed_words(-0.004), signed_words(-0.01)) == ("0.00", "−0.01")
    assert share_words(0.034) == "3.4 %"


def test_consequences_stand_below_their_cause_and_are_not_counted_as_alarms(
    watched: Clinic, browse: Browse
) -> None:
    cases = summary(watched.definition, NOW).cases
    ((cause, following),) = [case for case in cases if case[0].stream == "value:age"]
    assert following
    assert len(cases) == Alarm.objects.filter(details__follows=None).count()
    page = text_of(browse("vera"), f"/models/{watched.model}/")
    assert page.index(unbroken(cause.summary)) < page.index("Follows from it:")


def test_the_alarm_page_says_what_the_change_does_to_the_risk(
    watched: Clinic, browse: Browse
) -> None:
    alarm = Alarm.objects.get(stream="value:age")
    page = text_of(browse("vera"), f"/alarms/{alarm.pk}/")
    assert "What it does to the risk" in page
    higher = alarm.details["risk"]["higher_band"]
    assert f"{higher} of 300 predictions fall into a higher band" in page


def test_the_model_page_says_what_silence_is_worth(watched: Clinic, browse: Browse) -> None:
    run = MonitorRun.objects.get()
    stream = {
        "title": "Age",
        "about": "value",
        "claim": "No budget claimed, because season: unseen.",
        "unmet": [["season", "less than one year of reference"]],
        "rows_a_day": 60.0,
        "smallest": [[7, "a shift of 0.4 SD"], [30, "a shift of 0.3 SD"], [90, "a shift"]],
    }
    none = {"title": "Lactate", "about": "value", "rows_a_day": 0.0, "smallest": []}
    empty = none | {"no_power": "no row in the latest 28 days"}
    run.summary["assurance"] = {
        "claim": "No budget claimed at all",
        "streams": {"value:age": stream, "value:lactate": empty, "value:creatinine": none},
    }
    run.save()
    page = text_of(browse("vera"), f"/models/{watched.model}/")
    assert "No budget claimed at all" in page
    assert 'a shift of <span class="whole">0.4 SD</span>' in page
    assert "season: less than one year of reference" in page
    assert "no row in the latest 28 days</td>" in page
    assert "no reference yet</td>" in page
    alarm = Alarm.objects.get(stream="value:age")
    assert stream["claim"] in text_of(browse("vera"), f"/alarms/{alarm.pk}/")


def test_the_model_page_says_when_outcomes_are_not_weighed(watched: Clinic, browse: Browse) -> None:
    run = MonitorRun.objects.get()
    run.summary["assurance"] = {"claim": "No budget claimed at all", "streams": {}}
    run.summary["outcomes"] = {"due": 200, "unreported": 74, "weighed": 0}
    run.save()
    page = text_of(browse("vera"), f"/models/{watched.model}/")
    assert "discrimination are not watched: 37 % of due outcomes unreported" in page
    run.summary["outcomes"] = {"due": 200, "unreported": 2, "censored": 40, "weighed": 200}
    run.save()
    page = text_of(browse("vera"), f"/models/{watched.model}/")
    assert "20 % of due outcomes were lost before the horizon, and are weighted for" in page
    assert "of due outcomes unreported" not in page


def test_the_model_page_says_when_its_review_is_due_and_that_it_is_overdue(
    watched: Clinic, browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = text_of(browse("vera"), f"/models/{watched.model}/")
    assert "1 Jan 2030" in page
    assert "overdue</strong>" not in page.split("Review due")[1].split("</div>")[0]
    late = watched.definition.model_copy(update={"review_by": date(2020, 1, 1)})
    monkeypatch.setattr("monitoring.console.model_pages.known_definition", lambda _: late)
    page = text_of(browse("vera"), f"/models/{watched.model}/")
    assert "overdue" in page.split("Review due")[1].split("</div>")[0]


def test_the_model_page_says_what_is_expected_and_that_it_is_blind(
    watched: Clinic, browse: Browse
) -> None:
    page = text_of(browse("vera"), f"/models/{watched.model}/")
    assert "Expected if still calibrated" in page
    assert "it is blind to risks that no longer hold" in page
    assert "Events among alerts at 20 %" in page
    assert "without allowance for chance, the AUROC lies between 0.00 and 1.00" in page


def judged_apart(watched: Clinic, browse: Browse, silent: int) -> str:
    """Return a model's page whose only window has 600 predictions, so many of them silent."""
    made = watched.record(FIRST, 600)
    watched.report_outcomes(made, [one.risk > 0.1 for one in made], days=90)
    Prediction.objects.filter(pk__in=[one.pk for one in made[:silent]]).update(shown=False)
    Prediction.objects.exclude(pk__in=[one.pk for one in made]).delete()
    run = MonitorRun.objects.latest("pk")
    with follow(watched.definition, "1", watched.settings.cache) as months:
        choice = Choice("quarter", "the test asks for it")
        windows = performance_over_time(watched.definition, months, choice, NOW.date())
    run.summary["performance"] = [window.to_dict() for window in windows]
    run.summary["performance_window"] = vars(choice)
    run.save()
    return text_of(browse("vera"), f"/models/{watched.model}/")


def test_the_model_page_shows_performance_by_window_and_shown_and_silent_apart(
    watched: Clinic, browse: Browse
) -> None:
    page = judged_apart(watched, browse, silent=250)
    assert "Performance by quarter of prediction" in page
    assert "Why by quarter: the test asks for it" in page
    apart = page.split("Shown and silent predictions apart")[1]
    assert "350 predictions were shown, 250 recorded in silence" in apart
    assert ">Silent</td>" in apart
    assert "Net benefit" in page
    assert "Effective treatment and decay of the model can" in page


def test_the_model_page_does_not_say_how_many_were_silent_where_that_is_withheld(
    watched: Clinic, browse: Browse
) -> None:
    page = judged_apart(watched, browse, silent=7)
    assert "How many of 600 predictions were shown is withheld." in page
    assert "593" not in page


def test_transportability_has_a_page_and_json(watched: Clinic, browse: Browse) -> None:
    client, address = browse("vera"), f"/models/{watched.model}/transportability"
    assert "Not yet: 15 days and 900 stays were watched" in text_of(client, f"{address}/")
    run = MonitorRun.objects.latest("pk")
    sample = {"rows": 900, "mean": 71.25, "sd": 12.0}
    ends = dict.fromkeys(("difference", "low", "high"), 6.0)
    standardised = {"standardised": 0.5, "standardised_low": 0.4, "standardised_high": 0.6}
    age = {"key": "value:age", "title": "Age", "kind": "mean", "unit": "a", "size": "medium"}
    found = {"first": "2024-01-01", "last": "2024-01-28", "stays": 1680, "training_rows": 4000}
    one = age | ends | standardised | {"training": sample, "here": sample}
    run.summary["transportability"] = {**found, "contrasts": [one]}
    run.save()
    page = text_of(client, f"{address}/")
    assert "1,680 stays from 2024-01-01 to 2024-01-28" in page
    assert "0.40 to 0.60" in page
    assert "medium" in page
    assert client.get(f"{address}.json").json()["contrasts"] == [one]
    assert "transportability/" in text_of(client, f"/models/{watched.model}/")


def test_an_alarm_without_a_stream_of_evidence_has_a_page(watched: Clinic, browse: Browse) -> None:
    alarm = Alarm.objects.create(
        model=watched.model,
        version="1",
        stream="calibration",
        kind="calibration",
        severity="warning",
        raised_on=FIRST,
        recorded_at=NOW,
        since=FIRST,
        summary="Risks are too low.",
        details={"settled": True, "rows": 1234, "through": "2024-03-01"},
    )
    page = text_of(browse("rita"), f"/alarms/{alarm.pk}/")
    assert "Risks are too low." in page
    assert "Evidence up to the alarm" not in page
    assert "<dt>Predictions weighed</dt><dd>1,234</dd>" in page
    assert "effective treatment and decay of the model can't be told apart" in page
    assert "evidence begins anew after the days it tells of" in page
    for of_a_stream in ("Predictions since", "Patients since", "reference"):
        assert of_a_stream not in page


def test_what_clinicians_did_is_on_the_models_page(watched: Clinic, browse: Browse) -> None:
    page = text_of(browse("vera"), f"/models/{watched.model}/")
    assert "Nobody reported what was done" in page
    for number, one in enumerate(Prediction.objects.order_by("pk")[:20]):
        Feedback.objects.create(
            prediction=one,
            card=one.pk,
            model=watched.model,
            outcome="overridden" if number < 5 else "accepted",
            happened_at=one.predicted_at,
            recorded_at=one.predicted_at,
            protocol="json",
            client="client",
        )
    page = text_of(browse("vera"), f"/models/{watched.model}/")
    assert "25 % (11 to 47)" in page
    assert "no reason given (5)" in page
    assert "Requests name no ward, so reports are told apart by site alone" in page
