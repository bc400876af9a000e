"""The meter: what is counted, on a clock that the test turns."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from random import Random

import anyio
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gai_stream.events import (
    AudioDelta,
    Citations,
    Done,
    Failure,
    Finish,
    FinishStep,
    Raw,
    ReasoningDelta,
    Safety,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from gai_stream.metrics import Meter
from gai_stream.sse import ServerSentEvent


class Clock:
    """Stand still until told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter(clock: Clock) -> Meter:
    return Meter(clock=clock)


def measure(latencies: Sequence[float]) -> Meter:
    """Return a meter that saw its first chunk at once and then one after each latency."""
    clock = Clock()
    clock.now = 0.0  # so that the sums stay exact enough for a comparison of single latencies
    meter = Meter(clock=clock)
    meter.event("x")
    for latency in latencies:
        # What the meter will take: the difference of two clock readings.
        clock.now += latency
        meter.event("x")
    return meter


def nearest_rank(values: Sequence[float], percent: int) -> float:
    """Return the percentile in the slow and obvious way."""
    ordered = sorted(values)
    return next(value for count, value in enumerate(ordered, 1) if count * 100 >= percent * len(ordered))


def test_a_whole_stream_is_measured(meter: Meter, clock: Clock) -> None:
    meter.event(Start("model"))
    clock.now += 0.5
    meter.event(TextDelta("Hello"))
    for latency in (0.25, 0.25, 1.0):
        clock.now += latency
        meter.event(TextDelta(" you"))
    meter.sent(100)
    meter.sent(20)
    clock.now += 1.0
    meter.event(Finish("stop", Usage(input_tokens=7, output_tokens=40)))
    clock.now += 1.0
    meter.end("complete")
    clock.now += 50.0
    assert msgspec.structs.asdict(meter.summary()) == {
        "time_to_first_token": 0.5,
        "inter_token_latency_p50": 0.25,
        "inter_token_latency_p95": 1.0,
        "inter_token_latency_max": 1.0,
        "tokens_per_second": 20.0,
        "tokens_estimated": False,
        "chunks": 4,
        "characters": 17,
        "bytes": 120,
        "duration": 4.0,
        "end_reason": "complete",
        "usage": Usage(input_tokens=7, output_tokens=40),
    }


def test_what_is_unknown_is_none(meter: Meter, clock: Clock) -> None:
    clock.now += 3.0
    summary = meter.summary()
    assert msgspec.structs.asdict(summary) == {
        "time_to_first_token": None,
        "inter_token_latency_p50": None,
        "inter_token_latency_p95": None,
        "inter_token_latency_max": None,
        "tokens_per_second": None,
        "tokens_estimated": True,
        "chunks": 0,
        "characters": 0,
        "bytes": None,
        "duration": 3.0,
        "end_reason": None,
        "usage": None,
    }
    with pytest.raises(AttributeError, match="immutable"):
        summary.chunks = 1  # type: ignore[misc]


def test_tokens_of_an_answer_without_output_give_no_rate(meter: Meter, clock: Clock) -> None:
    clock.now += 1.0
    meter.event(Finish("stop", Usage(output_tokens=5)))
    assert meter.summary().tokens_per_second is None


def test_first_chunk_alone_has_no_latency_and_at_the_start_no_rate(meter: Meter) -> None:
    meter.event("a")
    summary = meter.summary()
    assert (summary.time_to_first_token, summary.inter_token_latency_max, summary.tokens_per_second) == (
        0.0,
        None,
        None,
    )


def test_chunks_stand_in_for_tokens_and_it_says_so(meter: Meter, clock: Clock) -> None:
    for _ in range(4):
        clock.now += 0.5
        meter.event("word ")
    assert (meter.summary().tokens_per_second, meter.summary().tokens_estimated) == (2.0, True)
    meter.usage(Usage(input_tokens=9))
    assert (meter.summary().tokens_per_second, meter.summary().tokens_estimated) == (2.0, True)
    meter.usage(Usage(output_tokens=100))
    assert (meter.summary().tokens_per_second, meter.summary().tokens_estimated) == (50.0, False)


def test_no_token_is_known_and_is_not_unknown(meter: Meter, clock: Clock) -> None:
    clock.now += 1.0
    meter.event("x")
    meter.usage(Usage(output_tokens=0))
    assert (meter.summary().tokens_per_second, meter.summary().tokens_estimated) == (0.0, False)


