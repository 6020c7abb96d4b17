"""What is said of trees beside the regression that they have to beat."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.training.conftest import Trained
from training.beside_baseline import not_better
from training.card import card_files

ENDS = st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)).map(sorted)


def evidence(auroc: Any, brier: Any) -> dict[str, Any]:
    named = {"auroc": auroc, "brier": brier}
    return {
        "difference_to_baseline": {
            "differences": {
                name: dict(zip(("low", "value", "high"), ends, strict=True))
                for name, ends in named.items()
            }
        }
    }


@pytest.mark.parametrize(
    ("auroc", "brier", "words"),
    [
        ((-0.030, -0.017, -0.003), (-0.01, 0.0, 0.01), "the trees are worse than the regression"),
        ((0.003, 0.017, 0.030), (0.001, 0.002, 0.003), "the trees are worse than the regression"),
        ((-0.01, 0.01, 0.03), (-0.01, 0.0, 0.01), "the trees aren't shown to be better than"),
        ((None, None, None), (None, None, None), "the trees aren't shown to be better than"),
    ],
)
def test_trees_that_are_worse_or_no_better_are_said_to_be(
    auroc: Any, brier: Any, words: str
) -> None:
    said = not_better(evidence(auroc, brier))
    assert said is not None
    assert said.startswith(words)


def test_the_figures_of_the_difference_are_in_the_words() -> None:
    said = not_better(evidence((-0.030, -0.017, -0.003), (-0.01, 0.0, 0.01)))
    assert "AUROC -0.017, -0.030 to -0.003" in str(said)


@pytest.mark.parametrize(
    ("auroc", "words"),
    [
        ((-0.0004, -0.0003, -0.0001), "AUROC -0.0003, -0.0004 to -0.0001"),
        ((-2e-7, -1.2e-7, -1e-7), "AUROC -0.0000001, -0.0000002 to -0.0000001"),
        ((-0.0004, 0.0003, 0.0004), "AUROC +0.000, 0.000 to 0.000"),
        ((-0.02, -0.01, -0.0006), "AUROC -0.010, -0.020 to -0.001"),
    ],
)
def test_a_difference_that_is_shown_is_never_rounded_to_none(auroc: Any, words: str) -> None:
    assert words in str(not_better(evidence(auroc, (-0.01, 0.0, 0.01))))


@given(auroc=ENDS, brier=ENDS)
@example(auroc=[0.1, 0.2, 0.3], brier=[-0.3, -0.2, -0.1])
def test_nothing_is_said_only_where_one_is_better_and_none_worse(auroc: Any, brier: Any) -> None:
    better = auroc[0] > 0 or brier[2] < 0
    worse = auroc[2] < 0 or brier[0] > 0
    assert (not_better(evidence(auroc, brier)) is None) == (better and not worse)


def test_a_recalibrated_version_is_beside_the_version_before() -> None:
    assert not_better({"recalibrated_from": "1"}) is None


def test_the_card_says_it_beneath_the_differences(trained: Trained) -> None:
    own = json.loads((trained.version.directory / "evidence.json").read_bytes())
    own["difference_to_baseline"] = {
        "differences": {
            name: {**one, "low": -0.03, "value": -0.02, "high": -0.01} if name == "auroc" else one
            for name, one in own["difference_to_baseline"]["differences"].items()
        }
    }
    page = card_files(trained.file, own, {})["card.html"].decode()
    assert "The trees are worse than the regression beside them (AUROC -0.020" in page
