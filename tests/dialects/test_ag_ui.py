"""AG-UI events, written: what comes in which order, and what is never null."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gai_stream.dialects.ag_ui import AGUIDecoder, AGUIEncoder
from gai_stream.dialects.ag_ui.wire import ours
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
from gai_stream.exceptions import EncodeError
from gai_stream.sse import ServerSentEvent

START = Start("m", "p", "c1")


def told(*events: Event, **options: Any) -> list[dict[str, Any]]:
    encoder = AGUIEncoder(framing="ndjson", thread_id="t", **options)
    return [value for event in events for value in encoder.feed(event)] + encoder.finish()


def kinds(*events: Event) -> list[str]:
    """The types of what the events become, without the run's and the step's own."""
    around = ("RUN_STARTED", "STEP_STARTED", "STEP_FINISHED", "RUN_FINISHED")
    return [value["type"] for value in told(*events) if value["type"] not in around]


def test_a_text_is_a_run_a_step_a_message_and_their_ends() -> None:
    encoder = AGUIEncoder(thread_id="t", run_id="r", model="mine")
    events = [START, TextDelta("a"), TextDelta("b"), FinishStep(1), Finish("stop", Usage(1, 2)), Done()]
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    assert all(type(message) is ServerSentEvent and message.event == "message" for message in messages)
    assert [json.loads(message.data) for message in messages] == [
        {
            "type": "RUN_STARTED",
            "threadId": "t",
            "runId": "r",
            "metadata": {"gai": {"model": "mine", "provider": "p"}},
        },
        {"type": "STEP_STARTED", "stepName": "step-1"},
        {"type": "TEXT_MESSAGE_START", "messageId": "r-message-1", "role": "assistant"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "r-message-1", "delta": "a"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "r-message-1", "delta": "b"},
        {"type": "TEXT_MESSAGE_END", "messageId": "r-message-1"},
        {"type": "STEP_FINISHED", "stepName": "step-1"},
        {
            "type": "RUN_FINISHED",
            "threadId": "t",
            "runId": "r",
            "usage": [{"provider": "p", "model": "mine", "inputTokens": 1, "outputTokens": 2, "totalTokens": 3}],
            "metadata": {"gai": {"finishReason": "stop"}},
        },
    ]


def test_the_run_has_the_id_that_is_given_or_the_answers_or_one_of_its_own() -> None:
    assert told(START)[0]["runId"] == "c1"
    assert told(START, id="mine")[0]["runId"] == "mine"
    assert told(START, id="mine", run_id="run")[0]["runId"] == "run"
    assert told(Start())[0]["runId"].startswith("run_")
    assert "metadata" not in told(Start())[0]
    assert AGUIEncoder(framing="ndjson").feed(START)[0]["threadId"].startswith("thread_")
    assert [value["type"] for value in told(START, Start("n", None, "other"))] == ["RUN_STARTED", "RUN_ERROR"]


def test_reasoning_is_a_span_with_a_message_in_it_and_a_seal_ends_both() -> None:
    span = ["REASONING_START", "REASONING_MESSAGE_START", "REASONING_MESSAGE_CONTENT"]
    ends = ["REASONING_MESSAGE_END", "REASONING_END"]
    seal = ["REASONING_ENCRYPTED_VALUE"]
    events = [START, ReasoningDelta("a"), ReasoningDelta("b", "seal"), ReasoningDelta("c"), TextDelta("d"), Done()]
    text = ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"]
    assert kinds(*events) == [*span, span[2], *seal, *ends, *span, *ends, *text]
    assert kinds(START, ReasoningDelta("", "seal"), ReasoningDelta(""), Done()) == [*span[:2], *seal, *ends]
    redacted = told(START, ReasoningDelta("", redacted="opaque"), Done())[2]
    assert redacted == {"type": "CUSTOM", "name": "gai.redacted_reasoning", "value": "opaque"}


def test_calls_belong_to_the_message_of_their_step_and_a_result_begins_another() -> None:
    call = ToolCall("x", "f", {}, "{}", kind="server", signature="s")
    values = told(START, call, TextDelta("a"), ToolResult("x", "f", [1]), TextDelta("b"), Done())
    assert values[2:5] == [
        {
            "type": "TOOL_CALL_START",
            "toolCallId": "x",
            "toolCallName": "f",
            "parentMessageId": "c1-message-1",
            "metadata": {"gai": {"kind": "server"}},
        },
        {"type": "TOOL_CALL_ARGS", "toolCallId": "x", "delta": "{}"},
        {"type": "REASONING_ENCRYPTED_VALUE", "subtype": "tool-call", "entityId": "x", "encryptedValue": "s"},
    ]
    assert values[6] == {"type": "TEXT_MESSAGE_START", "messageId": "c1-message-1", "role": "assistant"}
    assert values[9:11] == [
        {
            "type": "TOOL_CALL_RESULT",
            "messageId": "c1-result-2",
            "toolCallId": "x",
            "content": "[1]",
            "role": "tool",
        },
        {"type": "TEXT_MESSAGE_START", "messageId": "c1-message-3", "role": "assistant"},
    ]
    assert told(ToolResult("x", "f", "text"))[1]["content"] == "text"
    assert told(ToolResult("x", "f", None, "no"))[1]["content"] == '{"error":"no"}'


def test_a_call_whose_id_is_taken_gets_another_always_the_same() -> None:
    twins = [ToolCall("x", "f", {}), ToolCall("x", "f", {}), ToolResult("x", "f", 1), ToolResult("y", "f", 1)]
    ids = [[value["toolCallId"] for value in told(START, *twins, Done()) if "toolCallId" in value] for _ in range(2)]
    (first, second, other) = dict.fromkeys(ids[0])
    assert (first, other) == ("x", "y")
    assert ids[0] == ids[1] == [first] * 3 + [second] * 4 + [other]


def test_what_has_no_name_in_the_protocol_is_custom() -> None:
    values = told(
        START,
        Citations([Citation("u", None, 0), Citation()]),
        Citations([Citation()]),
        Safety("hate", "warn", 0.5),
        AudioDelta(b"a", "mp3", "words"),
        AudioDelta(b""),
        Done(),
    )
    assert [(value["name"], value["value"]) for value in values[2:-2]] == [
        ("gai.citations", [{"uri": "u", "start": 0}]),
        ("gai.safety", {"category": "hate", "action": "warn", "score": 0.5}),
        ("gai.audio", {"data": "YQ==", "format": "mp3", "transcript": "words"}),
    ]


def test_the_reason_is_in_the_metadata_of_the_end() -> None:
    def reason(word: str, *events: Event) -> Any:
        return told(START, *events, Finish(word))[-1]["metadata"]["gai"]["finishReason"]

    assert [reason(word) for word in ("stop", "tool_calls", "length", "unknown")] == [
        "stop",
        "stop",
        "length",
        "unknown",
    ]
    assert reason("stop", ToolCall("x", "f", {})) == "tool_calls"
    assert "usage" not in told(START, Finish("stop", Usage()))[-1]
    error = {"type": "RUN_ERROR", "message": "the provider ended its answer with 'abort'", "code": "internal"}
    assert told(START, Finish("error", None, "abort"))[-1] == error


def test_a_failure_closes_what_is_open_and_comes_last() -> None:
    failure = Failure("overloaded", "later")
    values = told(START, ReasoningDelta("a"), ToolCallDelta(0, "x", "f", "{"), failure, TextDelta("late"), Done())
    assert [value["type"] for value in values[-4:]] == [
        *("TOOL_CALL_ARGS", "TOOL_CALL_END", "STEP_FINISHED", "RUN_ERROR")
    ]
    assert values[-1] == {"type": "RUN_ERROR", "message": "later", "code": "overloaded"}
    assert told(failure) == values[-1:]


def test_an_event_of_the_protocols_own_passes_if_it_opens_nothing() -> None:
    state = {"type": "STATE_SNAPSHOT", "snapshot": None}
    others = [Raw("ag_ui", data) for data in ({"type": "STATE_SNAPSHOT"}, {"type": "STEP_STARTED", "stepName": "x"}, 1)]
    assert told(Raw("ag_ui", state), *others, Raw("openai", state))[1:-1] == [state]


def test_other_choices_and_empty_pieces_are_left_out() -> None:
    others: list[Event] = [
        *(TextDelta("b", 1), ReasoningDelta("b", index=1), ToolCallDelta(0, "x", "f", choice=1)),
        *(ToolCall("x", "f", {}, choice=1), TextDelta("")),
    ]
    assert kinds(START, *others, Done()) == []
    contents = [kind for kind in kinds(START, TextDelta("a"), *others, TextDelta("b"), Done()) if "CONTENT" in kind]
    assert len(contents) == 2


@pytest.mark.parametrize(
    "event",
    [
        ToolCall("x", "f", object(), "{}"),
        ToolResult("x", "f", object()),
        Raw("ag_ui", {"type": "RAW", "event": object()}),
    ],
)
def test_what_has_no_json_form_costs_itself_alone(event: Event) -> None:
    encoder = AGUIEncoder()
    encoder.feed(START)
    with pytest.raises(EncodeError, match="cannot be written as JSON"):
        encoder.feed(event)
    assert len(encoder.feed(TextDelta("a"))) == 3


def test_text_goes_the_short_way_only_while_its_message_is_open() -> None:
    encoder = AGUIEncoder(run_id='a"b')
    assert encoder.text_message("a") is None
    encoder.feed(TextDelta("a"))
    message = encoder.text_message('"\u2028')
    assert message == encoder.feed(TextDelta('"\u2028', refusal=True))[0]
    assert message is not None
    assert json.loads(message.data) == {
        "type": "TEXT_MESSAGE_CONTENT",
        "messageId": 'a"b-message-1',
        "delta": '"\u2028',
    }
    assert encoder.text_message("") is None
    encoder.feed(FinishStep(1))
    assert encoder.text_message("a") is None


def test_errors_of_requests_and_answers_that_are_not_streamed() -> None:
    assert AGUIEncoder.error_body(Failure("rate_limited", "too many"), 429) == {
        "message": "too many",
        "code": "rate_limited",
    }
    with pytest.raises(EncodeError, match=r"^this dialect has streams only"):
        AGUIEncoder.whole([])
    with pytest.raises(ValueError, match=r"^max_arguments_size must be a whole number of at least 1, not True$"):
        AGUIDecoder(max_arguments_size=True)


def test_metadata_of_ours_is_text_or_nothing() -> None:
    assert ours({"gai": {"model": "m"}}, "model") == "m"
    for metadata in (None, {}, {"gai": 1}, {"gai": {}}, {"gai": {"model": 1}}, {"gai": {"model": ""}}):
        assert ours(metadata, "model") is None
