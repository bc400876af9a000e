"""The `gai` dialect: the documented SSE and NDJSON forms of the events, byte for byte, both ways.

SSE names a message by its event's tag and escapes `<`, `>` and `&`; NDJSON puts the tag under "type". Keys are in
alphabetical order. What the documented forms have no place for rides in further keys, each sent only when it says
something: without them the bytes are the documented ones, with them nothing is lost. So an absent "reason" of
`finish` is "stop", and an absent "code" of `error` is "internal".
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal, assert_never, get_args

import msgspec

from gai_stream import _json
from gai_stream.events import (
    EVENT_TYPES,
    AudioDelta,
    Citation,
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
from gai_stream.exceptions import DecodeError, EncodeError, TruncatedStream
from gai_stream.sse import ServerSentEvent

from ._audio import join_format, split_format

__all__ = ["GaiDecoder", "GaiEncoder", "event_fields", "load_typed", "unknown", "wire_names"]

# What the original tells an EventSource to wait after an error, in ms, unless the provider named a time.
_RETRY: Final = 5000
_MARKUP: Final = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}
# What NDJSON nests: tag -> key of the inner object.
_INNER: Final = {"audio_delta": "audio", "finish_step": "step"} | {
    tag: tag for tag in ("tool_call_delta", "tool_call", "tool_result")
}
# Wire keys that differ from the event's own: tag -> {field: key}. Inner objects keep the fields' names, but for one.
_TOOL_KEYS: Final = {"id": "tool_id", "name": "tool_name"}
_KEYS: Final[dict[str, dict[str, str]]] = {
    "audio_delta": {"data": "audio"},
    "tool_call_delta": _TOOL_KEYS,
    "tool_call": _TOOL_KEYS,
    "tool_result": _TOOL_KEYS,
    "finish_step": {"number": "step_number"},
    "error": {"message": "error"},
    "raw": {"data": "raw"},
}
_INNER_KEYS: Final[dict[str, dict[str, str]]] = {"audio_delta": {"data": "chunk"}}
# What an absent field stands for, where the event has no such default: the original had no place for it.
_ABSENT: Final[dict[str, dict[str, str]]] = {
    "tool_result": {"id": ""},
    "finish": {"reason": "stop"},
    "error": {"code": "internal"},
    "raw": {"provider": ""},
}
# What the documented form always has, though the event could be made without it.
_REQUIRED: Final = {"start": "started", "safety": "safety", "done": "finished"}
_CLASSES: Final[dict[str, Any]] = {cls.__struct_config__.tag: cls for cls in get_args(Event)}


class GaiEncoder:
    """Turn events into the documented messages: ServerSentEvents, or for `framing="ndjson"` dicts.

    `done` comes last, once, from `finish`. It says `"finished": false` after a Failure, after Done(finished=False), and
    when a Start was followed by neither Finish nor Done: a cut stream is seen to be cut. A Done that is fed is
    remembered, not sent. Whatever follows a Failure or a Done is dropped: the stream is over.
    """

    heartbeat: bytes | None = None  # the framing's own

    def __init__(self, *, framing: Literal["sse", "ndjson"] = "sse") -> None:
        if framing not in ("sse", "ndjson"):
            raise ValueError(f"framing must be 'sse' or 'ndjson', not {framing!r}")
        self._sse = framing == "sse"
        self._over = False
        self._whole = True
        self._finished = False

    def feed(self, event: Event, /) -> list[Any]:
        """Return the event's message. Raises EncodeError, and forgets the event, for data that has no JSON form."""
        if self._finished:
            raise RuntimeError(f"{type(self).__name__}: feed after finish")
        if self._over:
            return []
        kind = type(event)
        if kind is TextDelta:
            return [self._message(event)]
        if kind not in EVENT_TYPES:
            raise EncodeError(f"{type(self).__name__}: takes events, such as TextDelta(text), not {kind.__name__}")
        if isinstance(event, Done):
            self._over, self._whole = True, event.finished
            return []
        message = self._message(event)
        if kind is Failure:
            self._over, self._whole = True, False
        elif kind is Start or kind is Finish:
            self._whole = kind is Finish
        return [message]

    def text_message(self, text: str) -> ServerSentEvent | dict[str, Any] | None:
        """Return what TextDelta(text) becomes as of now; None if `feed` must see it."""
        return None if self._over or self._finished else self._message(TextDelta(text))

    def finish(self) -> list[Any]:
        """Return the `done` message."""
        if self._finished:
            raise RuntimeError(f"{type(self).__name__}: finish after finish")
        self._finished = True
        return [self._message(Done(self._whole))]

    def _message(self, event: Event) -> ServerSentEvent | dict[str, Any]:
        if type(event) is TextDelta and not event.index and not event.refusal:
            # Nearly every event of a stream is one of these: they do not take the long way.
            if not self._sse:
                return {"text": event.text, "type": "text_delta"}
            return ServerSentEvent(_escaped({"text": event.text}), event="text_delta")
        tag, fields = _documented(event)
        if not self._sse:
            return _line(tag, fields)
        data = _escaped(_renamed(fields, _KEYS.get(tag, {})))
        return ServerSentEvent(data, event=tag, retry=_retry(event) if isinstance(event, Failure) else None)


