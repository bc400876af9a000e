"""The provider that needs no network: what it says, how fast, and how it fails."""

from __future__ import annotations

import json
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects import registry
from gai_stream.events import (
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    Start,
    TextDelta,
    ToolCall,
    Usage,
)
from gai_stream.exceptions import DecodeError, LimitExceeded, ProviderError, TruncatedStream
from gai_stream.ndjson import NDJSONDecoder
from gai_stream.providers import ChatRequest, ScriptedProvider
from gai_stream.providers.scripted import ANSWER
from gai_stream.sse import SSEDecoder

pytestmark = pytest.mark.anyio

ASK = ChatRequest.from_text("Wie schnell ist «schnell»?")
SCRIPT: list[Event] = [Start("m"), TextDelta("a"), TextDelta("b"), Finish("stop"), Done()]


async def play(provider: ScriptedProvider, request: ChatRequest = ASK) -> list[Event]:
    async with aclosing(provider.stream(request)) as stream:
        return [event async for event in stream]


async def play_until_error(provider: ScriptedProvider) -> tuple[list[Event], Exception]:
    events: list[Event] = []
    with pytest.raises(Exception) as caught:
        async with aclosing(provider.stream(ASK)) as stream:
            async for event in stream:
                events.append(event)
    return events, caught.value


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


# --- what it says ---


async def test_the_built_in_answer_mentions_the_question_and_is_not_ascii() -> None:
    events = await play(ScriptedProvider(pace=0))
    text = text_of(events)
    assert text == ANSWER.replace("{question}", "Wie schnell ist «schnell»?")
    for piece in ("Grüße", "流式传输", "🎉", "\u200d", "<b>not markup</b>"):
        assert piece in text
    assert text.count("\n\n") >= 3


async def test_a_stream_begins_and_ends_as_a_model_does() -> None:
    events = await play(ScriptedProvider(pace=None, text="One two."))
    start, *_ = events
    assert start == Start("scripted", "scripted", start.id if isinstance(start, Start) else None)
    assert isinstance(start, Start)
    assert start.id
    assert start.id.startswith("scripted-")
    assert events[1:] == [
        TextDelta("One"),
        TextDelta(" two"),
        TextDelta("."),
        FinishStep(1),
        Finish("stop", Usage(9, 3, 12)),
        Done(),
    ]


async def test_the_requested_model_is_the_one_that_answers() -> None:
    first, *_ = await play(ScriptedProvider(pace=0, model="parrot"), ChatRequest.from_text("q", model="owl"))
    assert isinstance(first, Start)
    assert first.model == "owl"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_tokens_join_to_the_text(text: str) -> None:
    events: list[Event] = []

    async def main() -> None:
        events.extend(await play(ScriptedProvider(pace=0, text=text)))

    anyio.run(main)
    assert text_of(events) == text
    assert all(event.text for event in events if isinstance(event, TextDelta))


async def test_the_pieces_are_about_the_size_of_a_token() -> None:
    pieces = [event.text for event in await play(ScriptedProvider(pace=0)) if isinstance(event, TextDelta)]
    assert len(pieces) > 150
    assert max(len(piece.strip()) for piece in pieces) <= 6


async def test_the_same_request_and_seed_give_the_same_answer() -> None:
    assert await play(ScriptedProvider(pace=0)) == await play(ScriptedProvider(pace=0))
    one, other = await play(ScriptedProvider(pace=0)), await play(ScriptedProvider(pace=0, seed=1))
    assert one[0] != other[0]
    assert one[1:] == other[1:]


async def test_a_list_of_events_is_played_as_it_is_and_every_time() -> None:
    provider = ScriptedProvider(events=iter(SCRIPT), pace=0)
    assert await play(provider) == SCRIPT
    assert await play(provider) == SCRIPT


async def test_aclose_does_nothing_and_can_be_called_twice() -> None:
    provider = ScriptedProvider(pace=0)
    await provider.aclose()
    await provider.aclose()
    assert await play(provider)


# --- how fast ---


