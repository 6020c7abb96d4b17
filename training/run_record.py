"""What a run leaves in MLflow: its parameters, its figures, its digests, and an input example."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.definition import DefinitionFile
from models.figure_names import MINUS_BASELINE
from training.cohort import input_features
from training.earlier_runs import Looks, people_tags
from training.evidence import RunEvidence
from training.metrics import flat_differences, flat_metrics
from training.options import TrainOptions
from training.population import Population
from training.registration import RunRecord
from training.run_files import Compared

_PEOPLE: Final = ("trained_by", "requested_by")  # who stand in the tags
_OF_SEARCHES: Final = ("trials", "timeout_seconds", "repeated_trials", "stability_trials", "growth")


def run_record(
    evidence: RunEvidence,
    files: Path,
    digest: str,
    options: TrainOptions,
    compared: Compared | None,
    looks: Looks,
) -> RunRecord:
    """Return the parameters, figures, files and digests of a run."""
    trees, baseline = evidence.trees, evidence.baseline
    parameters = {
        **{f"trees_{name}": value for name, value in trees.parameters.items()},
        **{f"baseline_{name}": value for name, value in baseline.parameters.items()},
        "calibration_a": trees.sigmoid.a,
        "calibration_b": trees.sigmoid.b,
        **_asked(options),
    }
    return RunRecord(
        parameters=parameters,
        metrics={
            **flat_metrics(trees.evaluation),
            **flat_metrics(baseline.evaluation, prefix="baseline_"),
            **flat_differences(evidence.difference, MINUS_BASELINE),
            **({} if compared is None else compared.metrics),
        },
        files=files,
        tags={
            "artefact_digest": digest,
            "definition_digest": evidence.file.digest,
            "cohort_digest": evidence.cohort.digest,
            "trained_by": options.trained_by,
            **people_tags(evidence.cohort, evidence.test),
            **({} if options.requested_by is None else {"requested_by": options.requested_by}),
            **({} if compared is None else {"champion_digest": compared.digest}),
        },
        begun=looks,
    )


def _asked(options: TrainOptions) -> dict[str, Any]:
    """Return what a run was asked for and did: without a search, nothing of searches."""
    left_out = {*_PEOPLE, *(_OF_SEARCHES if options.quick else ())}
    asked = {name: value for name, value in asdict(options).items() if name not in left_out}
    return asked | {"draws": options.bootstrap_draws}


def typical_row(file: DefinitionFile, test: Population) -> pd.DataFrame:
    """Return rows of the cohort's medians and most frequent categories: nobody's own values."""
    names = input_features(file.definition)
    typical = {name: _typical(test.columns[name]) for name in names}
    return pd.DataFrame([typical])


def _typical(column: npt.NDArray[np.generic]) -> float | str:
    if column.dtype == object:
        names, counts = np.unique([v for v in column if v is not None], return_counts=True)
        return str(names[counts.argmax()])
    # the lower one of two: a value that occurs, so whole where it has to be
    return float(np.nanquantile(column.astype(np.float64), 0.5, method="lower"))
