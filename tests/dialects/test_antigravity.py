"""Antigravity: Gemini's chunks in an envelope."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gai_stream.dialects.antigravity import AntigravityDecoder, AntigravityEncoder
from gai_stream.dialects.gemini import GeminiEncoder
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
)
from gai_stream.exceptions import DecodeError, TruncatedStream
from gai_stream.sse import ServerSentEvent, SSEDecoder


def enveloped(*parts: Any, **fields: Any) -> dict[str, Any]:
    response = {"candidates": [{"content": {"parts": [*parts]}, **fields}], "responseId": "r", "modelVersion": "m"}
    return {"response": response, "traceId": "t", "metadata": {}, "remainingCredits": 5}


def events(*messages: Any) -> list[Event]:
    decoder = AntigravityDecoder()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


def test_a_chunk_is_taken_with_and_without_its_envelope() -> None:
    # seeds.md 5.1: the original read top-level `candidates` alone, and gave no text ever.
    bare = enveloped({"text": "b"}, finishReason="STOP")["response"]
    for first in (enveloped({"text": "a"}), ServerSentEvent(json.dumps(enveloped({"text": "a"})))):
        assert events(first, bare) == [
            Start("m", "gemini", "r"),
            TextDelta("a"),
            TextDelta("b"),
            FinishStep(1),
            Finish("stop", None, "STOP"),
            Done(),
        ]


def test_other_models_behind_the_same_envelope_are_read_alike() -> None:
    call = {"functionCall": {"id": "toolu_vrtx_1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "RVFD"}
    found = events(
        enveloped({"text": "hm", "thought": True, "thoughtSignature": "RQ=="}), enveloped(call, finishReason="OTHER")
    )
    assert found[1:] == [
        ReasoningDelta("hm", "RQ=="),
        ToolCallDelta(0, "toolu_vrtx_1", "f", '{"a":1}'),
        ToolCall("toolu_vrtx_1", "f", {"a": 1}, '{"a":1}', signature="RVFD"),
        FinishStep(1),
        Finish("tool_calls", None, "OTHER"),
        Done(),
    ]


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE"])
@pytest.mark.parametrize(("note", "message"), [("Malformed: f(", ": Malformed: f("), ("", ""), (None, ""), (5, "")])
def test_a_call_that_the_model_got_wrong_may_be_tried_again(word: str, note: Any, message: str) -> None:
    found = events(enveloped({"text": "a"}), enveloped(finishReason=word, finishMessage=note))
    assert found[2:] == [Failure("invalid_response", word + message, True), Done(finished=False)]


@pytest.mark.parametrize(
    "message",
    [
        {
            "error": {
                "code": 429,
                "message": "slow",
                "status": "RESOURCE_EXHAUSTED",
                "details": [{"@type": "x.RetryInfo", "retryDelay": "3.5s"}],
            }
        },
        {"response": {"error": {"code": 429, "message": "slow", "details": [{"retryDelay": "3.5s"}]}}, "traceId": "t"},
        [{"error": {"code": 429, "message": "slow", "details": [{"retryDelay": "3.5s"}]}}],
    ],
)
def test_an_error_tells_when_to_try_again(message: Any) -> None:
    assert events(enveloped({"text": "a"}), message)[2:] == [
        Failure("rate_limited", "slow", True, 3.5),
        Done(finished=False),
    ]


def test_an_error_outside_of_any_event_is_seen() -> None:
    decoder = AntigravityDecoder()
    sse = SSEDecoder(on_ignored=decoder.ignored)
    data = json.dumps(enveloped({"text": "a"})).encode()
    messages = sse.feed(b"data: " + data + b'\n\n{\n  "error": {"code": 503, "message": "busy"}\n}\n')
    assert len([event for message in messages for event in decoder.feed(message)]) == 2
    assert decoder.finish()[0] == Failure("provider_unavailable", "busy", True, 30.0)


@pytest.mark.parametrize("message", [{"traceId": "t"}, {"response": 5}])
def test_an_envelope_with_nothing_in_it_is_raw(message: Any) -> None:
    assert AntigravityDecoder().feed(message) == [Start(None, "gemini"), Raw("antigravity", message)]


def test_what_is_wrong_is_told_as_for_gemini() -> None:
    with pytest.raises(DecodeError, match=r"^not a Gemini chunk: "):
        AntigravityDecoder().feed({"response": {"candidates": 5}})
    with pytest.raises(TruncatedStream, match=r"^the stream ended without a finish reason$"):
        events(enveloped({"text": "a"}))
    with pytest.raises(ValueError, match="max_arguments_size"):
        AntigravityDecoder(max_arguments_size=0)


def messages(*given: Event, **options: Any) -> list[Any]:
    encoder = AntigravityEncoder(**options)
    return [message for event in given for message in encoder.feed(event)] + encoder.finish()


def test_messages_are_geminis_in_an_envelope() -> None:
    given: list[Event] = [Start("m", "gemini", "r"), TextDelta("a"), Finish("stop"), Done()]
    gemini = GeminiEncoder(framing="ndjson")
    plain = [message for event in given for message in gemini.feed(event)] + gemini.finish()
    wanted = [{"response": message, "traceId": "t", "metadata": {}} for message in plain]
    assert messages(*given, framing="ndjson", trace_id="t") == wanted
    assert [json.loads(message.data) for message in messages(*given, trace_id="t")] == wanted
    made_up = {message["traceId"] for message in messages(*given, framing="ndjson")}
    assert len(made_up) == 1
    assert re.fullmatch("[0-9a-f]{32}", made_up.pop())
    whole = AntigravityEncoder.whole(wanted)
    assert whole == {"response": GeminiEncoder.whole(plain), "traceId": "t", "metadata": {}}


def test_an_error_has_no_envelope() -> None:
    found = messages(TextDelta("a"), Failure("overloaded", "busy", True), framing="ndjson")
    assert found[-1] == {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
    assert AntigravityEncoder.whole(found) == found[-1]
    assert AntigravityEncoder.error_body(Failure("internal", "x"), 500)["error"]["code"] == 500


def test_model_and_id_may_be_replaced() -> None:
    (first, *_) = messages(TextDelta("a"), framing="ndjson", model="mine", id="own")
    assert (first["response"]["modelVersion"], first["response"]["responseId"]) == ("mine", "own")
