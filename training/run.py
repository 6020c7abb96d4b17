"""One training run: from a definition and its cohort to a registered version with its evidence."""

import tempfile
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from models.definition import DefinitionFile
from models.evaluation.evaluation import Evaluation
from models.scoring.linear import LinearModel
from models.scoring.scorer import Explanations
from records.settings import Settings
from training.artefact import seal_artefact, write_scorer
from training.booster import Trees
from training.candidate import (
    Candidate,
    Progress,
    fit_baseline_candidate,
    fit_trees_candidate,
)
from training.card import card_files
from training.cohort import Cohort, input_features
from training.data_quality import DataQuality, assess_quality
from training.evaluation import compare_on, evaluate_on
from training.evidence import CandidateEvidence, RunEvidence, mean_contributions
from training.metrics import flat_metrics
from training.plots import drawings
from training.population import Population, admit
from training.registry import RunRecord, download, register_run
from training.run_files import write_run_files
from training.split import Split, split

QUICK_DRAWS = 200


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to train; `quick` searches nothing and makes no more than 200 bootstrap draws."""

    trained_by: str
    quick: bool = False
    trials: int = 50
    draws: int = 1000
    seed: int = 20261

    @property
    def bootstrap_draws(self) -> int:
        """How many bootstrap draws each interval rests on."""
        return min(self.draws, QUICK_DRAWS) if self.quick else self.draws


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """A registered version, its verified artefact directory, and how it did on the test part."""

    name: str
    version: str
    run_id: str
    artefact_digest: str
    directory: Path
    evaluation: Evaluation


@dataclass(frozen=True, eq=False)
class _Parts:
    """The cohort's admitted rows, described and divided."""

    quality: DataQuality
    divided: Split
    training: Population
    test: Population


def train(
    file: DefinitionFile,
    cohort: Cohort,
    options: TrainOptions,
    *,
    settings: Settings,
    progress: Progress,
    now: datetime,
) -> TrainedVersion:
    """Fit, calibrate, evaluate and register one version of a model.

    Raises CohortError before any fitting for a table that can't be used.
    """
    parts = _prepare(file, cohort, options, progress, now)
    trees = fit_trees_candidate(
        file.definition,
        parts.training,
        trials=0 if options.quick else options.trials,
        seed=options.seed,
        progress=progress,
    )
    baseline = fit_baseline_candidate(
        parts.training, search=not options.quick, seed=options.seed, progress=progress
    )
    with tempfile.TemporaryDirectory() as scratch:
        artefact, files = Path(scratch) / "artefact", Path(scratch) / "run"
        artefact.mkdir()
        files.mkdir()
        scorer = write_scorer(
            artefact,
            file.definition,
            trees=trees.fitted.model.to_bytes(),
            sigmoid=trees.fitted.sigmoid,
            table_budget_mb=settings.table_budget_mb,
            check_on=parts.test.inputs,
        )
        explained = scorer.explain_batch(parts.test.inputs)
        evidence = _evaluate(file, cohort, parts, explained, trees, baseline, options, progress)
        digest = _write(artefact, files, evidence, explained, trees, baseline)
        progress("Registering the version", 0, 1)
        registered = register_run(
            file.definition,
            cohort,
            _record(evidence, files, digest, options),
            artefact,
            _example(file, parts.test),
            settings=settings,
        )
    directory = download(registered, settings.cache / "artefacts" / digest, settings=settings)
    progress("Registering the version", 1, 1)
    return TrainedVersion(
        name=registered.name,
        version=registered.version,
        run_id=registered.run_id,
        artefact_digest=digest,
        directory=directory,
        evaluation=evidence.trees.evaluation,
    )


def _prepare(
    file: DefinitionFile,
    cohort: Cohort,
    options: TrainOptions,
    progress: Progress,
    now: datetime,
) -> _Parts:
    progress("Checking the cohort", 0, 1)
    population, exclusions = admit(cohort, file.definition, now)
    quality = assess_quality(file.definition, population, exclusions, cohort.notes)
    divided = split(population, options.seed, random_because=cohort.random_split_because)
    training, test = population.part(divided.training), population.part(divided.test)
    progress("Checking the cohort", 1, 1)
    return _Parts(quality, divided, training, test)


