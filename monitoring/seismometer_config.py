"""How an export tells Epic's `seismometer` what its columns mean.

The files are JSON, which every reader of YAML reads. Names of columns begin with a capital, those
of features with a small letter, so that neither can hide the other.
"""

import json
from collections.abc import Iterable
from typing import Any

from models.definition import Definition
from models.feature import Feature

PATIENT, PREDICTION, TIME, RISK = "PatientId", "PredictionId", "PredictionTime", "Risk"
BAND, SHOWN, SITE, VERSION, STATUS = "Band", "Shown", "Site", "Version", "Status"
COLUMNS = {
    PATIENT: ("object", "The patient's pseudonym; without a patient, the prediction's id"),
    PREDICTION: ("object", "The prediction's id, as every answer carries it"),
    TIME: ("datetime64[ns]", "When the prediction was made for, UTC"),
    RISK: ("float64", "The risk that was given, calibrated"),
    BAND: ("object", "The band that the risk fell into"),
    SHOWN: ("object", "Whether the risk was shown to clinicians, or recorded in silence"),
    SITE: ("object", "The site that asked, where it is known"),
    VERSION: ("object", "The model's version"),
    STATUS: ("object", "final, amended or entered-in-error, as FHIR writes it"),
}
OUTCOME = "outcome"
# what clinicians did, as feedback has it: the events' names
DONE = {"accepted": "Accepted", "overridden": "Overridden"}
PREDICTIONS, EVENTS, UNSETTLED = "predictions.parquet", "events.parquet", "unsettled.parquet"
METADATA = "metadata.json"
SMALLEST_CENSORED = 10


def files(definition: Definition, version: str, done: Iterable[str]) -> dict[str, str]:
    """Return the text of every file beside the data, by its path in the export.

    `done` names the kinds of feedback that occur, since seismometer refuses to show an event
    that has no row.
    """
    return {
        "config.yml": _json(_places()),
        "usage_config.yml": _json({"data_usage": _usage(definition, done)}),
        "dictionary.yml": _json(_dictionary(definition)),
        f"data/{METADATA}": _json(
            {
                "modelname": f"{definition.title} (version {version})",
                "thresholds": sorted((one.risk for one in definition.thresholds), reverse=True),
            }
        ),
        "seismograph.ipynb": _json(_notebook()),
    }


def target(definition: Definition) -> str:
    """Return the name under which seismometer shows the outcome."""
    return definition.outcome.title


def _places() -> dict[str, Any]:
    return {
        "other_info": {
            "usage_config": "usage_config.yml",
            "event_definition": "dictionary.yml",
            "prediction_definition": "dictionary.yml",
            "info_dir": "outputs",
            "data_dir": "data",
            "prediction_path": PREDICTIONS,
            "event_path": EVENTS,
            "metadata_path": METADATA,
        }
    }


def _usage(definition: Definition, done: Iterable[str]) -> dict[str, Any]:
    outcome = {
        "source": OUTCOME,
        "display_name": target(definition),
        "window_hr": definition.outcome.horizon_days * 24,
        "usage": "target",
    }
    interventions = [
        {"source": kind, "display_name": DONE[kind], "usage": "intervention"} for kind in done
    ]
    return {
        "entity_id": PATIENT,
        "context_id": PREDICTION,
        "primary_output": RISK,
        "primary_target": target(definition),
        "predict_time": TIME,
        "cohorts": _cohorts(definition),
        "event_table": {"type": "Type", "time": "EventTime", "value": "Value"},
        "events": [outcome, *interventions],
        "censor_min_count": max(SMALLEST_CENSORED, definition.smallest_group.people),
    }


def _cohorts(definition: Definition) -> list[dict[str, Any]]:
    taken = {*COLUMNS, *definition.by_name}
    cohorts: list[dict[str, Any]] = []
    for group in definition.subgroups:
        if group.feature is None:
            continue
        name = f"{group.title} (subgroup)" if group.title in taken else group.title
        splits = {"splits": list(group.cuts)} if group.cuts else {}
        cohorts.append({"source": group.feature, "display_name": name, **splits})
    return [*cohorts, *({"source": name, "display_name": name} for name in (SHOWN, SITE))]


def _dictionary(definition: Definition) -> dict[str, Any]:
    columns = [
        {"name": name, "dtype": dtype, "definition": words}
        for name, (dtype, words) in COLUMNS.items()
    ]
    outcome = {
        "name": OUTCOME,
        "display_name": target(definition),
        "dtype": "float",
        "definition": definition.outcome.definition,
    }
    feedback = [
        {
            "name": kind,
            "display_name": words,
            "dtype": "float",
            "definition": f"A clinician's report on the risk: {words.lower()}",
        }
        for kind, words in DONE.items()
    ]
    return {
        "predictions": [*columns, *map(_item, definition.features)],
        "events": [outcome, *feedback],
    }


def _item(feature: Feature) -> dict[str, str]:
    numeric = feature.kind == "numeric"
    words = feature.title
    if numeric and feature.unit:
        words = f"{words}, {feature.unit}"
    if not numeric:
        words += ": " + ", ".join(f"{code} = {said}" for code, said in feature.categories.items())
    return {
        "name": feature.name,
        "display_name": feature.title,
        "dtype": "float64" if numeric else "object",
        "definition": words,
    }


def _notebook() -> dict[str, Any]:
    cells = (
        'import seismometer as sm\n\nsm.run_startup(config_path=".")',
        "sm.show_info()",
        "sm.ExploreModelEvaluation()",
        "sm.ExploreCohortEvaluation()",
        "sm.ExploreCohortLeadTime()",
    )
    return {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell-{number}",
                "metadata": {},
                "outputs": [],
                "source": text,
            }
            for number, text in enumerate(cells, start=1)
        ],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
