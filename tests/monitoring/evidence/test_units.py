import numpy as np
import pytest

from models.errors import StatisticsError
from monitoring.evidence.units import UnitChange, looks_like, recognise_unit

CREATININE = [
    UnitChange("x 88.4", 88.4),
    UnitChange("/ 88.4", 1 / 88.4),
    UnitChange("x 10", 10.0),
    UnitChange("x 1000", 1000.0),
]
GLUCOSE = [UnitChange("x 18.02", 18.02), UnitChange("/ 18.02", 1 / 18.02)]
TEMPERATURE = [UnitChange("°F read as °C", 1.8, 32.0), UnitChange("x 10", 10.0)]


def creatinine(rng, n):
    return np.exp(rng.normal(0.0, 0.45, size=n))


@pytest.mark.parametrize("factor", [88.4, 1 / 88.4, 10.0, 1000.0])
@pytest.mark.parametrize("share", [0.02, 0.1, 1.0])
def test_the_factor_and_the_share_of_values_are_recognised(factor, share):
    rng = np.random.default_rng(0)
    now = creatinine(rng, 1_000)
    wrong = rng.random(1_000) < share
    now[wrong] *= factor
    found = recognise_unit(creatinine(rng, 5_000), now, CREATININE)
    assert found is not None
    assert found.change.factor == factor
    assert found.share_low - 1e-6 <= wrong.mean() <= found.share_high + 1e-6
    assert found.also_fits == ()


@pytest.mark.parametrize("factor", [1.0, 1.1, 0.8, 1.5])
def test_an_assay_that_drifts_is_no_change_of_unit(factor):
    rng = np.random.default_rng(1)
    assert (
        recognise_unit(creatinine(rng, 5_000), creatinine(rng, 2_000) * factor, CREATININE) is None
    )


def test_no_change_is_seldom_called_a_change_of_unit():
    rng = np.random.default_rng(2)
    found = [
        recognise_unit(creatinine(rng, 2_000), creatinine(rng, 200), CREATININE + GLUCOSE)
        for _ in range(40)
    ]
    assert found == [None] * 40


def test_fahrenheit_among_celsius_is_recognised_by_factor_and_offset():
    rng = np.random.default_rng(3)
    now = rng.normal(37, 0.7, size=400)
    now[:60] = now[:60] * 1.8 + 32
    found = recognise_unit(rng.normal(37, 0.7, size=3_000), now, TEMPERATURE)
    assert found is not None
    assert found.change.offset == 32.0
    assert found.share == pytest.approx(0.15, abs=0.02)


def test_values_that_may_be_negative_are_compared_without_logarithms():
    rng = np.random.default_rng(4)
    now = rng.normal(0, 3, size=500)
    now[:250] *= 10
    found = recognise_unit(rng.normal(0, 3, size=3_000), now, [UnitChange("x 10", 10.0)])
    assert found is not None
    assert 0.4 < found.share < 0.65


def test_factors_too_alike_to_tell_apart_are_both_named():
    rng = np.random.default_rng(5)
    now = creatinine(rng, 300)
    now[:30] *= 88.4
    found = recognise_unit(
        creatinine(rng, 3_000), now, [UnitChange("x 88.4", 88.4), UnitChange("x 88", 88.0)]
    )
    assert found is not None
    assert {found.change.name, *found.also_fits} == {"x 88.4", "x 88"}


def test_too_few_or_equal_values_are_refused():
    with pytest.raises(StatisticsError, match="3 usable recent values"):
        recognise_unit(np.arange(1, 90), [1.0, 2.0, 3.0, np.nan], CREATININE)
    with pytest.raises(StatisticsError, match="all equal"):
        recognise_unit(np.ones(90), np.ones(90), CREATININE)
    with pytest.raises(StatisticsError, match="is none"):
        recognise_unit(np.arange(1, 90), np.arange(1, 90), [UnitChange("same", 1.0)])


def test_values_look_like_another_unit_where_they_are_likelier_so() -> None:
    rng = np.random.default_rng(6)
    usual = creatinine(rng, 5_000)
    looks = looks_like(usual, CREATININE[0])
    now = creatinine(rng, 1_000)
    wrong = rng.random(1_000) < 0.3
    now[wrong] *= 88.4
    now[:10] = np.nan
    assert (looks(now) == wrong & np.isfinite(now)).all()
    assert looks(np.array([-1.0, 0.0])).tolist() == [False, False]
    assert looks(np.array([])).shape == (0,)


def test_where_units_overlap_a_value_looks_like_the_nearer_one() -> None:
    rng = np.random.default_rng(7)
    looks = looks_like(np.exp(rng.normal(0, 0.5, size=20_000)), UnitChange("x 4", 4.0))
    # log normal and log normal + log 4 are equally likely at 2
    assert looks(np.array([0.5, 1.5, 1.8, 2.2, 3.0, 8.0])).tolist() == [False] * 3 + [True] * 3
