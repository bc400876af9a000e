"""Responses events to events."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from gai_stream.dialects.openai_responses import OpenAIResponsesDecoder
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
    Usage,
)
from gai_stream.exceptions import DecodeError, TruncatedStream
from gai_stream.sse import ServerSentEvent

START = Start("m", "openai", "r")
CREATED = {"type": "response.created", "response": {"id": "r", "model": "m", "object": "response", "output": []}}


def event(type: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{type}", "output_index": index, "item_id": "any", **fields}


def end(status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": {"id": "r", "model": "m", "status": status, **fields}}


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "id": "msg", "role": "assistant", "content": list(parts)}


def text(words: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"type": "output_text", "text": words, "annotations": list(annotations)}


def decode(*messages: Any) -> list[Event]:
    """The events of an answer after its Start."""
    decoder = OpenAIResponsesDecoder()
    start = decoder.feed(CREATED)
    assert start == [START]
    return [event for message in messages for event in decoder.feed(message)]


def ended(*messages: Any, **fields: Any) -> list[Event]:
    """The events of an answer between its Start and its end."""
    events = decode(*messages, end(**fields))
    assert [type(event) for event in events[-3:]] == [FinishStep, Finish, Done]
    return events[:-3]


# Lifecycle


def test_an_answer_is_a_start_its_text_and_its_end() -> None:
    decoder = OpenAIResponsesDecoder()
    assert decoder.feed(CREATED) == [START]
    assert decoder.feed({"type": "response.queued", "response": {"id": "other"}}) == []
    assert decoder.feed({"type": "response.in_progress", "response": {"id": "other"}}) == []
    assert decoder.feed(event("output_item.added", item=message())) == []
    assert decoder.feed(event("content_part.added", content_index=0, part=text(""))) == []
    assert decoder.feed(event("output_text.delta", content_index=0, delta="Hello")) == [TextDelta("Hello")]
    assert decoder.feed(event("output_text.delta", content_index=0, delta="")) == []
    assert decoder.feed(end()) == [FinishStep(1), Finish("stop", None, "completed"), Done()]
    assert decoder.feed(CREATED) == []
    assert decoder.finish() == []


@pytest.mark.parametrize("kind", [str, bytes, bytearray, ServerSentEvent])
def test_a_message_may_be_of_any_kind(kind: Any) -> None:
    data = json.dumps(event("output_text.delta", delta="a"))
    message = kind(data) if kind in (str, ServerSentEvent) else kind(data.encode())
    assert decode(message) == [TextDelta("a")]


def test_the_name_of_the_message_does_not_count_but_the_type_does() -> None:
    data = json.dumps(event("output_text.delta", delta="a"))
    assert decode(ServerSentEvent(data, event="response.refusal.delta")) == [TextDelta("a")]
    assert decode(ServerSentEvent(data, event="error")) == [TextDelta("a")]


def test_a_start_is_made_up_where_the_server_sends_none() -> None:
    decoder = OpenAIResponsesDecoder()
    assert decoder.feed(event("output_text.delta", delta="a")) == [Start(None, "openai"), TextDelta("a")]
    assert decoder.feed(CREATED) == []
    assert OpenAIResponsesDecoder().feed(end()) == [
        START,
        FinishStep(1),
        Finish("stop", None, "completed"),
        Done(),
    ]


@pytest.mark.parametrize("nothing", ["", "[DONE]", " ", {}, None, {"type": "keepalive", "sequence_number": 3}])
def test_what_says_nothing_is_nothing(nothing: Any) -> None:
    assert decode(nothing) == []


def test_the_sentinel_behind_the_end_is_harmless_and_before_it_no_end() -> None:
    decoder = OpenAIResponsesDecoder()
    decoder.feed(CREATED)
    assert decoder.feed("[DONE]") == []
    with pytest.raises(TruncatedStream, match=r"^the stream ended before the answer did$"):
        decoder.finish()
    assert decode(end(), "[DONE]")[-1] == Done()


@pytest.mark.parametrize(
    "unknown",
    [
        {"type": "response.new.thing", "delta": {"x": 1}, "output_index": "a"},
        {"type": "response.web_search_call.searching", "output_index": 0},
        {"type": "response.code_interpreter_call_code.delta", "output_index": 0, "delta": "print()"},
        {"type": "response.output_text.started"},
        {"type": "response.mcp_call_arguments.other"},
        {"type": "response.output_item.moved"},
        {"type": "response.content_part.moved"},
        {"type": "response.paused"},
        {"type": 5},
        {"x": 1},
        {"type": None, "message": 5},
        [1],
        [],
        7,
    ],
)
def test_what_has_no_name_is_raw(unknown: Any) -> None:
    assert decode(json.dumps(unknown)) == [Raw("openai_responses", unknown)]


def test_an_item_of_another_kind_is_raw_as_it_came_and_told_once() -> None:
    item = {"type": "computer_call", "id": 5, "content": "odd"}
    added, done = event("output_item.added", item=item), event("output_item.done", item=item)
    assert decode(added, done, end(output=[item]))[:2] == [
        Raw("openai_responses", added),
        Raw("openai_responses", done),
    ]
    told = {"type": "response.output_item.done", "output_index": 0, "item": item}
    assert ended(output=[item]) == [Raw("openai_responses", told)]
    assert ended(output=[None]) == [Raw("openai_responses", {**told, "item": None})]


@pytest.mark.parametrize(
    "wrong",
    [
        "{",
        '"\\ud800',
        json.dumps({"type": "response.output_text.delta", "delta": "a"}),
        json.dumps({"type": "response.output_text.delta", "output_index": 0, "delta": 5}),
        json.dumps({"type": "response.created", "response": 5}),
        json.dumps({"type": "response.created", "response": {"model": 5}}),
        json.dumps({"type": "response.completed", "response": {"output": {}}}),
        json.dumps({"type": "response.completed", "response": {"output": [{"type": "message", "content": 5}]}}),
        json.dumps({"type": "response.completed", "response": {"usage": {"input_tokens": "5"}}}),
        json.dumps({"object": "response", "output": 5}),
        json.dumps(event("output_item.done", item=message({"type": "output_text", "text": 5}))),
        json.dumps(event("content_part.done", part={"type": "refusal", "refusal": 5})),
        json.dumps({"type": "response.audio.delta", "delta": "not base64"}),
        json.dumps({"type": "response.audio.transcript.delta", "delta": None}),
    ],
)
def test_a_field_of_the_wrong_type_costs_its_message_alone(wrong: str) -> None:
    decoder = OpenAIResponsesDecoder()
    decoder.feed(CREATED)
    decoder.feed(event("output_text.delta", delta="a"))
    with pytest.raises(DecodeError, match=r"^not (JSON|a Responses event): "):
        decoder.feed(wrong)
    assert decoder.feed(event("output_text.done", text="ab")) == [TextDelta("b")]
    assert decoder.feed(end())[-1] == Done()


def test_what_is_no_message_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"^OpenAIResponsesDecoder: a message is a ServerSentEvent, "):
        OpenAIResponsesDecoder().feed(object())


# Text


def test_texts_are_kept_apart_by_their_indexes_and_not_by_the_items_id() -> None:
    assert decode(
        event("output_text.delta", 0, content_index=0, delta="a", item_id="1"),
        event("output_text.delta", 1, content_index=0, delta="b", item_id="2"),
        event("output_text.done", 0, content_index=0, text="ac", item_id="3"),
        event("output_text.done", 1, content_index=0, text="bd", item_id="4"),
        event("output_text.done", 1, content_index=1, text="e", item_id="5"),
    ) == [TextDelta(words) for words in "abcde"]


@pytest.mark.parametrize(
    "done",
    [
        event("output_text.done", text="Hello"),
        event("content_part.done", part=text("Hello")),
        event("output_item.done", item=message(text("Hello"))),
        end(output=[message(text("Hello"))]),
    ],
)
@pytest.mark.parametrize(("seen", "rest"), [("", "Hello"), ("He", "llo"), ("Hello", ""), ("Ha", ""), ("Hello!", "")])
def test_what_the_deltas_left_out_is_told_from_the_whole_text(done: dict[str, Any], seen: str, rest: str) -> None:
    events = decode(event("output_text.delta", delta=seen), done, done)
    told = [e for e in events if isinstance(e, TextDelta)]
    assert told == [TextDelta(words) for words in (seen, rest) if words]


def test_the_beginning_of_a_part_may_hold_text() -> None:
    assert decode(event("content_part.added", part=text("He")), event("output_text.done", text="Hello")) == [
        TextDelta("He"),
        TextDelta("llo"),
    ]


def test_the_last_event_need_not_list_the_items_in_order_or_at_all() -> None:
    reasoning = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    streamed = [
        event("output_item.added", 0, item={"type": "reasoning", "summary": []}),
        event("reasoning_summary_text.delta", 0, summary_index=0, delta="hm"),
        event("output_text.delta", 2, delta="a"),
        event("output_text.delta", 4, delta="b"),
    ]
    seen = [ReasoningDelta("hm"), TextDelta("a"), TextDelta("b")]
    assert ended(*streamed, output=[message(text("a")), message(text("b")), reasoning]) == seen
    assert ended(*streamed, output=[message(text("b"))]) == seen
    assert ended(*streamed, output=None) == seen
    more = [message(text("a")), reasoning, message(text("b!")), message(text("c"))]
    assert ended(*streamed, output=more) == [*seen, TextDelta("!"), TextDelta("c")]


def test_parts_of_another_kind_cost_nothing() -> None:
    odd = {"type": "output_audio", "text": {}, "data": 5}
    assert decode(
        event("content_part.added", part=odd),
        event("content_part.added", part=5),
        event("output_item.done", item=message(odd, text("a"))),
    ) == [TextDelta("a")]


def test_a_refusal_is_text_that_is_marked_and_a_verdict_at_the_end() -> None:
    refusal = {"type": "refusal", "refusal": "No."}
    assert ended(
        event("refusal.delta", content_index=0, delta="N"),
        event("refusal.done", content_index=0, refusal="No"),
        event("content_part.done", content_index=0, part=refusal),
        output=[message(refusal)],
    ) == [
        TextDelta("N", refusal=True),
        TextDelta("o", refusal=True),
        TextDelta(".", refusal=True),
        Safety("refusal", "block"),
    ]


# Reasoning


def test_a_new_part_of_the_summary_is_set_apart() -> None:
    item = {"type": "reasoning", "summary": [{"type": "summary_text", "text": t} for t in ("one", "two", "three")]}
    assert ended(
        event("reasoning_summary_part.added", summary_index=0, part={"type": "summary_text", "text": ""}),
        event("reasoning_summary_text.delta", summary_index=0, delta="on"),
        event("reasoning_summary_text.delta", summary_index=0, delta="e"),
        event("reasoning_summary_text.done", summary_index=0, text="one"),
        event("reasoning_summary_text.delta", summary_index=1, delta="two"),
        event("output_item.done", item=item),
    ) == [ReasoningDelta(words) for words in ("on", "e", "\n\n", "two", "\n\n", "three")]


def test_thoughts_that_come_in_short_and_at_length_are_told_once() -> None:
    both = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "short"}],
        "content": [{"type": "reasoning_text", "text": "long"}],
    }
    assert ended(event("output_item.done", item=both)) == [ReasoningDelta("short")]
    assert ended(event("reasoning_text.delta", content_index=0, delta="long"), output=[both]) == [
        ReasoningDelta("long")
    ]


def test_encrypted_reasoning_comes_with_the_first_id_of_its_item() -> None:
    def item(id: str | None, content: str | None) -> dict[str, Any]:
        return {"type": "reasoning", "id": id, "summary": [], "encrypted_content": content}

    done = event("output_item.done", item=item("rs_2", "whole"))
    assert ended(event("output_item.added", item=item("rs_1", "begun")), done, output=[item("rs_3", "again")]) == [
        ReasoningDelta("", "rs_1"),
        ReasoningDelta("", "rs_1", redacted="whole"),
    ]
    assert decode(event("output_item.added", item=item("rs_1", None)), done) == [
        ReasoningDelta("", "rs_1", redacted="whole")
    ]
    assert decode(event("output_item.added", item=item(None, "begun"))) == []
    assert ended(output=[item(None, "whole")]) == [ReasoningDelta("", redacted="whole")]


# Sources and sound


def source(url: str, start: int, stop: int) -> dict[str, Any]:
    return {"type": "url_citation", "url": url, "title": "T", "start_index": start, "end_index": stop}


def test_a_source_is_told_once() -> None:
    added = event("output_text.annotation.added", content_index=0, annotation_index=0, annotation=source("u", 0, 2))
    both = text("ab", source("u", 0, 2), source("v", 1, 2))
    assert ended(
        event("output_text.delta", content_index=0, delta="ab"),
        added,
        added,
        event("content_part.done", content_index=0, part=both),
        output=[message(both)],
    ) == [
        TextDelta("ab"),
        Citations([Citation("u", "T", 0, 2)]),
        Citations([Citation("v", "T", 1, 2)]),
    ]


def test_places_are_counted_from_the_beginning_of_the_answer() -> None:
    file = {"type": "file_citation", "file_id": "file-1", "filename": "a.txt", "index": 3}
    assert ended(output=[message(text("abc")), message(text("de", source("u", 0, 2), file, {"type": "odd"}))]) == [
        TextDelta("abc"),
        TextDelta("de"),
        Citations([Citation("u", "T", 3, 5), Citation("file-1", "a.txt")]),
    ]


@pytest.mark.parametrize("annotation", [None, 5, [], {"type": "url_citation", "url": 5}])
def test_a_strange_annotation_costs_nothing(annotation: Any) -> None:
    assert decode(event("output_text.annotation.added", annotation=annotation)) == []


def test_sound_and_its_words() -> None:
    sound = base64.b64encode(b"\0\1").decode()
    assert decode(
        {"type": "response.audio.delta", "delta": sound},
        {"type": "response.audio.delta", "delta": ""},
        {"type": "response.audio.transcript.delta", "delta": "hi"},
        {"type": "response.audio.transcript.delta", "delta": ""},
        {"type": "response.audio.transcript.done"},
        {"type": "response.audio.done"},
    ) == [AudioDelta(b"\0\1", "pcm16"), AudioDelta(b"", transcript="hi")]


# The end


@pytest.mark.parametrize(
    ("status", "details", "reason", "raw_reason"),
    [
        ("completed", None, "stop", "completed"),
        ("incomplete", {"reason": "max_output_tokens"}, "length", "incomplete"),
        ("incomplete", {"reason": "content_filter"}, "content_filter", "incomplete"),
        ("incomplete", {"reason": "max_messages"}, "unknown", "max_messages"),
        ("incomplete", {"reason": 5}, "unknown", "incomplete"),
        ("incomplete", None, "unknown", "incomplete"),
        ("incomplete", 5, "unknown", "incomplete"),
    ],
)
def test_why_an_answer_ends(status: str, details: Any, reason: str, raw_reason: str) -> None:
    assert decode(end(status, incomplete_details=details)) == [FinishStep(1), Finish(reason, None, raw_reason), Done()]


def test_a_cancelled_answer_is_known_to_be_incomplete() -> None:
    assert decode(end("cancelled"))[-2:] == [Finish("unknown", None, "cancelled"), Done(finished=False)]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ({}, None),
        ({"input_tokens": 3, "output_tokens": 2}, Usage(3, 2, 5)),
        ({"input_tokens": 3.0, "total_tokens": 7}, Usage(3, None, 7)),
        ({"input_tokens_details": None, "output_tokens_details": {}}, None),
        (
            {
                "input_tokens": 10,
                "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
                "output_tokens": 6,
                "output_tokens_details": {"reasoning_tokens": 2},
                "total_tokens": 16,
            },
            Usage(10, 6, 16, 2, 4, 3),
        ),
    ],
)
def test_usage_is_what_the_last_event_says(usage: Any, expected: Usage | None) -> None:
    assert decode(end(usage=usage))[-2] == Finish("stop", expected, "completed")


# Errors

ERROR = {"type": "server_error", "code": "rate_limit_exceeded", "message": "too many", "param": None}


@pytest.mark.parametrize(
    "failing",
    [
        {"type": "error", "sequence_number": 2, "error": ERROR},
        {"type": "error", "code": "rate_limit_exceeded", "message": "too many", "param": None},
        {"error": ERROR},
        {"type": "server_error", "error": ERROR},
        [{"error": ERROR}],
        {"code": "rate_limit_exceeded", "message": "too many"},
        {"object": "error", "code": "rate_limit_exceeded", "message": "too many"},
        {"code": "rate_limit_exceeded", "detail": "too many"},
        end("failed", error={"code": "rate_limit_exceeded", "message": "too many"}),
    ],
)
def test_a_failure_is_told_once_in_whatever_shape(failing: Any) -> None:
    events = decode(failing, end("failed", error={"code": "server_error", "message": "again"}))
    assert events == [Failure("rate_limited", "too many", True, 60.0), Done(finished=False)]


def test_a_message_named_error_is_one_whatever_it_holds() -> None:
    assert decode(ServerSentEvent("upstream died", event="error"))[0] == Failure("internal", "upstream died", True)
    assert decode(ServerSentEvent('{"x": 1}', event="error"))[0] == Failure("internal", '{"x":1}', True)
    assert decode(ServerSentEvent('["x"]', event="error"))[0] == Failure("internal", "x", True)


def test_a_failed_response_without_a_reason_is_a_failure_all_the_same() -> None:
    assert decode(end("failed", error=None)) == [
        Failure("internal", "the provider reported an error", True),
        Done(finished=False),
    ]


def test_what_a_failed_response_holds_is_told_before_its_failure() -> None:
    events = decode(end("failed", error=ERROR, output=[message(text("half"))]))
    assert [type(event) for event in events] == [TextDelta, Failure, Done]


# Answers that are not streamed


def test_a_whole_body_is_an_answer() -> None:
    body = {"object": "response", "id": "r", "model": "m", "status": "completed", "output": [message(text("Hello"))]}
    told = [START, TextDelta("Hello"), FinishStep(1), Finish("stop", None, "completed"), Done()]
    assert OpenAIResponsesDecoder().feed(body) == told
    assert OpenAIResponsesDecoder().feed({**body, "status": None}) == told
    failed = OpenAIResponsesDecoder().feed({**body, "status": "failed", "error": ERROR})
    assert [type(event) for event in failed] == [Start, TextDelta, Failure, Done]


def test_a_body_that_is_still_in_the_works_has_only_begun() -> None:
    decoder = OpenAIResponsesDecoder()
    assert decoder.feed({"object": "response", "id": "r", "model": "m", "status": "queued", "output": []}) == [START]
    with pytest.raises(TruncatedStream, match=r"^the stream ended before the answer did$"):
        decoder.finish()
