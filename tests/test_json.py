"""JSON text for any value: what it accepts, what it escapes, and what it refuses."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import uuid
from typing import Any, NamedTuple

import attrs
import msgspec
import orjson
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream import _json
from gai_stream.exceptions import DecodeError, EncodeError


@dataclasses.dataclass
class Point:
    x: int


@attrs.define
class Attrs:
    x: int


class Struct(msgspec.Struct, tag="s"):
    x: int


class Pair(NamedTuple):
    x: int
    y: int


class Color(enum.Enum):
    RED = "red"


class Model(pydantic.BaseModel):
    x: int
    when: dt.datetime | None = None


class Node(pydantic.BaseModel):
    inner: Any


VALUES = [
    ({"b": 1, "a": None}, b'{"b":1,"a":null}'),
    ((1, 2), b"[1,2]"),
    ("", b'""'),
    (float("nan"), b"null"),
    ([float("inf"), 2**64], b"[null,18446744073709551616]"),
    (-(2**70), b"-1180591620717411303424"),
    ({"nan": float("nan"), "big": 2**70}, b'{"nan":null,"big":1180591620717411303424}'),
    ({1: "a", None: "b", False: "c", 1.5: "d"}, b'{"1":"a","null":"b","false":"c","1.5":"d"}'),
    ("\ud800", b'"\xef\xbf\xbd"'),
    ("\ud83d\ude00", '"\U0001f600"'.encode()),
    ({"\ud800": ["\udc00"]}, b'{"\xef\xbf\xbd":["\xef\xbf\xbd"]}'),
    ("a\u2028b\u2029c\x85d", b'"a\\u2028b\\u2029c\\u0085d"'),
    ({"\u2028": 2**70}, b'{"\\u2028":1180591620717411303424}'),
    ("\u2027\u202a\x84\x86\u00e2\u0080", '"\u2027\u202a\x84\x86\u00e2\u0080"'.encode()),
    (Point(1), b'{"x":1}'),
    (Attrs(1), b'{"x":1}'),
    (Struct(1), b'{"type":"s","x":1}'),
    (Pair(1, 2), b"[1,2]"),
    (Color.RED, b'"red"'),
    (Model(x=1), b'{"x":1,"when":null}'),
    ([Model(x=2**70)], b'[{"x":1180591620717411303424,"when":null}]'),
    (Node(inner=Node(inner=1)), b'{"inner":{"inner":1}}'),
    ({"m": Model(x=1, when=dt.datetime(2026, 1, 2, tzinfo=dt.UTC))}, b'{"m":{"x":1,"when":"2026-01-02T00:00:00Z"}}'),
    (frozenset({1}), b"[1]"),
    (b"\0\xff", b'"AP8="'),
    (decimal.Decimal("1.10"), b'"1.10"'),
    (uuid.UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
    (dt.date(2026, 1, 2), b'"2026-01-02"'),
    ([Point(2**70), Color.RED, {2}], b'[{"x":1180591620717411303424},"red",[2]]'),
]


@pytest.mark.parametrize(("value", "text"), VALUES, ids=[ascii(value)[:40] for value, _ in VALUES])
def test_a_value_has_its_json_form(value: object, text: bytes) -> None:
    assert _json.dumps(value) == text
    assert orjson.loads(_json.dumps(value, indent=True)) == orjson.loads(text)


def circle() -> list[Any]:
    round_: list[Any] = []
    round_.append(round_)
    return round_


class Hostile:
    def model_dump(self, mode: str) -> Any:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value",
    [
        object(),
        [object()],
        {"a": 1j},
        {(1, 2): 3},
        circle(),
        Model,
        Hostile(),
        {2**70: object()},
        lambda: None,
        10**5000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_json_form_is_an_encode_error(value: object) -> None:
    with pytest.raises(EncodeError, match="value cannot be written as JSON: "):
        _json.dumps(value)
    with pytest.raises(EncodeError, match="value cannot be written as JSON: "):
        _json.dumps(value, indent=True)


def test_the_error_names_the_type() -> None:
    with pytest.raises(EncodeError, match="object has no JSON form"):
        _json.dumps({"a": [object()]})


@pytest.mark.parametrize("extra", [None, 2**70])
def test_default_comes_first_and_falls_back(extra: int | None) -> None:
    def default(value: Any) -> Any:
        if isinstance(value, decimal.Decimal):
            return float(value)
        raise TypeError

    text = _json.dumps([decimal.Decimal("1.5"), Struct(1), extra], default)
    assert text == b'[1.5,{"type":"s","x":1},' + json.dumps(extra).encode() + b"]"
    with pytest.raises(EncodeError, match="object has no JSON form"):
        _json.dumps([object(), extra], default)


def test_what_default_raises_is_an_encode_error() -> None:
    def default(value: Any) -> Any:
        raise KeyError("broken hook")

    with pytest.raises(EncodeError, match="broken hook"):
        _json.dumps(object(), default)


def test_indent_writes_two_spaces_a_level() -> None:
    assert _json.dumps({"a": [1]}, indent=True) == b'{\n  "a": [\n    1\n  ]\n}'
    assert _json.dumps({"a": [2**70]}, indent=True) == b'{\n  "a": [\n    1180591620717411303424\n  ]\n}'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_dumps_is_one_line_for_every_client_and_loses_nothing(value: Any) -> None:
    text = _json.dumps(value)
    assert len(text.decode().splitlines()) == 1
    assert msgspec.json.decode(text) == value


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_leaves_as_valid_unicode(text: str) -> None:
    written = msgspec.json.decode(_json.dumps(text))
    assert written == _json.replace_surrogates(text)
    if text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text):
        assert written == text


@pytest.mark.parametrize("value", ["text", "\ud800", None, [1], {"x": "1"}, {"x": "\ud800"}, {}])
def test_data_of_another_shape_is_a_decode_error_that_says_what_was_wanted(value: Any) -> None:
    assert _json.convert({"x": 1, "more": "\ud800"}, Struct, what="a point") == Struct(1)
    with pytest.raises(DecodeError, match=r"^not a point: "):
        _json.convert(value, Struct, what="a point")


class TestTimestamp:
    def test_keys_in_order_stay_in_order(self) -> None:
        assert list(_json.with_timestamp({"a": 1, "z": 2}, 5).items()) == [("a", 1), ("timestamp", 5), ("z", 2)]
        assert list(_json.with_timestamp({"z": 1, "a": 2}, 5)) == ["z", "a", "timestamp"]
        assert list(_json.with_timestamp({1: 1, "a": 2}, 5)) == [1, "a", "timestamp"]
        assert _json.with_timestamp({}, 5) == {"timestamp": 5}

    def test_the_value_itself_is_not_changed(self) -> None:
        value = {"a": 1}
        _json.with_timestamp(value, 5)
        assert value == {"a": 1}

    @pytest.mark.parametrize("value", [Point(1), Struct(1), Model(x=1), Attrs(1)])
    def test_objects_become_dicts(self, value: object) -> None:
        stamped = _json.with_timestamp(value, 5)
        assert stamped["x"] == 1
        assert stamped["timestamp"] == 5

    @pytest.mark.parametrize("value", [None, 1, 1.5, "a", True, [1], {"timestamp": 7}])
    def test_everything_else_stays_as_it_is(self, value: object) -> None:
        assert _json.with_timestamp(value, 5) is value

    def test_default_is_asked_and_errors_are_encode_errors(self) -> None:
        assert _json.with_timestamp(2j, 5, lambda value: {"z": 2**70}) == {"z": 2**70, "timestamp": 5}
        assert _json.with_timestamp((1, 2), 5) == [1, 2]
        with pytest.raises(EncodeError, match="complex has no JSON form"):
            _json.with_timestamp(2j, 5)
