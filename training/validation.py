"""A registered version on another population: the same figures, and nothing of it changed."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.definition import DefinitionFile, read_definition
from models.evaluation.evaluation import Evaluation
from models.risk_model import RiskModel
from models.scoring.scorer import Explanations
from records.settings import Settings
from training.artefact import plain_json
from training.candidate import Progress
from training.case_mix import accrual, compare_rows, event_rate
from training.case_mix_facts import comparison
from training.cohort import Cohort
from training.data_quality import DataQuality, assess_quality
from training.earlier_runs import people_tags
from training.evaluation import evaluate_on
from training.lineage import Familiar, Made, lineage, seen_before, untold
from training.metrics import flat_metrics
from training.population import Population, admit
from training.registration import RunRecord, log_run
from training.registry import RegisteredVersion, download, find_version


@dataclass(frozen=True, eq=False)
class Examined:
    """A version's risks of another population's people, and what it was made from.

    `developed` are the features of people that its trees were made from, 20,000 at most.
    `seen_before` says how it is known that people among these are those it was made from, `untold`
    of which versions copies can't be known.
    """

    version: RegisteredVersion
    artefact: Path
    file: DefinitionFile
    cohort: Cohort
    rows: Population
    quality: DataQuality
    explained: Explanations
    made: tuple[Made, ...]
    developed: Mapping[str, npt.NDArray[Any]]
    seen_before: Familiar | None
    untold: str | None


@dataclass(frozen=True, eq=False)
class Validation:
    """How a version did on another population, what is suspicious there, and the run that keeps it.

    `seen_before` says how it is known that the version was made from people among these, and
    `untold` that it can't be known of copied rows. `compared` says how they differ from those.
    """

    version: RegisteredVersion
    run_id: str
    people: int
    evaluation: Evaluation
    suspicions: tuple[str, ...]
    seen_before: Familiar | None = None
    untold: str | None = None
    compared: str | None = None


def validate(
    name: str,
    version: str,
    cohort: Cohort,
    *,
    draws: int,
    seed: int,
    settings: Settings,
    progress: Progress,
    now: datetime,
) -> Validation:
    """Evaluate a version as it is served on a cohort that it was not made from, and log that.

    The result says so where people of the version's own cohort are known to be among these, by the
    file, its patients or the values in its rows.
    """
    examined = examine(name, version, cohort, settings=settings, now=now)
    progress("Evaluating", 0, 1)
    evaluation = evaluate_on(
        examined.rows,
        examined.explained.risk,
        examined.file.definition,
        draws=draws,
        seed=seed,
    )
    progress("Evaluating", 1, 1)
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch)
        (files / "validation.json").write_bytes(plain_json(_values(examined, evaluation)))
        run_id = log_run(
            examined.file.definition,
            cohort,
            RunRecord(
                parameters={"draws": draws, "seed": seed},
                metrics=flat_metrics(evaluation),
                files=files,
                tags={
                    "validates": examined.version.version,
                    "artefact_digest": examined.version.artefact_digest,
                    "cohort_digest": cohort.digest,
                    **people_tags(cohort, examined.rows),
                },
            ),
            settings=settings,
        )
    people = len(examined.rows)
    found = examined.quality.suspicions
    return Validation(
        examined.version,
        run_id,
        people,
        evaluation,
        found,
        seen_before=examined.seen_before,
        untold=examined.untold,
        compared=comparison(beside_development(examined)),
    )


def examine(
    name: str, version: str, cohort: Cohort, *, settings: Settings, now: datetime
) -> Examined:
    """Score a cohort's admitted rows by a verified version."""
    registered = find_version(name, version, settings=settings)
    place = settings.cache / "artefacts" / registered.artefact_digest
    artefact = download(registered, place, settings=settings)
    file = read_definition(artefact / "model.toml")
    rows, not_as_given = admit(cohort, file.definition, now)
    quality = assess_quality(file.definition, rows, not_as_given, cohort)
    digest = registered.artefact_digest
    model = RiskModel.load(artefact, version=registered.version, digest=digest)
    explained = model.scorer.explain_batch(np.ascontiguousarray(rows.inputs))
    made = lineage(registered, settings=settings)
    seen = seen_before(made, cohort, rows, settings=settings)
    return Examined(
        registered,
        artefact,
        file,
        cohort,
        rows,
        quality,
        explained,
        made,
        _developed(made[-1], settings),
        seen_before=seen,
        untold=untold(made),
    )


def _developed(trees: Made, settings: Settings) -> Mapping[str, npt.NDArray[Any]]:
    place = settings.cache / "artefacts" / trees.version.artefact_digest
    artefact = download(trees.version, place, settings=settings)
    sample = pd.read_parquet(artefact / "reference.parquet")
    return {str(name): sample[name].to_numpy() for name in sample}


def beside_development(examined: Examined) -> dict[str, Any]:
    """Return how the examined people differ from those that the version's trees were made from."""
    trees = examined.made[-1]
    return compare_rows(
        examined.file.definition,
        examined.developed,
        examined.rows.columns,
        of=f"{_whole(trees)} of version {trees.version.version}, "
        f"{trees.evidence['cohort']['source']}",
        event_rates=(trees.evidence["data_quality"]["event_rate"], event_rate(examined.rows)),
    )


def _whole(trees: Made) -> str:
    """Name the rows of which a version keeps a sample: all, those that judged it among them."""
    nested = trees.evidence["split"]["nested_folds"] > 0
    return "the table" if nested else "the whole table, judged part included,"


def _values(examined: Examined, evaluation: Evaluation) -> Mapping[str, Any]:
    return {
        "model": examined.version.name,
        "version": examined.version.version,
        "artefact_digest": examined.version.artefact_digest,
        "cohort": {"source": examined.cohort.source, "digest": examined.cohort.digest},
        "is_its_own_cohort": examined.cohort.digest == examined.version.cohort_digest,
        "seen_before": None if examined.seen_before is None else examined.seen_before.words,
        "copies_untold": examined.untold,
        "data_quality": examined.quality.to_dict(),
        "accrual": accrual(examined.rows),
        "case_mix": beside_development(examined),
        "evaluation": evaluation.to_dict(),
    }
