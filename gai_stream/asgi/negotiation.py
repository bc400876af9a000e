"""What the request asks for: a media type by its Accept header, and where to go on by its last event ID.

Sources: RFC 9110 12.5.1 (Accept), WHATWG HTML 9.2.4 (Last-Event-ID).
"""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import HTTPConnection
from starlette.types import Scope

from .headers import header

__all__ = ["MEDIA_TYPES", "choose", "last_event_id"]

MEDIA_TYPES: dict[str, str] = {
    "text/event-stream": "text/event-stream; charset=utf-8",
    "application/x-ndjson": "application/x-ndjson",
    "application/jsonl": "application/jsonl",
    "application/json": "application/x-ndjson",
}
"""The media types that a client may ask for, and the content type that each gets."""


def last_event_id(scope: Scope | HTTPConnection) -> str | None:
    """Return where the client wants to go on: the Last-Event-ID header, else `?last_event_id=`, else None.

    Takes an ASGI scope or a Starlette request. Browsers send the header as UTF-8, so it is read from the raw scope.
    """
    raw = scope.scope if isinstance(scope, HTTPConnection) else scope
    value = header(raw, b"last-event-id")
    if value is not None:
        return value.decode("utf-8", "replace")
    query = parse_qs(bytes(raw.get("query_string", b"")).decode("utf-8", "replace"), keep_blank_values=True)
    return query.get("last_event_id", [None])[0]


def choose(scope: Scope) -> str | None:
    """Return the media type of `MEDIA_TYPES` that the client likes best, or None when it likes none.

    Equal likings go to SSE when the path says so (`/sse`, `/events`), else to what the client named first; a client
    that names nothing gets SSE.
    """
    ranges = _ranges(scope)
    if not ranges:
        return "text/event-stream"
    best: tuple[float, int, int] | None = None
    chosen = None
    hinted = any(part in ("sse", "events") for part in scope["path"].split("/"))
    for position, media_type in enumerate(MEDIA_TYPES):
        quality, place = _quality(media_type, ranges)
        if hinted and position == 0:
            place = -1
        rank = (quality, -place, -position)
        if quality > 0 and (best is None or rank > best):
            best, chosen = rank, media_type
    return chosen


def _ranges(scope: Scope) -> list[tuple[str, float]]:
    """Return the media ranges of every Accept header, each with its q-value; an unreadable one counts as 0."""
    ranges = []
    for name, value in scope["headers"]:
        if name.lower() != b"accept":
            continue
        for part in value.decode("latin-1").split(","):
            media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
            if not media_range:
                continue
            quality = 1.0
            for parameter in parameters:
                key, _, number = parameter.partition("=")
                if key.strip() == "q":
                    quality = _number(number.strip())
            ranges.append((media_range, quality))
    return ranges


def _number(text: str) -> float:
    """Return a q-value: "0", "1" or up to three decimals."""
    whole, _, decimals = text.partition(".")
    if whole not in ("0", "1") or len(decimals) > 3 or (decimals and not (decimals.isascii() and decimals.isdigit())):
        return 0.0
    return min(float(text), 1.0)


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> tuple[float, int]:
    """Return how much the client likes `media_type`, and where it named it. The most specific range decides."""
    family = media_type.partition("/")[0]
    for wanted in (media_type, f"{family}/*", "*/*"):
        for place, (media_range, quality) in enumerate(ranges):
            if media_range == wanted:
                return quality, place
    return 0.0, len(ranges)
