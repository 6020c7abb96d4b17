from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ArtefactError, PromotionRefused, RegistryError
from records.models import Tenure
from records.settings import Settings
from tests.training.conftest import NOW, Trained
from tests.training.readmissions import DEFINITION, write_definition
from training.options import TrainOptions
from training.promotion import Restored, history, promote, rollback
from training.registry import find_version, set_alias, store
from training.run import train
from training.succession import earlier_champion


def _promote(settings: Settings, version: str = "1", **changed: Any) -> Tenure | None:
    asked = {"to": "champion", "by": "Grace", "because": "Its gates pass", "now": NOW}
    return promote("readmission", version, **{**asked, **changed}, settings=settings)


def _rollback(settings: Settings, **changed: Any) -> Restored:
    asked = {"by": "Grace", "because": "Too many alerts", "now": NOW}
    return rollback("readmission", **{**asked, **changed}, settings=settings)


def test_a_version_whose_gates_pass_becomes_champion(registry: Settings) -> None:
    _promote(registry)

    assert find_version("readmission", "champion", settings=registry).version == "1"
    (tenure,) = history("readmission", settings=registry)
    assert (tenure.alias, tenure.version, tenure.by) == ("champion", "1", "Grace")
    assert tenure.because == "Its gates pass"
    assert not tenure.overridden
    assert [gate["result"] for gate in tenure.evidence["gates"]] == ["passed"] * 5


def test_promotion_is_in_the_audit_record(registry: Settings) -> None:
    from records.models import AuditEvent

    _promote(registry)

    event = AuditEvent.objects.get(action="alias.move")
    assert event.by == "Grace"
    assert event.details["version"] == "1"


@pytest.mark.parametrize("name", ["Ada", " ada "])
def test_who_trained_a_version_may_not_promote_it(name: str, registry: Settings) -> None:
    with pytest.raises(PromotionRefused, match="let someone else judge it"):
        _promote(registry, by=name, override=True)

    _nothing_moved(registry)


def test_only_a_setting_lets_who_trained_a_version_promote_it_and_gates_stay(
    registry: Settings, stricter_version: str
) -> None:
    alone = registry.model_copy(update={"trainer_may_promote": True})

    with pytest.raises(PromotionRefused, match=r"- failed: AUROC \[auroc\]"):
        _promote(alone, stricter_version, by="Ada")
    _nothing_moved(registry)
    _promote(alone, by="Ada")

    (tenure,) = history("readmission", settings=registry)
    assert (tenure.by, tenure.evidence["trained_by"]) == ("Ada", "Ada")


@pytest.mark.parametrize("missing", ["by", "because"])
def test_a_promotion_says_who_and_why(missing: str, registry: Settings) -> None:
    with pytest.raises(PromotionRefused, match="say who"):
        _promote(registry, **{missing: "  "})

    _nothing_moved(registry)


def test_a_failed_gate_refuses_with_its_figures_unless_overridden(
    registry: Settings, stricter_version: str
) -> None:
    with pytest.raises(
        PromotionRefused, match=r"- failed: AUROC \[auroc\] 0\.\d+ \(.*at least 0.99"
    ):
        _promote(registry, stricter_version)
    _nothing_moved(registry)

    _promote(registry, stricter_version, override=True, because="Agreed by the safety board")
    (tenure,) = history("readmission", settings=registry)
    assert tenure.overridden
    assert tenure.evidence["gates"][0]["result"] == "failed"


@pytest.mark.parametrize("because", ["x", " it's off  "])
def test_a_reason_that_says_too_little_rolls_nothing_back(
    because: str, registry: Settings, stricter_version: str
) -> None:
    _promote(registry, "1")
    _promote(registry, stricter_version, override=True, now=NOW + timedelta(days=1))

    with pytest.raises(PromotionRefused, match="says too little to roll back: say in 10 char"):
        _rollback(registry, because=because, now=NOW + timedelta(days=2))

    assert len(history("readmission", settings=registry)) == 2
    _rollback(registry, because="Misfitting", now=NOW + timedelta(days=2))
    assert len(history("readmission", settings=registry)) == 3


@pytest.mark.parametrize("because", ["x", " it's fine "])
def test_a_reason_that_says_too_little_overrides_no_gate(
    because: str, registry: Settings, stricter_version: str
) -> None:
    with pytest.raises(PromotionRefused, match="says too little to override a gate"):
        _promote(registry, stricter_version, override=True, because=because)
    _nothing_moved(registry)


