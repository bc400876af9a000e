"""What the `gai_v1` decoder makes of messages that nobody's encoder would write, and of a stream's end."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gai_stream.dialects.gai_v1 import SCHEMA, GaiV1Decoder, GaiV1Encoder, parse, validate
from gai_stream.events import (
    Citations,
    Done,
    Failure,
    Finish,
    FinishStep,
    Raw,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from gai_stream.exceptions import DecodeError, TruncatedStream
from gai_stream.sse import ServerSentEvent, SSEDecoder

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ({"type": "start"}, Start()),
        ({"type": "text.delta", "seq": 5}, TextDelta("")),
        ({"type": "reasoning.delta"}, ReasoningDelta("")),
        ({"type": "citations"}, Citations([])),
        ({"type": "step.end"}, FinishStep(0)),
        ({"type": "finish", "usage": {"input_tokens": 1}}, Finish("unknown", Usage(1))),
        ({"type": "tool.call", "name": "f"}, ToolCall("", "f", None)),
        ({"type": "tool.call.delta", "index": 0}, ToolCallDelta(0)),
        ({"type": "tool.result"}, ToolResult("", "", None)),
        ({"type": "tool.result", "output": None, "tool_result": 1}, ToolResult("", "", None)),
        ({"type": "error", "code": "timeout", "message": "late"}, Failure("timeout", "late")),
        (
            {"type": "error", "error": {"code": "internal", "message": "x", "retry_after_ms": 1500}},
            Failure("internal", "x", False, 1.5),
        ),
        ({"type": "raw"}, Raw("", None)),
    ],
)
def test_what_the_original_leaves_out_is_read(message: dict[str, Any], event: object) -> None:
    assert parse(message) == parse(json.dumps(message)) == event


@pytest.mark.parametrize("type", ["raw.10", "text_delta", "video.delta"])
def test_a_type_that_the_schema_does_not_have_becomes_raw_whole(type: str) -> None:
    value = {"schema": SCHEMA, "type": type, "ts": 1, "seq": 2, "x": [1]}
    assert parse(value) == Raw("gai", value)
    assert GaiV1Decoder().feed(ServerSentEvent(json.dumps(value))) == [Raw("gai", value)]


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (ServerSentEvent("42", event="progress"), {"type": "progress", "data": 42}),
        (ServerSentEvent("not JSON", event="progress"), {"type": "progress", "data": "not JSON"}),
        (ServerSentEvent('{"type":"start","x":1}', event="progress"), {"type": "progress", "x": 1}),
    ],
)
def test_a_message_name_that_the_schema_does_not_have_becomes_raw(message: ServerSentEvent, value: object) -> None:
    assert GaiV1Decoder().feed(message) == [Raw("gai", value)]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("{invalid", "^message is not JSON: "),
        ("[]", "^message must be an object, not list$"),
        ('{"text":"x"}', "^type is missing$"),
        ('{"type":7}', "^type must be a string, not 7$"),
        (
            '{"schema":"gai.events.v2","type":"text.delta"}',
            r"^schema must be 'gai\.events\.v1', not 'gai\.events\.v2'$",
        ),
        ('{"type":"text.delta","text":7}', r"^text\.delta: Expected `str`, got `int` - at `\$\.text`$"),
        ('{"type":"audio.delta"}', r"^audio\.delta: audio must be an object, not NoneType$"),
        ('{"type":"audio.delta","audio":{}}', r"^audio\.delta: Object missing required field `chunk`$"),
        ('{"type":"audio.delta","audio":{"chunk":"!"}}', r"^audio\.delta: Invalid base64 .* `\$\.chunk`$"),
        ('{"type":"tool.call"}', r"^tool\.call: Object missing required field `name`$"),
        ('{"type":"tool.call","tool_call":[]}', r"^tool\.call: tool_call must be an object, not list$"),
        (
            '{"type":"tool.call","call_id":1,"tool_call":{"name":"f"}}',
            r"^tool\.call: Expected `str`, got `int` - at `\$\.call_id`$",
        ),
        ('{"type":"tool.call.delta","arguments":""}', r"^tool\.call\.delta: Object missing required field `index`$"),
        ('{"type":"tool.result","tool_name":1}', r"^tool\.result: Expected `str`, got `int` - at `\$\.tool_name`$"),
        ('{"type":"safety"}', "^safety: safety must be an object, not NoneType$"),
        ('{"type":"step.end","step":"1"}', r"^step\.end: Expected `int`, got `str` - at `\$\.step`$"),
        ('{"type":"finish","finish_reason":1}', r"^finish: Expected `str`, got `int` - at `\$\.finish_reason`$"),
        ('{"type":"error","error":"text"}', "^error: error must be an object, not str$"),
        ('{"type":"error"}', "^error: Object missing required field `code`$"),
        (
            '{"type":"error","code":"c","message":"m","retry_after_ms":"1"}',
            "^error: Expected `float`, got `str`$",
        ),
        ('{"type":"done"}', "^done: Object missing required field `finished`$"),
    ],
)
def test_a_malformed_message_is_a_decode_error_and_reading_goes_on(message: str, text: str) -> None:
    decoder = GaiV1Decoder()
    with pytest.raises(DecodeError, match=text):
        decoder.feed(message)
    with pytest.raises(DecodeError, match=text):
        decoder.feed(ServerSentEvent(message))
    assert decoder.feed('{"type":"text.delta","text":"x"}') == [TextDelta("x")]


@pytest.mark.parametrize("type", ["text.delta", "step.end", "raw.10", "finish"])
def test_validate_asks_for_the_schema_on_every_event(type: str) -> None:
    event = {"schema": SCHEMA, "type": type, "ts": 1}
    validate(event)
    validate(json.dumps(event).encode())
    with pytest.raises(DecodeError, match=r"^not an event of gai\.events\.v1: .*`schema`$"):
        validate({"type": type, "ts": 1})
    with pytest.raises(DecodeError, match=r"^not an event of gai\.events\.v1: .*'gai\.events\.v2' - at `\$\.schema`$"):
        validate({**event, "schema": "gai.events.v2"})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"ts": "1"}, r"^not an event of gai\.events\.v1: Expected `int`, got `str` - at `\$\.ts`$"),
        ({"seq": 1.5}, r"^not an event of gai\.events\.v1: Expected `int`, got `float` - at `\$\.seq`$"),
        ({"request_id": 7}, r"^not an event of gai\.events\.v1: Expected `str`, got `int` - at `\$\.request_id`$"),
        ({"text": 7}, r"^text\.delta: Expected `str`, got `int` - at `\$\.text`$"),
        ({"type": None}, r"^type must be a string, not None$"),
    ],
)
def test_validate_names_the_field_that_is_wrong(change: dict[str, Any], text: str) -> None:
    with pytest.raises(DecodeError, match=text):
        validate({"schema": SCHEMA, "type": "text.delta", "ts": 1, **change})


def test_unnamed_sse_messages_are_read_as_the_original_sent_them() -> None:
    data = b'data: {"schema":"gai.events.v1","type":"start"}\n\ndata: {"seq":2,"text":"x","type":"text.delta"}\n\n'
    decoder = GaiV1Decoder()
    assert [event for message in SSEDecoder().feed(data) for event in decoder.feed(message)] == [
        Start(),
        TextDelta("x"),
    ]


@pytest.mark.parametrize("framing", ["sse", "ndjson"])
def test_a_cut_stream_says_so(framing: Any) -> None:
    encoder = GaiV1Encoder(framing=framing)
    messages = [*encoder.feed(Start()), *encoder.feed(TextDelta("a")), *encoder.finish()]
    decoder = GaiV1Decoder()
    assert [event for message in messages for event in decoder.feed(message)] == [Start(), TextDelta("a"), Done(False)]
    assert decoder.feed("broken, but behind the end") == []


def test_a_stream_without_done_is_truncated() -> None:
    decoder = GaiV1Decoder()
    decoder.feed({"type": "start"})
    with pytest.raises(TruncatedStream, match=r"^the stream ended before its done message$"):
        decoder.finish()


@pytest.mark.parametrize("transform", [GaiV1Encoder, GaiV1Decoder])
def test_after_the_end_every_call_is_an_error(transform: Any) -> None:
    step = transform()
    with contextlib.suppress(TruncatedStream):
        step.finish()
    with pytest.raises(RuntimeError, match=rf"^{transform.__name__}: feed after finish$"):
        step.feed(TextDelta("x"))
    with pytest.raises(RuntimeError, match=rf"^{transform.__name__}: finish after finish$"):
        step.finish()


TYPES = ["start", "text.delta", "audio.delta", "tool.call", "tool.result", "safety", "finish", "error", "raw", "done"]


@given(st.binary() | st.text() | JSON | st.builds(ServerSentEvent, st.text(), event=st.sampled_from(["start", "x"])))
def test_whatever_is_fed_only_a_decode_error_comes_of_it(message: Any) -> None:
    with contextlib.suppress(DecodeError):
        GaiV1Decoder().feed(message)


@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(["text", "audio", "tool_call", "error", "usage"]), JSON))
def test_whatever_a_known_message_holds_only_a_decode_error_comes_of_it(type: str, value: dict[str, Any]) -> None:
    with contextlib.suppress(DecodeError):
        GaiV1Decoder().feed({**value, "type": type})


# The short way of text events

MEMBERS = st.sampled_from(
    [
        *(
            '"text":"a"',
            '"text":"\\u00e9\\n"',
            '"text":""',
            '"text":null',
            '"text":1',
            '"text":"\\ud800"',
            '"text":"\x01"',
        ),
        *(
            '"index":0',
            '"index":2',
            '"index":1.0',
            '"index":1e0',
            '"index":-1',
            '"index":"1"',
            '"index":null',
            '"index":1.5',
        ),
        *('"index":18446744073709551616', '"index":true', '"refusal":true', '"refusal":1', '"refusal":"true"'),
        *(
            f'"schema":"{SCHEMA}"',
            '"schema":"x"',
            '"schema":null',
            '"type":"text.delta"',
            '"type":"finish"',
            '"type":1',
        ),
        *('"ts":1', '"ts":"x"', '"ts":1e999', '"ts":01', '"seq":1', '"seq":[{"type":"text.delta"}]', '"trace_id":"t"'),
        *('"request_id":{"a":{}}', '"other":1', '"other":{"type":"text.delta"}', '"id":null', '"text":"\xff"', "x", ""),
    ]
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(MEMBERS, max_size=6), st.integers(0, 6), st.booleans())
def test_text_is_read_as_the_long_way_reads_it(members: list[str], place: int, as_text: bool) -> None:
    def read(kind: str) -> object:
        line = "{" + ",".join([*members[:place], kind, *members[place:]]).replace('"type":"text.delta"', kind) + "}"
        try:
            return parse(line if as_text else line.encode("latin-1"))
        except DecodeError as error:
            return type(error)

    # With a space in it a line does not look as ours do.
    assert read('"type":"text.delta"') == read('"type": "text.delta"')


def test_text_of_any_depth_is_refused_as_the_long_way_refuses_it() -> None:
    for kind in ('"type":"text.delta"', '"type": "text.delta"'):
        with pytest.raises(DecodeError, match="message is not JSON"):
            parse("{" + kind + ',"ts":' + "[" * 200_000 + "}")
