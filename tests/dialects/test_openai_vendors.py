"""The servers that resemble OpenAI: each row of differences, and every shape of error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gai_stream.dialects.openai import OpenAIDecoder, provider_error
from gai_stream.events import (
    Citation,
    Citations,
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    ReasoningDelta,
    Safety,
    Start,
    TextDelta,
    Usage,
)
from gai_stream.exceptions import TruncatedStream
from gai_stream.sse import ServerSentEvent


def chunk(delta: dict[str, Any] | None = None, *, reason: str | None = None, **extra: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **extra}


def decode(*messages: Any) -> list[Event]:
    """What comes before the end, without Start."""
    decoder = OpenAIDecoder()
    events = [event for message in messages for event in decoder.feed(message)]
    assert events.pop(0) == Start(None, None, "c")
    return events


def usage_of(*messages: Any) -> Usage | None:
    decoder = OpenAIDecoder()
    for message in messages:
        decoder.feed(message)
    finish = decoder.feed("[DONE]")[-2]
    assert isinstance(finish, Finish)
    return finish.usage


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "hm", "content": None},
        {"reasoning": "hm", "channel": "analysis"},
        {"reasoning_content": "", "reasoning": "hm"},
        {"reasoning_content": "hm", "reasoning": "hm"},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}], "content": ""},
        {"reasoning_details": [{"type": "reasoning.text", "text": "h"}, {"type": "reasoning.summary", "summary": "m"}]},
        {"reasoning_content": "hm", "thinking_blocks": [{"type": "thinking", "thinking": "hm"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}]},
        {"content": [{"type": "thinking", "thinking": "hm"}]},
        {"content": [{"type": "thinking", "thinking": "hm"}], "reasoning": "hm"},
    ],
)
def test_reasoning_counts_once_under_whatever_name(delta: dict[str, Any]) -> None:
    assert decode(chunk(delta)) == [ReasoningDelta("hm")]


def test_seals_on_reasoning_are_kept() -> None:
    sealed = {"type": "reasoning.text", "text": "hm", "signature": "s1"}
    encrypted = {"type": "reasoning.encrypted", "data": "d1"}
    assert decode(chunk({"reasoning": "hm", "reasoning_details": [sealed, encrypted]})) == [
        ReasoningDelta("hm", "s1"),
        ReasoningDelta("", "d1"),
    ]
    assert decode(chunk({"reasoning_details": [{**sealed, "text": None}]})) == [ReasoningDelta("", "s1")]
    same = {"reasoning_details": [sealed], "thinking_blocks": [{"thinking": "hm", "signature": "s1"}]}
    assert decode(chunk(same)) == [ReasoningDelta("hm", "s1")]
    assert decode(chunk({"reasoning_details": "odd", "thinking_blocks": [5, {}]})) == []


def test_content_may_be_a_list() -> None:
    parts = [{"type": "text", "text": "a"}, "b", {"type": "reference", "reference_ids": [1, "x"]}, {"type": "text"}]
    assert decode(chunk({"content": parts})) == [
        TextDelta("a"),
        TextDelta("b"),
        Citations([Citation("1"), Citation("x")]),
    ]


def test_sources_are_told_once_with_what_the_search_knows() -> None:
    results = [{"title": "B", "url": "u2", "snippet": "words"}, {"title": "C", "url": "u3"}, {"date": "2026"}]
    found = {"citations": ["u1", "u2", 5, {"url": "u4", "title": "D"}, {}], "search_results": results}
    more = {**found, "citations": ["u1", "u9"]}
    assert decode(chunk({"content": "a"}, **found), chunk({"content": "b"}, **found), chunk({}, **more)) == [
        TextDelta("a"),
        Citations([Citation("u1"), Citation("u2", "B", text="words"), Citation("u4", "D"), Citation("u3", "C")]),
        TextDelta("b"),
        Citations([Citation("u9")]),
    ]
    assert decode(chunk({}, citations="odd", search_results={"also": "odd"})) == []


def test_glm_tells_of_its_search_and_its_filter() -> None:
    search = [{"title": "T", "link": "u", "content": "words", "icon": "i", "refer": "ref_1"}]
    levels = [{"role": "user", "level": 0}, {"role": "assistant", "level": 2}, {}]
    assert decode(chunk({}, web_search=search, content_filter=levels)) == [
        Safety("user", "block", 0),
        Safety("assistant", "warn", 2),
        Safety("content_filter", "warn"),
        Citations([Citation("u", "T", text="words")]),
    ]
    assert decode(chunk({"content": "a"}), chunk({}, reason="sensitive"), "[DONE]") == [
        TextDelta("a"),
        Safety("sensitive", "block"),
        FinishStep(1),
        Finish("content_filter", None, "sensitive"),
        Done(),
    ]


def test_a_cumulative_message_beside_the_delta_is_ignored() -> None:
    choice = {"index": 0, "delta": {"content": ""}, "message": {"content": "all of it"}, "finish_reason": "stop"}
    assert decode({"id": "c", "object": "chat.completion.done", "choices": [choice]}) == []


def test_the_provider_behind_a_router_is_told() -> None:
    assert OpenAIDecoder().feed(chunk({}, model="m", provider="Groq")) == [Start("m", "Groq", "c")]
    assert OpenAIDecoder().feed(chunk({}, model="m", provider={"odd": 1})) == [Start("m", None, "c")]


def test_an_id_that_changes_per_chunk_starts_once() -> None:
    assert decode(chunk({"content": "a"}), {**chunk({"content": "b"}), "id": "d"}) == [TextDelta("a"), TextDelta("b")]


@pytest.mark.parametrize(
    ("extra", "usage"),
    [
        ({"usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}, Usage(3, 2, 5)),
        ({"usage": {"prompt_tokens": 3.0, "completion_tokens": 2.0}}, Usage(3, 2, 5)),
        ({"usage": {"prompt_tokens": 3}}, Usage(3)),
        ({"usage": {"total_tokens": 3}}, Usage(None, None, 3)),
        ({"usage": {}}, None),
        ({"usage": None}, None),
        ({"x_groq": {"id": "r"}}, None),
        ({"x_groq": {"id": "r", "usage": {"prompt_tokens": 3, "queue_time": 0.1}}}, Usage(3)),
        ({"x_groq": {"usage": {"prompt_tokens": 9}}, "usage": {"prompt_tokens": 3}}, Usage(3)),
        ({"choices": [{"delta": {}, "usage": {"prompt_tokens": 3}}]}, Usage(3)),
        (
            {"usage": {"prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2}}},
            Usage(None, None, None, None, 1, 2),
        ),
        ({"usage": {"completion_tokens_details": {"reasoning_tokens": 0}}}, Usage(None, None, None, 0)),
        (
            {"usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}},
            Usage(9, cache_read_tokens=4),
        ),
        ({"usage": {"cached_tokens": 4}}, Usage(cache_read_tokens=4)),
        (
            {"usage": {"cache_read_input_tokens": 4, "cache_creation_input_tokens": 5}},
            Usage(None, None, None, None, 4, 5),
        ),
        ({"usage": {"reasoning_tokens": 4}}, Usage(reasoning_tokens=4)),
        # xAI leaves reasoning out of the completion: 496 + 77 + 121 = 694.
        (
            {
                "usage": {
                    "prompt_tokens": 496,
                    "completion_tokens": 77,
                    "total_tokens": 694,
                    "completion_tokens_details": {"reasoning_tokens": 121},
                }
            },
            Usage(496, 198, 694, 121),
        ),
        (
            {
                "usage": {
                    "prompt_tokens": 6,
                    "completion_tokens": 212,
                    "total_tokens": 218,
                    "completion_tokens_details": {"reasoning_tokens": 198},
                }
            },
            Usage(6, 212, 218, 198),
        ),
    ],
)
def test_usage_is_found_wherever_it_is(extra: dict[str, Any], usage: Usage | None) -> None:
    assert usage_of(chunk({}, **extra)) == usage


def test_the_last_usage_counts_and_is_never_added_up() -> None:
    counts = [{"usage": {"prompt_tokens": 8, "completion_tokens": n}} for n in (1, 2, 5)]
    assert usage_of(*(chunk({}, **count) for count in counts), chunk({}, usage={})) == Usage(8, 5, 13)


NO = "it went wrong"


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
        TextDelta("a"),
        TextDelta("b"),
    ]
    assert decode(ServerSentEvent(json.dumps(chunk({"content": "a"})), event="error")) == [TextDelta("a")]


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
        (b"<html>Bad Gateway</html>\n", "<html>Bad Gateway</html>"),
        ("x" * 600, "x" * 500),
        (b"\xff", "�"),
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
