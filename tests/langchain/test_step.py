"""The tool calls of one message, put together from any provider's fragments."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk

from gai_stream.dialects._calls import made_up_id
from gai_stream.events import Done, Event, Failure, ToolCall, ToolCallDelta
from gai_stream.langchain import LangChainDecoder


def fragment(args: str | None = None, id: str | None = None, name: str | None = None, index: Any = 0) -> Any:
    return {"name": name, "args": args, "id": id, "index": index}


def decoded(*fragments: Any, reason: str = "tool_calls", id: str | None = None) -> list[Event]:
    decoder = LangChainDecoder()
    events = [
        event
        for piece in fragments
        for event in decoder.feed({"type": "AIMessageChunk", "content": "", "id": id, "tool_call_chunks": [piece]})
    ]
    end = AIMessageChunk("", response_metadata={"finish_reason": reason})
    return [*events, *decoder.feed(end), *decoder.finish()]


def calls_of(events: list[Event]) -> list[ToolCall]:
    return [event for event in events if isinstance(event, ToolCall)]


def test_fragments_are_told_as_they_come_and_the_call_at_the_end() -> None:
    events = decoded(fragment("", "c", "f"), fragment(None), fragment('{"a":'), fragment("1}"))
    assert [event for event in events if isinstance(event, ToolCallDelta)] == [
        ToolCallDelta(0, "c", "f"),
        ToolCallDelta(0, arguments='{"a":'),
        ToolCallDelta(0, arguments="1}"),
    ]
    assert calls_of(events) == [ToolCall("c", "f", {"a": 1}, '{"a":1}')]


def test_calls_are_numbered_from_0_whatever_the_provider_counts() -> None:
    for first, second in ((0, 1), (1, 3), ("lc_tc_1", "lc_tc_2")):
        events = decoded(
            fragment("[1", "a", "f", first),
            fragment("[2", "b", "g", second),
            fragment("]", index=first),
            fragment("]", index=second),
        )
        assert [event.index for event in events if isinstance(event, ToolCallDelta)] == [0, 1, 0, 1]
        assert [(call.id, call.input) for call in calls_of(events)] == [("a", [1]), ("b", [2])]


def test_calls_without_an_index_are_told_apart_by_id_and_name() -> None:
    pieces = [fragment("[1", "a", "f", None), fragment("]", index=None), fragment("[2]", None, "f", None)]
    assert [call.input for call in calls_of(decoded(*pieces))] == [[1], [2]]


def test_one_index_with_another_id_is_another_call() -> None:
    events = decoded(fragment("[1]", "a", "f"), fragment("[2]", "b", "f"))
    assert [call.id for call in calls_of(events)] == ["a", "b"]


def test_the_name_may_come_late() -> None:
    events = decoded(fragment("[", "a"), fragment("1]", None, "f"))
    assert events[1] == ToolCallDelta(0, "a", "f", "[1]")


def test_a_call_without_an_id_gets_one_and_the_same_each_time() -> None:
    (call,) = calls_of(decoded(fragment("{}", None, "f"), id="m"))
    assert call.id == made_up_id("m", 0)
    (call,) = calls_of(decoded(fragment("{}", None, "f")))
    assert call.id.startswith("call_")


def test_no_arguments_are_none() -> None:
    assert calls_of(decoded(fragment("", "c", "f"))) == [ToolCall("c", "f", {}, "")]
    assert calls_of(decoded(fragment(" ", "c", "f"))) == [ToolCall("c", "f", {}, " ")]


def test_a_call_that_was_cut_is_no_call_and_no_failure() -> None:
    for cut in ('{"a":', ""):
        events = decoded(fragment("{}", "a", "f"), fragment(cut, "b", "g", 1), reason="length")
        assert [call.id for call in calls_of(events)] == ["a"]
        assert events[-1] == Done()


def test_what_cannot_be_read_is_a_failure_that_keeps_the_text() -> None:
    events = decoded(fragment("{nope", "a", "f"), fragment("{no", "b", "g", 1), fragment("[]", "c", "h", 2))
    assert [call.id for call in calls_of(events)] == ["c"]
    assert events[-2] == Failure("invalid_response", "the arguments of tool call 'f' are not JSON: {nope")


def test_a_call_without_a_name_is_a_failure() -> None:
    events = decoded(fragment("{}", "a"))
    assert events[-2] == Failure("invalid_response", "a tool call came without a name")


@given(
    value=st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=4),
    cuts=st.lists(st.integers(0, 80), max_size=6),
)
def test_arguments_cut_anywhere_are_the_same(value: dict[str, Any], cuts: list[int]) -> None:
    text = json.dumps(value)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(edges)]
    events = decoded(fragment("", "c", "f"), *(fragment(piece) for piece in pieces))
    assert calls_of(events) == [ToolCall("c", "f", value, text)]
    assert "".join(event.arguments for event in events if isinstance(event, ToolCallDelta)) == text
