"""Packaging: registered versions with the code that serves them, as one Bento."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from models.errors import ArtefactError, RegistryError
from records import telemetry
from records.settings import Settings
from serving.earlier import EarlierVersions
from serving.loading import EARLIER, SERVED, ServedVersion, ServedVersions, load_models

# not `auscult`: BentoML would take the tag for an attribute of this package, and mix both codes
BENTO = "auscult-service"
SERVICE = "serving.service:service"
PACKAGES = ("models", "records", "serving")
LOCK = "requirements.lock"
_ROOT = Path(__file__).parents[1]
_BUILD_SECONDS = 300
_KERNELS = Path("models", "scoring")
_LOAD = (
    "from pathlib import Path; import serving.json_scan; "
    "from serving.loading import load_models; load_models(Path('artefacts'))"
)


@dataclass(frozen=True, slots=True)
class PackagedBento:
    """A Bento in the store: its tag and its directory, and which predictions it can't replay."""

    tag: str
    path: Path
    not_replayed: tuple[str, ...] = ()


def package(
    names: Sequence[str], alias_or_version: str = "champion", *, settings: Settings
) -> PackagedBento:
    """Make a Bento of registered versions, each verified against its digest in the registry.

    Versions that were champion before go along, so that what they predicted can be replayed. The
    Bento holds code, definitions, artefacts and the lock; no cohort, key or secret.
    """
    if len(set(names)) != len(names) or not names:
        raise ArtefactError(f"name each model to package once, not {list(names)}")
    with tempfile.TemporaryDirectory(prefix="auscult-package-") as directory:
        tree = Path(directory)
        copy_code(tree)
        artefacts, lost = tree / "artefacts", []
        served, earlier = [], []
        for name in names:
            served.append(copy_version(name, alias_or_version, artefacts / name, settings))
            found, missing = copy_champions(served[-1], artefacts, settings)
            earlier += found
            lost += missing
        return replace(build(tree, served, earlier, settings=settings), not_replayed=tuple(lost))


def copy_champions(
    served: ServedVersion, artefacts: Path, settings: Settings
) -> tuple[list[ServedVersion], list[str]]:
    """Copy what was champion before a version; return it, and in words what can't be had."""
    from records import tenure
    from training.registry import CHAMPION, find_version

    found, missing, name = [], [], served.name
    were = {one.version for one in tenure.history(name) if one.alias == CHAMPION}
    for number in sorted(were - {served.version}, key=int):
        try:
            digest = find_version(name, number, settings=settings).artefact_digest
            found.append(copy_version(name, number, artefacts / EARLIER / digest, settings))
        except (RegistryError, ArtefactError) as error:
            missing.append(f"{name} version {number}, once champion: {error}")
    return found, missing


def copy_version(
    name: str, alias_or_version: str, place: Path, settings: Settings
) -> ServedVersion:
    """Copy a registered version's verified artefact to a place."""
    from training.registry import download, find_version

    version = find_version(name, alias_or_version, settings=settings)
    cached = settings.cache / "artefacts" / version.artefact_digest
    artefact = download(version, cached, settings=settings)
    shutil.copytree(artefact, place, dirs_exist_ok=True)  # two versions may be equal to the byte
    return ServedVersion(name, version.version, version.artefact_digest)


def copy_code(tree: Path) -> None:
    """Copy the packages that serve, and the lock, into a new tree."""
    without = shutil.ignore_patterns("__pycache__")
    for name in PACKAGES:
        shutil.copytree(_ROOT / name, tree / name, ignore=without)
    if (_ROOT / LOCK).is_file():
        shutil.copy(_ROOT / LOCK, tree)


def build(
    tree: Path,
    served: Sequence[ServedVersion],
    earlier: Sequence[ServedVersion] = (),
    *,
    settings: Settings,
) -> PackagedBento:
    """Make a Bento of a tree that holds the code and `artefacts/<name>` of every version.

    Those of `earlier` versions are in a directory of their own, by their digests. Raises
    ArtefactError if a version's files aren't those of its digest.
    """
    artefacts = tree / "artefacts"
    listed = msgspec.json.encode(ServedVersions(tuple(served), tuple(earlier)))
    (artefacts / SERVED).write_bytes(msgspec.json.format(listed, indent=1))
    load_models(artefacts)
    replayed = EarlierVersions(artefacts, earlier)
    for one in earlier:
        replayed.find(one.name, one.artefact_digest)
    (tree / "bentofile.yaml").write_bytes(msgspec.yaml.encode(_options(tree, served)))
    settings.bentoml_home.mkdir(parents=True, exist_ok=True, mode=0o700)
    environment = _environment(settings)
    build_command = (sys.executable, "-m", "bentoml", "build", str(tree), "--output", "tag")
    printed = _run(build_command, environment, tree)
    tag = printed.rpartition("__tag__:")[2].strip()
    path = settings.bentoml_home / "bentos" / tag.replace(":", os.sep)
    if not (path / "bento.yaml").is_file():
        raise ArtefactError(f"BentoML says that it built {tag!r}, but {path} holds no Bento")
    _compile(path / "src", environment)
    return PackagedBento(tag, path)


def _compile(source: Path, environment: dict[str, str]) -> None:
    """Leave compiled kernels beside the Bento's source, so that its workers needn't compile.

    Those compiled already here are taken along; numba knows a file by its time and size.
    """
    without = shutil.ignore_patterns("*.pyc")
    shutil.copytree(_ROOT / _KERNELS, source / _KERNELS, ignore=without, dirs_exist_ok=True)
    _run((sys.executable, "-P", "-c", _LOAD), environment, source)


def _options(tree: Path, served: Sequence[ServedVersion]) -> dict[str, object]:
    options: dict[str, object] = {
        "service": SERVICE,
        "name": BENTO,
        "include": ["*"],
        "labels": {one.name: one.version for one in served},
    }
    if (tree / LOCK).is_file():
        options["python"] = {"requirements_txt": LOCK, "lock_packages": False}
    return options


def _environment(settings: Settings) -> dict[str, str]:
    """Return an environment in which the tree's code is found before any other copy of it."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | telemetry.SWITCHES | {"BENTOML_HOME": os.fspath(settings.bentoml_home)}


def _run(command: Sequence[str], environment: dict[str, str], directory: Path) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            command,
            cwd=directory,
            env=environment | {"PYTHONPATH": os.fspath(directory)},
            capture_output=True,
            text=True,
            check=True,
            timeout=_BUILD_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        end = "\n".join((error.stderr or error.stdout).splitlines()[-12:])
        raise ArtefactError(f"the Bento can't be built:\n{end}") from error
    return done.stdout
