"""What the events look like on the wire: the fields we read, checked for type; all others are ignored."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gai_stream import _json

__all__ = [
    "Call",
    "Content",
    "Custom",
    "Message",
    "RunError",
    "RunFinished",
    "RunStarted",
    "Seal",
    "Step",
    "ToolResult",
    "WireEvent",
    "convert",
    "ours",
]


class _Struct(msgspec.Struct, rename="camel"):
    metadata: Any = None


class RunStarted(_Struct, kw_only=True):
    run_id: str | None = None


class RunFinished(_Struct, kw_only=True):
    usage: Any = None
    outcome: Any = None


class RunError(_Struct, kw_only=True):
    message: str | None = None
    code: Any = None


class Step(_Struct, kw_only=True):
    """A step's start or end."""


class Message(_Struct, kw_only=True):
    """A text message's start, end or chunk."""

    message_id: str | None = None
    role: str | None = None
    delta: str | None = None


class Content(_Struct, kw_only=True):
    """A piece of text or reasoning."""

    delta: str
    message_id: str | None = None


class Call(_Struct, kw_only=True):
    """A tool call's start, piece, end or chunk."""

    tool_call_id: str | None = None
    tool_call_name: str | None = None
    delta: str | None = None


class ToolResult(_Struct, kw_only=True):
    tool_call_id: str
    content: Any


class Seal(_Struct, kw_only=True):
    subtype: str
    entity_id: str
    encrypted_value: str


class Custom(_Struct, kw_only=True):
    name: str
    value: Any


WireEvent = RunStarted | RunFinished | RunError | Step | Message | Content | Call | ToolResult | Seal | Custom

_EVENTS: Final[dict[str, type[WireEvent]]] = {
    "RUN_STARTED": RunStarted,
    "RUN_FINISHED": RunFinished,
    "RUN_ERROR": RunError,
    **dict.fromkeys(("STEP_STARTED", "STEP_FINISHED"), Step),
    **dict.fromkeys(("TEXT_MESSAGE_START", "TEXT_MESSAGE_END", "TEXT_MESSAGE_CHUNK"), Message),
    "TEXT_MESSAGE_CONTENT": Content,
    "REASONING_MESSAGE_CONTENT": Content,
    "REASONING_MESSAGE_CHUNK": Message,
    # The names before 0.0.45, whose messages have no id.
    "THINKING_TEXT_MESSAGE_CONTENT": Content,
    "REASONING_ENCRYPTED_VALUE": Seal,
    **dict.fromkeys(("TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "TOOL_CALL_CHUNK"), Call),
    "TOOL_CALL_RESULT": ToolResult,
    "CUSTOM": Custom,
}

SILENT: Final = frozenset(
    {
        *("REASONING_START", "REASONING_MESSAGE_START", "REASONING_MESSAGE_END", "REASONING_END"),
        *("THINKING_START", "THINKING_TEXT_MESSAGE_START", "THINKING_TEXT_MESSAGE_END", "THINKING_END"),
    }
)
"""Events that say nothing which their neighbours do not."""


def convert(kind: str, value: dict[str, Any]) -> WireEvent | None:
    """Return an event of type `kind`, read; None for a type we do not know. Raises DecodeError for a wrong field."""
    model = _EVENTS.get(kind)
    return None if model is None else _json.convert(value, model, what=f"a {kind} event")


def ours(metadata: Any, name: str) -> str | None:
    """Return the text that our own encoder put into `metadata` under `name`."""
    told = metadata.get("gai") if isinstance(metadata, dict) else None
    value = told.get(name) if isinstance(told, dict) else None
    return value if isinstance(value, str) and value else None
