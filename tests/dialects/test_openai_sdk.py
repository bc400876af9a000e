"""The real OpenAI SDK, over loopback HTTP: what we send must please it, raw and through its `stream()` helper."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import openai
import pytest

from gai_stream import _json
from gai_stream.dialects.openai import OpenAIDecoder, OpenAIEncoder
from gai_stream.events import (
    AudioDelta,
    Citation,
    Citations,
    Done,
    Event,
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
from gai_stream.sse import SSEEncoder

Serve = Callable[..., str]
START = Start("m", None, "c1")
USAGE = Usage(10, 5, 15, 2, 3)


def wire_whole(events: list[Event]) -> bytes:
    encoder = OpenAIEncoder(framing="ndjson")
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    return _json.dumps(OpenAIEncoder.whole(messages))


def wire(events: list[Event]) -> bytes:
    """The bytes that a client gets, with a heartbeat before and behind every message."""
    encoder, sse = OpenAIEncoder(), SSEEncoder()
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    return sse.heartbeat.join([b"", *(block for message in messages for block in sse.feed(message)), b""])


@pytest.fixture
def serve(loopback: Any) -> Serve:
    """Give events a base URL, from which any SDK reads them as chat completions."""

    def base_url(events: list[Event], as_bytes: Callable[[list[Event]], bytes] = wire) -> str:
        body = as_bytes(events)
        kind = "application/json" if body.startswith(b"{") else "text/event-stream; charset=utf-8"
        return str(loopback(lambda path, asked: (200, {"content-type": kind}, body)))

    return base_url


class Seen:
    """What a client makes of the chunks that the SDK's raw iteration gives it."""

    def __init__(self) -> None:
        self.text: dict[int, str] = {}
        self.roles: dict[int, list[str]] = {}
        self.finish: dict[int, list[str]] = {}
        self.refusal = self.reasoning = self.transcript = self.audio = ""
        self.audio_ids: list[str] = []
        self.calls: dict[tuple[int, int], list[Any]] = {}
        self.annotations: list[Any] = []
        self.usage: Any = None
        self.alike: set[Any] = set()

    def take(self, chunk: Any) -> None:
        """Add a chunk; one that is no chunk of ours is a raw event that was passed on."""
        if chunk.object != "chat.completion.chunk":
            return
        assert self.usage is None, "nothing comes after the usage chunk"
        self.alike.add((chunk.id, chunk.created, chunk.model, chunk.object))
        self.usage = chunk.usage
        for choice in chunk.choices:
            delta, extra = choice.delta, choice.delta.model_extra or {}
            if delta.role:
                self.roles.setdefault(choice.index, []).append(delta.role)
            self.text[choice.index] = self.text.get(choice.index, "") + (delta.content or "")
            self.refusal += delta.refusal or ""
            self.reasoning += extra.get("reasoning_content") or ""
            self.annotations += extra.get("annotations") or []
            audio = delta.to_dict().get("audio") or {}
            self.transcript += audio.get("transcript", "")
            self.audio += audio.get("data", "")
            self.audio_ids += [audio["id"]] if "id" in audio else []
            for entry in delta.tool_calls or ():
                key = (choice.index, entry.index)
                if key not in self.calls:
                    assert entry.type == "function"
                    self.calls[key] = [entry.id, entry.function.name, ""]
                else:
                    assert (entry.id, entry.type, entry.function.name) == (None, None, None)
                self.calls[key][2] += entry.function.arguments
            if choice.finish_reason:
                self.finish.setdefault(choice.index, []).append(choice.finish_reason)


def client(base_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=base_url, api_key="none", max_retries=0)


def read(base_url: str) -> Seen:
    seen = Seen()
    with client(base_url) as sdk, sdk.chat.completions.create(model="m", messages=[], stream=True) as stream:
        for chunk in stream:
            seen.take(chunk)
    return seen


def read_helper(base_url: str) -> tuple[Any, list[Any]]:
    """Return the helper's final completion, and its events."""
    with client(base_url) as sdk, sdk.chat.completions.stream(model="m", messages=[]) as stream:
        events = list(stream)
        return stream.get_final_completion(), events


