"""A version made from a cohort: fitted, judged and sealed, not yet registered."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from models.definition import DefinitionFile
from models.evaluation.comparison import Comparison
from models.evaluation.evaluation import Evaluation
from models.scoring.linear import LinearModel
from models.scoring.scorer import Explanations
from records.settings import Settings
from training.artefact import seal_artefact, write_scorer
from training.baseline import terms_of
from training.calibration_figures import calibration_figures
from training.candidate import Making, Pair, Progress, each_with_trials, make
from training.card import Card, card_files
from training.case_mix import accrual, event_rate
from training.champion import ChampionRisks, champion_risks
from training.cohort import Cohort
from training.comparators import formula_evidence
from training.data_quality import DataQuality, assess_quality
from training.earlier_runs import Looks
from training.evaluation import evaluate_beside_on
from training.evidence import CandidateEvidence, RunEvidence
from training.follow_up import refuse_lost
from training.judging import Judged, judge_by_folds, judge_on_test
from training.leakage import refuse_leaks, suspects_named
from training.options import TrainOptions
from training.plots import drawings
from training.population import FloatArray, Population, admit
from training.registration import RunRecord
from training.registry import CHAMPION
from training.robustness import robustness
from training.row_digests import FILE, digests_of_run
from training.run_files import write_comparisons, write_fits, write_pages
from training.run_record import run_record, typical_row
from training.sample_size import SampleSize, candidate_parameters, least_sample
from training.shap_values import ShapValues, dependence, explain_some, mean_sizes
from training.split import Split, split

_BASELINE = "baseline"
_UNINFORMED = "without indicators"


@dataclass(frozen=True, eq=False)
class Built:
    """A sealed artefact, what the run leaves in MLflow, and how the version did."""

    digest: str
    record: RunRecord
    example: pd.DataFrame
    evaluation: Evaluation
    looks: Looks


@dataclass(frozen=True, eq=False)
class _Parts:
    """The cohort's admitted rows, described and divided."""

    quality: DataQuality
    divided: Split
    training: Population
    test: Population
    accrual: dict[str, dict[str, str] | None]


def build(
    file: DefinitionFile,
    cohort: Cohort,
    options: TrainOptions,
    artefact: Path,
    files: Path,
    *,
    settings: Settings,
    progress: Progress,
    now: datetime,
) -> Built:
    """Fit, calibrate and judge one version; write its artefact and its run's files.

    Raises CohortError before any fitting for a table that can't be used.
    """
    parts = _prepare(file, cohort, options, progress, now)
    makings = _makings(file, parts, options)
    with suspects_named(parts.quality):
        pair = make(makings[0], parts.training, progress)
    scorer = write_scorer(
        artefact,
        file.definition,
        trees=pair.trees.fitted.model.to_bytes(),
        sigmoid=pair.trees.fitted.sigmoid,
        table_budget_mb=settings.table_budget_mb,
        check_on=parts.test.inputs,
    )
    explained = scorer.explain_batch(parts.test.inputs)
    with suspects_named(parts.quality):
        judged = (
            judge_by_folds(parts.test, parts.divided.outer, makings[1:], progress)
            if parts.divided.outer
            else judge_on_test(parts.test, parts.training, pair, explained.risk)
        )
    checked = None if options.quick else pair.trees.fitted
    shown = explain_some(file.definition, parts.test, checked, explained, seed=options.seed)
    champion = champion_risks(file.definition.name, judged.rows, cohort, settings=settings)
    evidence, beside = _evaluate(
        file, cohort, parts, makings[0], pair, judged, shown, options, progress, champion
    )
    compared = write_comparisons(files, judged.rows, judged.risk, champion, beside)
    digest, sealed = _write(artefact, files, evidence, judged, pair, explained, shown)
    card = partial(sealed, champion=compared and compared.read)
    looks = Looks(file.definition.name, cohort, judged.rows, settings, files, card)
    return Built(
        digest=digest,
        record=run_record(evidence, files, digest, options, compared, looks),
        example=typical_row(file, parts.test),
        evaluation=evidence.trees.evaluation,
        looks=looks,
    )


def _prepare(
    file: DefinitionFile,
    cohort: Cohort,
    options: TrainOptions,
    progress: Progress,
    now: datetime,
) -> _Parts:
    progress("Checking the cohort", 0, 1)
    population, not_as_given = admit(cohort, file.definition, now)
    quality = assess_quality(file.definition, population, not_as_given, cohort)
    refuse_lost(file.definition, population, cohort.source, cohort.retraining)
    refuse_leaks(file.definition, population, cohort.source)
    divided = split(
        population,
        options.seed,
        test_share=cohort.test_share,
        unordered_because=cohort.unordered_because,
        designated=cohort.designated,
        searched=not options.quick,
    )
    quality = replace(quality, suspicions=(*quality.suspicions, *divided.suspicions))
    dates = {
        "training": accrual(population.part(divided.training)),
        "test": accrual(population.part(divided.test)),
    }
    if divided.outer:  # rows that aren't divided by their times aren't calibrated by them either
        population = replace(population, time=None)
    training, test = population.part(divided.training), population.part(divided.test)
    progress("Checking the cohort", 1, 1)
    return _Parts(quality, divided, training, test, dates)


