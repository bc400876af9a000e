"""What is written and not yet sent: in order, each message whole. No clock, no I/O."""

from __future__ import annotations

from .texts import Texts

__all__ = ["Outbox"]


class Outbox:
    """Messages on their way: those framed, and behind them a run of texts that is framed in one go when it leaves.

    `begun` says whether anything was put in. `_unsent` counts bytes; those of the run by a guess that is never too
    high, and that is made good as soon as `_look` bytes are passed, by framing the run.
    """

    # Slots, because CPython 3.11 is slow to find attributes of an object that has more than thirty.
    __slots__ = (
        "_deferring",
        "_flush_size",
        "_framed",
        "_look",
        "_overhead",
        "_run",
        "_texts",
        "_unsent",
        "_waiting",
        "begun",
    )

    def __init__(self, flush_size: int) -> None:
        self.begun = False
        self._flush_size = flush_size
        self._waiting: list[bytes] = []
        self._framed = 0
        self._texts: list[str] = []
        self._run: Texts | None = None
        self._overhead = 0
        self._unsent = 0
        self._look = flush_size // 4
        # Whether a `str` message may join the run without further ado.
        self._deferring = False

    def _append(self, chunks: list[bytes]) -> None:
        """Put in what is framed."""
        if self._texts:
            self._frame()
        for chunk in chunks:
            self.begun = True
            self._waiting.append(chunk)
            self._framed += len(chunk)
        self._unsent = self._framed

    def _follow(self, run: Texts | None) -> None:
        """Let the texts that are put in from now on be framed as `run` says."""
        if self._texts:
            self._frame()
        self._run = run
        self._overhead = run.overhead if run is not None else 0

    def _frame(self) -> None:
        """Frame the run."""
        if self._run is not None and self._texts:
            chunk = self._run.join(self._texts)
            self._texts.clear()
            self._waiting.append(chunk)
            self._framed += len(chunk)
            self._unsent = self._framed
        self._look = min(self._flush_size, self._framed + self._flush_size // 4)

    def _take(self) -> bytes:
        """Return all that waits as one chunk. It counts as unsent until `_forget`."""
        if self._texts:
            self._frame()
        chunk = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        self._waiting.clear()
        return chunk

    def _forget(self, size: int) -> None:
        """Count `size` bytes as sent."""
        self._framed -= size
        self._unsent -= size
        self._look = min(self._flush_size, self._framed + self._flush_size // 4)
