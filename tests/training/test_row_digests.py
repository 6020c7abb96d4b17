import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auscult.summary import show_validated
from models.catalogue import find_definition
from models.errors import ArtefactError, CohortError
from records.settings import Settings
from tests.training.conftest import NOW, Trained
from tests.training.readmissions import people
from training.cohort import Cohort, read_cohort
from training.cohorts import SHIPPED
from training.lineage import MOST_COPIED_SHARE
from training.options import TrainOptions
from training.population import Population, admit
from training.recalibration import recalibrate
from training.row_digests import Digests, RowDigests, copied_share, read_row_digests, row_digests
from training.run import train
from training.validation import validate

SETTING = {"seed": 3, "draws": 40, "progress": lambda *_: None, "now": NOW}
SOURCES = {
    "mortality_5y": ("flchain", "flchain.arff"),
    "hospital_mortality": ("support2", "support2.csv.gz"),
    "readmission_30d": ("diabetes130", "diabetic_data.csv.gz"),
}
FEW = ("age", "sex", "admission_type", "discharged_to")  # of the stays: a row is seldom its own
Change = Callable[[pd.DataFrame], pd.DataFrame]


def _development(name: str) -> Cohort:
    """Read the real table, where it was fetched before; the tests themselves fetch nothing."""
    module: ModuleType = SHIPPED[name]
    folder, file = SOURCES[name]
    directory = os.environ.get("AUSCULT_DATA_DIR")
    settings = Settings(home=Path(".auscult"), data_dir=Path(directory) if directory else None)
    near = [] if settings.data_dir is None else [settings.data_dir, settings.data_dir / folder]
    if not any((place / file).is_file() for place in (*near, settings.cache)):
        pytest.skip(f"{file} is neither in AUSCULT_DATA_DIR nor in the cache")
    cohort: Cohort = module.development(module.fetch(settings, lambda *_: None))
    return cohort