def _makings(file: DefinitionFile, parts: _Parts, options: TrainOptions) -> list[Making]:
    """Return how the served pair is made, and then each nested one."""
    making = Making(
        file.definition,
        trials=0 if options.quick else options.trials,
        seed=options.seed,
        seconds=options.timeout_seconds,
        growth=options.growth,
        without_indicators=not options.quick,
    )
    return each_with_trials(making, options.repeated_trials, 1 + len(parts.divided.outer))


def _evaluate(
    file: DefinitionFile,
    cohort: Cohort,
    parts: _Parts,
    making: Making,
    pair: Pair,
    judged: Judged,
    shown: ShapValues,
    options: TrainOptions,
    progress: Progress,
    champion: ChampionRisks | None,
) -> tuple[RunEvidence, Comparison | None]:
    """Evaluate the judged risks beside the regression's, and compare them with the champion's."""
    progress("Evaluating", 0, 1)
    found = evaluate_beside_on(
        judged.rows,
        judged.risk,
        _others(judged, champion),
        file.definition,
        draws=options.bootstrap_draws,
        seed=options.seed,
    )
    progress("Evaluating", 1, 1)
    robust = robustness(making, parts.divided, parts.training, parts.test, pair, options, progress)
    trees, baseline = pair.trees, pair.baseline
    evidence = RunEvidence(
        file=file,
        cohort=cohort,
        quality=parts.quality,
        split=parts.divided,
        training=parts.training,
        calibrating=parts.training.part(trees.fitted.calibrated_on),
        test=judged.rows,
        accrual=parts.accrual,
        trees=CandidateEvidence(trees.parameters, trees.trials, trees.fitted.sigmoid, found.own),
        baseline=CandidateEvidence(
            baseline.parameters,
            baseline.trials,
            baseline.fitted.sigmoid,
            found.others[_BASELINE],
        ),
        baseline_terms=terms_of(baseline.fitted.model),
        difference=found.comparisons[_BASELINE],
        without_indicators=found.others.get(_UNINFORMED),
        calibrations=calibration_figures(judged),
        sample_size=_sample_size(baseline.fitted.model, parts.training),
        learning_curve=robust.learning_curve,
        formulas=formula_evidence(
            judged.rows, file.definition, draws=options.bootstrap_draws, seed=options.seed
        ),
        stability=robust.stability,
        left_out_sites=robust.left_out_sites,
        sites_not_left_out=robust.sites_not_left_out,
        importance=mean_sizes(file.definition, shown.contributions),
        nested_trials=judged.trials,
        quick=options.quick,
        seed=options.seed,
    )
    return evidence, found.comparisons.get(CHAMPION)


def _sample_size(model: LinearModel, rows: Population) -> SampleSize:
    """Hold the training part against what a regression of so many parameters needs."""
    return least_sample(candidate_parameters(model), event_rate(rows), rows.effective_size())


def _others(judged: Judged, champion: ChampionRisks | None) -> dict[str, FloatArray]:
    """Return the risks that the judged ones are compared with, by what gave them."""
    others = {_BASELINE: judged.baseline_risk}
    if judged.uninformed_risk is not None:
        others[_UNINFORMED] = judged.uninformed_risk
    if champion is not None:
        others[CHAMPION] = champion.risk
    return others


def _write(
    artefact: Path,
    files: Path,
    evidence: RunEvidence,
    judged: Judged,
    pair: Pair,
    explained: Explanations,
    shown: ShapValues,
) -> tuple[str, Card]:
    """Write the run's files and seal the artefact; return the artefact's digest, and its card.

    The run's card is to tell of earlier runs, the champion and, once it's registered, the version,
    which the version's own can't: made again from the same table, it has the same bytes.
    """
    digests = digests_of_run(evidence.cohort, evidence.training, evidence.test)
    (files / FILE).write_bytes(digests.to_bytes())
    values = {**evidence.to_dict(), **digests.evidence}
    drawn = drawings(
        evidence.trees.evaluation,
        evidence.baseline.evaluation,
        judged.rows,
        judged.risk,
        evidence.importance,
        stability=evidence.stability,
        dependence=dependence(evidence.file.definition, shown.rows, shown.contributions),
    )
    card = card_files(evidence.file, values, drawn)
    write_pages(files, evidence.file, values, card, drawn)
    write_fits(files, evidence, pair.baseline.fitted.model)
    reference, log_odds = _reference(evidence, pair, explained)
    digest = seal_artefact(
        artefact,
        evidence.file,
        reference=reference,
        log_odds=log_odds,
        evidence=values,
        card=card,
        seed=evidence.seed,
    )
    return digest, partial(card_files, evidence.file, values, drawn)


def _reference(
    evidence: RunEvidence, pair: Pair, explained: Explanations
) -> tuple[Population, FloatArray]:
    """Return the whole cohort with log-odds from fits that hadn't seen the person."""
    out_of_fold = pair.trees.fitted.out_of_fold
    if evidence.split.outer:
        return evidence.training, out_of_fold
    everyone = evidence.training.joined(evidence.test)
    return everyone, np.concatenate([out_of_fold, explained.margin])
