"""Tool calls to Chat Completions, and every legal answer there and back."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects.openai import OpenAIDecoder, OpenAIEncoder
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
    ToolResult,
    Usage,
)

MADE_UP = re.compile(r"call_[0-9a-f]{24}")


def fragments(*events: Event) -> list[tuple[int, str | None, str | None, str]]:
    """(index, id, name, arguments) of every fragment that the events become."""
    encoder = OpenAIEncoder(framing="ndjson")
    chunks = [chunk for event in [Start(), *events, Finish("stop"), Done()] for chunk in encoder.feed(event)]
    assert "error" not in chunks[-2]
    entries = [
        entry for chunk in chunks[:-1] for choice in chunk["choices"] for entry in choice["delta"].get("tool_calls", ())
    ]
    assert all(("id" in entry) == ("type" in entry) == ("name" in entry["function"]) for entry in entries)
    return [(e["index"], e.get("id"), e["function"].get("name"), e["function"]["arguments"]) for e in entries]


def test_fragments_tell_id_and_name_once() -> None:
    assert fragments(
        ToolCallDelta(0, "x", "f"),
        ToolCallDelta(0, arguments="{"),
        ToolCallDelta(0, "x", "f", "}"),
        ToolCallDelta(0),
        ToolCall("x", "f", {}, "{}"),
    ) == [(0, "x", "f", ""), (0, None, None, "{"), (0, None, None, "}")]


def test_indexes_count_from_0_whatever_the_events_say() -> None:
    assert fragments(
        ToolCallDelta(3, "x", "f", "{}"), ToolCallDelta(7, "y", "g", "{}"), ToolCallDelta(3, arguments=" ")
    ) == [
        (0, "x", "f", "{}"),
        (1, "y", "g", "{}"),
        (0, None, None, " "),
    ]


def test_a_whole_call_is_sent_as_fragments() -> None:
    assert fragments(ToolCall("x", "f", {"a": 1}, '{"a": 1}'), ToolCall("y", "g", {"b": [1]})) == [
        (0, "x", "f", ""),
        (0, None, None, '{"a": 1}'),
        (1, "y", "g", ""),
        (1, None, None, '{"b":[1]}'),
    ]


def test_a_call_without_arguments_is_an_empty_object_to_clients_that_parse() -> None:
    assert fragments(ToolCallDelta(0, "x", "f"), ToolCall("x", "f", {}, ""))[-1] == (0, None, None, "{}")
    assert fragments(ToolCall("x", "f", {}, " "))[-1] == (0, None, None, "{}")


def test_what_the_fragments_did_not_bring_is_sent_with_the_call() -> None:
    assert fragments(ToolCallDelta(0, "x", "f", '{"a"'), ToolCall("x", "f", {"a": 1}, '{"a":1}')) == [
        (0, "x", "f", '{"a"'),
        (0, None, None, ":1}"),
    ]
    assert fragments(ToolCallDelta(0, "x", "f", "{ }"), ToolCall("x", "f", {}, "{}")) == [(0, "x", "f", "{ }")]


def test_a_call_waits_for_its_id_and_name() -> None:
    late = [
        ToolCallDelta(0, arguments="{"),
        ToolCallDelta(0, name="f"),
        ToolCallDelta(0, "x"),
        ToolCallDelta(0, arguments="}"),
    ]
    assert fragments(*late) == [(0, "x", "f", "{"), (0, None, None, "}")]
    assert fragments(*late[:2], ToolCall("y", "f", {}, "{}")) == [(0, "y", "f", "{"), (0, None, None, "}")]
    assert fragments(late[0], ToolCall("y", "g", {}, "{}"))[0] == (0, "y", "g", "{")


def test_a_call_whose_id_never_comes_gets_one_and_one_without_a_name_is_dropped() -> None:
    ((index, id, name, arguments),) = fragments(
        ToolCallDelta(0, name="f", arguments="{}"), ToolCallDelta(1, arguments="{}")
    )
    assert (index, name, arguments) == (0, "f", "{}")
    assert MADE_UP.fullmatch(id or "")
    assert MADE_UP.fullmatch(fragments(ToolCall("", "f", {}, "{}"))[0][1] or "")


def test_an_index_used_again_with_another_id_is_another_call() -> None:
    assert fragments(ToolCallDelta(0, "x", "f", "{}"), ToolCallDelta(0, "y", "f", "[]")) == [
        (0, "x", "f", "{}"),
        (1, "y", "f", "[]"),
    ]


@pytest.mark.parametrize(
    "other", [ToolCall("x", "f", {}, "{}", choice=1), ToolCall("y", "f", {}, "{}"), ToolCall("x", "g", {}, "{}")]
)
def test_a_whole_call_is_not_taken_for_another_ones_fragments(other: ToolCall) -> None:
    assert fragments(ToolCallDelta(0, "x", "f", "{}"), other)[1][1:3] == (other.id, other.name)


def test_an_id_that_the_api_would_refuse_is_shortened_and_always_the_same() -> None:
    long = "toolu_" + "a" * 60
    fitting = "functions.Bash:0"
    events: list[Event] = [ToolCallDelta(0, long, "f", "{}"), ToolCall(long, "f", {}, "{}"), ToolCall(fitting, "g", {})]
    ids = [id for _, id, _, _ in fragments(*events) if id is not None]
    assert ids == [f"toolu_{'a' * 25}_afcba429", fitting]
    assert len(ids[0]) == 40


@pytest.mark.parametrize(("provider", "sealed"), [(None, True), ("gemini", True), ("anthropic", False), ("x", False)])
def test_geminis_seal_on_a_call_goes_where_gemini_has_it(provider: str | None, sealed: bool) -> None:
    calls: list[Event] = [
        ToolCallDelta(0, "x", "f", "{}"),
        ToolCall("x", "f", {}, "{}", signature="s1"),
        ToolCall("y", "g", {}, "{}", signature="s2"),
        ToolCall("z", "h", {}, "{}"),
    ]
    events = decoded([Start("m", provider, "c"), *calls, Finish("tool_calls"), Done()], "sse")
    seals = [event.signature for event in events if isinstance(event, ToolCall)]
    assert seals == (["s1", "s2", None] if sealed else [None, None, None])


def test_the_input_of_a_custom_tool_is_free_text() -> None:
    calls: list[Event] = [
        ToolCallDelta(0, "x", "sql", "SEL", kind="custom"),
        ToolCallDelta(0, arguments="ECT {"),
        ToolCall("x", "sql", "SELECT {", "SELECT {", kind="custom"),
        ToolCall("y", "sql", " ", kind="custom"),
    ]
    events = decoded([Start("m", None, "c"), *calls, Finish("tool_calls"), Done()], "ndjson")
    assert [event for event in events if isinstance(event, ToolCall)] == [
        ToolCall("x", "sql", "SELECT {", "SELECT {", kind="custom"),
        ToolCall("y", "sql", " ", " ", kind="custom"),
    ]


def test_a_call_that_the_provider_runs_by_itself_is_not_told() -> None:
    server: list[Event] = [
        ToolCallDelta(0, "s", "search", "{}", kind="server"),
        ToolCall("s", "search", {}, "{}", kind="server", signature="seal"),
        ToolResult("s", "search", "found"),
    ]
    events = decoded([Start("m", None, "c"), *server, Finish("stop"), Done()], "sse")
    assert events[1:] == [FinishStep(1), Finish("stop", None, "stop"), Done()]


def test_arguments_that_no_json_parser_takes_pass_unchanged() -> None:
    assert fragments(ToolCallDelta(0, "x", "f", "{not json")) == [(0, "x", "f", "{not json")]


def decoded(events: list[Event], framing: Any) -> list[Event]:
    encoder, decoder = OpenAIEncoder(framing=framing), OpenAIDecoder()
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
choices = st.integers(0, 2)
counts = st.none() | st.integers(0, 1 << 40)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda v: st.lists(v, max_size=2) | st.dictionaries(texts, v, max_size=2),
)
whole_calls = st.builds(
    lambda call_id, name, value, choice: (call_id, name, json.dumps(value), value, choice),
    st.uuids().map(str),
    texts,
    st.dictionaries(texts, values, max_size=3),
    choices,
)
pieces = st.one_of(
    st.builds(TextDelta, texts, choices, st.booleans()),
    st.builds(ReasoningDelta, texts, st.none(), choices),
    st.builds(lambda data: AudioDelta(data, "pcm16"), st.binary(min_size=1, max_size=8)),
    st.builds(lambda words: AudioDelta(b"", transcript=words), texts),
    st.builds(
        lambda found: Citations([found]),
        st.builds(
            lambda uri, title, span, text: Citation(uri, title, *(span or (None, None)), text),
            texts,
            st.none() | texts,
            # The wire has two numbers for every source; an empty span at the start is none.
            st.none() | st.tuples(st.integers(0, 1 << 40), st.integers(1, 1 << 40)),
            st.none() | texts,
        ),
    ),
)

# Output includes reasoning, and the total is the sum; unknown is None.
usages = st.builds(
    lambda given, output, thought, read, written: Usage(
        given,
        output,
        None if given is None or output is None else given + output,
        None if output is None or thought is None else thought % (output + 1),
        read,
        written,
    ),
    *[counts] * 5,
)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """A legal answer: every kind of delta in any order, calls in fragments or whole, one reason at the end."""
    events: list[Event] = draw(st.lists(pieces, max_size=6))
    closing: list[Event] = []
    for number, (id, name, arguments, input, choice) in enumerate(draw(st.lists(whole_calls, max_size=3))):
        call = ToolCall(id, name, input, arguments, choice)
        if draw(st.booleans()):
            cut = draw(st.integers(0, len(arguments)))
            events += [
                ToolCallDelta(number, id, name, arguments[:cut], choice),
                ToolCallDelta(number, arguments=arguments[cut:], choice=choice),
            ]
            closing.append(call)
        else:
            events.append(call)
    reason = draw(st.sampled_from(["stop", "length", "content_filter"]))
    usage = draw(st.none() | usages)
    return [Start(draw(texts), None, draw(texts)), *events, *closing, FinishStep(1), Finish(reason, usage), Done()]


def gist(events: list[Event]) -> dict[str, Any]:
    """What must survive: by choice the words of each kind and the calls, then reason and usage."""
    by_choice: dict[Any, str] = {}
    calls, found, sound = [], [], b""
    for event in events:
        match event:
            case TextDelta():
                key = ("text", event.index, event.refusal)
                by_choice[key] = by_choice.get(key, "") + event.text
            case ReasoningDelta():
                by_choice["reasoning", event.index] = by_choice.get(("reasoning", event.index), "") + event.text
            case AudioDelta():
                sound += event.data
                by_choice["audio"] = by_choice.get("audio", "") + (event.transcript or "")
            case Citations():
                found += event.citations
            case ToolCall():
                calls.append((event.choice, event.id, event.name, event.input, event.arguments))
    (finish,) = [event for event in events if isinstance(event, Finish)]
    called = any(call[0] == 0 for call in calls)
    reason = "tool_calls" if called and finish.reason == "stop" else finish.reason
    return {
        "start": events[0],
        "words": {key: words for key, words in by_choice.items() if words},
        "sound": sound,
        "citations": found,
        "calls": sorted(calls, key=lambda call: call[1]),
        "reason": reason,
        "usage": None if finish.usage == Usage() else finish.usage,
        "end": events[-1],
    }


@given(answers(), st.sampled_from(["sse", "ndjson"]))
def test_every_legal_answer_comes_back_the_same(events: list[Event], framing: str) -> None:
    assert gist(decoded(events, framing)) == gist(events)


@given(answers())
def test_every_legal_answer_comes_back_the_same_in_one_piece(events: list[Event]) -> None:
    encoder, decoder = OpenAIEncoder(framing="ndjson"), OpenAIDecoder()
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    assert gist(decoder.feed(OpenAIEncoder.whole(messages)) + decoder.finish()) == gist(events)


@given(
    st.sampled_from(["sse", "ndjson"]),
    st.sampled_from(["rate_limited", "overloaded", "invalid_request", "truncated"]),
    texts,
)
def test_a_failure_comes_back_the_same(framing: str, code: str, message: str) -> None:
    *_, failure, done = decoded([Start("m"), TextDelta("a"), Failure(code, message)], framing)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.message, done) == (code, message, Done(finished=False))
