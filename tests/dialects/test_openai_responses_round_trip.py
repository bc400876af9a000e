"""Every legal answer to Responses events and back: streamed, and as one body."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects.openai_responses import OpenAIResponsesDecoder, OpenAIResponsesEncoder
from gai_stream.events import (
    AudioDelta,
    Citation,
    Citations,
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
counts = st.none() | st.integers(0, 1 << 40)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda v: st.lists(v, max_size=2) | st.dictionaries(texts, v, max_size=2),
)
pieces = st.one_of(
    st.builds(TextDelta, texts, st.integers(0, 1), st.booleans()),
    st.builds(ReasoningDelta, texts, st.none(), st.integers(0, 1)),
    st.builds(lambda data: AudioDelta(data, "pcm16"), st.binary(min_size=1, max_size=8)),
    st.builds(lambda words: AudioDelta(b"", transcript=words), texts),
    st.builds(lambda found: Citations([found]), st.builds(Citation, texts, texts, counts, counts, st.none() | texts)),
)
functions = st.builds(
    lambda key, name, value: ToolCall(str(key), name, value, json.dumps(value)),
    st.uuids(),
    texts,
    st.dictionaries(texts, values, max_size=3),
)
customs = st.builds(
    lambda key, name, text: ToolCall(str(key), name, text, text, kind="custom"), st.uuids(), texts, texts
)
usages = st.builds(Usage, *[counts] * 6)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """A legal answer: every kind of delta in any order, calls in fragments that mix or whole, one reason at the end."""
    rows: list[list[Event]] = [[event] for event in draw(st.lists(pieces, max_size=6))]
    closing: list[Event] = []
    for number, call in enumerate(draw(st.lists(functions | customs, max_size=3))):
        if draw(st.booleans()):
            cuts = sorted(draw(st.lists(st.integers(0, len(call.arguments)), max_size=2)))
            parts = [call.arguments[a:b] for a, b in zip([0, *cuts], [*cuts, len(call.arguments)], strict=True)]
            first = ToolCallDelta(number, call.id, call.name, parts[0], kind=call.kind)
            rows.append([first, *(ToolCallDelta(number, arguments=part) for part in parts[1:])])
            closing.append(call)
        else:
            rows.append([call])
    events: list[Event] = []
    while rows := [row for row in rows if row]:
        events.append(draw(st.sampled_from(rows)).pop(0))
    reason = draw(st.sampled_from(["stop", "length", "content_filter", "tool_calls", "refusal", "unknown"]))
    finish = Finish(reason, draw(st.none() | usages))
    return [Start(draw(texts), "openai", draw(texts)), *events, *closing, FinishStep(1), finish, Done()]


def gist(events: list[Event], *, with_sound: bool = True) -> dict[str, Any]:
    """What must survive: the words of each kind, the calls and the sources."""
    words: dict[Any, str] = {}
    calls, sound, found = [], b"", set()
    for event in events:
        match event:
            case TextDelta(index=0):
                words[event.refusal] = words.get(event.refusal, "") + event.text
            case ReasoningDelta(index=0):
                words["reasoning"] = words.get("reasoning", "") + event.text
            case AudioDelta() if with_sound:
                sound += event.data
                words["spoken"] = words.get("spoken", "") + (event.transcript or "")
            case Citations():
                found |= {(citation.uri, citation.title, citation.text) for citation in event.citations}
            case ToolCall():
                calls.append((event.id, event.name, event.input, event.arguments, event.kind))
    return {
        "start": events[0],
        "words": {key: text for key, text in words.items() if text},
        "sound": sound,
        "calls": sorted(calls, key=lambda call: call[0]),
        # An answer without a text has nothing to cite for.
        "sources": found if False in words else set(),
        "end": events[-1],
    }


def reason_of(events: list[Event]) -> str:
    (finish,) = [event for event in events if isinstance(event, Finish)]
    refused = any(isinstance(event, TextDelta) and event.refusal and event.index == 0 for event in events)
    if finish.reason in ("length", "content_filter"):
        return finish.reason
    if finish.reason == "refusal" and not refused:
        return "content_filter"
    return "tool_calls" if any(isinstance(event, ToolCall) for event in events) else "stop"


def usage_of(events: list[Event]) -> Usage | None:
    """The usage that comes back: as soon as one count is known, the others that clients rely on are numbers."""
    (finish,) = [event for event in events if isinstance(event, Finish)]
    usage = finish.usage
    if usage is None or usage == Usage():
        return None
    input, output = usage.input_tokens or 0, usage.output_tokens or 0
    total = input + output if usage.total_tokens is None else usage.total_tokens
    return Usage(
        input, output, total, usage.reasoning_tokens or 0, usage.cache_read_tokens or 0, usage.cache_write_tokens
    )


def encoded(events: list[Event], framing: Any) -> list[Any]:
    encoder = OpenAIResponsesEncoder(framing=framing)
    return [message for event in events for message in encoder.feed(event)] + encoder.finish()


def decoded(messages: list[Any]) -> list[Event]:
    decoder = OpenAIResponsesDecoder()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


def check(again: list[Event], events: list[Event], *, with_sound: bool = True) -> None:
    assert gist(again, with_sound=with_sound) == gist(events, with_sound=with_sound)
    (finish,) = [event for event in again if isinstance(event, Finish)]
    assert (finish.reason, finish.usage) == (reason_of(events), usage_of(events))


@given(answers(), st.sampled_from(["sse", "ndjson"]))
def test_every_legal_answer_comes_back_the_same(events: list[Event], framing: str) -> None:
    check(decoded(encoded(events, framing)), events)


@given(answers())
def test_every_legal_answer_comes_back_the_same_from_its_body(events: list[Event]) -> None:
    body = OpenAIResponsesEncoder.whole(encoded(events, "ndjson"))
    check(decoded([json.dumps(body)]), events, with_sound=False)


@given(answers())
def test_items_are_told_one_after_another_and_are_those_of_the_end(events: list[Event]) -> None:
    messages = encoded(events, "ndjson")
    assert [message["sequence_number"] for message in messages] == list(range(len(messages)))
    is_open = None
    for message in messages:
        match message["type"]:
            case "response.output_item.added":
                assert is_open is None
                is_open = message["output_index"]
            case "response.output_item.done":
                assert is_open == message["output_index"]
                is_open = None
            case _ if "output_index" in message:
                assert is_open == message["output_index"]
    done = [message["item"] for message in messages if message["type"] == "response.output_item.done"]
    output = messages[-1]["response"]["output"]
    assert [(item["id"], item["type"]) for item in output] == [(item["id"], item["type"]) for item in done]
    assert len({item["id"] for item in output}) == len(output)


@given(
    st.sampled_from(["sse", "ndjson"]),
    st.sampled_from(["rate_limited", "overloaded", "invalid_request", "truncated"]),
    texts,
)
def test_a_failure_comes_back_the_same(framing: str, code: str, message: str) -> None:
    *_, failure, done = decoded(encoded([Start("m"), TextDelta("a"), Failure(code, message)], framing))
    assert isinstance(failure, Failure)
    assert (failure.code, failure.message, done) == (code, message, Done(finished=False))
