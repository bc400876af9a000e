"""Every field of every dialect, wrong in every way: what that costs, and what it must not cost.

`test_transform_contract.py` proves the laws with junk of all kinds; here nothing is left to chance: each field of a
good stream is replaced by each wrong type, and what a provider may do to a tool call stands in a table.
"""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from gai_stream import events as model
from gai_stream.dialects import registry
from gai_stream.events import Done, Event, Failure, Finish, Raw, Start, TextDelta, ToolCall
from gai_stream.exceptions import DecodeError, LimitExceeded, TruncatedStream

WORDS = ("one", "two")
WRONG: list[Any] = [None, True, 7, -1, 1.5, 1 << 70, "", "mystery", [], [7], ["x"], [[]], [{}], {}, {"x": 1}]


def openai(delta: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def fragment(arguments: Any, *, index: Any = 0, **more: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}, **more}]}


def responses(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "sequence_number": 1, **more}


def gemini(*parts: Any, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"parts": list(parts), "role": "model"}, "index": 0, **more}
    return {"candidates": [candidate], "modelVersion": "m", "responseId": "r"}


def ollama(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    told = {"role": "assistant", "content": "", **message}
    return {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": told, "done": False, **more}


def block(index: Any, **content: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": content}


def piece(index: Any, kind: str, **delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


def stop(index: Any) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


USAGE = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
RESPONSE = {"id": "resp_1", "object": "response", "model": "m", "status": "in_progress", "output": [], "usage": None}
SPEECH = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
CALLED = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": ""}
COUNTS = {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3, "thoughtsTokenCount": 1}
SOURCE = {"uri": "https://a.example", "title": "A", "start": 0, "end": 5}

GOOD: dict[str, list[dict[str, Any]]] = {
    "openai": [
        openai({"role": "assistant", "content": "", "refusal": None}),
        openai({"reasoning_content": "hm"}),
        openai({"content": "one"}),
        openai(
            {
                "tool_calls": [
                    {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}
                ]
            }
        ),
        openai(fragment(":1}")),
        openai(
            {"content": "two", "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}]}
        ),
        openai({"audio": {"id": "a", "data": "AAAA", "transcript": "t"}}),
        openai(
            {},
            "tool_calls",
            usage={"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
        ),
    ],
    "openai_responses": [
        responses("created", response=RESPONSE),
        responses("output_item.added", output_index=0, item=SPEECH),
        responses(
            "content_part.added",
            output_index=0,
            content_index=0,
            part={"type": "output_text", "text": "", "annotations": []},
        ),
        responses("output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta="one"),
        responses("output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta="two"),
        responses("output_text.done", item_id="msg_1", output_index=0, content_index=0, text="onetwo"),
        responses("output_item.added", output_index=1, item=CALLED),
        responses("function_call_arguments.delta", item_id="fc_1", output_index=1, delta='{"a":1}'),
        responses("function_call_arguments.done", item_id="fc_1", output_index=1, arguments='{"a":1}'),
        responses("output_item.done", output_index=1, item={**CALLED, "arguments": '{"a":1}'}),
        responses(
            "completed",
            response={
                **RESPONSE,
                "status": "completed",
                "usage": {**USAGE, "input_tokens_details": {"cached_tokens": 1}},
            },
        ),
    ],
    "anthropic": [
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [],
                "stop_reason": None,
                "usage": {"input_tokens": 1, "output_tokens": 1},
            },
        },
        block(0, type="thinking", thinking="", signature=""),
        piece(0, "thinking_delta", thinking="hm"),
        piece(0, "signature_delta", signature="seal"),
        stop(0),
        block(1, type="text", text=""),
        piece(1, "text_delta", text="one"),
        {"type": "ping"},
        piece(1, "citations_delta", citation={"type": "web_search_result_location", "url": "u", "title": "t"}),
        piece(1, "text_delta", text="two"),
        stop(1),
        block(2, type="tool_use", id="toolu_1", name="f", input={}),
        piece(2, "input_json_delta", partial_json='{"a":1}'),
        stop(2),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 2},
        },
        {"type": "message_stop"},
    ],
    "gemini": [
        gemini({"text": "hm", "thought": True, "thoughtSignature": "c2VhbA=="}),
        gemini({"text": "one"}, safetyRatings=[{"category": "HARM", "probability": "LOW", "blocked": True}]),
        gemini({"functionCall": {"id": "x", "name": "f", "args": {"a": 1}}}),
        gemini({"inlineData": {"mimeType": "audio/pcm", "data": "AAAA"}}),
        gemini(
            {"executableCode": {"language": "PYTHON", "code": "1"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        ),
        {
            **gemini(
                {"text": "two"},
                finishReason="STOP",
                citationMetadata={"citationSources": [{"uri": "u", "startIndex": 0, "endIndex": 3}]},
            ),
            "usageMetadata": COUNTS,
        },
    ],
    "ollama": [
        ollama({"thinking": "hm"}),
        ollama({"content": "one"}),
        ollama({"tool_calls": [{"id": "x", "function": {"name": "f", "arguments": {"a": 1}}}]}),
        ollama({"content": "two"}),
        ollama({}, done=True, done_reason="stop", prompt_eval_count=1, eval_count=2),
    ],
    "vercel": [
        {"type": "start", "messageId": "m1", "messageMetadata": {"model": "m"}},
        {"type": "start-step"},
        {"type": "reasoning-start", "id": "r"},
        {"type": "reasoning-delta", "id": "r", "delta": "hm"},
        {"type": "reasoning-end", "id": "r", "providerMetadata": {"anthropic": {"signature": "seal"}}},
        {"type": "text-start", "id": "t"},
        {"type": "text-delta", "id": "t", "delta": "one"},
        {"type": "text-delta", "id": "t", "delta": "two"},
        {"type": "text-end", "id": "t"},
        {"type": "tool-input-start", "toolCallId": "x", "toolName": "f"},
        {"type": "tool-input-delta", "toolCallId": "x", "inputTextDelta": '{"a":1}'},
        {"type": "tool-input-available", "toolCallId": "x", "toolName": "f", "input": {"a": 1}},
        {"type": "tool-output-available", "toolCallId": "x", "output": {"b": 2}},
        {"type": "source-url", "sourceId": "s", "url": "u", "title": "t"},
        {"type": "finish-step"},
        {"type": "finish", "finishReason": "stop", "messageMetadata": {"usage": USAGE}},
    ],
    "ag_ui": [
        {"type": "RUN_STARTED", "threadId": "t", "runId": "r"},
        {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "one"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "two"},
        {"type": "TEXT_MESSAGE_END", "messageId": "m"},
        {"type": "TOOL_CALL_START", "toolCallId": "x", "toolCallName": "f", "parentMessageId": "m"},
        {"type": "TOOL_CALL_ARGS", "toolCallId": "x", "delta": '{"a":1}'},
        {"type": "TOOL_CALL_END", "toolCallId": "x"},
        {"type": "TOOL_CALL_RESULT", "messageId": "m2", "toolCallId": "x", "content": "{}", "role": "tool"},
        {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"},
    ],
    "gai": [
        {"type": "start", "started": True, "model": "m", "id": "x"},
        {"type": "reasoning_delta", "text": "hm", "signature": "seal"},
        {"type": "text_delta", "text": "one"},
        {"type": "tool_call", "tool_call": {"id": "x", "name": "f", "input": {"a": 1}, "arguments": '{"a":1}'}},
        {"type": "tool_result", "tool_result": {"id": "x", "name": "f", "result": {"b": 2}}},
        {"type": "audio_delta", "audio": {"chunk": "AAAA", "format": {"mime": "audio/pcm"}}},
        {"type": "citations", "citations": [SOURCE]},
        {"type": "safety", "safety": {"category": "c", "action": "pass", "score": 0.5}},
        {"type": "text_delta", "text": "two"},
        {"type": "finish_step", "step": {"step_number": 1, "number": 1, "finished": True}},
        {"type": "finish", "finished": True, "reason": "stop", "usage": USAGE},
        {"type": "done", "finished": True},
    ],
    "gai_v1": [
        {"type": "start", "schema": "gai.events.v1", "ts": 1, "seq": 1, "model": "m"},
        {"type": "reasoning.delta", "text": "hm"},
        {"type": "text.delta", "text": "one"},
        {"type": "tool.call", "call_id": "x", "tool_call": {"name": "f", "input": {"a": 1}, "arguments": '{"a":1}'}},
        {"type": "tool.result", "call_id": "x", "tool_name": "f", "output": {"b": 2}},
        {"type": "audio.delta", "audio": {"chunk": "AAAA", "format": "pcm16"}},
        {"type": "citations", "citations": [SOURCE]},
        {"type": "safety", "safety": {"category": "c", "action": "pass", "score": 0.5}},
        {"type": "text.delta", "text": "two"},
        {"type": "step.end", "step": 1},
        {"type": "finish", "finish_reason": "stop", "usage": USAGE},
        {"type": "done", "finished": True},
    ],
}
GOOD["glm"] = GOOD["openai"]
GOOD["antigravity"] = [{"response": chunk, "traceId": "t"} for chunk in GOOD["gemini"]]

READ = [name for name in registry.names() if registry.dialect(name).decoder is not None]
every_dialect = pytest.mark.parametrize("name", READ)


def decoder_of(name: str, **options: Any) -> Any:
    make = registry.dialect(name).decoder
    assert make is not None
    return make(**options)


def run(decoder: Any, messages: list[Any]) -> list[Event]:
    """Return the events of messages; those that are refused are left out."""
    events: list[Event] = []
    for message in messages:
        with contextlib.suppress(DecodeError, LimitExceeded):
            events += decoder.feed(message)
    with contextlib.suppress(TruncatedStream):
        events += decoder.finish()
    return events


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value inside `value`."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    """Return a copy of `value` in which what stands at `path` is changed."""
    if not path:
        return change(value)
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], change)
    return copy


def mutations(
    name: str, change: Callable[[Any], Any], *, objects: bool = False
) -> Iterator[tuple[int, tuple[Any, ...], Any]]:
    """Yield each message of a good stream, changed in one place: its position, that place, and what became of it."""
    for position, message in enumerate(GOOD[name]):
        for path in ((), *places(message)) if objects else places(message):
            yield position, path, replaced(message, path, change)


def check_life(events: list[Event]) -> None:
    """Check what holds for every stream of events, and that each field is of the type that it should be."""
    assert not any(isinstance(event, Start) for event in events[1:])
    assert not any(isinstance(event, Done) for event in events[:-1])
    for event, following in zip(events, [*events[1:], None], strict=True):
        assert not isinstance(event, Failure) or following == Done(finished=False) or following is None
        assert model.decode(model.encode(event)) == event


def test_the_good_streams_are_good() -> None:
    assert sorted(GOOD) == READ
    for name in READ:
        decoder = decoder_of(name)
        events = [event for message in GOOD[name] for event in decoder.feed(message)] + decoder.finish()
        check_life(events)
        assert text_of(events) == "onetwo"
        assert [event.input for event in events if isinstance(event, ToolCall) and event.kind == "function"] == [
            {"a": 1}
        ]
        assert not any(isinstance(event, Failure | Raw) for event in events), name
        assert any(isinstance(event, Finish) for event in events)


@every_dialect
def test_a_wrong_type_in_any_field_costs_that_message_alone(name: str) -> None:
    good = GOOD[name]
    words = {word: next(n for n, message in enumerate(good) if f'"{word}"' in json.dumps(message)) for word in WORDS}
    without = [run(decoder_of(name), good[:position] + good[position + 1 :]) for position in range(len(good))]
    for wrong in WRONG:
        for position, path, message in mutations(name, lambda _, wrong=wrong: wrong):
            note = f"message {position}, {path} = {wrong!r}"
            decoder = decoder_of(name)
            events = [event for before in good[:position] for event in decoder.feed(before)]
            try:
                odd = decoder.feed(message)
            except (DecodeError, LimitExceeded):
                events += run(decoder, good[position + 1 :])
                assert events == without[position], note
            else:
                events += odd + run(decoder, good[position + 1 :])
                # What a part is said to be decides about its pieces: those of one that nobody knows are Raw.
                told = text_of(events) + "".join(str(event.data) for event in events if isinstance(event, Raw))
                over = any(isinstance(event, Done) for event in odd)
                for word, place in words.items():
                    assert word in told or place == position or (over and place > position), note
            check_life(events)


# What a tool is given and what it gave is its own affair, whatever the keys.
FREE = ("input", "args", "arguments", "output", "result")


@every_dialect
def test_a_field_that_nobody_knows_changes_nothing(name: str) -> None:
    good = run(decoder_of(name), GOOD[name])

    def add(value: Any) -> Any:
        return {**value, "mystery": {"role": ["x"]}} if isinstance(value, dict) else value

    for position, path, message in mutations(name, add, objects=True):
        if not (path and path[-1] in FREE):
            decoder = decoder_of(name)
            messages = [*GOOD[name][:position], message, *GOOD[name][position + 1 :]]
            events = [event for each in messages for event in decoder.feed(each)] + decoder.finish()
            assert events == good, f"message {position}, {path}"


# Bytes in base64 are no words, and a schema that is not ours is another dialect.
NO_WORDS = ("data", "chunk", "schema")


@every_dialect
def test_a_word_that_nobody_knows_is_no_error(name: str) -> None:
    for position, path, message in mutations(name, lambda value: "mystery" if isinstance(value, str) else value):
        if path[-1] not in NO_WORDS:
            decoder = decoder_of(name)
            events = [event for each in GOOD[name][:position] for event in decoder.feed(each)]
            events += decoder.feed(message)
            check_life([*events, *run(decoder, GOOD[name][position + 1 :])])


@every_dialect
def test_a_message_of_a_kind_that_nobody_knows_is_raw_or_nothing(name: str) -> None:
    good = run(decoder_of(name), GOOD[name])
    for position in range(len(GOOD[name])):
        decoder = decoder_of(name)
        events = [event for each in GOOD[name][:position] for event in decoder.feed(each)]
        odd = decoder.feed({"type": "mystery", "role": "ghost"})
        assert all(isinstance(event, Raw | Start) for event in odd)
        events += [event for event in odd if isinstance(event, Start)] + run(decoder, GOOD[name][position:])
        assert events == good if position else text_of(events) == text_of(good)


LIMITED = [
    name
    for name in READ
    if "max_arguments_size" in inspect.signature(cast("Any", registry.dialect(name).decoder)).parameters
]


@pytest.mark.parametrize("name", LIMITED)
def test_arguments_over_the_limit_cost_no_text(name: str) -> None:
    decoder = decoder_of(name, max_arguments_size=4)
    events: list[Event] = []
    refusals: list[LimitExceeded] = []
    for message in GOOD[name]:
        try:
            events += decoder.feed(message)
        except LimitExceeded as exc:
            refusals.append(exc)
    assert {(refusal.option, refusal.limit) for refusal in refusals} == {("max_arguments_size", 4)}
    assert text_of(events) == "onetwo"
    assert not any(isinstance(event, ToolCall) and event.input == {"a": 1} for event in events)
    check_life(events)


ARGUMENTS = '{"a":1}'
F = ("f", {"a": 1})
NAMELESS = "a tool call came without a name"


def openai_call(arguments: str, **more: Any) -> dict[str, Any]:
    call = {"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": arguments}, **more}
    return openai({"tool_calls": [call]})


def vercel(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"tool-input-{kind}", "toolCallId": "x", **more}


def ag_ui(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"TOOL_CALL_{kind}", "toolCallId": "x", **more}


BLOCK = block(0, type="tool_use", id="x", name="f", input={})
ADDED = responses("output_item.added", output_index=1, item=CALLED)

# What becomes of calls that a provider tells in its own way: names and inputs, a problem's text, or a refused message.
ODD_CALLS: dict[str, tuple[str, list[Any], Any]] = {
    "a fragment of an unknown index": ("openai", [openai(fragment(ARGUMENTS, index=9))], NAMELESS),
    "a wild index": ("openai", [openai_call(ARGUMENTS, index=1 << 40)], [F]),
    "a negative index": ("openai", [openai_call(ARGUMENTS, index=-1)], [F]),
    "the name twice": ("openai", [openai_call(""), openai_call(ARGUMENTS)], [F]),
    "an id that is a number": ("openai", [openai_call(ARGUMENTS, id=7)], DecodeError),
    "arguments of an unknown item": (
        "openai_responses",
        [responses("function_call_arguments.delta", output_index=9, delta=ARGUMENTS)],
        NAMELESS,
    ),
    "an item that is added twice": (
        "openai_responses",
        [ADDED, ADDED, responses("function_call_arguments.done", output_index=1, arguments=ARGUMENTS, name="f")],
        [F],
    ),
    "an item's id that is a number": (
        "openai_responses",
        [responses("output_item.added", output_index=1, item={**CALLED, "call_id": 7})],
        DecodeError,
    ),
    "a piece of an unknown block": ("anthropic", [piece(9, "input_json_delta", partial_json=ARGUMENTS)], []),
    "a block that begins twice": (
        "anthropic",
        [BLOCK, BLOCK, piece(0, "input_json_delta", partial_json=ARGUMENTS)],
        [F],
    ),
    "a block's id that is a number": ("anthropic", [block(0, type="tool_use", id=7, name="f", input={})], DecodeError),
    "a whole call without a name": ("gemini", [gemini({"functionCall": {"args": {"a": 1}}})], NAMELESS),
    "a whole call's id that is a number": ("gemini", [gemini({"functionCall": {"id": 7, "name": "f"}})], DecodeError),
    "a call in a line without a name": ("ollama", [ollama({"tool_calls": [{"function": {}}]})], DecodeError),
    "a line's id that is a number": (
        "ollama",
        [ollama({"tool_calls": [{"id": 7, "function": {"name": "f"}}]})],
        DecodeError,
    ),
    "input of an unknown call": ("vercel", [vercel("delta", inputTextDelta=ARGUMENTS)], NAMELESS),
    "input that starts twice": (
        "vercel",
        [
            vercel("start", toolName="f"),
            vercel("start", toolName="f"),
            vercel("delta", inputTextDelta=ARGUMENTS),
            vercel("available", toolName="f", input={"a": 1}),
        ],
        [F],
    ),
    "input of an id that is a number": ("vercel", [vercel("start", toolName="f", toolCallId=7)], DecodeError),
    "arguments of an unknown call": ("ag_ui", [ag_ui("ARGS", delta=ARGUMENTS)], NAMELESS),
    "a call that starts twice": (
        "ag_ui",
        [
            ag_ui("START", toolCallName="f"),
            ag_ui("START", toolCallName="f"),
            ag_ui("ARGS", delta=ARGUMENTS),
            ag_ui("END"),
        ],
        [F],
    ),
    "a call's id that is a number": ("ag_ui", [ag_ui("START", toolCallName="f", toolCallId=7)], DecodeError),
}


@pytest.mark.parametrize(("name", "messages", "expected"), ODD_CALLS.values(), ids=ODD_CALLS.keys())
def test_what_becomes_of_an_odd_tool_call(name: str, messages: list[Any], expected: Any) -> None:
    decoder = decoder_of(name)
    ending = GOOD[name][-2:] if name == "anthropic" else GOOD[name][-1:]
    if expected is DecodeError:
        assert len(messages) == 1
        with pytest.raises(DecodeError):
            decoder.feed(messages.pop())
    events = [event for message in [*messages, *ending] for event in decoder.feed(message)] + decoder.finish()
    check_life(events)
    problems = [event.message for event in events if isinstance(event, Failure)]
    calls = [(event.name, event.input) for event in events if isinstance(event, ToolCall)]
    if isinstance(expected, str):
        assert [problem.partition(":")[0] for problem in problems] == [expected]
        assert calls == []
    else:
        assert problems == []
        assert calls == ([] if expected is DecodeError else expected)
