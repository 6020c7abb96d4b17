"""Models whose definition isn't found, as in a cron job without AUSCULT_MODELS."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client

from tests.auscult.test_command import run
from tests.monitoring.clinic import Clinic


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("monitor", "--status"), 5, "NOT WATCHED monitoring is overdue"),
        (("monitor", "kidney_failure", "--status"), 5, "kidney_failure version 1: watched"),
        (("alarms",), 3, "Creatinine in serum is missing"),
        (("alarms", "kidney_failure"), 3, "Creatinine in serum is missing"),
    ],
)
def test_a_model_without_its_definition_is_told_of_by_command(
    watched_home: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = run(*arguments, home=watched_home)
    assert done.returncode == code, done.stderr
    assert words in done.stdout
    assert "the definition of kidney_failure isn't found" in done.stderr
    assert "AUSCULT_MODELS" in done.stderr


def test_a_model_that_nothing_knows_is_refused(watched_home: Path) -> None:
    done = run("alarms", "nosuch", home=watched_home)
    assert done.returncode == 1
    assert "there is no model nosuch; known are: " in done.stderr
    assert "kidney_failure" in done.stderr


def test_a_model_without_its_definition_is_named_on_the_first_page_and_in_metrics(
    watched: Clinic, browse: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.monitoring.console.test_figures import key

    bare = django_settings.AUSCULT.model_copy(update={"models": ()})
    monkeypatch.setattr(django_settings, "AUSCULT", bare)
    page = browse("vera").get("/").content.decode()
    assert "as their definitions aren't found: <code>kidney_failure</code>" in page
    figures = Client().get("/metrics", headers={"Authorization": f"Bearer {key('read')}"})
    assert b'auscult_monitor_overdue{model="kidney_failure",version="1"} 1.0' in figures.content
