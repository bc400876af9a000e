"""AG-UI events, read: ours, and those of any other agent."""

from __future__ import annotations

from typing import Any

import pytest

from gai_stream.dialects.ag_ui import AGUIDecoder
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

Value = dict[str, Any]
FINISHED = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}
TEXT = {"type": "TEXT_MESSAGE_CONTENT", "messageId": "1", "delta": "a"}


def decoded(*messages: Any) -> list[Event]:
    decoder = AGUIDecoder()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


def content(*values: Value, reason: str = "stop") -> list[Event]:
    """The events of `values`, without the Start before and the ending behind them."""
    start, *events, step, finish, done = decoded(*values, FINISHED)
    assert (start, step, finish, done) == (Start(), FinishStep(1), Finish(reason), Done())
    return events


def test_a_run_as_an_agent_sends_it() -> None:
    lines = [
        '{"type":"RUN_STARTED","threadId":"t","runId":"r","timestamp":1}',
        '{"type":"STEP_STARTED","stepName":"s"}',
        '{"type":"REASONING_START","messageId":"1"}',
        '{"type":"REASONING_MESSAGE_START","messageId":"1","role":"reasoning"}',
        '{"type":"REASONING_MESSAGE_CONTENT","messageId":"1","delta":"hm"}',
        '{"type":"REASONING_ENCRYPTED_VALUE","subtype":"message","entityId":"1","encryptedValue":"seal"}',
        '{"type":"REASONING_MESSAGE_END","messageId":"1"}',
        '{"type":"REASONING_END","messageId":"1"}',
        '{"type":"TEXT_MESSAGE_START","messageId":"2","role":"assistant"}',
        '{"type":"TEXT_MESSAGE_CONTENT","messageId":"2","delta":"Hel"}',
        '{"type":"TOOL_CALL_START","toolCallId":"x","toolCallName":"f","parentMessageId":"2"}',
        '{"type":"TOOL_CALL_ARGS","toolCallId":"x","delta":"{\\"a\\": 1}"}',
        '{"type":"REASONING_ENCRYPTED_VALUE","subtype":"tool-call","entityId":"x","encryptedValue":"stamp"}',
        '{"type":"TOOL_CALL_END","toolCallId":"x"}',
        '{"type":"TEXT_MESSAGE_END","messageId":"2"}',
        '{"type":"STEP_FINISHED","stepName":"s"}',
        '{"type":"TOOL_CALL_RESULT","messageId":"3","toolCallId":"x","content":"{\\"b\\":2}","role":"tool"}',
        '{"type":"TEXT_MESSAGE_CHUNK","messageId":"4","role":"assistant","delta":"lo"}',
        '{"type":"STATE_SNAPSHOT","snapshot":null}',
        '{"type":"RUN_FINISHED","threadId":"t","runId":"r","usage":[{"inputTokens":3,"outputTokens":null}]}',
        '{"type":"TEXT_MESSAGE_CONTENT","messageId":"4","delta":"late"}',
    ]
    assert decoded(*map(ServerSentEvent, lines)) == [
        Start(None, None, "r"),
        ReasoningDelta("hm"),
        ReasoningDelta("", "seal"),
        TextDelta("Hel"),
        ToolCallDelta(0, "x", "f"),
        ToolCallDelta(0, "x", arguments='{"a": 1}'),
        ToolCall("x", "f", {"a": 1}, '{"a": 1}', signature="stamp"),
        FinishStep(1),
        ToolResult("x", "f", {"b": 2}),
        TextDelta("lo"),
        Raw("ag_ui", {"type": "STATE_SNAPSHOT", "snapshot": None}),
        FinishStep(2),
        Finish("stop", Usage(3)),
        Done(),
    ]


