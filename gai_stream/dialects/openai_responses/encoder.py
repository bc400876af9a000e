"""Events to Responses events, in the order and shape that OpenAI's own SDKs need."""

from __future__ import annotations

import time
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, assert_never
from uuid import uuid4

from gai_stream import _json
from gai_stream.dialects._calls import OutgoingCalls, Piece
from gai_stream.dialects._encoder import Content, Encoder, FramingName
from gai_stream.dialects.openai.errors import error_object
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

from .output import Output
from .response import error_event, failed, response, usage_object
from .wire import PROVIDER, SERVER_CALLS

__all__ = ["OpenAIResponsesEncoder"]

_Told: TypeAlias = TextDelta | ReasoningDelta | Citations | dict[str, Any]
"""What is told by items of its own: an item that comes whole is its dict."""

_ENDS: Final = ("response.completed", "response.incomplete", "response.failed")

# Why an answer is incomplete; those of the API's own that our words do not cover pass as they came.
_INCOMPLETE: Final[dict[str, str]] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}
_OWN_INCOMPLETE: Final = ("max_messages", "steered")


class OpenAIResponsesEncoder(Encoder):
    """Turn events into the messages of one Responses stream.

    `framing="sse"` gives ServerSentEvents named by their type; `"ndjson"` gives the same events as dicts. `model` and
    `id` replace what Start says; `created` is in Unix seconds, by default `clock()` at construction. The whole answer
    is kept, since its last event repeats it.

    Items are told one after another: what comes while a tool call is being written waits for the call's end. Other
    choices than the first, safety verdicts, the end of a step, and calls and raw events that are not this API's own
    have no place in this dialect and are left out, as are sources of an answer without a text. An answer that began
    with Start and never finished ends as an error, not as a clean stop.
    """

    finish_is_last = True

    def __init__(
        self,
        *,
        framing: FramingName = "sse",
        model: str | None = None,
        id: str | None = None,
        created: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(framing)
        self._model = model
        self._id = id
        self._created = int(clock()) if created is None else created
        self._head: dict[str, Any] = {}
        self._provider: str | None = None
        self._sequence = 0
        self._calls = OutgoingCalls(one_at_a_time=True)
        self._server_calls: set[int] = set()
        self._output = Output(self._tell)
        self._held: list[_Told] = []
        self._status = "completed"
        self._refused = False
        self._spoken: set[str] = set()

    @staticmethod
    def error_body(failure: Failure, status: int) -> dict[str, Any]:  # noqa: ARG004 (the same for every status)
        """Return the JSON body that tells of `failure` in an HTTP response of `status`."""
        return error_object(failure)

    @staticmethod
    def whole(messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the body of the answer that is not streamed: `messages` are those of `framing="ndjson"`, to the end.

        Raises ValueError if the last one is missing.
        """
        for message in reversed(messages):
            if message.get("type") in _ENDS:
                body: dict[str, Any] = message["response"]
                return body
        raise ValueError(f"messages must go on to {', '.join(_ENDS)}")

    def _content(self, event: Content) -> list[Any]:
        match event:
            case ToolCallDelta(choice=0):
                if event.kind == "server":
                    self._server_calls.add(event.index)
                if event.index in self._server_calls:
                    return []
                return self._told(self._calls.add(event))
            case ToolCall(choice=0):
                return [] if event.kind == "server" else self._told(self._calls.close(event))
            case TextDelta(text="") | Citations(citations=[]):
                return []
            case TextDelta(index=0) | Citations():
                return self._in_turn(event)
            case ReasoningDelta(index=0):
                return self._in_turn(event) if any(self._thought(event)) else []
            case ToolResult() | Raw():
                item = _own_item(event)
                # It must be known to have a JSON form before anything is told.
                return self._in_turn(item) if item is not None and _json.dumps(item) else []
            case Start():
                return self._open(event)
            case AudioDelta():
                return self._audio(event)
            case TextDelta() | ReasoningDelta() | ToolCallDelta() | ToolCall() | Safety() | FinishStep():
                return []
            case _:
                assert_never(event)

    def _in_turn(self, event: _Told) -> list[Any]:
        """Tell `event`, or hold it while a call is being written."""
        messages = self._told(self._calls.end_current())
        if self._calls.current is not None:
            self._held.append(event)
            return messages
        return messages + self._tell_now(event)

    def _tell_now(self, event: _Told) -> list[Any]:
        messages = self._open(Start())
        match event:
            case TextDelta(text=text, refusal=refusal):
                self._refused = self._refused or refusal
                return messages + self._output.text(text, refusal=refusal)
            case ReasoningDelta():
                return messages + self._output.thought(*self._thought(event))
            case Citations(citations=citations):
                return messages + self._output.cite(citations)
            case dict():
                return messages + self._output.whole(event)
            case _:
                assert_never(event)

    def _thought(self, event: ReasoningDelta) -> tuple[str, str | None, str | None]:
        """Return the text, the item's id and the encrypted content: other providers' seals are not passed on."""
        id = event.signature if self._provider == "openai" else None
        return event.text, id, event.redacted if self._provider in (None, "openai") else None

    def _told(self, pieces: list[Piece]) -> list[Any]:
        messages: list[Any] = []
        for call, begins, arguments, ends, whole in pieces:
            if begins:
                messages += self._open(Start()) + self._output.begin_call(call)
            if arguments:
                messages += self._output.arguments(arguments)
            if ends:
                messages += self._output.close("completed" if whole is not None else self._status)
                held, self._held = self._held, []
                for event in held:
                    messages += self._tell_now(event)
        return messages

    def _tell(self, kind: str, **fields: Any) -> Any:
        value = {"type": kind, **fields, "sequence_number": self._sequence}
        self._sequence += 1
        return self._message(value, kind)

    def _open(self, start: Start) -> list[Any]:
        """Tell that the answer begins, once."""
        if self._head:
            return []
        self._head = {
            "id": self._id or start.id or f"resp_{uuid4().hex}",
            "object": "response",
            "created_at": self._created,
            "model": start.model or "" if self._model is None else self._model,
        }
        self._provider = start.provider
        self._output.stream_id = self._head["id"]
        return [
            self._tell(f"response.{name}", response=response(self._head, "in_progress", []))
            for name in ("created", "in_progress")
        ]

    def _audio(self, event: AudioDelta) -> list[Any]:
        messages = self._open(Start())
        if event.transcript:
            self._spoken.add("audio.transcript")
            messages.append(self._tell("response.audio.transcript.delta", delta=event.transcript))
        if event.data:
            self._spoken.add("audio")
            data = b2a_base64(event.data, newline=False).decode()
            messages.append(self._tell("response.audio.delta", delta=data))
        return messages

    def _close(self, event: Finish) -> list[Any]:
        incomplete = self._incomplete(event)
        self._status = "completed" if incomplete is None else "incomplete"
        messages = self._close_all()
        whole = response(
            self._head, self._status, self._output.items, usage=usage_object(event.usage), incomplete=incomplete
        )
        return [*messages, self._tell(f"response.{self._status}", response=whole)]

    def _close_all(self) -> list[Any]:
        messages = self._open(Start()) + self._told(self._calls.flush()) + self._output.close(self._status)
        return messages + [self._tell(f"response.{name}.done") for name in sorted(self._spoken)]

    def _incomplete(self, event: Finish) -> str | None:
        """Return why the answer is incomplete, None if it is not."""
        if event.reason == "refusal" and self._refused:
            return None
        if event.reason == "unknown" and event.raw_reason in _OWN_INCOMPLETE:
            return event.raw_reason
        return _INCOMPLETE.get(event.reason)

    def _error(self, failure: Failure) -> list[Any]:
        self._status = "incomplete"
        messages = self._close_all()
        whole = response(self._head, "failed", self._output.items, error=failed(failure))
        return [
            *messages,
            self._tell("error", **error_event(failure)),
            self._tell("response.failed", response=whole),
        ]


def _own_item(event: ToolResult | Raw) -> dict[str, Any] | None:
    """Return the API's own item that `event` holds, if it does."""
    if isinstance(event, ToolResult):
        item, kinds = event.result, tuple(SERVER_CALLS)
        return item if isinstance(item, dict) and item.get("type") in kinds else None
    if event.provider != PROVIDER or not isinstance(event.data, dict):
        return None
    item = event.data.get("item") if event.data.get("type") == "response.output_item.done" else None
    return item if isinstance(item, dict) and isinstance(item.get("type"), str) else None
