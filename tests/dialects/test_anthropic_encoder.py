"""Events to Messages events: the blocks, their order, and what waits for its turn."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gai_stream.dialects.anthropic import AnthropicEncoder
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
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from gai_stream.exceptions import EncodeError
from gai_stream.sse import ServerSentEvent

START = Start("claude", None, "msg_1")
OWN = Start("claude", "anthropic", "msg_1")
NO_USAGE = {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}


def encode(*events: Event, finish: bool = True, **options: Any) -> list[Any]:
    """The messages as data, if both framings say the same and check the grammar."""
    result = []
    for framing in ("ndjson", "sse"):
        encoder = AnthropicEncoder(framing=framing, **{"id": "msg_1", **options})
        result.append([message for event in events for message in encoder.feed(event)])
        result[-1] += encoder.finish() if finish else []
    dicts, messages = result
    assert [json.loads(message.data) for message in messages] == dicts
    assert [message.event for message in messages] == [value["type"] for value in dicts]
    check_grammar(dicts, ended=finish)
    return dicts


def check_grammar(messages: list[Any], *, ended: bool) -> None:
    """Check seeds.md 5.2: start, blocks one after another without gaps, then the end or an error and nothing more."""
    opened: int | None = None
    count = 0
    for place, message in enumerate(messages):
        match message["type"]:
            case "message_start":
                assert place == 0
            case "content_block_start":
                assert (opened, message["index"]) == (None, count)
                opened, count = count, count + 1
            case "content_block_delta":
                assert message["index"] == opened
            case "content_block_stop":
                assert message["index"] == opened
                opened = None
            case "message_delta" | "error":
                assert opened is None
    if ended:
        kinds = [message["type"] for message in messages]
        assert kinds[-2:] == ["message_delta", "message_stop"] or kinds.count("error") == 1 == kinds[-1:].count("error")
        assert kinds[0] == "message_start" or kinds == ["error"]


def told(*events: Event, start: Start = START) -> list[str]:
    """What the blocks are, each as its type and its deltas in one line."""
    lines: list[str] = []
    for message in encode(start, *events, Finish("stop"), Done()):
        if message["type"] == "content_block_start":
            block = message["content_block"]
            lines.append(" ".join(str(block[key]) for key in ("type", "id", "name", "data") if key in block))
            assert not any(block.get(key) for key in ("text", "thinking", "input"))
        elif message["type"] == "content_block_delta":
            delta = message["delta"]
            lines[-1] += "|" + next(str(value) for key, value in delta.items() if key != "type")
    return lines


def test_an_answer_is_start_block_reason_and_stop() -> None:
    assert encode(
        START, TextDelta("Hi"), TextDelta("!"), FinishStep(1), Finish("stop", Usage(10, 5, 15, 2, 3, 4)), Done()
    ) == [
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "content": [],
                "model": "claude",
                "stop_reason": None,
                "stop_sequence": None,
                "usage": NO_USAGE,
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "!"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {
                "input_tokens": 3,
                "cache_creation_input_tokens": 4,
                "cache_read_input_tokens": 3,
                "output_tokens": 5,
            },
        },
        {"type": "message_stop"},
    ]


def test_the_bytes_on_the_wire_are_named_messages() -> None:
    encoder = AnthropicEncoder()
    encoder.feed(TextDelta("a"))
    message = encoder.text_message("\u2028é\n\ud800")
    assert (
        encoder.feed(TextDelta("\u2028é\n\ud800"))
        == [message]
        == [
            ServerSentEvent(
                '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\u2028é\\n�"}}',
                event="content_block_delta",
            )
        ]
    )


def test_a_run_of_text_may_be_written_at_once_only_inside_a_text_block() -> None:
    encoder = AnthropicEncoder()

    def open_after(*events: Event) -> bool:
        for event in events:
            encoder.feed(event)
        return encoder.text_message("a") is not None

    assert not open_after()
    assert not open_after(START)
    assert open_after(TextDelta("a"))
    assert encoder.text_message("") is None
    assert not open_after(Citations([Citation("u")]))
    assert open_after(TextDelta("a"))
    assert not open_after(ReasoningDelta("a"))
    assert open_after(TextDelta("a"))
    assert not open_after(Finish("stop"))
    encoder.finish()
    with pytest.raises(RuntimeError, match=r"^AnthropicEncoder: feed after finish$"):
        encoder.feed(TextDelta("a"))
    ndjson = AnthropicEncoder(framing="ndjson")
    ndjson.feed(TextDelta("a"))
    assert ndjson.text_message("a") is None


@pytest.mark.parametrize(
    ("start", "options", "id", "model"),
    [
        (Start("m", "anthropic", "msg_9"), {"id": None}, "msg_9", "m"),
        (Start("m", None, "chatcmpl-9"), {"id": None}, "msg_chatcmpl-9", "m"),
        (Start("m", None, "chatcmpl-9"), {"id": "mine", "model": "asked"}, "mine", "asked"),
        (Start(), {"id": None, "model": ""}, "msg_[0-9a-f]{24}", ""),
        (Start(None, None, "a b"), {"id": None}, "msg_a_b_[0-9a-f]{8}", ""),
    ],
)
def test_id_and_model_are_what_start_says_or_you_do(start: Start, options: dict[str, Any], id: str, model: str) -> None:
    made = AnthropicEncoder(framing="ndjson", **options).feed(start)[0]["message"]
    assert made["model"] == model
    assert re.fullmatch(id, made["id"])


def test_nothing_in_it_is_an_answer_too() -> None:
    for events in ([], [Done()], [START, Finish("stop")], [TextDelta("")], [Safety("x", "pass")]):
        assert [message["type"] for message in encode(*events)] == ["message_start", "message_delta", "message_stop"]


def test_blocks_follow_one_another_as_kinds_change() -> None:
    assert told(
        ReasoningDelta("a"),
        ReasoningDelta("b"),
        TextDelta("c"),
        TextDelta(""),
        ReasoningDelta(""),
        TextDelta("d"),
        ReasoningDelta("e"),
        ToolCall("x", "f", {}, "{}"),
        TextDelta("g"),
    ) == ["thinking|a|b", "text|c|d", "thinking|e", "tool_use x f||{}", "text|g"]


def test_a_signature_comes_last_in_its_block_and_once() -> None:
    assert told(ReasoningDelta("a", "s"), TextDelta("b")) == ["thinking|a|s", "text|b"]
    assert told(ReasoningDelta("a"), ReasoningDelta("", "s"), ReasoningDelta("", "s")) == ["thinking|a|s"]
    assert told(ReasoningDelta("", "s"), start=OWN) == ["thinking|s"]


def test_several_signatures_are_several_blocks() -> None:
    assert told(
        ReasoningDelta("a", "s"), ReasoningDelta("b", "s"), ReasoningDelta("", "t"), ReasoningDelta("", "u")
    ) == [
        "thinking|a|s",
        "thinking|b|s",
        "thinking|t",
        "thinking|u",
    ]


def test_redacted_reasoning_is_a_block_by_itself() -> None:
    assert told(
        ReasoningDelta("a", "s", redacted="x"), ReasoningDelta("", redacted="y"), TextDelta("b"), start=OWN
    ) == [
        "thinking|a|s",
        "redacted_thinking x",
        "redacted_thinking y",
        "text|b",
    ]


def test_what_another_provider_sealed_goes_nowhere() -> None:
    foreign = Start("m", "gemini")
    sealed: list[Event] = [ReasoningDelta("a", "s"), ReasoningDelta("", "t"), ReasoningDelta("", redacted="x")]
    assert told(*sealed, start=foreign) == ["thinking|a"]


def test_only_the_first_choice_is_told() -> None:
    assert told(
        TextDelta("a", 1),
        ReasoningDelta("a", index=1),
        ToolCallDelta(0, "x", "f", choice=1),
        ToolCall("x", "f", {}, "{}", choice=1),
        TextDelta("b"),
    ) == ["text|b"]


def test_what_has_no_place_is_left_out() -> None:
    assert (
        told(
            AudioDelta(b"a", "pcm16"),
            Safety("hate", "block"),
            FinishStep(1),
            Raw("openai", {"type": "x"}),
            Start("again"),
        )
        == []
    )


# Tool calls


def test_pieces_of_arguments_are_passed_on_byte_for_byte() -> None:
    pieces = ['{"a"', ": 1.0,", ' "n": 18446744073709551616 ', "}"]
    events = [ToolCallDelta(4, "x", "f"), *(ToolCallDelta(4, arguments=piece) for piece in pieces)]
    whole = ToolCall("x", "f", {}, "".join(pieces))
    assert told(*events, whole) == ["tool_use x f||" + "|".join(pieces)]
    assert told(*events) == ["tool_use x f||" + "|".join(pieces)]


def test_a_whole_call_is_told_at_once() -> None:
    assert told(ToolCall("x", "f", {"a": 1}, '{"a": 1}'), ToolCall("y", "g", {"b": [1]})) == [
        'tool_use x f||{"a": 1}',
        'tool_use y g||{"b":[1]}',
    ]


def test_a_call_without_arguments_sends_none() -> None:
    assert told(ToolCallDelta(0, "x", "f"), ToolCall("x", "f", {})) == ["tool_use x f|"]
    assert told(ToolCall("x", "f", {}, " ")) == ["tool_use x f|"]
    assert told(ToolCall("x", "f", {}, "{}")) == ["tool_use x f||{}"]
    assert told(ToolCallDelta(0, "x", "f")) == ["tool_use x f|"]


def test_a_call_waits_for_its_name() -> None:
    late = [
        ToolCallDelta(0, arguments="{"),
        ToolCallDelta(0, "x"),
        ToolCallDelta(0, None, "f"),
        ToolCallDelta(0, arguments="}"),
    ]
    assert told(*late) == ["tool_use x f||{|}"]


def test_a_call_whose_id_never_comes_gets_one_and_one_without_a_name_is_dropped() -> None:
    encoder = AnthropicEncoder(framing="ndjson")
    events = [ToolCallDelta(0, name="f", arguments="{}"), ToolCallDelta(1, "y", arguments="{}"), Finish("stop")]
    ids = [m["content_block"]["id"] for event in events for m in encoder.feed(event) if "content_block" in m]
    assert len(ids) == 1
    assert re.fullmatch(r"toolu_[0-9a-f]{24}", ids[0])


def test_an_id_that_the_api_would_refuse_is_changed_always_alike() -> None:
    first, second = told(ToolCall("functions.f:0", "f", {})), told(ToolCall("functions.f:0", "f", {}))
    assert first == second
    assert re.fullmatch(r"tool_use functions_f_0_[0-9a-f]{8} f\|", first[0])
    long = "toolu_" + "a" * 200
    assert told(ToolCall(long, "f", {})) == [f"tool_use {long} f|"]


def test_pieces_of_several_calls_wait_until_the_one_before_is_whole() -> None:
    assert told(
        ToolCallDelta(0, "x", "f", "{"),
        ToolCallDelta(1, "y", "g", '{"b"'),
        ToolCallDelta(2, "z", "h", "{}"),
        ToolCallDelta(0, arguments='"a":1'),
        ToolCallDelta(1, arguments=":2}"),
        ToolCallDelta(0, arguments="}"),
        ToolCall("x", "f", {"a": 1}, '{"a":1}'),
        ToolCall("y", "g", {"b": 2}, '{"b":2}'),
        ToolCall("z", "h", {}, "{}"),
    ) == ['tool_use x f||{|"a":1|}', 'tool_use y g||{"b"|:2}', "tool_use z h||{}"]


def test_text_behind_a_whole_call_comes_at_once() -> None:
    messages = encode(START, ToolCallDelta(0, "x", "f", "{}"), TextDelta("a"), finish=False)
    assert messages[-1]["delta"] == {"type": "text_delta", "text": "a"}
    assert told(ToolCallDelta(0, "x", "f", "{}"), TextDelta("a"), ToolCall("x", "f", {}, "{}")) == [
        "tool_use x f||{}",
        "text|a",
    ]


def test_text_and_reasoning_within_a_call_come_behind_it_and_before_the_next() -> None:
    within: list[Event] = [
        ToolCallDelta(0, "x", "f", "{"),
        TextDelta("a"),
        ReasoningDelta("b"),
        ToolCallDelta(1, "y", "g", "{}"),
        TextDelta("c"),
        Citations([Citation("u")]),
        TextDelta("d"),
    ]
    messages = encode(START, *within, ToolCallDelta(0, arguments="}"), finish=False)
    assert messages[-1]["delta"]["partial_json"] == "{}"
    wanted = ["text|a", "thinking|b", "text|c|{'type': 'web_search_result_location', 'url': 'u', 'title': None, "]
    lines = told(*within, ToolCallDelta(0, arguments="}"))
    assert lines[0] == "tool_use x f||{|}"
    assert lines[1:3] == wanted[:2]
    assert lines[3].startswith(wanted[2])
    assert lines[4:] == ["text|d", "tool_use y g||{}"]


def test_what_waits_for_a_call_is_told_as_soon_as_that_is_whole() -> None:
    encoder = AnthropicEncoder(framing="ndjson")
    for event in (ToolCallDelta(0, "x", "f", "{"), TextDelta("a")):
        messages = encoder.feed(event)
    assert messages == []
    messages = encoder.feed(ToolCallDelta(0, arguments="}"))
    assert messages[-1]["delta"] == {"type": "text_delta", "text": "a"}


@pytest.mark.parametrize("last", [Finish("stop"), Finish("length"), Failure("overloaded", "x")])
def test_what_waits_for_a_call_that_was_cut_is_not_lost(last: Event) -> None:
    messages = encode(START, ToolCallDelta(0, "x", "f", "{"), TextDelta("a"), last, Done())
    assert {"type": "text_delta", "text": "a"} in [message.get("delta") for message in messages]


def test_a_custom_call_is_an_object_to_those_who_know_no_other() -> None:
    text = 'print("ü\n\u2028")'
    encoded = json.dumps({"input": text}, ensure_ascii=False, separators=(",", ":")).replace("\u2028", "\\u2028")
    custom = ToolCall("x", "run", text, text, kind="custom")

    def joined(*events: Event) -> Any:
        (line,) = told(*events)
        head, *pieces = line.split("|")
        assert head == "tool_use x run"
        return "".join(pieces)

    assert joined(custom) == encoded
    assert joined(ToolCall("x", "run", text, kind="custom")) == encoded
    parts: list[Event] = [
        ToolCallDelta(0, "x", "run", text[:7], kind="custom"),
        ToolCallDelta(0, arguments=text[7:]),
    ]
    assert joined(*parts, custom) == joined(*parts) == encoded
    assert (
        joined(ToolCallDelta(0, "x", "run", kind="custom"), ToolCall("x", "run", "", "", kind="custom"))
        == '{"input":""}'
    )


def test_a_custom_call_that_was_cut_stays_open() -> None:
    messages = encode(START, ToolCallDelta(0, "x", "run", "a", kind="custom"), Finish("length"), Done())
    assert messages[3]["delta"]["partial_json"] == '{"input":"a'


# Tools that the provider runs

SEARCH: list[Event] = [
    ToolCallDelta(0, "srvtoolu_1", "web_search", kind="server"),
    ToolCallDelta(0, arguments='{"query":"x"}'),
    ToolCall("srvtoolu_1", "web_search", {"query": "x"}, '{"query":"x"}', kind="server"),
    ToolResult("srvtoolu_1", "web_search", [{"type": "web_search_result"}]),
    TextDelta("a"),
]


def test_a_tool_that_anthropic_ran_is_told_with_its_result() -> None:
    messages = encode(OWN, *SEARCH, Finish("stop", None, "end_turn"), Done())
    blocks = [message["content_block"] for message in messages if message["type"] == "content_block_start"]
    assert blocks == [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]},
        {"type": "text", "text": ""},
    ]
    assert messages[-2]["delta"]["stop_reason"] == "end_turn"


@pytest.mark.parametrize("start", [START, Start("m", "openai")])
def test_a_tool_that_another_provider_ran_is_left_out(start: Start) -> None:
    assert told(*SEARCH, start=start) == ["text|a"]
    assert told(TextDelta("b"), *SEARCH[:2], TextDelta("a"), ToolCall("x", "f", {}), start=start) == [
        "text|b|a",
        "tool_use x f|",
    ]


@pytest.mark.parametrize(
    ("event", "block"),
    [
        (
            ToolResult("srvtoolu_9", "tool_search_tool_bm25", {"tool_references": []}),
            {"type": "tool_search_tool_result", "tool_use_id": "srvtoolu_9", "content": {"tool_references": []}},
        ),
        (
            ToolResult("srvtoolu_9", "web_fetch", None, "url_not_allowed"),
            {
                "type": "web_fetch_tool_result",
                "tool_use_id": "srvtoolu_9",
                "content": {"type": "web_fetch_tool_result_error", "error_code": "url_not_allowed"},
            },
        ),
        (ToolResult("toolu_1", "f", "the client's own"), None),
        (ToolResult("mcptoolu_1", "echo", []), None),
    ],
)
def test_a_result_is_told_if_the_provider_made_it(event: Event, block: dict[str, Any] | None) -> None:
    messages = encode(OWN, event, Finish("stop"), Done())
    assert [m["content_block"] for m in messages if "content_block" in m] == ([block] if block else [])


def test_a_call_through_mcp_is_left_out_because_its_server_has_no_name_here() -> None:
    assert told(ToolCall("mcptoolu_1", "echo", {}, kind="server"), TextDelta("a"), start=OWN) == ["text|a"]


# Sources


def cited(*events: Event) -> list[Any]:
    """The blocks that the events become: for each its type, texts and addresses."""
    blocks: list[Any] = []
    for message in encode(START, *events, Finish("stop"), Done()):
        if message["type"] == "content_block_start":
            blocks.append([message["content_block"]["type"]])
        elif message["type"] == "content_block_delta":
            delta = message["delta"]
            blocks[-1].append(delta.get("text") or [delta["citation"]["url"]])
    return blocks


def test_sources_are_told_in_the_text_that_they_are_for() -> None:
    messages = encode(START, TextDelta("a"), Citations([Citation("u", "t", 0, 1, "x"), Citation("v")]), finish=False)
    assert [message["delta"] for message in messages[-2:]] == [
        {
            "type": "citations_delta",
            "citation": {
                "type": "web_search_result_location",
                "url": url,
                "title": title,
                "cited_text": text,
                "encrypted_index": "",
            },
        }
        for url, title, text in (("u", "t", "x"), ("v", None, ""))
    ]


def test_text_behind_sources_is_another_block() -> None:
    assert cited(
        TextDelta("a"), Citations([Citation("u")]), Citations([Citation("v")]), TextDelta("b"), TextDelta("c")
    ) == [
        ["text", "a", ["u"], ["v"]],
        ["text", "b", "c"],
    ]


def test_sources_known_before_any_text_wait_for_it() -> None:
    assert cited(Citations([Citation("u")]), TextDelta("a"), TextDelta("b")) == [["text", ["u"], "a", "b"]]


def test_sources_without_an_address_or_a_text_are_left_out() -> None:
    assert cited(TextDelta("a"), Citations([Citation(None, "facts.txt")]), Citations([]), TextDelta("b")) == [
        ["text", "a", "b"]
    ]
    assert told(TextDelta("a"), ToolCall("x", "f", {}), Citations([Citation("u")]), TextDelta("b")) == [
        "text|a",
        "tool_use x f|",
        "text|b",
    ]


# Why it ended

CALL = ToolCall("x", "f", {})


@pytest.mark.parametrize(
    ("events", "finish", "reason"),
    [
        ([], Finish("stop", None, "stop"), "end_turn"),
        ([], Finish("stop", None, "end_turn"), "end_turn"),
        ([], Finish("stop", None, "pause_turn"), "pause_turn"),
        ([], Finish("stop", None, "stop_sequence"), "stop_sequence"),
        ([], Finish("length", None, "length"), "max_tokens"),
        ([], Finish("length", None, "MAX_TOKENS"), "max_tokens"),
        ([], Finish("length", None, "model_context_window_exceeded"), "model_context_window_exceeded"),
        ([], Finish("stop", None, "max_tokens"), "end_turn"),
        ([], Finish("content_filter", None, "sensitive"), "refusal"),
        ([], Finish("refusal"), "refusal"),
        ([], Finish("unknown", None, "OTHER"), "end_turn"),
        ([], Finish("unknown", None, "compaction"), "compaction"),
        ([], Finish("tool_calls", None, "tool_calls"), "end_turn"),
        ([], Finish("tool_calls", None, "tool_use"), "end_turn"),
        ([CALL], Finish("tool_calls", None, "tool_use"), "tool_use"),
        ([CALL], Finish("tool_calls", None, "tool_calls"), "tool_use"),
        ([CALL], Finish("stop", None, "STOP"), "tool_use"),
        ([CALL], Finish("stop", None, "end_turn"), "tool_use"),
        ([CALL], Finish("unknown"), "tool_use"),
        ([CALL], Finish("length", None, "length"), "max_tokens"),
        ([CALL], Finish("content_filter"), "refusal"),
        ([CALL], Finish("stop", None, "pause_turn"), "pause_turn"),
        ([TextDelta("no", refusal=True)], Finish("stop", None, "stop"), "refusal"),
        ([TextDelta("no", refusal=True)], Finish("length", None, "length"), "max_tokens"),
        ([TextDelta("no", refusal=True), CALL], Finish("stop", None, "stop"), "tool_use"),
    ],
)
def test_every_reason_is_one_that_clients_know(events: list[Event], finish: Finish, reason: str) -> None:
    end = encode(START, *events, finish, Done())[-2]
    assert end["delta"] == {"stop_reason": reason, "stop_sequence": None}


def test_a_new_reason_of_anthropics_goes_out_as_it_is() -> None:
    assert encode(OWN, Finish("unknown", None, "brand_new"), Done())[-2]["delta"]["stop_reason"] == "brand_new"


@pytest.mark.parametrize("raw", ["stop_sequence", "stop", None])
def test_a_stop_sequence_is_named(raw: str | None) -> None:
    end = encode(START, Finish("stop", None, raw, "###"), Done())[-2]
    assert end["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "###"}


def test_a_refusal_has_its_details_if_they_are_anthropics() -> None:
    events: list[Event] = [Safety("cyber", "block", None, "no"), Finish("content_filter", None, "refusal"), Done()]
    assert encode(OWN, *events)[-2]["delta"]["stop_details"] == {
        "type": "refusal",
        "category": "cyber",
        "explanation": "no",
    }
    assert encode(OWN, Safety("refusal", "block"), *events[1:])[-2]["delta"]["stop_details"]["category"] is None
    assert "stop_details" not in encode(START, *events)[-2]["delta"]
    assert "stop_details" not in encode(OWN, Safety("cyber", "warn"), *events[1:])[-2]["delta"]
    assert "stop_details" not in encode(OWN, events[0], Finish("stop"), Done())[-2]["delta"]


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (None, (0, 0, 0, 0)),
        (Usage(), (0, 0, 0, 0)),
        (Usage(275, 112, 387, 64, 43), (232, 0, 43, 112)),
        (Usage(10, 1, 11, None, 8, 8), (0, 8, 8, 1)),
        (Usage(cache_read_tokens=5), (0, 0, 5, 0)),
    ],
)
def test_input_is_what_no_cache_knew_and_never_negative(usage: Usage | None, counts: tuple[int, ...]) -> None:
    assert encode(START, Finish("stop", usage), Done())[-2]["usage"] == dict(zip(NO_USAGE, counts, strict=True))


def test_reasoning_is_counted_apart_only_where_anthropic_did() -> None:
    usage = Usage(1, 5, 6, 2)
    assert encode(OWN, Finish("stop", usage), Done())[-2]["usage"]["output_tokens_details"] == {"thinking_tokens": 2}
    assert "output_tokens_details" not in encode(OWN, Finish("stop", Usage(1)), Done())[-2]["usage"]


# Errors


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_request", "invalid_request_error"),
        ("unsupported", "invalid_request_error"),
        ("safety_blocked", "invalid_request_error"),
        ("unauthorized", "authentication_error"),
        ("billing_error", "billing_error"),
        ("forbidden", "permission_error"),
        ("not_found", "not_found_error"),
        ("context_length_exceeded", "request_too_large"),
        ("rate_limited", "rate_limit_error"),
        ("timeout", "timeout_error"),
        ("overloaded", "overloaded_error"),
        ("provider_unavailable", "overloaded_error"),
        ("internal", "api_error"),
        ("network", "api_error"),
        ("invalid_response", "api_error"),
        ("of their own", "api_error"),
    ],
)
def test_a_failure_closes_the_block_and_is_the_last_word(code: str, kind: str) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "why"}}
    failure = Failure(code, "why")
    assert encode(START, TextDelta("a"), failure, Done(False), TextDelta("b"))[-2:] == [
        {"type": "content_block_stop", "index": 0},
        error,
    ]
    assert encode(failure) == [error]
    assert encode(START, Finish("stop"), failure)[-1] == error


@pytest.mark.parametrize("events", [[START], [START, TextDelta("a")], [TextDelta("a"), Done(False)]])
def test_an_answer_that_was_cut_is_an_error_and_no_clean_stop(events: list[Event]) -> None:
    assert encode(*events)[-1] == {
        "type": "error",
        "error": {"type": "api_error", "message": "the answer was cut off before its end"},
    }


def test_a_reason_that_is_an_error_is_one() -> None:
    assert encode(START, Finish("error", None, "MALFORMED_FUNCTION_CALL"))[-1]["error"] == {
        "type": "api_error",
        "message": "the provider ended its answer with 'MALFORMED_FUNCTION_CALL'",
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
        (409, "invalid_request_error"),
        (502, "api_error"),
    ],
)
def test_the_body_of_an_error_response_has_the_type_of_its_status(status: int, kind: str) -> None:
    assert AnthropicEncoder.error_body(Failure("x", "why"), status) == {
        "type": "error",
        "error": {"type": kind, "message": "why"},
    }


# Silence


def test_a_heartbeat_is_a_ping_within_the_message_and_a_comment_outside() -> None:
    encoder = AnthropicEncoder()
    assert encoder.heartbeat() == b": keep-alive\n"
    encoder.feed(START)
    assert encoder.heartbeat() == b'event: ping\ndata: {"type": "ping"}\n\n'
    encoder.feed(Finish("stop"))
    assert encoder.heartbeat().startswith(b"event: ping")
    encoder.feed(Done())
    assert encoder.heartbeat() == b": keep-alive\n"
    ndjson = AnthropicEncoder(framing="ndjson")
    ndjson.feed(START)
    assert ndjson.heartbeat() == b"\n"


# What Anthropic sent and we have no name for


def raw(**data: Any) -> Raw:
    return Raw("anthropic", data)


COMPACTION = raw(type="content_block_start", index=7, content_block={"type": "compaction", "content": None})
COMPACTED = raw(type="content_block_delta", index=7, delta={"type": "compaction_delta", "content": "x"})


def test_an_unknown_event_passes_anywhere() -> None:
    event = {"type": "new_event", "a": [1]}
    assert encode(Raw("anthropic", event), finish=False)[-1] == event
    messages = encode(START, TextDelta("a"), Raw("anthropic", event), TextDelta("b"), Finish("stop"), Done())
    assert [message["type"] for message in messages][3:5] == ["new_event", "content_block_delta"]
    assert encode(START, ToolCallDelta(0, "x", "f", "{"), Raw("anthropic", event), finish=False)[-1] == event


def test_an_unknown_block_passes_with_its_deltas_under_the_next_index() -> None:
    messages = encode(START, TextDelta("a"), COMPACTION, COMPACTED, TextDelta("b"), Finish("stop"), Done())
    assert [(m["type"], m["index"]) for m in messages if "index" in m][3:7] == [
        ("content_block_start", 1),
        ("content_block_delta", 1),
        ("content_block_stop", 1),
        ("content_block_start", 2),
    ]
    assert messages[4]["content_block"] == {"type": "compaction", "content": None}
    assert messages[5]["delta"] == {"type": "compaction_delta", "content": "x"}


def test_an_unknown_block_waits_for_a_call_that_is_not_whole() -> None:
    within: list[Event] = [ToolCallDelta(0, "x", "f", "{"), COMPACTION, COMPACTED, ToolCallDelta(0, arguments="}")]
    assert told(*within) == ["tool_use x f||{|}", "compaction|x"]
    assert told(within[0], TextDelta("a"), COMPACTED, within[3]) == ["tool_use x f||{|}", "text|a"]


@pytest.mark.parametrize(
    "event",
    [
        COMPACTED,
        raw(type="content_block_stop", index=0),
        raw(type="message_stop"),
        raw(type="message_start", message={}),
        raw(type="error", error={}),
        raw(type="content_block_start", content_block={"type": "text", "text": "a"}),
        raw(type="content_block_start", content_block={"type": "web_search_tool_result"}),
        raw(type="content_block_start", content_block={"type": 5}),
        raw(type="content_block_start", content_block=5),
        raw(type="content_block_delta", delta=5),
        raw(type=5),
        raw(a=1),
        Raw("anthropic", [1]),
        Raw("gemini", {"type": "new_event"}),
    ],
)
def test_what_would_break_the_order_of_blocks_does_not_pass(event: Event) -> None:
    assert told(TextDelta("a"), event, TextDelta("b")) == ["text|a|b"]


@pytest.mark.parametrize(
    "event",
    [
        raw(type="new_event", a=object()),
        raw(type="new\nevent"),
        raw(type="content_block_start", content_block={"type": "new", "a": object()}),
        ToolResult("srvtoolu_1", "web_search", object()),
        ToolCall("y", "g", object()),
    ],
)
def test_what_has_no_json_form_is_refused_and_changes_nothing(event: Event) -> None:
    encoder, twin = AnthropicEncoder(), AnthropicEncoder()
    for before in (OWN, TextDelta("a")):
        assert encoder.feed(before) == twin.feed(before)
    with pytest.raises(EncodeError):
        encoder.feed(event)
    assert encoder.feed(TextDelta("b")) == twin.feed(TextDelta("b"))
    assert encoder.feed(Finish("stop")) == twin.feed(Finish("stop"))


def test_a_delta_without_a_json_form_is_refused_too() -> None:
    encoder = AnthropicEncoder()
    encoder.feed(COMPACTION)
    with pytest.raises(EncodeError, match="cannot be written as JSON"):
        encoder.feed(raw(type="content_block_delta", delta={"a": object()}))


def test_a_framing_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r'^framing must be "sse" or "ndjson", not '):
        AnthropicEncoder(framing="xml")  # type: ignore[arg-type]
