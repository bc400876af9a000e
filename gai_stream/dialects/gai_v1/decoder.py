"""`gai.events.v1`, in either form, to events."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeGuard

import msgspec

from gai_stream.dialects.gai import GaiDecoder, load_typed, unknown, wire_names
from gai_stream.events import (
    AudioDelta,
    Citations,
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    Raw,
    ReasoningDelta,
    Safety,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
)
from gai_stream.exceptions import DecodeError
from gai_stream.sse import ServerSentEvent

from .encoder import SCHEMA

__all__ = ["GaiV1Decoder", "parse", "validate"]

_CLASSES: Final[dict[str, Any]] = {
    "start": Start,
    "text.delta": TextDelta,
    "reasoning.delta": ReasoningDelta,
    "audio.delta": AudioDelta,
    "tool.call.delta": ToolCallDelta,
    "tool.call": ToolCall,
    "tool.result": ToolResult,
    "citations": Citations,
    "safety": Safety,
    "step.end": FinishStep,
    "finish": Finish,
    "error": Failure,
    "raw": Raw,
    "done": Done,
}
# Wire keys that differ from the event's own, for errors: type -> {field: key}.
_KEYS: Final[dict[str, dict[str, str]]] = {
    "audio.delta": {"data": "chunk"},
    "tool.call.delta": {"id": "call_id"},
    "tool.call": {"id": "call_id"},
    "tool.result": {"id": "call_id", "name": "tool_name", "error": "tool_error"},
    "step.end": {"number": "step"},
    "finish": {"reason": "finish_reason"},
}


class _Text(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A text event of either form, with nothing in it that would have to be looked at again."""

    type: Literal["text.delta"]
    text: str = ""
    index: int = 0
    refusal: bool = False
    schema: Literal["gai.events.v1"] = "gai.events.v1"
    ts: Any = None
    seq: Any = None
    trace_id: Any = None
    request_id: Any = None


_decode_text = msgspec.json.Decoder(_Text).decode


def parse(data: bytes | str | dict[str, Any]) -> Event:
    """Return the event in one message, of either form. Raises DecodeError, which names the field that is wrong.

    A type that the schema does not have becomes Raw("gai", the whole object).
    """
    if _is_text(data):
        # Nearly every event of a stream is text, and what is wrong with one is found the long way.
        try:
            text = _decode_text(data)
            return TextDelta(text.text, text.index, text.refusal)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            pass
    kind, value = load_typed(data)
    if value.get("schema", SCHEMA) != SCHEMA:
        raise DecodeError(f"schema must be {SCHEMA!r}, not {value['schema']!r}")
    if kind not in _CLASSES:
        return Raw("gai", value)
    try:
        event: Event = msgspec.convert(_event_fields(kind, value), _CLASSES[kind])
    except (msgspec.ValidationError, RecursionError) as exc:
        raise DecodeError(f"{kind}: {wire_names(exc, _KEYS.get(kind, {}))}") from exc
    return event


def _is_text(data: bytes | str | dict[str, Any]) -> TypeGuard[bytes | str]:
    """Tell whether `data` looks like the JSON of a text event, as ours is written."""
    if isinstance(data, bytes):
        return data.find(b'"type":"text.delta"') >= 0
    return isinstance(data, str) and '"type":"text.delta"' in data


def _event_fields(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of the event in `value`. Raises ValidationError for an inner object that is none."""
    match kind:
        case "text.delta" | "reasoning.delta":
            fields = {"text": "", **value}
        case "audio.delta":
            fields = _inner(value, "audio")
            if "chunk" in fields:
                fields["data"] = fields["chunk"]
        case "tool.call.delta":
            fields = {**_inner(value, "tool_call", value), "id": value.get("call_id")}
        case "tool.call":
            fields = {"input": None, **_inner(value, "tool_call", value), "id": value.get("call_id", "")}
        case "tool.result":
            result = value["output"] if "output" in value else value.get("tool_result")
            fields = {"id": value.get("call_id", ""), "name": value.get("tool_name", ""), "result": result}
            fields["error"] = value.get("tool_error")
        case "citations":
            fields = {"citations": [], **value}
        case "safety":
            fields = _inner(value, "safety")
        case "step.end":
            fields = {"number": value.get("step", 0)}
        case "finish":
            fields = {**value, "reason": value.get("finish_reason", "unknown")}
        case "error":
            fields = _inner(value, "error", value)
            if "retry_after" not in fields and (ms := fields.get("retry_after_ms")) is not None:
                fields["retry_after"] = msgspec.convert(ms, float) / 1000
        case "raw":
            fields = {"provider": value.get("provider", ""), "data": value.get("raw")}
        case "done" if "finished" not in value:
            raise msgspec.ValidationError("Object missing required field `finished`")
        case _:
            fields = value.copy()
    fields.pop("type", None)
    return fields


def _inner(value: dict[str, Any], key: str, default: Any = None) -> dict[str, Any]:
    """Return a copy of the object under `key`. Raises ValidationError if there is none."""
    inner = value.get(key, default)
    if isinstance(inner, dict):
        return inner.copy()
    raise msgspec.ValidationError(f"{key} must be an object, not {type(inner).__name__}")


class _Head(msgspec.Struct):
    schema: Literal["gai.events.v1"]
    ts: int
    seq: int = 0
    trace_id: str = ""
    request_id: str = ""


def validate(data: bytes | str | dict[str, Any]) -> None:
    """Raise DecodeError, which names the field, unless `data` is one event in the full form.

    The schema is asked for on every event; the stream's last line, `done`, has none and is no event of the schema.
    """
    _, value = load_typed(data)
    try:
        msgspec.convert(value, _Head)
    except msgspec.ValidationError as exc:
        raise DecodeError(f"not an event of {SCHEMA}: {exc}") from exc
    parse(value)


class GaiV1Decoder(GaiDecoder):
    """Turn messages of `gai.events.v1`, in either form and either framing, into events.

    A type or a message name that the schema does not have becomes Raw("gai", value), with the name as the value's
    "type". Whatever follows `done` is ignored.
    """

    def _event(self, message: ServerSentEvent | dict[str, Any] | bytes | str) -> Event:
        if not isinstance(message, ServerSentEvent):
            return parse(message)
        if message.event == "message" or message.event in _CLASSES:
            return parse(message.data)
        return Raw("gai", unknown(message))
