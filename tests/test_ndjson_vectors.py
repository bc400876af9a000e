"""NDJSON decoding: named byte streams under every cut, and the laws of reading, against a slow reader."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gai_stream.exceptions import DecodeError, LimitExceeded
from gai_stream.ndjson import NDJSONDecoder, NDJSONEncoder

BOM = b"\xef\xbb\xbf"


class Bad(NamedTuple):
    """A line that cannot be read."""

    line_number: int | None
    offset: int | None
    line: bytes | None


def read(chunks: Iterable[bytes], decoder: NDJSONDecoder | None = None) -> list[Any]:
    """Return the values and the bad lines in `chunks`, in order, going on behind each error."""
    decoder = decoder or NDJSONDecoder()
    found: list[Any] = []

    def take(step: Callable[[], list[Any]]) -> bool:
        try:
            found.extend(step())
        except DecodeError as exc:
            found.append(Bad(exc.line_number, exc.offset, exc.line))
        except LimitExceeded as exc:
            found.append(str(exc))
        else:
            return not decoder.pending
        return False

    for chunk in chunks:
        done = take(partial(decoder.feed, chunk))
        while not done:
            done = take(partial(decoder.feed, b""))
    while not take(decoder.finish):
        pass
    return found


def read_slowly(data: bytes, limit: int | None = None) -> list[Any]:
    """Do what `read` does, in the obvious way: the whole input, split at LF."""
    found: list[Any] = []
    offset = len(BOM) if data.startswith(BOM) else 0
    for number, line in enumerate(data[offset:].split(b"\n"), 1):
        if limit is not None and len(line) > limit:
            found.append(f"line {number} (byte {offset}) is longer than max_line_size={limit} bytes")
        elif line.strip(b" \t\r"):
            try:
                found.append(orjson.loads(line))
            except ValueError:
                found.append(Bad(number, offset, line))
        offset += len(line) + 1
    return found


def cuts(data: bytes) -> Iterable[list[bytes]]:
    """Give `data` whole, byte by byte, and cut in two at every place."""
    yield [data]
    yield [data[i : i + 1] for i in range(len(data))]
    yield from ([data[:i], data[i:]] for i in range(1, len(data)))


# A bad line is written as the number of its line, in a set.
VECTORS: dict[str, tuple[bytes, list[Any]]] = {
    "nothing": (b"", []),
    "one value": (b'{"a":1}\n', [{"a": 1}]),
    "two values": (b"1\n2\n", [1, 2]),
    "one value without LF": (b"1", [1]),
    "last value without LF": (b"1\n2", [1, 2]),
    "object without LF": (b'{"a":1}', [{"a": 1}]),
    "last LF twice": (b"1\n\n", [1]),
    "LF alone": (b"\n", []),
    "many LF": (b"\n\n\n", []),
    "LF first": (b"\n1\n", [1]),
    "blank line between": (b"1\n\n2\n", [1, 2]),
    "spaces between": (b"1\n   \n2\n", [1, 2]),
    "tabs between": (b"1\n\t\t\n2\n", [1, 2]),
    "spaces, tabs and CR between": (b"1\n \t\r \n2\n", [1, 2]),
    "spaces at the end without LF": (b"1\n  ", [1]),
    "CR at the end without LF": (b"1\r", [1]),
    "lone CR at the end": (b"1\n\r", [1]),
    "spaces alone": (b"  ", []),
    "CRLF": (b"1\r\n2\r\n", [1, 2]),
    "CRLF, last line without": (b"1\r\n2", [1, 2]),
    "CRLF blank line": (b"1\r\n\r\n2\r\n", [1, 2]),
    "CRLF and LF mixed": (b"1\r\n2\n3\r\n", [1, 2, 3]),
    "LF CR": (b"1\n\r2\n", [1, 2]),
    "CR CR LF": (b"1\r\r\n", [1]),
    "lone CR between values": (b"1\r2\n", [{1}]),
    "lone CR between objects": (b'{"a":1}\r{"b":2}\n', [{1}]),
    "lone CR inside an object": (b'{"a":\r1}\n', [{"a": 1}]),
    "lone CR inside a string": (b'"a\rb"\n', [{1}]),
    "escaped CR and LF in a string": (b'"a\\r\\nb"\n', ["a\r\nb"]),
    "white space around a value": (b" \t 1 \t \n", [1]),
    "white space inside a value": (b'{ "a" : [ 1 , 2 ] }\n', [{"a": [1, 2]}]),
    "VT line": (b"1\n\x0b\n2\n", [1, {2}, 2]),
    "FF line": (b"1\n\x0c\n2\n", [1, {2}, 2]),
    "VT before a value": (b"\x0b1\n", [{1}]),
    "NBSP line": (b"\xc2\xa0\n1\n", [{1}, 1]),
    "FS, GS and US are no line ends": (b"1\x1c2\n1\x1d2\n1\x1f2\n", [{1}, {2}, {3}]),
    "U+2028 in a string": ('"a\u2028b"\n'.encode(), ["a\u2028b"]),
    "U+2029 in a string": ('"a\u2029b"\n'.encode(), ["a\u2029b"]),
    "U+0085 in a string": ('"a\x85b"\n'.encode(), ["a\x85b"]),
    "U+2028 between values": ("1\u20282\n3\n".encode(), [{1}, 3]),
    "U+2028 in a name": ('{"\u2028":1}\n'.encode(), [{"\u2028": 1}]),
    "raw VT in a string": (b'"a\x0bb"\n', [{1}]),
    "raw FF in a string": (b'"a\x0cb"\n', [{1}]),
    "raw tab in a string": (b'"a\tb"\n', [{1}]),
    "raw NUL in a string": (b'"a\0b"\n', [{1}]),
    "escaped NUL in a string": (b'"a\\u0000b"\n', ["a\0b"]),
    "DEL in a string": (b'"a\x7fb"\n', ["a\x7fb"]),
    "raw LF in a string": (b'"a\nb"\n1\n', [{1}, {2}, 1]),
    "BOM": (BOM + b"1\n", [1]),
    "BOM before an object": (BOM + b'{"a":1}\n2\n', [{"a": 1}, 2]),
    "BOM alone": (BOM, []),
    "BOM and LF": (BOM + b"\n", []),
    "BOM, LF and a value": (BOM + b"\n1\n", [1]),
    "BOM and CRLF": (BOM + b"1\r\n", [1]),
    "BOM and a bad line": (BOM + b"x\n1\n", [{1}, 1]),
    "two BOMs": (BOM + BOM + b"1\n2\n", [{1}, 2]),
    "BOM behind a space": (b" " + BOM + b"1\n", [{1}]),
    "BOM behind LF": (b"\n" + BOM + b"1\n", [{2}]),
    "BOM on a later line": (b"1\n" + BOM + b"2\n", [1, {2}]),
    "BOM inside a string": (b'"' + BOM + b'"\n', ["\ufeff"]),
    "one byte of a BOM": (b"\xef", [{1}]),
    "two bytes of a BOM": (b"\xef\xbb", [{1}]),
    "two bytes of a BOM and LF": (b"\xef\xbb\n1\n", [{1}, 1]),
    "two bytes of a BOM and others": (b"\xef\xbb1\n2\n", [{1}, 2]),
    "half a BOM and a BOM": (b"\xef" + BOM + b"1\n", [{1}]),
    "letters of a BOM in Latin-1": ("\u00ef\u00bb\u00bf1\n".encode(), [{1}]),
    "UTF-16 BOM": (b"\xff\xfe1\n", [{1}]),
    "RS before a value": (b'\x1e{"a":1}\n', [{1}]),
    "RS alone on a line": (b"\x1e\n1\n", [{1}, 1]),
    "null": (b"null\n", [None]),
    "null among values": (b"1\nnull\nnull\n2\n", [1, None, None, 2]),
    "null without LF": (b"null", [None]),
    "true and false": (b"true\nfalse\n", [True, False]),
    "empty object and array": (b"{}\n[]\n", [{}, []]),
    "empty string": (b'""\n', [""]),
    "falsy values": (b'0\n""\nfalse\n', [0, "", False]),
    "duplicate names: the last": (b'{"a":1,"a":2}\n', [{"a": 2}]),
    "empty name": (b'{"":1}\n', [{"": 1}]),
    "nested 100 deep": (b"[" * 100 + b"]" * 100 + b"\n", [json.loads("[" * 100 + "]" * 100)]),
    # How deep is too deep differs between orjson (1,024) and msgspec (the interpreter's own limit): this is for both.
    "depth bomb": (b"[" * 100_000 + b"]" * 100_000 + b"\n1\n", [{1}, 1]),
    "open depth bomb": (b"[" * 2000 + b"\n1\n", [{1}, 1]),
    "depth bomb of objects": (b'{"":' * 100_000 + b"1" + b"}" * 100_000 + b"\n1\n", [{1}, 1]),
    "63 bits": (b"9223372036854775807\n", [9223372036854775807]),
    "64 bits": (b"18446744073709551615\n", [18446744073709551615]),
    "least of 64 bits": (b"-9223372036854775808\n", [-9223372036854775808]),
    "minus zero": (b"-0\n", [0]),
    "floats": (b"1.5\n-1e3\n1E-2\n", [1.5, -1000.0, 0.01]),
    "float of 17 digits": (b"0.1234567890123456\n", [0.1234567890123456]),
    "least float": (b"5e-324\n", [5e-324]),
    "float beyond the range": (b"1e999\n1\n", [{1}, 1]),
    "NaN": (b"NaN\n1\n", [{1}, 1]),
    "Infinity": (b"Infinity\n-Infinity\n", [{1}, {2}]),
    "NaN inside": (b'{"a":NaN}\n', [{1}]),
    "leading zero": (b"01\n", [{1}]),
    "plus sign": (b"+1\n", [{1}]),
    "no digit behind the point": (b"1.\n.5\n", [{1}, {2}]),
    "lone minus": (b"-\n", [{1}]),
    "hexadecimal": (b"0x10\n", [{1}]),
    "digits that are no ASCII": ("\u0663\n".encode(), [{1}]),
    "surrogate pair": (b'"\\ud83d\\ude00"\n', ["\U0001f600"]),
    "lone high surrogate": (b'"\\ud800"\n1\n', [{1}, 1]),
    "lone low surrogate": (b'"\\udc00"\n', [{1}]),
    "swapped surrogates": (b'"\\ude00\\ud83d"\n', [{1}]),
    "surrogate in UTF-8": (b'"\xed\xa0\x80"\n', [{1}]),
    "emoji in UTF-8": ('"\U0001f600 \u4f60\u597d"\n'.encode(), ["\U0001f600 \u4f60\u597d"]),
    "UTF-8 in a name": ('{"\u00fc":"\u00e9"}\n'.encode(), [{"\u00fc": "\u00e9"}]),
    "invalid UTF-8 in a string": (b'"\xff"\n1\n', [{1}, 1]),
    "cut UTF-8 in a string": (b'"\xe4\xbd"\n1\n', [{1}, 1]),
    "overlong UTF-8": (b'"\xc0\xaf"\n', [{1}]),
    "beyond Unicode": (b'"\xf4\x90\x80\x80"\n', [{1}]),
    "invalid UTF-8 outside a string": (b"\xff\n1\n", [{1}, 1]),
    "UTF-8 cut by LF": (b'"\xe4\n\xbd\xa0"\n1\n', [{1}, {2}, 1]),
    "bad escape": (b'"\\x41"\n', [{1}]),
    "short escape": (b'"\\u00"\n', [{1}]),
    "two values on a line": (b"{} {}\n1\n", [{1}, 1]),
    "two numbers on a line": (b"1 2\n", [{1}]),
    "comma behind a value": (b"1,\n2\n", [{1}, 2]),
    "value over two lines": (b'{"a":\n1}\n2\n', [{1}, {2}, 2]),
    "trailing comma": (b"[1,]\n", [{1}]),
    "single quotes": (b"'a'\n", [{1}]),
    "bare name": (b"{a:1}\n", [{1}]),
    "number as a name": (b"{1:2}\n", [{1}]),
    "comment": (b"// x\n/* x */\n# x\n1\n", [{1}, {2}, {3}, 1]),
    "SSE line": (b'data: {"a":1}\n: x\n', [{1}, {2}]),
    "cut literal": (b"tru\nnul\n", [{1}, {2}]),
    "capital literal": (b"True\nNULL\n", [{1}, {2}]),
    "cut object at the end": (b'1\n{"a":', [1, {2}]),
    "cut string at the end": (b'1\n"a', [1, {2}]),
    "bad line first": (b"x\n1\n", [{1}, 1]),
    "bad line between": (b"1\nx\n2\n", [1, {2}, 2]),
    "bad line last": (b"1\nx\n", [1, {2}]),
    "bad line last without LF": (b"1\nx", [1, {2}]),
    "bad lines in a row": (b"1\nx\ny\nz\n2\n", [1, {2}, {3}, {4}, 2]),
    "blank lines count": (b"\n\r\n  \nx\n1\n", [{4}, 1]),
    "bad lines with CR": (b"x\r\n1\r\ny\r\n", [{1}, 1, {3}]),
    "NUL alone": (b"\0\n1\n", [{1}, 1]),
    "NUL behind a value": (b"1\0\n", [{1}]),
    "two bytes of each character": ("1\n2\n".encode("utf-16-le"), [{1}, {2}, {3}]),
}


def as_given(found: list[Any]) -> list[Any]:
    return [{item.line_number} if isinstance(item, Bad) else item for item in found]


def flat(value: Any) -> Any:
    """Make 1, 1.0 and True differ, without walking deep values."""
    return value if isinstance(value, list | dict) else (type(value), value)


@pytest.mark.parametrize("exact_ints", [False, True], ids=["orjson", "exact"])
@pytest.mark.parametrize("name", VECTORS)
def test_vector_gives_the_same_for_every_cut(name: str, exact_ints: bool) -> None:
    data, expected = VECTORS[name]
    for chunks in [list(c) for c in cuts(data)] if len(data) < 500 else [[data], [data[:700], data[700:]]]:
        found = read(chunks, NDJSONDecoder(exact_ints=exact_ints))
        assert [flat(item) for item in as_given(found)] == [flat(item) for item in expected]
        for bad in found:
            if isinstance(bad, Bad):
                assert bad.offset is not None
                assert bad.line is not None
                end = bad.offset + len(bad.line)
                assert data[bad.offset : end] == bad.line
                assert data[end : end + 1] in (b"\n", b"")
                assert bad.offset == 0 or data[: bad.offset] == BOM or data[bad.offset - 1] == 0x0A
    assert len(VECTORS) >= 100


LINES = st.sampled_from(
    [b"1", b'{"a":1}', b"null", b'"\xe2\x80\xa8"', b"x", b"\xff", BOM, b"\xef", b"\xbb\xbf", b"\x0b", b"\x1e"]
    + [b"\n"] * 6
    + [b"\r", b"\r\n", b" ", b"\t", b'"', b"[", b"]"]
)
STREAMS = st.one_of(st.lists(LINES, max_size=30).map(b"".join), st.binary(max_size=60))


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    data = draw(STREAMS)
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return data, [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@settings(max_examples=1000, deadline=None)
@given(cut_streams(), st.sampled_from([None, 1, 2, 3, 5, 8, 64]))
@example((b"", [b""]), None)
def test_every_cut_gives_what_the_slow_reader_gives(stream: tuple[bytes, list[bytes]], limit: int | None) -> None:
    data, chunks = stream
    assert read(chunks, NDJSONDecoder(max_line_size=limit)) == read_slowly(data, limit)


WHOLE_LINES = st.lists(
    st.sampled_from([b"1", b'{"a":1}', b" 2\r", b"", b"\r", b"[3]", b"x", b"[4", b"5]", b"12345", BOM]),
    min_size=1,
    max_size=4,
).map(lambda lines: b"".join(line + b"\n" for line in lines))


@settings(max_examples=1000, deadline=None)
@given(st.lists(WHOLE_LINES | LINES, max_size=10), st.sampled_from([None, 4, 10, 64]))
def test_chunks_of_whole_lines_give_what_the_slow_reader_gives(chunks: list[bytes], limit: int | None) -> None:
    assert read(chunks, NDJSONDecoder(max_line_size=limit)) == read_slowly(b"".join(chunks), limit)


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=6), st.booleans())
def test_random_bytes_raise_only_documented_errors(chunks: list[bytes], exact_ints: bool) -> None:
    decoder = NDJSONDecoder(max_line_size=16, exact_ints=exact_ints)
    for step in [*(partial(decoder.feed, chunk) for chunk in chunks), decoder.finish]:
        with contextlib.suppress(DecodeError, LimitExceeded):
            assert type(step()) is list


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=6), st.booleans(), st.integers(1, 9))
def test_what_the_encoder_writes_the_decoder_reads(values: list[Any], compact: bool, size: int) -> None:
    encoder = NDJSONEncoder(compact=compact)
    lines = [line for value in values for line in encoder.feed(value)] + encoder.finish()
    assert len(lines) == len(values)
    assert all(line.endswith(b"\n") and len(line.decode().splitlines()) == 1 for line in lines)
    data = b"".join(lines)
    assert read([data[i : i + size] for i in range(0, len(data), size)], NDJSONDecoder(exact_ints=True)) == values


@pytest.mark.parametrize("name", ["chat_text", "chat_parallel_tools", "chat_thinking_tool", "generate_error_midstream"])
def test_recorded_streams_give_the_same_for_every_chunk_size(name: str, corpus: Path) -> None:
    data = (corpus / "ollama" / f"{name}.ndjson").read_bytes()
    expected = read_slowly(data)
    assert expected
    assert not any(isinstance(item, Bad) for item in expected)
    for size in (1, 2, 3, 7, 64, 1000, len(data)):
        assert read([data[i : i + size] for i in range(0, len(data), size)]) == expected
