"""What a run says of its cohort, its inputs, and the code that made it."""

import contextlib
import importlib.metadata
from pathlib import Path
from typing import Any, Final

import mlflow
import pandas as pd
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.models.signature import ModelSignature
from mlflow.types.schema import ColSpec, Schema

from models.definition import Definition
from training.cohort import Cohort, file_digest
from training.cohort_faults import numbers

_LOCK: Final = Path(__file__).parents[1] / "requirements.lock"
_RUN_REQUIREMENTS: Final = ("mlflow", "msgspec", "numba", "numpy", "pandas", "pydantic", "scipy")
_DATASET_DIGEST_LENGTH: Final = 36


def describe_cohort(cohort: Cohort, definition: Definition) -> Any:
    """Describe the cohort; its rows stay where they are.

    Numbers are described as the signature takes them, whatever the file wrote: whole numbers of
    one file may be missing in the next.
    """
    shown = [feature for feature in definition.features if feature.name in cohort.frame]
    described = pd.DataFrame(
        {
            one.name: numbers(cohort.frame[one.name])
            if one.kind == "numeric"
            else cohort.frame[one.name].astype("object")
            for one in shown
        }
    )
    return mlflow.data.from_pandas(
        described,
        source=CodeDatasetSource(tags={"cohort": cohort.source}),
        name=cohort.source,
        digest=cohort.digest[:_DATASET_DIGEST_LENGTH],
    )


def signature(definition: Definition) -> ModelSignature:
    """Return the features that a table has to hold, and that a risk comes out."""
    inputs = [
        ColSpec("double" if f.kind == "numeric" else "string", f.name, required=f.required)
        for f in definition.features
        if f.derived is None
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec("double")]))


def requirements() -> list[str]:
    """Return what the logged model needs to run, at the versions of this installation."""
    return [f"{name}=={importlib.metadata.version(name)}" for name in _RUN_REQUIREMENTS]


def code_tags() -> dict[str, str]:
    """Return which lock and which version of Auscult this is, where they are known."""
    tags = {"lock_digest": file_digest(_LOCK)} if _LOCK.is_file() else {}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        tags["code_version"] = importlib.metadata.version("auscult")
    return tags