def _evaluate(
    file: DefinitionFile,
    cohort: Cohort,
    parts: _Parts,
    explained: Explanations,
    trees: Candidate[Trees],
    baseline: Candidate[LinearModel],
    options: TrainOptions,
    progress: Progress,
) -> RunEvidence:
    """Evaluate on the test part what serving will load, beside the baseline."""
    stage, definition, test = "Evaluating on the test part", file.definition, parts.test
    draws, seed = options.bootstrap_draws, options.seed
    progress(stage, 0, 3)
    own = evaluate_on(test, explained.risk, definition, draws=draws, seed=seed)
    progress(stage, 1, 3)
    other_risk = baseline.fitted.risk(test.inputs)
    other = evaluate_on(test, other_risk, definition, draws=draws, seed=seed)
    progress(stage, 2, 3)
    difference = compare_on(test, explained.risk, other_risk, definition, draws=draws, seed=seed)
    progress(stage, 3, 3)
    return RunEvidence(
        file=file,
        cohort=cohort,
        quality=parts.quality,
        split=parts.divided,
        training=parts.training,
        test=test,
        trees=CandidateEvidence(trees.parameters, trees.trials, trees.fitted.sigmoid, own),
        baseline=CandidateEvidence(
            baseline.parameters, baseline.trials, baseline.fitted.sigmoid, other
        ),
        difference=difference,
        importance=mean_contributions(file, explained),
        quick=options.quick,
        seed=seed,
    )


def _write(
    artefact: Path,
    files: Path,
    evidence: RunEvidence,
    explained: Explanations,
    trees: Candidate[Trees],
    baseline: Candidate[LinearModel],
) -> str:
    """Write the run's files and seal the artefact; return the artefact's digest."""
    values = evidence.to_dict()
    drawn = drawings(
        evidence.trees.evaluation,
        evidence.baseline.evaluation,
        evidence.test,
        explained.risk,
        evidence.importance,
    )
    card = card_files(evidence.file, values, {name: one.png for name, one in drawn.items()})
    write_run_files(files, evidence, values, card, drawn, baseline.fitted.model)
    return seal_artefact(
        artefact,
        evidence.file,
        reference=evidence.training.joined(evidence.test),
        log_odds=np.concatenate([trees.fitted.out_of_fold, explained.margin]),
        evidence=values,
        card=card,
        seed=evidence.seed,
    )


def _record(evidence: RunEvidence, files: Path, digest: str, options: TrainOptions) -> RunRecord:
    trees, baseline = evidence.trees, evidence.baseline
    parameters = {
        **{f"trees_{name}": value for name, value in trees.parameters.items()},
        **{f"baseline_{name}": value for name, value in baseline.parameters.items()},
        "calibration_a": trees.sigmoid.a,
        "calibration_b": trees.sigmoid.b,
        **{name: value for name, value in asdict(options).items() if name != "trained_by"},
    }
    return RunRecord(
        parameters=parameters,
        metrics={
            **flat_metrics(trees.evaluation),
            **flat_metrics(baseline.evaluation, prefix="baseline_"),
        },
        files=files,
        tags={
            "artefact_digest": digest,
            "definition_digest": evidence.file.digest,
            "cohort_digest": evidence.cohort.digest,
            "trained_by": options.trained_by,
        },
    )


def _example(file: DefinitionFile, test: Population) -> pd.DataFrame:
    """Return rows of the cohort's medians and most frequent categories: nobody's own values."""
    names = input_features(file.definition)
    typical = {name: _typical(test.columns[name]) for name in names}
    return pd.DataFrame([typical])


def _typical(column: "np.ndarray") -> float | str:
    if column.dtype == object:
        names, counts = np.unique([v for v in column if v is not None], return_counts=True)
        return str(names[counts.argmax()])
    return float(np.nanmedian(column))
