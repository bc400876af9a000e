"""The request bodies of every wire vocabulary, in both directions.

Each module has `body`, which makes the JSON object that asks that provider for a stream, and `parse`, which reads what
that provider's own clients send.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, Final, Protocol, cast

from gai_stream.providers.provider import ChatRequest
from gai_stream.providers.requests._portable import portable

__all__ = ["Codec", "codec", "names", "portable"]


class Codec(Protocol):
    """One vocabulary's way with requests: a module of this package."""

    def body(self, request: ChatRequest, *, model: str | None = None, **options: Any) -> dict[str, Any]:
        """Return the JSON object that asks for a stream. `model` is for a request that names none.

        Raises EncodeError for what the vocabulary has no words for and cannot leave out.
        """
        ...

    def parse(self, body: dict[str, Any], **options: Any) -> ChatRequest:
        """Return the request in a body. Raises DecodeError that names the field and says what it should be."""
        ...


# dialect: module. Imported when asked for, as in dialects.registry.
_CODECS: Final[dict[str, str]] = {
    "anthropic": "anthropic",
    "antigravity": "antigravity",
    "gemini": "gemini",
    "glm": "openai",
    "ollama": "ollama",
    "openai": "openai",
    "openai_responses": "openai_responses",
}


def names() -> list[str]:
    """Return the names of the dialects whose requests are known, in alphabetical order."""
    return sorted(_CODECS)


@cache
def codec(name: str) -> Codec:
    """Return the module for the requests of dialect `name`. Raises ValueError for one that has none."""
    if name not in _CODECS:
        raise ValueError(f"requests are known of {', '.join(names())}, not of {name!r}")
    return cast("Codec", import_module(f".{_CODECS[name]}", __package__))