def calls_of(events: list[Event]) -> dict[tuple[int, int], list[Any]]:
    """The calls that a client must see, by choice and place in it."""
    calls: dict[tuple[int, int], list[Any]] = {}
    by_number: dict[int, list[Any]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            if event.index not in by_number:
                place = sum(choice == event.choice for choice, _ in calls)
                by_number[event.index] = calls[event.choice, place] = [event.id, event.name, ""]
            by_number[event.index][2] += event.arguments
    return calls


def of_chat(recorded: dict[str, list[Event]], expected: dict[str, Any]) -> dict[str, list[Event]]:
    """Every recording in Chat Completions."""
    return {name: events for name, events in recorded.items() if expected[name]["dialect"] == "openai-chat"}


def test_every_recording_served_again_pleases_raw_iteration(
    recorded: dict[str, list[Event]], expected: dict[str, Any], serve: Serve
) -> None:
    for name, events in of_chat(recorded, expected).items():
        wanted, end = expected[name], events[-2]
        if isinstance(end, Failure):
            with pytest.raises(openai.APIError) as caught:
                read(serve(events))
            assert (caught.value.message, caught.value.code) == (end.message, end.code)
            continue
        assert isinstance(end, Finish)
        seen = read(serve(events))
        assert len(seen.alike) == 1
        assert next(iter(seen.alike))[2] == wanted["meta"]["model"]
        choices = wanted.get("choices") or [{"index": 0, "text": wanted["text"]}]
        assert seen.text == {choice["index"]: choice["text"] for choice in choices}, name
        assert seen.roles == {choice["index"]: ["assistant"] for choice in choices}
        reason = wanted.get("finish_reason") or "stop"
        assert seen.finish == {choice["index"]: [reason] for choice in choices}
        assert (seen.refusal, seen.reasoning) == (wanted.get("refusal", ""), wanted["reasoning"])
        assert seen.transcript == wanted.get("audio_transcript", "")
        assert seen.calls == calls_of(events)
        assert [call[2] for call in seen.calls.values()] == [call["arguments_raw"] for call in wanted["tool_calls"]]
        assert len(seen.annotations) == sum(len(e.citations) for e in events if isinstance(e, Citations))
        said = seen.usage and (seen.usage.prompt_tokens, seen.usage.completion_tokens, seen.usage.total_tokens)
        assert said == (end.usage and (end.usage.input_tokens, end.usage.output_tokens, end.usage.total_tokens))


def test_every_recording_served_again_pleases_the_helper(
    recorded: dict[str, list[Event]], expected: dict[str, Any], serve: Serve
) -> None:
    for name, events in of_chat(recorded, expected).items():
        wanted, end = expected[name], events[-2]
        if isinstance(end, Failure) or end == Finish("length", getattr(end, "usage", None), "length"):
            with pytest.raises((openai.APIError, openai.LengthFinishReasonError)):
                read_helper(serve(events))
            continue
        assert isinstance(end, Finish)
        final, _ = read_helper(serve(events))
        message = final.choices[0].message
        assert (message.content or "", message.role) == (wanted["text"], "assistant"), name
        assert message.refusal == wanted.get("refusal")
        assert final.choices[0].finish_reason == (wanted.get("finish_reason") or "stop")
        assert [(c.id, c.function.name, c.function.arguments) for c in message.tool_calls or ()] == [
            (call["id"], call["name"], call["arguments_raw"]) for call in wanted["tool_calls"]
        ]
        assert (final.usage.total_tokens if final.usage else None) == (end.usage.total_tokens if end.usage else None)


def check_message(name: str, final: Any, events: list[Event]) -> None:
    """Compare the whole answer that an SDK has with what the events say."""
    message = final.choices[0].message
    text = "".join(e.text for e in events if isinstance(e, TextDelta) and (e.index, e.refusal) == (0, False))
    thought = "".join(e.text for e in events if isinstance(e, ReasoningDelta) and e.index == 0)
    assert (message.content or "", message.role) == (text, "assistant"), name
    assert (message.model_extra or {}).get("reasoning_content", "") == thought, name
    calls = [
        (c.function.name, _json.loads(c.function.arguments))
        if c.type == "function"
        else (c.custom.name, c.custom.input)
        for c in message.tool_calls or ()
    ]
    told = [e for e in events if isinstance(e, ToolCall) and e.choice == 0 and e.kind != "server"]
    assert calls == [(call.name, call.input) for call in told], name
    finish = events[-2]
    assert isinstance(finish, Finish)
    assert (final.usage.total_tokens if final.usage else None) == (finish.usage and finish.usage.total_tokens), name


def read_whole(base_url: str) -> Any:
    with client(base_url) as sdk:
        return sdk.chat.completions.create(model="m", messages=[])


def test_every_recording_in_one_piece_pleases_the_sdk(
    recorded: dict[str, list[Event]], expected: dict[str, Any], serve: Serve
) -> None:
    names = []
    for name, events in recorded.items():
        end = events[-2]
        # A call that was cut has no whole: its fragments are all that the client gets.
        if isinstance(end, Finish) and end.reason not in ("error", "length"):
            names.append(name)
            final = read_whole(serve(events, wire_whole))
            check_message(name, final, events)
            assert final.object == "chat.completion"
            assert len(final.choices) == len(expected[name].get("choices") or [0])
    assert len(names) >= 29


def test_every_recording_of_another_dialect_pleases_both(
    recorded: dict[str, list[Event]], expected: dict[str, Any], serve: Serve
) -> None:
    names = []
    for name, events in recorded.items():
        if expected[name]["dialect"] == "openai-chat":
            continue
        if any(isinstance(event, ToolCall) and event.kind == "custom" for event in events):
            # The helper cannot read those, whoever sends them: they have tests of their own below.
            continue
        names.append(name)
        end = events[-2]
        if isinstance(end, Failure) or (isinstance(end, Finish) and end.reason == "error"):
            for reader in (read, read_helper):
                with pytest.raises(openai.APIError):
                    reader(serve(events))
            continue
        assert isinstance(end, Finish)
        seen = read(serve(events))
        assert seen.text == {0: "".join(e.text for e in events if isinstance(e, TextDelta) and not e.refusal)}, name
        if end.reason in ("length", "content_filter", "refusal"):
            # As with the real API.
            with pytest.raises((openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError)):
                read_helper(serve(events))
        else:
            check_message(name, read_helper(serve(events))[0], events)
    assert len(names) >= 30


EVERYTHING: list[Event] = [
    START,
    ReasoningDelta("hm"),
    TextDelta("The \u2028 sea"),
    TextDelta("Das", 1),
    Citations([Citation("u", "t", 0, 3)]),
    Raw("openai", {"type": "ping"}),
    Raw("gemini", {"x": 1}),
    Safety("hate", "warn"),
    AudioDelta(b"\0\1\2", "pcm16"),
    AudioDelta(b"", transcript="sea"),
    AudioDelta(b"\3\4\5", "pcm16"),
    Citations([Citation("v")]),
    ToolCallDelta(5, "x", "f"),
    ToolCallDelta(5, arguments='{"a"'),
    ToolCallDelta(6, "y", "g", "{}"),
    ToolCallDelta(5, arguments=":1}"),
    ToolCallDelta(7, "z", "h", "{}", choice=1),
    ToolCall("x", "f", {"a": 1}, '{"a":1}'),
    ToolCall("y", "g", {}, "{}"),
    ToolCall("z", "h", {}, "{}", choice=1),
    ToolCall("w", "i", {"b": [1]}),
    ToolResult("x", "f", 5),
    FinishStep(1),
    Finish("stop", USAGE),
    Done(),
]
CALLS = {
    (0, 0): ["x", "f", '{"a":1}'],
    (0, 1): ["y", "g", "{}"],
    (1, 0): ["z", "h", "{}"],
    (0, 2): ["w", "i", '{"b":[1]}'],
}


def test_one_answer_with_everything_in_it_is_read_whole(serve: Serve) -> None:
    seen = read(serve(EVERYTHING))
    assert len(seen.alike) == 1
    assert seen.text == {0: "The \u2028 sea", 1: "Das"}
    assert seen.roles == {0: ["assistant"], 1: ["assistant"]}
    assert seen.finish == {0: ["tool_calls"], 1: ["tool_calls"]}
    assert (seen.reasoning, seen.transcript, seen.audio_ids) == ("hm", "sea", ["audio_c1"])
    assert seen.audio == base64.b64encode(b"\0\1\2\3\4\5").decode()
    assert [entry["index"] for entry in seen.annotations] == [0, 1]
    assert seen.calls == CALLS
    assert (seen.usage.prompt_tokens_details.cached_tokens, seen.usage.completion_tokens_details.reasoning_tokens) == (
        3,
        2,
    )


def check_final(final: Any) -> None:
    first, second = final.choices
    assert (first.message.role, first.message.content, first.finish_reason) == (
        "assistant",
        "The \u2028 sea",
        "tool_calls",
    )
    assert (second.message.role, second.message.content, second.finish_reason) == ("assistant", "Das", "tool_calls")
    for choice in (0, 1):
        calls = [[c.id, c.function.name, c.function.arguments] for c in final.choices[choice].message.tool_calls]
        assert calls == [call for (owner, _), call in sorted(CALLS.items()) if owner == choice]
    assert (final.id, final.model, final.usage.total_tokens) == ("c1", "m", 15)
    assert first.message.audio.transcript == "sea"
    assert len(first.message.annotations) == 2


def test_the_stream_helper_builds_the_whole_completion(serve: Serve) -> None:
    final, events = read_helper(serve(EVERYTHING))
    check_final(final)
    done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert {event.name for event in done} == {"f", "g", "h", "i"}


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_async_client_reads_the_same(serve: Serve) -> None:
    seen = Seen()
    async with openai.AsyncOpenAI(base_url=serve(EVERYTHING), api_key="none", max_retries=0) as sdk:
        async for chunk in await sdk.chat.completions.create(model="m", messages=[], stream=True):
            seen.take(chunk)
        assert seen.calls == CALLS
        async with sdk.chat.completions.stream(model="m", messages=[]) as stream:
            check_final(await stream.get_final_completion())


def test_the_sdks_own_chunks_decode_to_the_same_events(serve: Serve) -> None:
    decoder = OpenAIDecoder()
    events: list[Event] = []
    with client(serve(EVERYTHING)) as sdk, sdk.chat.completions.create(model="m", messages=[], stream=True) as stream:
        for chunk in stream:
            events += decoder.feed(chunk)
    events += decoder.finish()
    assert [e for e in events if isinstance(e, ToolCall)] == [
        ToolCall("x", "f", {"a": 1}, '{"a":1}'),
        ToolCall("y", "g", {}, "{}"),
        ToolCall("z", "h", {}, "{}", choice=1),
        ToolCall("w", "i", {"b": [1]}, '{"b":[1]}'),
    ]
    assert events[-3:] == [FinishStep(1), Finish("tool_calls", USAGE, "tool_calls"), Done()]


@pytest.mark.parametrize("reader", [read, read_helper])
@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([START, TextDelta("a"), Failure("overloaded", "try later", True)], "overloaded"),
        ([Failure("rate_limited", "too many")], "rate_limit_exceeded"),
        ([START, TextDelta("a")], "truncated"),
        ([START, Finish("error", None, "abort")], "internal"),
    ],
)
def test_a_failure_raises_in_the_sdk(events: list[Event], code: str, reader: Any, serve: Serve) -> None:
    with pytest.raises(openai.APIError) as caught:
        reader(serve(events))
    assert caught.value.code == code


