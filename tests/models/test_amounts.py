"""Counts before their nouns."""

import pytest

from models.amounts import counted


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 days"), (1, "1 day"), (1.0, "1 day"), (1.5, "1.5 days"), (1826, "1,826 days")],
)
def test_one_thing_is_not_several(count, words):
    assert counted(count, "day") == words
