"""The documented forms byte for byte, what they could not carry, and the way back."""

from __future__ import annotations

import itertools
import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects.gai import GaiDecoder, GaiEncoder
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
from gai_stream.testing import every_split

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


FORMATS = st.from_regex(r"\A[^;]*(;rate=[0-9]{1,3})?(;channels=[0-9])?(;bits=[0-9]{2})?(;.*)?\Z")
EVENTS = st.one_of(*(values(kind) for kind in get_args(Event)), st.builds(AudioDelta, st.binary(), FORMATS))

# event, SSE block, NDJSON line: without extras, as the original wrote them.
DOCUMENTED = [
    (Start(), b'event: start\ndata: {"started":true}\n\n', b'{"started":true,"type":"start"}\n'),
    (
        TextDelta("Hello"),
        b'event: text_delta\ndata: {"text":"Hello"}\n\n',
        b'{"text":"Hello","type":"text_delta"}\n',
    ),
    (TextDelta(""), b'event: text_delta\ndata: {"text":""}\n\n', b'{"text":"","type":"text_delta"}\n'),
    (
        TextDelta('<b> & "\u2028\u2029 Ü\U0001f600\n'),
        'event: text_delta\ndata: {"text":"\\u003cb\\u003e \\u0026 \\"\\u2028\\u2029 Ü\U0001f600\\n"}\n\n'.encode(),
        '{"text":"<b> & \\"\\u2028\\u2029 Ü\U0001f600\\n","type":"text_delta"}\n'.encode(),
    ),
    (
        AudioDelta(b"hi"),
        b'event: audio_delta\ndata: {"audio":"aGk=","format":null}\n\n',
        b'{"audio":{"chunk":"aGk=","format":null},"type":"audio_delta"}\n',
    ),
    (
        AudioDelta(b"hi", "audio/L16;codec=pcm;rate=24000"),
        b'event: audio_delta\ndata: {"audio":"aGk=","format":{"mime":"audio/L16;codec=pcm;rate=24000"}}\n\n',
        b'{"audio":{"chunk":"aGk=","format":{"mime":"audio/L16;codec=pcm;rate=24000"}},"type":"audio_delta"}\n',
    ),
    (
        AudioDelta(b"hi", "audio/wav;rate=44100;channels=2;bits=16"),
        b'event: audio_delta\ndata: {"audio":"aGk=","format":{"mime":"audio/wav","sample_rate":44100,"channels":2,'
        b'"bit_depth":16}}\n\n',
        b'{"audio":{"chunk":"aGk=","format":{"mime":"audio/wav","sample_rate":44100,"channels":2,"bit_depth":16}},'
        b'"type":"audio_delta"}\n',
    ),
    (
        ToolCall("c1", "calc", {"b": 1, "a": "<"}),
        b'event: tool_call\ndata: {"input":{"b":1,"a":"\\u003c"},"tool_id":"c1","tool_name":"calc"}\n\n',
        b'{"tool_call":{"id":"c1","input":{"b":1,"a":"<"},"name":"calc"},"type":"tool_call"}\n',
    ),
    (
        ToolCall("c1", "calc", None),
        b'event: tool_call\ndata: {"input":null,"tool_id":"c1","tool_name":"calc"}\n\n',
        b'{"tool_call":{"id":"c1","input":null,"name":"calc"},"type":"tool_call"}\n',
    ),
    (
        ToolResult("", "calc", [4]),
        b'event: tool_result\ndata: {"result":[4],"tool_name":"calc"}\n\n',
        b'{"tool_result":{"name":"calc","result":[4]},"type":"tool_result"}\n',
    ),
    (
        Citations([Citation("https://a", "A", 0, 5), Citation("https://b", None, 6, 9)]),
        b'event: citations\ndata: {"citations":[{"uri":"https://a","start":0,"end":5,"title":"A"},'
        b'{"uri":"https://b","start":6,"end":9}]}\n\n',
        b'{"citations":[{"uri":"https://a","start":0,"end":5,"title":"A"},'
        b'{"uri":"https://b","start":6,"end":9}],"type":"citations"}\n',
    ),
    (
        Safety("violence", "warn", 0.5, "mild"),
        b'event: safety\ndata: {"safety":{"category":"violence","action":"warn","score":0.5,"note":"mild"}}\n\n',
        b'{"safety":{"category":"violence","action":"warn","score":0.5,"note":"mild"},"type":"safety"}\n',
    ),
    (
        FinishStep(2),
        b'event: finish_step\ndata: {"step_number":2}\n\n',
        b'{"step":{"finished":true,"number":2},"type":"finish_step"}\n',
    ),
    (
        Finish("stop", Usage(3, 4, 7)),
        b'event: finish\ndata: {"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}\n\n',
        b'{"finished":true,"type":"finish","usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}\n',
    ),
    (
        Finish("stop"),
        b'event: finish\ndata: {"usage":null}\n\n',
        b'{"finished":true,"type":"finish","usage":null}\n',
    ),
    (
        Failure("internal", "it broke"),
        b'event: error\nretry: 5000\ndata: {"error":"it broke"}\n\n',
        b'{"error":"it broke","type":"error"}\n',
    ),
    (Raw("", {"x": 1}), b'event: raw\ndata: {"raw":{"x":1}}\n\n', b'{"raw":{"x":1},"type":"raw"}\n'),
    (Raw("", None), b'event: raw\ndata: {"raw":null}\n\n', b'{"type":"raw"}\n'),
]