CUSTOM: list[Event] = [
    START,
    ToolCallDelta(0, "x", "sql", "SEL", kind="custom"),
    ToolCallDelta(0, arguments="ECT {"),
    ToolCallDelta(1, "y", "f", "{}"),
    ToolCall("x", "sql", "SELECT {", "SELECT {", kind="custom"),
    ToolCall("y", "f", {}, "{}", signature="seal"),
    Finish("tool_calls"),
    Done(),
]


def test_a_custom_tools_call_pleases_raw_iteration_and_the_answer_in_one_piece(serve: Serve) -> None:
    with client(serve(CUSTOM)) as sdk, sdk.chat.completions.create(model="m", messages=[], stream=True) as stream:
        entries = [entry.to_dict() for chunk in stream for c in chunk.choices for entry in c.delta.tool_calls or ()]
    custom: list[Any] = [entry["custom"] for entry in entries if "custom" in entry]
    assert "".join(piece["input"] for piece in custom) == "SELECT {"
    assert custom[0]["name"] == "sql"
    assert (entries[0]["id"], entries[0]["type"]) == ("x", "custom")
    check_message("custom", read_whole(serve(CUSTOM, wire_whole)), CUSTOM)


def test_a_custom_tools_call_pleases_the_helper(serve: Serve) -> None:
    # Up to its own end: asked for the whole, it looks for the name of a custom tool's call, whoever sends it, in vain.
    with client(serve(CUSTOM)) as sdk, sdk.chat.completions.stream(model="m", messages=[]) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        snapshot: Any = stream.current_completion_snapshot.to_dict()
    assert [(event.name, event.arguments) for event in done] == [("f", "{}")]
    first, _ = snapshot["choices"][0]["message"]["tool_calls"]
    assert first["custom"] == {"name": "sql", "input": "SELECT {"}


@pytest.mark.parametrize("events", [[], [TextDelta("a")], [START, Finish("stop")], [Done()]])
def test_the_shortest_answers_please_both(events: list[Event], serve: Serve) -> None:
    text = "a" if TextDelta("a") in events else ""
    assert read(serve(events)).text == {0: text}
    final, _ = read_helper(serve(events))
    assert (final.choices[0].message.content, final.choices[0].finish_reason) == (text, "stop")


def test_no_chunk_is_without_what_the_original_forgot(serve: Serve) -> None:
    # seeds.md 2.7, 21: no id, created, model or role; no tool index; no delta in the finish chunk; always "stop";
    # usage {} when unknown; errors dropped. Its clients died of AttributeError and TypeError.
    events: list[Event] = [TextDelta("a"), ToolCall("x", "f", {"q": 1}), Finish("stop"), Done()]
    with client(serve(events)) as sdk, sdk.chat.completions.create(model="m", messages=[], stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "a"
    assert all(chunk.id.startswith("chatcmpl-") and chunk.created > 0 and chunk.model == "" for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)
    assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "tool_calls"]
    final, _ = read_helper(serve(events))
    assert final.choices[0].message.tool_calls[0].function.arguments == '{"q":1}'
