"""Gradient-boosted trees by XGBoost, fitted so that the same rows give the same bytes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

import numpy as np
import xgboost

from models.definition import Definition
from training.population import FloatArray, Population

_SIGNS = {"increasing": 1, "decreasing": -1, None: 0}


@dataclass(frozen=True, slots=True)
class Growth:
    """The ranges in which the depth of trees and their learning rate are searched for."""

    max_depth: tuple[int, int] = (2, 6)
    learning_rate: tuple[float, float] = (0.02, 0.3)


ANY_GROWTH: Final = Growth()


@dataclass(frozen=True, slots=True)
class BoosterParameters:
    """How trees are grown; the default is what `--quick` uses, without a search."""

    rounds: int = 200
    max_depth: int = 3
    eta: float = 0.03
    min_child_weight: float = 10.0
    subsample: float = 0.7
    colsample_bytree: float = 0.8
    reg_lambda: float = 1.0
    reg_alpha: float = 0.0

    def to_dict(self) -> dict[str, float]:
        """Return the parameters by name."""
        return asdict(self)

    def within(self, growth: Growth) -> Self:
        """Return the parameters with those that are bounded moved into their ranges."""
        depth, rate = growth.max_depth, growth.learning_rate
        return replace(
            self,
            max_depth=min(max(self.max_depth, depth[0]), depth[1]),
            eta=min(max(self.eta, rate[0]), rate[1]),
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> Self:
        """Return the parameters that `to_dict` named."""
        whole = {name: int(values[name]) for name in ("rounds", "max_depth")}
        return cls(**{**values, **whole})  # type: ignore[arg-type]  # whole numbers are ints


def booster_options(
    definition: Definition, parameters: BoosterParameters, seed: int
) -> dict[str, Any]:
    """Return XGBoost's own options; one thread, so that sums are always in the same order."""
    growth = parameters.to_dict()
    del growth["rounds"]
    return {
        **growth,
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "monotone_constraints": monotone_constraints(definition),
        "nthread": 1,
        "seed": seed,
        "verbosity": 0,
    }


def monotone_constraints(definition: Definition) -> tuple[int, ...]:
    """Return 1, -1 or 0 for each input column, from the direction that its feature states."""
    return tuple(
        _SIGNS[feature.direction] for feature in definition.features for _ in feature.columns
    )


def table(population: Population) -> xgboost.DMatrix:
    """Return the weighted rows as XGBoost takes them."""
    return xgboost.DMatrix(
        population.inputs,
        label=population.outcome,
        weight=population.weights(),
        nthread=1,
    )


@dataclass(frozen=True, eq=False)
class Trees:
    """Fitted trees."""

    booster: xgboost.Booster

    def margins(self, X: FloatArray, /) -> FloatArray:
        """Return the log-odds (rows,) before calibration."""
        rows = xgboost.DMatrix(X, nthread=1)
        return np.asarray(self.booster.predict(rows, output_margin=True), dtype=np.float64)

    def to_bytes(self) -> bytes:
        """Return the trees as UBJSON."""
        return bytes(self.booster.save_raw("ubj"))


def fit_trees(
    definition: Definition, population: Population, parameters: BoosterParameters, seed: int
) -> Trees:
    """Return the trees fitted to the rows by their case weights."""
    options = booster_options(definition, parameters, seed)
    return Trees(xgboost.train(options, table(population), parameters.rounds))
