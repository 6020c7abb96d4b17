"""The cohorts that the shipped models are trained on, one module each."""

from types import ModuleType
from typing import Final

from training.cohorts import flchain

SHIPPED: Final[dict[str, ModuleType]] = {"mortality_5y": flchain}
FETCH: Final = {"flchain": flchain.fetch}
