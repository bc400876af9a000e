"""NDJSON encoding: one line a message, whatever is in it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import msgspec
import orjson
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream import events
from gai_stream.exceptions import EncodeError
from gai_stream.ndjson import NDJSONDecoder, NDJSONEncoder


@dataclasses.dataclass
class Point:
    x: int


class Model(pydantic.BaseModel):
    x: int


class Struct(msgspec.Struct):
    x: int


class TestEncoder:
    @pytest.mark.parametrize(
        ("message", "line"),
        [
            ({"b": 1, "a": [None, True]}, b'{"b":1,"a":[null,true]}\n'),
            ("text", b'"text"\n'),
            (None, b"null\n"),
            ([1.5, "\u00fc"], '[1.5,"\u00fc"]\n'.encode()),
            ("a\nb\r\u2028\u2029\x85", b'"a\\nb\\r\\u2028\\u2029\\u0085"\n'),
            ({"id": 2**70}, b'{"id":1180591620717411303424}\n'),
            ("\ud800", '"\ufffd"\n'.encode()),
            (Point(1), b'{"x":1}\n'),
            (Model(x=1), b'{"x":1}\n'),
            (Struct(x=1), b'{"x":1}\n'),
            ([Model(x=1), Struct(x=2)], b'[{"x":1},{"x":2}]\n'),
            (events.TextDelta("a"), b'{"type":"text_delta","text":"a"}\n'),
        ],
    )
    def test_a_message_is_one_line_of_json(self, message: object, line: bytes) -> None:
        assert NDJSONEncoder().feed(message) == [line]

    @pytest.mark.parametrize(
        "text",
        ["a\nb", '{"type":"text_delta","text":"x"}\n', "\U0001f600 \u00fcml\u00e4ut \u4f60\u597d", "\r\n\x0b\x0c\x1e"],
    )
    def test_line_integrity(self, text: str) -> None:
        [line] = NDJSONEncoder().feed({"type": "text_delta", "text": text})
        assert line.count(b"\n") == 1
        assert len(line.decode().splitlines()) == 1
        assert orjson.loads(line) == {"type": "text_delta", "text": text}

    def test_not_compact_has_a_space_behind_comma_and_colon(self) -> None:
        message = {"a": [1, {"b": "x,y:z"}], "c": {}, "id": 2**70, "f": 0.5, "s": "\u2028"}
        line = b'{"a": [1, {"b": "x,y:z"}], "c": {}, "id": 1180591620717411303424, "f": 0.5, "s": "\\u2028"}\n'
        assert NDJSONEncoder(compact=False).feed(message) == [line]

    def test_timestamp_adds_unix_seconds_to_objects(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gai_stream.ndjson.encoder.time", lambda: 1705311000.9)
        encoder = NDJSONEncoder(timestamp=True)
        assert encoder.feed({"text": "a", "type": "x"}) == [b'{"text":"a","timestamp":1705311000,"type":"x"}\n']
        assert encoder.feed({"type": "x", "text": "a"}) == [b'{"type":"x","text":"a","timestamp":1705311000}\n']
        assert encoder.feed(Struct(x=1)) == [b'{"timestamp":1705311000,"x":1}\n']
        assert encoder.feed({"timestamp": 5}) == [b'{"timestamp":5}\n']
        assert encoder.feed([1]) == [b"[1]\n"]
        assert encoder.feed("a") == [b'"a"\n']

    def test_default_turns_what_json_does_not_know(self) -> None:
        encoder = NDJSONEncoder(default=lambda value: {"z": value.imag}, timestamp=True)
        [line] = encoder.feed(2j)
        assert orjson.loads(line).keys() == {"z", "timestamp"}
        assert NDJSONEncoder(default=lambda value: value.imag).feed([2j]) == [b"[2.0]\n"]

    def test_a_custom_dumps_is_used(self) -> None:
        assert NDJSONEncoder(dumps=lambda value: json.dumps(value, sort_keys=True)).feed({"b": 1, "a": 2}) == [
            b'{"a": 2, "b": 1}\n'
        ]
        raw = NDJSONEncoder(dumps=lambda value: json.dumps(value, ensure_ascii=False))
        assert raw.feed("\u2028\ud800") == ['"\\u2028\ufffd"\n'.encode()]
        assert NDJSONEncoder(dumps=msgspec.json.encode, compact=False).feed({"a": [1, 2]}) == [b'{"a": [1, 2]}\n']

    @pytest.mark.parametrize(
        ("dumps", "compact", "text"),
        [
            (lambda value: json.dumps(value, indent=1), True, "dumps must write one line, without LF or CR"),
            (lambda value: b"1\r", True, "one line"),
            (lambda value: 1, True, "dumps must return bytes or str, not int"),
            (lambda value: b"{", False, "dumps did not write JSON: .*truncated"),
            (lambda value: b"[" * 5000, False, "dumps did not write JSON"),
            (lambda value: json.dumps({"a": object()}), True, "value cannot be written as JSON: .*object"),
        ],
    )
    def test_a_custom_dumps_that_writes_no_line_is_refused(self, dumps: Any, compact: bool, text: str) -> None:
        with pytest.raises(EncodeError, match=text):
            NDJSONEncoder(dumps=dumps, compact=compact).feed({"a": 1})

    def test_default_and_a_custom_dumps_exclude_each_other(self) -> None:
        with pytest.raises(ValueError, match="call it in your dumps"):
            NDJSONEncoder(dumps=json.dumps, default=str)

    @pytest.mark.parametrize("message", [object(), {"a": object()}, {(1, 2): 3}, print])
    @pytest.mark.parametrize("timestamp", [False, True])
    def test_what_has_no_json_form_is_an_encode_error(self, message: object, timestamp: bool) -> None:
        encoder = NDJSONEncoder(timestamp=timestamp)
        with pytest.raises(EncodeError, match="cannot be written as JSON"):
            encoder.feed(message)
        assert encoder.feed(1) == [b"1\n"]

    @pytest.mark.parametrize("message", [b"1", bytearray(b"1"), memoryview(b"1")])
    def test_bytes_are_no_message(self, message: object) -> None:
        with pytest.raises(EncodeError, match="bytes are not a message"):
            NDJSONEncoder().feed(message)

    def test_there_are_no_comments(self) -> None:
        with pytest.raises(EncodeError, match="NDJSON has no comments"):
            NDJSONEncoder().comment("x")

    def test_heartbeat_and_media_type(self) -> None:
        assert NDJSONEncoder.media_type == "application/x-ndjson"
        assert NDJSONEncoder().heartbeat == b"\n"
        assert NDJSONEncoder(heartbeat=b'{"a":""}\n').heartbeat == b'{"a":""}\n'
        assert NDJSONDecoder().feed(b"1\n" + NDJSONEncoder().heartbeat + b"2\n") == [1, 2]

    @pytest.mark.parametrize("heartbeat", ["\n", b"", b"x", None])
    def test_a_heartbeat_that_is_no_line_is_refused(self, heartbeat: Any) -> None:
        with pytest.raises(ValueError, match="heartbeat must be bytes that end with a line feed"):
            NDJSONEncoder(heartbeat=heartbeat)

    def test_finish_ends_it(self) -> None:
        encoder = NDJSONEncoder()
        assert encoder.finish() == []
        with pytest.raises(RuntimeError, match=r"^NDJSONEncoder: finish after finish$"):
            encoder.finish()
        with pytest.raises(RuntimeError, match=r"^NDJSONEncoder: feed after finish$"):
            encoder.feed(1)


@given(st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.floats() | st.text(max_size=5), max_size=4))
def test_the_short_way_writes_what_the_long_way_does(value: dict[str, Any]) -> None:
    slow = NDJSONEncoder()
    slow.plain = False
    assert NDJSONEncoder().feed(value) == slow.feed(value)