@pytest.mark.parametrize(
    ("item", "characters"),
    [
        ("text", 4),
        ("é😀", 2),
        (TextDelta("text"), 4),
        (TextDelta("no", refusal=True), 2),
        (ReasoningDelta("hm"), 0),
        (AudioDelta(b"\0"), 0),
        (AudioDelta(b"", transcript="hi"), 0),
        (ToolCallDelta(0, name="f"), 0),
        (ToolCallDelta(0, arguments="{"), 0),
        (ToolCall("1", "f", {}), 0),
        (ServerSentEvent("data"), 0),
        ({"any": "value"}, 0),
        (b"", 0),
    ],
)
def test_output_is_a_chunk(meter: Meter, item: object, characters: int) -> None:
    meter.event(item)
    assert (meter.summary().chunks, meter.summary().characters) == (1, characters)
    assert meter.summary().time_to_first_token == 0.0


@pytest.mark.parametrize(
    "item",
    [
        "",
        TextDelta(""),
        ReasoningDelta("", signature="seal"),
        AudioDelta(b""),
        ToolCallDelta(0, id="1"),
        Start(),
        ToolResult("1", "f", 1),
        Citations([]),
        Safety("harm", "pass"),
        FinishStep(1),
        Finish("stop"),
        Failure("internal", "no"),
        Done(),
        Raw("openai", {}),
    ],
)
def test_what_is_no_output_is_no_chunk(meter: Meter, item: object) -> None:
    meter.event(item)
    assert (meter.summary().chunks, meter.summary().time_to_first_token) == (0, None)


def test_tool_call_after_its_fragments_is_not_counted_again(meter: Meter) -> None:
    meter.event(ToolCallDelta(0, "1", "f"))
    meter.event(ToolCallDelta(0, arguments="{}"))
    meter.event(ToolCall("1", "f", {}, "{}"))
    assert meter.summary().chunks == 2


def test_later_usage_replaces_earlier_field_by_field(meter: Meter) -> None:
    meter.usage(Usage(input_tokens=3, output_tokens=1))
    meter.event(Finish("stop", Usage(output_tokens=9, reasoning_tokens=0)))
    assert meter.summary().usage == Usage(input_tokens=3, output_tokens=9, reasoning_tokens=0)


def test_start_moves_the_beginning(meter: Meter, clock: Clock) -> None:
    clock.now += 10.0
    meter.start()
    clock.now += 0.5
    meter.event("x")
    assert (meter.summary().time_to_first_token, meter.summary().duration) == (0.5, 0.5)


def test_start_after_the_first_chunk_or_the_end_is_refused(meter: Meter, clock: Clock) -> None:
    meter.event("x")
    with pytest.raises(RuntimeError, match=r"^Meter: start after the first chunk or the end$"):
        meter.start()
    ended = Meter(clock=clock)
    ended.end("complete")
    with pytest.raises(RuntimeError, match="after the first chunk or the end"):
        ended.start()


def test_first_end_counts(meter: Meter, clock: Clock) -> None:
    clock.now += 1.0
    meter.end("disconnect")
    clock.now += 1.0
    meter.end("complete")
    assert (meter.summary().end_reason, meter.summary().duration) == ("disconnect", 1.0)


def test_log_line_tells_end_chunks_and_characters(meter: Meter) -> None:
    meter.event("x" * 377)
    for _ in range(146):
        meter.event("y")
    assert meter.summary().log_line() == "Streaming open - Total chunks: 147, Total length: 523 characters"
    meter.end("complete")
    assert meter.summary().log_line() == "Streaming complete - Total chunks: 147, Total length: 523 characters"


def test_clock_is_the_monotonic_one_unless_given() -> None:
    meter = Meter()
    meter.event("x")
    assert 0 <= (meter.summary().time_to_first_token or 0.0) <= meter.summary().duration


# latencies


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60))
def test_percentiles_are_latencies_that_occurred(latencies: list[int]) -> None:
    summary = measure([float(latency) for latency in latencies]).summary()
    assert summary.inter_token_latency_p50 == nearest_rank(latencies, 50)
    assert summary.inter_token_latency_p95 == nearest_rank(latencies, 95)
    assert summary.inter_token_latency_max == max(latencies)


@pytest.mark.parametrize("count", [1024, 1025, 5000])
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1 << 32))
def test_percentiles_of_many_are_within_one_percent(count: int, seed: int) -> None:
    random = Random(seed)
    latencies = [random.lognormvariate(-3, 1.5) for _ in range(count)]
    meter = measure(latencies)
    summary = meter.summary()
    # The meter sees differences of clock readings; hence the hair's breadth beyond 1 %.
    assert summary.inter_token_latency_p50 == pytest.approx(nearest_rank(latencies, 50), rel=0.0100001)
    assert summary.inter_token_latency_p95 == pytest.approx(nearest_rank(latencies, 95), rel=0.0100001)
    assert summary.inter_token_latency_max == pytest.approx(max(latencies), rel=1e-9)
    assert bool(meter._buckets) == (count > 1024)


