"""An answer of Chat Completions in one piece: read as one message, and made of the chunks of a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from gai_stream.dialects.openai import OpenAIDecoder, OpenAIEncoder, completion_as_chunk
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
    Usage,
)
from gai_stream.exceptions import DecodeError, LimitExceeded, TruncatedStream
from gai_stream.sse import ServerSentEvent

CALLS = [
    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    {"id": "b", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
]
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi", "refusal": None, "tool_calls": CALLS},
            "finish_reason": "tool_calls",
        }
    ],
    "usage": USAGE,
}
EVENTS: list[Event] = [
    Start("m", id="chatcmpl-1"),
    TextDelta("Hi"),
    ToolCallDelta(0, "a", "f", "{}"),
    ToolCallDelta(1, "b", "f", '{"x":1}'),
    ToolCall("a", "f", {}, "{}"),
    ToolCall("b", "f", {"x": 1}, '{"x":1}'),
    FinishStep(1),
    Finish("tool_calls", Usage(1, 2, 3), "tool_calls"),
    Done(),
]


def decode(*messages: Any) -> list[Event]:
    decoder = OpenAIDecoder()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


def answer(message: Any, **choice: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, **choice}]}


def test_an_answer_in_one_piece_is_one_message_of_any_form() -> None:
    before = json.dumps(COMPLETION)
    sdk = ChatCompletion.model_validate(COMPLETION)
    for form in (COMPLETION, before, before.encode(), ServerSentEvent(before), sdk):
        assert decode(form) == decode(form, "[DONE]") == EVENTS
    assert json.dumps(COMPLETION) == before


def test_all_that_a_message_may_hold_is_told() -> None:
    message = {
        "reasoning_content": "hm",
        "content": "Hi",
        "refusal": "no",
        "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}],
        "audio": {"id": "a", "data": "AAE=", "transcript": "Hi", "expires_at": 5},
        "function_call": {"name": "f", "arguments": "{}"},
    }
    events = decode(answer(message, finish_reason="stop"))
    assert events[1:4] == [ReasoningDelta("hm"), TextDelta("Hi"), TextDelta("no", refusal=True)]
    assert AudioDelta(b"\0\1", "pcm16", "Hi") in events
    assert Citations([Citation("u", "t")]) in events
    assert [event.name for event in events if isinstance(event, ToolCall)] == ["f"]
    assert Safety("refusal", "block") in events


def test_parallel_calls_without_ids_are_kept_apart() -> None:
    calls = [{"type": "function", "function": {"name": "f", "arguments": text}} for text in ('{"a":1}', '{"a":2}')]
    events = decode(answer({"content": None, "tool_calls": calls}, finish_reason="tool_calls"))
    assert [event.input for event in events if isinstance(event, ToolCall)] == [{"a": 1}, {"a": 2}]


def test_an_answer_in_one_piece_is_whole_even_without_a_reason() -> None:
    assert decode(answer({"content": "Hi"}))[-2:] == [Finish("unknown"), Done()]


def test_several_choices_come_in_one_piece() -> None:
    choices = [{"index": n, "message": {"content": text}, "finish_reason": "stop"} for n, text in enumerate("ab")]
    assert decode({"id": "c", "choices": choices})[1:3] == [TextDelta("a"), TextDelta("b", 1)]


@pytest.mark.parametrize(
    ("message", "match"),
    [
        ({"content": 5}, r"not a chat completion chunk: .*\$.choices\[0\].delta.content"),
        ({"content": "a", "tool_calls": [5]}, "not a chat completion: 'int' object is not a mapping"),
        ({"content": "a", "tool_calls": [{"id": 5}]}, r"tool_calls\[0\].id"),
    ],
)
def test_a_broken_answer_is_an_error(message: Any, match: str) -> None:
    decoder = OpenAIDecoder()
    for form in (answer(message), json.dumps(answer(message))):
        with pytest.raises(DecodeError, match=match):
            decoder.feed(form)
    with pytest.raises(TruncatedStream):
        decoder.finish()


def test_an_answer_over_the_limit_leaves_the_stream_without_an_answer() -> None:
    decoder = OpenAIDecoder(max_arguments_size=5)
    with pytest.raises(LimitExceeded, match="longer than 5 characters"):
        decoder.feed(COMPLETION)
    with pytest.raises(TruncatedStream):
        decoder.finish()


def test_a_message_beside_or_behind_deltas_repeats_what_they_told() -> None:
    # Perplexity: each choice has both, and the last chunk has the whole text.
    delta = {"index": 0, "delta": {"content": "a"}, "message": {"content": "a"}}
    whole = {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}
    for last in ("chat.completion.done", "chat.completion.chunk"):
        events = decode({"id": "c", "choices": [delta]}, {"id": "c", "object": last, "choices": [whole]})
        assert events[1:] == [TextDelta("a"), FinishStep(1), Finish("stop", None, "stop"), Done()]
    assert decode({"id": "c", "choices": [{**whole, "message": "odd"}]})[1] == FinishStep(1)


def test_a_call_free_answer_needs_no_calls() -> None:
    completion = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    assert completion_as_chunk(completion) == {
        "object": "chat.completion.chunk",
        "choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}],
    }


@pytest.mark.parametrize(
    "value",
    [{}, 1, [], {"choices": []}, {"choices": 1}, {"choices": [1]}, {"choices": [{}]}, {"choices": [{"message": 1}]}],
)
def test_what_is_no_completion_is_refused(value: Any) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        completion_as_chunk(value)


# Chunks to an answer in one piece


def whole(*events: Event, **options: Any) -> dict[str, Any]:
    encoder = OpenAIEncoder(framing="ndjson", created=1, **options)
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    return OpenAIEncoder.whole(messages)


def message_of(*events: Event) -> dict[str, Any]:
    (choice,) = whole(Start("m", None, "c"), *events, Finish("stop"))["choices"]
    message: dict[str, Any] = choice["message"]
    return message


def test_chunks_amount_to_what_the_api_would_have_said_at_once() -> None:
    body = whole(*EVENTS, system_fingerprint="fp")
    (choice,) = body["choices"]
    assert choice == {**COMPLETION["choices"][0], "logprobs": None}
    assert body == {**COMPLETION, "system_fingerprint": "fp", "choices": [choice]}
    assert decode(body) == EVENTS
    sdk = ChatCompletion.model_validate(body)
    assert [call.id for call in sdk.choices[0].message.tool_calls or ()] == ["a", "b"]


def test_content_is_null_only_beside_something_else() -> None:
    assert message_of() == {"role": "assistant", "content": "", "refusal": None}
    assert message_of(TextDelta("no", refusal=True)) == {"role": "assistant", "content": None, "refusal": "no"}
    assert message_of(ToolCall("x", "f", {}))["content"] is None
    assert message_of(AudioDelta(b"\0", "pcm16"))["content"] is None


def test_all_that_chunks_tell_is_in_the_message() -> None:
    assert message_of(
        ReasoningDelta("h"),
        ReasoningDelta("m"),
        TextDelta("Hi"),
        AudioDelta(b"\0", "pcm16", "H"),
        AudioDelta(b"\1\2", "pcm16", "i"),
        Citations([Citation("u", "t", 0, 2)]),
        Citations([Citation("v")]),
        ToolCall("x", "sql", "SELECT", "SELECT", kind="custom"),
        ToolCall("y", "f", {"a": 1}, signature="seal"),
        ToolCall("z", "search", {}, kind="server"),
        Raw("openai", {"type": "ping"}),
    ) == {
        "role": "assistant",
        "content": "Hi",
        "refusal": None,
        "reasoning_content": "hm",
        "tool_calls": [
            {"id": "x", "type": "custom", "custom": {"name": "sql", "input": "SELECT"}},
            {
                "id": "y",
                "type": "function",
                "function": {"name": "f", "arguments": '{"a":1}'},
                "extra_content": {"google": {"thought_signature": "seal"}},
            },
        ],
        "annotations": [
            {
                "type": "url_citation",
                "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 2},
            },
            {"type": "url_citation", "url_citation": {"url": "v", "title": "", "start_index": 0, "end_index": 0}},
        ],
        "audio": {"id": "audio_c", "data": "AAEC", "transcript": "Hi", "expires_at": 3601},
    }


def test_an_error_is_the_body() -> None:
    body = whole(Start("m"), TextDelta("a"), Failure("timeout", "no"))
    assert body == OpenAIEncoder.error_body(Failure("timeout", "no"), 504)
    assert body["error"]["code"] == "timeout"
