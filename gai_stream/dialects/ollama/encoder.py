"""Events to Ollama's lines, in the shape that its own clients need."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias, assert_never

from gai_stream import _json
from gai_stream.dialects._calls import CUT, OutgoingCall, OutgoingCalls, Piece, arguments_of
from gai_stream.dialects._encoder import Content, Encoder, FramingName
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
    Usage,
)
from gai_stream.exceptions import DecodeError

__all__ = ["Mode", "OllamaEncoder"]

Mode: TypeAlias = Literal["chat", "generate"]

_TEXTS: Final = ("content", "response", "thinking")


class OllamaEncoder(Encoder):
    """Turn events into the lines of one answer of Ollama's.

    `framing="ndjson"` gives dicts, the last one `done`, or else an `error`; `"sse"` gives ServerSentEvents with the
    same values as data. `mode` is the endpoint that the client asked: "chat" for `/api/chat`, "generate" for
    `/api/generate`. `model` replaces what Start says. `clock` gives Unix seconds, for each line's `created_at` and for
    the durations, which count from construction: up to the first content as evaluation of the prompt, what follows as
    evaluation of the answer.

    A call is told whole, in one line, and its arguments must be a JSON object: free text becomes `{"input": text}`, a
    call that was cut is left out, and any other ends the answer as an error. Only choice 0 is told. Audio, sources,
    tool results, calls that the provider runs by itself, safety verdicts, signatures and other providers' raw events
    have no place in this dialect and are left out.
    """

    finish_is_last = True

    def __init__(
        self,
        *,
        framing: FramingName = "ndjson",
        model: str | None = None,
        mode: Mode = "chat",
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(framing)
        if mode not in ("chat", "generate"):
            raise ValueError(f'mode must be "chat" or "generate", not {mode!r}')
        self._chat = mode == "chat"
        self._named = model
        self._model = model or ""
        self._own = False
        self._clock = clock
        self._began = clock()
        self._first: float | None = None
        self._calls = OutgoingCalls()

    @staticmethod
    def error_body(failure: Failure, status: int) -> dict[str, Any]:  # noqa: ARG004 (the same for every status)
        """Return the JSON body that tells of `failure` in an HTTP response of `status`."""
        return {"error": failure.message}

    @staticmethod
    def whole(messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the body of an answer in one piece that `messages` amount to, or their error as it is."""
        *_, last = messages
        if "error" in last:
            return dict(last)
        told = [line.get("message", line) for line in messages]
        body = {key: value for part in told for key, value in part.items()}
        body |= {key: "".join(part.get(key, "") for part in told) for key in _TEXTS if key in body}
        if "tool_calls" in body:
            body["tool_calls"] = [call for part in told for call in part.get("tool_calls", ())]
        return {**last, "message": body} if "message" in last else body

    def heartbeat(self) -> bytes:
        """Return a line without content: Ollama's own clients take nothing else for silence."""
        if self._sse:
            return b": keep-alive\n"
        return _json.dumps(self._line({})) + b"\n"

    def _content(self, event: Content) -> list[Any]:
        match event:
            case TextDelta(text=text, index=0) if text:
                return [self._tell({"content": text})]
            case ReasoningDelta(text=text, index=0) if text:
                return [self._tell({"thinking": text})]
            case ToolCallDelta(choice=0):
                return self._told(self._calls.add(event))
            case ToolCall(choice=0):
                return self._told(self._calls.close(event))
            case Start():
                self._own = event.provider == "ollama"
                if self._named is None and event.model is not None:
                    self._model = event.model
                return []
            case Raw(provider="ollama", data={"image": str(image)}) if not self._chat:
                # Not so in a message: Ollama's own Python client refuses the images of an answer.
                return [self._tell({"image": image})]
            case (
                TextDelta()
                | ReasoningDelta()
                | ToolCallDelta()
                | ToolCall()
                | AudioDelta()
                | ToolResult()
                | Citations()
                | Safety()
                | FinishStep()
                | Raw()
            ):
                return []
            case _:
                assert_never(event)

    def _line(self, told: dict[str, Any], *, done: bool = False) -> dict[str, Any]:
        """Return a line that tells what `told` names as in a message; it has a text even where there is none."""
        line: dict[str, Any] = {"model": self._model, "created_at": _moment(self._clock())}
        if self._chat:
            line["message"] = {"role": "assistant", "content": "", **told}
        else:
            content = told.get("content", "")
            line |= {"response": content, **{key: value for key, value in told.items() if key != "content"}}
        return {**line, "done": done}

    def _tell(self, told: dict[str, Any]) -> Any:
        message = self._message(self._line(told))
        if self._first is None:
            self._first = self._clock()
        return message

    def _told(self, pieces: list[Piece]) -> list[Any]:
        messages: list[Any] = []
        for call, _, _, ends, whole in pieces:
            if ends and whole is not None and call.kind != "server":
                messages += self._call(call, arguments_of(whole))
        return messages

    def _call(self, call: OutgoingCall, text: str) -> list[Any]:
        arguments: Any = {"input": text}
        if call.kind != "custom":
            try:
                arguments = _json.loads(text) if text.strip() else {}
            except DecodeError:
                arguments = None
        if not isinstance(arguments, dict):
            problem = f"the arguments of tool call {call.name!r} are not a JSON object: {text}"
            return self._fail(Failure("invalid_response", problem))
        function = {"index": call.number, "name": call.name, "arguments": arguments}
        return [self._tell({"tool_calls": [{"id": call.id, "function": function}]})]

    def _close(self, event: Finish) -> list[Any]:
        messages: list[Any] = []
        cut = event.reason in CUT
        for call, _, _, ends, _ in self._calls.flush():
            # Only fragments told of it. They are a call, unless it was the one being written when the answer was cut.
            if ends and call.kind != "server" and (call.is_whole or not cut):
                messages += self._call(call, "".join(call.arguments))
                if self._done:
                    return messages
        reason = "length" if event.reason == "length" else "stop"
        if self._own and event.raw_reason:
            reason = event.raw_reason
        return [*messages, self._message({**self._line({}, done=True), "done_reason": reason, **self._sums(event)})]

    def _sums(self, event: Finish) -> dict[str, int]:
        """Return the six numbers: clients want each of them, so what is unknown is 0."""
        now = self._clock()
        first = now if self._first is None else self._first
        usage = event.usage or Usage()
        return {
            "total_duration": _nanoseconds(self._began, now),
            "load_duration": 0,
            "prompt_eval_count": usage.input_tokens or 0,
            "prompt_eval_duration": _nanoseconds(self._began, first),
            "eval_count": usage.output_tokens or 0,
            "eval_duration": _nanoseconds(first, now),
        }

    def _error(self, failure: Failure) -> list[Any]:
        return [self._message({"error": failure.message})]


def _moment(seconds: float) -> str:
    """Return a time as RFC 3339, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _nanoseconds(start: float, end: float) -> int:
    # The clock may have been put back.
    return max(0, round((end - start) * 1e9))
