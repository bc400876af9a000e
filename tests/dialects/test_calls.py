"""Tool calls on their way out: their order, their ids, and where their arguments end."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects._calls import (
    OutgoingCall,
    OutgoingCalls,
    Piece,
    _Scan,
    arguments_of,
    legal_id,
    made_up_id,
)
from gai_stream.events import ToolCall, ToolCallDelta
from gai_stream.exceptions import EncodeError

Told = list[tuple[str, str, str]]


def told(pieces: list[Piece]) -> Told:
    """What pieces say, as (name, what, arguments): "+" begins, "-" ends, "!" ends a whole call."""
    return [
        (p.call.name, "+" * p.begins + ("" if not p.ends else "-" if p.whole is None else "!"), p.arguments)
        for p in pieces
    ]


def call(name: str, arguments: str = "{}", **more: Any) -> ToolCall:
    return ToolCall(f"id_{name}", name, json.loads(arguments), arguments, **more)


def begin(index: int, name: str, arguments: str = "", **more: Any) -> ToolCallDelta:
    return ToolCallDelta(index, f"id_{name}", name, arguments, **more)


def more(index: int, arguments: str, **rest: Any) -> ToolCallDelta:
    return ToolCallDelta(index, arguments=arguments, **rest)


# Ids


def test_a_made_up_id_is_the_same_for_the_same_parts_and_else_random() -> None:
    assert made_up_id("s", 1) == made_up_id("s", 1)
    assert len({made_up_id("s", 1), made_up_id("s", 2), made_up_id("s"), made_up_id("s", "1"), made_up_id()}) == 5
    assert made_up_id() != made_up_id()
    assert re.fullmatch("call_[0-9a-f]{24}", made_up_id())
    assert re.fullmatch("toolu_[0-9a-f]{24}", made_up_id("s", prefix="toolu_"))


@pytest.mark.parametrize(
    ("id", "legal"),
    [
        ("call_abc-1", "call_abc-1"),
        ("a" * 64, "a" * 64),
        ("functions.Bash:0", "functions_Bash_0_a97d1507"),
        ("a" * 65, "a" * 55 + "_635361c4"),
        ("", "_e3b0c442"),
    ],
)
def test_an_id_is_kept_if_it_is_legal_and_else_made_so(id: str, legal: str) -> None:
    assert legal_id(id) == legal


@given(st.text(max_size=80), st.integers(10, 64))
def test_a_legal_id_is_legal_short_and_always_the_same(id: str, longest: int) -> None:
    legal = legal_id(id, longest=longest)
    assert re.fullmatch(f"[a-zA-Z0-9_-]{{1,{longest}}}", legal)
    assert legal_id(id, longest=longest) == legal
    assert legal_id(legal, longest=longest) == legal


# Arguments of a whole call


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (ToolCall("x", "f", {"a": 1}, '{"a": 1.0}'), '{"a": 1.0}'),
        (ToolCall("x", "f", {"a": 1}), '{"a":1}'),
        (ToolCall("x", "f", {}, " \n"), "{}"),
        (ToolCall("x", "f", {"a": 18446744073709551616}), '{"a":18446744073709551616}'),
        (ToolCall("x", "f", "SELECT", "SELECT", kind="custom"), "SELECT"),
        (ToolCall("x", "f", "SELECT", kind="custom"), "SELECT"),
        (ToolCall("x", "f", " ", " ", kind="custom"), " "),
        (ToolCall("x", "f", "", kind="custom"), ""),
        (ToolCall("x", "f", {"odd": 1}, kind="custom"), '{"odd":1}'),
    ],
)
def test_the_arguments_of_a_whole_call_are_text(call: ToolCall, text: str) -> None:
    assert arguments_of(call) == text


def test_input_without_a_json_form_is_refused_before_anything_changes() -> None:
    calls = OutgoingCalls()
    calls.add(begin(0, "f"))
    with pytest.raises(EncodeError, match="value cannot be written as JSON"):
        calls.close(ToolCall("id_f", "f", object()))
    assert told(calls.close(call("f"))) == [("f", "!", "{}")]


# The life of a call


def test_a_call_begins_once_and_its_end_brings_what_its_fragments_did_not() -> None:
    calls = OutgoingCalls()
    assert told(calls.add(begin(0, "f"))) == [("f", "+", "")]
    assert told(calls.add(begin(0, "f", '{"a"'))) == [("f", "", '{"a"')]
    assert told(calls.add(more(0, ""))) == []
    whole = call("f", '{"a":1}')
    (last,) = calls.close(whole)
    assert (last.arguments, last.ends, last.whole) == (":1}", True, whole)
    assert calls.flush() == []


def test_a_call_that_has_no_fragments_is_told_whole() -> None:
    assert told(OutgoingCalls().close(call("f", '{"a":1}'))) == [("f", "+", ""), ("f", "!", '{"a":1}')]


def test_other_arguments_than_the_fragments_told_are_not_told_behind_them() -> None:
    calls = OutgoingCalls()
    calls.add(begin(0, "f", "{ }"))
    assert told(calls.close(call("f"))) == [("f", "!", "")]


def test_a_call_is_held_back_until_its_name_and_id_are_known() -> None:
    calls = OutgoingCalls()
    assert calls.add(more(0, "{")) == []
    assert calls.add(ToolCallDelta(0, name="f")) == []
    assert told(calls.add(ToolCallDelta(0, "x"))) == [("f", "+", "{")]
    assert calls.add(more(1, "[")) == []
    assert told(calls.close(ToolCall("y", "g", [], "[]"))) == [("g", "+", "["), ("g", "!", "]")]


def test_the_clients_calls_are_numbered_and_counted_in_each_choice() -> None:
    calls = OutgoingCalls()
    pieces = [
        *calls.add(begin(7, "f")),
        *calls.add(begin(3, "g", kind="server")),
        *calls.add(begin(3, "h", choice=1)),
        *calls.close(call("i", kind="custom")),
    ]
    numbers = {piece.call.name: (piece.call.choice, piece.call.number, piece.call.kind) for piece in pieces}
    assert numbers == {
        "f": (0, 0, "function"),
        "g": (0, 1, "server"),
        "h": (1, 0, "function"),
        "i": (0, 1, "custom"),
    }
    assert calls.counts == {0: 2, 1: 1}


def test_a_call_that_has_begun_does_not_become_one_of_another_kind() -> None:
    calls = OutgoingCalls()
    (first,) = calls.add(begin(0, "f", kind="server"))
    calls.add(more(0, "{}", kind="custom"))
    assert first.call.kind == "server"
    assert calls.counts == {}


@pytest.mark.parametrize("one_at_a_time", [False, True])
def test_a_fragment_behind_the_end_of_its_call_is_dropped(one_at_a_time: bool) -> None:
    calls = OutgoingCalls(one_at_a_time=one_at_a_time)
    calls.add(begin(0, "f", "{}"))
    calls.close(call("f"))
    assert calls.add(more(0, "late")) == []


def test_an_index_used_again_with_another_id_is_another_call() -> None:
    calls = OutgoingCalls()
    calls.add(begin(0, "f", "{}"))
    assert told(calls.add(begin(0, "g", "[]"))) == [("g", "+", "[]")]
    assert told(calls.close(call("g", "[]"))) == [("g", "!", "")]
    assert told(calls.close(call("f"))) == [("f", "!", "")]


@pytest.mark.parametrize("other", [call("f", choice=1), ToolCall("y", "f", {}), ToolCall("id_f", "g", {})])
def test_a_whole_call_is_not_taken_for_another_ones_fragments(other: ToolCall) -> None:
    calls = OutgoingCalls()
    calls.add(begin(0, "f", "{}"))
    assert [piece.begins for piece in calls.close(other)] == [True, False]


def test_what_is_open_at_the_end_ends_gets_an_id_and_is_dropped_without_a_name() -> None:
    calls = OutgoingCalls()
    calls.add(begin(0, "f", "{"))
    calls.add(ToolCallDelta(1, name="g", arguments="{}"))
    calls.add(more(2, "{}"))
    pieces = calls.flush()
    assert told(pieces) == [("f", "-", ""), ("g", "+", "{}"), ("g", "-", "")]
    assert re.fullmatch("call_[0-9a-f]{24}", pieces[1].call.id)
    assert calls.flush() == []
    assert calls.current is None


# One at a time


def test_the_pieces_of_the_next_call_wait_until_the_first_is_whole() -> None:
    calls = OutgoingCalls(one_at_a_time=True)
    assert told(calls.add(begin(0, "f", '{"a"'))) == [("f", "+", '{"a"')]
    assert calls.add(begin(1, "g", "{")) == []
    assert calls.add(more(1, "}")) == []
    assert calls.current is not None
    assert calls.current.name == "f"
    assert told(calls.add(more(0, ":1}"))) == [("f", "", ":1}"), ("f", "-", ""), ("g", "+", "{"), ("g", "", "}")]
    assert calls.current.name == "g"
    # The first one's end was told: what is still said of it is nothing new.
    assert calls.close(call("f", '{"a":1}')) == []
    assert told(calls.close(call("g"))) == [("g", "!", "")]
    assert calls.current is None


def test_a_call_that_does_not_read_as_whole_is_waited_for_until_it_ends() -> None:
    calls = OutgoingCalls(one_at_a_time=True)
    calls.add(begin(0, "f", "SELECT {}", kind="custom"))
    assert calls.add(begin(1, "g", "{}")) == []
    assert told(calls.close(ToolCall("id_f", "f", "SELECT {}", "SELECT {}", kind="custom"))) == [
        ("f", "!", ""),
        ("g", "+", "{}"),
    ]


def test_whole_calls_one_after_the_other_end_each() -> None:
    calls = OutgoingCalls(one_at_a_time=True)
    for name in "fg":
        assert told(calls.close(call(name))) == [(name, "+", ""), (name, "!", "{}")]
    assert told(calls.add(begin(0, "h", "{"))) == [("h", "+", "{")]
    calls.add(begin(1, "i", "{"))
    calls.add(begin(2, "j", "{"))
    assert told(calls.flush()) == [("h", "-", ""), ("i", "+", "{"), ("i", "-", ""), ("j", "+", "{"), ("j", "-", "")]


def test_something_else_ends_the_current_call_if_it_is_whole() -> None:
    calls = OutgoingCalls(one_at_a_time=True)
    assert calls.end_current() == []
    calls.add(begin(0, "f", "{"))
    assert calls.end_current() == []
    calls.add(more(0, "}"))
    assert told(calls.end_current()) == [("f", "-", "")]
    assert calls.end_current() == []
    assert calls.close(call("f")) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('ab"\\{}[] é'), max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)
json_objects = st.dictionaries(st.text(st.sampled_from('a"\\{}'), max_size=3), json_values, max_size=3)


def pieces_of(text: str, data: st.DataObject) -> list[str]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(st.lists(json_objects, min_size=1, max_size=4), st.data())
def test_any_interleaving_gives_each_calls_arguments_whole_and_one_after_the_other(
    inputs: list[dict[str, Any]], data: st.DataObject
) -> None:
    texts = [json.dumps(value, ensure_ascii=data.draw(st.booleans())) for value in inputs]
    fragments = [[begin(n, f"f{n}"), *(more(n, piece) for piece in pieces_of(t, data))] for n, t in enumerate(texts)]
    calls = OutgoingCalls(one_at_a_time=True)
    told: list[Piece] = []
    while any(fragments):
        source = data.draw(st.sampled_from([left for left in fragments if left]))
        told += calls.add(source.pop(0))
    # Each call is told of as whole, or nothing is; the end is the same.
    for number, text in enumerate(texts):
        if data.draw(st.booleans()):
            told += calls.close(ToolCall(f"id_f{number}", f"f{number}", inputs[number], text))
    told += calls.flush()
    order: list[OutgoingCall] = []
    arguments: dict[str, str] = {}
    ended: set[str] = set()
    for piece in told:
        name = piece.call.name
        assert name not in ended, "nothing comes behind a call's end"
        if piece.begins:
            assert len(ended) == len(order), "no call begins before the last one ended"
            order.append(piece.call)
        assert piece.call is order[-1]
        arguments[name] = arguments.get(name, "") + piece.arguments
        if piece.ends:
            ended.add(name)
    assert arguments == {f"f{number}": text for number, text in enumerate(texts)}
    assert len(ended) == len(texts)
    assert [call.number for call in sorted(order, key=lambda call: call.number)] == list(range(len(texts)))


# Brackets


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@given(json_objects | st.lists(json_values, max_size=3), st.booleans(), st.sampled_from([None, 1]), st.data())
def test_the_brackets_close_where_a_json_parser_says_so_at_every_split(
    value: Any, ascii: bool, indent: int | None, data: st.DataObject
) -> None:
    text = json.dumps(value, ensure_ascii=ascii, indent=indent)
    for end in range(len(text) + 1):
        scan = _Scan()
        for piece in pieces_of(text[:end], data):
            if piece:
                scan.feed(piece)
        assert scan.closed == is_json(text[:end]), text[:end]


def test_the_brackets_of_what_is_no_json_do_not_close_by_chance() -> None:
    for text in ("}", "}{", "{}{", "{}}", "{\\", '"{}"', "1", ""):
        scan = _Scan()
        scan.feed(text)
        assert not scan.closed, text
