import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.errors import MalformedInput
from serving.json_depth import MAX_DEPTH, check_depth
from serving.json_keys import check_keys
from serving.json_scan import MOST_KEYS, is_plain
from serving.problems import TooLarge

KEYS = st.sampled_from(["", "a", "b", "ab", "c:d", "é", "{", "]"])
HARD_KEYS = st.sampled_from(["a", "e\\f", 'g"h', "e\\\\f"])
LEAVES = st.none() | st.integers() | st.text('a"\\:{}[]é', max_size=5)
SEPARATORS = st.sampled_from([(",", ":"), (" , ", "\n:\t")])


def trees(keys):
    return st.recursive(
        LEAVES,
        lambda inner: (
            st.lists(st.tuples(keys, inner), max_size=4).map(tuple) | st.lists(inner, max_size=3)
        ),
        max_leaves=12,
    )


def written(tree, separators) -> str:
    comma, colon = separators
    if isinstance(tree, tuple):
        pairs = (
            f"{json.dumps(key, ensure_ascii=False)}{colon}{written(value, separators)}"
            for key, value in tree
        )
        return f"{{{comma.join(pairs)}}}"
    if isinstance(tree, list):
        return f"[{comma.join(written(one, separators) for one in tree)}]"
    return json.dumps(tree, ensure_ascii=False)


def is_refused(body: bytes) -> bool:
    try:
        check_depth(body)
        check_keys(body)
    except (TooLarge, MalformedInput):
        return True
    return False


@given(trees(KEYS), SEPARATORS, st.integers(0, MAX_DEPTH + 2))
@example((("a", 1), ("a", 1)), (",", ":"), 0)
@example((("a", (("b", 1),)), ("b", 1)), (",", ":"), 0)
def test_it_tells_of_json_with_plain_keys_what_the_close_look_does(tree, separators, times):
    body = ("[" * times + written(tree, separators) + "]" * times).encode()
    assert is_plain(body) is not is_refused(body)


@given(trees(KEYS | HARD_KEYS), SEPARATORS)
@example((("a", 1), ("e\\f", 1), ("e\\f", 1)), (",", ":"))
def test_nothing_that_is_refused_is_plain(tree, separators):
    body = written(tree, separators).encode()
    assert not (is_plain(body) and is_refused(body))


@given(st.binary(max_size=300) | st.text('{}["\\:,a1 ', max_size=300).map(str.encode))
@example(b'{"a":{"b":1,"b":2}, x')
@example(b'"' + b"[" * 100)
@example(b'{"a":1}]')
def test_what_is_no_json_is_not_plain_where_it_would_be_refused(body):
    assert not (is_plain(body) and is_refused(body))


@pytest.mark.parametrize("most", [MOST_KEYS, MOST_KEYS + 1])
def test_of_an_object_with_very_many_keys_nothing_is_said(most):
    body = b"{%b}" % b",".join(b'"%d":1' % key for key in range(most))
    assert is_plain(body) is (most == MOST_KEYS)


def test_an_escaped_key_may_be_another_in_disguise():
    assert not is_plain(rb'{"a": 1, "\u0061": 2}')
    assert is_plain(rb'{"a": "\u0061 \" \\", "b": "a"}')
