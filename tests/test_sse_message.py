"""Messages as they are built: checked at once, so that one that exists can be sent."""

from __future__ import annotations

import enum
import math
from typing import Any

import pytest

from gai_stream.exceptions import DecodeError, EncodeError
from gai_stream.sse import ServerSentEvent, SSEEncoder


def test_message_has_the_standards_defaults() -> None:
    message = ServerSentEvent()
    assert (message.data, message.event, message.id, message.retry, message.comment) == (
        "",
        "message",
        None,
        None,
        None,
    )


@pytest.mark.parametrize("field", ["event", "id", "comment"])
@pytest.mark.parametrize("bad", ["\n", "\r", "\0", chr(0xD800), chr(0xDFFF)])
@pytest.mark.parametrize("around", ["{}", "a{}", "{}b", "x\u2028{}data: y"])
def test_value_that_could_break_out_of_its_field_is_refused(field: str, bad: str, around: str) -> None:
    with pytest.raises(EncodeError, match=f"ServerSentEvent: {field} must not contain ") as caught:
        ServerSentEvent("a", **{field: around.format(bad)})
    assert isinstance(caught.value, ValueError)
    assert repr(bad) in str(caught.value)


def test_refused_value_is_shown_in_part() -> None:
    with pytest.raises(EncodeError) as caught:
        ServerSentEvent("a", id="\n" + "x" * 10_000)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("field", ["event", "id", "comment"])
@pytest.mark.parametrize("value", ["", "a b", "é日😀", "\t", "\x0b\x0c\x1c\x85\u2028\u2029\ufeff\x7f", ": data: x"])
def test_every_other_text_is_a_value(field: str, value: str) -> None:
    assert getattr(ServerSentEvent("a", **{field: value}), field) == value


@pytest.mark.parametrize("field", ["data", "event", "id", "comment"])
@pytest.mark.parametrize("bad", [1, 1.5, True, b"x", ["x"], {"x": 1}])
def test_value_that_is_no_text_is_refused(field: str, bad: Any) -> None:
    fix = "; use json.dumps for other values" if field == "data" else ""
    with pytest.raises(EncodeError, match=f"{field} must be str, not {type(bad).__name__}{fix}$"):
        ServerSentEvent(**{field: bad})


@pytest.mark.parametrize("field", ["data", "event"])
def test_none_is_no_text(field: str) -> None:
    with pytest.raises(EncodeError, match=f"{field} must be str, not NoneType"):
        ServerSentEvent(**{field: None})  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [True, False, 1.0, "1", math.inf, b"1"])
def test_retry_that_is_no_number_is_refused(bad: Any) -> None:
    with pytest.raises(EncodeError, match=f"retry must be a whole number of ms, not {type(bad).__name__}"):
        ServerSentEvent(retry=bad)


@pytest.mark.parametrize("bad", [-1, -(10**5000), 10**300 + 1, 10**5000], ids=range(4))
def test_retry_that_is_no_time_is_refused(bad: int) -> None:
    with pytest.raises(EncodeError, match="retry must be 0 ms or more, and less than any wait that makes sense"):
        ServerSentEvent(retry=bad)


class Kind(enum.StrEnum):
    DELTA = "delta"


class Named(str, enum.Enum):  # noqa: UP042 - its text differs from its value in an f-string
    DELTA = "delta"


@pytest.mark.parametrize("text", [Kind.DELTA, Named.DELTA])
def test_kind_of_text_becomes_plain_text(text: Any) -> None:
    message = ServerSentEvent(text, event=text, id=text, comment=text)
    assert [type(value) for value in (message.data, message.event, message.id, message.comment)] == [str] * 4
    assert SSEEncoder().feed(message) == [b": delta\nid: delta\nevent: delta\ndata: delta\n\n"]
    assert SSEEncoder().feed(text) == [b"data: delta\n\n"]


def test_kind_of_text_is_checked_too() -> None:
    class Text(str):
        __slots__ = ()

    with pytest.raises(EncodeError, match="id must not contain"):
        ServerSentEvent(id=Text("a\nb"))


def test_message_is_a_value() -> None:
    assert ServerSentEvent("a", id="1") == ServerSentEvent("a", id="1") != ServerSentEvent("a")
    assert len({ServerSentEvent("a"), ServerSentEvent("a")}) == 1
    with pytest.raises(AttributeError):
        ServerSentEvent("a").data = "b"  # type: ignore[misc]
    with pytest.raises(TypeError):
        ServerSentEvent("a", "x")  # type: ignore[misc]


def test_json_is_the_value_of_data() -> None:
    assert ServerSentEvent('{"a": [1, 18446744073709551617]}').json() == {"a": [1, 18446744073709551617]}


@pytest.mark.parametrize("text", ["", "[DONE]", "{", "\ud800", "[" * 100_000])
def test_data_that_is_not_json_is_a_decode_error(text: str) -> None:
    with pytest.raises(DecodeError, match="data is not JSON: ") as caught:
        ServerSentEvent(text).json()
    assert caught.value.line == text.encode(errors="replace")
