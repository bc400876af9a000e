"""What the original's translators made of their input (seeds.md 5.1), beside what we make of it.

Each translator looked at one chunk at a time and kept nothing. What it gave, as it was run, stands in `NAIVE`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from gai_stream.dialects import registry
from gai_stream.dialects.anthropic import AnthropicEncoder
from gai_stream.exceptions import DecodeError, TruncatedStream
from gai_stream.sse import SSEDecoder, SSEEncoder

NAIVE = {
    "role": 'content_block_delta with "": message_start is never sent',
    "glm": "message_start for every token of reasoning",
    "tools": "raw OpenAI JSON leaks into the stream, and message_stop never comes",
    "content_filter": "an empty text delta, and message_stop never comes",
    "function_call": "raw OpenAI JSON leaks into the stream",
    "sensitive": "raw OpenAI JSON leaks into the stream, and message_stop never comes",
    "content and reason": "the text is lost",
    "usage": '{"type":"message_start"} at the end',
    "filter": '{"type":"message_start"}',
    "error": '{"type":"message_start"}',
    "choice": "panic",
    "invalid": "the invalid JSON is forwarded as it is",
    "envelope": "message_start for every chunk, and no text ever",
    "text and finish": "the stop is lost",
    "parts": "all parts but the first are lost",
    "call alone": "message_start",
    "call and finish": "a bare message_stop",
    "thought": "leaked as text that the user sees",
    "safety": "an empty text delta",
    "blocked": "message_start",
    "google error": "message_start",
    "cut": "a stream that just stops: nobody can tell it from a whole one",
}
"""Of each case: what the naive translator gave."""


def chunk(delta: Any = None, reason: str | None = None, **fields: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": choices, **fields}


def tool(index: int, arguments: str, **fields: Any) -> dict[str, Any]:
    function = {**({"name": fields.pop("name")} if "name" in fields else {}), "arguments": arguments}
    return {"tool_calls": [{"index": index, **fields, "function": function}]}


ROLE = {"role": "assistant", "content": ""}
STOP = chunk({}, "stop")

CASES: dict[str, tuple[list[Any], list[str]]] = {
    # The first chunk of every real stream.
    "role": (
        [chunk(ROLE), chunk({"content": "Hi"}), STOP, "[DONE]"],
        ["start", "+text", "Hi", "-", "end_turn", "stop"],
    ),
    # GLM repeats the role in every chunk.
    "glm": (
        [
            chunk({"role": "assistant", "reasoning_content": "The"}),
            chunk({"role": "assistant", "reasoning_content": " sea"}),
            chunk({"role": "assistant", "content": "is"}),
            chunk({"role": "assistant", "content": ""}, "stop", usage={"prompt_tokens": 5, "completion_tokens": 2}),
            "[DONE]",
        ],
        ["start", "+thinking", "The", " sea", "-", "+text", "is", "-", "end_turn 5 2", "stop"],
    ),
    "tools": (
        [
            chunk(ROLE),
            chunk(tool(0, "", id="call_1", type="function", name="f")),
            chunk(tool(0, '{"a":')),
            chunk(tool(0, "1}")),
            chunk(tool(1, "", id="call_2", type="function", name="g")),
            chunk(tool(1, "{}")),
            chunk({}, "tool_calls"),
            "[DONE]",
        ],
        [
            *("start", "+tool_use call_1 f", "", '{"a":', "1}", "-", "+tool_use call_2 g", "", "{}", "-"),
            *("tool_use", "stop"),
        ],
    ),
    "content_filter": (
        [chunk({"content": "a"}), chunk({}, "content_filter"), "[DONE]"],
        ["start", "+text", "a", "-", "refusal", "stop"],
    ),
    "function_call": (
        [
            chunk({"function_call": {"name": "f", "arguments": ""}}),
            chunk({"function_call": {"arguments": "{}"}}),
            chunk({}, "function_call"),
            "[DONE]",
        ],
        ["start", "+tool_use ID f", "", "{}", "-", "tool_use", "stop"],
    ),
    "sensitive": ([chunk({"content": "a"}), chunk({}, "sensitive")], ["start", "+text", "a", "-", "refusal", "stop"]),
    "content and reason": (
        [chunk({"content": "a"}), chunk({"content": "b"}, "stop"), "[DONE]"],
        ["start", "+text", "a", "b", "-", "end_turn", "stop"],
    ),
    "usage": (
        [
            chunk({"content": "a"}),
            STOP,
            chunk(
                usage={"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4}},
            ),
            "[DONE]",
        ],
        ["start", "+text", "a", "-", "end_turn 5 1", "stop"],
    ),
    # Azure's first chunk.
    "filter": (
        [chunk(id="", prompt_filter_results=[{"prompt_index": 0}]), chunk({"content": "a"}), STOP, "[DONE]"],
        ["start", "+text", "a", "-", "end_turn", "stop"],
    ),
    "error": (
        [chunk({"content": "a"}), {"error": {"message": 'slow "down"', "type": "rate_limit_error"}}],
        ["start", "+text", "a", "-", 'rate_limit_error slow "down"'],
    ),
    "choice": (
        [chunk({"content": "a"}), {"choices": [1]}, chunk({"content": "b"}), STOP, "[DONE]"],
        ["start", "+text", "a", "b", "-", "end_turn", "stop"],
    ),
    "invalid": (
        [chunk({"content": "a"}), "{invalid", STOP, "[DONE]"],
        ["start", "+text", "a", "-", "end_turn", "stop"],
    ),
    "cut": (
        [chunk({"content": "a"})],
        ["start", "+text", "a", "-", "api_error the answer was cut off before its end"],
    ),
}


def parts(*values: dict[str, Any], reason: str | None = None, **fields: Any) -> dict[str, Any]:
    finish = {"finishReason": reason} if reason else {}
    return {"candidates": [{"content": {"role": "model", "parts": list(values)}, "index": 0, **finish}], **fields}


def google_call(name: str) -> dict[str, Any]:
    return {"functionCall": {"id": name, "name": name, "args": {"a": 1}}}


def in_envelope(*responses: dict[str, Any]) -> list[Any]:
    return [{"response": response, "traceId": "t"} for response in responses]


COUNTS = {"promptTokenCount": 7, "candidatesTokenCount": 2, "thoughtsTokenCount": 3, "totalTokenCount": 12}
GOOGLES = {
    # Antigravity's real form; every chunk has the counts so far.
    "envelope": (
        in_envelope(parts({"text": "Hi"}), parts({"text": "!"}, reason="STOP", usageMetadata=COUNTS)),
        ["start", "+text", "Hi", "!", "-", "end_turn 7 5", "stop"],
    ),
    # Gemini's normal last chunk.
    "text and finish": (
        in_envelope(parts({"text": "a"}, reason="STOP")),
        ["start", "+text", "a", "-", "end_turn", "stop"],
    ),
    "parts": (
        in_envelope(parts({"text": "a"}, google_call("f"), google_call("g"), reason="STOP")),
        [
            *("start", "+text", "a", "-", "+tool_use f f", "", '{"a":1}', "-", "+tool_use g g", "", '{"a":1}', "-"),
            *("tool_use", "stop"),
        ],
    ),
    "call alone": (
        in_envelope(parts(google_call("f")), parts({"text": ""}, reason="STOP")),
        ["start", "+tool_use f f", "", '{"a":1}', "-", "tool_use", "stop"],
    ),
    "call and finish": (
        in_envelope(parts(google_call("f"), reason="STOP")),
        ["start", "+tool_use f f", "", '{"a":1}', "-", "tool_use", "stop"],
    ),
    "thought": (
        in_envelope(parts({"text": "hm", "thought": True}), parts({"text": "a"}, reason="STOP")),
        ["start", "+thinking", "hm", "-", "+text", "a", "-", "end_turn", "stop"],
    ),
    "safety": (
        in_envelope(parts({"text": "a"}), parts(reason="SAFETY")),
        ["start", "+text", "a", "-", "refusal", "stop"],
    ),
    "blocked": (in_envelope({"promptFeedback": {"blockReason": "SAFETY"}}), ["start", "refusal", "stop"]),
    "google error": (
        [*in_envelope(parts({"text": "a"})), {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}],
        ["start", "+text", "a", "-", "overloaded_error busy"],
    ),
}
CASES |= GOOGLES if "antigravity" in registry.names() else {}


def translated(name: str) -> list[dict[str, Any]]:
    """What a client gets for the messages of an upstream; one that cannot be read is skipped."""
    messages, _ = CASES[name]
    make = registry.dialect("antigravity" if name in GOOGLES else "openai").decoder
    assert make is not None
    decoder, encoder = make(), AnthropicEncoder()
    told = []
    for message in messages:
        try:
            events = decoder.feed(message)
        except DecodeError:
            continue
        told += [answer for event in events for answer in encoder.feed(event)]
    try:
        rest = decoder.finish()
    except TruncatedStream:
        rest = []
    told += [answer for event in rest for answer in encoder.feed(event)] + encoder.finish()
    # The names of the events are what Claude's clients go by.
    data = b"".join(block for answer in told for block in SSEEncoder().feed(answer))
    read = SSEDecoder().feed(data)
    assert [message.event for message in read] == [message.json()["type"] for message in read]
    return [message.json() for message in read]


def summary(message: dict[str, Any]) -> str:
    """A message in a word or two."""
    match message["type"]:
        case "message_start":
            assert message["message"]["content"] == []
            return "start"
        case "content_block_start":
            block = message["content_block"]
            id = block.get("id", "")
            call = f" {'ID' if id.startswith('call_') and len(id) > 20 else id} {block['name']}" if id else ""
            return f"+{block['type']}{call}"
        case "content_block_delta":
            (text,) = (value for key, value in message["delta"].items() if key != "type")
            return str(text)
        case "content_block_stop":
            return "-"
        case "message_delta":
            usage = message["usage"]
            counts = f" {usage['input_tokens']} {usage['output_tokens']}" if usage["output_tokens"] else ""
            return f"{message['delta']['stop_reason']}{counts}"
        case "error":
            return f"{message['error']['type']} {message['error']['message']}"
        case kind:
            return str(kind).removeprefix("message_")


@pytest.mark.parametrize("name", CASES)
def test_what_the_original_broke_is_right_here(name: str) -> None:
    _, wanted = CASES[name]
    assert [summary(message) for message in translated(name)] == wanted, f"the original gave: {NAIVE[name]}"


def test_every_case_says_what_the_original_made_of_it() -> None:
    assert CASES.keys() | GOOGLES.keys() == NAIVE.keys()


@pytest.mark.parametrize("name", CASES)
def test_nothing_of_the_upstreams_own_json_leaks(name: str) -> None:
    told = json.dumps(translated(name))
    assert "choices" not in told
    assert "chat.completion" not in told
    assert "candidates" not in told
