"""Events to UI message stream chunks, in the order and shape that each version of the AI SDK takes."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal, NamedTuple, TypeAlias, assert_never
from uuid import uuid4

from gai_stream import _json
from gai_stream.dialects._call_ids import CallIds
from gai_stream.dialects._calls import CUT, OutgoingCall, OutgoingCalls, Piece, made_up_id
from gai_stream.dialects._encoder import Content, Encoder, FramingName, known
from gai_stream.dialects._token_counts import counts_of
from gai_stream.events import (
    AudioDelta,
    Citations,
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

from .audio import Recording
from .passed import passed
from .wire import FINISH_REASONS

__all__ = ["VercelEncoder"]

Profile: TypeAlias = Literal[5, 6, 7]

# A call that is open when the answer ends like this was cut off; there is nothing in it to run.
_EARLY_ENDS: Final = (*CUT, "aborted")


class _Part(NamedTuple):
    """The part that is open: its kind ("text", "reasoning"), whether it refuses, and its id."""

    kind: str
    refusal: bool
    id: str


class VercelEncoder(Encoder):
    """Turn events into the chunks of one UI message stream.

    `profile` is the oldest major version of the `ai` package among your clients: 5, the default, is understood by all
    of them, 6 adds `finishReason` (profile 5 has it in the message's metadata) and `tool-input-error`, 7 the reason of
    an abort. `model` and `id` replace what Start says; the id is the UI message's.

    Audio is collected and sent as one file at the end of its step, what was said in it as `data-transcript`; a safety
    verdict is `data-safety`. Raw("vercel", {"type": "data-weather", "data": ...}) sends a part of your own. Choices but
    the first, and other providers' raw events, have no place here. `framing="ndjson"` gives the same chunks as dicts,
    without `[DONE]`.
    """

    headers: ClassVar[dict[str, str]] = {"x-vercel-ai-ui-message-stream": "v1"}

    def __init__(
        self,
        *,
        framing: FramingName = "sse",
        model: str | None = None,
        id: str | None = None,
        profile: Profile = 5,
    ) -> None:
        super().__init__(framing)
        if profile not in (5, 6, 7):
            raise ValueError(f"profile must be 5, 6 or 7, not {profile!r}")
        self._model = model
        self._id = id
        self._profile = profile
        self._provider: str | None = None
        self._opened = False
        self._in_step = False
        self._parts = 0
        self._part: _Part | None = None
        self._calls = OutgoingCalls()
        self._ids = CallIds()
        self._begun: set[str] = set()
        self._told_calls: dict[str, dict[str, bool]] = {}
        self._sources: set[tuple[bool, str]] = set()
        self._recording = Recording()

    @staticmethod
    def error_body(failure: Failure, status: int) -> str:  # noqa: ARG004 (the same for every status)
        """Return the text of an HTTP response that tells of `failure`: clients take it as their Error's message."""
        return failure.message

    def _content(self, event: Content) -> list[Any]:
        match event:
            case TextDelta(index=choice) | ReasoningDelta(index=choice) if choice:
                return []
            case ToolCallDelta(choice=choice) | ToolCall(choice=choice) if choice:
                return []
            case TextDelta(text=text, refusal=refusal):
                return self._say("text", text, refusal=refusal)
            case ReasoningDelta():
                return self._reasoning(event)
            case ToolCallDelta():
                return self._told(self._calls.add(event))
            case ToolCall():
                _json.dumps(event.input)
                return self._told(self._calls.close(event))
            case ToolResult():
                return self._result(event)
            case Start():
                return self._open(event)
            case AudioDelta():
                if not event.data and not event.transcript:
                    return []
                return self._messages(self._recording.take(event), self._step())
            case Citations():
                return self._citations(event)
            case Safety():
                verdict = known(category=event.category, action=event.action, score=event.score, note=event.note)
                return self._messages([{"type": "data-safety", "data": verdict}], self._step())
            case FinishStep():
                return self._end_step()
            case Raw(provider="vercel", data=data) if (chunk := passed(data, self._profile)) is not None:
                _json.dumps(chunk)
                if "toolCallId" in chunk and chunk["toolCallId"] not in self._told_calls:
                    return []
                return self._messages([chunk], self._step())
            case Raw():
                return []
            case _:
                assert_never(event)

    def _messages(self, chunks: list[dict[str, Any]], before: list[Any] | None = None) -> list[Any]:
        return [*(before or ()), *map(self._message, chunks)]

    def _open(self, start: Start) -> list[Any]:
        if self._opened:
            return []
        self._opened = self._in_step = True
        self._provider = start.provider
        about = known(model=start.model if self._model is None else self._model, provider=start.provider)
        message_id = self._id or start.id or f"msg_{uuid4().hex}"
        return self._messages(
            [known(type="start", messageId=message_id, messageMetadata=about or None), {"type": "start-step"}]
        )

    def _step(self) -> list[Any]:
        """Return what has to come before any part: the start, and that of a step."""
        messages = self._open(Start())
        if not self._in_step:
            self._in_step = True
            messages.append(self._message({"type": "start-step"}))
        return messages

    def _end_step(self) -> list[Any]:
        # A client looks for a call in the latest step alone. What cannot be read may have been cut, and stays as it is.
        messages = [*self._told(self._calls.flush()), *self._leave(), *self._messages(self._recording.end())]
        if self._in_step:
            self._in_step = False
            messages.append(self._message({"type": "finish-step"}))
        return messages

    def _say(self, kind: str, text: str, *, refusal: bool = False) -> list[Any]:
        if not text:
            return []
        messages, part = self._enter(kind, refusal=refusal)
        return [*messages, self._message({"type": f"{kind}-delta", "id": part.id, "delta": text})]

    def _enter(self, kind: str, *, refusal: bool = False) -> tuple[list[Any], _Part]:
        """Return what opens a part of this kind, and the part: the open one, if it is of the same kind."""
        if self._part is not None and self._part[:2] == (kind, refusal):
            return [], self._part
        messages = [*self._leave(), *self._step()]
        self._parts += 1
        self._part = part = _Part(kind, refusal, f"{kind}-{self._parts}")
        start: dict[str, Any] = {"type": f"{kind}-start", "id": part.id}
        if refusal:
            start["providerMetadata"] = {"gai": {"refusal": True}}
        elif kind == "text":
            self._shorten_texts(f'{{"type":"text-delta","id":"{part.id}","delta":', "}")
        return [*messages, self._message(start)], part

    def _leave(self, metadata: dict[str, Any] | None = None) -> list[Any]:
        """Return what closes the open part, if there is one."""
        if self._part is None:
            return []
        end = known(type=f"{self._part.kind}-end", id=self._part.id, providerMetadata=metadata)
        self._part = None
        self._texts.clear()
        return [self._message(end)]

    def _reasoning(self, event: ReasoningDelta) -> list[Any]:
        messages = self._say("reasoning", event.text)
        seal = known(signature=event.signature or None, redactedData=event.redacted or None)
        if seal:
            # It is on what came before it, so more reasoning is another part; clients keep one seal a part.
            opened, _ = self._enter("reasoning")
            messages += [*opened, *self._leave({self._provider or "gai": seal})]
        return messages

    def _told(self, pieces: list[Piece], problem: str | None = None, *, failed: bool = False) -> list[Any]:
        """Return what `pieces` become.

        A call that ends without being whole is one if it can be read, unless the answer `failed`. Else `problem` is
        what a client is told of it; None leaves it open.
        """
        messages: list[Any] = []
        for call, begins, arguments, ends, whole in pieces:
            id = self._ids.of(call)
            if begins:
                self._begun.add(id)
                start = {"type": "tool-input-start", "toolCallId": id, "toolName": call.name, **_executed(call)}
                messages += self._messages([start], [*self._leave(), *self._step()])
            if arguments:
                delta = {"type": "tool-input-delta", "toolCallId": id, "inputTextDelta": arguments}
                messages.append(self._message(delta))
            if ends:
                self._begun.discard(id)
                known_call = whole or (None if failed else _read(call))
                messages += self._messages(self._end_call(call, known_call, problem))
        return messages

    def _end_call(self, call: OutgoingCall, whole: ToolCall | None, problem: str | None) -> list[dict[str, Any]]:
        executed = _executed(whole or call)
        id = self._ids.of(call)
        told: dict[str, Any] = {"toolCallId": id, "toolName": call.name}
        if whole is not None:
            seal = {self._provider or "gai": {"signature": whole.signature}} if whole.signature else None
            told = {"type": "tool-input-available", **told, "input": whole.input, **known(providerMetadata=seal)}
        elif problem is None or self._profile == 5:
            return []
        else:
            text = "".join(call.arguments)
            told = {"type": "tool-input-error", **told, "input": text, "errorText": problem}
        self._told_calls[id] = executed
        return [told | executed]

    def _result(self, event: ToolResult) -> list[Any]:
        _json.dumps(event.result)
        id = self._ids.of_result(event.id) or made_up_id()
        messages = self._told(self._calls.flush()) if id in self._begun else []
        if id not in self._told_calls:
            # A client fails over a result without its call. Whoever ran this one, the client shall not.
            executed = self._told_calls[id] = {"providerExecuted": True}
            call = {"type": "tool-input-available", "toolCallId": id, "toolName": event.name, "input": None}
            messages += self._messages([{**call, **executed}], [*self._leave(), *self._step()])
        executed = self._told_calls[id]
        if event.error is not None:
            told = {"type": "tool-output-error", "toolCallId": id, "errorText": event.error, **executed}
        else:
            told = {"type": "tool-output-available", "toolCallId": id, "output": event.result, **executed}
        return [*messages, self._message(told)]

    def _citations(self, event: Citations) -> list[Any]:
        chunks: list[dict[str, Any]] = []
        for source in event.citations:
            name = source.uri or source.title
            key = (bool(source.uri), name or "")
            if name is None or not name or key in self._sources:
                continue
            self._sources.add(key)
            about: dict[str, Any] = {"sourceId": f"source-{len(self._sources)}"}
            if source.uri:
                about |= known(type="source-url", url=name, title=source.title)
            else:
                about |= {"type": "source-document", "mediaType": "text/plain", "title": name}
            spot = known(start=source.start, end=source.end, text=source.text)
            chunks.append({**about, **({"providerMetadata": {"gai": spot}} if spot else {})})
        return self._messages(chunks, self._step()) if chunks else []

    def _close(self, event: Finish) -> list[Any]:
        messages = self._open(Start())
        if event.reason not in _EARLY_ENDS:
            messages += self._told(self._calls.flush(), "the tool call has no end, and its arguments are not JSON")
        messages += self._end_step()
        if event.reason == "aborted":
            reason = event.raw_reason if self._profile >= 7 else None
            return [*messages, self._message(known(type="abort", reason=reason))]
        reason = self._reason(event.reason)
        about: dict[str, Any] = known(usage=counts_of(event.usage) or None)
        finish: dict[str, Any] = {"type": "finish"}
        if self._profile >= 6:
            finish["finishReason"] = reason
        else:
            about["finishReason"] = reason
        return [*messages, self._message(finish | known(messageMetadata=about or None))]

    def _reason(self, reason: str) -> str:
        if reason in ("stop", "tool_calls"):
            # Either word is also sent without the calls it goes with, or with calls that it should not.
            reason = "tool_calls" if 0 in self._calls.counts else "stop"
        return FINISH_REASONS.get(reason, "other")

    def _error(self, failure: Failure) -> list[Any]:
        messages = [*self._leave(), *self._told(self._calls.flush(), failure.message, failed=True)]
        messages += self._messages(self._recording.end())
        return [*messages, self._message({"type": "error", "errorText": failure.message}), *self._terminator()]

    def _terminator(self) -> list[Any]:
        return [ServerSentEvent("[DONE]")] if self._sse else []


def _executed(call: OutgoingCall | ToolCall) -> dict[str, bool]:
    """Return what tells a client that it is not to run the call itself."""
    return {"providerExecuted": True} if call.kind == "server" else {}


def _read(call: OutgoingCall) -> ToolCall | None:
    """Return a call that nobody said is whole, if its arguments are JSON; of free text nobody can tell."""
    text = "".join(call.arguments)
    try:
        return None if call.kind == "custom" else ToolCall(call.id, call.name, _json.loads(text), text, kind=call.kind)
    except DecodeError:
        return None