def test_promoting_the_champion_again_says_since_when_it_is_and_records_nothing(
    registry: Settings, stricter_version: str
) -> None:
    from records.models import AuditEvent

    assert _promote(registry) is None
    already = _promote(registry, by="Mary", override=True, now=NOW + timedelta(days=1))

    assert already is not None
    assert already.words == "is champion already, since 2026-05-01 00:00:00 UTC (by Grace)"
    assert len(history("readmission", settings=registry)) == 1
    assert AuditEvent.objects.filter(action="alias.move").count() == 1
    assert _promote(registry, to="challenger", now=NOW + timedelta(days=1)) is None
    _promote(registry, stricter_version, override=True, now=NOW + timedelta(days=2))
    assert _promote(registry, now=NOW + timedelta(days=3)) is None
    assert len(history("readmission", settings=registry)) == 4


def test_an_alias_that_was_moved_past_auscult_is_moved_back_on_the_record(
    registry: Settings, stricter_version: str
) -> None:
    _promote(registry)
    set_alias("readmission", "champion", stricter_version, settings=registry)

    assert _promote(registry, override=True, now=NOW + timedelta(days=1)) is None
    assert find_version("readmission", "champion", settings=registry).version == "1"
    assert len(history("readmission", settings=registry)) == 2


def test_an_override_that_was_not_needed_is_not_recorded_as_one(registry: Settings) -> None:
    _promote(registry, override=True)

    assert not history("readmission", settings=registry)[0].overridden


def test_rolling_back_restores_the_champion_before(
    registry: Settings, stricter_version: str
) -> None:
    _promote(registry, "1")
    _promote(registry, stricter_version, override=True, now=NOW + timedelta(days=1))

    restored = _rollback(registry, now=NOW + timedelta(days=2))

    assert (restored.version, restored.overridden) == ("1", False)
    assert find_version("readmission", "champion", settings=registry).version == "1"
    newest = history("readmission", settings=registry)[0]
    assert newest.evidence["rolled_back_from"] == stricter_version


def test_a_version_that_was_rolled_back_from_is_not_rolled_back_to(
    registry: Settings, stricter_version: str
) -> None:
    _promote(registry, "1")
    _promote(registry, stricter_version, override=True, now=NOW + timedelta(days=1))
    _rollback(registry, now=NOW + timedelta(days=2))

    said = rf"no other champion than 1.*version {stricter_version} was rolled back from.*suspend"
    with pytest.raises(PromotionRefused, match=said):
        _rollback(registry, now=NOW + timedelta(days=3))

    assert find_version("readmission", "champion", settings=registry).version == "1"


def test_a_version_promoted_anew_after_a_rollback_may_be_rolled_back_to_again(
    registry: Settings, stricter_version: str
) -> None:
    _promote(registry, "1")
    _promote(registry, stricter_version, override=True, now=NOW + timedelta(days=1))
    _rollback(registry, now=NOW + timedelta(days=2))
    _promote(registry, stricter_version, override=True, now=NOW + timedelta(days=3))
    _promote(registry, "1", now=NOW + timedelta(days=4))

    restored = _rollback(registry, now=NOW + timedelta(days=5))

    assert (restored.version, restored.overridden) == (stricter_version, True)
    newest = history("readmission", settings=registry)[0]
    assert newest.overridden
    assert len(newest.overridden_gates) == 1
    assert newest.overridden_gates[0].startswith("failed: AUROC [auroc] 0.")
    assert newest.overridden_gates[0] in restored.words


def test_nobody_rolls_back_to_a_version_that_they_trained_unless_the_setting_permits(
    registry: Settings, stricter_version: str
) -> None:
    _promote(registry, "1")
    _promote(registry, stricter_version, override=True, now=NOW + timedelta(days=1))

    with pytest.raises(PromotionRefused, match="version 1 was trained by Ada"):
        _rollback(registry, by=" ada", now=NOW + timedelta(days=2))
    assert find_version("readmission", "champion", settings=registry).version == stricter_version

    alone = registry.model_copy(update={"trainer_may_promote": True})
    assert _rollback(alone, by="Ada", now=NOW + timedelta(days=2)).version == "1"


