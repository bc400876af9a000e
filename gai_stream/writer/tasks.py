"""What runs beside the block of a Writer: its tasks, its timer, and the cancellation of it all.

Twice, with the same words: on asyncio as plain tasks and timer handles, which cost a fifth of a task group's time and
memory for each stream, and for any event loop as a task group of anyio. The tests run all of Writer's over both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Protocol, TypeAlias

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import current_token

__all__ = ["GroupTasks", "LoopTasks", "Tasks", "tasks_of_this_loop"]

Work: TypeAlias = Callable[[], Awaitable[None]]
Tick: TypeAlias = Callable[[], float | None]

# Seconds until a task that was cancelled, and goes on, is cancelled again.
_PATIENCE = 1.0


class Tasks(Protocol):
    """The tasks beside a block, from `enter` to `leave`. What one raises is told to `failed`, and cancels the block.

    `clock` gives the event loop's time in seconds.
    """

    clock: Callable[[], float]

    def call(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Have `function` run in the event loop, and wait for it in this thread, which is another."""
        ...

    async def enter(self, start: Callable[[], None]) -> None:
        """Open the block, in its own task; `start` is called soon, unless the block is over by then."""
        ...

    async def leave(self, exc: BaseException | None) -> bool:
        """End and await all tasks. Return whether `exc`, which ends the block, is the cancellation of `cancel`."""
        ...

    def start(self, work: Work) -> None:
        """Run `work` in a task of its own."""
        ...

    def watch(self, tick: Tick) -> None:
        """Call `tick`, now and at each time that it returns, until that is None."""
        ...

    def cancel(self) -> None:
        """Cancel the block and all tasks."""
        ...

    async def sleep(self, deadline: float | None = None) -> None:
        """Wait for `wake`, no longer than until `deadline`. For one task at a time."""
        ...

    def wake(self) -> None:
        """End the `sleep` under way, if there is one."""
        ...


class LoopTasks:
    """`Tasks` of an asyncio event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, failed: Callable[[BaseException], None]) -> None:
        self.clock = loop.time
        self._loop = loop
        self._failed = failed
        self._scope = anyio.CancelScope()
        self._tasks: list[asyncio.Task[None]] = []
        self._handle: asyncio.Handle | None = None
        self._alarm: asyncio.Future[None] | None = None
        self._all_done: asyncio.Future[None] | None = None
        self._again: asyncio.Handle | None = None

    def call(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        async def run() -> None:
            await function(*args)

        asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    async def enter(self, start: Callable[[], None]) -> None:
        self._scope.__enter__()
        # In the loop's next turn: a stream that is over by then never needs tasks, which take longer than a message.
        self._handle = self._loop.call_soon(start)

    async def leave(self, exc: BaseException | None) -> bool:
        interrupted = None
        if self._handle is not None:
            self._handle.cancel()
        if self._tasks:
            self._cancel_tasks()
        while self._tasks:
            self._all_done = self._loop.create_future()
            try:
                await self._all_done
            except asyncio.CancelledError as cancelled:
                # Nobody may leave before the tasks have: what they send would come after the end.
                interrupted = cancelled
        if self._again is not None:
            self._again.cancel()
        news = interrupted or exc
        caught = bool(self._scope.__exit__(type(news) if news is not None else None, news, None))
        if interrupted is not None and not caught:
            raise interrupted
        return caught and isinstance(exc, asyncio.CancelledError)

    def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        # And again: a task may have mistaken this cancellation for something of its own. But not soon: one that cleans
        # up under a shield of anyio's has no shield against this.
        self._again = self._loop.call_later(_PATIENCE, self._cancel_tasks)

    def start(self, work: Work) -> None:
        task = self._loop.create_task(self._run(work))
        self._tasks.append(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.remove(task)
        if not self._tasks and self._all_done is not None and not self._all_done.done():
            self._all_done.set_result(None)

    async def _run(self, work: Work) -> None:
        try:
            await work()
        except BaseException as exc:
            self._failed(exc)
            self._scope.cancel()
            if not isinstance(exc, Exception):
                raise

    def watch(self, tick: Tick) -> None:
        try:
            due = tick()
        except Exception as exc:  # noqa: BLE001 (told to the block)
            self._failed(exc)
            self.cancel()
        else:
            self._handle = None if due is None else self._loop.call_at(due, self.watch, tick)

    def cancel(self) -> None:
        self._scope.cancel()
        for task in self._tasks:
            task.cancel()

    async def sleep(self, deadline: float | None = None) -> None:
        self._alarm = self._loop.create_future()
        timer = None if deadline is None else self._loop.call_at(deadline, self.wake)
        try:
            await self._alarm
        finally:
            if timer is not None:
                timer.cancel()

    def wake(self) -> None:
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)


class GroupTasks:
    """`Tasks` of any event loop."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self.clock = anyio.current_time
        self._failed = failed
        self._group: TaskGroup = anyio.create_task_group()
        self._alarm: anyio.Event | None = None
        self._token = current_token()

    def call(self, function: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        anyio.from_thread.run(function, *args, token=self._token)

    async def enter(self, start: Callable[[], None]) -> None:
        await self._group.__aenter__()
        start()

    async def leave(self, exc: BaseException | None) -> bool:
        self._group.cancel_scope.cancel()
        if exc is None or isinstance(exc, Exception):
            # No error of the group's, which would wrap it.
            await self._group.__aexit__(None, None, None)
            return False
        return bool(await self._group.__aexit__(type(exc), exc, None))

    def start(self, work: Work) -> None:
        self._group.start_soon(self._run, work)

    async def _run(self, work: Work) -> None:
        try:
            await work()
        except BaseException as exc:
            self._failed(exc)
            self.cancel()
            if not isinstance(exc, Exception):
                raise

    def watch(self, tick: Tick) -> None:
        self.start(partial(self._watch, tick))

    async def _watch(self, tick: Tick) -> None:
        due = tick()
        while due is not None:
            await anyio.sleep_until(due)
            due = tick()

    def cancel(self) -> None:
        self._group.cancel_scope.cancel()

    async def sleep(self, deadline: float | None = None) -> None:
        self._alarm = anyio.Event()
        with anyio.move_on_after(None if deadline is None else deadline - anyio.current_time()):
            await self._alarm.wait()

    def wake(self) -> None:
        if self._alarm is not None:
            self._alarm.set()


def tasks_of_this_loop(failed: Callable[[BaseException], None]) -> Tasks:
    """Return the tasks that suit the event loop which runs."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return GroupTasks(failed)
    return LoopTasks(task.get_loop(), failed) if task is not None else GroupTasks(failed)
