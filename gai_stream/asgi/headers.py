"""Response headers of a stream: what keeps proxies from holding it back, and who may read it (CORS).

Sources: https://fetch.spec.whatwg.org/#http-cors-protocol, RFC 9110 and 9111.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.types import Scope

__all__ = ["CORS", "CORSRule", "RawHeaders", "check_headers", "header", "merge"]

RawHeaders = list[tuple[bytes, bytes]]
CORS = str | Iterable[str] | None

_OWNED = {
    "content-length": "a stream's length is not known when it starts",
    "transfer-encoding": "it belongs to the server, and is illegal on HTTP/2",
}
# RFC 9110 5.6.2: "token".
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ALLOW_METHODS = b"GET, HEAD, POST, OPTIONS"
_ALLOW_HEADERS = (
    b"Accept, Authorization, Cache-Control, Content-Type, Idempotency-Key, Last-Event-ID, X-Idempotency-Key, X-Trace-Id"
)


def header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first value of the request header `name` (lower case), or None."""
    for key, value in scope["headers"]:
        if key.lower() == name:
            return bytes(value)
    return None


def check_headers(headers: Mapping[str, str] | None) -> RawHeaders:
    """Return the caller's headers for ASGI. Raises ValueError for one that a stream cannot have."""
    raw = []
    for name, value in (headers or {}).items():
        lower = name.lower()
        if lower in _OWNED:
            raise ValueError(f"headers: {name!r} cannot be set on a stream: {_OWNED[lower]}")
        if not _NAME.fullmatch(name):
            raise ValueError(f"headers: {name!r} is not a header's name: no spaces, colons or other separators")
        if not isinstance(value, str) or any(character in "\r\n\0" or character > "\xff" for character in value):
            raise ValueError(f"headers: the value of {name!r} must be one line of Latin-1 text, not {value!r}")
        raw.append((lower.encode("latin-1"), value.encode("latin-1")))
    return raw


def merge(raw: RawHeaders, defaults: Mapping[bytes, bytes]) -> RawHeaders:
    """Return `raw` with the defaults that it lacks. Of a default's name only the last value stays; `vary` is joined."""
    if not raw:
        return list(defaults.items())
    last = {name.lower(): value for name, value in raw}
    merged = [(name, value) for name, value in raw if name.lower() not in defaults]
    for name, value in defaults.items():
        if name == b"vary":
            values = [v for n, v in raw if n.lower() == b"vary"]
            known = {part.strip().lower() for v in values for part in v.split(b",")}
            values += [part for part in value.split(b", ") if part.lower() not in known]
            merged.append((name, b", ".join(values)))
        else:
            merged.append((name, last.get(name, value)))
    return merged


class CORSRule:
    """Which origins may read a stream: "*" for any, None for none, or the origins themselves."""

    def __init__(self, cors: CORS) -> None:
        self._any = cors == "*"
        origins = [] if cors is None or self._any else [cors] if isinstance(cors, str) else list(cors)
        for origin in origins:
            parts = urlsplit(origin) if isinstance(origin, str) else None
            if parts is None or not parts.scheme or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
                raise ValueError(
                    f"cors: {origin!r} is not an origin: give scheme and host such as 'https://app.example', a list of "
                    "these, '*' or None"
                )
        self._origins = {origin.lower().encode() for origin in origins}

    def headers(self, scope: Scope) -> dict[bytes, bytes]:
        """Return the headers for the answer to the request `scope`."""
        if self._any:
            return {b"access-control-allow-origin": b"*"}
        if not self._origins:
            return {}
        origin = header(scope, b"origin")
        allowed = {b"vary": b"Origin"}
        if origin is not None and origin.lower() in self._origins:
            allowed[b"access-control-allow-origin"] = origin
        return allowed

    def preflight(self, scope: Scope, methods: bytes = _ALLOW_METHODS) -> dict[bytes, bytes]:
        """Return the headers for the answer to an OPTIONS request, where `methods` are allowed."""
        headers = {b"allow": methods, **self.headers(scope)}
        if b"access-control-allow-origin" in headers:
            headers[b"access-control-allow-methods"] = methods
            headers[b"access-control-allow-headers"] = _ALLOW_HEADERS
            headers[b"access-control-max-age"] = b"600"
        return headers
