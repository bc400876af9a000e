"""What is fed to what is measured: texts, events, and the ways in which a transport cuts bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gai_stream.dialects.registry import Dialect
from gai_stream.events import (
    Citation,
    Citations,
    Done,
    Event,
    Finish,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from gai_stream.ndjson import NDJSONDecoder
from gai_stream.sse import SSEDecoder

__all__ = ["CHUNK", "CORPUS", "MIXED_EVENTS", "SCOPE", "TEXTS", "TEXT_EVENTS", "chunks_of", "recorded_messages"]

CHUNK = 16 * 1024
"""What a transport often gives at once, in bytes."""

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
"""Recorded provider streams, where there are some beside this repository."""

SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "headers": [(b"host", b"localhost"), (b"accept", b"*/*")],
}
"""The ASGI scope of a request without a server."""

TEXTS = {
    "text": ("a small text", "Benchmark text"),
    "utf8": ("Chinese and emoji", "流式传输：你好，世界 👋🌍 速度测试 🚀"),
    "lines": ("20 lines", "\n".join(f"line {number} of a longer answer" for number in range(20))),
    "large": ("100 KB", "0123456789abcdef" * 6400),
}
"""Texts that are easy or hard on an encoder, with what they are called."""

_ARGUMENTS = ('{"city"', ': "Zürich"', ', "days"', ": [1, 2", ", 3], ", '"units"', ': "metric"', "}")
_USAGE = Usage(input_tokens=120, output_tokens=64, total_tokens=184)

TEXT_EVENTS: tuple[Event, ...] = (
    Start(model="bench-1", id="resp_1"),
    *[TextDelta("Benchmark text")] * 100,
    Finish("stop", _USAGE),
    Done(),
)
"""An answer of text."""

MIXED_EVENTS: tuple[Event, ...] = (
    Start(model="bench-1", id="resp_1"),
    *[ReasoningDelta("Let me think.")] * 20,
    *[TextDelta("Benchmark text")] * 40,
    ToolCallDelta(0, "call_1", "weather"),
    *(ToolCallDelta(0, arguments=piece) for piece in _ARGUMENTS),
    ToolCall("call_1", "weather", {"city": "Zürich", "days": [1, 2, 3], "units": "metric"}, "".join(_ARGUMENTS)),
    Citations([Citation(uri="https://example.com/1", title="A source", start=0, end=9)]),
    Finish("tool_calls", _USAGE),
    Done(),
)
"""An answer with reasoning, text, a tool call in fragments, and a source."""


def chunks_of(data: bytes, size: int = CHUNK) -> list[bytes]:
    """Return `data` in pieces of that many bytes."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def recorded_messages(dialect: Dialect) -> Sequence[object]:
    """Return the messages of a recorded stream of that dialect, or none where none was recorded."""
    for path in sorted((CORPUS / dialect.name).glob(f"*.{dialect.framing}")):
        framing = SSEDecoder() if dialect.framing == "sse" else NDJSONDecoder()
        return [*framing.feed(path.read_bytes()), *framing.finish()]
    return ()