# What the original lost, or did not have.
EXTENDED = [
    (
        Start("m", "p", "r1"),
        b'event: start\ndata: {"id":"r1","model":"m","provider":"p","started":true}\n\n',
        b'{"id":"r1","model":"m","provider":"p","started":true,"type":"start"}\n',
    ),
    (
        TextDelta("no", 1, True),
        b'event: text_delta\ndata: {"index":1,"refusal":true,"text":"no"}\n\n',
        b'{"index":1,"refusal":true,"text":"no","type":"text_delta"}\n',
    ),
    (
        ReasoningDelta("hm", "sig"),
        b'event: reasoning_delta\ndata: {"signature":"sig","text":"hm"}\n\n',
        b'{"signature":"sig","text":"hm","type":"reasoning_delta"}\n',
    ),
    (
        ToolCallDelta(0, "c1", "calc"),
        b'event: tool_call_delta\ndata: {"arguments":"","index":0,"tool_id":"c1","tool_name":"calc"}\n\n',
        b'{"tool_call_delta":{"arguments":"","id":"c1","index":0,"name":"calc"},"type":"tool_call_delta"}\n',
    ),
    (
        ToolCall("c1", "calc", {"a": 1}, '{"a": 1}'),
        b'event: tool_call\ndata: {"arguments":"{\\"a\\": 1}","input":{"a":1},"tool_id":"c1","tool_name":"calc"}\n\n',
        b'{"tool_call":{"arguments":"{\\"a\\": 1}","id":"c1","input":{"a":1},"name":"calc"},"type":"tool_call"}\n',
    ),
    (
        ToolResult("c1", "calc", None, "no"),
        b'event: tool_result\ndata: {"error":"no","result":null,"tool_id":"c1","tool_name":"calc"}\n\n',
        b'{"tool_result":{"error":"no","id":"c1","name":"calc","result":null},"type":"tool_result"}\n',
    ),
    (
        Finish("length", Usage(3), "max_tokens"),
        b'event: finish\ndata: {"raw_reason":"max_tokens","reason":"length","usage":{"input_tokens":3}}\n\n',
        b'{"finished":true,"raw_reason":"max_tokens","reason":"length","type":"finish","usage":{"input_tokens":3}}\n',
    ),
    (
        Failure("rate_limited", "slow down", True, 1.5),
        b'event: error\nretry: 1500\ndata: {"code":"rate_limited","error":"slow down","retry_after":1.5,'
        b'"temporary":true}\n\n',
        b'{"code":"rate_limited","error":"slow down","retry_after":1.5,"temporary":true,"type":"error"}\n',
    ),
    (
        Raw("acme", [2**70]),
        b'event: raw\ndata: {"provider":"acme","raw":[1180591620717411303424]}\n\n',
        b'{"provider":"acme","raw":[1180591620717411303424],"type":"raw"}\n',
    ),
]


@pytest.mark.parametrize(("event", "block", "line"), DOCUMENTED + EXTENDED)
def test_each_event_has_exact_bytes_in_both_framings_and_comes_back(event: Event, block: bytes, line: bytes) -> None:
    assert SSEEncoder().feed(GaiEncoder().feed(event)[0]) == [block]
    assert NDJSONEncoder().feed(GaiEncoder(framing="ndjson").feed(event)[0]) == [line]
    assert GaiDecoder().feed(SSEDecoder().feed(block)[0]) == [event]
    assert GaiDecoder().feed(line) == GaiDecoder().feed(json.loads(line)) == GaiDecoder().feed(line.decode()) == [event]


def test_no_event_is_missing_from_the_table_of_bytes() -> None:
    assert {type(event) for event, *_ in DOCUMENTED + EXTENDED} == EVENT_TYPES - {Done}


@given(EVENTS)
def test_every_event_survives_both_framings(event: Event) -> None:
    for framing, bytes_of in (("sse", SSEEncoder()), ("ndjson", NDJSONEncoder())):
        encoder = GaiEncoder(framing=framing)  # type: ignore[arg-type]
        message = (encoder.feed(event) or encoder.finish())[0]
        assert GaiDecoder().feed(message) == [event]
        data = bytes_of.feed(message)[0]
        assert GaiDecoder().feed(SSEDecoder().feed(data)[0] if framing == "sse" else data) == [event]


@given(st.sampled_from(["sse", "ndjson"]), st.text(), st.integers(), st.booleans())
def test_the_short_way_of_plain_text_gives_what_the_long_way_does(
    framing: Any, text: str, index: int, refusal: bool
) -> None:
    class Worded(TextDelta, frozen=True, tag="text_delta"):
        """Takes the long way: its type is not the one that is looked for."""

    encoder = GaiEncoder(framing=framing)
    assert encoder._message(TextDelta(text, index, refusal)) == encoder._message(Worded(text, index, refusal))


