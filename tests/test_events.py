"""The normalised events: their tags, their JSON and back, and what a client may learn of a failure."""

from __future__ import annotations

import re
from typing import Any, assert_never

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream import events
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
    decode,
    encode,
    failure_from,
)
from gai_stream.exceptions import (
    DecodeError,
    EncodeError,
    LimitExceeded,
    ProviderError,
    StreamTimeout,
    TruncatedStream,
)

TAGS = {
    *("start", "text_delta", "reasoning_delta", "audio_delta", "tool_call_delta", "tool_call", "tool_result"),
    *("citations", "safety", "finish_step", "finish", "error", "done", "raw"),
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TEXT = st.text()
MAYBE = st.none() | TEXT
NUMBER = st.integers(0, 2**63)
COUNT = st.none() | NUMBER
SECONDS = st.none() | st.floats(0, 1e6)
EVENTS = st.one_of(
    st.builds(Start, MAYBE, MAYBE, MAYBE),
    st.builds(TextDelta, TEXT, NUMBER, st.booleans()),
    st.builds(ReasoningDelta, TEXT, MAYBE, NUMBER),
    st.builds(AudioDelta, st.binary(), MAYBE, MAYBE),
    st.builds(ToolCallDelta, NUMBER, MAYBE, MAYBE, TEXT, NUMBER),
    st.builds(ToolCall, TEXT, TEXT, JSON, TEXT, NUMBER),
    st.builds(ToolResult, TEXT, TEXT, JSON, MAYBE),
    st.builds(Citations, st.lists(st.builds(Citation, MAYBE, MAYBE, COUNT, COUNT, MAYBE), max_size=3)),
    st.builds(Safety, TEXT, TEXT, st.none() | st.floats(allow_nan=False, allow_infinity=False), MAYBE),
    st.builds(FinishStep, NUMBER),
    st.builds(Finish, TEXT, st.none() | st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT), MAYBE),
    st.builds(Failure, TEXT, TEXT, st.booleans(), SECONDS),
    st.builds(Done, st.booleans()),
    st.builds(Raw, TEXT, JSON),
)


def tag_of(event: Event) -> str:
    """Name every event of the union: with one missing, `assert_never` fails at type-check time."""
    match event:
        case Start():
            return "start"
        case TextDelta():
            return "text_delta"
        case ReasoningDelta():
            return "reasoning_delta"
        case AudioDelta():
            return "audio_delta"
        case ToolCallDelta():
            return "tool_call_delta"
        case ToolCall():
            return "tool_call"
        case ToolResult():
            return "tool_result"
        case Citations():
            return "citations"
        case Safety():
            return "safety"
        case FinishStep():
            return "finish_step"
        case Finish():
            return "finish"
        case Failure():
            return "error"
        case Done():
            return "done"
        case Raw():
            return "raw"
        case _:
            assert_never(event)


def test_the_tags_are_the_documented_ones() -> None:
    assert {kind.__struct_config__.tag for kind in EVENT_TYPES} == TAGS  # type: ignore[attr-defined]


@given(EVENTS)
def test_every_event_comes_back_from_its_json(event: Event) -> None:
    text = encode(event)
    assert decode(text) == event
    assert decode(text.decode()) == event
    assert type(decode(text)) is type(event)
    assert orjson.loads(text)["type"] == tag_of(event)
    assert len(text.decode().splitlines()) == 1


@given(EVENTS)
def test_events_are_values(event: Event) -> None:
    assert type(event) in EVENT_TYPES
    with pytest.raises(AttributeError):
        setattr(event, event.__struct_fields__[0], None)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Start(), b'{"type":"start"}'),
        (Start("m", "p", "i"), b'{"type":"start","model":"m","provider":"p","id":"i"}'),
        (TextDelta(""), b'{"type":"text_delta","text":""}'),
        (TextDelta("a\u2028\n", 1), b'{"type":"text_delta","text":"a\\u2028\\n","index":1}'),
        (AudioDelta(b"\0\xff", "pcm16"), b'{"type":"audio_delta","data":"AP8=","format":"pcm16"}'),
        (ToolCall("c", "f", None), b'{"type":"tool_call","id":"c","name":"f","input":null}'),
        (ToolCall("c", "f", 2**70), b'{"type":"tool_call","id":"c","name":"f","input":1180591620717411303424}'),
        (
            Finish("stop", Usage(1, 0)),
            b'{"type":"finish","reason":"stop","usage":{"input_tokens":1,"output_tokens":0}}',
        ),
        (Failure("internal", "m"), b'{"type":"error","code":"internal","message":"m"}'),
        (Done(), b'{"type":"done"}'),
        (Done(False), b'{"type":"done","finished":false}'),
        (TextDelta("\ud800"), b'{"type":"text_delta","text":"\xef\xbf\xbd"}'),
        (Raw("p", {"a": {1}}), b'{"type":"raw","provider":"p","data":{"a":[1]}}'),
        (Raw("p", float("nan")), b'{"type":"raw","provider":"p","data":null}'),
    ],
)
def test_an_event_has_its_json_form(event: Event, text: bytes) -> None:
    assert encode(event) == text


