import pytest

from models.definition import Gate
from training.gates import check_gates

AUROC = Gate(metric="auroc", at_least=0.75)
SLOPE = Gate(metric="calibration_slope", at_least=0.8, at_most=1.2)


@pytest.mark.parametrize(
    ("gate", "figures", "result"),
    [
        (AUROC, (0.80, 0.76, 0.84), "passed"),
        (AUROC, (0.80, 0.75, 0.84), "passed"),
        (AUROC, (0.80, 0.74, 0.84), "insufficient evidence"),
        (AUROC, (0.74, 0.70, 0.78), "failed"),
        (AUROC, (0.70, 0.66, 0.74), "failed"),
        (SLOPE, (1.00, 0.85, 1.15), "passed"),
        (SLOPE, (1.00, 0.85, 1.25), "insufficient evidence"),
        (SLOPE, (1.30, 1.10, 1.50), "failed"),
    ],
)
def test_a_gate_passes_only_with_its_whole_interval_inside(
    gate: Gate, figures: tuple[float, float, float], result: str
) -> None:
    named = zip(("", "_low", "_high"), figures, strict=True)

    (found,) = check_gates([gate], {gate.metric + end: value for end, value in named})

    assert found.result == result
    assert found.passed == (result == "passed")
    assert f"{figures[0]:.3f} ({figures[1]:.3f} to {figures[2]:.3f})" in found.words


@pytest.mark.parametrize("figures", [{}, {"auroc": 0.9}, {"auroc": 0.9, "auroc_low": 0.8}])
def test_a_figure_without_an_interval_is_no_evidence(figures: dict[str, float]) -> None:
    (found,) = check_gates([AUROC], figures)

    assert found.result == "insufficient evidence"
    assert "auroc" in found.words


def test_a_definition_without_gates_has_none_to_pass() -> None:
    assert check_gates([], {"auroc": 0.5}) == ()
