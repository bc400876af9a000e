"""Compress a stream so that every write can be read at once: gzip, brotli and zstd, one sync flush per write."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Final, NamedTuple

__all__ = ["Compressor", "available", "compressor", "negotiate"]

# 128 KiB of history. Streams compress as well with it as with the libraries' defaults, and every open stream
# holds its window in memory: 435 KB in place of 819 KB for zstd.
_WINDOW_LOG: Final = 17
# "qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )" https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2
_ELEMENT = re.compile(r"([!#$%&'*+.^_`|~0-9a-z-]+)(?:[ \t]*;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?")


class Compressor:
    """Compress one stream. `compress` and `finish` give bytes for the client to decode without waiting for more.

    This is no Transform: its output depends on how the input is cut, since each write ends with a flush.
    """

    def __init__(self, encoding: str, write: Callable[[bytes], bytes], finish: Callable[[], bytes]) -> None:
        self.encoding = encoding
        self._write = write
        self._finish = finish
        self._finished = False

    def compress(self, data: bytes) -> bytes:
        """Return the compressed form of `data`, from which everything given so far can be read. Empty for empty."""
        if self._finished:
            raise RuntimeError("Compressor: compress after finish")
        return self._write(data) if data else b""

    def finish(self) -> bytes:
        """Return the end of the compressed stream."""
        if self._finished:
            raise RuntimeError("Compressor: finish after finish")
        self._finished = True
        return self._finish()


class _Coding(NamedTuple):
    """What is known of one content coding. `modules`: one of them is needed, and given to `build`."""

    modules: tuple[str, ...]
    package: str
    levels: range
    level: int
    build: Callable[[ModuleType, int], tuple[Callable[[bytes], bytes], Callable[[], bytes]]]


def available() -> list[str]:
    """Return the encodings that can be used here, the preferred one first."""
    return [encoding for encoding, coding in _CODINGS.items() if _module(coding.modules) is not None]


def negotiate(accept_encoding: str | None) -> str | None:
    """Return the encoding to answer an `Accept-Encoding` header with, or None to leave the answer as it is.

    The highest weight wins; at equal weights gzip, br, zstd, each only where it is installed, and any of them
    before none. Several headers are joined with ", " first. Elements that break the grammar are passed over,
    and an encoding named twice counts with its lower weight. A client that accepts nothing we have, `identity`
    included, gets the answer as it is: it is the one form that everybody can read.
    """
    weights: dict[str, float] = {}
    for element in (accept_encoding or "").lower().split(","):
        if match := _ELEMENT.fullmatch(element.strip(" \t")):
            # "A recipient SHOULD consider "x-gzip" to be equivalent to "gzip"." RFC 9110, 8.4.1.3
            name = "gzip" if match[1] == "x-gzip" else match[1]
            weight = float(match[2] or 1)
            weights[name] = min(weight, weights.get(name, weight))
    others = weights.get("*", 0.0)
    weight, best = max(((weights.get(encoding, others), encoding) for encoding in available()), key=_weight)
    # Not named, identity is acceptable but nobody's wish: whatever was asked for comes before it.
    return best if weight > 0 and weight >= weights.get("identity", others) else None


def _weight(offer: tuple[float, str]) -> float:
    # Not the name: of equals, `max` keeps the first, which is the preferred one.
    return offer[0]


def compressor(encoding: str, *, level: int | None = None) -> Compressor:
    """Return a Compressor for "gzip", "br" or "zstd".

    `level` is 1 to 9 for gzip (6 when None), 0 to 11 for br (5), 1 to 22 for zstd (3). Raises ValueError for another
    level, for an encoding unknown here, and for one whose package is not installed.
    """
    coding = _CODINGS.get(encoding)
    if coding is None:
        raise ValueError(f"encoding must be one of {', '.join(_CODINGS)}, not {encoding!r}")
    if level is None:
        level = coding.level
    elif type(level) is not int or level not in coding.levels:
        raise ValueError(f"level for {encoding} must be {coding.levels[0]} to {coding.levels[-1]}, not {level!r}")
    module = _module(coding.modules)
    if module is None:
        raise ValueError(f"encoding {encoding!r} needs {coding.package}: pip install 'gai-stream[compression]'")
    return Compressor(encoding, *coding.build(module, level))


@cache
def _module(names: tuple[str, ...]) -> ModuleType | None:
    """Return the first module of `names` that is installed. Remembered, since every request asks."""
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


def _gzip(_: ModuleType, level: int) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    # wbits 31 is deflate with a gzip header. memLevel 5 takes 35 KB a stream where the default takes 93, and
    # costs nothing in size: every write is flushed long before a larger block would fill.
    stream = zlib.compressobj(level, zlib.DEFLATED, 31, 5)
    return lambda data: stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH), stream.flush


def _brotli(brotli: ModuleType, level: int) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    stream = brotli.Compressor(quality=level, lgwin=_WINDOW_LOG)
    return lambda data: stream.process(data) + stream.flush(), stream.finish


def _zstd(zstd: ModuleType, level: int) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    if zstd.__name__ == "zstandard":
        parameters = zstd.ZstdCompressionParameters.from_level(
            level, window_log=_WINDOW_LOG, source_size=1 << _WINDOW_LOG
        )
        stream = zstd.ZstdCompressor(compression_params=parameters).compressobj()
        return lambda data: stream.compress(data) + stream.flush(zstd.COMPRESSOBJ_FLUSH_BLOCK), stream.flush
    keys = zstd.CompressionParameter
    stream = zstd.ZstdCompressor(options={keys.compression_level: level, keys.window_log: _WINDOW_LOG})
    return lambda data: stream.compress(data, stream.FLUSH_BLOCK), stream.flush


# In order of preference.
# Best first. Tokens are small: flushed one by one, gzip makes them smallest (26 % of one-word messages, br 30, zstd 36)
# in a tenth of the memory per stream.
_CODINGS: Final[dict[str, _Coding]] = {
    "gzip": _Coding(("zlib",), "zlib", range(1, 10), 6, _gzip),
    "br": _Coding(("brotli",), "brotli", range(12), 5, _brotli),
    "zstd": _Coding(("compression.zstd", "zstandard"), "zstandard (or Python 3.14)", range(1, 23), 3, _zstd),
}
