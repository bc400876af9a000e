"""UI message stream chunks, read: ours, and those of servers built on the AI SDK."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gai_stream.dialects.vercel import VercelDecoder
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
from gai_stream.exceptions import DecodeError, LimitExceeded, TruncatedStream
from gai_stream.sse import ServerSentEvent

Chunk = dict[str, Any]
FINISH = {"type": "finish", "finishReason": "stop"}


def decoded(*messages: Any) -> list[Event]:
    decoder = VercelDecoder()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


def content(*chunks: Chunk) -> list[Event]:
    """The events of `chunks`, without the Start before and the ending behind them."""
    start, *events, step, finish, done = decoded(*chunks, FINISH)
    assert (start, step, finish, done) == (Start(), FinishStep(1), Finish("stop", None, "stop"), Done())
    return events


def test_an_answer_as_the_ai_sdk_sends_it() -> None:
    lines = [
        '{"type":"start","messageId":"msg_1","messageMetadata":{"createdAt":1}}',
        '{"type":"start-step"}',
        '{"type":"reasoning-start","id":"0"}',
        '{"type":"reasoning-delta","id":"0","delta":"hm"}',
        '{"type":"reasoning-delta","id":"0","delta":"","providerMetadata":{"anthropic":{"signature":"seal"}}}',
        '{"type":"reasoning-end","id":"0","providerMetadata":{"anthropic":{"signature":"seal"}}}',
        '{"type":"text-start","id":"1"}',
        '{"type":"text-delta","id":"1","delta":"Hel"}',
        '{"type":"text-delta","id":"1","delta":""}',
        '{"type":"text-end","id":"1"}',
        '{"type":"tool-input-start","toolCallId":"x","toolName":"f","dynamic":true,"title":"F"}',
        '{"type":"tool-input-delta","toolCallId":"x","inputTextDelta":"{\\"a\\": 1}"}',
        '{"type":"tool-input-available","toolCallId":"x","toolName":"f","input":{"a":1}}',
        '{"type":"tool-output-available","toolCallId":"x","output":1,"preliminary":true}',
        '{"type":"tool-output-available","toolCallId":"x","output":[2]}',
        '{"type":"finish-step"}',
        '{"type":"start-step"}',
        '{"type":"text-start","id":"1"}',
        '{"type":"text-delta","id":"1","delta":"lo"}',
        '{"type":"text-end","id":"1"}',
        '{"type":"finish-step"}',
        '{"type":"finish","finishReason":"length","messageMetadata":{"usage":{"inputTokens":3,"outputTokens":"x"}}}',
        "[DONE]",
    ]
    assert decoded(*map(ServerSentEvent, lines)) == [
        Start(None, None, "msg_1"),
        ReasoningDelta("hm"),
        ReasoningDelta("", "seal"),
        TextDelta("Hel"),
        ToolCallDelta(0, "x", "f"),
        ToolCallDelta(0, "x", arguments='{"a": 1}'),
        ToolCall("x", "f", {"a": 1}, '{"a": 1}'),
        Raw("vercel", json.loads(lines[13])),
        ToolResult("x", "f", [2]),
        FinishStep(1),
        TextDelta("lo"),
        FinishStep(2),
        Finish("length", Usage(3), "length"),
        Done(),
    ]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        *(("stop", "stop"), ("length", "length"), ("tool-calls", "tool_calls"), ("content-filter", "content_filter")),
        *(("error", "error"), ("other", "unknown"), ("unknown", "unknown"), ("interrupted", "unknown")),
    ],
)
def test_the_reason_in_our_words_and_theirs(word: str, reason: str) -> None:
    ending = [FinishStep(1), Finish(reason, None, word), Done(finished=reason != "error")]
    assert decoded({"type": "finish", "finishReason": word}, "[DONE]") == [Start(), *ending]
    assert decoded({"type": "finish", "messageMetadata": {"finishReason": word}}) == [Start(), *ending]


def test_done_without_finish_is_an_end_and_the_end_of_input_is_none() -> None:
    text = {"type": "text-delta", "id": "1", "delta": "a"}
    assert decoded(text, "[DONE]")[2:] == [FinishStep(1), Finish("unknown"), Done()]
    decoder = VercelDecoder()
    assert decoder.feed(text) == [Start(), TextDelta("a")]
    with pytest.raises(TruncatedStream, match=r"^the stream ended before the answer did$"):
        decoder.finish()


def test_an_error_ends_the_answer() -> None:
    text = {"type": "text-delta", "id": "1", "delta": "a"}
    *_, failure, done = decoded(text, {"type": "error", "errorText": "try later"}, text)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.message, done) == ("internal", "try later", Done(finished=False))
    told = '{"error":{"code":"rate_limit_exceeded","message":"slow down"}}'
    for chunk in ({"type": "error", "errorText": told}, json.loads(told)):
        failure, _ = decoded(chunk)
        assert isinstance(failure, Failure)
        assert (failure.code, failure.message) == ("rate_limited", "slow down")
    failure, _ = decoded({"type": "error"})
    assert isinstance(failure, Failure)
    assert failure.message == "the provider reported an error"


def test_an_abort_is_a_finish_of_its_own_kind() -> None:
    text = {"type": "text-delta", "id": "1", "delta": "a"}
    ending = [FinishStep(1), Finish("aborted", None, "enough"), Done(finished=False)]
    assert decoded(text, {"type": "abort", "reason": "enough"}, text) == [Start(), TextDelta("a"), *ending]
    step = {"type": "finish-step"}
    assert decoded(text, step, {"type": "abort"})[-3:] == [FinishStep(1), Finish("aborted"), Done(finished=False)]


def test_seals_of_every_provider_are_read_once_and_those_of_another_than_the_answers_not() -> None:
    def sealed(metadata: Any, provider: str | None = None) -> list[Event]:
        start = {"type": "start", "messageMetadata": {"provider": provider} if provider else 1}
        end = {"type": "reasoning-end", "id": "1", "providerMetadata": metadata}
        return [event for event in decoded(start, end, end, FINISH) if isinstance(event, ReasoningDelta)]

    assert sealed({"google": {"thoughtSignature": "s"}}) == [ReasoningDelta("", "s")]
    assert sealed({"openai": {"itemId": "i", "reasoningEncryptedContent": "s"}}) == [ReasoningDelta("", "s")]
    assert sealed({"anthropic": {"redactedData": "r"}}, "anthropic") == [ReasoningDelta("", redacted="r")]
    assert sealed({"anthropic": {"signature": "s"}}, "gemini") == []
    assert sealed({"anthropic": {"signature": 1}, "x": 2}) == sealed([]) == sealed(None) == []


def test_tool_calls_that_come_whole_of_every_kind() -> None:
    assert content(
        {"type": "tool-input-available", "toolCallId": "x", "toolName": "f", "input": {"a": 1}},
        {"type": "tool-input-available", "toolCallId": "x", "toolName": "f", "input": {"a": 1}},
        {
            "type": "tool-input-available",
            "toolCallId": "y",
            "toolName": "g",
            "input": None,
            "providerExecuted": True,
            "providerMetadata": {"google": {"thoughtSignature": "s"}, "other": {}},
        },
        {"type": "tool-output-error", "toolCallId": "y", "errorText": "no"},
        {"type": "tool-input-start", "toolCallId": "z", "toolName": "sql", "providerExecuted": False},
        {"type": "tool-input-delta", "toolCallId": "z", "inputTextDelta": "SELECT"},
        {"type": "tool-input-available", "toolCallId": "z", "toolName": "sql", "input": "SELECT"},
        {"type": "tool-input-delta", "toolCallId": "z", "inputTextDelta": "late"},
        {"type": "tool-output-available", "toolCallId": "unknown", "output": None},
    ) == [
        ToolCallDelta(0, "x", "f", '{"a":1}'),
        ToolCall("x", "f", {"a": 1}, '{"a":1}'),
        ToolCallDelta(1, "y", "g", "null", kind="server"),
        ToolCall("y", "g", None, "null", kind="server", signature="s"),
        ToolResult("y", "g", None, "no"),
        ToolCallDelta(2, "z", "sql"),
        ToolCallDelta(2, "z", arguments="SELECT"),
        ToolCall("z", "sql", "SELECT", "SELECT", kind="custom"),
        ToolResult("unknown", "", None),
    ]


def test_arguments_are_kept_as_they_were_written_unless_the_input_is_another() -> None:
    def call(written: str, input: Any) -> Event:
        *_, call = content(
            {"type": "tool-input-delta", "toolCallId": "x", "inputTextDelta": ""},
            {"type": "tool-input-delta", "toolCallId": "x", "inputTextDelta": written},
            {"type": "tool-input-start", "toolCallId": "x", "toolName": "f"},
            {"type": "tool-input-start", "toolCallId": "x", "toolName": "f"},
            {"type": "tool-input-available", "toolCallId": "x", "toolName": "f", "input": input},
        )
        return call

    assert call('{ "a":1e0}', {"a": 1}) == ToolCall("x", "f", {"a": 1}, '{ "a":1e0}')
    assert call('"text"', "text") == ToolCall("x", "f", "text", '"text"')
    assert call('{"a":1', {"a": 1}) == ToolCall("x", "f", {"a": 1}, '{"a":1}')
    assert call("{", "mended") == ToolCall("x", "f", "mended", "mended", kind="custom")


def test_input_that_failed_is_a_call_with_an_error_for_its_result() -> None:
    failed = {"type": "tool-input-error", "toolCallId": "x", "toolName": "f", "input": "{", "errorText": "not JSON"}
    assert content(failed) == [
        ToolCallDelta(0, "x", "f", "{", kind="custom"),
        ToolCall("x", "f", "{", "{", kind="custom"),
        ToolResult("x", "f", None, "not JSON"),
    ]


def test_a_call_that_nobody_ended_is_one_if_it_can_be_read_and_else_cut_or_wrong() -> None:
    def ended(arguments: str, *ends: Chunk) -> list[Event]:
        start = {"type": "tool-input-start", "toolCallId": "x", "toolName": "f"}
        delta = {"type": "tool-input-delta", "toolCallId": "x", "inputTextDelta": arguments}
        return [event for event in decoded(start, delta, *ends) if not isinstance(event, Start | ToolCallDelta)]

    step, length = {"type": "finish-step"}, {"type": "finish", "finishReason": "length"}
    whole = [ToolCall("x", "f", {}, "{}"), FinishStep(1), Finish("stop", None, "stop"), Done()]
    assert ended("{}", step, FINISH) == ended("{}", FINISH) == whole
    assert ended("{", step, length) == [FinishStep(1), Finish("length", None, "length"), Done()]
    wrong = Failure("invalid_response", "the arguments of tool call 'f' are not JSON: {")
    assert ended("{", FINISH) == [wrong, Done(finished=False)]
    nameless = {"type": "tool-input-delta", "toolCallId": "x", "inputTextDelta": "{}"}
    *_, failure, _ = decoded(nameless, FINISH)
    assert failure == Failure("invalid_response", "a tool call came without a name: {}")


def test_an_id_that_is_used_again_is_another_call() -> None:
    call = {"type": "tool-input-available", "toolCallId": "x", "toolName": "f", "input": {}}
    again = {"type": "tool-input-start", "toolCallId": "x", "toolName": "g"}
    assert content(call, again, {**call, "toolName": "g"})[2:] == [
        ToolCallDelta(1, "x", "g"),
        ToolCallDelta(1, "x", "g", "{}"),
        ToolCall("x", "g", {}, "{}"),
    ]


def test_sources_files_verdicts_and_words_and_what_only_looks_like_them() -> None:
    spot = {"gai": {"start": 1, "end": 2, "text": "x"}}
    odd: list[Chunk] = [
        {"type": "file", "url": "https://a.example", "mediaType": "image/png"},
        {"type": "data-safety", "data": {"category": 1}},
        {"type": "data-safety", "data": None},
        {"type": "data-transcript", "data": {}},
        {"type": "data-weather", "data": 1},
        {"type": "unheard-of"},
    ]
    assert content(
        {"type": "source-url", "sourceId": "1", "url": "u", "title": "U", "providerMetadata": spot},
        {"type": "source-url", "sourceId": "1", "url": "u", "providerMetadata": {"gai": {"start": "x"}}},
        {"type": "source-document", "sourceId": "2", "mediaType": "x/y", "title": "Book"},
        {"type": "file", "url": "data:audio/wav;base64,YWI=", "mediaType": "audio/wav"},
        {"type": "data-transcript", "data": {"text": "words"}},
        {"type": "data-safety", "data": {"category": "hate", "action": "warn", "score": 1}},
        *odd,
    ) == [
        Citations([Citation("u", "U", 1, 2, "x")]),
        Citations([Citation("u")]),
        Citations([Citation(None, "Book")]),
        AudioDelta(b"ab", "audio/wav"),
        AudioDelta(b"", None, "words"),
        Safety("hate", "warn", 1.0),
        *(Raw("vercel", chunk) for chunk in odd),
    ]


def test_a_refusal_is_marked_until_its_part_ends() -> None:
    refusal = {"gai": {"refusal": True}}
    assert content(
        {"type": "text-start", "id": "1", "providerMetadata": refusal},
        {"type": "text-delta", "id": "1", "delta": "no"},
        {"type": "text-delta", "id": "2", "delta": "b"},
        {"type": "text-start", "id": "1"},
        {"type": "text-delta", "id": "1", "delta": "c"},
    ) == [TextDelta("no", refusal=True), TextDelta("b"), TextDelta("c")]


def test_metadata_in_between_tells_of_tokens_too() -> None:
    told = {"type": "message-metadata", "messageMetadata": {"usage": {"inputTokens": 1, "outputTokens": -2}}}
    start = {"type": "start", "messageMetadata": {"model": "m", "usage": None}}
    events = decoded(start, told, {"type": "start"}, {"type": "message-metadata", "messageMetadata": None}, FINISH)
    assert events[:2] == [Start("m"), Raw("vercel", told)]
    assert events[-2] == Finish("stop", Usage(1), "stop")


@pytest.mark.parametrize(
    "chunk",
    [
        {"type": "text-delta", "id": "1", "delta": None},
        {"type": "text-delta", "id": 1, "delta": "a"},
        {"type": "tool-input-available", "toolCallId": "x", "toolName": "f"},
        {"type": "tool-output-available", "toolCallId": "x"},
        {"type": "error", "errorText": 1},
        {"type": "start", "messageId": 1},
    ],
)
def test_a_field_of_the_wrong_type_costs_its_chunk_alone(chunk: Chunk) -> None:
    decoder = VercelDecoder()
    with pytest.raises(DecodeError, match=f"^not a {chunk['type']} chunk: "):
        decoder.feed(chunk)
    assert decoder.feed({"type": "text-delta", "delta": "b"}) == [Start(), TextDelta("b")]


def test_what_is_no_chunk_is_raw_and_what_is_no_json_an_error() -> None:
    assert decoded(b" ", "1", [2], {"type": 3}, FINISH)[:4] == [
        Start(),
        *(Raw("vercel", value) for value in (1, [2], {"type": 3})),
    ]
    with pytest.raises(DecodeError, match=r"^not JSON"):
        decoded("{")


def test_calls_together_are_bounded() -> None:
    decoder = VercelDecoder(max_arguments_size=20)
    decoder.feed({"type": "tool-input-start", "toolCallId": "x", "toolName": "f"})
    decoder.feed({"type": "tool-input-delta", "toolCallId": "x", "inputTextDelta": "a" * 17})
    for chunk in (
        {"type": "tool-input-delta", "toolCallId": "x", "inputTextDelta": "b"},
        {"type": "tool-input-start", "toolCallId": "y", "toolName": ""},
        {"type": "tool-input-available", "toolCallId": "y", "toolName": "", "input": 1},
    ):
        with pytest.raises(LimitExceeded, match=r"^tool calls are longer than 20 characters: raise max_arguments_size"):
            decoder.feed(chunk)
