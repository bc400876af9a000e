"""The decoder against its slow, obvious version: the standard's text, character by character, on the whole input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gai_stream.exceptions import LimitExceeded
from gai_stream.sse import OnOversize, ServerSentEvent, SSEDecoder


@dataclass
class Seen:
    """All that can be seen of one decoding."""

    messages: list[tuple[Any, ...]] = field(default_factory=list)
    ignored: list[bytes] = field(default_factory=list)
    last_event_id: str = ""
    reconnection_time: int | None = None
    truncated: str | None = None
    too_large: bool = False


def utf_8(data: bytes) -> tuple[str, bool]:
    """Decode as https://encoding.spec.whatwg.org/#utf-8-decoder says; tell whether the last character is whole."""
    text, point, seen, needed, lower, upper = "", 0, 0, 0, 0x80, 0xBF
    position = 0
    while position < len(data):
        byte = data[position]
        position += 1
        if needed == 0:
            if byte <= 0x7F:
                text += chr(byte)
            elif 0xC2 <= byte <= 0xDF:
                needed, point = 1, byte & 0x1F
            elif 0xE0 <= byte <= 0xEF:
                lower, upper = 0xA0 if byte == 0xE0 else 0x80, 0x9F if byte == 0xED else 0xBF
                needed, point = 2, byte & 0xF
            elif 0xF0 <= byte <= 0xF4:
                lower, upper = 0x90 if byte == 0xF0 else 0x80, 0x8F if byte == 0xF4 else 0xBF
                needed, point = 3, byte & 0x7
            else:
                text += "\ufffd"
            continue
        if not lower <= byte <= upper:
            point = needed = seen = 0
            lower, upper = 0x80, 0xBF
            position -= 1
            text += "\ufffd"
            continue
        lower, upper = 0x80, 0xBF
        point = point << 6 | byte & 0x3F
        seen += 1
        if seen == needed:
            text += chr(point)
            point = needed = seen = 0
    return (text, True) if needed == 0 else (text + "\ufffd", False)


def split_lines(data: bytes) -> tuple[list[bytes], bytes]:
    lines, line, position = [], b"", 0
    while position < len(data):
        byte = data[position : position + 1]
        position += 1
        if byte == b"\r" and data[position : position + 1] == b"\n":
            position += 1
        if byte in b"\r\n":
            lines.append(line)
            line = b""
        else:
            line += byte
    return lines, line


def cut(value: bytes) -> str:
    """Return the characters of `value` that are whole."""
    text, whole = utf_8(value)
    return text if whole else text[:-1]


def obvious(
    stream: bytes, limit: int | None = None, policy: str = "raise", comments: bool = False, told: bool = False
) -> Seen:
    """Decode the whole input at once, with no thought of speed."""
    seen = Seen()
    last_id: str | None = None
    lines, rest = split_lines(stream.removeprefix(b"\xef\xbb\xbf"))
    data, event, id, retry = "", "", None, None
    size, opened, full, cut_data = 0, False, False, b""

    def result() -> Seen:
        seen.last_event_id = last_id or ""
        return seen

    # Of the line that was cut off nothing counts, but it may have been too large already.
    for line, whole in [*((line, True) for line in lines), *([(rest, False)] if rest else [])]:
        name, colon, value = line.partition(b":")
        known = name in (b"data", b"event", b"id", b"retry") and (colon or whole)
        value = value.removeprefix(b" ")
        prefix = len(line) - len(value)
        fits = limit is None or size + len(line) <= limit
        room = line[prefix : 0 if limit is None else limit - size]
        if fits and not whole:
            break
        if line == b"":
            last_id = last_id if id is None else id
            if data:
                text = data.removesuffix("\n") + cut(cut_data)
                seen.messages.append((text, event or "message", last_id, retry, None))
            data, event, id, retry = "", "", None, None
            size, opened, full, cut_data = 0, False, False, b""
        elif colon and name == b"":
            if comments and fits:
                seen.messages.append(("", "message", None, None, utf_8(value)[0]))
            elif comments and policy == "raise":
                seen.too_large = True
                return result()
            elif comments and policy == "truncate":
                seen.messages.append(("", "message", None, None, cut(room)))
        elif not known:
            if told and fits:
                seen.ignored.append(line)
        elif name == b"data" and full:
            pass
        elif not fits and policy == "raise":
            seen.too_large = True
            return result()
        elif not fits and policy == "skip":
            data, opened = "", True
            size, full = (size, True) if full else (0, True)
        elif not fits:
            opened = True
            if name == b"data":
                data, cut_data, size, full = data + "\n", room, 0, True
        else:
            size += len(line)
            opened = True
            text = utf_8(value)[0]
            if name == b"data":
                data += text + "\n"
            elif name == b"event":
                event = text
            elif name == b"id" and "\0" not in text:
                id = text
            elif name == b"retry" and value and all(byte in b"0123456789" for byte in value):
                seen.reconnection_time = retry = int(value)
    if rest or stream in (b"\xef", b"\xef\xbb"):
        seen.truncated = "line" if utf_8(rest)[1] else "character"
    elif opened:
        seen.truncated = "event"
    return result()


