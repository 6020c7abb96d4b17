from dataclasses import replace

import pytest
from mlflow.utils.validation import _validate_metric_name

from tests.training.conftest import Trained
from training.metrics import flat_metrics

NAMES = ["Acute failure, or sepsis", "Acute failure; or sepsis", "under 65", "心不全", "a/b" * 90]


def test_groups_of_any_name_have_names_that_mlflow_takes_and_no_two_are_alike(
    trained: Trained,
) -> None:
    evaluation = trained.version.evaluation
    assessed = next(group for group in evaluation.subgroups if group.assessable)
    groups = tuple(replace(assessed, group=name) for name in NAMES)

    found = flat_metrics(replace(evaluation, subgroups=groups))

    aurocs = [name for name in found if name.startswith("auroc/") and name.count("_low") == 0]
    assert len({name for name in aurocs if not name.endswith("_high")}) == len(NAMES)
    for name in found:
        _validate_metric_name(name)
        assert len(name) <= 250
    assert found["auroc/sex/under_65"] == pytest.approx(assessed.figures["auroc"].value)
