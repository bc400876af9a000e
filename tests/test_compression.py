"""Compression: the header's weights, and bytes that can be read after every write."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gai_stream import compression
from gai_stream.compression import available, compressor, negotiate

ENCODINGS = ["gzip", "br", "zstd"]


@pytest.fixture(autouse=True)
def _forget_modules() -> Iterator[None]:
    """Let every test see the modules that are there, and leave none behind."""
    compression._module.cache_clear()
    yield
    compression._module.cache_clear()


def decoder(encoding: str) -> Callable[[bytes], bytes]:
    """Return a decoder that gives what can be read so far, as a browser's does."""
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress
    if encoding == "br":
        process = brotli.Decompressor().process
        # It gives a bounded piece a call, and the rest for empty input.
        return lambda data: b"".join(iter(lambda rest=[data]: process(rest.pop() if rest else b""), b""))
    return zlib.decompressobj(31).decompress


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)


# negotiate


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("deflate", None),
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "gzip"),
        ("deflate, zstd, br", "br"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("*", "gzip"),
        ("*;q=0", None),
        ("identity;q=0", None),
        ("identity;q=0, *", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.0", None),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=1.000", "gzip"),
        ("gzip;q=0.", None),
        ("zstd;q=0.5, br;q=0.8, gzip;q=0.7", "br"),
        ("zstd;q=0.5, br;q=0.5, gzip;q=0.9", "gzip"),
        ("br;q=0.5, gzip;q=0.5", "gzip"),
        ("gzip;q=0, *", "br"),
        ("gzip;q=0, br;q=0, *;q=0.1", "zstd"),
        ("*;q=0.1, gzip;q=0.2", "gzip"),
        ("zstd;q=0, br;q=0, gzip;q=0.5, *;q=0.9", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0.2, gzip;q=0.5", "gzip"),
        (" \tgzip\t;\t q=1 , ", "gzip"),
        ("gzip;Q=0.3, br;q=0.2", "gzip"),
    ],
)
def test_header_chooses_the_encoding(header: str | None, expected: str | None) -> None:
    assert negotiate(header) == expected


@pytest.mark.parametrize(
    "element",
    ["gzip;q=2", "gzip;q=1.5", "gzip;q=-1", "gzip;q=abc", "gzip;q=", "gzip;q=0.1234", "gzip;level=3", "g zip"],
)
def test_element_that_breaks_the_grammar_is_passed_over(element: str) -> None:
    assert negotiate(element) is None
    assert negotiate(f"{element}, br;q=0.1") == "br"


def test_encoding_named_twice_counts_with_its_lower_weight() -> None:
    assert negotiate("gzip, gzip;q=0") is None
    assert negotiate("gzip;q=0, gzip") is None
    assert negotiate("gzip;q=0, x-gzip") is None


def test_only_what_is_installed_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available() == ENCODINGS
    without(monkeypatch, "zstandard", "compression.zstd", "compression")
    compression._module.cache_clear()
    assert available() == ["gzip", "br"]
    assert negotiate("zstd, br") == "br"
    without(monkeypatch, "brotli")
    compression._module.cache_clear()
    assert available() == ["gzip"]
    assert negotiate("*") == "gzip"
    assert negotiate("zstd, br") is None


@given(st.text(alphabet="gzipbrstd*;q=.01, \t", max_size=40) | st.text(max_size=40))
def test_any_header_is_answered_with_something_available(header: str) -> None:
    assert negotiate(header) in {None, *ENCODINGS}


# compressor


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_each_write_can_be_read_at_once(encoding: str) -> None:
    stream, read = compressor(encoding), decoder(encoding)
    assert stream.encoding == encoding
    for number in range(50):
        message = f'data: {{"type":"text_delta","text":"token {number}"}}\n\n'.encode()
        assert read(stream.compress(message)) == message
    assert read(stream.finish()) == b""


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(st.lists(st.binary(max_size=200), max_size=20))
def test_every_cutting_can_be_read_after_each_write(encoding: str, writes: list[bytes]) -> None:
    stream, read = compressor(encoding), decoder(encoding)
    for data in writes:
        assert (read(out) if (out := stream.compress(data)) else b"") == data
    read(stream.finish())


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_output_is_one_stream_that_ends(encoding: str) -> None:
    stream = compressor(encoding)
    whole = stream.compress(b"a") + stream.compress(b"b") + stream.finish()
    if encoding == "gzip":
        assert zlib.decompress(whole, 31) == b"ab"
        with pytest.raises(zlib.error, match="incomplete"):
            zlib.decompress(whole[:-1], 31)
    elif encoding == "br":
        assert brotli.decompress(whole) == b"ab"
        with pytest.raises(brotli.error):
            brotli.decompress(whole[:-1])
    else:
        ended = zstandard.ZstdDecompressor().decompressobj()
        assert ended.decompress(whole) == b"ab"
        assert ended.eof
        assert ended.unused_data == b""


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_empty_write_gives_no_byte_and_an_empty_stream_is_valid(encoding: str) -> None:
    stream = compressor(encoding)
    assert stream.compress(b"") == b""
    assert decoder(encoding)(stream.finish()) == b""


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_big_write_comes_back_whole_and_small(encoding: str) -> None:
    data = b"".join(b'data: {"type":"text_delta","text":"word %d"}\n\n' % number for number in range(30_000))
    stream = compressor(encoding)
    out = stream.compress(data)
    assert len(out) < len(data) / 4
    assert decoder(encoding)(out) == data


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_nothing_is_written_after_the_end(encoding: str) -> None:
    stream = compressor(encoding)
    stream.finish()
    with pytest.raises(RuntimeError, match=r"^Compressor: compress after finish$"):
        stream.compress(b"")
    with pytest.raises(RuntimeError, match=r"^Compressor: finish after finish$"):
        stream.finish()


