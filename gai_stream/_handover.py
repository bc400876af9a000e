"""From threads to a task: items in order, whatever is ready at once, and never more than a limit ahead."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import anyio
from anyio.lowlevel import current_token

from .exceptions import LimitExceeded, StreamTimeout

__all__ = ["Handover"]


class Handover:
    """Hand items over to one task, from any thread, and from the event loop too.

    A thread that is `limit` items ahead waits, for `timeout` seconds at most, where there are any; the event loop
    cannot wait for its own task, and gets LimitExceeded.
    """

    def __init__(self, limit: int, timeout: float | None = None) -> None:
        self.stopped = False
        """Whether nobody takes any more."""
        self.over = False
        """Whether nothing more comes."""
        self._limit = limit
        self._timeout = timeout
        self._ready: deque[Any] = deque()
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._taker: anyio.Event | None = None
        self._token: Any = None
        self._home = 0

    def put(self, item: Any) -> bool:
        """Hand over one item, and wait while there is no room. Returns False when nobody takes any more."""
        with self._changed:
            if len(self._ready) >= self._limit and not self.stopped:
                self._wait_for_room()
            if self.stopped or self.over:
                return False
            self._ready.append(item)
            taker, self._taker = self._taker, None
        self._wake(taker)
        return True

    def end(self, error: BaseException | None = None) -> None:
        """Say that nothing more comes. The taker gets what is ready, and then `error`, if there is one."""
        with self._changed:
            if self.over:
                return
            self._error = error
            self.over = True
            self._changed.notify_all()
            taker, self._taker = self._taker, None
        self._wake(taker)

    async def take(self) -> list[Any]:
        """Return what is ready, or wait for it; nothing at the end. Raises the error that it ended with, once."""
        while True:
            with self._changed:
                if self._ready or self.over:
                    batch = list(self._ready)
                    self._ready.clear()
                    self._changed.notify_all()
                    break
                taker = self._expect()
            await taker.wait()
        if not batch and self._error is not None:
            error, self._error = self._error, None
            raise error
        return batch

    def stop(self) -> None:
        """Say that nobody takes any more: who waits for room goes on at once."""
        with self._changed:
            self.stopped = True
            self._ready.clear()
            self._changed.notify_all()

    async def wait_until_over(self) -> None:
        """Return once nothing more comes."""
        while True:
            with self._changed:
                if self.over:
                    return
                taker = self._expect()
            await taker.wait()

    def _expect(self) -> anyio.Event:
        if not self._home:
            self._token, self._home = current_token(), threading.get_ident()
        self._taker = anyio.Event()
        return self._taker

    def _wait_for_room(self) -> None:
        if _on_event_loop():
            raise LimitExceeded(
                f"{self._limit} items wait to be taken: call this in a thread, where it can wait, or raise limit",
                option="limit",
                limit=self._limit,
            )
        if not self._changed.wait_for(
            lambda: len(self._ready) < self._limit or self.stopped or self.over, self._timeout
        ):
            self.stopped = True
            raise StreamTimeout(f"nobody took anything for {self._timeout} s")

    def _wake(self, taker: anyio.Event | None) -> None:
        if taker is None:
            return
        if threading.get_ident() == self._home:
            taker.set()
            return
        try:
            anyio.from_thread.run_sync(taker.set, token=self._token)
        except RuntimeError:
            # The event loop ended meanwhile: nobody waits any more.
            self.stopped = True


def _on_event_loop() -> bool:
    try:
        current_token()
    except RuntimeError:
        return False
    return True
