"""The recorded streams, each as the events that our decoders make of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from gai_stream.dialects import registry
from gai_stream.dialects.gemini import JSONArrayDecoder
from gai_stream.events import Event
from gai_stream.ndjson import NDJSONDecoder
from gai_stream.sse import SSEDecoder

__all__ = ["CORPUS", "Recording", "events_of", "recordings"]

CORPUS: Final = Path(__file__).resolve().parents[2] / "shared" / "corpus"

# Every other folder holds Chat Completions, as one vendor or another speaks them.
_DIALECTS: Final = ("anthropic", "antigravity", "gemini", "glm", "ollama", "openai_responses")


class Recording(NamedTuple):
    """One recorded stream: `wanted` is what the real SDKs make of it, from the corpus's `expected.json`."""

    name: str
    dialect: str
    wanted: dict[str, Any]

    @property
    def data(self) -> bytes:
        """The bytes as they came over the wire."""
        return (CORPUS / self.name).read_bytes()


def recordings() -> Iterator[Recording]:
    """Yield every recording of the corpus."""
    files = json.loads((CORPUS / "expected.json").read_text(encoding="utf-8"))["files"]
    for name, wanted in files.items():
        folder = name.partition("/")[0]
        yield Recording(name, folder if folder in _DIALECTS else "openai", wanted)


def events_of(recording: Recording, *chunks: bytes) -> list[Event]:
    """Return the events in a recording, whose bytes came as `chunks`, or else whole."""
    dialect = registry.dialect(recording.dialect)
    assert dialect.decoder is not None
    decoder: Any = dialect.decoder()
    framing: Any
    if recording.name.endswith(".json"):
        framing = JSONArrayDecoder()
    elif dialect.framing == "ndjson":
        framing = NDJSONDecoder()
    else:
        framing = SSEDecoder(on_ignored=getattr(decoder, "ignored", None))
    events: list[Event] = []
    for chunk in chunks or (recording.data,):
        for message in framing.feed(chunk):
            events += decoder.feed(message)
    tail = framing.feed(b"\n\n") if isinstance(framing, SSEDecoder) else framing.finish()
    for message in tail:
        events += decoder.feed(message)
    return events + decoder.finish()