def test_latencies_of_nothing_stay_nothing_in_buckets() -> None:
    summary = measure([0.0] * 2000).summary()
    assert (summary.inter_token_latency_p50, summary.inter_token_latency_p95) == (0.0, 0.0)


def test_no_percentile_exceeds_the_longest() -> None:
    summary = measure([0.5] * 2000).summary()
    assert summary.inter_token_latency_p95 is not None
    assert summary.inter_token_latency_p95 <= 0.5


def test_memory_is_bounded() -> None:
    def size(count: int) -> int:
        # From below a microsecond to eleven days, which is wider than any stream.
        meter = measure([10 ** (number % 13 - 6) * (1 + number % 97) / 97 for number in range(count)])
        return sys.getsizeof(meter._latencies) + sys.getsizeof(meter._buckets)

    small = size(5_000)
    assert size(50_000) <= small * 1.1
    assert small < 64_000


def test_summary_on_the_way_changes_nothing(clock: Clock) -> None:
    watched, left_alone = Meter(clock=clock), Meter(clock=clock)
    for number in range(2500):
        clock.now += number % 7
        for meter in (watched, left_alone):
            meter.event("x")
        if number % 500 == 0:
            watched.summary()
    assert watched.summary() == left_alone.summary() == left_alone.summary()


# watch


class Scripted:
    """Yield items, then raise; remember being closed."""

    def __init__(self, items: Sequence[object], error: BaseException | None = None) -> None:
        self.closed = False
        self._items = iter(items)
        self._error = error

    def __aiter__(self) -> AsyncIterator[object]:
        return self

    async def __anext__(self) -> object:
        for item in self._items:
            return item
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.anyio
async def test_watched_items_pass_as_they_are_and_the_end_is_recorded(meter: Meter) -> None:
    items = ["a", TextDelta("b"), {"c": 1}]
    source = Scripted(items)
    seen = [item async for item in meter.watch(source)]
    assert [id(item) for item in seen] == [id(item) for item in items]
    assert (meter.summary().chunks, meter.summary().end_reason) == (3, "complete")
    assert source.closed


@pytest.mark.anyio
async def test_stream_that_cannot_be_closed_is_watched_too(meter: Meter) -> None:
    class Bare:
        def __aiter__(self) -> AsyncIterator[str]:
            return self

        async def __anext__(self) -> str:
            raise StopAsyncIteration

    assert [item async for item in meter.watch(Bare())] == []
    assert meter.summary().end_reason == "complete"


@pytest.mark.anyio
async def test_failing_stream_ends_in_error(meter: Meter) -> None:
    error = OSError("gone")
    source = Scripted(["a"], error)
    with pytest.raises(OSError, match="gone") as raised:
        async for _ in meter.watch(source):
            pass
    assert raised.value is error
    assert (meter.summary().chunks, meter.summary().end_reason) == (1, "error")
    assert source.closed


@pytest.mark.anyio
async def test_stream_that_tells_of_a_failure_is_not_complete(meter: Meter) -> None:
    async for _ in meter.watch(Scripted(["a", Failure("overloaded", "busy")])):
        pass
    assert meter.summary().end_reason == "error"


@pytest.mark.anyio
async def test_stream_closed_by_its_consumer_ends_in_disconnect(meter: Meter) -> None:
    source = Scripted(["a", "b"])
    async with aclosing(meter.watch(source)) as watched:
        assert await anext(watched) == "a"
    assert (meter.summary().chunks, meter.summary().end_reason) == (1, "disconnect")
    assert source.closed


@pytest.mark.anyio
async def test_cancelled_stream_says_so(meter: Meter) -> None:
    async def endless() -> AsyncGenerator[str, None]:
        yield "a"
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        async for _ in meter.watch(endless()):
            scope.cancel()
    assert scope.cancelled_caught
    assert (meter.summary().chunks, meter.summary().end_reason) == (1, "cancelled")


@pytest.mark.anyio
async def test_reason_given_before_the_end_is_kept(meter: Meter) -> None:
    async for _ in meter.watch(Scripted(["a"])):
        meter.end("timeout")
    assert meter.summary().end_reason == "timeout"
