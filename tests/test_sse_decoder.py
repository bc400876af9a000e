"""What a decoder does beyond the format: when messages come, what it tells of the rest, and how the input ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gai_stream.exceptions import EncodeError, TruncatedStream
from gai_stream.sse import ServerSentEvent, SSEDecoder

KIB = 1 << 10


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


@pytest.mark.parametrize("line", [b"retry: 10", b"id: 1\nretry: 10", b"data: a\nretry: 10", b"event: x\nretry: 10"])
def test_retry_is_known_at_its_line_end_whatever_stands_before_it(line: bytes) -> None:
    decoder = SSEDecoder()
    decoder.feed(b"data: a\n\n" + line)
    assert decoder.reconnection_time is None
    decoder.feed(b"\n")
    assert decoder.reconnection_time == 10


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


def test_ignored_line_is_told_at_its_line_end_in_the_middle_of_an_event() -> None:
    seen: list[bytes] = []
    decoder = SSEDecoder(on_ignored=seen.append)
    decoder.feed(b"data: a\n\nid: 1\nevent: x\nerror: b")
    assert seen == []
    decoder.feed(b"ad\n")
    assert seen == [b"error: bad"]


@pytest.mark.parametrize("chunk", [b"data: b\n\nboom\n\ndata: c\n\n", b"boom\n\n", b"boom\ndata: c\n\n"])
def test_what_on_ignored_raises_in_a_chunk_of_whole_events_ends_the_decoder(chunk: bytes) -> None:
    def refuse(line: bytes) -> None:
        raise KeyError(line)

    decoder = SSEDecoder(on_ignored=refuse)
    assert decoder.feed(b"data: a\n\n") == [ServerSentEvent("a")]
    if chunk.startswith(b"data"):
        assert decoder.feed(chunk) == [ServerSentEvent("b")]
    for again in (chunk, b"data: d\n\n", b""):
        with pytest.raises(KeyError, match="boom"):
            decoder.feed(again)


def test_on_ignored_must_be_a_function() -> None:
    with pytest.raises(TypeError, match="on_ignored must be a function of one line, not 1"):
        SSEDecoder(on_ignored=1)  # type: ignore[arg-type]


# The end of the input


@pytest.mark.parametrize(
    ("stream", "verdict"),
    [
        (b"", None),
        (b"\xef\xbb\xbf", None),
        (b"data: a\n\n", None),
        (b"data: a\r\r", None),
        (b"data: a\n\n: keep-alive\n", None),
        (b"data: a\n\nunknown: x\n", None),
        (b"data: a\n", "event"),
        (b"data: a\r", "event"),
        (b"data: a\r\n", "event"),
        (b"event: x\n", "event"),
        (b"id: 1\n: keep-alive\n", "event"),
        (b"retry: 1\n", "event"),
        (b"data: a\n\nd", "line"),
        (b"data: a\ndata: b", "line"),
        (b": keep-al", "line"),
        (b"unknown: " + b"x" * 1000, "line"),
        ("data: é".encode(), "line"),
        ("unknown: 😀".encode(), "line"),
        (b"data: \xff", "line"),
        (b"data: \xed\xa0", "line"),
        (b"\xef", "character"),
        (b"\xef\xbb", "character"),
        (b"data: \xc3", "character"),
        (b"data: a\n\n\xe2\x82", "character"),
        (b"unknown: \xe2\x82", "character"),
        (b": \xf0\x9f\x98", "character"),
        (b"data: \x80\xf0\x9f", "character"),
    ],
)
def test_end_of_input_is_told(stream: bytes, verdict: str | None) -> None:
    for size in (1, 2, 3, len(stream) or 1):
        decoder = SSEDecoder()
        for at in range(0, len(stream), size):
            decoder.feed(stream[at : at + size])
        assert decoder.truncated is None
        assert decoder.finish() == []
        assert decoder.truncated == verdict


@pytest.mark.parametrize(("stream", "verdict"), [(b"data: a\n", "event"), (b"data", "line"), (b"\xc3", "character")])
def test_truncated_stream_is_raised_on_request(stream: bytes, verdict: str) -> None:
    decoder = SSEDecoder(raise_truncated=True)
    assert decoder.feed(b"data: 1\n\n" + stream) == [ServerSentEvent("1")]
    with pytest.raises(TruncatedStream, match=f"the event stream ended inside of an unfinished {verdict}"):
        decoder.finish()
    assert decoder.truncated == verdict


def test_whole_stream_is_not_truncated() -> None:
    assert decode(b"data: 1\n\n: keep-alive\n", raise_truncated=True) == [ServerSentEvent("1")]


def test_nothing_is_fed_after_the_end_of_a_stream() -> None:
    decoder = SSEDecoder()
    decoder.feed(b"data: a\n\n")
    decoder.finish()
    with pytest.raises(RuntimeError, match="SSEDecoder: feed after finish"):
        decoder.feed(b"data: b\n\n")


def test_nothing_is_fed_after_the_end() -> None:
    decoder = SSEDecoder()
    decoder.finish()
    with pytest.raises(RuntimeError, match="SSEDecoder: feed after finish"):
        decoder.feed(b"data: a\n\n")
    with pytest.raises(RuntimeError, match="SSEDecoder: finish after finish"):
        decoder.finish()
