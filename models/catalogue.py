"""The definitions that are known: those shipped here, and those of a hospital's own directories."""

from collections.abc import Sequence
from pathlib import Path

from models.definition import DefinitionFile, read_definition
from models.errors import DefinitionError

_SHIPPED = Path(__file__).parent


def definitions(extra: Sequence[Path]) -> dict[str, DefinitionFile]:
    """Read every definition, shipped and in the `extra` directories, by name."""
    return {name: _read(name, path) for name, path in sorted(_paths(extra).items())}


def find_definition(name: str, extra: Sequence[Path]) -> DefinitionFile:
    """Read one model's definition; raise DefinitionError that lists the known names."""
    paths = _paths(extra)
    if name not in paths:
        known = ", ".join(sorted(paths)) or "none"
        raise DefinitionError(f"there is no model {name!r}; known are: {known}")
    return _read(name, paths[name])


def _paths(extra: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for directory in (_SHIPPED, *extra):
        if not directory.is_dir():
            raise DefinitionError(f"{directory}: no such directory of model definitions")
        for path in sorted(directory.glob("*/model.toml")):
            name = path.parent.name
            if name in found:
                raise DefinitionError(f"model {name!r} is defined twice: {found[name]}, {path}")
            found[name] = path
    return found


def _read(name: str, path: Path) -> DefinitionFile:
    file = read_definition(path)
    if file.definition.name != name:
        raise DefinitionError(
            f"{path}: name: {file.definition.name!r} must equal its directory's name {name!r}"
        )
    return file
