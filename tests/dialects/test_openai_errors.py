"""What goes wrong: messages of the wrong shape, and the errors that servers send in a stream or instead of one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from gai_stream.dialects.openai import OpenAIDecoder, provider_error
from gai_stream.events import (
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    Safety,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from gai_stream.exceptions import DecodeError, LimitExceeded, TruncatedStream
from gai_stream.sse import ServerSentEvent

START = Start("m", None, "c1")
STOP = [FinishStep(1), Finish("stop", None, "stop"), Done()]
NO = "it went wrong"


def chunk(delta: dict[str, Any] | None = None, *, reason: str | None = None, **extra: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **extra}


def call(arguments: str, *, id: str | None = None, name: str | None = None) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, "id": id, "function": {"name": name, "arguments": arguments}}]}


def decode(*messages: Any, finish: bool = False) -> list[Event]:
    decoder = OpenAIDecoder()
    events = [event for message in messages for event in decoder.feed(message)]
    return events + decoder.finish() if finish else events


@pytest.mark.parametrize(
    ("message", "match"),
    [
        ("{", "truncated"),
        ("nonsense", "malformed"),
        (b'{"choices": "\xff"}', "not a chat completion chunk"),
        ('{"a":' + "[" * 100_000, "recursion"),
        ('{"choices":[{"delta":{"content":5}}]}', r"Expected `str \| array \| null`.*\$.choices\[0\].delta.content"),
        ({"choices": [{"delta": {"content": 5}}]}, r"\$.choices\[0\].delta.content"),
        ({"choices": {"delta": {}}}, "Expected `array"),
        ({"choices": [{"index": -1}]}, "Expected `int` >= 0"),
        ({"choices": [{"index": 128}]}, "Expected `int` <= 127"),
        ({"choices": [{"delta": {"tool_calls": [{"id": 5}]}}]}, r"tool_calls\[0\].id"),
        ({"choices": [{"finish_reason": 5}]}, "finish_reason"),
        ({"choices": [{"delta": {"audio": {"data": "!"}}}]}, "Invalid base64"),
        ({"usage": []}, r"\$.usage"),
        ({"id": 5}, r"\$.id"),
    ],
)
def test_a_broken_message_is_an_error_that_costs_that_message_alone(message: Any, match: str) -> None:
    decoder = OpenAIDecoder()
    assert decoder.feed(chunk({"content": "a"})) == [START, TextDelta("a")]
    with pytest.raises(DecodeError, match=match) as caught:
        decoder.feed(message)
    if not isinstance(message, dict):
        assert caught.value.line == (message if isinstance(message, bytes) else message.encode())
    assert decoder.feed(chunk({"content": "b"}, reason="stop")) == [TextDelta("b")]
    assert decoder.finish() == STOP


def test_what_is_no_message_at_all_is_a_type_error() -> None:
    with pytest.raises(
        TypeError, match="a message is a ServerSentEvent, a dict, JSON text or an SDK object, not object"
    ):
        OpenAIDecoder().feed(object())
    with pytest.raises(TypeError, match=r"SDK object, not \w+"):
        OpenAIDecoder().feed(ChatCompletionChunk)


def test_half_an_emoji_is_replaced_and_costs_nothing_else() -> None:
    assert decode('{"id":"c1","model":"m","choices":[{"delta":{"content":"a\\ud83d"}}]}', finish=False) == [
        START,
        TextDelta("a�"),
    ]
    with pytest.raises(DecodeError, match="not a chat completion chunk"):
        decode('{"id": "\\ud83d", broken')


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_random_input_raises_nothing_but_decode_error(message: bytes | str) -> None:
    decoder = OpenAIDecoder()
    try:
        decoder.feed(message)
    except DecodeError:
        assert decoder.feed(chunk({"content": "a"})) == [START, TextDelta("a")]


@pytest.mark.parametrize("size", [0, -1, 1.5, True, None])
def test_a_meaningless_limit_is_refused(size: Any) -> None:
    with pytest.raises(ValueError, match="max_arguments_size must be a whole number"):
        OpenAIDecoder(max_arguments_size=size)


def test_arguments_over_the_limit_are_refused_before_any_of_the_message_is_told() -> None:
    decoder = OpenAIDecoder(max_arguments_size=20)
    assert decoder.feed(chunk(call('{"a":"', id="x", name="f"))) == [START, ToolCallDelta(0, "x", "f", '{"a":"')]
    with pytest.raises(LimitExceeded, match="longer than 20 characters: raise max_arguments_size") as caught:
        decoder.feed(chunk({"content": "hi", **call("0123456789abcdef")}))
    assert (caught.value.option, caught.value.limit) == ("max_arguments_size", 20)
    assert decoder.feed(chunk(call('1"}'))) == [ToolCallDelta(0, arguments='1"}')]
    assert decoder.feed(chunk({}, reason="tool_calls")) == []
    assert decoder.finish()[0] == ToolCall("x", "f", {"a": "1"}, '{"a":"1"}')


def test_a_failure_ends_the_answer() -> None:
    decoder = OpenAIDecoder()
    events = decoder.feed({"error": {"message": "no", "type": "server_error", "code": None}})
    assert events == [Failure("internal", "no", True), Done(finished=False)]
    assert decoder.feed(chunk({"content": "late"})) == []
    assert decoder.finish() == []


@pytest.mark.parametrize(
    ("message", "failure"),
    [
        (
            {"error": {"message": NO, "type": "server_error", "param": None, "code": None}},
            Failure("internal", NO, True),
        ),
        ({"type": "error", "error": {"message": NO, "type": "overloaded_error"}}, Failure("overloaded", NO, True, 10)),
        ({"error": NO}, Failure("internal", NO, True)),
        ({"error": {"code": 400, "message": NO}}, Failure("invalid_request", NO)),
        ({"error": {"code": "429", "message": NO}}, Failure("rate_limited", NO, True, 60)),
        (
            {"error": {"code": 503, "message": NO, "status": "UNAVAILABLE"}},
            Failure("provider_unavailable", NO, True, 30),
        ),
        ([{"error": {"code": 401, "message": NO}}], Failure("unauthorized", NO)),
        ({"object": "error", "message": NO, "type": "BadRequestError", "code": 400}, Failure("invalid_request", NO)),
        ({"detail": NO}, Failure("internal", NO, True)),
        ({"detail": [{"loc": ["body"], "msg": "x"}]}, Failure("internal", '[{"loc":["body"],"msg":"x"}]', True)),
        ({"message": NO}, Failure("internal", NO, True)),
        ({"error": "Bad Request", "message": NO, "status": 400}, Failure("invalid_request", NO)),
        # OpenRouter: beside choices, which may have text; the error wins.
        (chunk({"content": "x"}, reason="error", error={"code": 502, "message": NO}), Failure("internal", NO, True)),
        (
            {"id": "c", "choices": [{"delta": {}, "error": {"code": 429, "message": NO}}]},
            Failure("rate_limited", NO, True, 60),
        ),
        # Groq names the event; the shape decides all the same.
        (
            ServerSentEvent(json.dumps({"error": {"message": NO, "status_code": 400}}), event="error"),
            Failure("invalid_request", NO),
        ),
        (ServerSentEvent(NO, event="error"), Failure("internal", NO, True)),
        (ServerSentEvent('{"reason": 1}', event="error"), Failure("internal", '{"reason":1}', True)),
        (ServerSentEvent('"gone"', event="error"), Failure("internal", "gone", True)),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_an_error_in_the_stream_is_a_failure_in_every_shape(message: Any, failure: Failure, as_text: bool) -> None:
    decoder = OpenAIDecoder()
    decoder.feed(chunk({"content": "a"}))
    if as_text and not isinstance(message, ServerSentEvent):
        message = json.dumps(message)
    assert decoder.feed(message) == [failure, Done(finished=False)]
    assert decoder.feed("[DONE]") == []
    assert decoder.finish() == []


def test_what_is_no_error_is_not_taken_for_one() -> None:
    assert decode(chunk({"content": "a"}, error=None), chunk({"content": "b"}, error={}, message=None, detail="")) == [
        START,
        TextDelta("a"),
        TextDelta("b"),
    ]
    assert decode(ServerSentEvent(json.dumps(chunk({"content": "a"})), event="error")) == [START, TextDelta("a")]


def test_a_failure_at_once_has_no_start_but_what_was_held_keeps_its_own() -> None:
    error = {"error": {"message": NO}}
    assert OpenAIDecoder().feed(error) == [Failure("internal", NO, True), Done(finished=False)]
    decoder = OpenAIDecoder()
    filtered = {"prompt_filter_results": [{"content_filter_results": {"hate": {"filtered": True}}}]}
    assert decoder.feed({"id": "", "choices": [], **filtered}) == []
    assert decoder.feed(error) == [
        Start(),
        Safety("hate", "block"),
        Failure("internal", NO, True),
        Done(finished=False),
    ]


@pytest.mark.parametrize(
    "line",
    [
        b'error: {"detail":"it went wrong","error":{"message":"it went wrong"}}',
        b'error:{"message":"it went wrong"}',
        b' {"error":{"message":"it went wrong"}}',
        b'[{"error":{"message":"it went wrong"}}]',
    ],
)
def test_an_error_outside_of_any_event_ends_the_answer_behind_what_came_before_it(line: bytes) -> None:
    decoder = OpenAIDecoder()
    decoder.ignored(line)
    decoder.ignored(b'error: {"message":"another"}')
    # The line is told of before the messages of the same chunk are fed: they come first, or the cutting would show.
    assert decoder.feed(chunk({"content": "a"}))[1:] == [TextDelta("a")]
    assert decoder.finish() == [Failure("internal", NO, True), Done(finished=False)]


def test_an_error_outside_of_any_event_is_told_at_the_terminator_too() -> None:
    decoder = OpenAIDecoder()
    decoder.feed(chunk({"content": "a"}, reason="stop"))
    decoder.ignored(b'error: {"message":"it went wrong"}')
    assert decoder.feed("[DONE]") == [Failure("internal", NO, True), Done(finished=False)]


@pytest.mark.parametrize(
    "line", [b"foo: bar", b"error: soon", b'{"a": 1}', b"{", b"[]", b'{"error": null}', b"\xff", b""]
)
def test_other_lines_outside_of_any_event_mean_nothing(line: bytes) -> None:
    decoder = OpenAIDecoder()
    decoder.ignored(line)
    with pytest.raises(TruncatedStream):
        decoder.finish()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "context_length_exceeded", "type": "invalid_request_error"}, "context_length_exceeded"),
        ({"code": "invalid_api_key", "type": "invalid_request_error"}, "unauthorized"),
        ({"code": "model_not_found", "type": "invalid_request_error"}, "not_found"),
        ({"code": "content_filter"}, "safety_blocked"),
        ({"type": "permission_error"}, "forbidden"),
        ({"type": "tokens", "code": "rate_limit_exceeded"}, "rate_limited"),
        ({"type": "timeout_error", "code": 500}, "timeout"),
        ({"type": "invalid_request_error", "code": 404}, "not_found"),
        ({"status": "DEADLINE_EXCEEDED"}, "timeout"),
        ({"status": "CANCELLED"}, "internal"),
        ({"code": 499, "status": "CANCELLED"}, "internal"),
        ({"code": "truncated"}, "truncated"),
        ({"code": 200}, "internal"),
        ({"code": True}, "internal"),
    ],
)
def test_codes_are_found_by_word_before_number(error: dict[str, Any], code: str) -> None:
    assert provider_error({"error": {"message": NO, **error}}).code == code


def test_an_http_error_knows_its_status_and_when_to_try_again() -> None:
    error = provider_error(b'{"error":{"message":"slow down"}}', status=429, retry_after=7)
    assert (error.code, error.message, error.status, error.temporary, error.retry_after) == (
        "rate_limited",
        "slow down",
        429,
        True,
        7,
    )
    assert provider_error("", status=503).status == 503
    assert provider_error({"error": {"type": "server_error"}}, status=529).code == "overloaded"


def test_a_spent_quota_is_not_temporary() -> None:
    error = provider_error({"error": {"message": NO, "code": "insufficient_quota", "retry_after": 5}}, status=429)
    assert (error.code, error.temporary, error.retry_after) == ("rate_limited", False, None)


@pytest.mark.parametrize(
    ("extra", "seconds"),
    [
        ({"retry_after": 3}, 3),
        ({"retry_after": "4"}, 4),
        ({"details": [{"@type": "x"}, {"retryDelay": "3.5s"}, 5]}, 3.5),
        ({"details": [{"retryDelay": "soon"}]}, 60),
        ({"details": "odd", "retry_after": -1}, 60),
        ({"retry_after": "nan"}, 60),
    ],
)
def test_the_time_to_try_again_is_found(extra: dict[str, Any], seconds: float) -> None:
    assert provider_error({"error": {"message": NO, "code": 429, **extra}}).retry_after == seconds


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"Bad Gateway\n", "Bad Gateway"),
        (b"<html>Bad Gateway</html>\n", "the provider reported an error"),
        ("x" * 600, "x" * 500),
        (b"\xff", "the provider reported an error"),
        (b"", "the provider reported an error"),
        (b"{}", "the provider reported an error"),
        (b"[]", "the provider reported an error"),
        ("null", "the provider reported an error"),
        (b'{"a": 1}', '{"a":1}'),
        ({"error": {"message": 5}}, "5"),
        (b"5", "5"),
        ({"error": {"message": object}}, "<class 'object'>"),
    ],
)
def test_any_body_gives_a_message(body: Any, message: str) -> None:
    assert provider_error(body).message == message