def _escaped(payload: dict[str, Any]) -> str:
    data = _json.dumps(payload).decode()
    return data.translate(_MARKUP) if "<" in data or ">" in data or "&" in data else data


def event_fields(event: Event) -> dict[str, Any]:
    """Return the event's tag as "type" and its fields that are not at their default, as plain JSON types.

    Raises EncodeError for data that has no JSON form.
    """
    try:
        fields: dict[str, Any] = _json.to_jsonable(event)
    except (TypeError, ValueError, RecursionError) as exc:
        raise EncodeError(f"{type(event).__name__} cannot be written as JSON: {exc}") from exc
    return fields


def _documented(event: Event) -> tuple[str, dict[str, Any]]:
    """Return an event's tag and fields: those that the documented form always has, and those that say something."""
    if isinstance(event, Done):
        return "done", {"finished": event.finished}
    fields = event_fields(event)
    tag = fields.pop("type")
    for field, value in _ABSENT.get(tag, {}).items():
        if fields[field] == value:
            del fields[field]
    match event:
        case TextDelta() | ReasoningDelta() | ToolCall() | ToolResult() | FinishStep() | Failure() | Raw():
            pass
        case Start():
            fields["started"] = True
        case ToolCallDelta(arguments=arguments):
            fields["arguments"] = arguments
        case AudioDelta(format=format):
            fields["format"] = split_format(format)
        case Citations(citations=citations):
            fields["citations"] = [_citation(item) for item in citations]
        case Safety():
            fields = {"safety": fields}
        case Finish():
            fields.setdefault("usage", None)
        case _:
            assert_never(event)
    return tag, fields


def _renamed(fields: dict[str, Any], keys: dict[str, str]) -> dict[str, Any]:
    return dict(sorted((keys.get(field, field), value) for field, value in fields.items()))


