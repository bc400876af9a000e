"""Images between `data:` URLs and the places that each vocabulary has for them."""

from __future__ import annotations

from base64 import b64encode
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from gai_stream.exceptions import EncodeError

__all__ = ["Media", "data_url", "media_of", "media_type_of"]

_STANDARD: Final = str.maketrans("-_", "+/")
# How the base64 form of an image begins, by its kind.
_MAGIC: Final = {"iVBORw": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}


class Media(NamedTuple):
    """Bytes as base64 text, and what they are."""

    type: str
    data: str


def data_url(type: str, data: str) -> str:
    """Return the URL of base64 `data`, even of the URL-safe kind, which Google's SDK writes and nobody else reads."""
    return f"data:{type};base64,{data.translate(_STANDARD)}"


def media_of(url: str) -> Media | None:
    """Return what a `data:` URL holds; None for any other URL. Raises EncodeError for one that is cut off."""
    if url[:5].lower() != "data:":
        return None
    head, comma, data = url[5:].partition(",")
    if not comma:
        raise EncodeError(f"an image's URL begins with data: and has no comma: {url[:40]!r}")
    type_, *parameters = head.split(";")
    if "base64" not in [parameter.strip().lower() for parameter in parameters]:
        data = b64encode(unquote_to_bytes(data)).decode()
    return Media(type_ or "text/plain", data)


def media_type_of(data: str) -> str:
    """Guess what base64 `data` is an image of."""
    return next((type_ for magic, type_ in _MAGIC.items() if data.startswith(magic)), "image/png")
