from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.outcomes_in_force import Recorded, Report, new_of_a_patient
from records.answers import times
from records.follow_up import Reports, patient_keys

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 4
HORIZON = timedelta(days=DAYS)
ONE = patient_keys(["p"])

# of one time a file says one thing
files = st.dictionaries(st.integers(0, 9), st.booleans(), min_size=1, max_size=4)


def at(day: int) -> datetime:
    return START + timedelta(days=day)


def event_within(recorded: list[Recorded], start: int) -> bool:
    """Say whether an event within the horizon is known of a prediction of a day."""
    told = [one for _, one in recorded]
    last = {known_at: place for place, (known_at, _) in enumerate(told)}
    # of one time the last is held
    kept = [one for place, one in enumerate(told) if last[one[0]] == place]
    known = times([known_at for known_at, _ in kept])
    reports = Reports(np.repeat(ONE, len(kept)), known, np.array([did for _, did in kept]))
    (known_at,), (happened,) = reports.within(ONE, times([at(start)]), HORIZON)
    return bool(happened and known_at <= np.datetime64(at(start + DAYS).replace(tzinfo=None)))


@given(said=st.lists(files, min_size=1, max_size=5))
@settings(max_examples=400, deadline=None)
def test_a_files_events_hold_once_it_is_recorded_and_again_it_is_known(
    said: list[dict[int, bool]],
) -> None:
    told: list[Recorded] = []
    for now, file in enumerate(said):
        about = [Report(day, None, "p", happened, at(day)) for day, happened in file.items()]
        new = new_of_a_patient(about, told, HORIZON)
        ordered = sorted(new, key=lambda one: (one.happened, one.known_at))
        told += [(at(now), one.told) for one in ordered]
        for day in (day for day, happened in file.items() if happened):
            assert all(event_within(told, start) for start in range(day - DAYS, day + 1))
        assert new_of_a_patient(about, told, HORIZON) == []


@given(said=st.lists(files, max_size=4), day=st.integers(0, 9))
@settings(max_examples=400, deadline=None)
def test_a_new_report_of_none_takes_the_events_before_it_back(
    said: list[dict[int, bool]], day: int
) -> None:
    told = [
        (at(now), (at(when), happened))
        for now, file in enumerate(said)
        for when, happened in sorted(file.items(), key=lambda one: (one[1], one[0]))
    ]
    about = [Report(0, None, "p", False, at(day))]
    if new := new_of_a_patient(about, told, HORIZON):
        told += [(at(len(said)), one.told) for one in new]
        later = {when for file in said for when, happened in file.items() if happened}
        for start in range(day - DAYS, day + 1):
            among = any(day < when <= start + DAYS for when in later)
            assert among or not event_within(told, start)
