"""How long each stage of a run took, and how much memory the run needed."""

import re
import resource
import time
from collections.abc import Callable

from training.candidate import Progress


class Stages:
    """Passes progress on, and keeps when each stage was first and last heard of."""

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress, self._clock = progress, clock
        self._times: dict[str, tuple[float, float]] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take a stage's progress, as `Progress` does."""
        now = self._clock()
        first, _ = self._times.get(stage, (now, now))
        self._times[stage] = first, now
        self._progress(stage, done, total)

    def metrics(self) -> dict[str, float]:
        """Return the seconds of each stage and the process's peak memory, by flat names."""
        seconds = {
            f"seconds_{re.sub('[^a-z]+', '_', stage.lower()).strip('_')}": last - first
            for stage, (first, last) in self._times.items()
        }
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {**seconds, "peak_memory_mb": peak}
