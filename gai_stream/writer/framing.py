"""What a wire format must be able to do for a Writer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from gai_stream.transform import Transform

__all__ = ["Framing", "heartbeat_of", "stream_headers"]


class Framing(Transform[Any, bytes], Protocol):
    """A transform from messages to bytes, with what its wire format says about silence.

    `media_type` is the value of the content-type header; `heartbeat` the bytes that mean nothing to a client, or a
    function that returns those of the moment; `comment` returns text that a client skips, or raises EncodeError where
    the format has no such thing.
    """

    media_type: str
    heartbeat: bytes | Callable[[], bytes]

    def comment(self, text: str) -> bytes:
        """Return `text` in a form that clients skip."""
        ...


def stream_headers(media_type: str) -> dict[str, str]:
    """Return the response headers that a stream needs: no cache keeps it, and no proxy holds it back."""
    return {
        "content-type": media_type,
        "cache-control": "no-cache, no-store, must-revalidate, no-transform",
        "x-accel-buffering": "no",
    }


def heartbeat_of(framing: Framing) -> bytes:
    """Return the bytes that mean nothing to a client, as of now."""
    heartbeat = framing.heartbeat
    return heartbeat() if callable(heartbeat) else heartbeat
