from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from records.merkle import leaf_hash, root


def by_definition(data: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it stands there."""
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    k = 1
    while 2 * k < len(data):
        k *= 2
    return sha256(b"\x01" + by_definition(data[:k]) + by_definition(data[k:])).digest()


def test_the_published_roots_of_two_and_three_leaves() -> None:
    leaves = [leaf_hash(data) for data in (b"a", b"b", b"c")]
    assert root(leaves[:2]).hex() == (
        "b137985ff484fb600db93107c77b0365c80d78f5b429ded0fd97361d077999eb"
    )
    assert root(leaves).hex() == "36642e73c2540ab121e3a6bf9545b0a24982cd830eb13d3cd19de3ce6c021ec1"


@given(st.lists(st.binary(max_size=4), max_size=40))
def test_the_root_is_that_of_the_recursive_definition(data: list[bytes]) -> None:
    assert root([leaf_hash(one) for one in data]) == by_definition(data)