class Hostile:
    def model_dump(self, mode: str) -> Any:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "data", [object(), {"a": [1j]}, {(1, 2): 3}, 10**5000, Hostile()], ids=lambda d: type(d).__name__
)
def test_data_without_a_json_form_is_an_encode_error(data: object) -> None:
    with pytest.raises(EncodeError, match="cannot be written as JSON"):
        encode(Raw("p", data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"text":"a"}',
        b'{"type":"text"}',
        b'{"type":null}',
        b'{"type":7,"text":"a"}',
        b'{"type":"text_delta"}',
        b'{"type":"text_delta","text":1}',
        b'{"type":"text_delta","text":"a","index":"0"}',
        b'{"type":"citations","citations":null}',
        b'{"type":"audio_delta","data":"*"}',
        b'{"type":"finish","reason":"stop","usage":{"input_tokens":"1"}}',
        b'{"type":"text_delta","text":"\xff"}',
        b'{"type":"raw","provider":"p","data":' + b"[" * 100_000,
        '{"type":"text_delta","text":"\ud800"}',
        '{"type":"',
    ],
    ids=lambda data: ascii(data)[:50],
)
def test_what_is_no_event_is_a_decode_error(data: bytes | str) -> None:
    with pytest.raises(DecodeError, match="not an event: ") as caught:
        decode(data)
    assert caught.value.line == (data if isinstance(data, bytes) else data.encode(errors="replace"))


@given(st.binary(max_size=40) | st.text(st.characters(exclude_categories=[]), max_size=40))
def test_junk_raises_only_decode_errors(data: bytes | str) -> None:
    with pytest.raises(DecodeError):
        decode(data)


def test_unknown_fields_are_ignored() -> None:
    assert decode(b'{"new":[1],"type":"text_delta","text":"a","more":{}}') == TextDelta("a")


@pytest.mark.parametrize(
    ("exc", "failure"),
    [
        (ProviderError("rate_limited", "slow down"), Failure("rate_limited", "slow down", True, 60.0)),
        (ProviderError("forbidden", "no", retry_after=2.0), Failure("forbidden", "no", False, 2.0)),
        (TruncatedStream("secret"), Failure("truncated", "the answer was cut off before its end", True)),
        (StreamTimeout("secret"), Failure("timeout", "the answer did not come in time", True)),
        (TimeoutError("secret"), Failure("timeout", "the answer did not come in time", True)),
        (DecodeError("secret"), Failure("invalid_response", "the provider's answer could not be read")),
        (
            LimitExceeded("secret", option="max_line_size", limit=1),
            Failure("invalid_response", "the provider's answer could not be read"),
        ),
        (EncodeError("secret"), Failure("internal", "internal error (reference r1)")),
        (ValueError("secret"), Failure("internal", "internal error (reference r1)")),
        (KeyboardInterrupt("secret"), Failure("internal", "internal error (reference r1)")),
    ],
)
def test_a_client_learns_the_kind_of_a_failure_and_not_its_text(exc: BaseException, failure: Failure) -> None:
    told = failure_from(exc, reference="r1")
    assert told == failure
    assert b"secret" not in encode(told)


def test_a_reference_is_made_up_when_none_is_given() -> None:
    texts = {failure_from(ValueError()).message for _ in range(20)}
    assert len(texts) == 20
    assert all(re.fullmatch(r"internal error \(reference [0-9a-f]{12}\)", text) for text in texts)


def test_every_public_name_exists() -> None:
    assert {kind.__name__ for kind in EVENT_TYPES} <= set(events.__all__)
    assert all(hasattr(events, name) for name in events.__all__)
    assert all(issubclass(kind, msgspec.Struct) for kind in EVENT_TYPES)
