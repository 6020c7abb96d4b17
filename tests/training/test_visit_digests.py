import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auscult.summary import show_validated
from models.definition import Definition, DefinitionFile
from models.errors import CohortError
from records.settings import Settings
from tests.training.conftest import NOW
from tests.training.readmissions import cohort, people
from training.cohort import Cohort
from training.options import TrainOptions
from training.population import admit
from training.recalibration import recalibrate
from training.run import train
from training.validation import validate
from training.visit_digests import same_visits, visit_digests

SETTING = {"seed": 3, "draws": 40, "progress": lambda *_: None, "now": NOW}


def _stays(rows: int = 900, seed: int = 12, ids: str = "P") -> pd.DataFrame:
    frame = people(rows, seed=seed)
    times = pd.date_range("2024-01-01", periods=rows, freq="3h", tz="UTC")
    return frame.assign(time=times, patient_id=[f"{ids}{number:05d}" for number in range(rows)])


@pytest.fixture(scope="module")
def home(definition_file: DefinitionFile, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A registry whose version 1 was made from people with times."""
    settings = Settings(home=tmp_path_factory.mktemp("visits"))
    train(
        definition_file,
        Cohort(_stays(), "stays.csv", "4" * 64),
        TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7),
        settings=settings,
        progress=lambda *_: None,
        now=NOW,
    )
    return settings


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (slice(0, 500), "rows are of a patient and time that version 1 learnt from"),
        (slice(560, 900), "rows are of a patient and time that version 1 was judged by"),
    ],
)
def test_the_same_patients_and_times_are_known_again_though_a_value_was_changed(
    chosen: slice, words: str, home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = _stays().iloc[chosen]
    frame = frame.assign(crp=frame["crp"] + 0.05, time=frame["time"].dt.strftime("%FT%TZ"))
    table = Cohort(frame.reset_index(drop=True), "nudged.csv", "5" * 64)

    show_validated(validate("readmission", "1", table, settings=home, **SETTING))

    shown = " ".join(capsys.readouterr().out.split())
    assert "THIS IS NO VALIDATION by other people: about" in shown
    assert words in shown
    with pytest.raises(CohortError, match="can't recalibrate readmission version 1: about"):
        recalibrate("readmission", "1", table, by="Ben", settings=home, **SETTING)


@pytest.mark.parametrize("other", ["other ids at those times", "those ids without a time"])
def test_other_visits_are_not_taken_for_the_versions_own(other: str, home: Settings) -> None:
    frame = _stays(seed=40, ids="Q") if other.startswith("other") else people(300, seed=40)
    table = Cohort(frame, "others.csv", "6" * 64)

    assert validate("readmission", "1", table, settings=home, **SETTING).seen_before is None


@settings(max_examples=50, deadline=None)
@given(
    known=st.integers(50, 3000),
    own=st.integers(50, 1000),
    share=st.floats(0.0, 1.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_count_of_the_same_visits_is_found(
    known: int, own: int, share: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    places = 2 ** max(8, int(np.ceil(np.log2(4 * known))))
    theirs = generator.integers(0, places, known).astype(np.uint64)
    same = min(known, round(share * own))
    ours = np.concatenate(
        [theirs[:same], generator.integers(0, places, own - same).astype(np.uint64)]
    )

    found = same_visits(np.sort(ours), np.sort(theirs), among=known)

    assert found == 0 if same == 0 else abs(found - same) <= 3.5 * np.sqrt(own) or found == 0


def test_one_in_five_visits_of_other_people_has_a_digest_of_the_table(
    definition: Definition,
) -> None:
    table, others = cohort(_stays(2000)), cohort(_stays(2000, ids="Q"))
    found = [
        visit_digests(one, admit(one, definition, NOW)[0], salt="1" * 64, among=2000)
        for one in (table, others)
    ]
    ours, theirs = (one for one in found if one is not None)

    assert 0.1 < np.isin(theirs, ours).mean() < 0.3
    assert np.isin(ours, ours).all()
    numbered = cohort(people().assign(time=np.arange(700)))
    rows = admit(numbered, definition, NOW)[0]
    assert visit_digests(numbered, rows, salt="1" * 64, among=700) is None