class TestPace:
    @pytest.fixture
    def anyio_backend(self) -> tuple[str, dict[str, Any]]:
        return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}

    async def times(self, provider: ScriptedProvider) -> list[float]:
        began = anyio.current_time()
        async with aclosing(provider.stream(ASK)) as stream:
            return [anyio.current_time() - began async for _ in stream]

    async def test_every_piece_waits_half_to_one_and_a_half_of_the_pace(self) -> None:
        times = await self.times(ScriptedProvider(text="word " * 400, pace=0.1, first_token_delay=0))
        waits = [later - earlier for earlier, later in pairwise(times)][:400]
        assert times[0] == 0
        assert all(0.05 <= wait <= 0.15 for wait in waits)
        assert 0.095 < sum(waits) / len(waits) < 0.105
        assert max(waits) - min(waits) > 0.08

    async def test_only_what_is_said_takes_time(self) -> None:
        script: list[Event] = [*SCRIPT[:3], ToolCall("c", "f", {}), Finish("stop"), Done()]
        times = await self.times(ScriptedProvider(events=script, pace=1, first_token_delay=0))
        assert times[0] == 0
        assert times[0] < times[1] < times[2] == times[3] == times[4] == times[5]

    async def test_the_first_event_waits_longer(self) -> None:
        times = await self.times(ScriptedProvider(events=SCRIPT, pace=0.1))
        assert 0.5 <= times[0] <= 1.5
        times = await self.times(ScriptedProvider(events=SCRIPT, pace=0.1, first_token_delay=10))
        assert 5 <= times[0] <= 15

    async def test_the_same_seed_gives_the_same_times(self) -> None:
        one, other = ScriptedProvider(seed=7), ScriptedProvider(seed=7)
        assert await self.times(one) == pytest.approx(await self.times(other), abs=1e-9)
        assert await self.times(one) != pytest.approx(await self.times(ScriptedProvider(seed=8)), abs=1e-3)

    @pytest.mark.parametrize("pace", [0, None])
    async def test_no_pace_takes_no_time(self, pace: float | None) -> None:
        assert set(await self.times(ScriptedProvider(pace=pace))) == {0.0}

    async def test_closing_while_it_waits_ends_it_at_once(self) -> None:
        provider = ScriptedProvider(events=SCRIPT, pace=10, first_token_delay=0)
        with anyio.move_on_after(1) as scope:
            await play(provider)
        assert scope.cancelled_caught
        assert anyio.current_time() >= 1


# --- failing on cue ---


@pytest.mark.parametrize("count", [0, 1, 3, len(SCRIPT)])
async def test_an_exception_is_raised_after_so_many_events(count: int) -> None:
    error = ProviderError("rate_limited", "slow down", 429, True, 7.0)
    provider = ScriptedProvider(events=SCRIPT, pace=0, fail_after=count, error=error)
    for _ in range(2):
        events, raised = await play_until_error(provider)
        assert events == SCRIPT[:count]
        assert raised is error


@pytest.mark.parametrize("count", [0, 2])
async def test_a_failure_is_yielded_and_the_answer_is_not_finished(count: int) -> None:
    failure = Failure("overloaded", "too many", True)
    provider = ScriptedProvider(events=SCRIPT, pace=0, fail_after=count, error=failure)
    assert await play(provider) == [*SCRIPT[:count], failure, Done(finished=False)]


async def test_without_an_error_of_yours_the_provider_is_unavailable() -> None:
    events, error = await play_until_error(ScriptedProvider(events=SCRIPT, pace=0, fail_after=0))
    assert events == []
    assert isinstance(error, ProviderError)
    assert (error.code, error.status, str(error)) == (
        "provider_unavailable",
        503,
        "the scripted provider failed on cue",
    )


async def test_a_script_shorter_than_the_cue_ends_as_it_is() -> None:
    assert await play(ScriptedProvider(events=SCRIPT, pace=0, fail_after=len(SCRIPT) + 1)) == SCRIPT


# --- replay ---


def decoded(data: bytes, dialect: str) -> list[Event]:
    known = registry.dialect(dialect)
    assert known.decoder is not None
    decoder, framing = known.decoder(), SSEDecoder()
    messages = [*framing.feed(data), *framing.finish()]
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


@pytest.mark.parametrize("cuts", [None, 0, 1, 2])
async def test_every_recorded_stream_is_replayed_whole_however_it_is_cut(corpus: Path, cuts: int | None) -> None:
    files = sorted((corpus / "openai").glob("*.sse"))
    assert files
    for file in files:
        events = await play(ScriptedProvider.replay(file, pace=0, cuts=cuts))
        assert events == decoded(file.read_bytes(), "openai"), file.name
        assert isinstance(events[-1], Done)


async def test_a_recording_may_be_bytes_or_a_path_and_can_be_played_again(corpus: Path) -> None:
    file = corpus / "openai" / "text_usage.sse"
    provider = ScriptedProvider.replay(file.read_bytes(), pace=0)
    first = await play(provider)
    assert text_of(first).startswith("I'm unable to provide real-time weather updates.")
    assert await play(provider) == first
    assert await play(ScriptedProvider.replay(str(file), pace=0)) == first


async def test_a_recording_can_fail_on_cue() -> None:
    data = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n' * 3
    provider = ScriptedProvider.replay(data, pace=0, fail_after=2, error=OSError("cable cut"), name="r")
    assert provider.name == "r"
    events, error = await play_until_error(provider)
    assert events == [Start(), TextDelta("a")]
    assert isinstance(error, OSError)


async def test_a_truncated_recording_fails_behind_its_good_part() -> None:
    data = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    events, error = await play_until_error(ScriptedProvider.replay(data, pace=0))
    assert events == [Start(), TextDelta("a")]
    assert isinstance(error, TruncatedStream)


async def test_a_recording_without_its_last_blank_line_is_whole() -> None:
    data = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]'
    for tail in (b"", b"\n", b"\n\n"):
        events = await play(ScriptedProvider.replay(data + tail, pace=0, cuts=3))
        assert events == [Start(), TextDelta("a"), FinishStep(1), Finish("stop", None, "stop"), Done()]
    last = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}'
    assert TextDelta("a") in await play(ScriptedProvider.replay(last, pace=0))


