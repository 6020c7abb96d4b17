"""How far a retraining may change a model without a new definition of it."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Depth = Annotated[int, Field(ge=2, le=6)]
Rate = Annotated[float, Field(ge=0.001, le=1, allow_inf_nan=False)]


class ChangePlan(BaseModel):
    """The bounds of a retraining; features, outcome and population stay as they are in any case.

    `max_depth` and `learning_rate` bound how trees grow. Of recorded predictions, those of the
    last `window_days` before the newest closed one are learnt from: all, or only those that
    nobody was shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_depth: tuple[Depth, Depth]
    learning_rate: tuple[Rate, Rate]
    window_days: int = Field(gt=0)
    learn_from: Literal["shown and silent", "silent"] = "shown and silent"

    @model_validator(mode="after")
    def _are_ranges(self) -> Self:
        for name in ("max_depth", "learning_rate"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} {[low, high]} must be [least, most]")
        return self