def _halves(frame: pd.DataFrame, seed: int = 5) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return two parts of a table without a patient in common."""
    patients = np.unique(frame["patient_id"].astype(str))
    ours = np.random.default_rng(seed).permutation(patients)[: len(patients) // 2]
    first = frame["patient_id"].astype(str).isin(ours)
    return frame[first], frame[~first]


def _renamed(frame: pd.DataFrame) -> pd.DataFrame:
    numbers = pd.factorize(frame["patient_id"])[0]
    return frame.assign(patient_id=[f"other-{number}" for number in numbers])


def _shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    columns = np.random.default_rng(8).permutation(list(frame.columns))
    return _renamed(frame)[list(columns)].sample(frac=1, random_state=3)


def _admitted(name: str, cohort: Cohort, frame: pd.DataFrame) -> Population:
    table = replace(cohort, frame=frame.reset_index(drop=True))
    return admit(table, find_definition(name, []).definition, NOW)[0]


def _digests(rows: Population) -> Digests:
    return row_digests(rows, salt="a" * 64)


@pytest.mark.parametrize("name", ["mortality_5y", "hospital_mortality", "readmission_30d"])
def test_the_rows_of_a_real_table_are_known_again_and_those_of_other_people_are_not(
    name: str,
) -> None:
    cohort = _development(name)
    ours, theirs = _halves(cohort.frame.iloc[:20_000])
    known = _digests(_admitted(name, cohort, ours))

    for copy in (_renamed(ours), _shuffled(ours), _shuffled(ours).iloc[:400]):
        assert copied_share(_digests(_admitted(name, cohort, copy)), known) > 0.98
    mixed = pd.concat([_shuffled(ours).iloc[:200], theirs.sample(800, random_state=2)])
    assert copied_share(_digests(_admitted(name, cohort, mixed)), known) == pytest.approx(
        0.2, abs=0.02
    )
    assert copied_share(_digests(_admitted(name, cohort, theirs)), known) <= MOST_COPIED_SHARE
    part = theirs.sample(400, random_state=1)
    assert copied_share(_digests(_admitted(name, cohort, part)), known) == 0.0


def test_rows_of_few_categories_are_no_copies_for_being_equal_but_a_copied_table_is_one() -> None:
    cohort = _development("readmission_30d")
    rows = _admitted("readmission_30d", cohort, cohort.frame)
    few = replace(rows, columns={name: rows.columns[name] for name in FEW})
    order = np.random.default_rng(1).permutation(np.unique(rows.patient))
    ours = np.isin(rows.patient, order[:30_000])
    known, others = _digests(few.part(ours)), _digests(few.part(~ours))

    for own in (others, others[::7], others[::50]):
        assert np.isin(own, known).mean() > 0.9
        assert copied_share(own, known) == 0.0
    again = np.flatnonzero(ours)[::-1]
    assert copied_share(_digests(few.part(again)), known) == 1.0


def test_numbers_are_the_same_whatever_type_or_file_they_came_from(
    trained: Trained, tmp_path: Path
) -> None:
    definition = trained.file.definition
    path = tmp_path / "again.csv"
    trained.cohort.frame.to_csv(path, index=False, float_format="%.9g")
    again, _ = admit(read_cohort(path, definition), definition, NOW)
    first, _ = admit(trained.cohort, definition, NOW)

    assert np.array_equal(_digests(first), _digests(again))
    assert not np.isin(_digests(first), row_digests(first, salt="b" * 64)).any()
    assert len(np.unique(_digests(first))) == len(first)
    other = replace(first, outcome=1.0 - first.outcome)
    assert not np.isin(_digests(other), _digests(first)).any()


@settings(max_examples=60, deadline=None)
@given(
    values=st.sampled_from([3, 40, 900, 20_000, 10**6]),
    ours=st.integers(1, 4000),
    theirs=st.integers(1, 4000),
    steepness=st.sampled_from([0.0, 0.6, 1.3]),
    apart=st.floats(0, 0.3),
    seed=st.integers(0, 2**32 - 1),
)
def test_independent_rows_of_any_two_populations_are_no_copies(
    values: int, ours: int, theirs: int, steepness: float, apart: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    common = np.arange(1.0, values + 1) ** -steepness
    first = generator.choice(values, ours, p=common / common.sum()).astype(np.uint64)
    shifted = np.roll(common, int(apart * values))
    second = generator.choice(values, theirs, p=shifted / shifted.sum()).astype(np.uint64)

    assert copied_share(np.sort(second), np.sort(first)) == 0.0


@settings(max_examples=60, deadline=None)
@given(
    known=st.integers(400, 4000),
    copied=st.integers(60, 300),
    share=st.floats(0.3, 1.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_copied_share_is_found(known: int, copied: int, share: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    first = generator.integers(0, 10**6, known).astype(np.uint64)
    others = generator.integers(0, 10**6, math.ceil(copied / share) - copied).astype(np.uint64)
    own = np.concatenate([generator.permutation(first)[:copied], others])

    found = copied_share(np.sort(own), np.sort(first))
    assert found == pytest.approx(copied / len(own), abs=0.06)


def test_nothing_is_known_of_no_rows_and_of_a_handful_that_chance_makes_equal() -> None:
    none, few = np.array([], dtype=np.uint64), np.array([1, 1, 2], dtype=np.uint64)

    assert copied_share(none, few) == copied_share(few, none) == 0.0
    assert copied_share(few, few) == 0.0


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Cohort, Cohort]:
    """A version of mortality_5y made from half of the real people, and both halves."""
    cohort = _development("mortality_5y")
    ours, theirs = (replace(cohort, frame=half) for half in _halves(cohort.frame))
    home = Settings(home=tmp_path_factory.mktemp("home"))
    train(
        find_definition("mortality_5y", []),
        replace(ours, digest="1" * 64),
        TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7),
        settings=home,
        progress=lambda *_: None,
        now=NOW,
    )
    return home, ours, replace(theirs, digest="2" * 64)


@pytest.mark.parametrize("change", [_renamed, _shuffled])
def test_a_real_table_under_other_ids_recalibrates_no_version_that_was_made_from_it(
    change: Change, learnt: tuple[Settings, Cohort, Cohort]
) -> None:
    home, ours, _ = learnt
    copy = replace(ours, frame=change(ours.frame), digest="3" * 64)

    with pytest.raises(CohortError, match=r"version 1: 100% of its rows are, .* 1 learnt from"):
        recalibrate("mortality_5y", "1", copy, by="Ben", settings=home, **SETTING)


def test_other_people_of_the_same_study_validate_and_recalibrate_it(
    learnt: tuple[Settings, Cohort, Cohort],
) -> None:
    home, _, theirs = learnt

    assert validate("mortality_5y", "1", theirs, settings=home, **SETTING).seen_before is None
    recalibrate("mortality_5y", "1", theirs, by="Ben", settings=home, **SETTING)


def test_the_held_out_part_is_refused_with_the_reason_and_with_what_to_do(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Settings(home=tmp_path)
    frame = people(900, seed=12)
    frame["time"] = pd.date_range("2024-01-01", periods=len(frame), freq="h", tz="UTC")
    table = Cohort(frame, "stays.csv", "4" * 64)
    options = TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7)
    train(trained.file, table, options, settings=home, progress=lambda *_: None, now=NOW)
    later = frame.iloc[-360:]
    held_out = replace(table, frame=later, digest="5" * 64)
    copy = replace(held_out, frame=_shuffled(later))

    for part, words in (
        (held_out, "its patients are those that judged version 1, in another file"),
        (copy, "100% of its rows are, in every feature and the outcome, rows that version 1 was"),
    ):
        with pytest.raises(CohortError, match=f"version 1: {words}") as refused:
            recalibrate("readmission", "1", part, by="Ben", settings=home, **SETTING)
        assert "No tree has learnt from them, but the figures" in str(refused.value)
        assert str(refused.value).endswith("people who came later, or of another place")
        show_validated(validate("readmission", "1", part, settings=home, **SETTING))
        said = " ".join(capsys.readouterr().out.split())
        assert "NO VALIDATION by other people" in said
        assert "No tree has learnt from them, but the version's own figures are of them" in said


def test_digests_that_were_changed_since_are_refused_and_not_believed(
    trained: Trained, tmp_path: Path
) -> None:
    home = Settings(home=tmp_path)
    options = TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7)
    run = train(
        trained.file, trained.cohort, options, settings=home, progress=lambda *_: None, now=NOW
    )
    (file,) = home.root.rglob("rows.parquet")
    kept = read_row_digests(file.read_bytes())
    assert len(kept.learnt) == len(trained.cohort.frame)
    assert len(kept.judged) == 0
    assert not list(run.directory.rglob("rows.parquet"))
    file.write_bytes(replace(kept, learnt=kept.learnt + np.uint64(1)).to_bytes())

    other = replace(trained.cohort, frame=people(300, seed=77), digest="6" * 64)
    with pytest.raises(ArtefactError, match=r"rows\.parquet of its run .* isn't as it was reg"):
        validate("readmission", "1", other, settings=home, **SETTING)
    file.unlink()
    with pytest.raises(ArtefactError, match="there is none; train it again"):
        validate("readmission", "1", other, settings=home, **SETTING)


def test_a_version_from_before_the_digests_is_validated_and_not_recalibrated(
    trained: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = Settings(home=tmp_path)
    options = TrainOptions(trained_by="Ada", quick=True, draws=40, seed=7)
    with monkeypatch.context() as before:  # evidence as it was before they were sealed in it
        before.setattr(RowDigests, "evidence", {})
        train(
            trained.file, trained.cohort, options, settings=home, progress=lambda *_: None, now=NOW
        )
    (file,) = home.root.rglob("rows.parquet")
    file.unlink()
    other = replace(trained.cohort, frame=people(300, seed=77), digest="6" * 64)

    found = validate("readmission", "1", other, settings=home, **SETTING)

    assert found.seen_before is None
    show_validated(found)
    said = " ".join(capsys.readouterr().out.split())
    assert "Bear in mind: version 1 kept no digests of rows" in said
    with pytest.raises(CohortError, match=r"version 1 kept no digests of rows, .* train it again"):
        recalibrate("readmission", "1", other, by="Ben", settings=home, **SETTING)
    own = validate("readmission", "1", trained.cohort, settings=home, **SETTING)
    assert own.seen_before is not None
    assert "the very table" in own.seen_before.words
