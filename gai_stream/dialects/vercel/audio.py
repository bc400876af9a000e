"""Spoken answers as files: this stream has no place for a piece of sound, only for a whole file in a data: URL."""

from __future__ import annotations

import io
import re
import wave
from base64 import b64decode, b64encode
from typing import Any, Final

from gai_stream.events import AudioDelta

__all__ = ["Recording", "audio_of"]

_PARAMETER: Final = re.compile(r"(rate|channels|bits)=([1-9][0-9]{0,8})")
_MIME: Final = re.compile(r"[a-z]+/[a-z0-9.+-]+")
_DATA_URL: Final = re.compile(r"data:(audio/[^;,]+)[^,]*;base64,(.*)", re.DOTALL)

# Google writes L16 for what is little-endian PCM.
_PCM: Final = frozenset({"pcm", "pcm16", "audio/pcm", "audio/raw", "audio/l16"})
_TYPES: Final[dict[str, str]] = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "opus": "audio/opus",
    "ogg": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "g711_ulaw": "audio/PCMU",
    "g711_alaw": "audio/PCMA",
}


class Recording:
    """Collect the pieces of one sound."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._words: list[str] = []
        self._format: str | None = None

    def take(self, piece: AudioDelta) -> list[dict[str, Any]]:
        """Keep a piece. Returns the chunks of what came before, if this is in another format."""
        ended = self.end() if piece.data and piece.format and self._format not in (None, piece.format) else []
        if piece.data:
            self._format = piece.format or self._format
            self._pieces.append(piece.data)
        if piece.transcript:
            self._words.append(piece.transcript)
        return ended

    def end(self) -> list[dict[str, Any]]:
        """Return the chunks of what was collected, if anything was, and forget it: a `file`, and the words in it."""
        chunks: list[dict[str, Any]] = []
        if self._pieces:
            media_type, data = _file(b"".join(self._pieces), self._format)
            url = f"data:{media_type};base64,{b64encode(data).decode()}"
            chunks.append({"type": "file", "mediaType": media_type, "url": url})
        if self._words:
            chunks.append({"type": "data-transcript", "data": {"text": "".join(self._words)}})
        self._pieces, self._words, self._format = [], [], None
        return chunks


def audio_of(url: str) -> AudioDelta | None:
    """Return the sound in a data: URL; None for any other URL."""
    found = _DATA_URL.fullmatch(url)
    if found is None:
        return None
    try:
        data = b64decode(found[2], validate=True)
    except ValueError:
        return None
    return AudioDelta(data, found[1]) if data else None


def _file(data: bytes, format: str | None) -> tuple[str, bytes]:
    """Return the media type and the bytes of a file that a browser plays; bare PCM gets a WAV header."""
    name = (format or "").partition(";")[0].strip().lower()
    if name not in _PCM:
        return _TYPES.get(name) or (name if _MIME.fullmatch(name) else "application/octet-stream"), data
    numbers = {key: int(number) for key, number in _PARAMETER.findall(format or "")}
    rate, channels, bits = numbers.get("rate", 24_000), numbers.get("channels", 1), numbers.get("bits", 16)
    # The header holds the bytes per second in 32 bits.
    if bits not in (8, 16, 24, 32) or channels >= 1 << 16 or rate * channels * bits >= 1 << 35:
        return "application/octet-stream", data
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(bits // 8)
        writer.setframerate(rate)
        writer.writeframes(data)
    return "audio/wav", file.getvalue()
