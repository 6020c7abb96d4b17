"""A challenger of the champion: fitted on what was recorded since, within the change plan."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.change_plan import ChangePlan
from models.definition import Definition, DefinitionFile, read_definition
from models.errors import CohortError, DefinitionError, RegistryError
from records.settings import Settings
from records.setup import configure
from training.booster import Growth
from training.candidate import Progress
from training.champion import FILE, read_comparison
from training.cohort import Cohort
from training.evidence import RETRAINING
from training.lineage import lineage
from training.options import TrainOptions
from training.registry import (
    RegisteredVersion,
    champion_of,
    download,
    find_version,
    read_run_file,
)
from training.run import TrainedVersion, train
from training.unused_people import CALIBRATION_USED, calibrated_through

if TYPE_CHECKING:
    from training.joining import Joined

_FIXED: Final = ("features", "outcome", "inclusion", "smallest_set")


@dataclass(frozen=True, eq=False)
class Retrained:
    """The registered challenger, the champion's version, and the figures minus the champion's.

    `made_from` counts the recorded predictions; `notes` say what to bear in mind, and `used` why
    the differences are no evidence, where the champion's calibration may be fitted to these people.
    """

    trained: TrainedVersion
    champion: str
    made_from: dict[str, Any]
    notes: tuple[str, ...]
    differences: dict[str, float]
    used: str | None = None


@dataclass(frozen=True, eq=False)
class _Base:
    """A champion, the digest of the table that it was made from, and what records it learnt.

    Those through `learnt_through` its trees, those through `calibrated_through` perhaps its
    calibration, where that was fitted anew.
    """

    version: RegisteredVersion
    original_digest: str
    learnt_through: datetime | None
    calibrated_through: datetime | None


def retrain(
    file: DefinitionFile,
    original: Cohort,
    options: TrainOptions,
    *,
    settings: Settings,
    progress: Progress,
    now: datetime,
) -> Retrained:
    """Register a version made from the original cohort and closed predictions; move no alias.

    It is compared with the champion on later predictions, paired by patient and bootstrap draw.
    Raises DefinitionError without a change plan or where more than the plan allows has changed,
    CohortError where the original cohort is another or nothing has closed, RegistryError without
    a champion.
    """
    champion = champion_of(file.definition.name, settings=settings)
    if champion is None:
        raise RegistryError(
            f"{file.definition.name} has no champion to challenge; promote a version with "
            "`auscult promote`"
        )
    progress("Reading closed predictions", 0, 1)
    cohort = recorded_cohort(file, original, champion, known_by=now, settings=settings)
    progress("Reading closed predictions", 1, 1)
    bounded = replace(options, growth=growth_of(_plan(file)))
    made_from = dict(cohort.retraining or {})
    trained = train(
        file,
        cohort,
        bounded,
        settings=settings,
        progress=progress,
        now=now,
        note=lambda version: _note(version, made_from, options.trained_by, now),
    )
    compared = _comparison(trained, settings)
    differences, used = compared.get("metrics", {}), compared.get("used")
    return Retrained(trained, champion.version, made_from, cohort.notes, differences, used)


def recorded_cohort(
    file: DefinitionFile,
    original: Cohort,
    champion: RegisteredVersion,
    *,
    known_by: datetime,
    settings: Settings,
) -> Cohort:
    """Return what a challenger of this champion learns from and is judged by, as known by a time.

    The same records and the same time give the same table again. Raises as `retrain` does.
    """
    plan = _plan(file)
    base = _base(file, champion, settings)
    _check_original(original, base)
    configure(settings)
    from training.joining import join  # Django's tables can be imported only once it's configured
    from training.recorded import closed_predictions

    closed = closed_predictions(
        file.definition,
        plan,
        lambda version, digest: _is_alike(file.definition, version, digest, settings),
        known_by=known_by,
    )
    joined = join(file.definition, original, closed, base.learnt_through, base.calibrated_through)
    shown = int(closed.frame["shown"].sum())
    made_from = {
        "challenges": champion.version,
        "original_cohort": {"source": original.source, "digest": original.digest},
        "known_by": known_by.isoformat(),
        "closed_through": closed.through.isoformat(),
        "learnt_through": joined.learnt_through,
        "recorded": len(closed.frame),
        "recorded_from": str(closed.frame["predicted_at"].min().date()),
        "recorded_to": str(closed.frame["predicted_at"].max().date()),
        "shown": shown,
        "silent": len(closed.frame) - shown,
        "censored": closed.censored,
        "events_after_horizon": closed.dates.after,
        "training": joined.training,
        "test": joined.test,
        **_of_calibration(base, joined),
    }
    return replace(joined.cohort, retraining=made_from)


def _of_calibration(base: _Base, joined: "Joined") -> dict[str, Any]:
    """Return until when a champion was recalibrated, and whether on those who test."""
    if base.calibrated_through is None:
        return {}
    return {
        "calibrated_through": base.calibrated_through.isoformat(),
        CALIBRATION_USED: joined.calibration_used,
    }


def growth_of(plan: ChangePlan) -> Growth:
    """Return how trees may grow under a change plan."""
    return Growth(plan.max_depth, plan.learning_rate)


def _plan(file: DefinitionFile) -> ChangePlan:
    if file.definition.change_plan is None:
        raise DefinitionError(
            f"{file.path}: change_plan: there is none, so nothing may be retrained; add "
            "[change_plan] with max_depth, learning_rate and window_days"
        )
    return file.definition.change_plan


def _base(file: DefinitionFile, version: RegisteredVersion, settings: Settings) -> _Base:
    champion = read_definition(_fetched(version, settings) / "model.toml").definition
    for part in _FIXED:
        if getattr(champion, part) != getattr(file.definition, part):
            raise DefinitionError(
                f"{file.path}: {part}: another than that of the champion, version "
                f"{version.version}; a retraining keeps it, so train anew with `auscult train`"
            )
    made = lineage(version, settings=settings)
    calibrated, base = calibrated_through(made, settings=settings), made[-1]
    before = base.evidence.get(RETRAINING)
    if before is None:
        return _Base(version, base.version.cohort_digest, None, calibrated)
    learnt_through = datetime.fromisoformat(before["learnt_through"])
    return _Base(version, before["original_cohort"]["digest"], learnt_through, calibrated)


def _check_original(original: Cohort, champion: _Base) -> None:
    if original.digest != champion.original_digest:
        raise CohortError(
            f"{original.source} has SHA-256 {original.digest}, but version "
            f"{champion.version.version}, the champion, was made from "
            f"{champion.original_digest}; give that file"
        )


def _is_alike(definition: Definition, version: str, digest: str, settings: Settings) -> bool:
    """Say whether a version in the registry has the features and outcome of this definition."""
    try:
        registered = find_version(definition.name, version, settings=settings)
    except RegistryError:
        return False
    if registered.artefact_digest != digest:
        return False
    then = read_definition(_fetched(registered, settings) / "model.toml").definition
    return then.features == definition.features and then.outcome == definition.outcome


def _fetched(version: RegisteredVersion, settings: Settings) -> Path:
    place = settings.cache / "artefacts" / version.artefact_digest
    return download(version, place, settings=settings)


def _note(version: RegisteredVersion, made_from: dict[str, Any], by: str, now: datetime) -> None:
    from records import audit  # Django's tables can be imported only once it's configured

    details = {
        "model": version.name,
        "version": version.version,
        "artefact_digest": version.artefact_digest,
        **made_from,
    }
    audit.note("version.retrain", by, details, now)


def _comparison(trained: TrainedVersion, settings: Settings) -> dict[str, Any]:
    """Return the run's comparison with the champion; nothing where the two aren't comparable."""
    version = find_version(trained.name, trained.version, settings=settings)
    text = read_run_file(version, FILE, settings=settings)
    return {} if text is None else read_comparison(text)
