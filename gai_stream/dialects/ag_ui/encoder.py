"""Events to AG-UI events, in the order that the client's verifier demands."""

from __future__ import annotations

from typing import Any, Final, assert_never
from uuid import uuid4

from gai_stream import _json
from gai_stream.dialects._call_ids import CallIds
from gai_stream.dialects._calls import OutgoingCalls, Piece
from gai_stream.dialects._encoder import Content, Encoder, FramingName, known
from gai_stream.dialects._token_counts import counts_of
from gai_stream.events import (
    AudioDelta,
    Citation,
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

__all__ = ["AGUIEncoder"]

# What of the protocol's own may be passed on raw: nothing that opens or closes anything. type: its required fields.
_PASSED: Final[dict[str, tuple[str, ...]]] = {
    "STATE_SNAPSHOT": ("snapshot",),
    "STATE_DELTA": ("delta",),
    "MESSAGES_SNAPSHOT": ("messages",),
    "ACTIVITY_SNAPSHOT": ("messageId", "activityType", "content"),
    "ACTIVITY_DELTA": ("messageId", "activityType", "patch"),
    "RAW": ("event",),
    "CUSTOM": ("name", "value"),
}


class AGUIEncoder(Encoder):
    """Turn events into the AG-UI events of one run.

    `thread_id` and `run_id` are those of the client's request; by default the thread's is made up, and the run's is the
    answer's own id. `model` and `id` replace what Start says of the answer.

    Citations, safety verdicts, audio and redacted reasoning are CUSTOM events called `gai.citations`, `gai.safety`,
    `gai.audio` and `gai.redacted_reasoning`. What the protocol has no field for, such as the finish reason, stands in
    an event's `metadata.gai`. Raw("ag_ui", {"type": "STATE_SNAPSHOT", "snapshot": ...}) sends an event of your own.
    Choices but the first, and other providers' raw events, have no place here. `framing="ndjson"` gives the same events
    as dicts.
    """

    finish_is_last = True

    def __init__(
        self,
        *,
        framing: FramingName = "sse",
        model: str | None = None,
        id: str | None = None,
        thread_id: str | None = None,
        run_id: str | None = None,
    ) -> None:
        super().__init__(framing)
        self._model = model
        self._id = id
        self._thread_id = thread_id or f"thread_{uuid4().hex}"
        self._run_id = run_id
        self._about: dict[str, Any] = {}
        self._opened = False
        self._step_name: str | None = None
        self._steps = 0
        self._messages = 0
        # The assistant's message that text and calls go into, until something else comes between.
        self._assistant: str | None = None
        self._text_is_open = False
        self._reasoning: str | None = None
        self._calls = OutgoingCalls()
        self._ids = CallIds()

    @staticmethod
    def error_body(failure: Failure, status: int) -> dict[str, Any]:  # noqa: ARG004 (the same for every status)
        """Return the JSON body that tells of `failure` in an HTTP response: clients have it as `error.payload`."""
        return {"message": failure.message, "code": failure.code}

    def _content(self, event: Content) -> list[Any]:
        match event:
            case TextDelta(index=choice) | ReasoningDelta(index=choice) if choice:
                return []
            case ToolCallDelta(choice=choice) | ToolCall(choice=choice) if choice:
                return []
            case TextDelta(text=text):
                return [*self._open_text(), self._content_of("TEXT", self._assistant, text)] if text else []
            case ReasoningDelta():
                return self._reason(event)
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
                data = _json.to_jsonable(event.data) if event.data else None
                value = known(data=data, format=event.format, transcript=event.transcript)
                return self._custom("audio", value) if data or event.transcript else []
            case Citations():
                sources = [source for citation in event.citations if (source := _source(citation))]
                return self._custom("citations", sources) if sources else []
            case Safety():
                verdict = known(category=event.category, action=event.action, score=event.score, note=event.note)
                return self._custom("safety", verdict)
            case FinishStep():
                return self._end_step()
            case Raw(provider="ag_ui", data={"type": str() as kind, **rest}) if kind in _PASSED:
                if not all(name in rest for name in _PASSED[kind]):
                    return []
                message = self._message(event.data)
                return [*self._open(Start()), message]
            case Raw():
                return []
            case _:
                assert_never(event)

    def _event(self, kind: str, **fields: Any) -> Any:
        # A client takes no null for "absent".
        return self._message({"type": kind, **known(**fields)})

    def _content_of(self, kind: str, message_id: str | None, text: str) -> Any:
        return self._event(f"{kind}_MESSAGE_CONTENT", messageId=message_id, delta=text)

    def _custom(self, name: str, value: Any) -> list[Any]:
        _json.dumps(value)
        return [*self._step(), self._event("CUSTOM", name=f"gai.{name}", value=value)]

    def _open(self, start: Start) -> list[Any]:
        if self._opened:
            return []
        self._opened = True
        self._about = known(model=start.model if self._model is None else self._model, provider=start.provider)
        self._run_id = self._run_id or self._id or start.id or f"run_{uuid4().hex}"
        metadata = {"gai": self._about} if self._about else None
        return [self._event("RUN_STARTED", threadId=self._thread_id, runId=self._run_id, metadata=metadata)]

    def _step(self) -> list[Any]:
        """Return what has to come before any content: the start of the run, and that of a step."""
        messages = self._open(Start())
        if self._step_name is None:
            self._steps += 1
            self._step_name = f"step-{self._steps}"
            messages.append(self._event("STEP_STARTED", stepName=self._step_name))
        return messages

    def _end_step(self) -> list[Any]:
        messages = [*self._end_reasoning(), *self._end_text()]
        if self._step_name is not None:
            messages.append(self._event("STEP_FINISHED", stepName=self._step_name))
            self._step_name = None
        return messages

    def _new_id(self, kind: str) -> str:
        self._messages += 1
        return f"{self._run_id}-{kind}-{self._messages}"

    def _open_text(self) -> list[Any]:
        if self._text_is_open:
            return []
        messages = [*self._step(), *self._end_reasoning()]
        self._assistant = self._assistant or self._new_id("message")
        self._text_is_open = True
        id = _json.dumps(self._assistant).decode()
        self._shorten_texts(f'{{"type":"TEXT_MESSAGE_CONTENT","messageId":{id},"delta":', "}")
        return [*messages, self._event("TEXT_MESSAGE_START", messageId=self._assistant, role="assistant")]

    def _end_text(self) -> list[Any]:
        """Return what closes the text; whatever comes now is another message."""
        id, self._assistant = self._assistant, None
        self._texts.clear()
        if not self._text_is_open:
            return []
        self._text_is_open = False
        return [self._event("TEXT_MESSAGE_END", messageId=id)]

    def _open_reasoning(self) -> list[Any]:
        if self._reasoning is not None:
            return []
        messages = [*self._step(), *self._end_text()]
        self._reasoning = id = self._new_id("reasoning")
        messages.append(self._event("REASONING_START", messageId=id))
        return [*messages, self._event("REASONING_MESSAGE_START", messageId=id, role="reasoning")]

    def _end_reasoning(self) -> list[Any]:
        if self._reasoning is None:
            return []
        id, self._reasoning = self._reasoning, None
        return [self._event("REASONING_MESSAGE_END", messageId=id), self._event("REASONING_END", messageId=id)]

    def _reason(self, event: ReasoningDelta) -> list[Any]:
        messages = []
        if event.text or event.signature:
            messages = self._open_reasoning()
        if event.text:
            messages.append(self._content_of("REASONING", self._reasoning, event.text))
        if event.signature:
            # It is on what came before it, so more reasoning is another message; a client keeps one seal for each.
            messages.append(self._seal("message", self._reasoning, event.signature))
            messages += self._end_reasoning()
        if event.redacted:
            # As a seal it would come back in the place of one.
            messages += self._custom("redacted_reasoning", event.redacted)
        return messages

    def _seal(self, subtype: str, id: str | None, value: str) -> Any:
        return self._event("REASONING_ENCRYPTED_VALUE", subtype=subtype, entityId=id, encryptedValue=value)

    def _told(self, pieces: list[Piece]) -> list[Any]:
        messages: list[Any] = []
        for call, begins, arguments, ends, whole in pieces:
            id = self._ids.of(call)
            if begins:
                messages += [*self._step(), *self._end_reasoning()]
                # One message holds an answer's text and calls, whichever come first.
                self._assistant = self._assistant or self._new_id("message")
                messages.append(
                    self._event(
                        "TOOL_CALL_START",
                        toolCallId=id,
                        toolCallName=call.name,
                        parentMessageId=self._assistant,
                        metadata={"gai": {"kind": call.kind}} if call.kind != "function" else None,
                    )
                )
            if arguments:
                messages.append(self._event("TOOL_CALL_ARGS", toolCallId=id, delta=arguments))
            if ends:
                if whole is not None and whole.signature:
                    messages.append(self._seal("tool-call", id, whole.signature))
                messages.append(self._event("TOOL_CALL_END", toolCallId=id))
        return messages

    def _result(self, event: ToolResult) -> list[Any]:
        # The content is text in this protocol.
        value = event.result if event.error is None else {"error": event.error}
        content = value if isinstance(value, str) else _json.dumps(value).decode()
        messages = [*self._open(Start()), *self._end_reasoning(), *self._end_text()]
        ids = {"messageId": self._new_id("result"), "toolCallId": self._ids.of_result(event.id)}
        return [*messages, self._event("TOOL_CALL_RESULT", **ids, content=content, role="tool")]

    def _close(self, event: Finish) -> list[Any]:
        messages = [*self._open(Start()), *self._told(self._calls.flush()), *self._end_step()]
        counts = counts_of(event.usage)
        reason = event.reason
        if reason in ("stop", "tool_calls"):
            # Either word is also sent without the calls it goes with, or with calls that it should not.
            reason = "tool_calls" if 0 in self._calls.counts else "stop"
        finish = self._event(
            "RUN_FINISHED",
            threadId=self._thread_id,
            runId=self._run_id,
            usage=[{**self._named(), **counts}] if counts else None,
            metadata={"gai": {"finishReason": reason}},
        )
        return [*messages, finish]

    def _named(self) -> dict[str, Any]:
        return {key: self._about[key] for key in ("provider", "model") if key in self._about}

    def _error(self, failure: Failure) -> list[Any]:
        messages = []
        if self._opened:
            messages = [*self._told(self._calls.flush()), *self._end_step()]
        return [*messages, self._event("RUN_ERROR", message=failure.message, code=failure.code)]


def _source(citation: Citation) -> dict[str, Any]:
    return known(uri=citation.uri, title=citation.title, start=citation.start, end=citation.end, text=citation.text)
