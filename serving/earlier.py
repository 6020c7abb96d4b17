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
        self._lock = Lock()

    def find(self, name: str, digest: str) -> RiskModel | None:
        """Return the model of an artefact, None where it isn't in the package.

        Raises ArtefactError where its files aren't those of the digest.
        """
        wanted = name, digest
        if wanted not in self._listed:
            return None
        with self._lock:
            if wanted not in self._loaded:
                version = self._listed[wanted].version
                place = self._directory / digest
                self._loaded[wanted] = RiskModel.load(place, version=version, digest=digest)
            self._loaded.move_to_end(wanted)
            if len(self._loaded) > MOST_LOADED:
                self._loaded.popitem(last=False)
            return self._loaded[wanted]


async def maker_of(found: Record, premises: Premises) -> RiskModel | None:
    """Return the version that made a prediction, None where it isn't in the package."""
    served = premises.models.get(found.model)
    if served is not None and served.model.artefact_digest == found.artefact_digest:
        return served.model
    return await to_thread.run_sync(premises.earlier.find, found.model, found.artefact_digest)


async def definer_of(found: Record, premises: Premises) -> RiskModel | None:
    """Return a version with the definition that a prediction was made by, None without one."""
    served = premises.models.get(found.model)
    if served is not None and served.model.definition_digest == found.definition_digest:
        return served.model
    return await maker_of(found, premises)
