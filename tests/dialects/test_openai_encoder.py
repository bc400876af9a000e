"""Events to Chat Completions: the chunks, their order, and what comes back from them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gai_stream.dialects.openai import OpenAIEncoder
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

HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
START = Start("m", None, "c1")
OPENING = {"role": "assistant", "content": "", "refusal": None}
DONE = {"object": "done"}
NO_SPAN = {"start_index": 0, "end_index": 0}


def delta(value: dict[str, Any], *, choice: int = 0, reason: str | None = None) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": choice, "delta": value, "finish_reason": reason}]}


def encode(*events: Event, finish: bool = True, **options: Any) -> list[Any]:
    """The chunks as data; from SSE, with `[DONE]` as it is, if the NDJSON form says the same."""
    result = []
    for framing in ("ndjson", "sse"):
        encoder = OpenAIEncoder(framing=framing, created=7, **{"id": "c1", **options})
        result.append([message for event in events for message in encoder.feed(event)])
        result[-1] += encoder.finish() if finish else []
    dicts, messages = result
    assert all(message == ServerSentEvent(message.data) for message in messages)
    assert [DONE if message.data == "[DONE]" else json.loads(message.data) for message in messages] == dicts
    return dicts


def tool(index: int, arguments: str, *, id: str | None = None, name: str | None = None) -> dict[str, Any]:
    if id is None:
        return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}
    return {
        "tool_calls": [
            {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        ]
    }


def test_an_answer_is_role_text_reason_usage_and_done() -> None:
    usage = Usage(10, 5, 15, 2, 3, 4)
    assert encode(START, TextDelta("Hi"), FinishStep(1), Finish("stop", usage), Done()) == [
        delta(OPENING),
        delta({"content": "Hi"}),
        delta({}, reason="stop"),
        {
            **HEAD,
            "choices": [],
            "usage": {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
        },
        DONE,
    ]


def test_the_bytes_on_the_wire_are_plain_data_messages() -> None:
    encoder = OpenAIEncoder(id="c1", created=7)
    assert encoder.feed(TextDelta("\u2028é\n\ud800"))[1] == ServerSentEvent(
        '{"id":"c1","object":"chat.completion.chunk","created":7,"model":"",'
        '"choices":[{"index":0,"delta":{"content":"\\u2028é\\n�"},"finish_reason":null}]}'
    )
    assert encoder.finish()[-1] == ServerSentEvent("[DONE]")


@pytest.mark.parametrize(
    ("usage", "wire"),
    [
        (None, None),
        (Usage(), None),
        (Usage(3), {"prompt_tokens": 3}),
        (Usage(3, 4), {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}),
        (Usage(reasoning_tokens=0), {"completion_tokens_details": {"reasoning_tokens": 0}}),
    ],
)
def test_unknown_usage_is_left_out(usage: Usage | None, wire: Any) -> None:
    *_, last, done = encode(START, Finish("stop", usage), Done())
    assert done == DONE
    assert last == ({**HEAD, "choices": [], "usage": wire} if wire else delta({}, reason="stop"))
    assert encode(START, Finish("stop", usage), Done(), include_usage=False)[-2] == delta({}, reason="stop")


def test_what_every_chunk_says_alike_can_be_given() -> None:
    chunks = encode(
        START,
        TextDelta("a"),
        Start("other", None, "c2"),
        Finish("stop", Usage(1)),
        model="asked",
        id="mine",
        system_fingerprint="fp",
    )
    assert len(chunks) == 5
    for chunk in chunks[:-1]:
        assert (chunk["id"], chunk["model"], chunk["created"], chunk["system_fingerprint"]) == (
            "mine",
            "asked",
            7,
            "fp",
        )


def test_what_is_not_given_comes_from_start_or_is_made_up() -> None:
    encoder = OpenAIEncoder(framing="ndjson", clock=lambda: 1234.9)
    (first,) = encoder.feed(Start("m", None, "c1"))
    assert (first["id"], first["model"], first["created"]) == ("c1", "m", 1234)
    made_up = [OpenAIEncoder(framing="ndjson").feed(TextDelta("a"))[0]["id"] for _ in range(2)]
    assert all(id.startswith("chatcmpl-") for id in made_up)
    assert made_up[0] != made_up[1]


@pytest.mark.parametrize("framing", ["SSE", "json", None])
def test_an_unknown_framing_is_refused(framing: Any) -> None:
    with pytest.raises(ValueError, match='framing must be "sse" or "ndjson", not'):
        OpenAIEncoder(framing=framing)


def test_the_heartbeat_is_the_framings() -> None:
    assert OpenAIEncoder.heartbeat is None


def test_text_alone_is_a_whole_answer() -> None:
    assert encode(TextDelta("a"), TextDelta(""), id="c1", model="m") == [
        delta(OPENING),
        delta({"content": "a"}),
        delta({}, reason="stop"),
        DONE,
    ]


def test_no_event_at_all_is_an_empty_answer() -> None:
    assert encode(model="m") == encode(Done(), model="m") == [delta(OPENING), delta({}, reason="stop"), DONE]


def test_the_end_may_be_left_to_finish_once_the_answer_is_finished() -> None:
    assert encode(START, Finish("stop")) == [delta(OPENING), delta({}, reason="stop"), DONE]


@pytest.mark.parametrize("end", [[], [Done(finished=False)]])
def test_an_answer_that_began_and_never_finished_is_an_error(end: list[Event]) -> None:
    chunks = encode(START, TextDelta("a"), *end)
    assert chunks[2:] == [
        {
            "error": {
                "message": "the answer was cut off before its end",
                "type": "server_error",
                "param": None,
                "code": "truncated",
            }
        },
        DONE,
    ]


def test_done_ends_an_answer_without_a_finish() -> None:
    assert encode(START, Done()) == [delta(OPENING), delta({}, reason="stop"), DONE]
    assert encode(TextDelta("a"), Done(finished=False))[-2]["error"]["code"] == "truncated"


@pytest.mark.parametrize(
    ("code", "type", "word"),
    [
        ("invalid_request", "invalid_request_error", "invalid_request"),
        ("unauthorized", "authentication_error", "invalid_api_key"),
        ("rate_limited", "rate_limit_error", "rate_limit_exceeded"),
        ("overloaded", "server_error", "overloaded"),
        ("of my own", "server_error", "of my own"),
    ],
)
def test_a_failure_is_an_error_object_and_done_and_nothing_else(code: str, type: str, word: str) -> None:
    error = {"error": {"message": "no", "type": type, "param": None, "code": word}}
    assert encode(Failure(code, "no"), Done(finished=False), TextDelta("late")) == [error, DONE]
    assert encode(START, Finish("stop"), TextDelta("late"), Failure(code, "no"))[2:] == [error, DONE]


def test_a_finish_for_an_error_is_an_error() -> None:
    raw = encode(START, Finish("error", None, "insufficient_system_resource"), Done(finished=False))
    assert raw[1:] == [
        {
            "error": {
                "message": "the provider ended its answer with 'insufficient_system_resource'",
                "type": "server_error",
                "param": None,
                "code": "internal",
            }
        },
        DONE,
    ]
    assert "with 'error'" in encode(Finish("error"))[0]["error"]["message"]


@pytest.mark.parametrize(
    ("reason", "plain", "with_call"),
    [
        ("stop", "stop", "tool_calls"),
        ("tool_calls", "stop", "tool_calls"),
        ("unknown", "stop", "tool_calls"),
        ("aborted", "stop", "tool_calls"),
        ("length", "length", "length"),
        ("content_filter", "content_filter", "content_filter"),
        ("refusal", "content_filter", "content_filter"),
    ],
)
def test_the_reason_is_one_that_clients_know(reason: str, plain: str, with_call: str) -> None:
    assert encode(START, Finish(reason))[-2] == delta({}, reason=plain)
    assert encode(START, ToolCall("x", "f", {}, "{}"), Finish(reason))[-2] == delta({}, reason=with_call)


def test_a_refusal_in_words_is_a_stop() -> None:
    assert encode(START, TextDelta("no", refusal=True), Finish("refusal")) == [
        delta(OPENING),
        delta({"refusal": "no"}),
        delta({}, reason="stop"),
        DONE,
    ]


def test_every_choice_has_a_role_first_and_a_reason_last() -> None:
    assert encode(TextDelta("c", 2), TextDelta("a"), ToolCall("x", "f", {}, "{}", 1), Finish("stop"), model="m") == [
        *(delta(OPENING, choice=n) for n in range(3)),
        delta({"content": "c"}, choice=2),
        delta({"content": "a"}),
        delta(tool(0, "", id="x", name="f"), choice=1),
        delta(tool(0, "{}"), choice=1),
        delta({}, reason="stop"),
        delta({}, choice=1, reason="tool_calls"),
        delta({}, choice=2, reason="stop"),
        DONE,
    ]


@pytest.mark.parametrize(
    "event",
    [
        TextDelta("a", 128),
        TextDelta("a", -1, refusal=True),
        ReasoningDelta("a", index=-1),
        ToolCallDelta(0, "x", "f", choice=128),
        ToolCall("x", "f", {}, choice=-1),
        ToolCall("x", "f", object()),
        "text",
        None,
    ],
)
def test_an_event_without_a_form_is_refused_and_forgotten(event: Any) -> None:
    encoder = OpenAIEncoder(framing="ndjson", id="c1", created=7)
    encoder.feed(START)
    with pytest.raises(EncodeError, match=r"the choice must be from 0 to 127|cannot be written as JSON|takes events"):
        encoder.feed(event)
    assert encoder.feed(TextDelta("b")) == [delta({"content": "b"})]
    assert encoder.feed(Finish("stop")) == [delta({}, reason="stop")]


def test_calls_of_the_provider_take_no_index_from_those_of_the_client() -> None:
    # The SDKs keep a list of calls by index, and fail where one is missing.
    messages = encode(
        START,
        ToolCall("srv_1", "web_search", {"q": "x"}, kind="server"),
        ToolCallDelta(1, "call_1", "f", "{}"),
        ToolCall("call_1", "f", {}, "{}"),
        Finish("tool_calls"),
    )
    assert messages[1] == delta(tool(0, "{}", id="call_1", name="f"))
    (choice,) = OpenAIEncoder.whole(messages)["choices"]
    assert [call["id"] for call in choice["message"]["tool_calls"]] == ["call_1"]


def test_reasoning_is_sent_as_the_compatible_servers_do() -> None:
    assert encode(ReasoningDelta("hm", "seal"), ReasoningDelta("", "seal"), model="m", finish=False) == [
        delta(OPENING),
        delta({"reasoning_content": "hm"}),
    ]


def test_citations_are_numbered_through() -> None:
    events = [
        Citations([Citation("u", "t", 0, 2, "w"), Citation("v")]),
        Citations([]),
        Citations([Citation(title="without an address"), Citation("", "as well")]),
        Citations([Citation("w", title="x")]),
    ]
    assert encode(START, *events, finish=False)[1:] == [
        delta(
            {
                "annotations": [
                    {
                        "type": "url_citation",
                        "index": 0,
                        "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 2, "content": "w"},
                    },
                    {"type": "url_citation", "index": 1, "url_citation": {"url": "v", "title": "", **NO_SPAN}},
                ]
            }
        ),
        delta(
            {
                "annotations": [
                    {"type": "url_citation", "index": 2, "url_citation": {"url": "w", "title": "x", **NO_SPAN}}
                ]
            }
        ),
    ]


def test_audio_has_an_id_first_and_an_expiry_last() -> None:
    first, named, *rest = encode(
        AudioDelta(b"\0\1", "pcm16", "He"), AudioDelta(b"", transcript="y"), Finish("stop"), model="m"
    )
    assert first == delta(OPENING)
    assert named == delta({"audio": {"id": "audio_c1"}})
    assert rest == [
        delta({"audio": {"transcript": "He"}}),
        delta({"audio": {"data": "AAE="}}),
        delta({"audio": {"transcript": "y"}}),
        delta({"audio": {"expires_at": 3607}}),
        delta({}, reason="stop"),
        DONE,
    ]


def test_what_has_no_place_here_is_left_out_and_own_raw_events_pass() -> None:
    raw = {"type": "ping", "n": 1}
    silent: list[Event] = [
        Safety("hate", "block"),
        ToolResult("x", "f", 1),
        FinishStep(1),
        Raw("anthropic", raw),
        Raw("openai", [1]),
    ]
    assert encode(START, *silent, Raw("openai", raw), finish=False) == [delta(OPENING), raw]


def test_a_text_alone_is_told_the_short_way_while_nothing_else_must_be() -> None:
    encoder = OpenAIEncoder(created=7)
    assert encoder.text_message("a") is None
    encoder.feed(START)
    assert [encoder.text_message("a")] == encoder.feed(TextDelta("a"))
    assert encoder.text_message("") is None
    encoder.feed(Finish("stop"))
    assert encoder.text_message("a") is None


def test_nothing_is_taken_after_the_end() -> None:
    encoder = OpenAIEncoder()
    encoder.feed(Done())
    assert encoder.feed(TextDelta("late")) == []
    assert encoder.finish() == []
    with pytest.raises(RuntimeError, match="OpenAIEncoder: feed after finish"):
        encoder.feed(TextDelta("late"))
    with pytest.raises(RuntimeError, match="OpenAIEncoder: finish after finish"):
        encoder.finish()
