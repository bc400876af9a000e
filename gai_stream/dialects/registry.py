"""Find a dialect by its name. A new dialect is one file in this folder and one line in `_DIALECTS`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from gai_stream.transform import Transform

__all__ = ["Dialect", "Framing", "dialect", "names"]

Framing: TypeAlias = Literal["sse", "ndjson"]


class Dialect(NamedTuple):
    """One wire vocabulary: the framing it is at home in, and its two transforms, or None where it has none.

    `decoder()` turns messages into events, `encoder()` events into messages; their options are keyword-only.
    """

    name: str
    framing: Framing
    decoder: Callable[..., Transform[Any, Any]] | None
    encoder: Callable[..., Transform[Any, Any]] | None


# name: framing, module, decoder, encoder. Modules are imported when asked for: nobody pays for eleven to use one.
_DIALECTS: Final[dict[str, tuple[Framing, str, str | None, str | None]]] = {
    "ag_ui": ("sse", "ag_ui", "AGUIDecoder", "AGUIEncoder"),
    "anthropic": ("sse", "anthropic", "AnthropicDecoder", "AnthropicEncoder"),
    "antigravity": ("sse", "antigravity", "AntigravityDecoder", "AntigravityEncoder"),
    "gai": ("sse", "gai", "GaiDecoder", "GaiEncoder"),
    "gai_v1": ("sse", "gai_v1", "GaiV1Decoder", "GaiV1Encoder"),
    "gemini": ("sse", "gemini", "GeminiDecoder", "GeminiEncoder"),
    "glm": ("sse", "glm", "GLMDecoder", None),
    "ollama": ("ndjson", "ollama", "OllamaDecoder", "OllamaEncoder"),
    "openai": ("sse", "openai", "OpenAIDecoder", "OpenAIEncoder"),
    "openai_responses": ("sse", "openai_responses", "OpenAIResponsesDecoder", "OpenAIResponsesEncoder"),
    "vercel": ("sse", "vercel", "VercelDecoder", "VercelEncoder"),
}


def names() -> list[str]:
    """Return the names of all dialects, in alphabetical order."""
    return sorted(_DIALECTS)


def dialect(name: str) -> Dialect:
    """Return the dialect called `name`. Raises ValueError, which lists the known names, for any other."""
    if not isinstance(name, str) or name not in _DIALECTS:
        raise ValueError(f"dialect must be one of {', '.join(names())}, not {name!r}")
    return _load(name)


@cache
def _load(name: str) -> Dialect:
    framing, module_name, decoder, encoder = _DIALECTS[name]
    module = import_module(f".{module_name}", __package__)
    return Dialect(
        name,
        framing,
        getattr(module, decoder) if decoder is not None else None,
        getattr(module, encoder) if encoder is not None else None,
    )
