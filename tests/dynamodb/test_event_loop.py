"""The process's one event loop, in a thread of its own."""

import asyncio
import gc
import os
import threading

import pytest

from transforms.dynamodb.event_loop import (
    LoopCalls,
    LoopThread,
    _ProcessLoop,
    worker_loop,
)


@pytest.fixture
def thread():
    thread = LoopThread("loop-under-test")
    yield thread
    thread.close()


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


def test_what_a_coroutine_returns_or_raises_reaches_the_caller(thread):
    assert thread.run(answer()) == 42

    async def fail() -> None:
        raise LookupError("not here")

    with pytest.raises(LookupError, match="not here"):
        thread.run(fail())


def test_calls_that_wait_for_a_busy_loop_wake_it_once_and_come_in_order(thread):
    calls, entered, leave = LoopCalls(thread.loop), threading.Event(), threading.Event()
    called: list[int] = []

    def hold_up() -> None:
        entered.set()
        leave.wait(10)

    thread.loop.call_soon_threadsafe(hold_up)
    assert entered.wait(10)
    for number in range(100):
        calls.call(called.append, number)
    assert called == []
    leave.set()
    assert thread.run(answer()) == 42  # comes after whatever woke the loop before
    assert called == list(range(100))
    calls.call(called.append, 100)
    assert thread.run(answer()) == 42
    assert called[-1] == 100


def test_a_caller_that_gives_up_cancels_the_work(thread):
    ended = []

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    with pytest.raises(TimeoutError):
        thread.run(long(), timeout=0.05)
    assert thread.run(answer()) == 42
    assert ended == ["cancelled"]


def test_waiting_for_itself_is_refused_on_the_loops_own_thread(thread):
    async def wait_for_itself() -> None:
        thread.run(answer())

    with pytest.raises(RuntimeError, match="own thread; await it"):
        thread.run(wait_for_itself())


def test_closing_cancels_what_runs_and_may_be_done_twice():
    thread = LoopThread("closes")
    waiting = thread.submit(asyncio.Event().wait())
    thread.close()
    thread.close()
    assert waiting.cancelled()


def test_the_process_has_one_loop_and_a_new_one_after_it_was_closed():
    """Of a holder of its own: uvloop waits for ever to close one that others use."""
    assert worker_loop() is worker_loop()
    holder = _ProcessLoop()
    first = holder.get()
    assert holder.get() is first
    first.close()
    second = holder.get()
    assert second is not first
    assert second.run(answer()) == 42
    second.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_a_loop_of_its_own():
    assert worker_loop().run(answer()) == 42
    child = os.fork()
    if child == 0:
        # No assertion here: the child must end, whatever happens.
        os._exit(0 if worker_loop().run(answer(), timeout=20) == 42 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_worker_looks_for_cycles_less_often_unless_that_was_turned_off(monkeypatch):
    set_to: list[int] = []
    monkeypatch.setattr(gc, "set_threshold", set_to.append)
    for youngest in (700, 0, 50_000):
        monkeypatch.setattr(gc, "get_threshold", lambda found=youngest: (found, 10, 10))
        _ProcessLoop().get().close()
    assert set_to == [20_000]
