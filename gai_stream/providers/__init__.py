"""Who produces a stream: the protocol, the request, and the providers that come with the toolkit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gai_stream.providers.endpoint import parse_chat_request
from gai_stream.providers.provider import (
    ChatRequest,
    ImagePart,
    Message,
    OtherPart,
    Part,
    Provider,
    ReasoningPart,
    TextPart,
)
from gai_stream.providers.scripted import ScriptedProvider

if TYPE_CHECKING:
    from gai_stream.providers.http import OpenAICompatible

__all__ = [
    "ChatRequest",
    "ImagePart",
    "Message",
    "OpenAICompatible",
    "OtherPart",
    "Part",
    "Provider",
    "ReasoningPart",
    "ScriptedProvider",
    "TextPart",
    "parse_chat_request",
]


def __getattr__(name: str) -> Any:
    # The scripted provider must work without the extra that brings the HTTP client.
    if name == "OpenAICompatible":
        try:
            from gai_stream.providers.http import OpenAICompatible
        except ModuleNotFoundError as exc:
            if exc.name != "httpx2":
                raise
            raise ImportError("OpenAICompatible needs httpx2; pip install 'gai-stream[providers]'") from exc
        return OpenAICompatible
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