def test_without_an_earlier_champion_there_is_nothing_to_roll_back_to(registry: Settings) -> None:
    _promote(registry)

    with pytest.raises(PromotionRefused, match="no other champion than 1"):
        _rollback(registry)


@given(st.lists(st.sampled_from([*"ABC", "back"]), max_size=12))
def test_a_rollback_never_restores_what_was_withdrawn_and_always_ends(moves: list[str]) -> None:
    tenures: list[Tenure] = []
    for move in [*moves, *["back"] * 4]:
        current = tenures[-1].version if tenures else None
        withdrawn = _withdrawn(tenures)
        if move != "back":
            tenures.append(Tenure(version=move, evidence={}))
        elif (target := earlier_champion(tenures)) is not None:
            assert target.version != current
            assert target.version not in withdrawn
            evidence = {"rolled_back_from": current}
            tenures.append(Tenure(version=target.version, evidence=evidence))
    assert earlier_champion(tenures) is None


def _withdrawn(tenures: list[Tenure]) -> set[str]:
    """Return the versions that were rolled back from since they were last promoted."""
    found: set[str] = set()
    for tenure in tenures:
        if "rolled_back_from" in tenure.evidence:
            found.add(tenure.evidence["rolled_back_from"])
        else:
            found.discard(tenure.version)
    return found


def test_a_changed_artefact_is_not_promoted(registry: Settings) -> None:
    _promote(registry, to="challenger")
    found = find_version("readmission", "1", settings=registry)
    card = registry.cache / "artefacts" / found.artefact_digest / "card.md"
    card.write_text("For clinical use.")

    with pytest.raises(ArtefactError, match=r"card\.md"):
        _promote(registry)


def test_a_version_whose_registered_bytes_changed_is_not_promoted_from_the_cache(
    registry: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _promote(registry, to="challenger")
    fetch = mlflow.artifacts.download_artifacts

    def changed(artifact_uri: str, dst_path: str) -> str:
        place = fetch(artifact_uri=artifact_uri, dst_path=dst_path)
        (Path(dst_path) / "artifacts" / "artefact" / "card.md").write_text("For clinical use.")
        return str(place)

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", changed)

    with pytest.raises(ArtefactError, match=r"card\.md"):
        _promote(registry)
    assert [one.alias for one in history("readmission", settings=registry)] == ["challenger"]


def test_if_mlflow_cannot_follow_nothing_is_written_down(
    registry: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RegistryError("the registry is read-only")

    monkeypatch.setitem(promote.__globals__, "set_alias", refuse)

    with pytest.raises(RegistryError, match="read-only"):
        _promote(registry)

    assert history("readmission", settings=registry) == []


def test_the_history_tells_who_was_champion_when(registry: Settings, stricter_version: str) -> None:
    from records.tenure import version_at

    _promote(registry, "1")
    _promote(registry, stricter_version, override=True, now=NOW + timedelta(days=1))

    def at(moment: datetime) -> str | None:
        return version_at("readmission", "champion", moment)

    assert at(NOW - timedelta(seconds=1)) is None
    assert at(NOW + timedelta(hours=1)) == "1"
    # it was asked for then, and became champion once its files and gates had been looked at
    assert at(NOW + timedelta(days=1)) == "1"
    assert at(NOW + timedelta(days=1, minutes=5)) == stricter_version


def _nothing_moved(settings: Settings) -> None:
    assert history("readmission", settings=settings) == []
    with pytest.raises(RegistryError):
        find_version("readmission", "champion", settings=settings)


def test_trees_that_may_be_worse_than_the_regression_are_refused_unless_a_margin_is_stated(
    trained: Trained, registry: Settings, tmp_path: Path
) -> None:
    stated = [line for line in DEFINITION.splitlines() if "_minus_baseline" not in line]
    version = train(
        write_definition(tmp_path, "\n".join(stated)),
        trained.cohort,
        TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7),
        settings=registry,
        progress=lambda *_: None,
        now=NOW,
    ).version

    with pytest.raises(PromotionRefused) as refused:
        _promote(registry, version)

    for figure in ("AUROC", "Scaled Brier score"):
        assert f"{figure} minus the regression's" in str(refused.value)
    assert "the definition states no margin of its own" in str(refused.value)
    run = find_version("readmission", version, settings=registry).run_id
    assert store(registry).get_run(run).data.metrics["auroc_minus_baseline_low"] < -0.01
    _promote(registry)  # the same people and trees, by a definition that says why it takes more
