"""What a decoder promises beyond the format: limits, memory, work, errors, and what it tells of the rest."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from gai_stream.exceptions import EncodeError, LimitExceeded, TruncatedStream
from gai_stream.sse import ServerSentEvent, SSEDecoder

KIB = 1 << 10
MIB = 1 << 20


def decode(stream: bytes, **options: Any) -> list[ServerSentEvent]:
    decoder = SSEDecoder(**options)
    return decoder.feed(stream) + decoder.finish()


def byte_by_byte(stream: bytes, **options: Any) -> list[ServerSentEvent]:
    decoder = SSEDecoder(**options)
    return [message for at in range(len(stream)) for message in decoder.feed(stream[at : at + 1])]


# When messages come


@pytest.mark.parametrize("end", [b"\n\n", b"\r\r", b"\r\n\r", b"\n\r"])
def test_event_leaves_with_the_first_byte_of_its_blank_line(end: bytes) -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a" + end[:-1]) == []
    assert decoder.feed(end[-1:]) == [ServerSentEvent("a")]


def test_cr_at_end_of_chunk_is_one_terminator() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a\r") == []
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"\r") == [ServerSentEvent("a")]
    assert decoder.feed(b"\ndata: b\n\n") == [ServerSentEvent("b")]


def test_retry_is_known_before_its_event_ends() -> None:
    decoder = SSEDecoder()
    assert decoder.reconnection_time is None
    decoder.feed(b"retry: 10\r")
    assert decoder.reconnection_time == 10


def test_retry_shows_on_the_message_it_rides_with_and_on_no_other() -> None:
    messages = decode(b"retry: 10\ndata: a\n\ndata: b\n\nretry: 20\n\ndata: c\n\n")
    assert [message.retry for message in messages] == [10, None, None]


def test_id_is_known_at_the_blank_line_with_or_without_data() -> None:
    decoder = SSEDecoder()
    assert decoder.last_event_id == ""
    decoder.feed(b"id: 1\n")
    assert decoder.last_event_id == ""
    decoder.feed(b"\n")
    assert decoder.last_event_id == "1"


def test_id_of_an_unfinished_event_stays_unknown() -> None:
    decoder = SSEDecoder()
    decoder.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n")
    decoder.finish()
    assert decoder.last_event_id == "1"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(data)[::1]])
def test_chunk_is_anything_like_bytes(kind: Callable[[bytes], Any]) -> None:
    assert SSEDecoder().feed(kind(b"data: a\n\n")) == [ServerSentEvent("a")]


def test_chunk_may_be_reused_by_its_owner() -> None:
    chunk, decoder = bytearray(b"data: a"), SSEDecoder()
    decoder.feed(chunk)
    chunk[:] = b"xxxxxxx"
    assert decoder.feed(b"\n\n") == [ServerSentEvent("a")]


@pytest.mark.parametrize(("chunk", "kind"), [("data: a\n\n", "str"), (3, "int"), (None, "NoneType"), ([1], "list")])
def test_other_chunk_is_refused_and_leaves_the_decoder_as_it_was(chunk: Any, kind: str) -> None:
    decoder = SSEDecoder()
    decoder.feed(b"data: a")
    with pytest.raises(TypeError, match=f"SSEDecoder: a chunk must be bytes, not {kind}"):
        decoder.feed(chunk)
    assert decoder.feed(b"\n\n") == [ServerSentEvent("a")]


def test_chunk_of_many_pieces_is_one_stream() -> None:
    stream = b"".join(b"id: %d\ndata: %s\n\n" % (number, b"x" * (number % 700)) for number in range(2000))
    assert len(stream) > 10 * 64 * KIB
    messages = decode(stream)
    assert [message.id for message in messages] == [str(number) for number in range(2000)]
    assert [len(message.data) for message in messages] == [number % 700 for number in range(2000)]


def test_recordings_are_read_the_same_however_they_are_cut(corpus: Path, expected: dict[str, Any]) -> None:
    files = {name: facts["wire"] for name, facts in expected.items() if facts["wire"]["framing"] == "sse"}
    assert len(files) > 50
    for name, wire in files.items():
        stream = (corpus / name).read_bytes()
        whole = decode(stream)
        decoder = SSEDecoder()
        cut = [message for at in range(0, len(stream), 97) for message in decoder.feed(stream[at : at + 97])]
        decoder.finish()
        assert cut == whole, name
        assert len(whole) == wire["events"] - wire["unterminated_tail"], name
        assert (decoder.truncated is not None) == wire["unterminated_tail"], name


# Comments and lines that are no field


def test_comments_come_in_their_place() -> None:
    stream = b": a\ndata: 1\n: b\n\n:c\n:  d \n:\ndata: 2\n\n"
    expected = [
        *(ServerSentEvent(comment="a"), ServerSentEvent(comment="b"), ServerSentEvent("1")),
        *(ServerSentEvent(comment="c"), ServerSentEvent(comment=" d "), ServerSentEvent(comment="")),
        ServerSentEvent("2"),
    ]
    assert decode(stream, comments=True) == byte_by_byte(stream, comments=True) == expected


def test_comment_comes_at_its_line_end_without_an_id_or_a_type() -> None:
    decoder = SSEDecoder(comments=True)
    decoder.feed(b"id: 1\ndata: a\n\nevent: x\n")
    assert decoder.feed(b": keep-alive\r") == [ServerSentEvent(comment="keep-alive")]


def test_nul_in_a_comment_or_a_type_is_read_though_nobody_may_send_it() -> None:
    comment, message = decode(b": a\0b\nevent: c\0\ndata: d\n\n", comments=True)
    assert (comment.comment, message.event, message.data) == ("a\0b", "c\0", "d")
    with pytest.raises(EncodeError, match="comment"):
        ServerSentEvent(comment="a\0b")


@pytest.mark.parametrize("read", [decode, byte_by_byte])
def test_ignored_lines_are_told_as_they_came(read: Callable[..., list[ServerSentEvent]]) -> None:
    seen: list[bytes] = []
    stream = b'\xef\xbb\xbferror: {"code": 1}\ndata: a\r\n{"x": 1}\n\n: c\nid: \0\nretry: x\nfoo\rdata \n\xff:\n\n'
    assert read(stream, on_ignored=seen.append) == [ServerSentEvent("a")]
    assert seen == [b'error: {"code": 1}', b'{"x": 1}', b"foo", b"data ", b"\xff:"]


def test_line_that_was_cut_off_is_not_told() -> None:
    seen: list[bytes] = []
    assert decode(b'data: a\n\n{"error"', on_ignored=seen.append) == [ServerSentEvent("a")]
    assert seen == []


def test_what_on_ignored_raises_waits_for_the_messages_before_it() -> None:
    def refuse(line: bytes) -> None:
        raise KeyError(line)

    decoder = SSEDecoder(on_ignored=refuse)
    assert decoder.feed(b"data: a\n\nboom\ndata: b\n\n") == [ServerSentEvent("a")]
    with pytest.raises(KeyError, match="boom"):
        decoder.feed(b"data: c\n\n")
    with pytest.raises(KeyError, match="boom"):
        decoder.finish()


# Limits

POLICIES = ["raise", "skip", "truncate"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("read", [decode, byte_by_byte])
@pytest.mark.parametrize(
    "event",
    [b"data: 0123456789", b"data: 01234\ndata", b"event: x\ndata: 1\n", b"id: 1\ndata: 123", b"retry: 1\ndata:1\n"],
)
def test_event_as_large_as_the_limit_is_read(
    read: Callable[..., list[ServerSentEvent]], event: bytes, policy: str
) -> None:
    stream = b": a comment is not counted\n" + event + b"\nnor: is this line\n\n"
    size = len(event.replace(b"\n", b""))
    assert len(read(stream, max_event_size=size, on_oversize=policy)) == 1
    assert read(stream, max_event_size=size, on_oversize=policy) == read(stream)
    if policy == "raise":
        with pytest.raises(LimitExceeded, match=rf"larger than {size - 1} bytes \(max_event_size\)") as caught:
            read(stream, max_event_size=size - 1)
        assert (caught.value.option, caught.value.limit) == ("max_event_size", size - 1)
    else:
        assert read(stream, max_event_size=size - 1, on_oversize=policy) != read(stream)


def test_limit_is_for_each_event() -> None:
    assert len(decode(b"data: 0123456789\n\n" * 100, max_event_size=16)) == 100


def test_default_limit_is_one_mebibyte() -> None:
    assert len(decode(b"data:" + b"x" * (MIB - 5) + b"\n\n")) == 1
    with pytest.raises(LimitExceeded):
        decode(b"data:" + b"x" * (MIB - 4) + b"\n\n")


def test_no_limit() -> None:
    [message] = decode(b"data:" + b"x" * (3 * MIB) + b"\n\n", max_event_size=None)
    assert len(message.data) == 3 * MIB


def test_too_large_an_event_raises_behind_the_messages_before_it_and_ever_after() -> None:
    decoder = SSEDecoder(max_event_size=20)
    stream = b"id: 7\ndata: a\n\ndata: " + b"x" * 20 + b"\n\ndata: b\n\n"
    assert decoder.feed(stream) == [ServerSentEvent("a", id="7")]
    with pytest.raises(LimitExceeded) as first:
        decoder.feed(b"")
    with pytest.raises(LimitExceeded) as second:
        decoder.feed(b"data: c\n\n")
    assert second.value is first.value
    assert decoder.last_event_id == "7"
    with pytest.raises(LimitExceeded):
        decoder.finish()
    with pytest.raises(RuntimeError, match="SSEDecoder: feed after finish"):
        decoder.feed(b"")


def test_error_behind_the_last_messages_is_raised_by_finish() -> None:
    decoder = SSEDecoder(max_event_size=10)
    assert decoder.feed(b"data: a\n\ndata: 0123456789") == [ServerSentEvent("a")]
    with pytest.raises(LimitExceeded):
        decoder.finish()


@pytest.mark.parametrize("read", [decode, byte_by_byte])
@pytest.mark.parametrize(
    ("event", "kept"),
    [
        (b"id: 2\nretry: 5\ndata: " + b"x" * 50, "2"),
        (b"data: " + b"x" * 50 + b"\nid: 2\ndata: y\nretry: 5", "2"),
        (b"data: 1234567890\n" * 4 + b"id: 2\nretry: 5", "2"),
        (b"retry: 5\nevent: " + b"x" * 50 + b"\ndata: a\nid: 2", "2"),
        (b"retry: 5\nid: " + b"2" * 50 + b"\ndata: a", "1"),
        (b"retry: 5\ndata: " + b"x" * 50 + b"\nid: 2\nid: " + b"3" * 50, "2"),
    ],
)
def test_skipped_event_is_dropped_but_for_its_id_and_retry(
    read: Callable[..., list[ServerSentEvent]], event: bytes, kept: str
) -> None:
    stream = b"id: 1\ndata: a\n\n" + event + b"\n\ndata: b\n\n"
    messages = read(stream, max_event_size=30, on_oversize="skip")
    assert messages == [ServerSentEvent("a", id="1"), ServerSentEvent("b", id=kept)]
    decoder = SSEDecoder(max_event_size=30, on_oversize="skip")
    decoder.feed(stream)
    assert (decoder.last_event_id, decoder.reconnection_time) == (kept, 5)


@pytest.mark.parametrize("read", [decode, byte_by_byte])
@pytest.mark.parametrize(
    ("event", "message"),
    [
        (b"data: 0123456789ABC", ServerSentEvent("0123456789")),
        (b"data:0123456789ABC", ServerSentEvent("0123456789A")),
        (b"data: 01234567\ndata: 9", ServerSentEvent("01234567\n")),
        (b"data: 0123\ndata:56", ServerSentEvent("0123\n5")),
        (b"data: 0123\ndata: 56789\ndata: x\nid: 9", ServerSentEvent("0123\n", id="9")),
        (b"event: x\ndata: 012345", ServerSentEvent("01", event="x")),
        (b"data: 0123456789ABC\nevent: x\nid: 9\nretry: 5", ServerSentEvent("0123456789", event="x", id="9", retry=5)),
        (b"event: 0123456789ABC\ndata: a", ServerSentEvent("a")),
        (b"id: 0123456789ABCDEF\ndata: a", ServerSentEvent("a")),
        (b"id: 012345678901\ndata: a", ServerSentEvent("", id="012345678901")),
        ("data: 012345678é!".encode(), ServerSentEvent("012345678")),
        ("data: 0123456😀".encode(), ServerSentEvent("0123456")),
        (b"data: 01234567\xff\xff\xff", ServerSentEvent("01234567\ufffd\ufffd")),
    ],
)
def test_truncated_event_is_cut_between_two_characters(
    read: Callable[..., list[ServerSentEvent]], event: bytes, message: ServerSentEvent
) -> None:
    stream = event + b"\n\nid: 10\ndata: b\n\n"
    messages = read(stream, max_event_size=16, on_oversize="truncate")
    assert messages == [message, ServerSentEvent("b", id="10")]


@pytest.mark.parametrize("read", [decode, byte_by_byte])
def test_comment_must_fit_too(read: Callable[..., list[ServerSentEvent]]) -> None:
    stream = b": 0123456\xc3\xa9\ndata: a\n\n"
    with pytest.raises(LimitExceeded):
        read(stream, max_event_size=10, comments=True)
    skipped = read(stream, max_event_size=10, comments=True, on_oversize="skip")
    assert skipped == [ServerSentEvent("a")]
    truncated = read(stream, max_event_size=10, comments=True, on_oversize="truncate")
    assert truncated == [ServerSentEvent(comment="0123456"), ServerSentEvent("a")]


@pytest.mark.parametrize("read", [decode, byte_by_byte])
def test_ignored_line_beyond_the_limit_is_not_told_and_no_error(read: Callable[..., list[ServerSentEvent]]) -> None:
    seen: list[bytes] = []
    stream = b"x" * 11 + b"\n" + b"y" * 10 + b"\ndata: a\n\n"
    assert read(stream, max_event_size=10, on_ignored=seen.append) == [ServerSentEvent("a")]
    assert seen == [b"y" * 10]
