"""A version's risks fitted to another population: its calibration anew, everything else as it was.

In the large and slope: logit(risk) = a logit(risk as it was) + b, so that explanations stay exact.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.errors import CohortError
from models.evaluation.evaluation import Beside, Evaluation
from models.scoring.calibration import Sigmoid, risk_of_margin
from models.scoring.scorer import load_scorer
from records.settings import Settings
from training.against_baseline import OF_TREES, against_baseline, of_trees
from training.artefact import seal_artefact, write_scorer
from training.calibration import fit_sigmoid
from training.candidate import Progress
from training.card import Card, card_files
from training.case_mix import accrual
from training.champion import JUDGED_FILE, judged_file
from training.cohort import Cohort
from training.earlier_runs import JUDGED_PEOPLE, Looks, people_digest
from training.evaluation import evaluate_beside_on
from training.evidence import RECALIBRATED, asked, describe_part
from training.metrics import flat_metrics
from training.plots import drawings
from training.population import FloatArray, Population
from training.registration import RunRecord
from training.row_digests import FILE, digests_of_run
from training.run import TrainedVersion, register_version
from training.run_files import write_pages
from training.run_record import typical_row
from training.split import FOLDS, folds
from training.unassessed import not_assessed
from training.validation import Examined, beside_development, examine

_BEFORE: Final = "before"


def recalibrate(
    name: str,
    version: str,
    cohort: Cohort,
    *,
    by: str,
    draws: int,
    seed: int,
    settings: Settings,
    progress: Progress,
    now: datetime,
) -> TrainedVersion:
    """Register a new version with the trees of another and a calibration fitted to this cohort.

    It is judged by risks from calibrations that had not seen the person, beside the version as it
    was. Raises CohortError if risks don't rise with the outcome here, or if the version, or one
    beneath it, is known to have learnt from these people.
    """
    examined = examine(name, version, cohort, settings=settings, now=now)
    if examined.seen_before is not None:
        raise CohortError(
            f"{cohort.source} can't recalibrate {name} version {examined.version.version}: "
            f"{examined.seen_before.words}. {_why_refused(examined.seen_before.learnt)}"
        )
    if examined.untold is not None:
        raise CohortError(
            f"{cohort.source} can't recalibrate {name} version {examined.version.version}: "
            f"{examined.untold}; train it again, and recalibrate that version"
        )
    with tempfile.TemporaryDirectory() as scratch:
        artefact, files = Path(scratch) / "artefact", Path(scratch) / "run"
        artefact.mkdir()
        files.mkdir()
        built = build_recalibrated(
            examined,
            artefact,
            files,
            draws=draws,
            seed=seed,
            settings=settings,
            progress=progress,
        )
        looks = Looks(name, cohort, examined.rows, settings, files, built.card)
        trained = register_version(
            examined.file.definition,
            cohort,
            _record(examined, built, files, by, draws, seed, looks),
            artefact,
            typical_row(examined.file, examined.rows),
            built.evaluation,
            looks.card,
            settings=settings,
            progress=progress,
        )
        return replace(trained, earlier=looks.found)


def _why_refused(learnt: bool) -> str:
    if learnt:
        return (
            "Figures of people whom the trees have learnt from would look better than they are; "
            "give a table of other people"
        )
    return (
        "No tree has learnt from them, but the figures that ask for a recalibration are of these "
        "people. Fitted to them and judged by them again, the new version's gates would be held "
        "against people who are no longer unused, and nobody would be left to tell whether it "
        "holds. Give a table of people who came later, or of another place"
    )


@dataclass(frozen=True, eq=False)
class Recalibrated:
    """A sealed artefact of a version recalibrated, its evidence, and how it did."""

    digest: str
    evidence: dict[str, Any]
    evaluation: Evaluation
    card: Card


def build_recalibrated(
    examined: Examined,
    artefact: Path,
    files: Path,
    *,
    draws: int,
    seed: int,
    settings: Settings,
    progress: Progress,
) -> Recalibrated:
    """Calibrate the examined version to these people; write its artefact and its run's files.

    The same version, cohort, draws and seed give the same bytes.
    """
    rows, before = examined.rows, examined.explained.margin
    sigmoid = fit_sigmoid(before, rows.outcome, rows.weights())
    log_odds = _cross_fitted(rows, before, seed)
    risk, others = risk_of_margin(log_odds), {_BEFORE: examined.explained.risk}
    progress("Evaluating", 0, 1)
    beside = evaluate_beside_on(
        rows, risk, others, examined.file.definition, draws=draws, seed=seed
    )
    progress("Evaluating", 1, 1)
    served = _write_scorer(artefact, examined, sigmoid, settings)
    digests = digests_of_run(examined.cohort, rows, rows)
    (files / FILE).write_bytes(digests.to_bytes())
    (files / JUDGED_FILE).write_bytes(judged_file(rows, risk))
    values = {**_evidence(examined, beside, served, seed), **digests.evidence}
    drawn = drawings(
        beside.own, beside.others[_BEFORE], rows, risk, values["importance"], other=_BEFORE
    )
    card = card_files(examined.file, values, drawn)
    write_pages(files, examined.file, values, card, drawn)
    digest = seal_artefact(
        artefact,
        examined.file,
        reference=rows,
        log_odds=log_odds,
        evidence=values,
        card=card,
        seed=seed,
    )
    card_of_run = partial(card_files, examined.file, values, drawn)
    return Recalibrated(digest, values, beside.own, card_of_run)


def _cross_fitted(rows: Population, before: FloatArray, seed: int) -> FloatArray:
    """Return each row's log-odds by a calibration fitted to the other folds."""
    log_odds = np.full(len(rows), np.nan)
    for learning, held_out in folds(rows, seed):
        part = rows.part(learning)
        fitted = fit_sigmoid(before[learning], part.outcome, part.weights())
        log_odds[held_out] = fitted.a * before[held_out] + fitted.b
    return log_odds


