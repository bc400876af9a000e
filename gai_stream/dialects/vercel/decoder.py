"""UI message stream chunks to events: ours, and those of any server built on the AI SDK."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gai_stream import events as model
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
    TextDelta,
    ToolResult,
    Usage,
    failure_from,
)

from . import wire
from .audio import audio_of

__all__ = ["VercelDecoder"]

_REASONS: Final[dict[str, str]] = {
    "stop": "stop",
    "length": "length",
    "tool-calls": "tool_calls",
    "content-filter": "content_filter",
    "error": "error",
}

# After these, a tool call that is not whole was cut off rather than badly written.
_EARLY_ENDS: Final = ("length", "content_filter", "error")


class VercelDecoder(Decoder):
    """Turn the chunks of one UI message stream into events.

    The answer ends at `[DONE]`, at `error` or `abort`, or when the input does after `finish`; input that ends before is
    TruncatedStream. `max_arguments_size` bounds the tool calls of one answer together, in characters.
    """

    def __init__(self, *, max_arguments_size: int = 1 << 20) -> None:
        super().__init__()
        self._calls = IncomingCalls(max_arguments_size)
        self._started = False
        self._provider: str | None = None
        self._refusal: str | None = None
        self._seal: tuple[str | None, ...] = ()
        self._in_step = False
        self._steps = 0
        self._ending: wire.Ending | None = None
        self._reason: str | None = None
        self._usage: Usage | None = None

    def _decode(self, message: Any) -> list[Event]:
        value = read_message(message, self)
        if value is None:
            return []
        if value is DONE:
            return self._close()
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str):
            if isinstance(value, dict) and value.get("error"):
                return self._fail(failure_from(provider_error(value)))
            return self._begin(None, [Raw("vercel", value)])
        chunk = wire.convert(kind, value)
        if isinstance(chunk, wire.Ending) and kind == "error":
            text = chunk.error_text or ""
            return self._fail(failure_from(provider_error(text if text[:1] in ("", "{") else {"message": text})))
        if isinstance(chunk, wire.Ending) and kind == "abort":
            self._done = True
            return self._begin(
                None, [*self._last_step(), Finish("aborted", self._usage, chunk.reason), Done(finished=False)]
            )
        events = self._chunk(kind, chunk, value)
        if isinstance(chunk, wire.Start):
            return self._begin(chunk, events)
        return self._begin(None, events) if events else []

    def _end_of_input(self) -> list[Event]:
        return self._close() if self._ending is not None else super()._end_of_input()

    def _begin(self, start: wire.Start | None, events: list[Event]) -> list[Event]:
        """Put Start before the first events."""
        if self._started:
            return events
        self._started = True
        told = start.message_metadata if start is not None else None
        told = told if isinstance(told, dict) else {}
        self._provider = wire.first_of(told, "provider")
        id = start.message_id if start is not None else None
        return [model.Start(wire.first_of(told, "model"), self._provider, id), *events]

    def _chunk(self, kind: str, chunk: wire.Chunk | None, value: dict[str, Any]) -> list[Event]:
        match chunk:
            case wire.Delta(delta=text, id=id):
                self._in_step = True
                if kind == "text-delta":
                    return self._text(id, text)
                return [*([ReasoningDelta(text)] if text else []), *self._sealed(id, chunk.provider_metadata)]
            case wire.Part(id=id):
                return self._part(kind, id, chunk.provider_metadata)
            case wire.ToolInputError(tool_call_id=id, error_text=text):
                # Both sides of an AI SDK application take it for a call that was made and that failed.
                return [*self._call(chunk), ToolResult(id, chunk.tool_name, None, text)]
            case wire.ToolInput():
                return self._call(chunk)
            case wire.ToolInputStart(tool_call_id=id, tool_name=name):
                events = self._calls.begin(id, name, "server" if chunk.provider_executed else "function")
                self._in_step = True
                return events
            case wire.InputDelta(tool_call_id=id, input_text_delta=text):
                events = self._calls.add(id, text)
                self._in_step = True
                return events
            case wire.ToolOutput(tool_call_id=id) if not chunk.preliminary:
                return [ToolResult(id, self._calls.name_of(id), chunk.output)]
            case wire.ToolOutputError(tool_call_id=id, error_text=text):
                return [ToolResult(id, self._calls.name_of(id), None, text)]
            case wire.Source(url=url, title=title):
                return [_cited(url, title, chunk.provider_metadata)]
            case wire.Document(title=title):
                return [_cited(None, title, chunk.provider_metadata)]
            case wire.File(url=url) if (audio := audio_of(url)) is not None:
                self._in_step = True
                return [audio]
            case wire.Data(data={"text": str() as text}) if kind == "data-transcript":
                return [AudioDelta(b"", transcript=text)]
            case wire.Data(data=data) if kind == "data-safety" and (verdict := _verdict(data)) is not None:
                return [verdict]
            case wire.Ending():
                self._take(chunk.message_metadata)
                if kind == "message-metadata":
                    return [Raw("vercel", value)]
                self._ending = chunk
                return []
            case wire.Step():
                self._in_step = kind == "start-step"
                return [] if self._in_step else self._step()
            case wire.Start():
                self._take(chunk.message_metadata)
                return []
            case _:
                return [Raw("vercel", value)]

    def _text(self, id: str | None, text: str) -> list[Event]:
        if not text:
            return []
        return [TextDelta(text, refusal=self._refusal is not None and self._refusal == id)]

    def _part(self, kind: str, id: str | None, metadata: Any) -> list[Event]:
        if kind == "text-start":
            refuses = wire.metadata(metadata).get("gai", {}).get("refusal") is True
            self._refusal = id if refuses else None
        return self._sealed(id, metadata) if kind.startswith("reasoning") else []

    def _sealed(self, id: str | None, metadata: Any) -> list[Event]:
        """Return the seal in `metadata`, by our name or the AI SDK's providers'; it may come several times."""
        for provider, told in wire.metadata(metadata).items():
            if self._provider is not None and provider != self._provider:
                continue
            seal = wire.first_of(told, "signature", "thoughtSignature", "reasoningEncryptedContent")
            redacted = wire.first_of(told, "redactedData")
            if (seal or redacted) and self._seal != (id, seal, redacted):
                self._seal = (id, seal, redacted)
                return [ReasoningDelta("", seal, redacted=redacted)]
        return []

    def _call(self, chunk: wire.ToolInput) -> list[Event]:
        sealed = [
            seal
            for provider, told in wire.metadata(chunk.provider_metadata).items()
            if self._provider in (None, provider) and (seal := wire.first_of(told, "signature", "thoughtSignature"))
        ]
        events = self._calls.close(
            chunk.tool_call_id,
            chunk.tool_name,
            chunk.input,
            server=bool(chunk.provider_executed),
            signature=sealed[0] if sealed else None,
        )
        self._in_step = True
        return events

    def _take(self, metadata: Any) -> None:
        """Keep the usage that the message's metadata tells, and the reason where `finish` has no field for it."""
        if isinstance(metadata, dict):
            self._usage = usage_of(metadata.get("usage")) or self._usage
            self._reason = wire.first_of(metadata, "finishReason") or self._reason

    def _step(self) -> list[Event]:
        self._in_step = False
        self._steps += 1
        return [*self._calls.end_all(), FinishStep(self._steps)]

    def _last_step(self) -> list[Event]:
        return self._step() if self._in_step or not self._steps else []

    def _close(self) -> list[Event]:
        raw = (self._ending.finish_reason if self._ending is not None else None) or self._reason
        reason = _REASONS.get(raw or "", "unknown")
        events = self._last_step()
        if reason not in _EARLY_ENDS and (problem := self._calls.problem()) is not None:
            calls = [event for event in events if not isinstance(event, FinishStep)]
            return self._begin(None, [*calls, *self._fail(Failure("invalid_response", problem))])
        self._done = True
        return self._begin(None, [*events, Finish(reason, self._usage, raw), Done(finished=reason != "error")])


def _cited(url: str | None, title: str | None, metadata: Any) -> Citations:
    ours = wire.metadata(metadata).get("gai", {})
    try:
        spot = msgspec.convert({key: ours.get(key) for key in ("start", "end", "text")}, Citation)
    except msgspec.ValidationError:
        spot = Citation()
    return Citations([Citation(url, title, spot.start, spot.end, spot.text)])


def _verdict(data: Any) -> model.Safety | None:
    try:
        return msgspec.convert({**data, "type": "safety"}, model.Safety)
    except (msgspec.ValidationError, TypeError):
        return None
