"""A version's risks fitted to another population: its calibration anew, everything else as it was.

In the large and slope: logit(risk) = a logit(risk as it was) + b, so that explanations stay exact.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import CohortError
from models.evaluation.evaluation import Evaluation
from models.scoring.calibration import Sigmoid, risk_of_margin
from models.scoring.scorer import load_scorer
from records.settings import Settings
from training.artefact import seal_artefact, write_scorer
from training.calibration import fit_sigmoid
from training.candidate import Progress
from training.card import Card, card_files
from training.champion import ChampionRisks, champion_risks
from training.cohort import Cohort
from training.earlier_runs import Looks, people_tags
from training.evaluation import evaluate_beside_on
from training.evidence import RECALIBRATED
from training.plots import drawings
from training.population import FloatArray, Population
from training.recalibrated_evidence import BEFORE, recalibrated_evidence
from training.registration import RunRecord
from training.registry import CHAMPION
from training.row_digests import FILE, digests_of_run
from training.run import TrainedVersion, register_version
from training.run_files import Compared, write_comparisons, write_pages
from training.run_record import typical_row
from training.scratch import scratch
from training.split import check_part, folds
from training.validation import Examined, examine


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
    was. Raises CohortError if fewer than 10 patients have or haven't the event, if risks don't rise
    with the outcome here, or if the version, or one beneath it, is known to have learnt from these
    people.
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
    _check_people(examined.rows, seed)
    with scratch(settings) as place:
        artefact, files = place / "artefact", place / "run"
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
            champion=champion_risks(name, examined.rows, cohort, settings=settings),
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


def _check_people(rows: Population, seed: int) -> None:
    """Raise CohortError where too few patients have, or haven't, the event, as training does."""
    check_part(rows, np.arange(len(rows)), "table that calibrates")
    for learning, _ in folds(rows, seed):
        check_part(rows, learning, "smallest part that calibrates")


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
    """A sealed artefact of a version recalibrated, its evidence, and how it did.

    `compared` is that with the champion, and `card` of the run, which tells of it.
    """

    digest: str
    evidence: dict[str, Any]
    evaluation: Evaluation
    card: Card
    compared: Compared | None


def build_recalibrated(
    examined: Examined,
    artefact: Path,
    files: Path,
    *,
    draws: int,
    seed: int,
    settings: Settings,
    progress: Progress,
    champion: ChampionRisks | None = None,
) -> Recalibrated:
    """Calibrate the examined version to these people; write its artefact and its run's files.

    The same version, cohort, draws and seed give the same bytes.
    """
    rows, before = examined.rows, examined.explained.margin
    sigmoid = fit_sigmoid(before, rows.outcome, rows.weights())
    log_odds = _cross_fitted(rows, before, seed)
    risk, others = risk_of_margin(log_odds), {BEFORE: examined.explained.risk}
    if champion is not None:
        others[CHAMPION] = champion.risk
    progress("Evaluating", 0, 1)
    beside = evaluate_beside_on(
        rows, risk, others, examined.file.definition, draws=draws, seed=seed
    )
    progress("Evaluating", 1, 1)
    served = _write_scorer(artefact, examined, sigmoid, settings)
    digests = digests_of_run(examined.cohort, rows, rows)
    (files / FILE).write_bytes(digests.to_bytes())
    against = beside.comparisons.get(CHAMPION)
    compared = write_comparisons(files, rows, risk, champion, against)
    values = {
        **recalibrated_evidence(examined, beside, sigmoid, served, seed),
        **digests.evidence,
    }
    drawn = drawings(
        beside.own, beside.others[BEFORE], rows, risk, values["importance"], other=BEFORE
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
    read = None if compared is None else compared.read
    card_of_run = partial(card_files, examined.file, values, drawn, champion=read)
    return Recalibrated(digest, values, beside.own, card_of_run, compared)


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
        metrics={
            **built.evidence["metrics"],
            **({} if built.compared is None else built.compared.metrics),
        },
        files=files,
        tags={
            "artefact_digest": built.digest,
            "definition_digest": examined.version.definition_digest,
            "cohort_digest": examined.cohort.digest,
            "trained_by": by,
            **people_tags(examined.cohort, examined.rows),
            **({} if built.compared is None else {"champion_digest": built.compared.digest}),
        },
        begun=looks,
    )