def _write_scorer(
    directory: Path, examined: Examined, sigmoid: Sigmoid, settings: Settings
) -> Sigmoid:
    """Write the same trees under the composed calibration, and return that."""
    then = load_scorer(examined.artefact).calibration
    composed = Sigmoid(sigmoid.a * then.a, sigmoid.a * then.b + sigmoid.b)
    write_scorer(
        directory,
        examined.file.definition,
        trees=(examined.artefact / "trees.ubj").read_bytes(),
        sigmoid=composed,
        table_budget_mb=settings.table_budget_mb,
        check_on=examined.rows.inputs,
    )
    return composed


def _evidence(examined: Examined, beside: Beside, sigmoid: Sigmoid, seed: int) -> dict[str, Any]:
    """Return the first version's evidence, all that the new population says put in its place."""
    first: Mapping[str, Any] = json.loads((examined.artefact / "evidence.json").read_bytes())
    definition, rows = examined.file.definition, examined.rows
    own = {
        **first["model_evidence"],
        "calibration": {"a": sigmoid.a, "b": sigmoid.b},
        "evaluation": beside.own.to_dict(),
    }
    metrics = flat_metrics(beside.own)
    quality = examined.quality.to_dict()
    part = describe_part(rows)
    version, trees = examined.version.version, examined.made[-1]
    values = {
        **first,
        RECALIBRATED: version,
        OF_TREES: of_trees(trees.version.version, trees.evidence),
        "recalibration": {
            "trees": {**trees.evidence["cohort"], "version": trees.version.version},
            "same_people": f"Known of people who are in both tables: {examined.seen_before.words}"
            if examined.seen_before
            else "Nothing tells of people who are in both tables; that some are can't be ruled out",
        },
        "seed": seed,
        "cohort": {"source": examined.cohort.source, "digest": examined.cohort.digest},
        "data_quality": quality,
        "split": {
            "method": f"the trees are those of version {version}; their calibration was fitted to "
            f"this population, and is judged by {FOLDS}-fold cross-validation by patient",
            "training": trees.evidence["split"]["training"],
            "calibrating": part,
            "test": part,
            "left_out": 0,
            "nested_folds": FOLDS,
            "nested_trials": [],
        },
        "accrual": {
            "training": (trees.evidence.get("accrual") or {}).get("training"),
            "test": accrual(rows),
        },
        "case_mix": beside_development(examined),
        "model_evidence": own,
        "baseline_title": f"version {version} as it was",
        "baseline_evidence": {**first["model_evidence"], "evaluation": _before(beside)},
        "difference_to_baseline": beside.comparisons[_BEFORE].to_dict(),
        "without_indicators": None,
        "calibrations": {},
        "formulas": [],
        "stability": None,
        "left_out_sites": None,
        "metrics": metrics,
        "not_assessed": not_assessed(definition, rows),
    }
    baseline = against_baseline(values)
    found = asked(definition, metrics, own["evaluation"], quality, baseline, values["not_assessed"])
    return values | {"gates": found}


def _before(beside: Beside) -> dict[str, Any]:
    return beside.others[_BEFORE].to_dict()


def _record(
    examined: Examined,
    built: Recalibrated,
    files: Path,
    by: str,
    draws: int,
    seed: int,
    looks: Looks,
) -> RunRecord:
    calibration = built.evidence["model_evidence"]["calibration"]
    return RunRecord(
        parameters={
            RECALIBRATED: examined.version.version,
            "calibration_a": calibration["a"],
            "calibration_b": calibration["b"],
            "draws": draws,
            "seed": seed,
        },
        metrics=built.evidence["metrics"],
        files=files,
        tags={
            "artefact_digest": built.digest,
            "definition_digest": examined.version.definition_digest,
            "cohort_digest": examined.cohort.digest,
            "trained_by": by,
            JUDGED_PEOPLE: people_digest(examined.cohort, examined.rows),
        },
        begun=looks,
    )
