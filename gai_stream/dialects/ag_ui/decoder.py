"""AG-UI events to ours, from any agent that speaks the protocol."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import msgspec

from gai_stream import _json
from gai_stream.dialects._decoder import DONE, Decoder, read_message
from gai_stream.dialects._errors import provider_error
from gai_stream.dialects._incoming import IncomingCalls
from gai_stream.dialects._token_counts import usage_of
from gai_stream.events import (
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
    ToolResult,
    failure_from,
)
from gai_stream.exceptions import DecodeError

from . import wire

__all__ = ["AGUIDecoder"]

# After these, a tool call that is not whole was cut off rather than badly written.
_EARLY_ENDS: Final = ("length", "content_filter", "refusal", "error", "aborted")
_REASONS: Final = ("stop", "length", "tool_calls", "content_filter", "refusal", "error", "aborted")

_CUSTOM: Final[dict[str, Any]] = {"gai.citations": list[Citation], "gai.safety": Safety, "gai.audio": AudioDelta}


class AGUIDecoder(Decoder):
    """Turn the AG-UI events of one run into events.

    The answer ends at RUN_FINISHED or RUN_ERROR; input that ends before is TruncatedStream. Messages of other roles,
    state and activities are Raw. Where the agent does not say why it finished, it is "tool_calls" if a call is without
    its result, else "stop". `max_arguments_size` bounds the tool calls of one answer together, in characters.
    """

    def __init__(self, *, max_arguments_size: int = 1 << 20) -> None:
        super().__init__()
        self._calls = IncomingCalls(max_arguments_size)
        self._latest_call = ""
        self._waiting: set[str] = set()
        self._others_message: str | None = None
        self._started = False
        self._in_step = False
        self._steps = 0

    def _decode(self, message: Any) -> list[Event]:
        value = read_message(message, self)
        if value is None or value is DONE:
            return []
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str):
            if isinstance(value, dict) and (value.get("error") or value.get("message")):
                return self._fail(failure_from(provider_error(value)))
            return self._begin([Raw("ag_ui", value)])
        if kind in wire.SILENT:
            return []
        event = wire.convert(kind, value)
        match event:
            case wire.RunStarted(run_id=id, metadata=metadata):
                start = Start(wire.ours(metadata, "model"), wire.ours(metadata, "provider"), id)
                return self._begin([], start)
            case wire.RunError(message=text, code=code):
                return self._fail(failure_from(provider_error({"message": text, "code": code})))
            case wire.RunFinished():
                return self._begin(self._close(event))
        events = self._content(kind, event, value)
        return self._begin(events) if events else []

    def _begin(self, events: list[Event], start: Start | None = None) -> list[Event]:
        """Put Start before the first events."""
        if self._started:
            return events
        self._started = True
        return [start or Start(), *events]

    def _content(self, kind: str, event: wire.WireEvent | None, value: dict[str, Any]) -> list[Event]:
        match event:
            case wire.Content(delta=text, message_id=id):
                if kind == "TEXT_MESSAGE_CONTENT":
                    return self._text(id, text, value)
                return self._reasoning(text)
            case wire.Message(delta=text) if kind == "REASONING_MESSAGE_CHUNK":
                return self._reasoning(text or "")
            case wire.Message(message_id=id, role=role, delta=text):
                if role not in (None, "assistant"):
                    self._others_message = id
                elif kind == "TEXT_MESSAGE_START":
                    self._others_message = None
                if text and (id is None or id != self._others_message):
                    self._in_step = True
                    return [TextDelta(text)]
                return [Raw("ag_ui", value)] if id is not None and id == self._others_message else []
            case wire.Seal(subtype="message", encrypted_value=seal):
                return self._reasoning("", seal)
            case wire.Seal(subtype="tool-call", entity_id=id, encrypted_value=seal):
                self._calls.sign(id, seal)
                return []
            case wire.Call():
                return self._call(kind, event)
            case wire.ToolResult(tool_call_id=id, content=content):
                self._waiting.discard(id)
                return [_result(id, self._calls.name_of(id), content)]
            case wire.Step():
                self._in_step = kind == "STEP_STARTED"
                return [] if self._in_step else self._step()
            case wire.Custom():
                return _custom(event) or [Raw("ag_ui", value)]
            case _:
                return [Raw("ag_ui", value)]

    def _text(self, id: str | None, text: str, value: dict[str, Any]) -> list[Event]:
        if id is not None and id == self._others_message:
            return [Raw("ag_ui", value)]
        if not text:
            return []
        self._in_step = True
        return [TextDelta(text)]

    def _reasoning(self, text: str, seal: str | None = None) -> list[Event]:
        if not text and not seal:
            return []
        self._in_step = True
        return [ReasoningDelta(text, seal or None)]

    def _call(self, kind: str, event: wire.Call) -> list[Event]:
        id = event.tool_call_id if event.tool_call_id is not None else self._latest_call
        events: list[Event] = []
        if kind == "TOOL_CALL_END":
            events = self._noted(self._calls.end(id))
        else:
            if event.tool_call_name:
                events = self._calls.begin(id, event.tool_call_name, wire.ours(event.metadata, "kind") or "function")
            events += self._calls.add(id, event.delta or "")
            self._latest_call = id
        self._in_step = True
        return events

    def _noted(self, events: list[Event]) -> list[Event]:
        self._waiting |= {event.id for event in events if isinstance(event, ToolCall) and event.kind != "server"}
        return events

    def _step(self) -> list[Event]:
        self._in_step = False
        self._steps += 1
        return [*self._noted(self._calls.end_all()), FinishStep(self._steps)]

    def _close(self, event: wire.RunFinished) -> list[Event]:
        events = self._step() if self._in_step or not self._steps else []
        raw = wire.ours(event.metadata, "finishReason")
        reason = raw if raw in _REASONS else None
        if reason not in _EARLY_ENDS and (problem := self._calls.problem()) is not None:
            calls = [made for made in events if not isinstance(made, FinishStep)]
            return [*calls, *self._fail(Failure("invalid_response", problem))]
        interrupted = isinstance(event.outcome, dict) and event.outcome.get("type") == "interrupt"
        if raw is None and interrupted:
            raw = "interrupt"
        reason = reason or ("unknown" if raw else "tool_calls" if self._waiting else "stop")
        usages = event.usage if isinstance(event.usage, list) else []
        # One entry for each model that was used; who used several has no sum of theirs to tell.
        usage = usage_of(usages[0]) if len(usages) == 1 else None
        self._done = True
        return [*events, Finish(reason, usage, raw), Done(finished=reason not in ("error", "aborted"))]


def _result(id: str, name: str, content: Any) -> ToolResult:
    """Return a result, whose content is text: JSON objects and arrays are read, all else is left as it is."""
    if isinstance(content, str) and content[:1] in ("{", "["):
        with contextlib.suppress(DecodeError):
            content = _json.loads(content)
    if isinstance(content, dict) and len(content) == 1 and isinstance(error := content.get("error"), str):
        return ToolResult(id, name, None, error)
    return ToolResult(id, name, content)


def _custom(event: wire.Custom) -> list[Event]:
    if event.name == "gai.redacted_reasoning" and isinstance(event.value, str) and event.value:
        return [ReasoningDelta("", redacted=event.value)]
    if (model := _CUSTOM.get(event.name)) is None:
        return []
    value = event.value
    if event.name == "gai.safety" and isinstance(value, dict):
        value = {**value, "type": "safety"}
    if event.name == "gai.audio" and isinstance(value, dict):
        value = {"data": "", **value, "type": "audio_delta"}
    try:
        told = msgspec.convert(value, model)
    except msgspec.ValidationError:
        return []
    return [Citations(told)] if isinstance(told, list) else [told]
