"""Tool calls of Chat Completions, from fragments of every kind that servers send."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects.openai import OpenAIDecoder
from gai_stream.events import Done, Event, Failure, Finish, FinishStep, Start, ToolCall, ToolCallDelta

ENDS = [FinishStep(1), Finish("tool_calls", None, "tool_calls"), Done()]
MADE_UP = re.compile(r"call_[0-9a-f]{24}")


def fragment(arguments: Any = None, *, index: int | None = 0, id: Any = None, name: Any = None, **more: Any) -> Any:
    """One entry of `delta.tool_calls`; None is absent."""
    function = {"name": name, "arguments": arguments}
    entry = {"index": index, "id": id, "function": {key: value for key, value in function.items() if value is not None}}
    return {key: value for key, value in {**entry, **more}.items() if value is not None}


def decode(*entries: Any, reason: str | None = "tool_calls", choice: int = 0, id: str | None = "c1") -> list[Event]:
    """What comes of one chunk for each of `entries`, without Start."""
    decoder = OpenAIDecoder()
    events = []
    for entry in entries:
        delta = entry if "function_call" in entry else {"tool_calls": entry if isinstance(entry, list) else [entry]}
        events += decoder.feed({"id": id, "model": "m", "choices": [{"index": choice, "delta": delta}]})
    events += decoder.feed({"id": id, "choices": [{"index": choice, "delta": {}, "finish_reason": reason}]})
    events += decoder.feed("[DONE]")
    assert events.pop(0) == Start("m", None, id)
    return events


def test_fragments_are_passed_on_and_parsed_once_at_the_end() -> None:
    assert decode(
        fragment("", id="x", name="f", type="function"), fragment('{"a'), fragment(""), fragment('": 1.0}')
    ) == [
        ToolCallDelta(0, "x", "f"),
        ToolCallDelta(0, arguments='{"a'),
        ToolCallDelta(0, arguments='": 1.0}'),
        ToolCall("x", "f", {"a": 1.0}, '{"a": 1.0}'),
        *ENDS,
    ]


def test_parallel_calls_are_told_apart_by_index_even_interleaved() -> None:
    assert decode(
        fragment("{", id="x", name="f"), fragment("{", index=1, id="y", name="g"), fragment("}"), fragment("}", index=1)
    ) == [
        ToolCallDelta(0, "x", "f", "{"),
        ToolCallDelta(1, "y", "g", "{"),
        ToolCallDelta(0, arguments="}"),
        ToolCallDelta(1, arguments="}"),
        ToolCall("x", "f", {}, "{}"),
        ToolCall("y", "g", {}, "{}"),
        *ENDS,
    ]


def test_calls_of_several_choices_are_numbered_through() -> None:
    decoder = OpenAIDecoder()
    choices = [{"index": n, "delta": {"tool_calls": [fragment("{}", id=f"x{n}", name="f")]}} for n in (0, 1)]
    assert decoder.feed({"id": "c1", "choices": choices})[1:] == [
        ToolCallDelta(0, "x0", "f", "{}"),
        ToolCallDelta(1, "x1", "f", "{}", choice=1),
    ]
    assert decoder.feed("[DONE]")[:2] == [ToolCall("x0", "f", {}, "{}"), ToolCall("x1", "f", {}, "{}", choice=1)]


def test_an_index_that_does_not_start_at_0_is_numbered_from_0() -> None:
    assert decode(fragment("{}", index=1, id="x", name="f"))[:2] == [
        ToolCallDelta(0, "x", "f", "{}"),
        ToolCall("x", "f", {}, "{}"),
    ]


@pytest.mark.parametrize("arguments", ["", "  ", None])
def test_no_arguments_are_an_empty_object(arguments: str | None) -> None:
    assert decode(fragment(arguments, id="x", name="f"))[-4] == ToolCall("x", "f", {}, arguments or "")


def test_large_integers_stay_exact_and_arguments_verbatim() -> None:
    text = '{"n":18446744073709551616, "n" :18446744073709551617,"x":1.0}'
    assert decode(fragment(text, id="x", name="f"))[1] == ToolCall(
        "x", "f", {"n": 18446744073709551617, "x": 1.0}, text
    )


def test_arguments_sent_as_an_object_become_text() -> None:
    assert decode(fragment({"a": [1]}, id="x", name="f"))[:2] == [
        ToolCallDelta(0, "x", "f", '{"a":[1]}'),
        ToolCall("x", "f", {"a": [1]}, '{"a":[1]}'),
    ]


def test_repeated_empty_ids_and_names_change_nothing() -> None:
    # Qwen on DashScope: corpus alibaba/qwen_tool_call.
    again = fragment("}", id="", name="", type="function")
    assert decode(fragment("{", id="x", name="f"), again)[-4] == ToolCall("x", "f", {}, "{}")


def test_a_repeated_id_and_name_do_not_begin_a_call() -> None:
    entry: dict[str, Any] = {"id": "x", "name": "f"}
    assert decode(fragment("{", **entry), fragment("}", **entry))[-4] == ToolCall("x", "f", {}, "{}")
    assert decode(fragment("{", index=None, **entry), fragment("}", index=None, **entry))[-4] == ToolCall(
        "x", "f", {}, "{}"
    )


def test_a_name_that_comes_late_holds_the_call_back() -> None:
    assert decode(fragment("{", id="x", name=""), fragment('"a"', id="x"), fragment(":1}", name="f")) == [
        ToolCallDelta(0, "x", "f", '{"a":1}'),
        ToolCall("x", "f", {"a": 1}, '{"a":1}'),
        *ENDS,
    ]


def test_an_id_that_comes_with_the_second_fragment_is_taken() -> None:
    assert decode(fragment("{"), fragment("}", id="x", name="f"))[0] == ToolCallDelta(0, "x", "f", "{}")


def test_a_missing_id_is_made_up_once() -> None:
    first, second, whole, *_ = decode(fragment("{", name="f"), fragment("}", id="late"))
    assert isinstance(first, ToolCallDelta)
    assert MADE_UP.fullmatch(first.id or "")
    assert second == ToolCallDelta(0, arguments="}")
    assert whole == ToolCall(first.id or "", "f", {}, "{}")
    # The same recording gives the same id; an answer without an id of its own gives one that nobody else has.
    assert decode(fragment("{", name="f"))[0] == first
    assert decode(fragment("{", name="f"), id="c2")[0] != first
    assert decode(fragment("{", name="f"), id=None)[0] != decode(fragment("{", name="f"), id=None)[0]


def names(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.name, event.arguments) for event in events if isinstance(event, ToolCall)]


def ids(events: list[Event]) -> list[str]:
    return [event.id for event in events if isinstance(event, ToolCall)]


@pytest.mark.parametrize("index", [0, None])
@pytest.mark.parametrize("together", [True, False])
def test_parallel_calls_with_one_index_or_none_are_told_apart_by_id(index: int | None, together: bool) -> None:
    # Gemini's own OpenAI endpoint and its proxies.
    entries = [fragment("{}", index=index, id="x", name="f"), fragment("[]", index=index, id="y", name="f")]
    events = decode(entries) if together else decode(*entries)
    assert names(events) == [("f", "{}"), ("f", "[]")]
    assert ids(events) == ["x", "y"]


@pytest.mark.parametrize("index", [0, None])
def test_parallel_calls_without_ids_are_told_apart_by_name(index: int | None) -> None:
    events = decode(fragment("{}", index=index, name="f"), fragment("[]", index=index, name="g"))
    assert names(events) == [("f", "{}"), ("g", "[]")]
    assert len(set(ids(events))) == 2


def test_a_call_with_an_id_follows_one_without() -> None:
    events = decode(fragment("{}", name="f"), fragment("[]", id="y", name="f"))
    assert names(events) == [("f", "{}"), ("f", "[]")]
    assert ids(events)[1] == "y"


def test_a_fragment_without_index_belongs_to_the_last_call() -> None:
    events = decode(
        fragment("{", index=None, id="x", name="f"), fragment("}", index=None), fragment("", index=None, id="other")
    )
    assert names(events) == [("f", "{}")]


def test_objects_run_together_are_several_calls() -> None:
    # Seen behind Gemini's endpoint: the second call's arguments appended to the first call's.
    events = decode(fragment('{"a":1}', id="x", name="f"), fragment(' {"b": "}{"}\n{}'))
    assert names(events) == [("f", '{"a":1}'), ("f", '{"b": "}{"}'), ("f", "{}")]
    assert ids(events)[0] == "x"
    assert len(set(ids(events))) == 3
    assert all(MADE_UP.fullmatch(id) for id in ids(events)[1:])


@pytest.mark.parametrize("text", ["{", '{"a":1}x', "{}[]", "1 2", "nope", "[" * 100_000, '{"a":' * 100_000])
def test_arguments_that_are_not_json_are_a_failure_with_the_text_kept(text: str) -> None:
    good = fragment("{}", index=1, id="y", name="g")
    events = decode(fragment(text, id="x", name="f"), good)
    assert events[2:] == [
        ToolCall("y", "g", {}, "{}"),
        Failure("invalid_response", f"the arguments of tool call 'f' are not JSON: {text}"),
        Done(finished=False),
    ]


@pytest.mark.parametrize("reason", ["length", "content_filter", "error"])
@pytest.mark.parametrize("cut", ['{"a":', "", " "])
def test_a_call_that_was_cut_off_is_no_call_and_no_failure(reason: str, cut: str) -> None:
    events = decode(
        fragment("", id="x", name="f"), fragment("{}", index=1, id="y", name="g"), fragment(cut), reason=reason
    )
    assert not [event for event in events if isinstance(event, Failure)]
    assert isinstance(events[-2], Finish)
    # "y" is whole, and was not the one being written; nor was "x", but nothing of it came.
    last = decode(fragment(cut, id="x", name="f"), reason=reason)
    assert names(last) == []


def test_a_whole_call_before_the_cut_is_kept() -> None:
    events = decode(fragment("", id="x", name="f"), fragment("{", index=1, id="y", name="g"), reason="length")
    assert names(events) == [("f", "")]


def test_a_cut_in_one_choice_excuses_no_other() -> None:
    decoder = OpenAIDecoder()
    decoder.feed({"id": "c1", "choices": [{"index": 1, "delta": {"tool_calls": [fragment("{", id="x", name="f")]}}]})
    ends = [{"index": 0, "finish_reason": "length"}, {"index": 1, "finish_reason": "tool_calls"}]
    decoder.feed({"id": "c1", "choices": ends})
    assert [type(event) for event in decoder.finish()] == [Failure, Done]


def test_a_call_that_never_got_a_name_is_a_failure_unless_it_was_cut() -> None:
    events = decode(fragment("{}", id="x"))
    assert events == [Failure("invalid_response", "a tool call came without a name"), Done(finished=False)]
    assert [type(event) for event in decode(fragment("{}", id="x"), reason="length")] == [FinishStep, Finish, Done]


def test_the_deprecated_function_call_is_a_call_with_an_id() -> None:
    events = decode(
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": '{"a":1}'}},
        reason="function_call",
    )
    first = events[0]
    assert isinstance(first, ToolCallDelta)
    assert first == ToolCallDelta(0, first.id, "f")
    assert MADE_UP.fullmatch(first.id or "")
    assert events[1:3] == [ToolCallDelta(0, arguments='{"a":1}'), ToolCall(first.id or "", "f", {"a": 1}, '{"a":1}')]
    assert events[-2] == Finish("tool_calls", None, "function_call")


def test_the_input_of_a_custom_tool_is_text() -> None:
    def custom(text: str, **more: Any) -> Any:
        return {"index": 0, "custom": {"input": text, **more}}

    entries = [{**custom("", name="sql"), "id": "x", "type": "custom"}, custom("SELECT "), custom("{")]
    assert decode(*entries)[-4] == ToolCall("x", "sql", "SELECT {", "SELECT {", kind="custom")
    assert names(decode(*entries, reason="length")) == []


def test_a_fragment_without_function_or_custom_says_nothing() -> None:
    events = decode({"index": 0, "id": "x"}, fragment("{}", name="f"))
    assert events[0] == ToolCallDelta(0, "x", "f", "{}")


def test_a_finish_reason_without_a_call_is_kept() -> None:
    assert decode({"function_call": None}) == ENDS


json_objects = st.dictionaries(
    st.text(max_size=4), st.integers() | st.text(max_size=6) | st.booleans() | st.none(), max_size=3
).map(json.dumps)


@given(st.lists(json_objects, min_size=1, max_size=3), st.data())
def test_any_cutting_of_the_arguments_gives_the_same_calls(texts: list[str], data: st.DataObject) -> None:
    entries = []
    for number, text in enumerate(texts):
        cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=4)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        entries.append(fragment(pieces[0], index=number, id=f"x{number}", name="f"))
        entries += [fragment(piece, index=number) for piece in pieces[1:]]
    calls = [event for event in decode(*entries) if isinstance(event, ToolCall)]
    assert [(call.arguments, call.input) for call in calls] == [(text, json.loads(text)) for text in texts]
