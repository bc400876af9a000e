"""What goes out as an event stream: every message whole, and nothing that a value could break out of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import attrs
import msgspec
import orjson
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.exceptions import EncodeError
from gai_stream.sse import ServerSentEvent, SSEDecoder, SSEEncoder


def encode(message: object, **options: Any) -> bytes:
    [block] = SSEEncoder(**options).feed(message)
    return block


# Framing


def test_fields_leave_in_one_order() -> None:
    message = ServerSentEvent("d", event="e", id="i", retry=5, comment="c")
    assert encode(message) == b": c\nid: i\nevent: e\nretry: 5\ndata: d\n\n"


def test_absent_fields_are_not_written() -> None:
    assert encode(ServerSentEvent("a")) == encode("a") == b"data: a\n\n"
    assert encode(ServerSentEvent("a", event="")) == b"data: a\n\n"
    assert encode(ServerSentEvent()) == b"data: \n\n"


def test_empty_id_resets_and_retry_zero_is_written() -> None:
    assert encode(ServerSentEvent("a", id="", retry=0)) == b"id: \nretry: 0\ndata: a\n\n"


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_every_line_end_in_data_begins_a_new_line(end: str) -> None:
    assert encode(f"a{end}b{end}{end}c{end}") == b"data: a\ndata: b\ndata: \ndata: c\ndata: \n\n"
    assert encode(f"x{end}event: y{end}{end}id: 1") == b"data: x\ndata: event: y\ndata: \ndata: id: 1\n\n"


def test_other_separators_stay_in_their_line() -> None:
    assert encode("a\x0bb\x0cc\x85d\u2028e") == "data: a\x0bb\x0cc\x85d\u2028e\n\n".encode()


def test_space_at_the_beginning_survives() -> None:
    assert encode(" a") == b"data:  a\n\n"


def test_lone_surrogates_in_data_are_replaced_and_pairs_joined() -> None:
    assert encode("a\ud800b\udc00") == "data: a\ufffdb\ufffd\n\n".encode()
    assert encode("\ud83d\ude00") == "data: 😀\n\n".encode()


def test_lone_comment_is_one_line_without_a_blank_one() -> None:
    assert encode(ServerSentEvent(comment="hi")) == SSEEncoder().comment("hi") == b": hi\n"
    assert SSEEncoder(ids=count(1), retry=5).comment("") == b": \n"
    assert SSEEncoder().heartbeat == b": keep-alive\n"


@pytest.mark.parametrize("field", [{"data": "a"}, {"event": "x"}, {"id": ""}, {"retry": 0}])
def test_comment_with_anything_else_is_a_message(field: dict[str, Any]) -> None:
    assert encode(ServerSentEvent(comment="hi", **field)).endswith(b"\n\n")


def test_comment_of_several_lines_is_refused() -> None:
    with pytest.raises(EncodeError, match="comment must not contain"):
        SSEEncoder().comment("a\ndata: b")


# JSON values


@dataclasses.dataclass
class Point:
    x: int


@attrs.define
class AttrsPoint:
    x: int


class StructPoint(msgspec.Struct):
    x: int


class ModelPoint(pydantic.BaseModel):
    x: int


class Unknown:
    pass


@pytest.mark.parametrize("value", [Point(1), AttrsPoint(1), StructPoint(1), ModelPoint(x=1), {"x": 1}])
def test_objects_are_sent_as_json(value: object) -> None:
    assert encode(value) == b'data: {"x":1}\n\n'
    assert encode({"p": [value]}) == b'data: {"p":[{"x":1}]}\n\n'


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (1, "1"), (1.5, "1.5"), ([1, "a"], '[1,"a"]'), (2**70, str(2**70))],
)
def test_plain_values_are_sent_as_json(value: object, text: str) -> None:
    assert encode(value) == f"data: {text}\n\n".encode()


def test_line_ends_in_json_are_escaped() -> None:
    assert encode({"a": "x\n\ny\r\u2028\u2029\x85"}) == rb'data: {"a":"x\n\ny\r\u2028\u2029\u0085"}' + b"\n\n"


def test_ready_made_json_of_several_lines_stays_in_its_message() -> None:
    ready = orjson.Fragment(b'{\n"a":\r1\r\n}')
    assert encode(ready) == b'data: {\ndata: "a":\ndata: 1\ndata: }\n\n'
    assert encode({"b": ready}, ids=[7]) == b'id: 7\ndata: {"b":{\ndata: "a":\ndata: 1\ndata: }}\n\n'


def test_hook_gives_values_a_form() -> None:
    assert encode({"a": Unknown()}, default=lambda value: "u") == b'data: {"a":"u"}\n\n'
    assert encode(Unknown(), default=lambda value: {"u": 1}, timestamp=True).startswith(b'data: {"timestamp":')


def test_indented_json_takes_several_data_lines() -> None:
    block = encode({"a": [1]}, compact=False)
    assert block == b'data: {\ndata:   "a": [\ndata:     1\ndata:   ]\ndata: }\n\n'
    [message] = SSEDecoder().feed(block)
    assert message.json() == {"a": [1]}
    assert encode("text", compact=False) == b"data: text\n\n"


def test_timestamp_is_added_to_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gai_stream.sse.encoder.time", lambda: 1700000000.9)
    assert encode({"a": 1}, timestamp=True) == b'data: {"a":1,"timestamp":1700000000}\n\n'
    assert encode(Point(1), timestamp=True) == b'data: {"timestamp":1700000000,"x":1}\n\n'
    assert encode({"timestamp": 1}, timestamp=True) == b'data: {"timestamp":1}\n\n'
    assert encode([1], timestamp=True) == b"data: [1]\n\n"
    assert encode("a", timestamp=True) == b"data: a\n\n"


@pytest.mark.parametrize("options", [{}, {"timestamp": True}, {"compact": False}, {"default": lambda value: value.x}])
@pytest.mark.parametrize("value", [Unknown(), {"a": Unknown()}, [Unknown]])
def test_value_without_a_form_is_an_error_and_takes_no_id(value: object, options: dict[str, Any]) -> None:
    if "default" in options:
        options = {"default": lambda value: (_ for _ in ()).throw(TypeError("no"))}
    encoder = SSEEncoder(ids=count(1), retry=5, **options)
    with pytest.raises(EncodeError, match="cannot be written as JSON"):
        encoder.feed(value)
    assert encoder.feed("a") == [b"id: 1\nretry: 5\ndata: a\n\n"]


@pytest.mark.parametrize("value", [b"x", bytearray(b"x"), memoryview(b"x")])
def test_bytes_are_no_message(value: object) -> None:
    with pytest.raises(EncodeError, match="bytes are not a message: give a ServerSentEvent, a str or a JSON value"):
        encode(value)


# Numbering, reconnection time, the end


def test_ids_number_what_has_none() -> None:
    encoder = SSEEncoder(ids=count(1))
    sent: list[object] = ["a", {"b": 1}, ServerSentEvent("c", id="x"), ServerSentEvent(comment="d"), [2]]
    assert [block for message in sent for block in encoder.feed(message)] == [
        *(b"id: 1\ndata: a\n\n", b'id: 2\ndata: {"b":1}\n\n', b"id: x\ndata: c\n\n", b": d\n", b"id: 3\ndata: [2]\n\n"),
    ]


def test_ids_may_be_anything_that_has_a_text() -> None:
    encoder = SSEEncoder(ids=["a", 7, Decimal("1.5")])
    assert [encoder.feed("x")[0][:7] for _ in range(3)] == [b"id: a\nd", b"id: 7\nd", b"id: 1.5"]
    with pytest.raises(EncodeError, match=r"ids ran out: give an iterable that does not end"):
        encoder.feed("x")


def test_id_from_ids_cannot_break_out() -> None:
    with pytest.raises(EncodeError, match="id must not contain"):
        encode("x", ids=["1\n\ndata: y"])


@pytest.mark.parametrize("ids", [1, "abc", b"abc", True])
def test_ids_that_cannot_number_are_refused(ids: Any) -> None:
    with pytest.raises(TypeError, match=r"ids must be an iterable of ids, such as itertools.count\(1\), not "):
        SSEEncoder(ids=ids)


def test_retry_rides_with_the_first_message() -> None:
    encoder = SSEEncoder(retry=5)
    sent: list[object] = [ServerSentEvent(comment="c"), {"a": 1}, "b"]
    assert [encoder.feed(message)[0] for message in sent] == [b": c\n", b'retry: 5\ndata: {"a":1}\n\n', b"data: b\n\n"]


def test_retry_of_the_first_message_counts_more() -> None:
    encoder = SSEEncoder(retry=5)
    assert encoder.feed(ServerSentEvent("a", retry=7)) == [b"retry: 7\ndata: a\n\n"]
    assert encoder.feed("b") == [b"data: b\n\n"]


@pytest.mark.parametrize("bad", [-1, 1.5, True])
def test_meaningless_retry_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="retry must be"):
        SSEEncoder(retry=bad)


@pytest.mark.parametrize("bad", [None, b"", b": x", ": x\n"])
def test_heartbeat_that_would_run_into_the_next_message_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="heartbeat must be bytes that end with a line feed, not "):
        SSEEncoder(heartbeat=bad)


def test_nothing_is_sent_after_the_end() -> None:
    encoder = SSEEncoder()
    assert encoder.finish() == []
    for late in (lambda: encoder.feed("a"), lambda: encoder.comment("a")):
        with pytest.raises(RuntimeError, match="SSEEncoder: feed after finish"):
            late()
    with pytest.raises(RuntimeError, match="SSEEncoder: finish after finish"):
        encoder.finish()


# Laws

clean = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))
messages = st.builds(
    ServerSentEvent,
    st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"])),
    event=clean.filter(bool),
    id=st.none() | clean,
    retry=st.none() | st.integers(0, 10**30),
)


@given(messages)
def test_decoding_gives_back_what_was_encoded(message: ServerSentEvent) -> None:
    decoder = SSEDecoder(raise_truncated=True)
    assert decoder.feed(encode(message)) + decoder.finish() == [message]


@given(st.lists(messages, max_size=6), clean, st.integers(1, 40))
def test_streams_are_given_back_with_ids_carried_over(sent: list[ServerSentEvent], comment: str, size: int) -> None:
    encoder, decoder = SSEEncoder(), SSEDecoder(comments=True)
    stream = b"".join(block for message in sent for block in [*encoder.feed(message), encoder.comment(comment)])
    seen = [message for at in range(0, len(stream), size) for message in decoder.feed(stream[at : at + size])]

    def carried() -> Iterator[ServerSentEvent]:
        last = None
        for message in sent:
            last = message.id if message.id is not None else last
            yield msgspec.structs.replace(message, id=last)
            yield ServerSentEvent(comment=comment)

    assert seen == list(carried())


@given(st.text(), st.integers(0, 5))
def test_any_text_stays_in_its_message(text: str, lines: int) -> None:
    [message] = SSEDecoder().feed(encode("\n" * lines + text))
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert message.data == "\n" * lines + expected.replace("\r\n", "\n").replace("\r", "\n")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | clean,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(clean, inner, max_size=3),
    max_leaves=8,
).filter(lambda value: not isinstance(value, str))


@given(json_values, st.booleans())
def test_any_json_value_is_given_back(value: object, compact: bool) -> None:
    [message] = SSEDecoder().feed(encode(value, compact=compact))
    assert message.json() == value


@given(st.text(alphabet="a\n\r\u2028\ud800é:", max_size=8), st.sampled_from(["message", "", "named", "é"]))
def test_the_short_way_writes_what_the_long_way_does(text: str, event: str) -> None:
    for message in (text, ServerSentEvent(text, event=event)):
        slow = SSEEncoder()
        slow.plain = False
        assert SSEEncoder().feed(message) == slow.feed(message)