def test_the_reason_is_what_is_said_or_what_the_calls_say() -> None:
    def finish(*before: Value, **end: Any) -> Event:
        return decoded(*before, {**FINISHED, **end})[-2]

    call = [
        {"type": "TOOL_CALL_START", "toolCallId": "x", "toolCallName": "f"},
        {"type": "TOOL_CALL_END", "toolCallId": "x"},
    ]
    server = [{**call[0], "metadata": {"gai": {"kind": "server"}}}, call[1]]
    result = {"type": "TOOL_CALL_RESULT", "messageId": "1", "toolCallId": "x", "content": "y"}
    assert finish(TEXT) == finish(*call, result) == finish(*server) == Finish("stop")
    assert finish(*call) == Finish("tool_calls")
    said = {"metadata": {"gai": {"finishReason": "length"}}}
    assert finish(*call, **said) == Finish("length", None, "length")
    assert finish(metadata={"gai": {"finishReason": "other"}}) == Finish("unknown", None, "other")
    assert finish(outcome={"type": "interrupt", "interrupts": []}) == Finish("unknown", None, "interrupt")
    assert finish(outcome={"type": "success"}, usage=[{"inputTokens": 1}, {"inputTokens": 2}]) == Finish("stop")


def test_an_error_ends_the_run_and_the_end_of_input_is_none() -> None:
    *_, failure, done = decoded(TEXT, {"type": "RUN_ERROR", "message": "later", "code": "overloaded"}, TEXT)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.message, done) == ("overloaded", "later", Done(finished=False))
    for refused in ({"message": "too many", "code": "rate_limited"}, {"error": {"message": "too many", "code": 429}}):
        failure, _ = decoded(refused)
        assert isinstance(failure, Failure)
        assert (failure.code, failure.message) == ("rate_limited", "too many")
    with pytest.raises(TruncatedStream, match=r"^the stream ended before the answer did$"):
        decoded(TEXT, "[DONE]")


def test_what_others_say_is_no_part_of_the_answer() -> None:
    user: list[Value] = [
        {"type": "TEXT_MESSAGE_START", "messageId": "u", "role": "user"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "u", "delta": "hi"},
        {"type": "TEXT_MESSAGE_END", "messageId": "u"},
        {"type": "TEXT_MESSAGE_CHUNK", "messageId": "u", "delta": "hi"},
    ]
    assistant = {"type": "TEXT_MESSAGE_START", "messageId": "u"}
    said = {**TEXT, "messageId": "u"}
    chunk = {"type": "TEXT_MESSAGE_CHUNK", "delta": "b"}
    empty = {**TEXT, "delta": ""}
    assert content(*user, TEXT, assistant, said, chunk, empty) == [
        *(Raw("ag_ui", value) for value in user),
        TextDelta("a"),
        TextDelta("a"),
        TextDelta("b"),
    ]


