"""Every legal answer to Messages events and back."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects.anthropic import AnthropicDecoder, AnthropicEncoder
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
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)

from .test_anthropic_encoder import check_grammar

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
words = st.text("abcxyz_-09", min_size=1, max_size=8)
counts = st.integers(0, 1 << 40)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda v: st.lists(v, max_size=2) | st.dictionaries(texts, v, max_size=2),
)
whole_calls = st.builds(
    lambda call_id, name, value, kind: (call_id, name, json.dumps(value) if value else "", value, kind),
    st.uuids().map(str),
    words,
    st.dictionaries(texts, values, max_size=3),
    st.sampled_from(["function", "server"]),
)
pieces = st.one_of(
    st.builds(TextDelta, texts),
    st.builds(ReasoningDelta, texts, st.none() | texts),
    st.builds(lambda data: ReasoningDelta("", redacted=data), texts),
    st.builds(lambda found: Citations([found]), st.builds(Citation, texts, st.none() | texts, text=st.none() | texts)),
    st.builds(lambda name, value: ToolResult("srvtoolu_0", name, value), words, values.filter(lambda v: v is not None)),
)
usages = st.builds(
    lambda fresh, read, written, output, thought: Usage(
        fresh + read + written, output, fresh + read + written + output, thought, read, written
    ),
    *[counts] * 4,
    st.none() | counts,
)
ends = st.sampled_from(
    [
        Finish("stop", None, "end_turn"),
        Finish("stop", None, "pause_turn"),
        Finish("stop", None, "stop_sequence", "###"),
        Finish("length", None, "max_tokens"),
        Finish("length", None, "model_context_window_exceeded"),
        Finish("unknown", None, "of the future"),
    ]
)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """A legal answer of Anthropic's: deltas in any order, calls in pieces between them, one reason at the end."""
    streams: list[list[Event]] = [draw(st.lists(pieces, max_size=8))]
    kinds, bare = [], False
    for number, (id, name, arguments, input, kind) in enumerate(draw(st.lists(whole_calls, max_size=3))):
        kinds.append(kind)
        bare = bare or not arguments
        call = ToolCall(id, name, input, arguments, kind=kind)
        cut = draw(st.integers(0, len(arguments)))
        begun = ToolCallDelta(number, id, name, arguments[:cut], kind=kind)
        rest = [ToolCallDelta(number, arguments=arguments[cut:])]
        streams.append(draw(st.sampled_from([[call], [begun, *rest, call]])))
    events: list[Event] = []
    while streams:
        place = draw(st.integers(0, len(streams) - 1))
        events.append(streams[place].pop(0)) if streams[place] else streams.pop(place)
    # Nothing tells a call without arguments from one that was cut before them.
    finish = draw(ends.filter(lambda end: end.reason != "length")) if bare else draw(ends)
    if "function" in kinds and finish.reason in ("stop", "unknown") and finish.raw_reason != "pause_turn":
        finish = Finish("tool_calls", None, "tool_use")
    finish = Finish(finish.reason, draw(usages), finish.raw_reason, finish.stop_sequence)
    return [Start(draw(texts), "anthropic", "msg_1"), *events, FinishStep(1), finish, Done()]


def gist(events: list[Event]) -> dict[str, Any]:
    """What must survive, whatever waits for whom: the words of each kind in order, the calls, the results, the end."""
    calls = [event for event in events if isinstance(event, ToolCall)]
    reasoning = [event for event in events if isinstance(event, ReasoningDelta)]
    return {
        "start": events[0],
        "text": "".join(event.text for event in events if isinstance(event, TextDelta)),
        "reasoning": "".join(event.text for event in reasoning),
        "redacted": [event.redacted for event in reasoning if event.redacted],
        "calls": sorted(calls, key=lambda call: call.id),
        "results": [event for event in events if isinstance(event, ToolResult)],
        "end": events[-3:],
    }


def seals(events: list[Event]) -> list[str]:
    """The seals, without what is repeated."""
    found: list[str] = []
    for event in events:
        if isinstance(event, ReasoningDelta) and event.signature and found[-1:] != [event.signature]:
            found.append(event.signature)
    return found


def encoded(events: list[Event], framing: Any) -> list[Any]:
    encoder = AnthropicEncoder(framing=framing)
    return [message for event in events for message in encoder.feed(event)] + encoder.finish()


def decoded(messages: list[Any]) -> list[Event]:
    decoder = AnthropicDecoder()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


@given(answers(), st.sampled_from(["sse", "ndjson"]))
def test_every_legal_answer_comes_back_the_same(events: list[Event], framing: str) -> None:
    messages = encoded(events, framing)
    check_grammar([m if framing == "ndjson" else json.loads(m.data) for m in messages], ended=True)
    again = decoded(messages)
    assert gist(again) == gist(events)
    assert seals(again) == seals(events)


@given(answers())
def test_an_answer_in_one_piece_says_the_same(events: list[Event]) -> None:
    # Arguments are values in there: the text of them is ours.
    def without_text(calls: list[ToolCall]) -> list[Any]:
        return [(call.id, call.name, call.input, call.kind) for call in calls]

    messages = encoded(events, "ndjson")
    there, back = gist(events), gist(decoded([AnthropicEncoder.whole(messages)]))
    there["calls"], back["calls"] = without_text(there["calls"]), without_text(back["calls"])
    assert back == there


@given(answers(), st.integers(0, 8))
def test_an_answer_that_is_cut_anywhere_ends_as_an_error(events: list[Event], length: int) -> None:
    messages = encoded(events[: min(length, len(events) - 3)], "ndjson")
    if length == 0:
        assert messages[-1] == {"type": "message_stop"}
        return
    check_grammar(messages, ended=True)
    *_, failure, done = decoded(messages)
    assert isinstance(failure, Failure)
    assert done == Done(finished=False)


@given(st.sampled_from(["rate_limited", "overloaded", "invalid_request", "not_found", "timeout"]), texts)
def test_a_failure_comes_back_the_same(code: str, message: str) -> None:
    *_, failure, done = decoded(encoded([Start("m"), TextDelta("a"), Failure(code, message)], "sse"))
    assert isinstance(failure, Failure)
    assert (failure.code, failure.message, done) == (code, message, Done(finished=False))


def test_a_refusal_comes_back_the_same() -> None:
    events: list[Event] = [
        Start("m", "anthropic", "msg_1"),
        Safety("cyber", "block", None, "no"),
        FinishStep(1),
        Finish("content_filter", Usage(1, 2, 3, None, 0, 0), "refusal"),
        Done(),
    ]
    assert decoded(encoded(events, "sse")) == events
