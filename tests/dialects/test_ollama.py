"""Ollama's lines to events: recorded, by hand, and broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ollama import ChatResponse, GenerateResponse

from gai_stream.dialects.ollama import OllamaDecoder
from gai_stream.events import (
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    Raw,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from gai_stream.exceptions import DecodeError, LimitExceeded, TruncatedStream
from gai_stream.ndjson import NDJSONDecoder
from gai_stream.sse import ServerSentEvent

START = Start("m", "ollama")
STOP = [FinishStep(1), Finish("stop", None, "stop"), Done()]
TIME = "2026-01-01T00:00:00Z"


def chat(content: Any = "", *, done: bool = False, top: dict[str, Any] | None = None, **message: Any) -> dict[str, Any]:
    """A line of /api/chat; `top` stands beside its message."""
    message = {"role": "assistant", "content": content, **message}
    return {"model": "m", "created_at": TIME, "message": message, "done": done, **(top or {})}


def last(content: str = "", *, reason: Any = "stop", **top: Any) -> dict[str, Any]:
    return chat(content, done=True, top={"done_reason": reason, **top} if reason is not None else top)


def tool(name: str, arguments: Any, **more: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **more}


def decode(*messages: Any, finish: bool = True, **options: Any) -> list[Event]:
    decoder = OllamaDecoder(**options)
    events = [event for message in messages for event in decoder.feed(message)]
    return events + decoder.finish() if finish else events


# Recordings


def events_of(*chunks: bytes) -> list[Event]:
    decoder, lines = OllamaDecoder(), NDJSONDecoder()
    values = [value for chunk in chunks for value in lines.feed(chunk)] + lines.finish()
    return [event for value in values for event in decoder.feed(value)] + decoder.finish()


def files(corpus: Path, expected: dict[str, Any]) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    found = [(name, entry) for name, entry in expected.items() if entry["dialect"] == "ollama"]
    assert len(found) == 5
    for name, entry in found:
        yield name, (corpus / name).read_bytes(), entry


def test_every_recording_decodes_to_what_the_real_client_sees(corpus: Path, expected: dict[str, Any]) -> None:
    for name, data, wanted in files(corpus, expected):
        events = events_of(data)
        assert events[0] == Start(wanted["meta"]["model"], "ollama"), name
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == wanted["text"]
        assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == wanted["reasoning"]
        calls = [event for event in events if isinstance(event, ToolCall)]
        assert [(call.name, call.input) for call in calls] == [
            (w["name"], w["arguments"]) for w in wanted["tool_calls"]
        ]
        assert [call.id for call in calls] == [f"call_REDACTED_{n + 1}" for n in range(len(calls))]
        deltas = [event for event in events if isinstance(event, ToolCallDelta)]
        assert [(d.index, d.id, d.arguments) for d in deltas] == [(n, c.id, "{}") for n, c in enumerate(calls)]
        if "error" in wanted:
            assert events[-2:] == [Failure("internal", wanted["error"], True), Done(finished=False)]
            continue
        reason = "tool_calls" if calls else wanted["finish_reason"]
        counts = wanted["usage"]
        usage = Usage(counts["input_tokens"], counts["output_tokens"], sum(counts.values()))
        assert events[-3:] == [FinishStep(1), Finish(reason, usage, wanted["finish_reason"]), Done()]


def test_a_recording_without_its_last_line_is_cut(corpus: Path, expected: dict[str, Any]) -> None:
    for _, data, _ in files(corpus, expected):
        lines = data.splitlines(keepends=True)
        with pytest.raises(TruncatedStream, match="without a line that is done"):
            events_of(*lines[:-1])


# Lines to events


def test_the_last_lines_text_counts_and_every_form_says_the_same() -> None:
    counts = {"done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2}
    line = chat("a", done=True, thinking="hm", top=counts)
    text = json.dumps(line)
    sdk = ChatResponse.model_validate(line)
    for form in (line, text, text.encode(), bytearray(text.encode()), ServerSentEvent(text), sdk):
        assert decode(form) == [
            START,
            ReasoningDelta("hm"),
            TextDelta("a"),
            FinishStep(1),
            Finish("stop", Usage(3, 2, 5), "stop"),
            Done(),
        ]


def test_lines_of_generate_say_the_same_at_the_top() -> None:
    line = {"model": "m", "created_at": TIME, "response": "a", "thinking": "hm", "done": True, "done_reason": "stop"}
    events = [START, ReasoningDelta("hm"), TextDelta("a"), *STOP]
    assert decode(line) == decode(GenerateResponse.model_validate(line)) == events
    called = {**line, "tool_calls": [tool("f", {"a": 1}, id="x")], "context": [1]}
    assert decode(called)[3:5] == [ToolCallDelta(0, "x", "f", '{"a":1}'), ToolCall("x", "f", {"a": 1}, '{"a":1}')]


def test_calls_are_whole_and_end_the_answer_for_their_sake() -> None:
    first = chat(tool_calls=[tool("f", {"b": 18446744073709551616, "a": 1.0}, id="x"), tool("g", {}, id="y")])
    assert decode(first, chat(tool_calls=[tool("h", None, id="z")]), last(reason=None)) == [
        START,
        ToolCallDelta(0, "x", "f", '{"b":18446744073709551616,"a":1.0}'),
        ToolCall("x", "f", {"b": 18446744073709551616, "a": 1.0}, '{"b":18446744073709551616,"a":1.0}'),
        ToolCallDelta(1, "y", "g", "{}"),
        ToolCall("y", "g", {}, "{}"),
        ToolCallDelta(2, "z", "h", "{}"),
        ToolCall("z", "h", {}, "{}"),
        FinishStep(1),
        Finish("tool_calls"),
        Done(),
    ]


def test_a_missing_id_is_made_up_once_for_each_recording() -> None:
    lines = [chat(tool_calls=[tool("f", {}), tool("f", {}, id="")]), last()]
    ids = [event.id for event in decode(*lines) if isinstance(event, ToolCall)]
    assert len(set(ids)) == 2
    assert all(id.startswith("call_") and len(id) == 29 for id in ids)
    assert decode(*lines) == decode(*lines)
    timeless = {"message": {"tool_calls": [tool("f", {})]}, "done": True}
    assert decode(timeless) != decode(timeless)


def test_arguments_as_text_are_read_as_text() -> None:
    assert decode(chat(tool_calls=[tool("f", '{"a": 1}', id="x")]), finish=False)[-1] == ToolCall(
        "x", "f", {"a": 1}, '{"a": 1}'
    )
    assert decode(chat(tool_calls=[tool("f", "", id="x")]), finish=False)[-1] == ToolCall("x", "f", {}, "")
    assert decode(chat("a", tool_calls=[tool("f", "{nope", id="x")]), last()) == [
        START,
        TextDelta("a"),
        ToolCallDelta(0, "x", "f", "{nope"),
        Failure("invalid_response", "the arguments of tool call 'f' are not JSON: {nope"),
        Done(finished=False),
    ]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [("stop", "stop"), ("length", "length"), ("load", "unknown"), (None, "unknown"), ("new", "unknown")],
)
def test_reasons_are_mapped_and_the_word_is_kept(raw: str | None, reason: str) -> None:
    assert decode(last(reason=raw))[-2] == Finish(reason, None, raw)
    called = decode(chat(tool_calls=[tool("f", {})]), last(reason=raw))[-2]
    assert called == Finish("length" if raw == "length" else "tool_calls", None, raw)


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({}, None),
        ({"prompt_eval_count": None}, None),
        ({"eval_count": 2}, Usage(None, 2)),
        ({"prompt_eval_count": 0, "eval_count": 2.0}, Usage(0, 2, 2)),
        ({"prompt_eval_count": float("inf"), "eval_count": float("nan")}, None),
    ],
)
def test_a_count_that_is_missing_is_unknown(counts: dict[str, Any], usage: Usage | None) -> None:
    assert decode(last(**counts))[-2] == Finish("stop", usage, "stop")


def test_images_and_lines_of_another_kind_are_raw() -> None:
    picture = {"model": "m", "image": "aGk=", "response": "", "done": False}
    assert decode({"status": "pulling"}, [1], 5, chat("a", images=["aGk="]), picture, finish=False) == [
        Start(None, "ollama"),
        Raw("ollama", {"status": "pulling"}),
        Raw("ollama", [1]),
        Raw("ollama", 5),
        TextDelta("a"),
        Raw("ollama", {"message": {"images": ["aGk="]}}),
        Raw("ollama", {"image": "aGk="}),
    ]


def test_empty_messages_and_strange_extras_are_nothing() -> None:
    odd = chat("a", top={"logprobs": "odd", "total_duration": "long", "context": {}}, new=1)
    assert decode("", b"\n", "null", None, {}, "[DONE]", chat(), odd, finish=False) == [START, TextDelta("a")]


@pytest.mark.parametrize(
    "error",
    [
        {"error": "it went wrong"},
        {"error": {"message": "it went wrong"}},
        {**chat("lost"), "error": "it went wrong"},
    ],
)
def test_an_error_ends_the_answer(error: dict[str, Any]) -> None:
    failure = [Failure("internal", "it went wrong", True), Done(finished=False)]
    assert decode(error) == failure
    assert decode(chat("a"), error, chat("late")) == [START, TextDelta("a"), *failure]
    assert decode({"error": "busy", "status_code": 503}, finish=False)[0] == Failure(
        "provider_unavailable", "busy", True, 30
    )


@pytest.mark.parametrize(
    ("message", "match"),
    [
        ("{", "not JSON"),
        (b"\xff", "not JSON"),
        ({"message": "text", "done": False}, "not a line of Ollama's: Expected `object"),
        (chat(5), r"\$.message.content"),
        (chat(tool_calls=[{"function": {}}]), "missing required field `name`"),
        (chat(tool_calls=[tool("f", [1])]), r"function.arguments"),
        (chat("x", tool_calls=[tool("f", {"a": object()})]), "not a line of Ollama's: value cannot be written as JSON"),
        (last(eval_count="2"), r"\$.eval_count"),
    ],
)
def test_a_broken_line_costs_itself_alone(message: Any, match: str) -> None:
    decoder = OllamaDecoder()
    assert decoder.feed(chat("a")) == [START, TextDelta("a")]
    with pytest.raises(DecodeError, match=match):
        decoder.feed(message)
    assert decoder.feed(last("b")) == [TextDelta("b"), *STOP]
    assert decoder.finish() == []


def test_calls_over_the_limit_are_refused_before_any_of_their_line_is_told() -> None:
    decoder = OllamaDecoder(max_arguments_size=12)
    assert decoder.feed(chat(tool_calls=[tool("f", {"a": 1}, id="x")]))[-1] == ToolCall("x", "f", {"a": 1}, '{"a":1}')
    with pytest.raises(LimitExceeded, match="longer than 12 characters: raise max_arguments_size") as caught:
        decoder.feed(chat("lost", tool_calls=[tool("f", {"b": 1})]))
    assert (caught.value.option, caught.value.limit) == ("max_arguments_size", 12)
    assert decoder.feed(last("b"))[0] == TextDelta("b")


@pytest.mark.parametrize("size", [0, -1, 1.5, True, None])
def test_a_meaningless_limit_is_refused(size: Any) -> None:
    with pytest.raises(ValueError, match="max_arguments_size must be a whole number"):
        OllamaDecoder(max_arguments_size=size)
