import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from models.catalogue import find_definition
from models.errors import CohortError
from models.evaluation.discrimination import RankedScores
from records.settings import Settings
from tests.training.conftest import NOW
from training.candidate import Making
from training.cohorts import FETCH, SHIPPED, flchain
from training.data_quality import assess_quality
from training.judging import judge_by_folds
from training.population import admit
from training.split import split

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def path() -> Path:
    """The real file, where it was fetched before; the tests themselves fetch nothing."""
    directory = Path(os.environ.get("AUSCULT_DATA_DIR", REPOSITORY / ".auscult" / "cache"))
    places = [directory, directory / "flchain", REPOSITORY / ".auscult" / "cache"]
    for place in places:
        if (place / "flchain.arff").is_file():
            return place / "flchain.arff"
    pytest.skip("flchain.arff is neither in AUSCULT_DATA_DIR nor cached by `auscult data fetch`")


def test_everyone_is_counted_in_development_or_left_for_the_live_phase(path: Path) -> None:
    cohort, live = flchain.development(path), flchain.live(path)

    assert len(cohort.frame) == 4766
    assert len(live) == 3108
    assert cohort.exclusions == (("Sampled after 1996, kept for the live phase", 3108),)
    assert set(live["sample_year"]) == set(range(1997, 2004))
    late = live[live["sample_year"] >= 2002]
    assert len(late) == 270
    assert late["creatinine"].isna().mean() == pytest.approx(0.91, abs=0.01)
    assert ((late["died"] == 1) & (late["follow_up_days"] <= flchain.HORIZON_DAYS)).sum() == 11
    assert ((live["died"] == 0) & (live["follow_up_days"] < flchain.HORIZON_DAYS)).sum() == 119
    assert not set(cohort.frame["patient_id"]) & set(live["person"].astype(str))


def test_the_outcome_is_death_within_five_years_and_the_rest_is_censored(path: Path) -> None:
    cohort = flchain.development(path)

    assert cohort.frame["outcome"].sum() == 588
    early = (cohort.frame["outcome"] == 0) & (cohort.frame["follow_up_days"] < 1826)
    assert early.sum() == 76
    assert cohort.notes[0].startswith("76 people were censored before 1826 days")
    assert (cohort.frame["follow_up_days"] == 0).sum() == 1
    assert cohort.frame.loc[cohort.frame["follow_up_days"] == 0, "outcome"].tolist() == [1]


def test_the_report_says_that_missing_creatinine_goes_with_survival(path: Path) -> None:
    definition = find_definition("mortality_5y", []).definition
    cohort = flchain.development(path)
    population, not_as_given = admit(cohort, definition, NOW)

    quality = assess_quality(definition, population, not_as_given, cohort)

    assert quality.suspicions == (
        "Creatinine in serum: missing in 6.8% of rows with the event and 16.7% without; a model "
        "learns from that, so a lost feed would change risks unseen",
    )


def test_the_trees_reach_the_reference_on_people_unused_for_fitting(path: Path) -> None:
    definition = find_definition("mortality_5y", []).definition
    cohort = SHIPPED["mortality_5y"].development(path)
    population, _ = admit(cohort, definition, NOW)
    outer = split(population, 20261, unordered_because=cohort.unordered_because).outer

    judged = judge_by_folds(
        population, outer, [Making(definition, trials=0, seed=1)] * len(outer), lambda *_: None
    )

    weights = population.weights()
    for risk in (judged.risk, judged.baseline_risk):
        assert RankedScores(population.outcome, risk).auroc(weights)[0] > 0.79
        assert np.average(risk, weights=weights) == pytest.approx(
            np.average(population.outcome, weights=weights), abs=0.01
        )


def test_a_file_in_the_data_directory_comes_first_and_is_checked(tmp_path: Path) -> None:
    (tmp_path / "flchain").mkdir()
    (tmp_path / "flchain" / "flchain.arff").write_text("@data\n97,F,1997\n")
    settings = Settings(home=tmp_path / "home", data_dir=tmp_path)

    with pytest.raises(CohortError, match=r"has SHA-256 [0-9a-f]{64}, not bf2600ec.*fetch again"):
        FETCH["flchain"](settings, lambda *_: None)


def test_a_checked_file_is_not_fetched_again(path: Path, tmp_path: Path) -> None:
    (tmp_path / "flchain.arff").write_bytes(path.read_bytes())
    settings = Settings(home=tmp_path / "home", data_dir=tmp_path)

    assert flchain.fetch(settings, lambda *_: None) == tmp_path / "flchain.arff"


def test_without_a_network_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings(home=tmp_path / "home", data_dir=tmp_path)

    with pytest.raises(CohortError, match=r"failed 3 times .*put flchain\.arff into AUSCULT_DATA"):
        flchain.fetch(settings, lambda *_: None)

    assert not settings.cache.exists()


@pytest.mark.parametrize("text", ["", "@relation flchain", "@attribute age numeric\n@data\n1\n"])
def test_a_file_that_is_not_the_cohort_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "flchain.arff").write_text(text)

    with pytest.raises(CohortError, match="fetch it again"):
        flchain.development(tmp_path / "flchain.arff")


def test_the_source_of_the_data_is_kept_in_the_cohorts_digest(path: Path) -> None:
    assert flchain.development(path).digest == hashlib.sha256(path.read_bytes()).hexdigest()
