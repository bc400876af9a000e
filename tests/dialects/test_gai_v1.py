"""The golden lines of `gai.events.v1`, its two forms in both framings, and the way back."""

from __future__ import annotations

import itertools
import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects.gai_v1 import (
    SCHEMA,
    GaiV1Decoder,
    GaiV1Encoder,
    compact,
    make_request_id,
    normalize,
    parse,
    validate,
)
from gai_stream.events import (
    EVENT_TYPES,
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
from gai_stream.ndjson import NDJSONEncoder
from gai_stream.sse import SSEDecoder, SSEEncoder

GOLDEN_EVENTS: list[Event] = [
    Start("test-model", "test-provider"),
    TextDelta("The quick brown fox"),
    ToolCall("call_1", "test_tool", {"test": True}),
    ToolResult("call_1", "", {"answer": 42}),
    Finish("stop", Usage(10, 20, 30)),
]
GOLDEN = (
    '{"schema":"gai.events.v1","type":"start","ts":1705311000000,"seq":1,"trace_id":"trace_golden",'
    '"request_id":"req_golden","provider":"test-provider","model":"test-model"}\n'
    '{"schema":"gai.events.v1","type":"text.delta","ts":1705311000000,"seq":2,"trace_id":"trace_golden",'
    '"request_id":"req_golden","text":"The quick brown fox"}\n'
    '{"schema":"gai.events.v1","type":"tool.call","ts":1705311000000,"seq":3,"trace_id":"trace_golden",'
    '"request_id":"req_golden","call_id":"call_1","tool_call":{"name":"test_tool","input":{"test":true}}}\n'
    '{"schema":"gai.events.v1","type":"tool.result","ts":1705311000000,"seq":4,"trace_id":"trace_golden",'
    '"request_id":"req_golden","call_id":"call_1","tool_result":{"answer":42}}\n'
    '{"schema":"gai.events.v1","type":"finish","ts":1705311000000,"seq":5,"trace_id":"trace_golden",'
    '"request_id":"req_golden","provider":"test-provider","model":"test-model","usage":{"input_tokens":10,'
    '"output_tokens":20,"total_tokens":30},"finish_reason":"stop"}'
)
COMPACT = """\
event: start
data: {"model":"test-model","provider":"test-provider","request_id":"req_golden","schema":"gai.events.v1","seq":1,\
"trace_id":"trace_golden","ts":1705311000000,"type":"start"}

event: text.delta
data: {"seq":2,"text":"The quick brown fox","ts":1705311000000,"type":"text.delta"}

event: tool.call
data: {"call_id":"call_1","input":{"test":true},"name":"test_tool","seq":3,"ts":1705311000000,"type":"tool.call"}

event: tool.result
data: {"call_id":"call_1","output":{"answer":42},"seq":4,"ts":1705311000000,"type":"tool.result"}

event: finish
data: {"finish_reason":"stop","seq":5,"ts":1705311000000,"type":"finish","usage":{"input_tokens":10,\
"output_tokens":20,"total_tokens":30}}

event: done
data: {"type":"done","finished":true}

"""


def stream(events: list[Event], **options: Any) -> list[Any]:
    """Return the messages of a stream with the golden ids and date."""
    encoder = GaiV1Encoder(
        **{"trace_id": "trace_golden", "request_id": "req_golden", "clock": lambda: 1705311000.0, **options}
    )
    return [message for event in events for message in encoder.feed(event)] + encoder.finish()


def test_an_ndjson_stream_is_the_golden_lines_and_then_done() -> None:
    framing = NDJSONEncoder()
    lines = b"".join(line for value in stream(GOLDEN_EVENTS, framing="ndjson") for line in framing.feed(value))
    assert lines == GOLDEN.encode() + b'\n{"finished":true,"type":"done"}\n'


def test_the_golden_lines_validate_and_read_back() -> None:
    for line, event in zip(GOLDEN.splitlines(), GOLDEN_EVENTS, strict=True):
        validate(line)
        assert parse(line) == parse(line.encode()) == parse(json.loads(line)) == event


def test_an_sse_stream_is_compact_and_named_by_type() -> None:
    framing = SSEEncoder()
    blocks = b"".join(block for message in stream(GOLDEN_EVENTS) for block in framing.feed(message))
    assert blocks == COMPACT.encode()
    decoder, read = GaiV1Decoder(), SSEDecoder().feed(blocks)
    assert [event for message in read for event in decoder.feed(message)] == [*GOLDEN_EVENTS, Done()]
    assert decoder.finish() == []


def test_the_other_form_is_to_be_had_in_either_framing() -> None:
    full = stream(GOLDEN_EVENTS, framing="sse", compact=False)
    assert "\n".join(message.data for message in full[:-1]) == GOLDEN
    short = stream(GOLDEN_EVENTS, framing="ndjson", compact=True)
    named = stream(GOLDEN_EVENTS, framing="sse", compact=True)
    assert [json.dumps(value, separators=(",", ":")) for value in short[:-1]] == [item.data for item in named[:-1]]


HEAD = '"schema":"gai.events.v1","type":"%s","ts":1,"seq":2,"request_id":"r"'
EXACT: list[tuple[Event, str, str, str]] = [
    (Start(id="x"), "start", ',"id":"x"', '"id":"x","request_id":"r","schema":"gai.events.v1","seq":2,"ts":1'),
    (TextDelta(""), "text.delta", "", '"seq":2,"text":"","ts":1'),
    (
        TextDelta("<b>\u2028", 1, True),
        "text.delta",
        ',"text":"<b>\\u2028","index":1,"refusal":true',
        '"index":1,"refusal":true,"seq":2,"text":"<b>\\u2028","ts":1',
    ),
    (
        ReasoningDelta("", "sig"),
        "reasoning.delta",
        ',"signature":"sig"',
        '"seq":2,"signature":"sig","text":"","ts":1',
    ),
    (
        AudioDelta(b"hi", "audio/wav", "Hi"),
        "audio.delta",
        ',"audio":{"chunk":"aGk=","format":"audio/wav","transcript":"Hi"}',
        '"audio":{"chunk":"aGk=","format":"audio/wav","transcript":"Hi"},"seq":2,"ts":1',
    ),
    (
        ToolCallDelta(0, "c", "f"),
        "tool.call.delta",
        ',"call_id":"c","tool_call":{"index":0,"name":"f","arguments":""}',
        '"arguments":"","call_id":"c","index":0,"name":"f","seq":2,"ts":1',
    ),
    (
        ToolCall("c", "f", 2**70, "{}", 1),
        "tool.call",
        ',"call_id":"c","tool_call":{"name":"f","input":1180591620717411303424,"arguments":"{}","choice":1}',
        '"arguments":"{}","call_id":"c","choice":1,"input":1180591620717411303424,"name":"f","seq":2,"ts":1',
    ),
    (
        ToolResult("c", "f", 0, "no"),
        "tool.result",
        ',"call_id":"c","tool_result":0,"tool_name":"f","tool_error":"no"',
        '"call_id":"c","output":0,"seq":2,"tool_error":"no","tool_name":"f","ts":1',
    ),
    (
        Citations([Citation("u", "t", 0, 5, "x"), Citation("v")]),
        "citations",
        ',"citations":[{"uri":"u","title":"t","start":0,"end":5,"text":"x"},{"uri":"v"}]',
        '"citations":[{"uri":"u","title":"t","start":0,"end":5,"text":"x"},{"uri":"v"}],"seq":2,"ts":1',
    ),
    (
        Safety("c", "warn", 0.5, "n"),
        "safety",
        ',"safety":{"category":"c","action":"warn","score":0.5,"note":"n"}',
        '"safety":{"category":"c","action":"warn","score":0.5,"note":"n"},"seq":2,"ts":1',
    ),
    (FinishStep(2), "step.end", ',"step":2', '"seq":2,"step":2,"ts":1'),
    (FinishStep(0), "step.end", "", '"seq":2,"ts":1'),
    (
        Finish("length", raw_reason="max"),
        "finish",
        ',"provider":"p","model":"m","finish_reason":"length","raw_reason":"max"',
        '"finish_reason":"length","raw_reason":"max","seq":2,"ts":1',
    ),
    (
        Failure("overloaded", "busy", True, 1.0005),
        "error",
        ',"error":{"code":"overloaded","message":"busy","temporary":true,"retry_after_ms":1000,"retry_after":1.0005}',
        '"code":"overloaded","message":"busy","retry_after":1.0005,"retry_after_ms":1000,"seq":2,"temporary":true,"ts":1',
    ),
    (
        Failure("internal", "it broke"),
        "error",
        ',"error":{"code":"internal","message":"it broke"}',
        '"code":"internal","message":"it broke","seq":2,"ts":1',
    ),
    (Raw("p", {"x": 1}), "raw", ',"provider":"p","raw":{"x":1}', '"provider":"p","raw":{"x":1},"seq":2,"ts":1'),
]


@pytest.mark.parametrize(("event", "type", "body", "short"), EXACT)
def test_each_event_has_exact_bytes_in_both_forms(event: Event, type: str, body: str, short: str) -> None:
    full = normalize(event, ts=1, seq=2, request_id="r", provider="p", model="m")
    assert NDJSONEncoder().feed(full)[0].decode() == f"{{{HEAD % type}{body}}}\n"
    assert NDJSONEncoder().feed(compact(full))[0].decode() == f'{{{short},"type":"{type}"}}\n'
    assert parse(full) == parse(compact(full)) == event
    validate(full)


def test_a_time_to_retry_beyond_all_ms_is_told_in_seconds_alone() -> None:
    event = Failure("internal", "x", retry_after=1e306)
    full = normalize(event, ts=1, seq=2)
    assert full["error"] == {"code": "internal", "message": "x", "retry_after": 1e306}
    assert parse(full) == event


def test_no_event_is_missing_from_the_table_of_bytes() -> None:
    assert {type(event) for event, *_ in EXACT} == EVENT_TYPES - {Done}


def test_the_documented_examples_of_the_compact_form_are_exact() -> None:
    text = {"schema": SCHEMA, "type": "text.delta", "seq": 5, "text": "Example text"}
    assert json.dumps(compact(text), separators=(",", ":")) == '{"seq":5,"text":"Example text","type":"text.delta"}'
    start = {"schema": SCHEMA, "type": "start", "trace_id": "t", "request_id": "r", "provider": "p", "model": "m"}
    assert json.dumps(compact(start), separators=(",", ":")) == (
        '{"model":"m","provider":"p","request_id":"r","schema":"gai.events.v1","trace_id":"t","type":"start"}'
    )


def obviously_compact(full: dict[str, Any]) -> dict[str, Any]:
    """Return the compact form of a text event, with no thought of speed."""
    short = {"text": "", **full}
    return {key: short[key] for key in sorted(short) if key not in ("schema", "trace_id", "request_id")}


KEYS = ["schema", "trace_id", "request_id", "seq", "text", "ts", "id", "index", "refusal"]


@given(st.dictionaries(st.sampled_from(KEYS), st.none() | st.integers() | st.text(), max_size=9))
def test_the_compact_form_of_text_is_the_obvious_one_whatever_it_has(fields: dict[str, Any]) -> None:
    full = {"type": "text.delta", **fields}
    before = full.copy()
    assert list(compact(full).items()) == list(obviously_compact(full).items())
    assert full == before


def test_the_compact_form_survives_events_without_their_payload() -> None:
    assert compact({"type": "tool.call", "seq": 1}) == {"type": "tool.call", "seq": 1}
    assert compact({"type": "error", "seq": 1}) == {"type": "error", "seq": 1}
    assert compact({"finished": True, "type": "done"}) == {"finished": True, "type": "done"}


def test_events_are_numbered_from_one_and_dated_in_ms_and_carry_their_ids() -> None:
    times = itertools.count(1705311000.123)
    values = stream(
        [Start(), TextDelta("a"), TextDelta("b"), Finish("stop")], framing="ndjson", clock=lambda: next(times)
    )
    assert [value["seq"] for value in values[:-1]] == [1, 2, 3, 4]
    assert [value["ts"] for value in values[:-1]] == [1705311000123 + 1000 * n for n in range(4)]
    assert {(value["schema"], value["trace_id"], value["request_id"]) for value in values[:-1]} == {
        (SCHEMA, "trace_golden", "req_golden")
    }
    assert "".join(value.get("text", "") for value in values) == "ab"


def test_a_stream_without_ids_makes_up_a_request_id_and_leaves_the_trace_out() -> None:
    encoder = GaiV1Encoder()
    data = json.loads(encoder.feed(Start())[0].data)
    assert data["request_id"] == encoder.request_id
    assert encoder.request_id.startswith("req_")
    assert "trace_id" not in data


def test_a_hundred_request_ids_are_a_hundred_different_ones() -> None:
    ids = {make_request_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(id.startswith("req_") and len(id) > 12 for id in ids)


@pytest.mark.parametrize("framing", ["sse", "ndjson"])
@pytest.mark.parametrize("short", [True, False])
def test_data_without_a_json_form_is_an_error_and_takes_no_number(framing: Any, short: bool) -> None:
    encoder = GaiV1Encoder(framing=framing, compact=short)
    encoder.feed(TextDelta("a"))
    with pytest.raises(EncodeError, match=r"^ToolCall cannot be written as JSON: "):
        encoder.feed(ToolCall("c", "f", object()))
    (message,) = encoder.feed(TextDelta("b"))
    assert (json.loads(message.data) if framing == "sse" else message)["seq"] == 2


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"framing": "csv"}, ValueError, "^framing must be 'sse' or 'ndjson', not 'csv'$"),
        ({"compact": 1}, ValueError, "^compact must be True, False or None, not 1$"),
        ({"trace_id": ""}, ValueError, "^trace_id must be a string that is not empty, or None, not ''$"),
        ({"request_id": 7}, ValueError, "^request_id must be a string that is not empty, or None, not 7$"),
        ({"clock": 7}, TypeError, r"^clock must be callable, such as time\.time, not 7$"),
    ],
)
def test_a_bad_option_is_refused_by_name(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        GaiV1Encoder(**options)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    Any: JSON,
    str: st.text(),
    int: st.integers(),
    bool: st.booleans(),
    bytes: st.binary(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    type(None): st.none(),
}


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Give values of any type that an event's field has, so that no field, old or new, is left out."""
    if annotation in PLAIN:
        return PLAIN[annotation]
    if annotation == list[Citation]:
        return st.lists(values(Citation), max_size=3)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return st.builds(annotation, **{item.name: values(item.type) for item in msgspec.structs.fields(annotation)})
    return st.one_of(*map(values, get_args(annotation)))


EVENTS = st.one_of(*map(values, get_args(Event)))


@given(EVENTS, st.sampled_from(["sse", "ndjson"]), st.booleans())
def test_every_event_survives_every_form_and_framing(event: Event, framing: Any, short: bool) -> None:
    encoder = GaiV1Encoder(framing=framing, compact=short, request_id="r")
    message = (encoder.feed(event) or encoder.finish())[0]
    assert GaiV1Decoder().feed(message) == [event]
    if framing == "sse":
        assert GaiV1Decoder().feed(SSEDecoder().feed(SSEEncoder().feed(message)[0])[0]) == [event]
    else:
        assert GaiV1Decoder().feed(NDJSONEncoder().feed(message)[0]) == [event]


@given(st.text(), st.sampled_from(["sse", "ndjson"]))
def test_the_short_way_of_plain_text_gives_what_the_long_way_does(text: str, framing: Any) -> None:
    encoder = GaiV1Encoder(framing=framing, compact=True, clock=lambda: 1.0)
    (message,) = encoder.feed(TextDelta(text))
    value = json.loads(message.data) if framing == "sse" else message
    assert list(value.items()) == list(compact(normalize(TextDelta(text), ts=1000, seq=1)).items())
