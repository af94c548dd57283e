"""One event loop a process, in a thread of its own.

Beam calls DoFns in threads; the connections of a process live on one loop, so that
all of its DoFns share them.
"""

import asyncio
import concurrent.futures
import gc
import os
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["LoopCalls", "LoopThread", "worker_loop"]

# Beam's own modules are 150,000 objects, and a page in flight is 5,000 more. Python
# looks for cycles among them after every 700 new objects by default, which is a sixth
# of a copy's CPU; there are no cycles to be found in what is copied.
_OBJECTS_BETWEEN_COLLECTIONS = 20_000

T = TypeVar("T")


def _new_loop_function() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415 (there is none for Windows)
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


class LoopCalls:
    """Has a loop call functions in order; wakes it once for all that wait.

    Any thread may `call`. To wake a loop costs as much as a small request.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Takes the loop on which the functions are called."""
        self._loop = loop
        self._waiting: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._is_awake = False

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Has the loop call a function, which must not raise."""
        self._waiting.append((function, arguments))
        if not self._is_awake:
            self._is_awake = True
            self._loop.call_soon_threadsafe(self._call_all)

    def _call_all(self) -> None:
        self._is_awake = False  # first: a call that comes now wakes again
        while self._waiting:
            function, arguments = self._waiting.popleft()
            function(*arguments)


class LoopThread:
    """An event loop that runs in a daemon thread until `close`."""

    def __init__(self, name: str = "beam-dynamodb-loop") -> None:
        self.loop = _new_loop_function()()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Starts `coroutine` on the loop; any thread may call."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Returns what `coroutine` returns; blocks the calling thread.

        Args:
            coroutine: what to run.
            timeout: in seconds; the coroutine is cancelled after it.

        Raises:
            TimeoutError: `timeout` passed.
            RuntimeError: called on the loop's own thread, where it would wait for
                itself for ever.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("run() was called on the loop's own thread; await it")
        future = self.submit(coroutine)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError as error:
            # Python 3.10 has a class of its own for it.
            future.cancel()
            raise TimeoutError(*error.args) from error
        except BaseException:
            # The caller gave up (a timeout, Ctrl-C): nobody will read the result.
            future.cancel()
            raise

    def close(self) -> None:
        """Stops the loop and its thread; what still runs on it is cancelled."""
        if self.loop.is_closed():
            return
        self.run(_cancel_the_others())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def _cancel_the_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()


def _collect_less_often() -> None:
    youngest = gc.get_threshold()[0]
    if 0 < youngest < _OBJECTS_BETWEEN_COLLECTIONS:  # 0: somebody turned it off
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


class _ProcessLoop:
    """Holds the process's loop; a forked child gets a new one."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        # The parent's lock may have been held by a thread that is not here.
        self._lock = threading.Lock()
        self._worker: LoopThread | None = None

    def get(self) -> LoopThread:
        with self._lock:
            if self._worker is None or self._worker.loop.is_closed():
                _collect_less_often()
                self._worker = LoopThread()
            return self._worker


_PROCESS_LOOP = _ProcessLoop()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_PROCESS_LOOP.forget)


def worker_loop() -> LoopThread:
    """Returns the process's one loop: uvloop's if it is installed."""
    return _PROCESS_LOOP.get()
