"""A file that holds a run up while it exists."""

import math
from pathlib import Path

from transforms.throttle.clock import Clock

__all__ = ["PauseFile"]

_LOOK_SECONDS = 1.0


class PauseFile:
    """Looks for the file, at most once a second. Belongs to one event loop."""

    def __init__(self, path: str | None, clock: Clock) -> None:
        """Looks for nothing yet; without a path nothing is ever paused."""
        self._path = None if path is None else Path(path)
        self._clock = clock
        self._looked_at = -math.inf

    def may_pass(self) -> bool:
        """Whether nobody need look: there is no path, or it was looked up just now."""
        if self._path is None:
            return True
        return self._clock.monotonic() - self._looked_at < _LOOK_SECONDS

    async def wait(self) -> float:
        """Returns when the file is not there, and for how many seconds it was."""
        if self._path is None or self.may_pass():
            return 0.0
        started = self._clock.monotonic()
        while self._path.exists():
            await self._clock.sleep(_LOOK_SECONDS)
        self._looked_at = self._clock.monotonic()
        return self._looked_at - started
