"""Who produces a stream: the protocol, the request, the reply, and the providers that come with the toolkit."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from gai_stream.providers.endpoint import parse_chat_request
from gai_stream.providers.presets import PRESETS, Preset
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
from gai_stream.providers.reply import Reply, collect
from gai_stream.providers.retries import Retries
from gai_stream.providers.scripted import ScriptedProvider

if TYPE_CHECKING:
    from gai_stream.providers.choice import create, from_env
    from gai_stream.providers.http import HTTPProvider

__all__ = [
    "PRESETS",
    "ChatRequest",
    "HTTPProvider",
    "ImagePart",
    "Message",
    "OtherPart",
    "Part",
    "Preset",
    "Provider",
    "ReasoningPart",
    "Reply",
    "Retries",
    "ScriptedProvider",
    "TextPart",
    "collect",
    "create",
    "from_env",
    "parse_chat_request",
]

# What needs the extra that brings the HTTP client; the scripted provider must work without it.
_HTTP: Final = {"HTTPProvider": "http", "create": "choice", "from_env": "choice"}


def __getattr__(name: str) -> Any:
    if name not in _HTTP:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f".{_HTTP[name]}", __name__), name)
    except ModuleNotFoundError as exc:
        if exc.name != "httpx2":
            raise
        raise ImportError(f"{name} needs httpx2; pip install 'gai-stream[providers]'") from exc
