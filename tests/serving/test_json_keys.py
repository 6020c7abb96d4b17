import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.errors import MalformedInput
from serving.json_keys import check_keys

KEYS = st.sampled_from(["a", "b", "c:d", "e\\f", 'g"h', "é"])
LEAVES = st.none() | st.booleans() | st.floats() | st.integers() | KEYS | st.just("10:15:00Z")


def objects(values):
    """Objects as lists of their pairs, of which two may have one key."""
    return st.lists(st.tuples(KEYS, values), max_size=4).map(tuple)


TREES = st.recursive(
    LEAVES, lambda inner: objects(inner) | st.lists(inner, max_size=3), max_leaves=12
)


def written(tree, *, ascii_only: bool) -> str:
    if isinstance(tree, tuple):
        pairs = (
            f"{json.dumps(key, ensure_ascii=ascii_only)}: {written(value, ascii_only=ascii_only)}"
            for key, value in tree
        )
        return f"{{{', '.join(pairs)}}}"
    if isinstance(tree, list):
        return f"[{','.join(written(one, ascii_only=ascii_only) for one in tree)}]"
    return json.dumps(tree, ensure_ascii=ascii_only)


def has_a_key_twice(tree) -> bool:
    if isinstance(tree, tuple):
        keys = [key for key, _ in tree]
        return len(set(keys)) < len(keys) or any(has_a_key_twice(value) for _, value in tree)
    return isinstance(tree, list) and any(map(has_a_key_twice, tree))


@given(TREES, st.booleans())
@example((("a", 1), ("a", 1)), False)
@example((("c:d", 1), ("a", "c:d")), False)
def test_a_key_that_stands_twice_is_refused_and_nothing_else(tree, ascii_only):
    body = written(tree, ascii_only=ascii_only).encode()
    if has_a_key_twice(tree):
        with pytest.raises(MalformedInput, match="stands twice"):
            check_keys(body)
    else:
        check_keys(body)


def test_an_escaped_colon_does_not_make_up_for_a_lost_one():
    with pytest.raises(MalformedInput, match="the key a stands twice"):
        check_keys(rb'{"a": 1, "a": 2, "b": "\u003a"}')


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000, b"9" * 5000])
def test_what_is_not_read_here_is_left_to_its_reader(body):
    check_keys(body)
