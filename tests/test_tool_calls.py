"""ToolCalls: calls as a user interface shows them, while they come."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.events import TextDelta, ToolCall, ToolCallDelta
from gai_stream.exceptions import LimitExceeded
from gai_stream.tool_calls import ToolCalls


def test_a_call_can_be_read_before_it_is_whole() -> None:
    calls = ToolCalls()
    call = calls.add(ToolCallDelta(0, "c", "search"))
    assert call is not None
    assert (call.id, call.name, call.arguments, call.input, call.complete) == ("c", "search", "", None, False)
    seen = []
    for piece in ('{"q', 'uery": "we', 'ather in Rome", "days": ', "3", "}"):
        assert calls.add(ToolCallDelta(0, arguments=piece)) is call
        seen.append(call.input)
    assert seen == [
        {},
        {"query": "we"},
        {"query": "weather in Rome"},
        {"query": "weather in Rome", "days": 3},
        {"query": "weather in Rome", "days": 3},
    ]
    arguments = '{"query": "weather in Rome", "days": 3}'
    whole = {"query": "weather in Rome", "days": 3}
    assert calls.add(ToolCall("c", "search", whole, arguments)) is call
    assert (call.complete, call.arguments) == (True, arguments)
    assert call.input is whole
    assert calls.calls == [call]
    assert repr(call) == f"<PartialToolCall 0 'search' {arguments!r} (complete)>"


def test_calls_side_by_side_are_kept_apart() -> None:
    calls = ToolCalls()
    for delta in (
        ToolCallDelta(0, "a", "f", "[1"),
        ToolCallDelta(1, "b", "f", "[2"),
        ToolCallDelta(0, arguments="0]"),
        ToolCallDelta(1, "c", "g", "[3", choice=1),
    ):
        calls.add(delta)
    assert [(call.id, call.choice, call.index, call.input) for call in calls.calls] == [
        ("a", 0, 0, [10]),
        ("b", 0, 1, [2]),
        ("c", 1, 1, [3]),
    ]
    assert repr(calls.calls[1]) == "<PartialToolCall 1 'f' '[2' (partial)>"
    calls.add(ToolCall("b", "f", [2], "[2]"))
    assert [call.complete for call in calls.calls] == [False, True, False]


def test_a_call_whose_id_comes_last_is_found() -> None:
    calls = ToolCalls()
    first = calls.add(ToolCallDelta(0, None, None, "{"))
    second = calls.add(ToolCallDelta(1, "b", "g", "{"))
    assert calls.add(ToolCall("b", "g", {}, "{}")) is second
    assert calls.add(ToolCall("a", "f", {}, "{}")) is first
    assert [call.id for call in calls.calls] == ["a", "b"]


def test_an_index_that_is_used_again_is_another_call() -> None:
    calls = ToolCalls()
    calls.add(ToolCallDelta(0, "a", "f"))
    calls.add(ToolCall("a", "f", {}))
    calls.add(ToolCallDelta(0, "b", "f"))
    calls.add(ToolCallDelta(0, "c", "f"))
    assert [call.id for call in calls.calls] == ["a", "b", "c"]


def test_a_call_that_comes_whole_is_whole() -> None:
    calls = ToolCalls()
    call = calls.add(ToolCall("a", "f", {"x": 1}, '{"x":1}', 2))
    assert call is not None
    assert (call.index, call.choice, call.input, call.complete) == (0, 2, {"x": 1}, True)
    assert calls.add(TextDelta("Hi")) is None


def test_a_custom_tools_input_is_its_text() -> None:
    call = ToolCalls().add(ToolCallDelta(0, "a", "f", "print(", kind="custom"))
    assert call is not None
    assert (call.kind, call.input) == ("custom", "print(")


def test_what_is_not_json_leaves_what_could_be_read() -> None:
    calls = ToolCalls()
    call = calls.add(ToolCallDelta(0, "a", "f", '{"x": 1'))
    assert call is not None
    assert call.input == {"x": 1}
    calls.add(ToolCallDelta(0, arguments="nope"))
    assert call.input == {"x": 1}
    never = calls.add(ToolCallDelta(3, "d", "f", "nope"))
    assert never is not None
    assert never.input is None
    blank = calls.add(ToolCallDelta(1, "b", "f", " "))
    assert blank is not None
    assert blank.input is None
    odd = calls.add(ToolCallDelta(2, "c", "f", '["\ud800'))
    assert odd is not None
    assert odd.input == ["?"]


def test_it_is_parsed_once_for_each_change(monkeypatch: pytest.MonkeyPatch) -> None:
    import jiter

    parsed = []
    real = jiter.from_json
    monkeypatch.setattr(jiter, "from_json", lambda text, **options: parsed.append(text) or real(text, **options))
    calls = ToolCalls()
    call = calls.add(ToolCallDelta(0, "a", "f", "["))
    assert call is not None
    for _ in range(3):
        assert call.input == []
    calls.add(ToolCallDelta(0, arguments="1"))
    assert call.input == [1]
    assert parsed == [b"[", b"[1"]


def test_without_jiter_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jiter", None)
    calls = ToolCalls()
    call = calls.add(ToolCallDelta(0, "a", "f", "["))
    assert call is not None
    with pytest.raises(ImportError, match=r"needs jiter: pip install gai-stream\[partial\]"):
        _ = call.input
    calls.add(ToolCall("a", "f", [], "[]"))
    assert call.input == []


def test_the_limit_holds_for_all_calls_together() -> None:
    calls = ToolCalls(max_arguments_size=10)
    call = calls.add(ToolCallDelta(0, "a", "f", "123"))
    for event in (ToolCallDelta(1, "b", "g", "123"), ToolCall("b", "g", 1, "123")):
        with pytest.raises(LimitExceeded, match="longer than 10 characters: raise max_arguments_size") as caught:
            calls.add(event)
        assert (caught.value.option, caught.value.limit) == ("max_arguments_size", 10)
    assert calls.calls == [call]
    with pytest.raises(ValueError, match="max_arguments_size must be a whole number of at least 1, not True"):
        ToolCalls(max_arguments_size=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(value=st.dictionaries(st.text(), JSON, max_size=3), cut=st.integers(0, 200))
def test_every_beginning_of_json_can_be_read_and_the_whole_is_itself(value: Any, cut: int) -> None:
    text = json.dumps(value)
    calls = ToolCalls()
    call = calls.add(ToolCallDelta(0, "a", "f", text[:cut]))
    assert call is not None
    assert call.input is None if cut == 0 else isinstance(call.input, dict)
    calls.add(ToolCallDelta(0, arguments=text[cut:]))
    assert call.input == value
    assert call.arguments == text
