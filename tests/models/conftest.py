"""What the tests of the input path share: a made-up definition with every kind of feature."""

import pytest

from models.definition import Definition, parse_definition
from tests.models.ward import WARD


@pytest.fixture(scope="session")
def ward() -> Definition:
    return parse_definition(WARD.encode(), source="ward")