def _line(tag: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the NDJSON value of an event."""
    if tag in _INNER:
        if tag == "finish_step":
            fields["finished"] = True
        return {_INNER[tag]: _renamed(fields, _INNER_KEYS.get(tag, {})), "type": tag}
    if tag == "finish":
        fields["finished"] = True
    elif tag == "raw" and fields["data"] is None:
        del fields["data"]
    return _renamed({**fields, "type": tag}, _KEYS.get(tag, {}))


def _retry(failure: Failure) -> int:
    """Return the reconnection time in ms: the provider's own wish where it has one that can be followed."""
    seconds = failure.retry_after
    return round(seconds * 1000) if seconds is not None and 0 <= seconds <= 86400 else _RETRY


def _citation(citation: Citation) -> dict[str, Any]:
    """Return a citation with its keys in the documented order."""
    keys = ("uri", "start", "end", "title", "text")
    return {key: value for key in keys if (value := getattr(citation, key)) is not None}


class GaiDecoder:
    """Turn the documented messages into events: ServerSentEvents, or NDJSON values, parsed or as text.

    A name that the dialect does not have becomes Raw("gai", value), with the name as the value's "type". Whatever
    follows `done` is ignored.
    """

    def __init__(self) -> None:
        self._over = False
        self._finished = False

    def feed(self, message: ServerSentEvent | dict[str, Any] | bytes | str, /) -> list[Event]:
        """Return the message's event. Raises DecodeError for one that is malformed; reading can go on behind it."""
        if self._finished:
            raise RuntimeError(f"{type(self).__name__}: feed after finish")
        if self._over:
            return []
        if isinstance(message, ServerSentEvent) and message.comment is not None and not message.data:
            return []
        event = self._event(message)
        self._over = isinstance(event, Done)
        return [event]

    def finish(self) -> list[Event]:
        """Return nothing. Raises TruncatedStream if `done` never came."""
        if self._finished:
            raise RuntimeError(f"{type(self).__name__}: finish after finish")
        self._finished = True
        if not self._over:
            raise TruncatedStream("the stream ended before its done message")
        return []

    def _event(self, message: ServerSentEvent | dict[str, Any] | bytes | str) -> Event:
        if not isinstance(message, ServerSentEvent):
            return _from_line(message)
        if message.event in _CLASSES:
            return _from_fields(message.event, _load(message.data), _KEYS)
        # Without a name of its own a message may be a line of NDJSON that somebody put into an event stream.
        value = unknown(message)
        return _from_line(value) if isinstance(value["type"], str) else Raw("gai", value)


def unknown(message: ServerSentEvent) -> dict[str, Any]:
    """Return what is known of a message whose name means nothing: its object, or its "data", and its "type"."""
    try:
        value = _load(message.data)
    except DecodeError:
        value = message.data
    if not isinstance(value, dict):
        value = {"data": value}
    return value if "type" in value and message.event == "message" else {**value, "type": message.event}


def _load(message: object) -> Any:
    """Return the value of JSON text, integers of any size exact; an object is returned as it is. Raises DecodeError."""
    if isinstance(message, dict):
        return message
    if not isinstance(message, bytes | str):
        raise DecodeError(f"message must be a ServerSentEvent, an object or JSON text, not {type(message).__name__}")
    try:
        return msgspec.json.decode(message)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as exc:
        line = message if isinstance(message, bytes) else message.encode(errors="replace")
        raise DecodeError(f"message is not JSON: {exc}", line=line) from exc


def load_typed(message: object) -> tuple[str, dict[str, Any]]:
    """Return the "type" of an object, and the object: given as it is, or as JSON text. Raises DecodeError."""
    value = _load(message)
    if not isinstance(value, dict):
        raise DecodeError(f"message must be an object, not {type(value).__name__}")
    if not isinstance(tag := value.get("type"), str):
        raise DecodeError(f"type must be a string, not {tag!r}" if "type" in value else "type is missing")
    return tag, value


def _from_line(message: object) -> Event:
    """Return the event of an NDJSON value."""
    tag, value = load_typed(message)
    if tag not in _CLASSES:
        return Raw("gai", value)
    if tag not in _INNER:
        return _from_fields(tag, value, _KEYS)
    inner = value.get(_INNER[tag])
    if not isinstance(inner, dict):
        raise DecodeError(f"{tag}: {_INNER[tag]} must be an object, not {type(inner).__name__}")
    return _from_fields(tag, inner, _INNER_KEYS)


def _from_fields(tag: str, value: Any, keys: dict[str, dict[str, str]]) -> Event:
    """Return the event of an object with `keys` for its fields. Raises DecodeError, which names the field."""
    if not isinstance(value, dict):
        raise DecodeError(f"{tag}: data must be an object, not {type(value).__name__}")
    renamed = {key: field for field, key in keys.get(tag, {}).items()}
    fields: Any = _ABSENT.get(tag, {}) | {renamed.get(key, key): item for key, item in value.items()}
    fields.pop("type", None)
    try:
        if tag in _REQUIRED and _REQUIRED[tag] not in fields:
            raise msgspec.ValidationError(f"Object missing required field `{_REQUIRED[tag]}`")
        match tag:
            case "start":
                msgspec.convert(fields["started"], bool)
            case "audio_delta":
                fields["format"] = join_format(fields.get("format"))
            case "citations" if fields.get("citations", ...) is None:
                fields["citations"] = []
            case "safety":
                # The original has null where it had nothing to tell.
                if (fields := fields["safety"]) is None:
                    return Raw("gai", {"safety": None, "type": tag})
            case "raw":
                fields.setdefault("data", None)
        event: Event = msgspec.convert(fields, _CLASSES[tag])
    except (msgspec.ValidationError, RecursionError) as exc:
        raise DecodeError(f"{tag}: {wire_names(exc, keys.get(tag, {}))}") from exc
    return event


def wire_names(exc: Exception, keys: dict[str, str]) -> str:
    """Return msgspec's words about an event with the fields called as on the wire: `keys` is {field: key}."""
    return re.sub(r"`(\$\.)?(\w+)", lambda found: f"`{found[1] or ''}{keys.get(found[2], found[2])}", str(exc))
