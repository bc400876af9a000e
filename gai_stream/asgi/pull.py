"""From a stream's source to its Writer: what it yields is encoded, and leaves in the way that costs least."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from time import monotonic
from types import coroutine
from typing import Any

from anyio.lowlevel import checkpoint

from gai_stream.events import EVENT_TYPES, Failure, TextDelta
from gai_stream.exceptions import ProviderError
from gai_stream.lift import Lift
from gai_stream.source import Source
from gai_stream.transform import Transform
from gai_stream.writer import Framing, Texts, Writer, texts_of_events

from .report import Report

__all__ = ["Pull"]

_TURN = 0.005
"""Seconds that a stream which never waits may hold the event loop: without a pause no disconnect is ever seen."""


class Pull:
    """Pull a source dry, and write what it yields: events through `encoder`, other items as they are.

    `lift`, if there is one, makes events of what can be one. `opened` is set by who knows that the response has begun:
    from then on a Failure is told in band, and `failed` says that one was; before, it is raised as ProviderError.
    """

    def __init__(
        self,
        writer: Writer,
        framing: Framing,
        encoder: Transform[Any, Any],
        lift: Lift | None,
        report: Report | None,
    ) -> None:
        self.opened = False
        self.failed = False
        self._writer = writer
        self._framing = framing
        self._encoder = encoder
        self._lift = lift
        self._report = report
        self._waits = 0

    def __call__(self, source: Source) -> Awaitable[None]:
        """Write everything."""
        return self._counted(self._pull(source))

    async def _pull(self, source: Source) -> None:
        lift, report, writer = self._lift, self._report, self._writer
        # How the texts behind a first one are framed, without being looked at one by one.
        run: Texts | None = None
        behind_text = False
        # Items that come one by one are sent from here, each at once, and so is the very first; those that come
        # together leave together.
        waits, alone, together = -1, False, False
        turn_ends = 0.0
        async for item in source:
            if waits != self._waits:
                alone, together = not together and writer.claim(), False
                turn_ends = monotonic() + _TURN
            else:
                together = True
                if monotonic() >= turn_ends:
                    await checkpoint()
                    turn_ends = monotonic() + _TURN
            if type(item) is TextDelta:
                text = item.text if not item.index and not item.refusal else None
            else:
                text = item if lift is not None else None
            if type(text) is not str or not text:
                run, behind_text = None, False
                for event in (item,) if lift is None or type(item) in EVENT_TYPES else lift.feed(item):
                    await self.write(event)
            else:
                if run is None and behind_text:
                    run = texts_of_events(self._encoder, self._framing)
                if run is None:
                    await self.write(TextDelta(text))
                    behind_text = True
                else:
                    if report is not None:
                        report.add(TextDelta(text))
                    if writer.defer(text, run):
                        await writer.room(here=True)
            if alone:
                await writer.release()
                alone = False
            # Only the source's own waiting counts.
            waits = self._waits
        if lift is not None:
            for event in lift.finish():
                await self.write(event)

    @coroutine
    def _counted(self, work: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
        """Await `work`, and count how often it waits: whether an item had to be waited for, nothing else tells."""
        try:
            waits_for = work.send(None)
            while True:
                self._waits += 1
                try:
                    value = yield waits_for
                except BaseException as exc:  # noqa: BLE001 (passed on)
                    waits_for = work.throw(exc)
                else:
                    waits_for = work.send(value)
        except StopIteration:
            return

    async def write(self, item: Any) -> None:
        """Write one item."""
        if self._report is not None:
            self._report.add(item)
        if type(item) not in EVENT_TYPES:
            await self._writer.write(item)
            return
        if type(item) is Failure and not self._writer.begun and not self.opened:
            raise ProviderError(item.code, item.message, None, item.temporary, item.retry_after)
        self.failed = self.failed or type(item) is Failure
        for message in self._encoder.feed(item):
            await self._writer.write(message)
