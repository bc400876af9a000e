"""Events to Responses events."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gai_stream.dialects.openai.errors import error_object
from gai_stream.dialects.openai_responses import OpenAIResponsesEncoder
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

START = Start("m", "openai", "r")
SEARCH = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search"}}
CALL = ToolCall("x", "f", {"a": 1}, '{"a":1}')


def encode(*events: Event, **options: Any) -> list[dict[str, Any]]:
    """The messages of an answer, as dicts, without those that begin it."""
    encoder = OpenAIResponsesEncoder(framing="ndjson", **options)
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    assert [message["type"] for message in messages[:2]] == ["response.created", "response.in_progress"]
    return messages[2:]


def types(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"].removeprefix("response.") for message in messages]


def output(*events: Event) -> list[Any]:
    """The items of the finished answer."""
    response = encode(START, *events, Finish("stop"))[-1]["response"]
    assert response["status"] == "completed"
    items: list[Any] = response["output"]
    return items


# Sequences


def test_text_is_a_message_item_with_one_part() -> None:
    messages = encode(START, TextDelta("Hel"), TextDelta(""), TextDelta("lo"), Finish("stop", Usage(1, 2, 3)), Done())
    id = messages[0]["item"]["id"]
    assert id.startswith("msg_")
    place = {"item_id": id, "output_index": 0, "content_index": 0}
    empty = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    item = {"id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    part = {**empty, "text": "Hello"}
    done = {**item, "status": "completed", "content": [part]}
    assert messages[:-1] == [
        {"type": "response.output_item.added", "output_index": 0, "item": item, "sequence_number": 2},
        {"type": "response.content_part.added", **place, "part": empty, "sequence_number": 3},
        {"type": "response.output_text.delta", **place, "delta": "Hel", "logprobs": [], "sequence_number": 4},
        {"type": "response.output_text.delta", **place, "delta": "lo", "logprobs": [], "sequence_number": 5},
        {"type": "response.output_text.done", **place, "text": "Hello", "logprobs": [], "sequence_number": 6},
        {"type": "response.content_part.done", **place, "part": part, "sequence_number": 7},
        {"type": "response.output_item.done", "output_index": 0, "item": done, "sequence_number": 8},
    ]
    assert (messages[-1]["type"], messages[-1]["response"]["output"]) == ("response.completed", [done])


def test_reasoning_is_an_item_with_one_summary() -> None:
    messages = encode(START, ReasoningDelta("hm"), Finish("stop"))
    id = messages[0]["item"]["id"]
    assert id.startswith("rs_")
    place = {"item_id": id, "output_index": 0, "summary_index": 0}
    part = {"type": "summary_text", "text": "hm"}
    assert messages[:-1] == [
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"id": id, "type": "reasoning", "summary": []},
            "sequence_number": 2,
        },
        {
            "type": "response.reasoning_summary_part.added",
            **place,
            "part": {**part, "text": ""},
            "sequence_number": 3,
        },
        {"type": "response.reasoning_summary_text.delta", **place, "delta": "hm", "sequence_number": 4},
        {"type": "response.reasoning_summary_text.done", **place, "text": "hm", "sequence_number": 5},
        {"type": "response.reasoning_summary_part.done", **place, "part": part, "sequence_number": 6},
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {"id": id, "type": "reasoning", "summary": [part]},
            "sequence_number": 7,
        },
    ]


@pytest.mark.parametrize(
    ("kind", "item_type", "prefix", "name", "field"),
    [
        ("function", "function_call", "fc_", "function_call_arguments", "arguments"),
        ("custom", "custom_tool_call", "ctc_", "custom_tool_call_input", "input"),
    ],
)
def test_a_call_is_an_item_of_its_own(kind: str, item_type: str, prefix: str, name: str, field: str) -> None:
    messages = encode(
        START,
        ToolCallDelta(0, "x", "f", kind=kind),
        ToolCallDelta(0, arguments='{"a"'),
        ToolCall("x", "f", {"a": 1}, '{"a":1}', kind=kind),
        Finish("tool_calls"),
    )
    id = messages[0]["item"]["id"]
    assert id.startswith(prefix)
    place = {"item_id": id, "output_index": 0}
    item = {"id": id, "type": item_type, "call_id": "x", "name": "f", "status": "in_progress", field: ""}
    whole = {field: '{"a":1}', "name": "f"}
    done = {**item, **whole, "status": "completed"}
    assert messages[:-1] == [
        {"type": "response.output_item.added", "output_index": 0, "item": item, "sequence_number": 2},
        {"type": f"response.{name}.delta", **place, "delta": '{"a"', "sequence_number": 3},
        {"type": f"response.{name}.delta", **place, "delta": ":1}", "sequence_number": 4},
        {"type": f"response.{name}.done", **place, **whole, "sequence_number": 5},
        {"type": "response.output_item.done", "output_index": 0, "item": done, "sequence_number": 6},
    ]


def test_a_refusal_is_a_part_of_its_own() -> None:
    (message,) = output(TextDelta("Well. "), TextDelta("No", refusal=True), TextDelta(".", refusal=True))
    assert message["content"] == [
        {"type": "output_text", "annotations": [], "logprobs": [], "text": "Well. "},
        {"type": "refusal", "refusal": "No."},
    ]
    messages = encode(START, TextDelta("No.", refusal=True), Finish("refusal"))
    assert types(messages)[1:5] == ["content_part.added", "refusal.delta", "refusal.done", "content_part.done"]
    assert messages[-1]["type"] == "response.completed"


def test_under_sse_a_message_is_named_by_its_type() -> None:
    encoder = OpenAIResponsesEncoder(id="r", model="m", created=5)
    messages = [*encoder.feed(TextDelta("a\u2028")), *encoder.finish()]
    assert all(isinstance(message, ServerSentEvent) for message in messages)
    assert [message.event for message in messages] == [message.json()["type"] for message in messages]
    assert messages[4].data.startswith('{"type":"response.output_text.delta","item_id":"msg_')
    assert '"delta":"a\\u2028"' in messages[4].data


def test_every_lifecycle_event_has_the_whole_response() -> None:
    encoder = OpenAIResponsesEncoder(framing="ndjson", clock=lambda: 5.7)
    created, in_progress = encoder.feed(START)
    assert created["response"] == in_progress["response"]
    assert created["response"] == {
        "id": "r",
        "object": "response",
        "created_at": 5,
        "model": "m",
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": None,
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": None,
        "user": None,
    }
    (completed,) = encoder.feed(Finish("stop"))
    assert completed["response"] == {**created["response"], "status": "completed"}
    assert encoder.feed(Start("other", None, "other")) == []


def test_model_and_id_replace_what_start_says() -> None:
    *_, completed = encode(START, Finish("stop"), model="mine", id="resp_mine", created=7)
    response = completed["response"]
    assert (response["model"], response["id"], response["created_at"]) == ("mine", "resp_mine", 7)


def test_ids_are_made_up_where_there_are_none_and_the_same_for_the_same_answer() -> None:
    assert encode(TextDelta("a"))[-1]["response"]["id"].startswith("resp_")
    assert output(TextDelta("a"), CALL) == output(TextDelta("a"), CALL)
    assert len({item["id"] for item in output(TextDelta("a"), CALL, TextDelta("b"))}) == 3


def test_a_calls_id_is_kept_if_the_api_takes_it_back() -> None:
    assert output(ToolCall("c" * 64, "f", {}))[0]["call_id"] == "c" * 64
    longer = output(ToolCall("c" * 65, "f", {}))[0]["call_id"]
    assert len(longer) == 64
    assert output(ToolCall("c" * 65, "f", {}))[0]["call_id"] == longer
    assert output(ToolCall("functions.f:0", "f", {}))[0]["call_id"].startswith("functions_f_0_")


def test_a_custom_tools_input_is_text_and_not_json() -> None:
    calls = [ToolCall(str(n), "sql", text, kind="custom") for n, text in enumerate(("SELECT", "", " "))]
    assert [item["input"] for item in output(*calls)] == ["SELECT", "", " "]


def test_messages_that_were_given_do_not_change_later() -> None:
    encoder = OpenAIResponsesEncoder(framing="ndjson")
    events = [
        START,
        TextDelta("a"),
        Citations([Citation("u")]),
        Raw("openai_responses", {"type": "response.output_item.done", "item": SEARCH}),
        Citations([Citation("v")]),
        CALL,
        Finish("stop"),
    ]
    given, copies = [], []
    for event in events:
        messages = encoder.feed(event)
        given += messages
        copies += copy.deepcopy(messages)
    assert given == copies


# Order


def test_text_behind_a_call_is_another_message() -> None:
    items = output(TextDelta("a"), CALL, TextDelta("b"), ReasoningDelta("c"), TextDelta("d"))
    assert [item["type"] for item in items] == ["message", "function_call", "message", "reasoning", "message"]


def test_text_that_comes_while_a_call_is_written_waits_for_its_end() -> None:
    events = [
        ToolCallDelta(0, "x", "f", '{"a"'),
        TextDelta("one"),
        ReasoningDelta("two"),
        Citations([Citation("u", "t", 0, 3)]),
        ToolCallDelta(1, "y", "g", "{}"),
        ToolCallDelta(0, arguments=":1}"),
        CALL,
        ToolCall("y", "g", {}, "{}"),
    ]
    first, message, reasoning, second = output(*events)
    assert (first["arguments"], second["arguments"], reasoning["summary"][0]["text"]) == ('{"a":1}', "{}", "two")
    assert message["content"][0]["text"] == "one"
    assert message["content"][0]["annotations"][0]["url"] == "u"
    assert {item["status"] for item in (first, message, second)} == {"completed"}


def test_text_ends_a_call_whose_arguments_are_whole() -> None:
    messages = encode(START, ToolCallDelta(0, "x", "f", '{"a":1}'), TextDelta("b"), CALL, Finish("stop"))
    assert types(messages)[:6] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
    ]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_call_that_was_cut_is_incomplete(reason: str) -> None:
    messages = encode(START, ToolCallDelta(0, "x", "f", '{"a"'), TextDelta("held"), Finish(reason))
    call, message = messages[-1]["response"]["output"]
    assert (call["arguments"], call["status"]) == ('{"a"', "incomplete")
    assert (message["content"][0]["text"], message["status"]) == ("held", "incomplete")


# What has no place


@pytest.mark.parametrize(
    "event",
    [
        TextDelta("x", 1),
        TextDelta(""),
        ReasoningDelta("x", index=1),
        ReasoningDelta(""),
        ToolCallDelta(0, "x", "f", choice=1),
        ToolCall("x", "f", {}, choice=1),
        ToolCallDelta(0, "x", "search", kind="server"),
        ToolCall("x", "search", {}, kind="server"),
        ToolResult("x", "f", {"type": "message"}),
        ToolResult("x", "f", {"type": []}),
        ToolResult("x", "f", "text"),
        Citations([]),
        Citations([Citation("u")]),
        Safety("hate", "warn"),
        FinishStep(1),
        Raw("openai", {"type": "response.output_item.done", "item": SEARCH}),
        Raw("openai_responses", {"type": "response.web_search_call.searching"}),
        Raw("openai_responses", {"type": "response.output_item.done", "item": {"id": "x"}}),
        Raw("openai_responses", {"type": "response.output_item.done"}),
        Raw("openai_responses", "text"),
    ],
)
def test_what_has_no_place_is_left_out(event: Event) -> None:
    assert types(encode(START, event, Finish("stop"))) == ["completed"]


def test_a_call_of_the_providers_own_holds_nothing_up() -> None:
    search = [ToolCallDelta(0, "ws", "web_search", kind="server"), ToolCallDelta(0, arguments="{")]
    messages = encode(START, *search, TextDelta("a"), ToolResult("ws", "web_search", SEARCH), Finish("stop"))
    assert messages[-1]["response"]["output"][1:] == [SEARCH]
    assert types(messages)[6:8] == ["output_item.added", "output_item.done"]


def test_an_item_of_the_apis_own_passes_once_and_always_has_an_id() -> None:
    item = {"type": "local_shell_call", "status": "completed"}
    raw = Raw("openai_responses", {"type": "response.output_item.done", "output_index": 7, "item": item})
    first, second, third = output(raw, raw, ToolResult("ws", "web_search", SEARCH), ToolResult("ws", "x", SEARCH))
    assert (first["type"], second["type"], third) == ("local_shell_call", "local_shell_call", SEARCH)
    assert first["id"].startswith("item_")
    assert first["id"] != second["id"]


@pytest.mark.parametrize("provider", ["anthropic", "gemini", "ollama"])
def test_other_providers_seals_are_dropped(provider: str) -> None:
    start = Start("m", provider, "r")
    sealed = [ReasoningDelta("", "seal"), ReasoningDelta("", redacted="secret")]
    assert types(encode(start, *sealed, Finish("stop"))) == ["completed"]
    (item,) = encode(start, ReasoningDelta("hm", "seal", redacted="secret"), Finish("stop"))[-1]["response"]["output"]
    assert item["id"].startswith("rs_")
    assert "encrypted_content" not in item


def test_encrypted_reasoning_goes_back_under_its_own_id() -> None:
    first, second, third, fourth = output(
        ReasoningDelta("", "rs_a"),
        ReasoningDelta("one"),
        ReasoningDelta("", "rs_a", redacted="A"),
        ReasoningDelta("", "rs_b", redacted="B"),
        ReasoningDelta("two"),
        ReasoningDelta("", "rs_a", redacted="C"),
    )
    assert (first["id"], first["summary"][0]["text"], first["encrypted_content"]) == ("rs_a", "one", "A")
    assert second == {"id": "rs_b", "type": "reasoning", "summary": [], "encrypted_content": "B"}
    assert (third["summary"][0]["text"], fourth["encrypted_content"]) == ("two", "C")
    assert fourth["id"] not in ("rs_a", third["id"])
    (unknown,) = encode(Start("m"), ReasoningDelta("", "seal", redacted="A"), Finish("stop"))[-1]["response"]["output"]
    assert unknown["id"].startswith("rs_")
    assert unknown["encrypted_content"] == "A"


# Sources


def source(url: str, start: int, stop: int, **more: Any) -> dict[str, Any]:
    return {"type": "url_citation", "url": url, "title": "", "start_index": start, "end_index": stop, **more}


def test_a_source_is_told_in_the_open_text_with_places_of_its_part() -> None:
    messages = encode(
        START,
        TextDelta("abc"),
        CALL,
        TextDelta("defg"),
        Citations([Citation("u", "t", 4, 6, "ef"), Citation("v"), Citation(None, "w", 0, 9)]),
        Finish("stop"),
    )
    told = [message for message in messages if message["type"] == "response.output_text.annotation.added"]
    assert [message["annotation_index"] for message in told] == [0, 1, 2]
    assert {(message["output_index"], message["content_index"]) for message in told} == {(2, 0)}
    expected = [
        source("u", 1, 3, title="t", content="ef"),
        source("v", 4, 4),
        source("", 0, 6, title="w"),
    ]
    assert [message["annotation"] for message in told] == expected
    assert messages[-1]["response"]["output"][2]["content"][0]["annotations"] == expected


def test_a_source_before_any_text_waits_for_it() -> None:
    messages = encode(START, Citations([Citation("u")]), ReasoningDelta("hm"), TextDelta("abc"), Finish("stop"))
    kinds = types(messages)
    assert kinds.index("output_text.annotation.added") == kinds.index("content_part.added") + 1
    assert messages[-1]["response"]["output"][1]["content"][0]["annotations"] == [source("u", 0, 0)]


def test_a_source_behind_its_text_stands_in_the_last_event() -> None:
    messages = encode(START, TextDelta("abc"), CALL, Citations([Citation("u")]), Finish("stop"))
    assert "output_text.annotation.added" not in types(messages)
    assert messages[-1]["response"]["output"][0]["content"][0]["annotations"] == [source("u", 3, 3)]


def test_sound_ends_before_the_answer_does() -> None:
    messages = encode(START, AudioDelta(b"\0\1", "pcm16", "hi"), AudioDelta(b""), Finish("stop"))
    assert [(m["type"], m.get("delta")) for m in messages[:-1]] == [
        ("response.audio.transcript.delta", "hi"),
        ("response.audio.delta", "AAE="),
        ("response.audio.done", None),
        ("response.audio.transcript.done", None),
    ]


# The end


@pytest.mark.parametrize(
    ("finish", "status", "why"),
    [
        (Finish("stop"), "completed", None),
        (Finish("tool_calls"), "completed", None),
        (Finish("unknown"), "completed", None),
        (Finish("unknown", None, "max_messages"), "incomplete", "max_messages"),
        (Finish("unknown", None, "steered"), "incomplete", "steered"),
        (Finish("length"), "incomplete", "max_output_tokens"),
        (Finish("content_filter"), "incomplete", "content_filter"),
        (Finish("refusal"), "incomplete", "content_filter"),
    ],
)
def test_why_an_answer_ends(finish: Finish, status: str, why: str | None) -> None:
    *_, last = encode(START, TextDelta("a"), finish, Done())
    assert last["type"] == f"response.{status}"
    assert last["response"]["status"] == status
    assert last["response"]["incomplete_details"] == (None if why is None else {"reason": why})
    assert last["response"]["output"][0]["status"] == status


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        (Usage(), None),
        (Usage(1, 2), (1, {"cached_tokens": 0}, 2, 0, 3)),
        (Usage(None, 2, 9), (0, {"cached_tokens": 0}, 2, 0, 9)),
        (Usage(10, 5, 16, 2, 3, 1), (10, {"cached_tokens": 3, "cache_write_tokens": 1}, 5, 2, 16)),
    ],
)
def test_usage_is_told_in_numbers_or_not_at_all(usage: Usage | None, expected: Any) -> None:
    told = encode(START, Finish("stop", usage))[-1]["response"]["usage"]
    if told is not None:
        told = (*list(told.values())[:3], told["output_tokens_details"]["reasoning_tokens"], told["total_tokens"])
    assert told == expected


@pytest.mark.parametrize(
    ("code", "kind", "word"),
    [
        ("rate_limited", "rate_limit_error", "rate_limit_exceeded"),
        ("context_length_exceeded", "invalid_request_error", "context_length_exceeded"),
        ("invalid_request", "invalid_request_error", "invalid_prompt"),
        ("overloaded", "server_error", "server_error"),
        ("of our own", "server_error", "server_error"),
    ],
)
def test_a_failure_closes_what_is_open_and_is_told_twice(code: str, kind: str, word: str) -> None:
    messages = encode(START, ToolCallDelta(0, "x", "f", "{"), TextDelta("held"), Failure(code, "why"), Done(False))
    assert types(messages)[-3:] == ["output_item.done", "error", "failed"]
    error = error_object(Failure(code, "why"))["error"]
    assert error["type"] == kind
    assert messages[-2] == {
        "type": "error",
        "code": error["code"],
        "message": "why",
        "param": None,
        "error": error,
        "sequence_number": messages[-1]["sequence_number"] - 1,
    }
    response = messages[-1]["response"]
    assert (response["status"], response["error"]) == ("failed", {"code": word, "message": "why"})
    assert [item["status"] for item in response["output"]] == ["incomplete", "incomplete"]
    assert OpenAIResponsesEncoder.error_body(Failure(code, "why"), 500) == {"error": messages[-2]["error"]}


def test_an_answer_that_never_finished_is_a_failure_and_a_bare_text_is_not() -> None:
    assert types(encode(START, TextDelta("a")))[-2:] == ["error", "failed"]
    assert types(encode(TextDelta("a")))[-1] == "completed"
    assert types(encode()) == ["completed"]


def test_the_body_of_an_answer_that_is_not_streamed_is_its_last_response() -> None:
    encoder = OpenAIResponsesEncoder(framing="ndjson")
    messages = encoder.feed(TextDelta("a")) + encoder.finish()
    assert encoder.whole(messages) == messages[-1]["response"]
    with pytest.raises(ValueError, match=r"^messages must go on to response\.completed, response\.incomplete, "):
        encoder.whole(messages[:-1])


# Mistakes


@pytest.mark.parametrize("framing", ["", "SSE", None])
def test_an_unknown_framing_is_refused(framing: Any) -> None:
    with pytest.raises(ValueError, match=r'^framing must be "sse" or "ndjson", not '):
        OpenAIResponsesEncoder(framing=framing)


@pytest.mark.parametrize("framing", ["sse", "ndjson"])
@pytest.mark.parametrize(
    "event",
    [
        Raw("openai_responses", {"type": "response.output_item.done", "item": {"type": "x", "y": object()}}),
        ToolResult("ws", "web_search", {**SEARCH, "action": object()}),
        ToolCall("x", "f", object()),
    ],
)
def test_data_without_a_json_form_costs_its_event_alone(framing: Any, event: Event) -> None:
    encoder, twin = OpenAIResponsesEncoder(framing=framing, id="r"), OpenAIResponsesEncoder(framing=framing, id="r")
    with pytest.raises(EncodeError, match=r"^value cannot be written as JSON: "):
        encoder.feed(event)
    assert encoder.feed(TextDelta("a")) == twin.feed(TextDelta("a"))
