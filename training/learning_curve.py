"""What more people would bring: the trees fitted to growing parts of those there are."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.definition import Definition
from models.evaluation.discrimination import RankedScores
from models.scoring.calibration import risk_of_margin
from training.booster import BoosterParameters, fit_trees
from training.fitting import weighted_log_loss
from training.population import Population
from training.split import folds

_SHARES = (0.125, 0.25, 0.5, 1.0)
_OWN_FOLDS = 3
_FEWEST_EVENTS = 10


@dataclass(frozen=True, slots=True)
class LearningPoint:
    """How trees fitted to so many people did on one fold of others.

    `people` are patients, however many rows they have; under censoring, as many of known outcome as
    the rows are worth, as in the sample size: those of unknown outcome weigh nothing in the fit.
    """

    people: int
    events: int
    auroc: float
    log_loss: float

    def to_dict(self) -> dict[str, Any]:
        """Return the point as plain values that JSON can hold."""
        return asdict(self)


def learning_curve(
    definition: Definition, training: Population, parameters: BoosterParameters, seed: int
) -> tuple[LearningPoint, ...]:
    """Return points for parts of the learning patients, each holding the one before.

    One fold of the training rows judges all of them; the test part stays untouched.
    """
    learning, held_out = next(folds(training, seed + _OWN_FOLDS))
    rows, judges = training.part(learning), training.part(held_out)
    patients = np.unique(rows.patient)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(patients)
    weights = judges.weights()
    points = []
    for share in _SHARES:
        chosen = np.isin(rows.patient, order[: max(1, round(share * len(order)))])
        part = rows.part(chosen)
        events = int(part.outcome[part.weights() > 0].sum())
        if events < _FEWEST_EVENTS:
            continue
        margins = fit_trees(definition, part, parameters, seed).margins(judges.inputs)
        ranked = RankedScores(judges.outcome, risk_of_margin(margins))
        auroc = float(ranked.auroc(weights)[0])
        loss = weighted_log_loss(margins, judges.outcome, weights)
        points.append(LearningPoint(part.effective_size(), events, auroc, loss))
    return tuple(points)
