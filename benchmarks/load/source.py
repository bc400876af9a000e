"""What every contestant streams: one async generator, whose pace the benchmark sets from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic, perf_counter_ns

__all__ = ["PIECE", "STAMP_DIGITS", "Pace"]

PIECE = "benchmark"
STAMP_DIGITS = 20

_GOLDEN = 0.6180339887498949
"""Multiples of it, modulo 1, are spread evenly over the unit interval however many there are."""


class Pace:
    """Call it for a stream.

    A burst yields `events` pieces of text without a pause, but for `wait` seconds before the first and `gap` seconds
    behind it. A paced stream yields one piece at once; from then on it waits while `rate` is 0, and else yields `rate`
    pieces a second, each of them the `perf_counter_ns` at which it was yielded: any process of this machine can compare
    it with its own. `yielded` counts those.
    """

    def __init__(self) -> None:
        self.yielded = 0
        self._events: int | None = None
        self._wait = self._gap = 0.0
        self._rate = 0.0
        self._opened = 0
        self._changed = asyncio.Event()

    def __call__(self) -> AsyncIterator[str]:
        if self._events is None:
            self._opened += 1
            return self._paced(self._opened * _GOLDEN % 1.0)
        return self._burst(self._events)

    def burst(self, events: int, wait: float, gap: float) -> None:
        """Make bursts of the streams that are opened from now on."""
        self._events, self._wait, self._gap = events, wait, gap

    def paced(self, rate: float) -> None:
        """Make paced streams of those that are opened from now on, and set the pace of all, in events per second."""
        self._events, self._rate = None, rate
        self._changed.set()
        self._changed = asyncio.Event()

    async def _burst(self, events: int) -> AsyncIterator[str]:
        if self._wait:
            await asyncio.sleep(self._wait)
        if self._gap:
            yield PIECE
            events -= 1
            await asyncio.sleep(self._gap)
        for _ in range(events):
            yield PIECE

    async def _paced(self, phase: float) -> AsyncIterator[str]:
        yield PIECE
        while True:
            while not (rate := self._rate):
                await self._changed.wait()
            # Not all at once, even though all are told at once.
            due = monotonic() + phase / rate
            while True:
                await asyncio.sleep(due - monotonic())
                if self._rate != rate:
                    break
                due += 1 / rate
                self.yielded += 1
                yield f"{perf_counter_ns():0{STAMP_DIGITS}}"
