"""A stream in one piece."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest

from gai_stream.events import (
    AudioDelta,
    Citation,
    Citations,
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from gai_stream.exceptions import ProviderError
from gai_stream.providers import Reply, collect

pytestmark = pytest.mark.anyio


class Stream:
    """Events that tell when they were closed."""

    def __init__(self, events: Iterable[Event], error: Exception | None = None) -> None:
        self._events = iter(events)
        self._error = error
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        for event in self._events:
            return event
        raise self._error or StopAsyncIteration

    async def aclose(self) -> None:
        self.closed += 1


async def test_a_reply_is_what_was_said_in_all() -> None:
    call = ToolCall("a", "f", {"x": 1}, '{"x":1}')
    stream = Stream(
        [
            Start("m", "gemini", "c1"),
            ReasoningDelta("hm", "seal"),
            ReasoningDelta("m"),
            TextDelta("Hi"),
            TextDelta("other", index=1),
            ReasoningDelta("other", index=1),
            TextDelta(" there"),
            TextDelta("I won't", refusal=True),
            AudioDelta(b"x"),
            ToolCallDelta(0, "a", "f", '{"x":1}'),
            call,
            ToolCall("b", "g", {}, "{}", choice=1),
            Citations([Citation("u")]),
            Citations([Citation("v")]),
            FinishStep(1),
            Finish("tool_calls", Usage(3, 2, 5)),
            Done(),
        ]
    )
    assert await collect(stream) == Reply(
        text="Hi there",
        reasoning="hmm",
        refusal="I won't",
        tool_calls=[call],
        citations=[Citation("u"), Citation("v")],
        finish_reason="tool_calls",
        usage=Usage(3, 2, 5),
        model="m",
        provider="gemini",
        id="c1",
    )
    assert stream.closed == 1


async def test_a_stream_that_says_nothing_is_an_empty_reply() -> None:
    assert await collect(Stream([])) == Reply(finish_reason="unknown")


async def test_a_failure_is_raised_and_the_stream_closed() -> None:
    stream = Stream([TextDelta("Hi"), Failure("rate_limited", "slow down", True, 7.0), Done(finished=False)])
    with pytest.raises(ProviderError, match=r"^slow down$") as caught:
        await collect(stream)
    assert (caught.value.code, caught.value.status, caught.value.retry_after) == ("rate_limited", 429, 7.0)
    assert stream.closed == 1


async def test_what_the_stream_raises_is_raised_and_the_stream_closed() -> None:
    stream = Stream([TextDelta("Hi")], ValueError("mine"))
    with pytest.raises(ValueError, match=r"^mine$"):
        await collect(stream)
    assert stream.closed == 1


async def test_a_stream_needs_no_aclose() -> None:
    class Bare:
        def __init__(self) -> None:
            self._left = [TextDelta("Hi")]

        def __aiter__(self) -> Bare:
            return self

        async def __anext__(self) -> Event:
            if not self._left:
                raise StopAsyncIteration
            return self._left.pop()

    assert (await collect(Bare())).text == "Hi"