def test_older_names_and_chunks_of_reasoning_and_calls() -> None:
    assert content(
        {"type": "THINKING_START"},
        {"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "old"},
        {"type": "REASONING_MESSAGE_CHUNK", "messageId": "1", "delta": "new"},
        {"type": "REASONING_MESSAGE_CHUNK"},
        {"type": "TOOL_CALL_CHUNK", "toolCallId": "x", "toolCallName": "f", "delta": "{"},
        {"type": "TOOL_CALL_CHUNK", "delta": "}"},
        {"type": "TOOL_CALL_CHUNK", "toolCallId": "y", "toolCallName": "g", "delta": "[]"},
        {"type": "TOOL_CALL_END", "toolCallId": "unknown"},
        {"type": "REASONING_ENCRYPTED_VALUE", "subtype": "tool-call", "entityId": "none", "encryptedValue": "s"},
        {"type": "REASONING_ENCRYPTED_VALUE", "subtype": "other", "entityId": "y", "encryptedValue": "s"},
        reason="tool_calls",
    ) == [
        ReasoningDelta("old"),
        ReasoningDelta("new"),
        ToolCallDelta(0, "x", "f"),
        ToolCallDelta(0, "x", arguments="{"),
        ToolCallDelta(0, "x", arguments="}"),
        ToolCallDelta(1, "y", "g"),
        ToolCallDelta(1, "y", arguments="[]"),
        Raw("ag_ui", {"type": "REASONING_ENCRYPTED_VALUE", "subtype": "other", "entityId": "y", "encryptedValue": "s"}),
        ToolCall("x", "f", {}, "{}"),
        ToolCall("y", "g", [], "[]"),
    ]


def test_arguments_that_are_no_json_are_free_text_or_cut_or_wrong() -> None:
    def ended(end: Value, **start: Any) -> list[Event]:
        events = decoded(
            {"type": "TOOL_CALL_START", "toolCallId": "x", "toolCallName": "f", **start},
            {"type": "TOOL_CALL_ARGS", "toolCallId": "x", "delta": "SELECT"},
            {"type": "TOOL_CALL_END", "toolCallId": "x"},
            end,
        )
        return [event for event in events if not isinstance(event, Start | ToolCallDelta | FinishStep)]

    custom = ToolCall("x", "f", "SELECT", "SELECT", kind="custom")
    assert ended(FINISHED, metadata={"gai": {"kind": "custom"}}) == [custom, Finish("tool_calls"), Done()]
    cut = {**FINISHED, "metadata": {"gai": {"finishReason": "length"}}}
    assert ended(cut) == [Finish("length", None, "length"), Done()]
    wrong = Failure("invalid_response", "the arguments of tool call 'f' are not JSON: SELECT")
    assert ended(FINISHED) == [wrong, Done(finished=False)]


def test_results_that_are_json_are_read_and_errors_of_ours_are_errors() -> None:
    def result(content: Any) -> Event:
        value = {"type": "TOOL_CALL_RESULT", "messageId": "1", "toolCallId": "x", "content": content}
        return decoded(value, FINISHED)[1]

    for content, read in (("[1]", [1]), ("5", "5"), ("{", "{"), ("", ""), ('{"error":5}', {"error": 5})):
        assert result(content) == ToolResult("x", "", read)
    assert result('{"error":"no"}') == ToolResult("x", "", None, "no")
    parts = [{"type": "text", "text": "a"}]
    assert result(parts) == ToolResult("x", "", parts)


def test_custom_events_of_ours_are_what_they_were_and_all_others_raw() -> None:
    def custom(name: str, value: Any) -> Value:
        return {"type": "CUSTOM", "name": name, "value": value}

    others = [
        custom("gai.citations", [1]),
        custom("gai.safety", 1),
        custom("gai.audio", {"data": "?"}),
        custom("gai.audio", 1),
        custom("gai.redacted_reasoning", 1),
        custom("mine", None),
    ]
    assert content(
        custom("gai.citations", [{"uri": "u", "start": 0}]),
        custom("gai.safety", {"category": "hate", "action": "warn"}),
        custom("gai.audio", {"data": "YQ==", "format": "mp3"}),
        custom("gai.audio", {"transcript": "words"}),
        custom("gai.redacted_reasoning", "opaque"),
        *others,
    ) == [
        Citations([Citation("u", None, 0)]),
        Safety("hate", "warn"),
        AudioDelta(b"a", "mp3"),
        AudioDelta(b"", None, "words"),
        ReasoningDelta("", redacted="opaque"),
        *(Raw("ag_ui", value) for value in others),
    ]


@pytest.mark.parametrize(
    "value",
    [
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "1", "delta": None},
        {"type": "TOOL_CALL_START", "toolCallId": 1, "toolCallName": "f"},
        {"type": "TOOL_CALL_RESULT", "toolCallId": "x"},
        {"type": "RUN_STARTED", "runId": 1},
        {"type": "RUN_ERROR", "message": 1},
        {"type": "CUSTOM", "name": "x"},
    ],
)
def test_a_field_of_the_wrong_type_costs_its_event_alone(value: Value) -> None:
    decoder = AGUIDecoder()
    with pytest.raises(DecodeError, match=f"^not a {value['type']} event: "):
        decoder.feed(value)
    assert decoder.feed(TEXT) == [Start(), TextDelta("a")]


def test_what_is_no_event_is_raw() -> None:
    assert decoded(b"", "1", {"type": 3}, FINISHED)[:3] == [Start(), Raw("ag_ui", 1), Raw("ag_ui", {"type": 3})]


def test_calls_together_are_bounded() -> None:
    decoder = AGUIDecoder(max_arguments_size=4)
    decoder.feed({"type": "TOOL_CALL_START", "toolCallId": "x", "toolCallName": "f"})
    seal = {"type": "REASONING_ENCRYPTED_VALUE", "subtype": "tool-call", "entityId": "x", "encryptedValue": "long"}
    with pytest.raises(LimitExceeded, match=r"^tool calls are longer than 4 characters: raise max_arguments_size"):
        decoder.feed(seal)
