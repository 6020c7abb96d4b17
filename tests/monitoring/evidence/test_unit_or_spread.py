"""Values that are spread more aren't taken for values in another unit, nor the reverse."""

import numpy as np
import pytest

from models.unit_table import ANALYTES
from models.units import accepted_units, convert
from monitoring.evidence.units import UnitChange, recognise_unit

LACTATE = [UnitChange("mg/dL", 9.009)]
CREATININE = [UnitChange("umol/L", 88.4), UnitChange("mg/L", 10.0), UnitChange("mmol/L", 0.0884)]
# medians in each table's first unit; their logarithms have an SD of 0.25 unless it's said
MEDIANS = {
    "albumin": 3.8,
    "bilirubin": 0.8,
    "blood_pressure": 120.0,
    "bnp": 150.0,
    "creatinine": 1.0,
    "crp": 20.0,
    "free_light_chains": 1.5,
    "glucose": 110.0,
    "haemoglobin": 13.0,
    "hba1c": 6.0,
    "inspired_oxygen": 35.0,
    "lactate": 1.4,
    "nt_probnp": 600.0,
    "oxygen_saturation": 95.0,
    "platelets": 220.0,
    "troponin_i": 12.0,
    "troponin_t": 12.0,
    "urea_nitrogen": 18.0,
    "wbc": 8.0,
}
NARROWER = {"haemoglobin": 0.1, "hba1c": 0.15, "blood_pressure": 0.15, "oxygen_saturation": 0.03}


def drawn(rng, n, median=1.35, sd=0.4):
    return median * np.exp(rng.normal(0, sd, size=n))


def changes_of(analyte):
    to = next(iter(ANALYTES[analyte]))
    for unit in accepted_units(to, analyte):
        offset = convert(0.0, to, to=unit, analyte=analyte)
        factor = convert(1.0, to, to=unit, analyte=analyte) - offset
        if (factor, offset) != (1.0, 0.0):
            yield UnitChange(unit, factor, offset)


@pytest.mark.parametrize("rows", [60, 300, 1_700, 20_000])
@pytest.mark.parametrize("wider", [1.3, 1.5, 1.9, 2.1, 2.5, 3.0])
def test_values_that_are_spread_more_are_in_no_other_unit(wider, rows):
    rng = np.random.default_rng(int(10 * wider) + rows)
    usual = drawn(rng, 6_000).round(2)
    for _ in range(3):
        now = drawn(rng, rows, sd=0.4 * wider).clip(0.11, 39).round(2)
        assert recognise_unit(usual, now, LACTATE) is None


@pytest.mark.parametrize("rows", [300, 1_700, 20_000])
@pytest.mark.parametrize(
    "spread",
    [
        lambda x, rng: 1.5 * x**1.8,
        lambda x, rng: np.maximum(1.46 + (x - 1.46) * 2.2, 0.11),
        lambda x, rng: np.where(rng.random(x.size) < 0.1, 1.35 * (x / 1.35) ** 4, x),
    ],
    ids=["shifted too", "not in logarithms", "one value in ten"],
)
def test_nor_are_those_that_are_spread_more_in_another_way(spread, rows):
    rng = np.random.default_rng(rows)
    usual = drawn(rng, 6_000)
    assert recognise_unit(usual, spread(drawn(rng, rows), rng), LACTATE) is None


@pytest.mark.parametrize("share", [0.01, 0.02, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("analyte", sorted(MEDIANS))
def test_every_unit_of_an_analyte_is_recognised_in_any_share(analyte, share):
    rng = np.random.default_rng(7)
    sd, changes = NARROWER.get(analyte, 0.25), list(changes_of(analyte))
    usual = drawn(rng, 5_000, MEDIANS[analyte], sd)
    for change in changes:
        now = drawn(rng, 1_500, MEDIANS[analyte], sd)
        wrong = np.arange(now.size) < share * now.size
        now[wrong] = now[wrong] * change.factor + change.offset
        found = recognise_unit(usual, now, changes)
        assert found is not None, change.name
        assert found.change.factor == pytest.approx(change.factor)
        assert found.share_low - 0.005 <= share <= found.share_high + 0.005


@pytest.mark.parametrize("wider", [0.6, 1.0, 1.3, 2.0])
@pytest.mark.parametrize(("share", "rows"), [(0.02, 500), (0.1, 100), (0.5, 30), (1.0, 20)])
def test_a_unit_is_recognised_where_values_are_spread_otherwise_too(wider, share, rows):
    rng = np.random.default_rng(8)
    now = drawn(rng, rows, 1.0, 0.3 * wider).round(2)
    wrong = np.arange(rows) < share * rows
    now[wrong] = (now[wrong] * 88.4).round(1)
    found = recognise_unit(drawn(rng, 5_000, 1.0, 0.3).round(2), now, CREATININE)
    assert found is not None
    assert found.change.name == "umol/L"
    assert found.share == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("rows", [200, 5_000, 50_000])
def test_all_values_in_another_unit_are_recognised_where_people_differ_a_little(rows):
    rng = np.random.default_rng(9)
    now = (drawn(rng, rows, 1.05, 0.33) * 88.4).round(1)
    found = recognise_unit(drawn(rng, 5_000, 1.0, 0.3).round(2), now, CREATININE)
    assert found is not None
    assert found.change.name == "umol/L"