def test_messages_of_an_sse_stream_leave_with_ids_in_order_and_done_last() -> None:
    encoder, framing = GaiEncoder(), SSEEncoder(ids=itertools.count(1))
    messages = [*encoder.feed(Start()), *encoder.feed(TextDelta("Hi")), *encoder.feed(Finish("stop"))]
    messages += encoder.finish()
    assert b"".join(block for message in messages for block in framing.feed(message)) == (
        b'id: 1\nevent: start\ndata: {"started":true}\n\n'
        b'id: 2\nevent: text_delta\ndata: {"text":"Hi"}\n\n'
        b'id: 3\nevent: finish\ndata: {"usage":null}\n\n'
        b'id: 4\nevent: done\ndata: {"finished":true}\n\n'
    )


def test_a_timestamp_takes_its_place_among_the_sorted_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gai_stream.ndjson.encoder.time", lambda: 1705311000.9, raising=True)
    line = NDJSONEncoder(timestamp=True).feed(GaiEncoder(framing="ndjson").finish()[0])[0]
    assert line == b'{"finished":true,"timestamp":1705311000,"type":"done"}\n'
    assert GaiDecoder().feed(line) == [Done()]


def test_every_split_of_a_stream_gives_the_same_events() -> None:
    events: list[Event] = [Start("m"), TextDelta("Grüße <b>\u2028"), ToolCall("c", "f", {"x": [1]}), Finish("stop")]
    encoder, framing = GaiEncoder(), SSEEncoder()
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    data = b"".join(block for message in messages for block in framing.feed(message))
    for chunks in every_split(data):
        framed, decoder = SSEDecoder(), GaiDecoder()
        read = [event for chunk in chunks for message in framed.feed(chunk) for event in decoder.feed(message)]
        assert [*read, *decoder.finish()] == [*events, Done()]


@pytest.mark.parametrize(
    ("events", "finished"),
    [
        ([], True),
        ([TextDelta("a plain source says no more")], True),
        ([Start(), TextDelta("a"), Finish("stop")], True),
        ([Start(), TextDelta("a"), Done()], True),
        ([Start(), Finish("stop"), Done()], True),
        ([Start()], False),
        ([Start(), TextDelta("cut")], False),
        ([TextDelta("a"), Done(False)], False),
        ([Start(), Finish("stop"), Done(False)], False),
        ([Failure("internal", "x")], False),
        ([Start(), Finish("stop"), Failure("internal", "x")], False),
        ([Failure("internal", "x"), Done(True)], False),
    ],
)
def test_done_tells_whether_the_answer_is_whole(events: list[Event], finished: bool) -> None:
    for framing in ("sse", "ndjson"):
        encoder = GaiEncoder(framing=framing)  # type: ignore[arg-type]
        messages = [message for event in events for message in encoder.feed(event)]
        assert GaiDecoder().feed(encoder.finish()[0]) == [Done(finished)]
        assert len(messages) == sum(not isinstance(event, Done) for event in events)


@pytest.mark.parametrize("end", [Failure("internal", "x"), Done()])
def test_nothing_follows_a_failure_or_a_done(end: Event) -> None:
    encoder = GaiEncoder()
    encoder.feed(end)
    assert encoder.feed(TextDelta("late")) == encoder.feed(Failure("internal", "y")) == encoder.feed(Done(False)) == []
    assert GaiDecoder().feed(encoder.finish()[0]) == [Done(isinstance(end, Done))]


@pytest.mark.parametrize("seconds", [-1.0, 1e12, float("inf")])
def test_a_time_to_retry_that_cannot_be_followed_is_not_hinted(seconds: float) -> None:
    assert GaiEncoder().feed(Failure("internal", "x", retry_after=seconds))[0].retry == 5000


DEEP: list[Any] = []
DEEP.append(DEEP)


@pytest.mark.parametrize("framing", ["sse", "ndjson"])
@pytest.mark.parametrize(
    "event",
    [ToolCall("c", "f", object()), ToolResult("c", "f", {"x": object()}), Raw("p", DEEP), FinishStep(object())],  # type: ignore[arg-type]
)
def test_data_without_a_json_form_is_an_error_and_the_stream_goes_on(framing: Any, event: Event) -> None:
    encoder = GaiEncoder(framing=framing)
    encoder.feed(Start())
    with pytest.raises(EncodeError, match=rf"^{type(event).__name__} cannot be written as JSON: "):
        encoder.feed(event)
    assert len(encoder.feed(Finish("stop"))) == 1
    assert GaiDecoder().feed(encoder.finish()[0]) == [Done()]


@pytest.mark.parametrize("value", ["text", None, {"type": "start"}, Usage()])
def test_what_is_no_event_is_refused(value: Any) -> None:
    with pytest.raises(EncodeError, match=r"^GaiEncoder: takes events, such as TextDelta\(text\), not "):
        GaiEncoder().feed(value)


def test_an_unknown_framing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^framing must be 'sse' or 'ndjson', not 'SSE'$"):
        GaiEncoder(framing="SSE")  # type: ignore[arg-type]
