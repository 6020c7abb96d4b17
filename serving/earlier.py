"""Versions that made predictions before those that are served now, packaged beside them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from models.risk_model import RiskModel
from serving.loading import EARLIER, ServedVersion

if TYPE_CHECKING:
    from records.models import Prediction as Record
    from serving.premises import Premises

MOST_LOADED: Final = 4


class EarlierVersions:
    """Loads a version when it's first asked for, its files verified, and keeps the last few.

    To load one takes a second or so, so that it's done in threads of their own.
    """

    def __init__(self, directory: Path, listed: Sequence[ServedVersion] = ()) -> None:
        self._directory = directory / EARLIER
        self._listed = {(one.name, one.artefact_digest): one for one in listed}
        self._loaded: OrderedDict[tuple[str, str], RiskModel] = OrderedDict()
        self._loading, self._lock = Lock(), Lock()

    def is_packaged(self, name: str, digest: str) -> bool:
        """Say whether an artefact is in the package."""
        return (name, digest) in self._listed

    def at_hand(self, name: str, digest: str) -> RiskModel | None:
        """Return the model of an artefact where it's loaded already; this takes no time."""
        wanted = name, digest
        with self._lock:
            if wanted not in self._loaded:
                return None
            self._loaded.move_to_end(wanted)
            return self._loaded[wanted]

    def find(self, name: str, digest: str) -> RiskModel | None:
        """Return the model of an artefact, None where it isn't in the package.

        Raises ArtefactError where its files aren't those of the digest.
        """
        listed = self._listed.get((name, digest))
        if listed is None:
            return None
        with self._loading:
            found = self.at_hand(name, digest)
            if found is None:
                place = self._directory / digest
                found = RiskModel.load(place, version=listed.version, digest=digest)
                self._keep(name, digest, found)
            return found

    def _keep(self, name: str, digest: str, model: RiskModel) -> None:
        with self._lock:
            self._loaded[name, digest] = model
            if len(self._loaded) > MOST_LOADED:
                self._loaded.popitem(last=False)


async def maker_of(found: Record, premises: Premises) -> RiskModel | None:
    """Return the version that made a prediction, None where it isn't in the package."""
    served = premises.models.get(found.model)
    if served is not None and served.model.artefact_digest == found.artefact_digest:
        return served.model
    wanted = found.model, found.artefact_digest
    if not premises.earlier.is_packaged(*wanted):
        return None
    # only to load one takes a thread: a search may ask for hundreds
    loaded = premises.earlier.at_hand(*wanted)
    return loaded or await to_thread.run_sync(premises.earlier.find, *wanted)


async def definer_of(found: Record, premises: Premises) -> RiskModel | None:
    """Return a version with the definition that a prediction was made by, None without one."""
    served = premises.models.get(found.model)
    if served is not None and served.model.definition_digest == found.definition_digest:
        return served.model
    return await maker_of(found, premises)
