"""The champion as comparator: its risks of the very rows by which a new version is judged."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from models.errors import InputError, RegistryError
from models.risk_model import RiskModel
from records.settings import Settings
from training.artefact import plain_json
from training.cohort import Cohort
from training.lineage import lineage
from training.population import FloatArray, Population
from training.registry import (
    RegisteredVersion,
    champion_of,
    download,
    read_run_file,
)
from training.unused_people import used_for_calibration

JUDGED_FILE: Final = "judged.parquet"
FILE: Final = "champion.json"
_HELD_OUT = "its risks are of fits that had not seen the person, as the new version's are"
_PERHAPS_SEEN = (
    "it was made from another cohort and may have learnt from some of these people, which would "
    "flatter it"
)
_LATER: Final = (
    "these are predictions later than all that its trees learnt from; whether somebody of its "
    "original table is among them can't be told from a pseudonym"
)


@dataclass(frozen=True, eq=False)
class ChampionRisks:
    """The champion, its risks of the judged rows, and what they rest on.

    `used` says why these rows aren't known to be unused for its calibration; None where they are.
    """

    version: RegisteredVersion
    risk: FloatArray
    basis: str
    used: str | None = None


def champion_risks(
    name: str, judged: Population, cohort: Cohort, *, settings: Settings
) -> ChampionRisks | None:
    """Return the champion's risks, None where there is none or it can't score these rows.

    Raises as `find_version` and `download`, and ArtefactError where what it keeps of the rows that
    it was made from isn't as it was registered.
    """
    champion = champion_of(name, settings=settings)
    if champion is None:
        return None
    if champion.cohort_digest == cohort.digest:
        held_out = _held_out(champion, judged, settings)
        return None if held_out is None else ChampionRisks(champion, held_out, _HELD_OUT)
    place = settings.cache / "artefacts" / champion.artefact_digest
    model = RiskModel.load(
        download(champion, place, settings=settings),
        version=champion.version,
        digest=champion.artefact_digest,
    )
    try:
        risk = model.risks(dict(judged.columns))
    except InputError:  # it takes other features, or people that it refuses are among these
        return None
    made = lineage(champion, settings=settings)
    used = used_for_calibration(made, cohort, judged, settings=settings)
    basis = _PERHAPS_SEEN if cohort.retraining is None else _LATER
    return ChampionRisks(champion, risk, basis, used)


def judged_file(judged: Population, risk: FloatArray) -> bytes:
    """Return the judged rows' places in the cohort and their risks, for versions to come."""
    buffer = io.BytesIO()
    pd.DataFrame({"row": judged.row, "risk": risk}).to_parquet(buffer, index=False)
    return buffer.getvalue()


def read_judged(text: bytes, judged: Population) -> FloatArray | None:
    """Return the risks of these rows that `judged_file` wrote, None if it lacks one of them."""
    table = pd.read_parquet(io.BytesIO(text))
    risks = table.set_index("row")["risk"].reindex(judged.row).to_numpy(dtype=np.float64)
    return None if np.isnan(risks).any() else risks


def comparison_file(champion: ChampionRisks, metrics: Mapping[str, float]) -> bytes:
    """Return what promotion needs to know of the comparison."""
    return plain_json(
        {
            "version": champion.version.version,
            "artefact_digest": champion.version.artefact_digest,
            "basis": champion.basis,
            "used": champion.used,
            "metrics": dict(metrics),
        }
    )


def read_comparison(text: bytes) -> dict[str, Any]:
    """Read what `comparison_file` wrote."""
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise RegistryError(f"{FILE} of the run can't be read: {error}; train it again") from error
    return found


def _held_out(
    champion: RegisteredVersion, judged: Population, settings: Settings
) -> FloatArray | None:
    """Return the risks by which the champion was judged, if it was judged on all these rows."""
    text = read_run_file(champion, JUDGED_FILE, settings=settings)
    return None if text is None else read_judged(text, judged)
