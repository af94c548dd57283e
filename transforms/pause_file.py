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

    async def wait(self) -> float:
        """Returns when the file is not there, and for how many seconds it was."""
        now = started = self._clock.monotonic()
        if self._path is None or now - self._looked_at < _LOOK_SECONDS:
            return 0.0
        while self._path.exists():
            await self._clock.sleep(_LOOK_SECONDS)
        self._looked_at = self._clock.monotonic()
        return self._looked_at - started
