"""Messages events to ours: blocks, deltas and ends as they come, in the order that they come."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gai_stream.dialects.anthropic import AnthropicDecoder
from gai_stream.events import (
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
from gai_stream.exceptions import DecodeError, LimitExceeded, TruncatedStream
from gai_stream.sse import ServerSentEvent

START = {"type": "message_start", "message": {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 3}}}
STOP = {"type": "message_stop"}
PING = {"type": "ping"}
STARTED = Start("claude", "anthropic", "msg_1")


def begin(kind: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}


def delta(kind: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def end(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def tool(index: int = 0, **fields: Any) -> dict[str, Any]:
    return begin("tool_use", index, **{"id": f"toolu_{index}", "name": "f", "input": {}, **fields})


def piece(text: str, index: int = 0) -> dict[str, Any]:
    return delta("input_json_delta", index, partial_json=text)


def ending(reason: str | None, **fields: Any) -> dict[str, Any]:
    usage = {"usage": fields.pop("usage")} if "usage" in fields else {}
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None, **fields}, **usage}


def fed(*messages: Any) -> list[Event]:
    decoder = AnthropicDecoder()
    return [event for message in messages for event in decoder.feed(message)]


def body(*messages: Any, reason: str = "end_turn") -> list[Event]:
    """The events of what stands between the first message and the last ones."""
    first, *events, step, finish, done = fed(START, *messages, ending(reason), STOP)
    assert (first, step, done) == (STARTED, FinishStep(1), Done())
    assert isinstance(finish, Finish)
    return events


def test_an_answer_is_start_text_finish_and_done() -> None:
    assert fed(
        START,
        begin("text", text=""),
        PING,
        delta("text_delta", text="Hi"),
        delta("text_delta", text=""),
        delta("text_delta", text=" there"),
        end(),
        ending("end_turn", usage={"output_tokens": 2}),
        STOP,
        delta("text_delta", text="too late"),
    ) == [
        STARTED,
        TextDelta("Hi"),
        TextDelta(" there"),
        FinishStep(1),
        Finish("stop", Usage(3, 2, 5), "end_turn"),
        Done(),
    ]


@pytest.mark.parametrize("form", [json.dumps, lambda value: json.dumps(value, indent=2).encode(), dict, bytearray])
def test_a_message_has_any_form(form: Any) -> None:
    value = delta("text_delta", text="a")
    message = form(json.dumps(value).encode()) if form is bytearray else form(value)
    assert fed(START, message) == [STARTED, TextDelta("a")]
    assert fed(START, ServerSentEvent("")) == [STARTED]


def test_the_type_in_the_json_decides_and_not_the_name_of_the_event() -> None:
    for name in ("message", "ping", "message_stop", "error"):
        assert fed(ServerSentEvent(json.dumps(START), event=name)) == [STARTED]


def test_thinking_is_reasoning_and_its_signature_comes_as_it_is() -> None:
    assert body(
        begin("thinking", thinking="", signature=""),
        delta("thinking_delta", thinking="hm"),
        delta("thinking_delta", thinking=""),
        delta("signature_delta", signature=""),
        delta("signature_delta", signature="EqQB=="),
        end(),
        begin("redacted_thinking", 1, data="secret"),
        end(1),
        begin("redacted_thinking", 2, data=""),
        end(2),
        begin("thinking", 3, thinking="all", signature="at once"),
        end(3),
    ) == [
        ReasoningDelta("hm"),
        ReasoningDelta("", "EqQB=="),
        ReasoningDelta("", redacted="secret"),
        ReasoningDelta("all", "at once"),
    ]


def test_a_tool_call_is_told_in_pieces_and_then_whole() -> None:
    assert body(tool(), piece(""), piece('{"a":'), piece(" 1.0}"), end(), reason="tool_use") == [
        ToolCallDelta(0, "toolu_0", "f"),
        ToolCallDelta(0, arguments='{"a":'),
        ToolCallDelta(0, arguments=" 1.0}"),
        ToolCall("toolu_0", "f", {"a": 1.0}, '{"a": 1.0}'),
    ]


def test_calls_are_numbered_from_0_whatever_stands_between() -> None:
    calls = body(begin("text", text=""), end(), tool(1), piece("{}", 1), end(1), tool(2), piece("[]", 2), end(2))
    assert calls == [
        ToolCallDelta(0, "toolu_1", "f"),
        ToolCallDelta(0, arguments="{}"),
        ToolCall("toolu_1", "f", {}, "{}"),
        ToolCallDelta(1, "toolu_2", "f"),
        ToolCallDelta(1, arguments="[]"),
        ToolCall("toolu_2", "f", [], "[]"),
    ]


def test_a_call_without_arguments_has_an_empty_input() -> None:
    assert body(tool(), piece(""), end(), tool(1), end(1)) == [
        ToolCallDelta(0, "toolu_0", "f"),
        ToolCall("toolu_0", "f", {}),
        ToolCallDelta(1, "toolu_1", "f"),
        ToolCall("toolu_1", "f", {}),
    ]


def test_integers_of_any_size_are_exact() -> None:
    (*_, call) = body(tool(), piece('{"n":18446744073709551616}'), end())
    assert isinstance(call, ToolCall)
    assert call.input == {"n": 18446744073709551616}


def test_arguments_that_came_with_the_block_are_used_if_no_others_do() -> None:
    given = tool(input={"a": 1})
    assert body(given, end()) == [
        ToolCallDelta(0, "toolu_0", "f"),
        ToolCallDelta(0, arguments='{"a":1}'),
        ToolCall("toolu_0", "f", {"a": 1}, '{"a":1}'),
    ]
    assert body(given, piece("{}"), end())[-1] == ToolCall("toolu_0", "f", {}, "{}")


@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "model_context_window_exceeded"])
@pytest.mark.parametrize("stop", [[end()], []])
@pytest.mark.parametrize("pieces", [["", '{"a": "b'], [""], []])
def test_a_call_that_was_cut_is_no_call(reason: str, stop: list[Any], pieces: list[str]) -> None:
    events = fed(START, tool(), *map(piece, pieces), *stop, ending(reason), STOP)
    assert not any(isinstance(event, ToolCall | Failure) for event in events)
    assert isinstance(events[-2], Finish)


@pytest.mark.parametrize("reason", ["max_tokens", "tool_use"])
def test_a_call_that_is_whole_stays_one_even_without_its_stop(reason: str) -> None:
    assert ToolCall("toolu_0", "f", {}, "{}") in fed(START, tool(), piece("{}"), ending(reason), STOP)


def test_only_the_last_call_can_have_been_cut() -> None:
    assert body(tool(), end(), tool(1), piece("{", 1), end(1), reason="max_tokens")[1] == ToolCall("toolu_0", "f", {})
    assert body(tool(), tool(1), piece("{}", 1), end(), end(1), reason="max_tokens")[-2:] == [
        ToolCall("toolu_0", "f", {}),
        ToolCall("toolu_1", "f", {}, "{}"),
    ]


def test_arguments_that_are_not_json_are_an_error_that_keeps_the_text() -> None:
    events = fed(START, tool(), piece("{not"), end(), tool(1), piece("{", 1), end(1), ending("tool_use"), STOP)
    assert events[-2:] == [
        Failure("invalid_response", "the arguments of tool call 'f' are not JSON: {not"),
        Done(finished=False),
    ]


def test_a_call_without_a_name_is_an_error() -> None:
    events = fed(START, tool(name=None), piece("{}"), end(), ending("tool_use"), STOP)
    assert events[1:] == [Failure("invalid_response", "a tool call came without a name"), Done(finished=False)]


def test_a_call_without_an_id_gets_one_that_is_always_the_same() -> None:
    first, second = (body(tool(id=None), end())[0] for _ in range(2))
    assert isinstance(first, ToolCallDelta)
    assert re.fullmatch(r"toolu_[0-9a-f]{24}", first.id or "")
    assert first == second
    events = fed({"type": "message_start", "message": {}}, tool(id=""), end())
    assert re.fullmatch(r"toolu_[0-9a-f]{24}", getattr(events[1], "id", ""))


def test_a_tool_that_the_provider_runs_is_marked_and_its_result_told() -> None:
    found = [{"type": "web_search_result", "url": "https://a.example"}]
    assert body(
        begin("server_tool_use", id="srvtoolu_1", name="web_search", input={}),
        piece('{"query":"x"}'),
        end(),
        begin("web_search_tool_result", 1, tool_use_id="srvtoolu_1", content=found),
        end(1),
        begin("mcp_tool_use", 2, id="mcptoolu_1", name="echo", server_name="s", input={}),
        end(2),
        begin("mcp_tool_result", 3, tool_use_id="mcptoolu_1", is_error=False, content=[{"type": "text", "text": "x"}]),
        end(3),
    ) == [
        ToolCallDelta(0, "srvtoolu_1", "web_search", kind="server"),
        ToolCallDelta(0, arguments='{"query":"x"}'),
        ToolCall("srvtoolu_1", "web_search", {"query": "x"}, '{"query":"x"}', kind="server"),
        ToolResult("srvtoolu_1", "web_search", found),
        ToolCallDelta(1, "mcptoolu_1", "echo", kind="server"),
        ToolCall("mcptoolu_1", "echo", {}, kind="server"),
        ToolResult("mcptoolu_1", "echo", [{"type": "text", "text": "x"}]),
    ]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"content": {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}}, "max_uses_exceeded"),
        (
            {"content": [{"type": "text", "text": "no "}, {"type": "text", "text": "way"}, 1], "is_error": True},
            "no way",
        ),
        ({"content": "no", "is_error": True}, "no"),
        ({"content": "", "is_error": True}, "error"),
        ({"is_error": True}, "error"),
        ({"content": {"error_code": 1}, "is_error": "yes"}, None),
    ],
)
def test_a_tools_failure_is_told_with_its_result(fields: dict[str, Any], error: str | None) -> None:
    # The call was in an earlier answer, which paused: its name is that of the block.
    (event,) = body(begin("web_search_tool_result", tool_use_id="srvtoolu_9", **fields), end())
    assert event == ToolResult("srvtoolu_9", "web_search", fields.get("content"), error)


def test_citations_come_when_their_text_is_there_with_its_extent() -> None:
    web = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "aa"}
    document = {"type": "char_location", "document_title": "facts.txt", "cited_text": "b", "start_char_index": 7}
    result = {"type": "search_result_location", "source": "kb://1", "title": None, "cited_text": "c"}
    assert body(
        begin("text", text=""),
        delta("text_delta", text="Well: "),
        end(),
        begin("text", 1, text="", citations=[]),
        delta("citations_delta", 1, citation=web),
        delta("text_delta", 1, text="it is"),
        delta("citations_delta", 1, citation=document),
        delta("text_delta", 1, text=" so"),
        end(1),
        begin("text", 2, text="!", citations=[result, 7, {"title": ""}]),
        end(2),
    ) == [
        TextDelta("Well: "),
        TextDelta("it is"),
        TextDelta(" so"),
        Citations([Citation("https://a.example", "A", 6, 14, "aa"), Citation(None, "facts.txt", 6, 14, "b")]),
        TextDelta("!"),
        Citations([Citation("kb://1", None, 14, 15, "c")]),
    ]


def test_a_missing_stop_is_made_up_for() -> None:
    source = {"url": "u"}
    cited = [begin("text", text="a"), delta("citations_delta", citation=source)]
    assert body(*cited) == [TextDelta("a"), Citations([Citation("u", None, 0, 1)])]
    assert body(*cited, begin("text", text="b")) == [
        TextDelta("a"),
        Citations([Citation("u", None, 0, 1)]),
        TextDelta("b"),
    ]


def test_a_delta_or_stop_of_a_block_that_never_began_is_taken_for_what_it_is() -> None:
    assert body(delta("text_delta", 4, text="a"), delta("thinking_delta", 5, thinking="b"), end(5), end(9)) == [
        TextDelta("a"),
        ReasoningDelta("b"),
    ]


def test_a_second_message_start_is_no_second_answer() -> None:
    again = {"type": "message_start", "message": {"id": "msg_2", "usage": {"input_tokens": 9, "output_tokens": 1}}}
    assert fed(START, again, ending("end_turn"), STOP)[::2] == [STARTED, Finish("stop", Usage(9, 1, 10), "end_turn")]


def test_what_comes_before_any_message_start_gets_one() -> None:
    assert fed(delta("text_delta", text="a"), START, delta("text_delta", text="b")) == [
        Start(None, "anthropic"),
        TextDelta("a"),
        TextDelta("b"),
    ]
    assert fed({"type": "message_start"}, PING) == [Start(None, "anthropic")]
    assert fed(STOP) == [Start(None, "anthropic"), FinishStep(1), Finish("unknown"), Done()]


UNKNOWN = [
    {"type": "new_event", "delta": "of another kind"},
    begin("container_upload", 1, text=5),
    delta("compaction_delta", 1, content="x"),
    delta("text_delta", 1, text="in a block that we do not know"),
    delta("new_delta", 0, text=["x"]),
    {"type": "content_block_start", "index": 5},
    {"type": 7},
    {"no": "type"},
    [1],
    3,
]


def test_what_is_unknown_is_raw_and_costs_nothing() -> None:
    assert body(*UNKNOWN, {}) == [Raw("anthropic", value) for value in UNKNOWN]
    assert body(begin("text", text=""), piece("{}")) == [Raw("anthropic", piece("{}"))]
    assert body(piece("{}", 8)) == [Raw("anthropic", piece("{}", 8))]
    assert body(begin("fallback"), end(), begin("text", text="a")) == [
        Raw("anthropic", begin("fallback")),
        TextDelta("a"),
    ]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("compaction", "unknown"),
        ("new_reason", "unknown"),
    ],
)
def test_every_reason_has_its_word(raw: str, reason: str) -> None:
    finish = fed(START, ending(raw), STOP)[-2]
    assert finish == Finish(reason, Usage(3), raw)


def test_a_stop_sequence_is_named() -> None:
    assert fed(START, ending("stop_sequence", stop_sequence="###"), ending(None), STOP)[-2] == Finish(
        "stop", Usage(3), "stop_sequence", "###"
    )


@pytest.mark.parametrize(
    ("details", "verdict"),
    [
        (None, Safety("refusal", "block")),
        ({"type": "refusal", "category": None, "explanation": None}, Safety("refusal", "block")),
        ({"type": "refusal", "category": "cyber", "explanation": "no"}, Safety("cyber", "block", None, "no")),
        (["strange"], Safety("refusal", "block")),
    ],
)
def test_a_refusal_is_a_verdict(details: Any, verdict: Safety) -> None:
    assert fed(START, ending("refusal", stop_details=details), STOP)[1] == verdict


def test_stop_details_of_a_refusal_are_a_verdict_whatever_the_reason() -> None:
    assert Safety("bio", "block") in fed(
        START, ending("end_turn", stop_details={"type": "refusal", "category": "bio"}), STOP
    )


def test_usage_is_merged_key_by_key_and_includes_the_cache() -> None:
    first = {"input_tokens": 10, "cache_creation_input_tokens": 4, "cache_read_input_tokens": None, "output_tokens": 1}
    last = {
        "output_tokens": 7.0,
        "input_tokens": None,
        "cache_read_input_tokens": 5,
        "output_tokens_details": {"thinking_tokens": 2},
        "server_tool_use": "strange",
    }
    start = {"type": "message_start", "message": {"usage": first}}
    assert fed(start, ending(None, usage=last), ending("end_turn", usage={}), STOP)[-2] == Finish(
        "stop", Usage(19, 7, 26, 2, 5, 4), "end_turn"
    )


def test_usage_that_nobody_told_is_unknown() -> None:
    assert fed({"type": "message_start", "message": {}}, ending("end_turn"), STOP)[-2] == Finish(
        "stop", None, "end_turn"
    )
    only = {"usage": {"output_tokens": 0}}
    assert fed(ending("end_turn", **only), STOP)[-2] == Finish("stop", Usage(None, 0), "end_turn")


@pytest.mark.parametrize(
    ("message", "failure"),
    [
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            Failure("overloaded", "Overloaded", True, 10.0),
        ),
        (
            ServerSentEvent('{"error": {"message": "no", "type": "rate_limit_error"}}', event="error"),
            Failure("rate_limited", "no", True, 60.0),
        ),
        (ServerSentEvent('{"message": "no"}', event="error"), Failure("internal", "no", True)),
        (ServerSentEvent("out of order", event="error"), Failure("internal", "out of order", True)),
        (ServerSentEvent('"out"', event="error"), Failure("internal", "out", True)),
        ({"error": {"type": "authentication_error", "message": "who?"}}, Failure("unauthorized", "who?")),
    ],
)
def test_an_error_ends_the_answer(message: Any, failure: Failure) -> None:
    assert fed(message) == [failure, Done(finished=False)]
    assert fed(START, delta("text_delta", text="a"), message, STOP)[2:] == [failure, Done(finished=False)]


@pytest.mark.parametrize("kind", ["text", "thinking", "signature", "input_json", "citation", "compaction"])
def test_what_the_sdks_helper_tells_in_addition_is_nothing_new(kind: str) -> None:
    assert fed(START, {"type": kind, kind: "a", "snapshot": "a"}) == [STARTED]


def test_done_is_tolerated() -> None:
    done = ServerSentEvent("[DONE]", event="data")
    assert fed(START, done, ending("end_turn"), STOP, done)[-1] == Done()
    assert fed(START, ending("end_turn"), "[DONE]")[-2:] == [Finish("stop", Usage(3), "end_turn"), Done()]


@pytest.mark.parametrize("messages", [[], [START], [START, ending("end_turn")], [START, "[DONE]"]])
def test_input_that_ends_before_the_answer_is_truncated(messages: list[Any]) -> None:
    decoder = AnthropicDecoder()
    for message in messages:
        decoder.feed(message)
    with pytest.raises(TruncatedStream, match=r"^the stream ended without message_stop$"):
        decoder.finish()


@pytest.mark.parametrize(
    "message",
    [
        "{",
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_delta", "index": -1, "delta": {}},
        {"type": "content_block_delta", "index": 0, "delta": "a"},
        delta("text_delta", text=5),
        tool(id=5),
        tool(input={"a": object()}),
        begin("text", text=["a"]),
        {"type": "message_start", "message": {"id": 1}},
        {"type": "message_start", "message": {"usage": {"input_tokens": -1}}},
        {"type": "message_start", "message": {"usage": {"input_tokens": float("inf")}}},
        ending(5),  # type: ignore[arg-type]
        {"type": "message", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": 5}]},
        {"type": "message", "content": "a"},
    ],
)
def test_a_field_of_the_wrong_type_costs_its_message_alone(message: Any) -> None:
    decoder = AnthropicDecoder()
    decoder.feed(START)
    with pytest.raises(DecodeError, match=r"^not "):
        decoder.feed(message)
    assert decoder.feed(delta("text_delta", text="b")) == [TextDelta("b")]


def test_what_is_no_message_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"^AnthropicDecoder: a message is a ServerSentEvent"):
        AnthropicDecoder().feed(object())


def test_calls_beyond_the_limit_are_refused_before_they_are_kept() -> None:
    decoder = AnthropicDecoder(max_arguments_size=20)
    decoder.feed(START)
    decoder.feed(tool())
    for message in (piece("x" * 12), tool(1, input={"a": "x" * 20})):
        with pytest.raises(LimitExceeded, match=r"^tool calls are longer than 20 characters: raise max_arguments_size"):
            decoder.feed(message)
    assert decoder.feed(piece("{}         ")) == [ToolCallDelta(0, arguments="{}         ")]


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, None])
def test_a_limit_that_is_no_size_is_refused(limit: Any) -> None:
    with pytest.raises(ValueError, match=r"^max_arguments_size must be a whole number of at least 1, not "):
        AnthropicDecoder(max_arguments_size=limit)


WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "seal"},
        {"type": "text", "text": "Hi", "citations": [{"url": "u", "cited_text": "x"}]},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1]}},
        {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
        {"type": "new_block"},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 2},
}
EVENTS_OF_WHOLE = [
    STARTED,
    ReasoningDelta("hm", "seal"),
    TextDelta("Hi"),
    Citations([Citation("u", None, 0, 2, "x")]),
    ToolCallDelta(0, "toolu_1", "f"),
    ToolCallDelta(0, arguments='{"a":[1]}'),
    ToolCall("toolu_1", "f", {"a": [1]}, '{"a":[1]}'),
    ToolCallDelta(1, "toolu_2", "g"),
    ToolCall("toolu_2", "g", {}),
    Raw("anthropic", {"type": "content_block_start", "index": 4, "content_block": {"type": "new_block"}}),
    FinishStep(1),
    Finish("tool_calls", Usage(1, 2, 3), "tool_use"),
    Done(),
]


@pytest.mark.parametrize("form", [dict, json.dumps])
def test_an_answer_that_was_not_streamed_is_read_at_once(form: Any) -> None:
    decoder = AnthropicDecoder()
    assert decoder.feed(form(WHOLE)) == EVENTS_OF_WHOLE
    assert decoder.finish() == []


def test_an_answer_without_anything_in_it_is_one() -> None:
    assert fed({"type": "message", "content": None}) == [
        Start(None, "anthropic"),
        FinishStep(1),
        Finish("unknown"),
        Done(),
    ]
