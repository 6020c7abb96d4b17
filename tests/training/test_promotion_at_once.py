"""Promotions that come at once: each is judged by what the one before it has left."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from models.errors import PromotionRefused
from records.models import Tenure
from records.settings import Settings
from tests.training.conftest import NOW, Trained, share_registry
from tests.training.readmissions import DEFINITION, write_definition
from training import promotion
from training.options import TrainOptions
from training.registry import find_version, verify_registered
from training.run import train

GATE = '{ metric = "auroc_minus_champion", at_least = -0.05 },\n]\n\n[[bands]]'


@pytest.fixture(scope="module")
def challengers(
    trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Settings, list[str]]:
    """A registry of two versions that have to be no worse than the champion, of which none is."""
    settings = Settings(home=tmp_path_factory.mktemp("challengers"))
    text = DEFINITION.replace("]\n\n[[bands]]", GATE, 1)
    file = write_definition(tmp_path_factory.mktemp("compared"), text)
    versions = [
        train(
            file,
            trained.cohort,
            TrainOptions(trained_by="Ada", quick=True, draws=40, seed=seed),
            settings=settings,
            progress=lambda *_: None,
            now=NOW,
        ).version
        for seed in (7, 8)
    ]
    return settings, versions


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[object]]:
    """Run two moves in threads that both have verified their version before either goes on."""
    both = threading.Barrier(2, timeout=60)

    def verified(*arguments: object, **named: object) -> None:
        verify_registered(*arguments, **named)  # type: ignore[arg-type]
        both.wait()

    monkeypatch.setattr(promotion, "verify_registered", verified)

    def one(move: Callable[[], object]) -> object:
        from django.db import connections

        try:
            return move()
        finally:
            connections.close_all()

    def run(*moves: Callable[[], object]) -> list[object]:
        with ThreadPoolExecutor(len(moves)) as pool:
            done = [pool.submit(one, move) for move in moves]
        return [future.exception() or future.result() for future in done]

    return run


def _promote(settings: Settings, version: str, by: str, later: int = 0) -> Tenure | None:
    return promotion.promote(
        "readmission",
        version,
        to="champion",
        by=by,
        because="Its gates pass",
        settings=settings,
        now=NOW + timedelta(microseconds=later),
    )


def test_the_same_version_promoted_twice_at_once_is_recorded_once(
    records_db: Settings, trained: Trained, at_once: Callable[..., list[object]]
) -> None:
    share_registry(trained.settings, records_db)

    found = at_once(
        lambda: _promote(records_db, "1", "Grace"),
        lambda: _promote(records_db, "1", "Mary", later=1),
    )

    (tenure,) = promotion.history("readmission", settings=records_db)
    assert sum(one is None for one in found) == 1
    (already,) = (one for one in found if isinstance(one, Tenure))
    assert already.by == tenure.by


def test_of_two_challengers_at_once_the_second_is_held_against_the_first(
    records_db: Settings,
    challengers: tuple[Settings, list[str]],
    at_once: Callable[..., list[object]],
) -> None:
    source, (first, second) = challengers
    share_registry(source, records_db)

    found = at_once(
        lambda: _promote(records_db, first, "Grace"),
        lambda: _promote(records_db, second, "Mary", later=1),
    )

    (tenure,) = promotion.history("readmission", settings=records_db)
    (refused,) = (one for one in found if isinstance(one, PromotionRefused))
    assert f"it was not compared with version {tenure.version}" in str(refused)
    champion = find_version("readmission", "champion", settings=records_db)
    assert champion.version == tenure.version


def test_who_waits_for_another_promotion_is_not_refused_for_the_time_that_took(
    records_db: Settings,
    trained: Trained,
    stricter_version: str,
    at_once: Callable[..., list[object]],
) -> None:
    share_registry(trained.settings, records_db)

    def overriding(version: str, later: int) -> None:
        promotion.promote(
            "readmission",
            version,
            to="champion",
            by="Grace",
            because="Weighed by the board",
            override=True,
            settings=records_db,
            now=NOW + timedelta(microseconds=later),
        )

    found = at_once(lambda: overriding("1", 0), lambda: overriding(stricter_version, 1))

    assert found == [None, None]
    newest, oldest = promotion.history("readmission", settings=records_db)
    assert newest.since >= oldest.since
    champion = find_version("readmission", "champion", settings=records_db)
    assert champion.version == newest.version


def test_of_two_roll_backs_at_once_one_is_told_what_the_other_did(
    records_db: Settings,
    trained: Trained,
    stricter_version: str,
    at_once: Callable[..., list[object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    share_registry(trained.settings, records_db)
    with monkeypatch.context() as alone:
        alone.setattr(promotion, "verify_registered", verify_registered)
        for day, version in enumerate(("1", stricter_version)):
            promotion.promote(
                "readmission",
                version,
                to="champion",
                by="Grace",
                because="Weighed by the board",
                override=True,
                settings=records_db,
                now=NOW + timedelta(days=day),
            )

    def back() -> object:
        return promotion.rollback(
            "readmission",
            by="Grace",
            because="Too many alerts",
            settings=records_db,
            now=NOW + timedelta(days=2),
        )

    found = at_once(back, back)

    assert len(promotion.history("readmission", settings=records_db)) == 3
    (refused,) = (one for one in found if isinstance(one, PromotionRefused))
    assert "meanwhile Grace made version 1 of readmission champion" in str(refused)


@pytest.mark.parametrize(
    "alias", ["Champion", "CHAMPION", " champion", "champion ", "сhampion", ""]
)
def test_no_alias_can_be_taken_for_champion(
    alias: str, sqlite_db: Settings, trained: Trained
) -> None:
    share_registry(trained.settings, sqlite_db)

    with pytest.raises(PromotionRefused, match="write it in lower case"):
        promotion.promote(
            "readmission",
            "1",
            to=alias,
            by="Ada",
            because="I trained it",
            settings=sqlite_db,
            now=NOW,
        )

    assert promotion.history("readmission", settings=sqlite_db) == []