async def test_a_broken_recording_fails_behind_its_good_part() -> None:
    data = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\ndata: {"choices":[{\n\n'
    events, error = await play_until_error(ScriptedProvider.replay(data, pace=0, cuts=1))
    assert events == [Start(), TextDelta("a")]
    assert isinstance(error, DecodeError)


async def test_a_line_outside_of_any_event_reaches_the_decoder() -> None:
    data = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\nerror: {"code":500,"message":"boom"}\n\n'
    events = await play(ScriptedProvider.replay(data, pace=0))
    assert events[:2] == [Start(), TextDelta("a")]
    assert isinstance(events[2], Failure)
    assert events[2].message == "boom"


async def test_an_event_over_the_limit_is_refused_as_it_would_be_live() -> None:
    data = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % (b"x" * (2 << 20))
    _, error = await play_until_error(ScriptedProvider.replay(data, pace=0))
    assert isinstance(error, LimitExceeded)


async def test_a_recording_framed_as_lines_is_read_as_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lines:
        def feed(self, value: Any) -> list[Event]:
            return [TextDelta(value["text"])]

        def finish(self) -> list[Event]:
            return [Done()]

    monkeypatch.setattr(registry, "dialect", lambda name: registry.Dialect(name, "ndjson", Lines, None))
    data = b"".join(json.dumps({"text": text}).encode() + b"\n" for text in "abc").removesuffix(b"\n")
    assert NDJSONDecoder().feed(data)
    events = await play(ScriptedProvider.replay(data, decoder="lines", pace=0, cuts=5))
    assert events == [TextDelta("a"), TextDelta("b"), TextDelta("c"), Done()]


# --- options ---


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "fast"])
def test_times_must_be_seconds(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^pace must be a number of seconds, 0 or more, not "):
        ScriptedProvider(pace=value)
    with pytest.raises(ValueError, match=r"^first_token_delay must be a number of seconds, 0 or more, not "):
        ScriptedProvider(first_token_delay=value)


@pytest.mark.parametrize("value", [-1, 1.0, True, "1"])
def test_fail_after_must_be_a_number_of_events(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^fail_after must be a number of events, 0 or more, not "):
        ScriptedProvider(fail_after=value)


def test_an_error_needs_its_cue() -> None:
    with pytest.raises(ValueError, match=r"^error needs fail_after, the number of events before it$"):
        ScriptedProvider(error=OSError())


def test_an_error_is_an_exception_or_a_failure() -> None:
    with pytest.raises(TypeError, match=r"^error must be an exception or a Failure, not str$"):
        ScriptedProvider(fail_after=0, error="boom")  # type: ignore[arg-type]


def test_there_is_one_script() -> None:
    with pytest.raises(ValueError, match=r"^text and events are two scripts; give one of them$"):
        ScriptedProvider(text="a", events=[])
    for options in ({"text": "a"}, {"events": []}):
        with pytest.raises(ValueError, match=r"^(text|events) and the recording are two scripts; give one of them$"):
            ScriptedProvider.replay(b"", **options)


def test_a_script_holds_events_only() -> None:
    with pytest.raises(TypeError, match=r"^events must be normalised events, not str$"):
        ScriptedProvider(events=["a"])  # type: ignore[list-item]


def test_an_unknown_dialect_is_refused_when_built() -> None:
    with pytest.raises(ValueError, match=r"^dialect must be one of .*openai.*, not 'morse'$"):
        ScriptedProvider.replay(b"", decoder="morse")


def test_a_dialect_without_a_decoder_is_refused_when_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "dialect", lambda name: registry.Dialect(name, "sse", None, None))
    with pytest.raises(ValueError, match=r"^decoder 'mute' names a dialect that is only written, not read$"):
        ScriptedProvider.replay(b"", decoder="mute")


def test_a_recording_that_is_not_there_is_an_error_when_built(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ScriptedProvider.replay(tmp_path / "none.sse")


# --- what every provider has ---


def test_it_says_what_it_is() -> None:
    provider = ScriptedProvider(model="m")
    assert (provider.name, provider.model, provider.dialect, provider.supports_streaming) == (
        "scripted",
        "m",
        "gai",
        True,
    )
    assert ScriptedProvider.replay(b"", decoder="openai").dialect == "openai"


async def test_the_whole_answer_in_one_piece() -> None:
    reply = await ScriptedProvider(text="One two three", pace=0).complete(ChatRequest.from_text("Count!"))
    assert (reply.text, reply.finish_reason, reply.model, reply.provider) == (
        "One two three",
        "stop",
        "scripted",
        "scripted",
    )


async def test_a_failure_on_cue_is_raised_from_the_whole_answer_too() -> None:
    provider = ScriptedProvider(text="One two", pace=0, fail_after=2, error=Failure("overloaded", "busy", True))
    with pytest.raises(ProviderError, match=r"^busy$") as caught:
        await provider.complete(ChatRequest.from_text("Count!"))
    assert caught.value.status == 503
