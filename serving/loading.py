"""What a worker needs before it can answer: settings, database, keys and the served models."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from models.artefact import verify_artefact
from models.definition import Definition, Status, read_definition
from models.errors import ArtefactError, SettingsError
from models.misfit import json_fault, misfit
from records.settings import Settings, check_home

if TYPE_CHECKING:
    from models.risk_model import RiskModel

SERVED = "served.json"
# a directory beside the served models', whose names have no hyphen
EARLIER = "earlier-versions"


class ServedVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model version in the package, and the digest that its files must have."""

    name: str
    version: str
    artefact_digest: str


class ServedVersions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `served.json` holds; `earlier` versions only replay what they once predicted."""

    models: tuple[ServedVersion, ...]
    earlier: tuple[ServedVersion, ...] = ()


def artefacts_directory(settings: Settings) -> Path:
    """Return where the artefacts lie: beside this package, unless the settings say where."""
    return settings.artefacts or Path(__file__).parents[1] / "artefacts"


def load_models(directory: Path) -> "dict[str, RiskModel]":
    """Load the models that `served.json` lists, each verified against its digest."""
    # here, since it brings the kernels, which take a second and a definition's reader needn't
    from models.risk_model import RiskModel

    return {
        one.name: RiskModel.load(
            directory / one.name, version=one.version, digest=one.artefact_digest
        )
        for one in listed_versions(directory).models
    }


def read_definitions(directory: Path) -> list[Definition]:
    """Verify what `served.json` lists and read its definitions, without loading any scorer."""
    definitions = []
    for one in listed_versions(directory).models:
        verify_artefact(directory / one.name, one.artefact_digest)
        definitions.append(read_definition(directory / one.name / "model.toml").definition)
    return definitions


def check_servable(definitions: Iterable[Definition], host: str) -> None:
    """Raise SettingsError where a model is retired, or for demonstration and not on loopback."""
    for definition in definitions:
        if definition.status is Status.RETIRED:
            raise SettingsError(f"model {definition.name} is retired and may not be served")
        if definition.for_demonstration and not is_loopback(host):
            raise SettingsError(
                f"model {definition.name} is for demonstration, not for clinical use, and is "
                f"served on loopback only; the host is {host}, make it 127.0.0.1"
            )


def is_loopback(host: str) -> bool:
    """Say whether a host's name or address can be reached from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listed_versions(directory: Path) -> ServedVersions:
    """Return what a package's `served.json` lists; raise where it isn't one or lists no model."""
    path = directory / SERVED
    try:
        served = msgspec.json.decode(path.read_bytes(), type=ServedVersions)
    except OSError as error:
        raise SettingsError(
            f"{path}: can't be read ({error.strerror}); serve a Bento that `auscult package` made, "
            "or name a directory of artefacts by AUSCULT_ARTEFACTS"
        ) from error
    except msgspec.ValidationError as error:
        raise ArtefactError(f"{path}: {misfit(str(error))}") from error
    except msgspec.DecodeError as error:
        raise ArtefactError(f"{path}: not JSON: {json_fault(error)}") from error
    if not served.models:
        raise ArtefactError(f"{path}: lists no model")
    return served


def open_records(settings: Settings) -> bytes:
    """Set the database up, and return the pseudonym key that belongs to it.

    Not to be called where an event loop runs, since Django refuses that. Raises NotMigrated, or
    SettingsError where the key is absent or another one.
    """
    from django.db import connections

    from records.migration import check_migrated
    from records.pseudonym import check_key, read_pseudonym_key
    from records.setup import configure

    if settings.database_url is None:
        check_home(settings.root, os.W_OK | os.X_OK, "can't be written")
    key = read_pseudonym_key(settings.pseudonym_key)
    configure(settings)
    check_migrated()
    check_key(key)
    connections.close_all()
    return key


def check_approved(directory: Path) -> None:
    """Raise SettingsError where a version claims clinical use and no safety officer signed it.

    Called after `open_records`, and like it where no event loop runs.
    """
    from django.db import connections

    from records.decisions import approval

    versions = {one.name: one.version for one in listed_versions(directory).models}
    for definition in read_definitions(directory):
        version = versions[definition.name]
        if definition.status is Status.APPROVED and approval(definition.name, version) is None:
            raise SettingsError(
                f"model {definition.name} version {version} is defined as approved for clinical "
                "use, but no safety officer has signed that; let one sign it in the console, under "
                "Decisions on versions, or serve a version that is defined as silent"
            )
    connections.close_all()


def utc_now() -> datetime:
    """Return the present moment; the only clock that the service reads."""
    return datetime.now(UTC)
