"""Events to `gai.events.v1`."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import time
from typing import Any, Final, Literal, assert_never
from uuid import uuid4

from gai_stream import _json
from gai_stream.dialects.gai import GaiEncoder, event_fields
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
from gai_stream.sse import ServerSentEvent

__all__ = ["SCHEMA", "GaiV1Encoder", "compact", "make_request_id", "normalize"]

SCHEMA: Final = "gai.events.v1"
_SAID_BY_START: Final = ("schema", "trace_id", "request_id")


def make_request_id() -> str:
    """Return a new request id, such as "req_0f9c..."."""
    return f"req_{uuid4().hex}"


def normalize(
    event: Event,
    *,
    ts: int,
    seq: int,
    trace_id: str | None = None,
    request_id: str | None = None,
    provider: str | None = None,
    model: str | None = None,
) -> dict[str, Any]:
    """Return the full form of `event`, its keys in the documented order.

    `ts` is in ms since 1970, `seq` counts from 1; `provider` and `model` go into a Finish, which does not know its own.
    Done has no head: `{"finished": ..., "type": "done"}`. Raises EncodeError for data that has no JSON form.
    """
    # Nearly every event of a stream is plain text: it does not take the long way.
    if type(event) is TextDelta and event.text and not event.index and not event.refusal:
        kind, body = "text.delta", {"text": event.text}
    else:
        kind, body = _body(event, provider, model)
        if kind == "done":
            return {**body, "type": kind}
    full: dict[str, Any] = {"schema": SCHEMA, "type": kind, "ts": ts, "seq": seq}
    if trace_id is not None:
        full["trace_id"] = trace_id
    if request_id is not None:
        full["request_id"] = request_id
    full.update(body)
    return full


def _body(event: Event, provider: str | None, model: str | None) -> tuple[str, dict[str, Any]]:
    """Return an event's type, and all of its full form that comes behind the head."""
    fields = event_fields(event)
    del fields["type"]
    match event:
        case TextDelta(text=text) | ReasoningDelta(text=text):
            if not text:
                del fields["text"]
            return "text.delta" if isinstance(event, TextDelta) else "reasoning.delta", fields
        case Start():
            return "start", _known(provider=event.provider, model=event.model, id=event.id)
        case AudioDelta():
            return "audio.delta", {"audio": {"chunk": fields.pop("data"), **fields}}
        case ToolCallDelta():
            head = _known(call_id=fields.pop("id", None))
            return "tool.call.delta", {**head, "tool_call": {**fields, "arguments": event.arguments}}
        case ToolCall():
            head = _known(call_id=fields.pop("id") or None)
            return "tool.call", {**head, "tool_call": fields}
        case ToolResult(id=id, name=name, error=error):
            result = fields["result"]
            return "tool.result", _known(
                call_id=id or None, tool_result=result, tool_name=name or None, tool_error=error
            )
        case Citations():
            return "citations", fields if event.citations else {}
        case Safety():
            return "safety", {"safety": fields}
        case FinishStep():
            return "step.end", _known(step=event.number or None)
        case Finish(reason=reason, raw_reason=raw):
            usage = fields.get("usage")
            told = _known(provider=provider, model=model, usage=usage, finish_reason=reason, raw_reason=raw)
            return "finish", told | _known(stop_sequence=event.stop_sequence)
        case Failure():
            seconds = fields.pop("retry_after", None)
            return "error", {"error": {**fields, **_retry_after(seconds)}}
        case Raw():
            return "raw", _known(provider=event.provider or None, raw=fields["data"])
        case Done(finished=finished):
            return "done", {"finished": finished}
        case _:
            assert_never(event)


def _known(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _retry_after(seconds: float | None) -> dict[str, Any]:
    """Return the documented whole ms, and the seconds too where ms are too coarse for them."""
    if seconds is None:
        return {}
    ms = seconds * 1000
    if not math.isfinite(ms):
        return {"retry_after": seconds}
    whole = {"retry_after_ms": round(ms)}
    return whole if float(round(ms)) / 1000 == seconds else {**whole, "retry_after": seconds}


def compact(full: dict[str, Any]) -> dict[str, Any]:
    """Return the compact form of a full one: sorted keys, the tool call and the error flat, tool_result as "output"."""
    type = full.get("type")
    if type == "text.delta" and _is_plain(full):
        # Nearly every event of a stream: it does not take the long way.
        return {"seq": full["seq"], "text": full["text"], "ts": full["ts"], "type": type}
    short = full.copy()
    if type == "start":
        return dict(sorted(short.items()))
    for key in _SAID_BY_START:
        short.pop(key, None)
    if type == "text.delta" or type == "reasoning.delta":
        short.setdefault("text", "")
    elif type == "tool.call" or type == "tool.call.delta":
        short |= short.pop("tool_call", {})
    elif type == "tool.result":
        short["output"] = short.pop("tool_result", None)
    elif type == "error":
        short |= short.pop("error", {})
    elif type == "finish":
        short.pop("provider", None)
        short.pop("model", None)
    return dict(sorted(short.items()))


def _is_plain(full: dict[str, Any]) -> bool:
    """Tell whether an event has a number, a text and a time, and of other keys only those that the start has said."""
    others = len(full) - ("schema" in full) - ("trace_id" in full) - ("request_id" in full)
    return others == 4 and "seq" in full and "text" in full and "ts" in full


class GaiV1Encoder(GaiEncoder):
    """Turn events into numbered messages of `gai.events.v1`, and end them as GaiEncoder does.

    `compact=None` is the compact form for SSE and the full form for NDJSON. `request_id` is made up when None; `clock`
    gives the Unix time in seconds.
    """

    def __init__(
        self,
        *,
        framing: Literal["sse", "ndjson"] = "sse",
        compact: bool | None = None,
        trace_id: str | None = None,
        request_id: str | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        super().__init__(framing=framing)
        if compact is not None and not isinstance(compact, bool):
            raise ValueError(f"compact must be True, False or None, not {compact!r}")
        for option, value in (("trace_id", trace_id), ("request_id", request_id)):
            if value is not None and (not isinstance(value, str) or not value):
                raise ValueError(f"{option} must be a string that is not empty, or None, not {value!r}")
        if not callable(clock):
            raise TypeError(f"clock must be callable, such as time.time, not {clock!r}")
        self.trace_id = trace_id
        self.request_id = make_request_id() if request_id is None else request_id
        self._compact = self._sse if compact is None else compact
        self._clock = clock
        self._seq = 0
        self._provider: str | None = None
        self._model: str | None = None

    def text_message(self, text: str) -> None:
        """Return None: messages are numbered and dated, so `feed` must see each."""

    def _message(self, event: Event) -> ServerSentEvent | dict[str, Any]:
        if isinstance(event, Done) and self._sse:
            # The one object whose keys the original ordered differently in its two framings.
            return ServerSentEvent(_json.dumps({"type": "done", "finished": event.finished}).decode(), event="done")
        ts, seq = round(self._clock() * 1000), self._seq + 1
        if self._compact and type(event) is TextDelta and not event.index and not event.refusal:
            value: dict[str, Any] = {"seq": seq, "text": event.text, "ts": ts, "type": "text.delta"}
        else:
            value = normalize(
                event,
                ts=ts,
                seq=seq,
                trace_id=self.trace_id,
                request_id=self.request_id,
                provider=self._provider,
                model=self._model,
            )
            if self._compact:
                value = compact(value)
        message = ServerSentEvent(_json.dumps(value).decode(), event=value["type"]) if self._sse else value
        self._seq = seq
        if isinstance(event, Start):
            self._provider, self._model = event.provider, event.model
        return message
