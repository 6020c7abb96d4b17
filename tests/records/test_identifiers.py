import os
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st

from records.identifiers import ordered_id

TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2900, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(TIMES)
def test_an_identifier_is_a_uuid_of_version_7_that_holds_its_time(at):
    identifier = ordered_id(at)
    assert (identifier.version, identifier.variant) == (7, RFC_4122)
    milliseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert abs((identifier.int >> 80) - milliseconds) <= 1


@given(TIMES)
def test_a_later_prediction_has_a_greater_identifier(at):
    assert ordered_id(at) < ordered_id(at + timedelta(milliseconds=2))


def test_identifiers_of_the_same_moment_differ():
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert len({ordered_id(now) for _ in range(1000)}) == 1000


def test_a_forked_process_draws_identifiers_of_its_own():
    now = datetime(2026, 3, 2, tzinfo=UTC)
    ordered_id(now)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, ordered_id(now).bytes)
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 16) != ordered_id(now).bytes
    os.close(reading)
    os.close(writing)
