"""Replaying a past prediction: whether the version that made it gives the same bits again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.encoding import encode
from models.risk_model import RiskModel
from serving.earlier import maker_of
from serving.past import Standing
from serving.premises import Premises
from serving.problems import NotServedHere

if TYPE_CHECKING:
    from records.models import Prediction as Record


class ReplayAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether a prediction could be repeated bit for bit, and what differs if not.

    One that was silent, withdrawn or replaced shows no risk.
    """

    prediction_id: str
    status: str
    version: str
    artefact_digest: str
    identical: bool
    differs: list[str]
    replaced_by: str = ""
    risk: float | msgspec.UnsetType = msgspec.UNSET
    recomputed_risk: float | msgspec.UnsetType = msgspec.UNSET


async def replay(found: Record, standing: Standing, premises: Premises) -> ReplayAnswer:
    """Recompute a prediction from its recorded features by the version that made it.

    Raises NotServedHere where that one isn't in the package.
    """
    model = await maker_of(found, premises)
    if model is None:
        raise NotServedHere(
            f"{found.model} version {found.version} made this prediction, and isn't in the package "
            "that answers here; package the model again where its registry is"
        )
    return _compared(found, standing, model)


def _compared(found: Record, standing: Standing, model: RiskModel) -> ReplayAnswer:
    vector = encode(model.definition, found.features)
    explanation = model.scorer.explain(vector)
    same = {
        "vector": _bits(vector) == bytes(found.vector),
        "contributions": _bits(explanation.contributions) == bytes(found.contributions),
        "base": explanation.base == found.base,
        "margin": explanation.margin == found.margin,
        "risk": explanation.risk == found.risk,
        "band": model.definition.band(explanation.risk).name == found.band,
    }
    shown = found.shown and standing.holds
    return ReplayAnswer(
        prediction_id=str(found.id),
        status=standing.status,
        version=found.version,
        artefact_digest=found.artefact_digest,
        identical=all(same.values()),
        differs=[name for name, equal in same.items() if not equal],
        replaced_by=str(standing.replaced_by or ""),
        risk=found.risk if shown else msgspec.UNSET,
        recomputed_risk=explanation.risk if shown else msgspec.UNSET,
    )


def _bits(values: NDArray[np.float64]) -> bytes:
    return values.astype("<f8").tobytes()