def decode(chunks: list[bytes], **options: Any) -> Seen:
    seen = Seen()
    decoder = SSEDecoder(on_ignored=seen.ignored.append if options.pop("told", False) else None, **options)
    messages: list[ServerSentEvent] = []
    try:
        for chunk in chunks:
            messages += decoder.feed(chunk)
        messages += decoder.finish()
    except LimitExceeded:
        seen.too_large = True
    seen.messages = [(each.data, each.event, each.id, each.retry, each.comment) for each in messages]
    seen.last_event_id = decoder.last_event_id
    seen.reconnection_time = decoder.reconnection_time
    seen.truncated = decoder.truncated
    return seen


FRAGMENTS = [
    *(b"data", b"data:", b"data: ", b"data: a", b"data: b\n", b"data:c\n", b"event: ", b"event: x\n", b"event", b"id"),
    *(b"id: 1\n", b"id: 2", b"id:\n", b"id: \0", b"retry: 10\n", b"retry: 1x", b"retry:", b":", b": c\n", b":\n"),
    *(b"\n", b"\n\n", b"\r", b"\r\r", b"\r\n", b"\r\n\r\n", b"\n\r\n", b" ", b"  ", b"\0", b"x", b"datax: y\n"),
    *(b"\xef\xbb\xbf", b"\xef", b"\xbb", b"\xf0\x9f", b"\x98\x80", b"\xe2\x82", b"\xac", b"\xff", b"\xed\xa0\x80"),
    *("é😀".encode(), "\u2028\x85".encode(), b'error: {"code": 1}\n', b'{"error": 1}\n', b"data: [DONE]\n\n"),
    *(b"data: a\n\n", b"event: x\ndata: a\n\n", b"id: 3\ndata: a\n\n", b"id: 4\nevent: y\ndata:a\n\n"),
    *(b"data: a\ndata: b\n\n", b"data: a\ndata:b\n\n", b"event: x\n\n", b"event: \0\ndata: a\n\n", b": ping\n\n"),
]
streams = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=3), max_size=25).map(b"".join)
cuts = st.lists(st.integers(1, 9) | st.integers(10, 200), max_size=30)
options = st.fixed_dictionaries(
    {
        "limit": st.none() | st.integers(1, 40) | st.integers(2**18 + 1, 2**18 + 40),
        "policy": st.sampled_from(["raise", "skip", "truncate"]),
        "comments": st.booleans(),
        "told": st.booleans(),
    }
)


def pieces(stream: bytes, sizes: list[int]) -> list[bytes]:
    chunks = []
    for size in sizes:
        chunks.append(stream[:size])
        stream = stream[size:]
    return [*chunks, stream]


def decode_like(obvious_options: dict[str, Any], chunks: list[bytes]) -> Seen:
    limit, policy = obvious_options["limit"], obvious_options["policy"]
    on_oversize: OnOversize = "raise" if limit is None else policy
    return decode(
        chunks,
        max_event_size=limit,
        on_oversize=on_oversize,
        comments=obvious_options["comments"],
        told=obvious_options["told"],
    )


