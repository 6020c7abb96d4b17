"""Whether commits succeed: since when rows wait of which none is written, and when to try again."""

import time

# how long rows may wait, and none be committed, before nothing more should be sent here
STANDSTILL_SECONDS = 3.0
# a commit that failed may have had a cause that only another one would show, such as a full disk
HOLD_SECONDS = 5.0
TRIAL_SECONDS = 1.0


class Standstill:
    """What a writer knows of its last commits; the writer's lock guards it."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._trial_at: float | None = None

    @property
    def lasts(self) -> bool:
        """Whether commits fail, or none has succeeded for too long though rows wait."""
        since = self._since
        if self._trial_at is not None:
            return True
        return since is not None and time.monotonic() - since > STANDSTILL_SECONDS

    @property
    def seconds_to_trial(self) -> float | None:
        """How long until it should be tried whether the database can be written; None if not."""
        return None if self._trial_at is None else max(0.0, self._trial_at - time.monotonic())

    def begin(self) -> None:
        """Note that rows wait."""
        if self._since is None:
            self._since = time.monotonic()

    def end(self, *, waiting: bool) -> None:
        """Note that the database wrote, or answered that it would; others may be `waiting`."""
        self._since = time.monotonic() if waiting else None
        self._trial_at = None

    def fail(self, *, in_trial: bool = False) -> None:
        """Note that a commit, or only a trial, failed for the database's own reasons."""
        self._trial_at = time.monotonic() + (TRIAL_SECONDS if in_trial else HOLD_SECONDS)
