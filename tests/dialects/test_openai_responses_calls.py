"""Tool calls of Responses streams: the client's own, and those that the provider runs by itself."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gai_stream.dialects._calls import made_up_id
from gai_stream.dialects.openai_responses import OpenAIResponsesDecoder
from gai_stream.events import Done, Event, Failure, Finish, FinishStep, Start, ToolCall, ToolCallDelta, ToolResult
from gai_stream.exceptions import LimitExceeded

CREATED = {"type": "response.created", "response": {"id": "r", "model": "m"}}


def event(type: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{type}", "output_index": index, "item_id": "any", **fields}


def end(status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": {"id": "r", **fields}}


def call(call_id: str | None = "c", name: str | None = "f", arguments: Any = "", **fields: Any) -> dict[str, Any]:
    return {"type": "function_call", "id": "fc", "call_id": call_id, "name": name, "arguments": arguments, **fields}


def custom(input: str, **fields: Any) -> dict[str, Any]:
    return {"type": "custom_tool_call", "id": "ctc", "call_id": "c", "name": "sql", "input": input, **fields}


def decode(*messages: Any) -> list[Event]:
    """The events of an answer after its Start."""
    decoder = OpenAIResponsesDecoder()
    decoder.feed(CREATED)
    return [event for message in messages for event in decoder.feed(message)]


def ended(*messages: Any, status: str = "completed", **fields: Any) -> list[Event]:
    """The events of an answer between its Start and its end."""
    events = decode(*messages, end(status, **fields))
    assert [type(event) for event in events[-3:]] == [FinishStep, Finish, Done]
    return events[:-3]


FRAGMENTS = [
    event("output_item.added", item=call()),
    event("function_call_arguments.delta", delta='{"a"'),
    event("function_call_arguments.delta", delta=":1}"),
]
TOLD = [ToolCallDelta(0, "c", "f"), ToolCallDelta(0, arguments='{"a"'), ToolCallDelta(0, arguments=":1}")]
WHOLE = ToolCall("c", "f", {"a": 1}, '{"a":1}')


def test_a_call_is_told_in_fragments_and_whole_when_its_item_is_done() -> None:
    done = event("output_item.done", item=call(arguments='{"a":1}', status="completed"))
    assert decode(*FRAGMENTS, done) == [*TOLD, WHOLE]
    again = end(output=[call(arguments='{"a":1}', status="completed")])
    assert decode(*FRAGMENTS, done, done, again)[4:] == [FinishStep(1), Finish("tool_calls", None, "completed"), Done()]


def test_a_call_whose_item_does_not_say_that_it_is_complete_is_told_at_the_end() -> None:
    assert decode(*FRAGMENTS, event("output_item.done", item=call(arguments='{"a":1}'))) == TOLD
    assert ended(*FRAGMENTS) == [*TOLD, WHOLE]


@pytest.mark.parametrize(
    "repeated",
    [
        event("function_call_arguments.done", arguments='{"a":1}', name="f"),
        event("output_item.done", item=call(arguments='{"a":1}')),
        event("output_item.done", item=call(arguments={"a": 1})),
        end(output=[call(arguments='{"a":1}')]),
    ],
)
@pytest.mark.parametrize("streamed", [0, 1, 2, 3])
def test_what_the_fragments_left_out_is_told_from_what_repeats_it(repeated: Any, streamed: int) -> None:
    last = [] if repeated["type"] == "response.completed" else [end(output=[call(arguments='{"a":1}')])]
    events = decode(*FRAGMENTS[:streamed], repeated, *last)
    assert "".join(e.arguments for e in events if isinstance(e, ToolCallDelta)) == '{"a":1}'
    assert events[-4:-1] == [WHOLE, FinishStep(1), Finish("tool_calls", None, "completed")]


def test_whole_arguments_that_do_not_begin_with_the_fragments_are_not_told() -> None:
    other = event("function_call_arguments.done", arguments='{"b":2}')
    assert ended(*FRAGMENTS, other) == [*TOLD, WHOLE]


def test_parallel_calls_are_numbered_in_the_order_of_their_items() -> None:
    assert ended(
        event("output_item.added", 1, item=call("c1", "f")),
        event("output_item.added", 3, item=call("c2", "g")),
        event("function_call_arguments.delta", 3, delta="{}"),
        event("function_call_arguments.delta", 1, delta="{}"),
        output=[call("c2", "g", "{}"), call("c1", "f", "{}"), call("c3", "h", "[]")],
    ) == [
        ToolCallDelta(0, "c1", "f"),
        ToolCallDelta(1, "c2", "g"),
        ToolCallDelta(1, arguments="{}"),
        ToolCallDelta(0, arguments="{}"),
        ToolCallDelta(2, "c3", "h", "[]"),
        ToolCall("c1", "f", {}, "{}"),
        ToolCall("c2", "g", {}, "{}"),
        ToolCall("c3", "h", [], "[]"),
    ]


def test_a_call_that_only_the_last_event_knows_is_told_beside_the_one_in_its_place() -> None:
    events = ended(event("output_item.added", item=call("c1", "f")), output=[call("c0", "g"), call("c1", "f", "{}")])
    assert [event for event in events if isinstance(event, ToolCall)] == [
        ToolCall("c1", "f", {}, "{}"),
        ToolCall("c0", "g", {}, ""),
    ]


def test_a_call_that_has_no_id_yet_is_the_one_of_the_last_event() -> None:
    assert ended(
        event("output_item.added", item=call(None, None)),
        event("function_call_arguments.delta", delta="{}"),
        output=[call("c", "f", "{}")],
    ) == [ToolCallDelta(0, "c", "f", "{}"), ToolCall("c", "f", {}, "{}")]


def test_an_id_that_never_comes_is_made_up_and_always_the_same() -> None:
    id = made_up_id("r", 0)
    assert ended(output=[call(None, "f", "{}")]) == [ToolCallDelta(0, id, "f", "{}"), ToolCall(id, "f", {}, "{}")]
    fragments = [
        event("function_call_arguments.delta", delta="{}"),
        event("function_call_arguments.done", arguments="{}", name="f"),
    ]
    assert ended(*fragments) == [ToolCallDelta(0, id, "f", "{}"), ToolCall(id, "f", {}, "{}")]
    (_, start, *_) = OpenAIResponsesDecoder().feed({"object": "response", "output": [call(None)]})
    assert isinstance(start, ToolCallDelta)
    assert re.fullmatch("call_[0-9a-f]{24}", start.id or "")


def test_a_call_without_arguments_has_an_empty_input() -> None:
    assert ended(output=[call(arguments="", status="completed")]) == [
        ToolCallDelta(0, "c", "f"),
        ToolCall("c", "f", {}, ""),
    ]


def test_integers_of_any_size_stay_exact() -> None:
    (_, whole) = ended(output=[call(arguments='{"n":18446744073709551616}')])
    assert isinstance(whole, ToolCall)
    assert whole.input == {"n": 18446744073709551616}


def test_a_custom_tools_input_is_free_text() -> None:
    assert ended(
        event("output_item.added", item=custom("")),
        event("custom_tool_call_input.delta", delta="SELECT"),
        event("custom_tool_call_input.done", input="SELECT 1"),
        event("output_item.done", item=custom("SELECT 1;", status="completed")),
    ) == [
        ToolCallDelta(0, "c", "sql", kind="custom"),
        ToolCallDelta(0, arguments="SELECT"),
        ToolCallDelta(0, arguments=" 1"),
        ToolCallDelta(0, arguments=";"),
        ToolCall("c", "sql", "SELECT 1;", "SELECT 1;", kind="custom"),
    ]


# Calls that are none


def test_arguments_that_are_no_json_are_a_failure_that_keeps_them() -> None:
    events = decode(end(output=[call(arguments="{a}", status="completed"), call("d", "g", "{b}")]))
    assert events[2:] == [
        Failure("invalid_response", "the arguments of tool call 'f' are not JSON: {a}"),
        Done(finished=False),
    ]


def test_a_call_without_a_name_is_a_failure() -> None:
    assert decode(event("function_call_arguments.delta", delta="{}"), end()) == [
        Failure("invalid_response", "a tool call came without a name"),
        Done(finished=False),
    ]


@pytest.mark.parametrize(
    "item",
    [
        call(arguments='{"a"'),
        call(arguments='{"a":1}', status="incomplete"),
        call(arguments=""),
        call(name=None, arguments="{}"),
        custom("SELECT"),
    ],
)
@pytest.mark.parametrize("status", ["incomplete", "cancelled"])
def test_a_call_that_was_being_written_when_the_answer_was_cut_is_no_call(item: Any, status: str) -> None:
    events = decode(event("output_item.added", item=item), event("output_item.done", item=item), end(status))
    assert not any(isinstance(event, ToolCall | Failure) for event in events)


def test_calls_that_were_whole_when_the_answer_was_cut_are_calls() -> None:
    items = [custom("SELECT"), call("d", "f", ""), call("e", "g", "{}", status="completed"), call("h", "i", "{}")]
    events = decode(end("incomplete", output=[*items, call("j", "k", "")]))
    assert [event.id for event in events if isinstance(event, ToolCall)] == ["e", "c", "d", "h"]


# Calls that the provider runs by itself


def test_a_search_is_a_call_whose_result_is_its_item() -> None:
    item = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}}
    arguments = json.dumps({"action": item["action"]}, separators=(",", ":"))
    begun = event("output_item.added", item={"type": "web_search_call", "id": "ws", "status": "in_progress"})
    done = event("output_item.done", item=item)
    assert decode(begun, done, end(output=[item])) == [
        ToolCallDelta(0, "ws", "web_search", kind="server"),
        ToolCallDelta(0, arguments=arguments),
        ToolCall("ws", "web_search", {"action": item["action"]}, arguments, kind="server"),
        ToolResult("ws", "web_search", item),
        FinishStep(1),
        Finish("stop", None, "completed"),
        Done(),
    ]


def test_a_remote_tool_is_called_with_its_own_arguments() -> None:
    def item(arguments: str, **fields: Any) -> dict[str, Any]:
        return {"type": "mcp_call", "id": "mcp", "name": "ask", "arguments": arguments, "output": None, **fields}

    done = item('{"q":1}', output="found", error=None)
    assert ended(
        event("output_item.added", item=item("")),
        event("mcp_call_arguments.delta", delta='{"q":'),
        event("mcp_call_arguments.done", arguments='{"q":1}'),
        event("output_item.done", item=done),
    ) == [
        ToolCallDelta(0, "mcp", "ask", kind="server"),
        ToolCallDelta(0, arguments='{"q":'),
        ToolCallDelta(0, arguments="1}"),
        ToolCall("mcp", "ask", {"q": 1}, '{"q":1}', kind="server"),
        ToolResult("mcp", "ask", done),
    ]


def test_arguments_of_a_remote_tool_that_are_no_json_are_its_input_all_the_same() -> None:
    (_, whole, _) = ended(output=[{"type": "mcp_call", "id": "mcp", "name": "ask", "arguments": "{"}])
    assert whole == ToolCall("mcp", "ask", "{", "{", kind="server")


@pytest.mark.parametrize(
    ("kind", "fields", "name", "input"),
    [
        ("file_search_call", {"queries": ["q"], "results": None}, "file_search", {"queries": ["q"]}),
        ("code_interpreter_call", {"code": "1", "container_id": "c"}, "code_interpreter", None),
        ("image_generation_call", {"result": "aGk=", "revised_prompt": None}, "image_generation", {}),
    ],
)
def test_every_kind_of_the_providers_calls_has_its_input(kind: str, fields: Any, name: str, input: Any) -> None:
    item = {"type": kind, "id": "x", **fields}
    (_, whole, result) = ended(output=[item])
    assert isinstance(whole, ToolCall)
    assert (whole.name, whole.input, whole.kind) == (name, fields if input is None else input, "server")
    assert result == ToolResult("x", name, item)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"error": "no"}, "no"),
        ({"error": {"message": "no", "code": 5}}, "no"),
        ({"error": {"code": 5}}, '{"code":5}'),
        ({"error": None, "status": "failed"}, "failed"),
        ({"status": "completed"}, None),
    ],
)
def test_what_went_wrong_is_told_as_text(fields: Any, error: str | None) -> None:
    (_, _, result) = ended(output=[{"type": "mcp_call", "name": "ask", "arguments": "", **fields}])
    assert isinstance(result, ToolResult)
    assert (result.id, result.error) == (made_up_id("r", 0), error)


def test_the_providers_calls_do_not_make_an_answer_one_that_waits_for_tools() -> None:
    search = {"type": "web_search_call", "id": "ws"}
    assert decode(end(output=[search]))[-2] == Finish("stop", None, "completed")
    assert decode(end(output=[search, call()]))[-2] == Finish("tool_calls", None, "completed")
    assert decode(event("output_item.added", item=search), end("incomplete"))[-1] == Done()


# Limits


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "1"])
def test_a_meaningless_limit_is_refused(limit: Any) -> None:
    with pytest.raises(ValueError, match=r"^max_arguments_size must be a whole number of at least 1, not "):
        OpenAIResponsesDecoder(max_arguments_size=limit)


def test_calls_that_are_longer_than_the_limit_are_refused_before_anything_is_told() -> None:
    decoder = OpenAIResponsesDecoder(max_arguments_size=8)
    assert decoder.feed(event("output_item.added", item=call())) == [Start(None, "openai"), TOLD[0]]
    assert decoder.feed(FRAGMENTS[1]) == [TOLD[1]]
    for large in (
        event("function_call_arguments.delta", delta="12345"),
        event("function_call_arguments.done", arguments='{"a"12345'),
        event("output_item.done", item=call(arguments='{"a"12345')),
        end(output=[call(arguments='{"a":1}'), call("d", "g")]),
    ):
        with pytest.raises(LimitExceeded, match=r"^tool calls are longer than 8 characters: raise max_arguments_size"):
            decoder.feed(large)
    assert decoder.feed(end(output=[call(arguments='{"a":1}')]))[:2] == [ToolCallDelta(0, arguments=":1}"), WHOLE]


def test_whole_arguments_that_repeat_the_fragments_count_once() -> None:
    decoder = OpenAIResponsesDecoder(max_arguments_size=8)
    done = call(arguments='{"a":1}', status="completed")
    for message in (*FRAGMENTS, event("output_item.done", item=done), end(output=[done])):
        events = decoder.feed(message)
    assert events[-1] == Done()
