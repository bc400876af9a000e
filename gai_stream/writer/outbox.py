"""What is written and not yet sent: in order, each message whole. No clock, no I/O.

The one file that may be compiled, by Cython, as outbox.pxd says: a wheel that was asked for it has both.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Generator
from typing import Any, NoReturn, Self, cast

from .framing import Framing
from .texts import Texts, texts_of_messages

__all__ = ["COMPILED", "DONE", "Outbox"]

COMPILED = not __file__.endswith((".py", ".pyc"))


class _Done:
    """A coroutine that is over before it began: one for all, awaited any number of times, in half a coroutine's time.

    It has all that a `Coroutine` has, and so is one to whatever starts tasks; deriving from that cannot be compiled.
    """

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> NoReturn:
        raise StopIteration

    def send(self, _value: Any, /) -> NoReturn:
        raise StopIteration

    def throw(self, exc: Any, _value: Any = None, _traceback: Any = None, /) -> NoReturn:
        raise exc

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


if not COMPILED:
    # The iterator of an empty tuple ends at once, and no Python code runs for it.
    _Done.__await__ = staticmethod(().__iter__)  # type: ignore[assignment, method-assign]

DONE: Coroutine[Any, Any, None] = _Done()


class Outbox:
    """Messages on their way: those framed, and behind them a run of texts that is framed in one go when it leaves.

    Who sends is told by `_rouse`, once for all that leaves together; `_roused` is set until it has left. `_unsent`
    counts bytes; those of the run by a guess that is never too high, and that is made good as soon as `_look` bytes
    are passed, by framing the run.
    """

    # Slots, because CPython 3.11 is slow to find attributes of an object that has more than thirty.
    __slots__ = (
        "_begun",
        "_deferring",
        "_flush_size",
        "_framed",
        "_framing",
        "_look",
        "_near",
        "_open",
        "_overhead",
        "_plain",
        "_roused",
        "_run",
        "_stride",
        "_texts",
        "_unsent",
        "_waiting",
    )

    def __init__(self, framing: Framing, flush_size: int) -> None:
        # Compiled, sizes are C's; and none can be larger.
        flush_size = min(flush_size, sys.maxsize)
        self._begun = False
        self._framing = framing
        self._flush_size = flush_size
        self._waiting: list[bytes] = []
        self._framed = 0
        self._texts: list[str] = []
        self._plain = texts_of_messages(framing)
        self._run = cast("Texts", None)
        self._overhead = 0
        self._unsent = 0
        self._stride = self._look = flush_size // 4
        self._near = flush_size - self._stride
        self._open = False
        self._roused = False
        # Whether a `str` message may join the run without further ado.
        self._deferring = False

    @property
    def begun(self) -> bool:
        """Whether anything was put in."""
        return self._begun or bool(self._texts)

    def write(self, message: Any) -> Coroutine[Any, Any, None]:
        """Write one message; await it, to wait while more than `flush_size` bytes are unsent.

        Raises EncodeError (nothing of the message is written, and the stream goes on), ClosedResourceError of anyio
        after the end, and whatever the transport raised.
        """
        if self._deferring and type(message) is str:
            # Neither framed nor given a coroutine of its own: that takes longer than all the rest.
            self._texts.append(message)
            self._unsent = unsent = self._unsent + len(message) + self._overhead
            return self.room() if unsent >= self._look and self._full() else DONE
        if not self._roused:
            return self._write_first(message)
        try:
            chunks = self._framing.feed(message)
        except Exception as exc:  # noqa: BLE001 (raised again, where the caller awaits)
            return _raise(exc)
        if self._texts:
            self._frame()
        for chunk in chunks:
            self._begun = True
            self._waiting.append(chunk)
            self._framed += len(chunk)
        self._unsent = self._framed
        return DONE if self._framed < self._flush_size else self.room()

    def defer(self, text: str, run: Texts) -> bool:
        """Put `text` into a run, framed as `run` says. Return whether to await `room` before the next.

        Only for a Writer that has tasks. `room` also raises why nothing can be written any more.
        """
        if run is not self._run or not self._roused:
            if not self._open:
                return True
            if run is not self._run:
                self._follow(run)
            if not self._roused:
                self._rouse()
        self._texts.append(text)
        self._unsent = unsent = self._unsent + len(text) + self._overhead
        return unsent >= self._look and self._full()

    def abandon(self) -> None:
        """Take nothing more, and leave the framing's end out: what was to be written never began."""
        self._open = False

    def _write_first(self, message: Any) -> Coroutine[Any, Any, None]:
        """Write while nobody is about to send."""
        raise NotImplementedError

    async def room(self, *, here: bool = False) -> None:
        """Wait until less than `flush_size` bytes are unsent."""
        raise NotImplementedError

    def _rouse(self) -> None:
        """Tell who sends that something waits."""
        raise NotImplementedError

    def _append(self, chunks: list[bytes]) -> None:
        """Put in what is framed."""
        if self._texts:
            self._frame()
        for chunk in chunks:
            self._begun = True
            self._waiting.append(chunk)
            self._framed += len(chunk)
        self._unsent = self._framed

    def _follow(self, run: Texts) -> None:
        """Let the texts that are put in from now on be framed as `run` says."""
        if run is not self._run:
            if self._texts:
                self._frame()
            self._run, self._overhead = run, run.overhead
        self._deferring = run is self._plain

    def _full(self) -> bool:
        self._frame()
        return self._unsent >= self._flush_size

    def _frame(self) -> None:
        """Frame the run."""
        if self._texts:
            self._waiting.append(self._join())
        self._look = self._flush_size if self._framed > self._near else self._framed + self._stride

    def _join(self) -> bytes:
        """Return the run as it is framed, and begin it anew."""
        self._begun = True
        chunk = self._run.join(self._texts)
        self._texts.clear()
        self._framed += len(chunk)
        self._unsent = self._framed
        return chunk

    def _take(self) -> bytes:
        """Return all that waits as one chunk. It counts as unsent until `_forget`."""
        waiting = self._waiting
        if not waiting:
            return self._join() if self._texts else b""
        if self._texts:
            waiting.append(self._join())
        chunk = waiting[0] if len(waiting) == 1 else b"".join(waiting)
        waiting.clear()
        return chunk

    def _forget(self, size: int) -> None:
        """Count `size` bytes as sent."""
        self._framed -= size
        self._unsent -= size
        self._look = self._flush_size if self._framed > self._near else self._framed + self._stride


async def _raise(exc: Exception) -> NoReturn:
    raise exc
