"""A thousand random inputs and a thousand random cuts of valid streams, through both decoders with their defaults.

What the decoders make of broken input is in `test_sse_oracle.py` and `test_ndjson_vectors.py`, which compare them with
the obvious version. Here stands the bare promise: only documented exceptions, and the same result for every cutting.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gai_stream.exceptions import DecodeError, LimitExceeded
from gai_stream.ndjson import NDJSONDecoder, NDJSONEncoder
from gai_stream.sse import ServerSentEvent, SSEDecoder, SSEEncoder

Decode = Callable[[list[bytes]], list[Any]]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))
MESSAGES = st.builds(
    ServerSentEvent,
    st.text(st.characters(exclude_categories=["Cs"])),
    event=NAMES,
    id=st.none() | NAMES,
    retry=st.none() | st.integers(0, 10**6),
    comment=st.none() | NAMES,
)


def decode_sse(chunks: list[bytes]) -> list[Any]:
    """Return the messages and what a reconnect would use. The default decoder has one error: the limit."""
    decoder = SSEDecoder()
    found: list[Any] = [message for chunk in chunks for message in decoder.feed(chunk)]
    found += decoder.finish()
    return [*found, decoder.last_event_id, decoder.reconnection_time, decoder.truncated]


def decode_ndjson(chunks: list[bytes]) -> list[Any]:
    """Return the values and, in their places, the errors."""
    decoder = NDJSONDecoder()
    found: list[Any] = []

    def take(call: Callable[[], list[Any]]) -> None:
        try:
            found.extend(call())
        except (DecodeError, LimitExceeded) as error:
            found.append((type(error), str(error)))

    for chunk in chunks:
        take(lambda chunk=chunk: decoder.feed(chunk))
        while decoder.pending:
            take(lambda: decoder.feed(b""))
    take(decoder.finish)
    while decoder.pending:
        take(decoder.finish)
    return found


both = pytest.mark.parametrize("decode", [decode_sse, decode_ndjson])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Return `data` in pieces; a place is taken for what it is modulo the length."""
    cuts = sorted(place % (len(data) + 1) for place in places)
    return [data[start:end] for start, end in pairwise([0, *cuts, len(data)])]


PLACES = st.lists(st.integers(0, 10**6), max_size=20)


@both
@settings(max_examples=1000, deadline=None)
@given(data=st.binary(max_size=500), places=PLACES)
def test_random_bytes_raise_nothing_undocumented_and_are_read_the_same_however_cut(
    decode: Decode, data: bytes, places: list[int]
) -> None:
    assert decode(cut(data, places)) == decode([data])


@settings(max_examples=1000, deadline=None)
@given(messages=st.lists(MESSAGES, max_size=6), places=PLACES, end=st.sampled_from([b"\n", b"\r", b"\r\n"]))
def test_a_valid_event_stream_is_read_whole_however_it_is_cut(
    messages: list[ServerSentEvent], places: list[int], end: bytes
) -> None:
    encoder = SSEEncoder()
    blocks = [block for message in messages for block in encoder.feed(message)]
    data = b"".join(blocks).replace(b"\n", end)
    found = decode_sse(cut(data, places))
    # A message that is nothing but a comment is none to a client; every other one arrives.
    lines = [[*message.data.replace("\r\n", "\n").replace("\r", "\n").split("\n")] for message in messages]
    expected = [
        (message.event or "message", "\n".join(text))
        for message, text, block in zip(messages, lines, blocks, strict=True)
        if block.endswith(b"\n\n")
    ]
    assert [(message.event, message.data) for message in found[:-3]] == expected
    assert found == decode_sse([data])
    assert found[-1] is None


@settings(max_examples=1000, deadline=None)
@given(values=st.lists(JSON, max_size=6), places=PLACES, end=st.sampled_from([b"\n", b"\r\n", b" \n\t\n"]))
def test_valid_ndjson_is_read_whole_however_it_is_cut(values: list[Any], places: list[int], end: bytes) -> None:
    encoder = NDJSONEncoder()
    data = b"".join(line[:-1] + end for value in values for line in encoder.feed(value))
    assert decode_ndjson(cut(data, places)) == values
