"""What the `gai` decoder makes of messages that nobody's encoder would write, and of a stream's end."""

from __future__ import annotations

import contextlib
import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects.gai import GaiDecoder, GaiEncoder
from gai_stream.events import AudioDelta, Citations, Done, Event, Raw, TextDelta
from gai_stream.exceptions import DecodeError, TruncatedStream
from gai_stream.sse import ServerSentEvent

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("transform", [GaiEncoder, GaiDecoder])
def test_after_the_end_every_call_is_an_error(transform: Any) -> None:
    step = transform()
    if transform is GaiDecoder:
        step.feed('{"finished":true,"type":"done"}')
    step.finish()
    with pytest.raises(RuntimeError, match=rf"^{transform.__name__}: feed after finish$"):
        step.feed(TextDelta("x"))
    with pytest.raises(RuntimeError, match=rf"^{transform.__name__}: finish after finish$"):
        step.finish()


@pytest.mark.parametrize(
    ("message", "value"),
    [
        ('{"type":"text.delta","text":"x"}', {"type": "text.delta", "text": "x"}),
        (ServerSentEvent('{"a":1}', event="news"), {"type": "news", "a": 1}),
        (ServerSentEvent('{"a":1,"type":"text_delta"}', event="news"), {"type": "news", "a": 1}),
        (ServerSentEvent("[1]", event="news"), {"type": "news", "data": [1]}),
        (ServerSentEvent("not JSON", event="news"), {"type": "news", "data": "not JSON"}),
        (ServerSentEvent("[DONE]"), {"type": "message", "data": "[DONE]"}),
        (ServerSentEvent('{"type":3}'), {"type": 3}),
        (ServerSentEvent('{"safety":null}', event="safety"), {"type": "safety", "safety": None}),
    ],
)
def test_what_the_dialect_has_no_name_for_becomes_raw(message: Any, value: Any) -> None:
    assert GaiDecoder().feed(message) == [Raw("gai", value)]


def test_an_unnamed_message_may_hold_a_line_of_ndjson() -> None:
    assert GaiDecoder().feed(ServerSentEvent('{"type":"text_delta","text":"x"}')) == [TextDelta("x")]


def test_what_the_original_leaves_null_is_read() -> None:
    assert GaiDecoder().feed('{"citations":null,"type":"citations"}') == [Citations([])]
    audio = '{"audio":{"chunk":"","format":{"mime":"a/b","sample_rate":0,"channels":0}},"type":"audio_delta"}'
    assert GaiDecoder().feed(audio) == [AudioDelta(b"", "a/b")]


def test_comments_are_no_messages() -> None:
    assert GaiDecoder().feed(ServerSentEvent(comment="keep-alive")) == []


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("{", "^message is not JSON: "),
        (b"\xff", "^message is not JSON: "),
        ("\ud800", "^message is not JSON: "),
        ("[" * 100_000, "^message is not JSON: "),
        ("[]", "^message must be an object, not list$"),
        (7, "^message must be a ServerSentEvent, an object or JSON text, not int$"),
        ('{"text":"x"}', "^type is missing$"),
        ('{"type":null}', "^type must be a string, not None$"),
        ({"type": ["start"]}, r"^type must be a string, not \['start'\]$"),
        ('{"type":"start"}', "^start: Object missing required field `started`$"),
        ('{"type":"start","started":1}', "^start: Expected `bool`, got `int`$"),
        ('{"type":"done"}', "^done: Object missing required field `finished`$"),
        ('{"type":"text_delta"}', "^text_delta: Object missing required field `text`$"),
        ('{"type":"text_delta","text":1}', r"^text_delta: Expected `str`, got `int` - at `\$\.text`$"),
        ('{"type":"tool_call"}', "^tool_call: tool_call must be an object, not NoneType$"),
        (
            '{"type":"tool_call","tool_call":{"id":"c","name":"f"}}',
            "^tool_call: Object missing required field `input`$",
        ),
        ('{"type":"audio_delta","audio":{"chunk":"!"}}', r"^audio_delta: Invalid base64 .* - at `\$\.chunk`$"),
        ('{"type":"audio_delta","audio":{"chunk":"","format":1}}', "^audio_delta: Expected `object`, got `int`$"),
        ('{"type":"safety"}', "^safety: Object missing required field `safety`$"),
        ('{"type":"safety","safety":[]}', "^safety: Expected `object`, got `array`$"),
        ('{"type":"error","error":{}}', r"^error: Expected `str`, got `object` - at `\$\.error`$"),
        ('{"type":"finish","usage":{"input_tokens":"3"}}', r"^finish: .* - at `\$\.usage\.input_tokens`$"),
        (ServerSentEvent("x", event="start"), "^message is not JSON: "),
        (ServerSentEvent("1", event="finish_step"), "^finish_step: data must be an object, not int$"),
        (ServerSentEvent("{}", event="finish_step"), "^finish_step: Object missing required field `step_number`$"),
        (
            ServerSentEvent('{"tool_id":1,"tool_name":"f","input":{}}', event="tool_call"),
            r"^tool_call: Expected `str`, got `int` - at `\$\.tool_id`$",
        ),
    ],
)
def test_a_malformed_message_is_a_decode_error_and_reading_goes_on(message: Any, text: str) -> None:
    decoder = GaiDecoder()
    with pytest.raises(DecodeError, match=text):
        decoder.feed(message)
    assert decoder.feed('{"type":"text_delta","text":"x"}') == [TextDelta("x")]


@given(st.binary() | st.text() | JSON | st.builds(ServerSentEvent, st.text(), event=st.sampled_from(["start", "x"])))
def test_whatever_is_fed_only_a_decode_error_comes_of_it(message: Any) -> None:
    with contextlib.suppress(DecodeError):
        GaiDecoder().feed(message)


@given(JSON, st.sampled_from([kind.__struct_config__.tag for kind in get_args(Event)]), st.booleans())
def test_whatever_a_known_message_holds_only_a_decode_error_comes_of_it(value: Any, tag: Any, nested: bool) -> None:
    line = {"type": tag, "tool_call": value, "audio": value, "text": value, "safety": value, "citations": value}
    with contextlib.suppress(DecodeError):
        GaiDecoder().feed(line if nested else ServerSentEvent(json.dumps(value), event=tag))


def test_a_stream_without_done_is_truncated() -> None:
    decoder = GaiDecoder()
    decoder.feed('{"type":"text_delta","text":"x"}')
    with pytest.raises(TruncatedStream, match=r"^the stream ended before its done message$"):
        decoder.finish()


def test_what_follows_done_is_ignored_even_when_it_is_broken() -> None:
    decoder = GaiDecoder()
    assert decoder.feed('{"finished":false,"type":"done"}') == [Done(False)]
    assert decoder.feed("{") == decoder.feed('{"type":"text_delta","text":"late"}') == []
    assert decoder.finish() == []
