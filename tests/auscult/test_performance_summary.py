"""What `auscult performance` prints, in words and as JSON."""

import json

import pytest
from rich.console import Console

from auscult.performance_summary import show_performance
from monitoring.over_time import performance_report
from records.models import MonitorRun
from tests.monitoring.clinic import NOW

FIGURE = {"value": 0.75, "low": 0.7, "high": 0.8}
FIGURES = (
    "auroc",
    "brier",
    "calibration_in_the_large",
    "calibration_slope",
    "observed_expected",
    "ici",
)
COUNTS = {
    "predictions": 500,
    "patients": 400,
    "events": 150,
    "non_events": 350,
    "censored": 0,
    "unreported": 0,
}
ACTING = ("net_benefit", "ppv", "sensitivity", "alerts_per_100")


def window(label: str, reason: str | None) -> dict[str, object]:
    figures = {} if reason else dict.fromkeys(FIGURES, FIGURE)
    silent = {"characteristic": "shown", "title": "Shown or silent", "group": "Silent"}
    return {
        "label": label,
        "first": f"{label}-01",
        "closes_on": f"{label}-28",
        **COUNTS,
        "reason": reason,
        "figures": figures,
        "at_thresholds": {} if reason else {"0.2": dict.fromkeys(ACTING, FIGURE)},
        "shown": 300,
        "bounds": {},
        "expected": {},
        "apart": [] if reason else [silent | COUNTS | {"reason": None, "figures": figures}],
        "seen": "1",
    }


def run(*windows: dict[str, object]) -> MonitorRun:
    chosen = {"length": "month", "because": "the definition asks for it"}
    summary = {"performance": list(windows), "performance_window": chosen}
    return MonitorRun(model="sepsis", version="3", finished_at=NOW, summary=summary)


def test_windows_thresholds_and_silent_ones_are_printed_with_intervals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auscult.performance_summary.out", Console(width=200))
    open_until = "no closed window until 2024-06-01"
    show_performance(
        performance_report(run(window("2024-01", None), window("2024-02", open_until)))
    )
    words = " ".join(capsys.readouterr().out.split())
    assert "sepsis version 3" in words
    assert "By month: the definition asks for it." in words
    assert "0.750 (0.700 to 0.800)" in words
    assert "2024-01 at 20 %" in words
    assert "2024-01 Shown or silent: Silent" in words
    assert open_until in words
    assert "600 predictions were shown, 400 recorded in silence." in words
    assert "can't be told apart here" in words


def test_one_shown_prediction_is_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auscult.performance_summary.out", Console(width=200))
    show_performance(performance_report(run({**window("2024-01", None), "shown": 1})))
    assert "1 prediction was shown, 499 recorded in silence." in capsys.readouterr().out


def test_eighty_columns_squeeze_neither_a_figure_nor_a_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auscult.performance_summary.out", Console(width=80))
    too_few = "not claimed: 12 events, 20 are needed"
    windows = [window(f"2024-{month:02}", too_few) for month in (1, 2)]
    group = {"title": "Ward", "group": "Surgical", "characteristic": "ward", **COUNTS}
    reason = (
        "withheld: it or a group beside it has fewer than 10 patients, or fewer than 5 events or "
        "non-events"
    )
    judged = window("2024-03", None)
    judged["apart"] = [{**group, "predictions": None, "reason": reason}, *judged["apart"]]  # type: ignore[misc]
    show_performance(performance_report(run(*windows, judged)))
    printed = capsys.readouterr().out
    lines = [line.strip() for line in printed.splitlines()]
    assert max(len(line) for line in printed.splitlines()) <= 80
    assert f"2024-01, 2024-02: {too_few}." in lines
    assert f"2024-03 Ward: Surgical: {reason}." in " ".join(printed.split())
    figure = "0.750 (0.700 to 0.800)"
    rows = [line for line in lines if line.startswith("2024-03")]
    assert sum(line.count(figure) for line in rows) == 2 * len(FIGURES) + len(ACTING)
    headings = [line for line in lines if line.startswith("Window")]
    assert [line.split() for line in headings] == [
        ["Window", "AUROC", "Brier"],
        ["Window", "In", "the", "large", "Slope"],
        ["Window", "O:E", "ICI"],
    ]


def test_the_report_is_json_and_a_run_of_an_earlier_format_has_no_windows() -> None:
    found = performance_report(run(window("2024-01", None)))
    assert json.loads(json.dumps(found))["windows"][0]["figures"]["auroc"] == FIGURE
    old = MonitorRun(model="sepsis", version="3", summary={"performance": [{"year": 2024}]})
    assert performance_report(old)["windows"] == []


def test_how_many_were_shown_is_not_told_where_the_silent_ones_are_withheld(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auscult.performance_summary.out", Console(width=200))
    too_few = window("2024-02", None)
    withheld = {"predictions": None, "reason": "withheld: fewer than 10 patients", "figures": {}}
    groups = ("Silent", "Shown")
    named = {"characteristic": "shown", "title": "Shown or silent"}
    too_few |= {"shown": 493, "apart": [{**named, "group": one, **withheld} for one in groups]}
    report = performance_report(run(window("2024-01", None), too_few))
    assert [one["shown"] for one in report["windows"]] == [300, None]
    show_performance(report)
    words = " ".join(capsys.readouterr().out.split())
    assert (
        "300 predictions were shown, 200 recorded in silence. How many of 500 others were shown is "
        "withheld." in words
    )
