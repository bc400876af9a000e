"""What an event stream may cost: the size of an event, memory, and work."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gai_stream.exceptions import LimitExceeded
from gai_stream.sse import ServerSentEvent, SSEDecoder
from gai_stream.sse.lines import LineReader

KIB = 1 << 10
MIB = 1 << 20


def decode(stream: bytes, **options: Any) -> list[ServerSentEvent]:
    decoder = SSEDecoder(**options)
    return decoder.feed(stream) + decoder.finish()


def byte_by_byte(stream: bytes, **options: Any) -> list[ServerSentEvent]:
    decoder = SSEDecoder(**options)
    messages = [message for at in range(len(stream)) for message in decoder.feed(stream[at : at + 1])]
    return messages + decoder.finish()


POLICIES = ["raise", "skip", "truncate"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("read", [decode, byte_by_byte])
@pytest.mark.parametrize(
    "event",
    [b"data: 0123456789", b"data: 01234\ndata:5", b"event: x\ndata: 1\n", b"id: 1\ndata: 123", b"retry: 1\ndata:1\n"],
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


@pytest.mark.parametrize("limit", [256 * KIB, 256 * KIB + 1, 256 * KIB + 100, 264 * KIB, 300 * KIB])
@pytest.mark.parametrize("first", [6, 50, 101, 8 * KIB, 8 * KIB + 1, 250 * KIB])
def test_event_of_a_few_large_chunks_is_measured_to_the_byte(limit: int, first: int) -> None:
    for size, fits in ((limit, True), (limit + 1, False)):
        event = b"data: " + b"x" * (size - 6) + b"\n\n"
        decoder = SSEDecoder(max_event_size=limit)
        assert decoder.feed(b"data: a\n\n" + event[:first]) == [ServerSentEvent("a")]
        if fits:
            assert [len(message.data) for message in decoder.feed(event[first:])] == [size - 6]
        else:
            with pytest.raises(LimitExceeded):
                decoder.feed(event[first:])


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
        (b"data: 0123456789ABC\nevent: x\nretry: 5", ServerSentEvent("0123456789", event="x", retry=5)),
        (b"data: 0123456789ABC\nevent: x\nretry: 5\nid: 9", ServerSentEvent("0123456789", event="x", retry=5)),
        (b"event: 0123456789ABC\ndata: a", ServerSentEvent("a")),
        (b"id: 0123456789ABCDEF\ndata: a", ServerSentEvent("a")),
        (b"id: 012345678901\ndata: a", ServerSentEvent("", id="012345678901")),
        ("data: 012345678é!".encode(), ServerSentEvent("012345678")),
        ("data: 0123456😀".encode(), ServerSentEvent("0123456")),
        (b"data: 01234567\xff\xff\xff", ServerSentEvent("01234567\ufffd\ufffd")),
        (b"data: 01234567\xed\xa0\x80", ServerSentEvent("01234567\ufffd\ufffd")),
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


@pytest.mark.parametrize("option", [0, -1, 1.5, True, "1"])
def test_meaningless_limit_is_refused(option: Any) -> None:
    with pytest.raises(ValueError, match="max_event_size must be a whole number of bytes, 1 or more, or None for "):
        SSEDecoder(max_event_size=option)


def test_unknown_policy_is_refused() -> None:
    with pytest.raises(ValueError, match='on_oversize must be "raise", "skip" or "truncate", not \'drop\''):
        SSEDecoder(on_oversize="drop")  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", ["skip", "truncate"])
def test_policy_without_a_limit_is_refused(policy: Any) -> None:
    with pytest.raises(ValueError, match=f"on_oversize='{policy}' needs a max_event_size, which is None"):
        SSEDecoder(max_event_size=None, on_oversize=policy)


# Memory


def peak(decoder: SSEDecoder, chunk: bytes, times: int) -> int:
    """Return the most bytes in use, beyond those in use before, while `chunk` is fed `times` over."""
    decoder.feed(chunk)
    tracemalloc.start()
    try:
        for _ in range(times):
            decoder.feed(chunk)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("beginning", [b"unknown: ", b"{", b": comment", b":", b"dat:", b"datax", b"data ", b"\xff"])
def test_line_that_is_no_field_costs_no_memory(beginning: bytes) -> None:
    decoder = SSEDecoder(max_event_size=KIB)
    decoder.feed(b"data: a\n" + beginning)
    assert peak(decoder, b"x" * (16 * KIB), 200) < 2 * 16 * KIB
    assert decoder.feed(b"\n\n") == [ServerSentEvent("a")]


def test_comment_behind_a_long_line_costs_no_memory_even_without_a_limit() -> None:
    decoder = SSEDecoder(max_event_size=None)
    decoder.feed(b"data: " + b"x" * (16 * KIB))
    decoder.feed(b"x" * (16 * KIB))
    decoder.feed(b"\n: ")
    assert peak(decoder, b"x" * (16 * KIB), 200) < 2 * 16 * KIB
    assert [len(message.data) for message in decoder.feed(b"\n\n")] == [32 * KIB]


@pytest.mark.parametrize("policy", ["skip", "truncate"])
@pytest.mark.parametrize("beginning", [b"data: ", b"data: a\ndata: ", b"event: ", b"id: ", b"retry: "])
def test_line_beyond_the_limit_costs_no_memory(policy: str, beginning: bytes) -> None:
    decoder = SSEDecoder(max_event_size=KIB, on_oversize=policy)  # type: ignore[arg-type]
    decoder.feed(beginning)
    assert peak(decoder, b"0" * (16 * KIB), 200) < 2 * 16 * KIB
    decoder.feed(b"\n\n")
    assert decoder.feed(b"data: b\n\n")[0].data == "b"


@pytest.mark.parametrize("policy", ["skip", "truncate"])
@pytest.mark.parametrize("line", [b"data\n", b"data: 12\n", b"event: x\n", b"id: 1\n", b"retry: 1\n"])
def test_event_of_lines_without_end_costs_no_memory(policy: str, line: bytes) -> None:
    decoder = SSEDecoder(max_event_size=KIB, on_oversize=policy)  # type: ignore[arg-type]
    assert peak(decoder, line * 1000, 50) < 20 * KIB + 60 * 1000


@pytest.mark.parametrize("told", [False, True])
def test_ignored_line_beyond_the_limit_costs_no_memory(told: bool) -> None:
    seen: list[bytes] = []
    decoder = SSEDecoder(max_event_size=KIB, on_ignored=seen.append if told else None)
    decoder.feed(b"error: ")
    assert peak(decoder, b"x" * (16 * KIB), 200) < 2 * 16 * KIB
    decoder.feed(b"\n")
    assert seen == []


def test_event_in_short_lines_takes_no_more_than_its_bytes() -> None:
    decoder = SSEDecoder()
    tracemalloc.start()
    try:
        for _ in range(100):
            decoder.feed(b"data:xy\n" * 1000)
        assert tracemalloc.get_traced_memory()[0] < 2 * 100 * 1000 * len(b"xy\n")
    finally:
        tracemalloc.stop()


def test_dead_decoder_lets_its_memory_go() -> None:
    decoder = SSEDecoder()
    tracemalloc.start()
    try:
        decoder.feed(b"data: " + b"x" * (MIB - 6))
        with pytest.raises(LimitExceeded):
            decoder.feed(b"x")
        assert tracemalloc.get_traced_memory()[0] < 64 * KIB
    finally:
        tracemalloc.stop()


# Work


def work(chunks: Iterator[bytes]) -> tuple[int, int]:
    """Return what feeding `chunks` takes: calls made, and bytes newly allocated over all feeds.

    Copying what is already held allocates it anew, so the second figure shows what a count of calls does not.
    """
    decoder = SSEDecoder(max_event_size=None)
    calls = allocated = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    tracemalloc.start()
    try:
        for chunk in chunks:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            sys.setprofile(count)
            decoder.feed(chunk)
            sys.setprofile(None)
            allocated += tracemalloc.get_traced_memory()[1] - before
    finally:
        sys.setprofile(None)
        tracemalloc.stop()
    return calls, allocated


def cut(stream: bytes, size: int) -> Iterator[bytes]:
    return (stream[at : at + size] for at in range(0, len(stream), size))


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(lambda size: cut(b"data: " + b"x" * size, 64), id="one_line_in_64_byte_chunks"),
        pytest.param(lambda size: cut(b"event: " + b"x" * size, 64), id="one_type_in_64_byte_chunks"),
        pytest.param(lambda size: cut(b"unknown: " + b"x" * size, 64), id="one_unknown_line_in_64_byte_chunks"),
        pytest.param(lambda size: cut(b"data: 12345\n" * (size // 12), 64), id="data_lines_in_64_byte_chunks"),
        pytest.param(lambda size: cut(b"data: 12345\n" * (size // 12), 4096), id="data_lines_in_4_kib_chunks"),
        pytest.param(lambda size: cut(b"data: 12345\r\n" * (size // 13), 7), id="crlf_data_lines_in_7_byte_chunks"),
        pytest.param(lambda size: cut(b": ping\n" * (size // 7), 64), id="comments_in_64_byte_chunks"),
        pytest.param(lambda size: cut(b"data: a\n\n" * (size // 9), 64), id="events_in_64_byte_chunks"),
        pytest.param(lambda size: cut(b"id: 1\n" * (size // 6), 5), id="ids_in_5_byte_chunks"),
        pytest.param(lambda size: cut(b"event: x\ndata: a\n\n" * (size // 18), 5), id="typed_events_in_5_byte_chunks"),
        pytest.param(lambda size: cut(b"retry: 1" + b"0" * size + b"\n", 4096), id="one_retry_in_4_kib_chunks"),
    ],
)
def test_work_is_linear_in_the_bytes_fed(stream: Callable[[int], Iterator[bytes]]) -> None:
    calls, allocated = work(stream(32 * KIB))
    more_calls, more_allocated = work(stream(8 * 32 * KIB))
    assert more_calls <= 8 * calls * 1.3
    assert more_allocated <= 8 * allocated * 1.3


def test_work_would_not_be_linear_with_a_copy_at_each_chunk() -> None:
    """Show that the measure above can fail."""

    def hold(self: LineReader, rest: bytes, _: list[ServerSentEvent]) -> None:
        self._partial = self._partial + rest

    original = LineReader._hold
    LineReader._hold = hold  # type: ignore[method-assign]
    try:
        _, allocated = work(cut(b"data: " + b"x" * 32 * KIB, 64))
        _, more_allocated = work(cut(b"data: " + b"x" * 8 * 32 * KIB, 64))
    finally:
        LineReader._hold = original  # type: ignore[method-assign]
    assert more_allocated > 8 * allocated * 3