@pytest.mark.parametrize(("encoding", "low", "high"), [("gzip", 1, 9), ("br", 0, 11), ("zstd", 1, 22)])
def test_level_is_used_and_checked(encoding: str, low: int, high: int) -> None:
    data = b" ".join(b"%d" % (number * number) for number in range(20_000))
    sizes = []
    for level in (low, high):
        out = compressor(encoding, level=level).compress(data)
        assert decoder(encoding)(out) == data
        sizes.append(len(out))
    assert sizes[0] > sizes[1]
    for level in (low - 1, high + 1, True, 1.0, "1"):
        with pytest.raises(ValueError, match=f"^level for {encoding} must be {low} to {high}, not {level!r}$"):
            compressor(encoding, level=level)  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["deflate", "identity", "", "GZIP"])
def test_unknown_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(ValueError, match=f"^encoding must be one of gzip, br, zstd, not '{encoding}'$"):
        compressor(encoding)


def test_encoding_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "brotli", "zstandard", "compression.zstd", "compression")
    with pytest.raises(ValueError, match=r"^encoding 'br' needs brotli: pip install 'gai-stream\[compression\]'$"):
        compressor("br")
    with pytest.raises(ValueError, match=r"^encoding 'zstd' needs zstandard \(or Python 3.14\): pip install"):
        compressor("zstd")


def test_zstd_window_is_one_that_browsers_take() -> None:
    # "the Window_Size MUST NOT exceed 8 MB" https://www.rfc-editor.org/rfc/rfc9659#section-3
    stream = compressor("zstd", level=22)
    frame = zstandard.get_frame_parameters(stream.compress(b"x" * 100))
    assert frame.window_size <= 8 << 20


class StandardZstd(ModuleType):
    """Stand in for Python 3.14's `compression.zstd`: the same names, over zstandard."""

    class CompressionParameter:
        compression_level = 100
        window_log = 101

    class ZstdCompressor:
        CONTINUE, FLUSH_BLOCK, FLUSH_FRAME = 0, 1, 2

        def __init__(self, *, options: dict[int, int]) -> None:
            self.options = options
            level, window_log = options.pop(100), options.pop(101)
            assert not options
            parameters = zstandard.ZstdCompressionParameters.from_level(level, window_log=window_log)
            self._stream: Any = zstandard.ZstdCompressor(compression_params=parameters).compressobj()

        def compress(self, data: bytes, mode: int = CONTINUE) -> bytes:
            out: bytes = self._stream.compress(data)
            if mode == self.FLUSH_BLOCK:
                out += self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            return out

        def flush(self, mode: int = FLUSH_FRAME) -> bytes:
            assert mode == self.FLUSH_FRAME
            out: bytes = self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)
            return out


def _standard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compression", ModuleType("compression"))
    monkeypatch.setitem(sys.modules, "compression.zstd", StandardZstd("compression.zstd"))


def _package(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "compression", "compression.zstd")


@pytest.mark.parametrize("provide", [_standard, _package])
def test_zstd_comes_from_the_standard_library_or_from_the_package(
    monkeypatch: pytest.MonkeyPatch, provide: Callable[[pytest.MonkeyPatch], None]
) -> None:
    provide(monkeypatch)
    stream, read = compressor("zstd"), decoder("zstd")
    for message in (b"one", b"two"):
        assert read(stream.compress(message)) == message
    assert read(stream.finish()) == b""
    assert (type(compression._module(("compression.zstd", "zstandard"))) is StandardZstd) == (provide is _standard)
