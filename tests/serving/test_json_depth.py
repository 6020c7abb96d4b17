import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.json_depth import MAX_DEPTH, check_depth
from serving.problems import TooLarge
from tests.factories import NAME
from tests.serving.hooks import PATH

LEAVES = st.text(alphabet='[]{}"\\a', max_size=8) | st.integers()
KEYS = st.text('[{"\\b', max_size=3)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=60,
)


def depth(value) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def nested(value, times: int):
    for _ in range(times):
        value = [value, "[[[[{{{{"]
    return value


@given(TREES, st.integers(0, 2 * MAX_DEPTH))
def test_what_is_nested_deeper_than_the_limit_is_refused_and_nothing_else(tree, times):
    """API-4."""
    value = nested(tree, times)
    body = json.dumps(value).encode()
    if depth(value) > MAX_DEPTH:
        with pytest.raises(TooLarge):
            check_depth(body)
    else:
        check_depth(body)


def test_a_bracket_in_a_text_closes_nothing():
    """API-4."""
    deep = '["]",' * (MAX_DEPTH + 1) + "1" + "]" * (MAX_DEPTH + 1)
    assert depth(json.loads(deep)) == MAX_DEPTH + 1
    with pytest.raises(TooLarge):
        check_depth(deep.encode())
    check_depth(('["]",' * MAX_DEPTH + "1" + "]" * MAX_DEPTH).encode())


@given(st.binary(max_size=400) | st.text('{["\\', max_size=400).map(str.encode))
def test_no_bytes_are_another_error(body):
    with contextlib.suppress(TooLarge):
        check_depth(body)


@pytest.mark.parametrize(
    "path", [f"/v1/models/{NAME}/predict", "/fhir/RiskAssessment/$predict", PATH]
)
def test_every_protocol_refuses_what_is_nested_too_deep(ehr, path):
    """API-4."""
    body = '{"values": ' + "[" * 5000
    response = ehr.post(path, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 413
    assert "64 deep" in response.text
    assert "does not mean low risk" in response.text
