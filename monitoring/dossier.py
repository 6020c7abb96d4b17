"""What the console shows of a watched version: its definition, card, profile and reports."""

import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from models.definition import Definition, parse_definition
from models.profile import ReferenceProfile, read_profile
from records.settings import Settings

# what a directory of the dossiers may be called: no separator, no parent
_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")
FILES = ("model.toml", "profile.json", "card.html")


@dataclass(frozen=True)
class Dossier:
    """The files that monitoring keeps of one version, which lie in a directory of their own."""

    directory: Path

    @cached_property
    def definition(self) -> Definition:
        """Return the definition that the version was trained with."""
        path = self.directory / "model.toml"
        return parse_definition(path.read_bytes(), source=str(path))

    @cached_property
    def profile(self) -> ReferenceProfile:
        """Return the reference that live predictions are compared with."""
        return read_profile(self.directory / "profile.json")

    @property
    def card(self) -> Path | None:
        """Return the model card that training wrote, if it's there."""
        path = self.directory / "card.html"
        return path if path.is_file() else None

    @property
    def years(self) -> tuple[int, ...]:
        """Return the years that have a report, the newest first."""
        found = (int(p.stem) for p in self.directory.glob("*.html") if p.stem.isdecimal())
        return tuple(sorted(found, reverse=True))

    def report(self, year: int) -> Path | None:
        """Return a year's report, if it's there."""
        path = self.directory / f"{year}.html"
        return path if path.is_file() else None


def keep_dossier(settings: Settings, model: str, version: str, artefact: Path) -> Dossier:
    """Copy what the console needs from a version's artefact directory."""
    directory = settings.reports / model / version
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in FILES:
        if (artefact / name).is_file():
            shutil.copyfile(artefact / name, directory / name)
    return Dossier(directory)


def find_dossier(settings: Settings, model: str, version: str) -> Dossier | None:
    """Return the dossier of a version that was watched, or None."""
    if not (_NAME.match(model) and _NAME.match(version)):
        return None
    directory = settings.reports / model / version
    return Dossier(directory) if (directory / "profile.json").is_file() else None