# Whole events, with a slash for each line end.
BLOCKS = [
    block.replace("/", "\n").encode() + b"\n\n"
    for block in (
        *(
            "data: a",
            "data: b",
            "data:c",
            "data:  d",
            "data",
            "data: ",
            "data:",
            "data: \0",
            "data: é😀\u2028",
            "data: a/",
        ),
        *("data: a/data: b", "data: a/data:b", "data: a/data", "data: a/event: x", "data: data: a", "data: a/x: y"),
        *("event: x/data: a", "event: y/data: b", "event:/data: a", "event: /data: a", "event: x", "event: \0/data: a"),
        *("event: x/event: y/data: a", "event: data: x/data: y", "event: x/data: a/data: b", "event: x/id: 5/data: a"),
        *("event: x/data:a", "event: x/data", "event: x/x: y/data: a", "event: x/data: a/x: y", "event: é/data: a"),
        *("id: 1/data: a", "id: 2/event: x/data: a", "id: 3", "id/data: a", "id: \0/data: a", "id: 4/data: a/data: b"),
        *("id: 6/id: 7/data: a", "id: 8/data: a/id: 9", "id: 1/retry: 2", "id: 1/event: x/event: y/data: a"),
        *("id: 1/event: x/x: y/data: a", "id: 1/event: x/data:a", "retry: 1/data: a", "retry: x", "x", "x: y/data: a"),
        *(": c", ": c/data: a", ":", "", "/", "/data: a"),
    )
]
BLOCKS += [b":\n", b"\n", b"data: a\r\r", b"data: \xff\n\n", b"event: \xc3\ndata: a\n\n", b"id: \xff\ndata: a\n\n"]
blocks_together = st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=5).map(b"".join)
chunks_of_blocks = st.lists(
    blocks_together
    | blocks_together.map(lambda chunk: chunk.replace(b"\n", b"\r\n"))
    | st.sampled_from([*FRAGMENTS, b""]),
    max_size=12,
)


@settings(max_examples=1000, deadline=None)
@given(chunks=chunks_of_blocks, chosen=options)
def test_chunks_of_whole_events_give_what_the_obvious_version_gives(
    chunks: list[bytes], chosen: dict[str, Any]
) -> None:
    assert decode_like(chosen, chunks) == obvious(b"".join(chunks), **chosen)


@settings(max_examples=1000, deadline=None)
@given(chunks=chunks_of_blocks | st.builds(pieces, streams, cuts), comments=st.booleans())
def test_everything_is_known_as_soon_as_its_bytes_are_there(chunks: list[bytes], comments: bool) -> None:
    ignored: list[bytes] = []
    decoder = SSEDecoder(comments=comments, on_ignored=ignored.append)
    stream, messages = b"", 0
    for chunk in chunks:
        stream += chunk
        messages += len(decoder.feed(chunk))
        expected = obvious(stream, comments=comments, told=True)
        assert messages == len(expected.messages)
        assert ignored == expected.ignored
        assert decoder.last_event_id == expected.last_event_id
        assert decoder.reconnection_time == expected.reconnection_time


@settings(max_examples=1000, deadline=None)
@given(stream=streams, sizes=cuts, chosen=options)
def test_any_cutting_gives_what_the_obvious_version_gives(
    stream: bytes, sizes: list[int], chosen: dict[str, Any]
) -> None:
    assert decode_like(chosen, pieces(stream, sizes)) == obvious(stream, **chosen)


@settings(max_examples=300, deadline=None)
@given(stream=streams, chosen=options)
def test_one_chunk_and_single_bytes_give_the_same(stream: bytes, chosen: dict[str, Any]) -> None:
    expected = obvious(stream, **chosen)
    assert decode_like(chosen, [stream]) == expected
    assert decode_like(chosen, [stream[at : at + 1] for at in range(len(stream))]) == expected


@settings(max_examples=1000, deadline=None)
@given(stream=st.binary(max_size=300), sizes=cuts, chosen=options)
def test_random_bytes_raise_only_what_is_documented(stream: bytes, sizes: list[int], chosen: dict[str, Any]) -> None:
    assert decode_like(chosen, pieces(stream, sizes)) == obvious(stream, **chosen)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([0x00, 0x41, 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xFF])))
def test_broken_utf_8_becomes_what_a_browser_makes_of_it(units: list[int]) -> None:
    value = bytes(units)
    [message] = SSEDecoder().feed(b"data: " + value + b"\n\n")
    assert message.data == utf_8(value)[0]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_every_line_end_gives_the_same(end: bytes) -> None:
    stream = b"id: 1\nevent: x\ndata: a\ndata: b\n\n: c\n\nretry: 5\ndata\n\n"
    assert decode([stream.replace(b"\n", end)]) == obvious(stream)
