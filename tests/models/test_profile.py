"""The reference profile: exact in JSON, and counted on rows that did not make its edges."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.definition import Definition, parse_definition
from models.encoding import complete_columns
from models.errors import ArtefactError, CohortError
from models.groups import cut_titles
from models.profile import (
    CategoricalProfile,
    NumericProfile,
    ReferenceProfile,
    build_profile,
    from_json,
    read_profile,
    to_json,
)
from models.subgroups import subgroup_labels
from tests.models.ward import WARD

BANDED = parse_definition(
    f"""{WARD}
[[subgroups]]
name = "sex"
title = "Sex"
feature = "sex"

[[subgroups]]
name = "age_band"
title = "Age band"
feature = "age"
cuts = [40, 65]

[[subgroups]]
name = "ethnicity"
title = "Ethnicity"
not_assessed = "Nobody asked"
""".encode(),
    source="ward",
)


def _columns(rows: int) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(5)
    creatinine = rng.gamma(4, 0.3, rows).round(1) + 0.3
    creatinine[rng.random(rows) < 0.2] = math.nan
    return {
        "age": rng.integers(18, 99, rows),
        "sex": rng.choice(np.array(["female", "male", None]), rows, p=[0.5, 0.4, 0.1]),
        "ward": rng.choice(["surgery", "medicine"], rows),
        "creatinine": creatinine,
        "glucose": rng.normal(120, 10, rows),
        "kappa": rng.gamma(4, 0.3, rows) + 0.1,
        "systolic": np.full(rows, 120.0),
    }


def _profile(definition: Definition, rows: int = 3000, seed: int = 1) -> ReferenceProfile:
    columns = complete_columns(definition, _columns(rows))
    margin = np.random.default_rng(6).normal(-2, 1, rows)
    return build_profile(definition, columns, margin, definition_digest="d" * 64, seed=seed)


def test_two_thirds_of_the_rows_are_counted_and_the_rest_make_the_edges() -> None:
    profile = _profile(BANDED)
    assert (profile.rows_for_edges, profile.rows_counted) == (1000, 2000)
    creatinine = profile.features["creatinine"]
    assert isinstance(creatinine, NumericProfile)
    assert creatinine.total == 2000
    assert sum(creatinine.counts) == 2000 - creatinine.missing
    assert len(creatinine.counts) == len(creatinine.edges) + 1
    glucose = profile.features["glucose"]
    assert isinstance(glucose, NumericProfile)
    assert len(glucose.counts) == 128
    assert len(set(glucose.counts)) > 5, "counts of the rows that made the edges would be equal"
    assert abs(glucose.mean - 120) < 1
    assert glucose.q25 < glucose.median < glucose.q75
    sex = profile.features["sex"]
    assert isinstance(sex, CategoricalProfile)
    assert sum(sex.counts.values()) + sex.missing == sex.total == 2000


def test_a_profile_counts_alerts_and_subgroups() -> None:
    profile = _profile(BANDED)
    expected = 2000 * 0.27  # a normal(-2, 1) log-odds reaches logit(0.2) = -1.386 with P = 0.27
    assert abs(profile.alerts["0.2"] - expected) < 60
    assert set(profile.strata) == {"sex", "age_band"}
    assert set(profile.strata["sex"]) == {"Female", "Male", "unknown"}
    assert set(profile.strata["age_band"]) == {"under 40", "40 to under 65", "65 or more"}
    assert all(sum(counts.values()) == 2000 for counts in profile.strata.values())


def test_another_seed_counts_other_rows_and_the_same_seed_the_same() -> None:
    assert to_json(_profile(BANDED)) == to_json(_profile(BANDED))
    assert _profile(BANDED) != _profile(BANDED, seed=2)


def test_a_constant_column_has_one_bin_that_holds_it() -> None:
    systolic = _profile(BANDED).features["systolic"]
    assert isinstance(systolic, NumericProfile)
    assert sorted(systolic.counts) == [0, 0, 2000]
    assert systolic.sd == 0


def test_a_column_without_values_is_refused_by_name() -> None:
    columns = complete_columns(BANDED, {**_columns(30), "kappa": np.full(30, math.nan)})
    with pytest.raises(CohortError, match="'kappa': 0 of 30"):
        build_profile(BANDED, columns, np.zeros(30), definition_digest="d", seed=1)


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite, st.floats(1e-3, 1e3), st.integers(0, 2**53))
def test_a_profile_is_read_back_exactly(edge: float, mean: float, step: float, count: int) -> None:
    one = NumericProfile((edge,), (count, 1), 0, count + 1, mean, step, mean, edge, step)
    other = CategoricalProfile({"a": count}, 1, count + 1)
    profile = ReferenceProfile("m", "d", {"x": one, "y": other}, one, {"0.1": 3}, 4, 5, {})
    assert from_json(to_json(profile)) == profile


def test_what_is_no_profile_is_refused(tmp_path: Path) -> None:
    good = to_json(_profile(BANDED, 300))
    (tmp_path / "profile.json").write_bytes(good)
    assert to_json(read_profile(tmp_path / "profile.json")) == good
    for text, words in (
        (b"{}", "missing required field"),
        (b"nonsense", "can't be read"),
        (good.replace(b'"format": 1', b'"format": 2'), "format 2"),
        (good.replace(b'"model"', b'"modle"'), "modle"),
    ):
        with pytest.raises(ArtefactError, match=words):
            from_json(text)
    with pytest.raises(ArtefactError, match=r"nowhere\.json: can't be read"):
        read_profile(tmp_path / "nowhere.json")


def test_a_row_at_a_cut_belongs_to_the_range_above() -> None:
    columns = complete_columns(BANDED, {**_columns(4), "age": np.array([39, 40, 64.5, 65])})
    labels = subgroup_labels(BANDED, columns)["age_band"]
    assert labels.tolist() == ["under 40", "40 to under 65", "40 to under 65", "65 or more"]
    assert cut_titles((7.5,)) == ("under 7.5", "7.5 or more")
