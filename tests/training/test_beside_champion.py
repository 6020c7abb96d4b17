from training.beside_champion import champion_differences, champion_words, differences_words

METRICS = {
    "auroc_minus_champion": 0.0123,
    "auroc_minus_champion_low": -0.02,
    "auroc_minus_champion_high": 0.03,
    "brier_minus_champion": 0.001,
    "net_benefit_at_0.3_minus_champion": 0.5,
}


def test_a_difference_has_its_interval_or_is_not_estimable() -> None:
    comparison = {"version": "4", "metrics": METRICS, "basis": "the same folds", "used": None}

    assert champion_differences(comparison) == {
        "auroc": {"value": 0.0123, "low": -0.02, "high": 0.03},
        "brier": {"value": 0.001, "low": None, "high": None},
    }
    assert champion_words(comparison) == (
        "Minus version 4, the champion, on the same people: AUROC +0.012 (-0.020 to 0.030); "
        "Brier score not estimable (the same folds)"
    )
    assert champion_words(None) is None


def test_a_comparison_that_is_no_evidence_says_so() -> None:
    used = "its calibration was fitted to them"
    comparison = {"version": "4", "metrics": METRICS, "basis": "the same folds", "used": used}

    said = str(champion_words(comparison))
    assert said.endswith(f"(no evidence, for of that version {used})")
    assert "the same folds" not in said


def test_a_small_difference_is_not_rounded_to_none() -> None:
    small = {"value": 0.00012, "low": 0.00001, "high": 0.00031}

    assert differences_words({"brier": small}) == "Brier score +0.000120 (0.000010 to 0.000310)"
    nothing = {"value": 0.0, "low": 0.0, "high": 0.0}
    assert differences_words({"brier": nothing}) == "Brier score +0.000000 (0.000000 to 0.000000)"
