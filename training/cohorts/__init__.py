"""The cohorts that the shipped models are trained on, one module each."""

from types import ModuleType
from typing import Final

from training.cohorts import diabetes130, flchain, support2

SHIPPED: Final[dict[str, ModuleType]] = {
    "hospital_mortality": support2,
    "mortality_5y": flchain,
    "readmission_30d": diabetes130,
}
FETCH: Final = {
    "diabetes130": diabetes130.fetch,
    "flchain": flchain.fetch,
    "support2": support2.fetch,
}
