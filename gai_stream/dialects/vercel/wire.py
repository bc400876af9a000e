"""What the chunks look like on the wire: the fields we read, checked for type; all others are ignored.

What differs from server to server is `Any` and is read with care: a strange extra must not cost the text beside it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gai_stream import _json

__all__ = [
    "FINISH_REASONS",
    "Chunk",
    "Data",
    "Delta",
    "Document",
    "Ending",
    "File",
    "InputDelta",
    "Part",
    "Source",
    "Start",
    "ToolInput",
    "ToolInputError",
    "ToolInputStart",
    "ToolOutput",
    "ToolOutputError",
    "convert",
    "first_of",
    "metadata",
]

FINISH_REASONS: Final[dict[str, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool-calls",
    "content_filter": "content-filter",
    "refusal": "content-filter",
    "error": "error",
    "unknown": "other",
}
"""Ours: the only words that a client takes, every other one ends its stream."""


class _Struct(msgspec.Struct, rename="camel"):
    pass


class Start(_Struct):
    message_id: str | None = None
    message_metadata: Any = None


class Part(_Struct):
    """`text-start`, `reasoning-start` and their ends."""

    id: str | None = None
    provider_metadata: Any = None


class Delta(_Struct):
    delta: str
    id: str | None = None
    provider_metadata: Any = None


class ToolInputStart(_Struct):
    tool_call_id: str
    tool_name: str
    provider_executed: bool | None = None


class InputDelta(_Struct):
    tool_call_id: str
    input_text_delta: str


class ToolInput(_Struct):
    tool_call_id: str
    tool_name: str
    input: Any
    provider_executed: bool | None = None
    provider_metadata: Any = None


class ToolInputError(ToolInput, kw_only=True):
    error_text: str


class ToolOutput(_Struct):
    tool_call_id: str
    output: Any
    preliminary: bool | None = None


class ToolOutputError(_Struct):
    tool_call_id: str
    error_text: str


class Source(_Struct):
    url: str
    title: str | None = None
    provider_metadata: Any = None


class Document(_Struct):
    title: str
    provider_metadata: Any = None


class File(_Struct):
    url: str
    media_type: str


class Data(_Struct):
    data: Any


class Ending(_Struct):
    """`finish`, `abort`, `error` and `message-metadata`."""

    finish_reason: str | None = None
    message_metadata: Any = None
    reason: str | None = None
    error_text: str | None = None


class Step(_Struct):
    pass


Chunk = (
    Start
    | Part
    | Delta
    | ToolInputStart
    | InputDelta
    | ToolInput
    | ToolOutput
    | ToolOutputError
    | Source
    | Document
    | File
    | Data
    | Ending
    | Step
)

_CHUNKS: Final[dict[str, type[Chunk]]] = {
    "start": Start,
    "start-step": Step,
    "finish-step": Step,
    **dict.fromkeys(("text-start", "text-end", "reasoning-start", "reasoning-end"), Part),
    **dict.fromkeys(("text-delta", "reasoning-delta"), Delta),
    "tool-input-start": ToolInputStart,
    "tool-input-delta": InputDelta,
    "tool-input-available": ToolInput,
    "tool-input-error": ToolInputError,
    "tool-output-available": ToolOutput,
    "tool-output-error": ToolOutputError,
    "source-url": Source,
    "source-document": Document,
    "file": File,
    **dict.fromkeys(("data-safety", "data-transcript"), Data),
    **dict.fromkeys(("finish", "abort", "error", "message-metadata"), Ending),
}


def convert(kind: str, value: dict[str, Any]) -> Chunk | None:
    """Return a chunk of type `kind`, read; None for a type we do not know. Raises DecodeError for a wrong field."""
    model = _CHUNKS.get(kind)
    return None if model is None else _json.convert(value, model, what=f"a {kind} chunk")


def metadata(value: Any) -> dict[str, Any]:
    """Return `providerMetadata` without what is not a map of maps, as it has to be."""
    if not isinstance(value, dict):
        return {}
    return {provider: told for provider, told in value.items() if isinstance(told, dict)}


def first_of(told: dict[str, Any], *names: str) -> str | None:
    """Return the first value of `told` under one of `names` that is text with something in it."""
    return next((value for name in names if isinstance(value := told.get(name), str) and value), None)
