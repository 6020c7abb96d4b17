"""What opens a request to retrain a model; it opens nothing more than a request."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Limit = Annotated[float, Field(allow_inf_nan=False)]
WINDOWS = 2


class RetrainingTriggers(BaseModel):
    """An open alarm so grave, calibration outside limits for two closed windows, or age.

    A figure of calibration is outside where its whole interval is. Age counts from the day on
    which a version became champion.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Literal["warning", "critical"] | None = None
    calibration_slope: tuple[Limit, Limit] | None = None
    calibration_in_the_large: tuple[Limit, Limit] | None = None
    oldest_days: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _ask_for_something(self) -> Self:
        limits = (self.calibration_slope, self.calibration_in_the_large)
        if self.severity is None and self.oldest_days is None and limits == (None, None):
            raise ValueError("give a severity, limits of calibration or oldest_days")
        for low, high in filter(None, limits):
            if low >= high:
                raise ValueError(f"limits {[low, high]} must be [least, most]")
        return self
