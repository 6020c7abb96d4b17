"""Which registered versions a package takes along."""

from datetime import timedelta
from pathlib import Path

import pytest

from auscult.packaging import copy_champions
from models.artefact import verify_artefact
from records.settings import Settings
from serving.earlier import EarlierVersions
from serving.loading import EARLIER, ServedVersion
from tests.training.conftest import NOW
from training.promotion import promote
from training.registry import find_version, store

NAME = "readmission"


def _served(settings: Settings, version: str) -> ServedVersion:
    found = find_version(NAME, version, settings=settings)
    return ServedVersion(NAME, found.version, found.artefact_digest)


@pytest.fixture
def both(registry: Settings, stricter_version: str) -> Settings:
    """A registry, both of whose versions were champion, the first one first."""
    for later, version in enumerate(("1", stricter_version)):
        promote(
            NAME,
            version,
            to="champion",
            by="Grace",
            because="Agreed by the safety board",
            override=True,
            settings=registry,
            now=NOW + timedelta(days=later),
        )
    return registry


def test_a_version_that_was_champion_goes_along_so_that_its_predictions_can_be_replayed(
    both: Settings, stricter_version: str, tmp_path: Path
) -> None:
    found, missing = copy_champions(_served(both, stricter_version), tmp_path, both)

    assert (found, missing) == ([_served(both, "1")], [])
    digest = found[0].artefact_digest
    verify_artefact(tmp_path / EARLIER / digest, digest)
    loaded = EarlierVersions(tmp_path, found).find(NAME, digest)
    assert loaded is not None
    assert (loaded.version, loaded.artefact_digest) == ("1", digest)


def test_a_version_that_never_was_champion_stays_where_it_is(
    registry: Settings, stricter_version: str, tmp_path: Path
) -> None:
    assert copy_champions(_served(registry, stricter_version), tmp_path, registry) == ([], [])


def test_a_champion_that_was_deleted_is_named_and_hinders_no_package(
    both: Settings, stricter_version: str, tmp_path: Path
) -> None:
    store(both).delete_model_version(NAME, "1")

    found, missing = copy_champions(_served(both, stricter_version), tmp_path, both)

    assert found == []
    assert missing[0].startswith("readmission version 1, once champion: ")
