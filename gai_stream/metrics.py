"""What a stream did: time to first token, inter-token latency, totals and how it ended."""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from itertools import accumulate
from math import exp, log
from typing import Final, TypeVar

import msgspec

from .events import (
    EVENT_TYPES,
    AudioDelta,
    Failure,
    Finish,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)

__all__ = ["Meter", "MeterSummary"]

T = TypeVar("T")

_EXACT: Final = 1024
"""Latencies kept as they are (8 KB); with more, all of them are counted in buckets that are 2 % wide."""
_GROWTH: Final = log(1.02)
_SMALLEST: Final = 1e-6
"""Shorter ones are not told apart once they are counted in buckets."""


class MeterSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one stream. Times are in seconds; what is unknown is None.

    `chunks` counts the pieces of output, `characters` those of the answer's text (reasoning is not in it), `bytes`
    what was sent. Inter-token latency is the time from one chunk to the next: `p50` and `p95` are latencies that
    occurred (nearest rank), within 1 % for more than 1,024 of them; `max` is always exact. `tokens_per_second` is
    over the time from the start to the last chunk, so waiting for the first one counts; `tokens_estimated` says
    that the provider told no number of tokens and chunks were counted in their place. `end_reason` is None while
    the stream is open.
    """

    time_to_first_token: float | None
    inter_token_latency_p50: float | None
    inter_token_latency_p95: float | None
    inter_token_latency_max: float | None
    tokens_per_second: float | None
    tokens_estimated: bool
    chunks: int
    characters: int
    bytes: int | None
    duration: float
    end_reason: str | None
    usage: Usage | None

    def log_line(self) -> str:
        """Return one line for a log: how the stream ended, its chunks and characters."""
        return (
            f"Streaming {self.end_reason or 'open'} - "
            f"Total chunks: {self.chunks}, Total length: {self.characters} characters"
        )


class Meter:
    """Measure one stream, from the construction or from `start`. `clock` returns seconds and never goes back.

    Memory is bounded, whatever the length of the stream.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._first: float | None = None
        self._last = self._started
        self._ended: float | None = None
        self._reason: str | None = None
        self._chunks = 0
        self._characters = 0
        self._bytes: int | None = None
        self._usage: Usage | None = None
        self._fragments = False
        self._failed = False
        self._latencies = array("d")
        self._buckets: Counter[int] = Counter()
        self._longest: float | None = None

    def start(self) -> None:
        """Start the clock now, as when the request leaves some time after the meter was built."""
        if self._first is not None or self._ended is not None:
            raise RuntimeError("Meter: start after the first chunk or the end")
        self._started = self._clock()

    def event(self, event: object) -> None:
        """Count one item of a stream: an event, a `str` of text, or anything else that carries output.

        Chunks are `str`, deltas and tool calls that are not empty, and items that are no events (such as a
        ServerSentEvent or a dict); other events are not output. A ToolCall whose fragments came before is
        not counted again. Usage is taken from Finish.
        """
        characters = self._characters_of(event)
        if characters is None:
            return
        now = self._clock()
        self._chunks += 1
        self._characters += characters
        if self._first is None:
            self._first = now
        else:
            self._latency(now - self._last)
        self._last = now

    def sent(self, n_bytes: int) -> None:
        """Count bytes that went to the client."""
        self._bytes = (self._bytes or 0) + n_bytes

    def usage(self, usage: Usage) -> None:
        """Take the provider's figures. Later ones replace earlier ones, field by field."""
        known = {name: value for name, value in msgspec.structs.asdict(usage).items() if value is not None}
        self._usage = msgspec.structs.replace(self._usage or Usage(), **known)

    def end(self, reason: str) -> None:
        """Say why the stream ended, such as "complete", "error", "disconnect" or "cancelled". The first call counts."""
        if self._ended is None:
            self._ended = self._clock()
            self._reason = reason

    async def watch(self, stream: AsyncIterable[T]) -> AsyncGenerator[T, None]:
        """Yield the items of `stream` as they are, count them, and record how it ended.

        That is "complete"; "error" when it raised or held a Failure; "disconnect" when the consumer closed it;
        "cancelled" otherwise. The stream is closed with it.
        """
        items = aiter(stream)
        try:
            async for item in items:
                self.event(item)
                yield item
        except GeneratorExit:
            self.end("disconnect")
            raise
        except Exception:
            self.end("error")
            raise
        except BaseException:
            self.end("cancelled")
            raise
        else:
            self.end("error" if self._failed else "complete")
        finally:
            if (aclose := getattr(items, "aclose", None)) is not None:
                await aclose()

    def summary(self) -> MeterSummary:
        """Return the figures as they are now. While the stream is open they are those so far."""
        p50, p95 = self._percentiles(50, 95)
        tokens = None if self._usage is None else self._usage.output_tokens
        generating = self._last - self._started if self._first is not None else 0.0
        return MeterSummary(
            time_to_first_token=None if self._first is None else self._first - self._started,
            inter_token_latency_p50=p50,
            inter_token_latency_p95=p95,
            inter_token_latency_max=self._longest,
            tokens_per_second=(self._chunks if tokens is None else tokens) / generating if generating > 0 else None,
            tokens_estimated=tokens is None,
            chunks=self._chunks,
            characters=self._characters,
            bytes=self._bytes,
            duration=(self._clock() if self._ended is None else self._ended) - self._started,
            end_reason=self._reason,
            usage=self._usage,
        )

    def _characters_of(self, event: object) -> int | None:
        """Return the characters of text in a chunk; None for what is no chunk."""
        output = False
        match event:
            case str():
                return len(event) or None
            case TextDelta():
                return len(event.text) or None
            case ReasoningDelta():
                output = bool(event.text)
            case AudioDelta():
                output = bool(event.data or event.transcript)
            case ToolCallDelta():
                self._fragments = True
                output = bool(event.name or event.arguments)
            case ToolCall():
                output = not self._fragments
            case Finish():
                if event.usage is not None:
                    self.usage(event.usage)
            case Failure():
                self._failed = True
            case _:
                output = type(event) not in EVENT_TYPES
        return 0 if output else None

    def _latency(self, seconds: float) -> None:
        if self._longest is None or seconds > self._longest:
            self._longest = seconds
        self._latencies.append(seconds)
        if len(self._latencies) > _EXACT:
            self._buckets.update(map(_bucket, self._latencies))
            del self._latencies[:]

    def _percentiles(self, *percents: int) -> list[float | None]:
        """Return for each the smallest latency that so many percent of all do not exceed."""
        if self._longest is None:
            return [None for _ in percents]
        if not self._buckets:
            exact = sorted(self._latencies)
            return [exact[_rank(percent, len(exact)) - 1] for percent in percents]
        counts = self._buckets + Counter(map(_bucket, self._latencies))
        buckets = sorted(counts)
        totals = list(accumulate(counts[bucket] for bucket in buckets))
        found = [buckets[bisect_left(totals, _rank(percent, totals[-1]))] for percent in percents]
        return [min(exp((bucket + 0.5) * _GROWTH) * _SMALLEST, self._longest) for bucket in found]


def _rank(percent: int, count: int) -> int:
    # The ceiling, in integers: 0.95 * count is not always what it should be.
    return -(-percent * count // 100)


def _bucket(seconds: float) -> int:
    return int(log(seconds / _SMALLEST) / _GROWTH) if seconds > _SMALLEST else 0
