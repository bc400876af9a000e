"""Events to Chat Completions chunks, in the order and shape that OpenAI's own SDKs need."""

from __future__ import annotations

import time
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from typing import Any, Final, assert_never
from uuid import uuid4

from gai_stream import _json
from gai_stream.dialects._calls import OutgoingCall, OutgoingCalls, Piece, legal_id
from gai_stream.dialects._encoder import Content, Encoder, FramingName, known
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
from gai_stream.exceptions import EncodeError
from gai_stream.sse import ServerSentEvent

from .completion import chunks_as_completion
from .errors import error_object
from .wire import MAX_CHOICES

__all__ = ["OpenAIEncoder"]

_AUDIO_LIFETIME: Final = 3600
# The API refuses the next request if it has a longer one.
_LONGEST_ID: Final = 40

# The only reasons that clients know; whatever else the answer ended for, it did stop.
_REASONS: Final[dict[str, str]] = {"length": "length", "content_filter": "content_filter", "refusal": "content_filter"}


class OpenAIEncoder(Encoder):
    """Turn events into the messages of one Chat Completions stream.

    `framing="sse"` gives ServerSentEvents with nothing but data, the last one `[DONE]`; `"ndjson"` gives the chunks as
    dicts, the last one `{"object": "done"}`. `model` and `id` replace what Start says; `created` is in Unix seconds,
    by default `clock()` at construction. `include_usage=False` leaves the usage chunk out; the other chunks never have
    the API's `"usage": null`, which no client needs.

    The id of a call is shortened to the 40 characters that the API takes. Gemini's seal on a call goes where Gemini's
    own endpoint of this dialect has it, in `extra_content`. A tool result, a call that the provider runs by itself, a
    source without an address, a safety verdict, the end of a step and other providers' raw events have no place in
    this dialect and are left out. An answer that began with Start and never finished ends as an error, not as a clean
    stop.
    """

    def __init__(
        self,
        *,
        framing: FramingName = "sse",
        model: str | None = None,
        id: str | None = None,
        created: int | None = None,
        clock: Callable[[], float] = time.time,
        include_usage: bool = True,
        system_fingerprint: str | None = None,
    ) -> None:
        super().__init__(framing)
        self._model = model
        self._id = id
        self._created = int(clock()) if created is None else created
        self._include_usage = include_usage
        self._fingerprint = system_fingerprint
        self._head: dict[str, Any] = {}
        self._leads: list[str] = []
        self._calls = OutgoingCalls()
        self._sources = 0
        self._sealed = True
        self._speaking = False
        self._refused: set[int] = set()

    @staticmethod
    def error_body(failure: Failure, status: int) -> dict[str, Any]:  # noqa: ARG004 (the same for every status)
        """Return the JSON body that tells of `failure` in an HTTP response of `status`."""
        return error_object(failure)

    @staticmethod
    def whole(messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the `chat.completion` that `messages` of NDJSON amount to, or their error as it is."""
        return chunks_as_completion(messages)

    def _content(self, event: Content) -> list[Any]:
        match event:
            case TextDelta(text=""):
                return []
            case TextDelta(text=text, index=choice, refusal=False):
                return [*self._open(choice), self._chunk(choice, {"content": text})]
            case TextDelta(text=text, index=choice):
                messages = self._open(choice)
                self._refused.add(choice)
                return [*messages, self._chunk(choice, {"refusal": text})]
            case ReasoningDelta(text=text, index=choice):
                # A seal without text has no place here.
                return [*self._open(choice), self._chunk(choice, {"reasoning_content": text})] if text else []
            case ToolCallDelta(choice=choice):
                _check(choice)
                return self._told(self._calls.add(event))
            case ToolCall(choice=choice):
                _check(choice)
                return self._told(self._calls.close(event))
            case Start():
                self._sealed = event.provider in (None, "gemini")
                self._prepare(event)
                return self._open(0)
            case Citations():
                return self._citations(event)
            case AudioDelta():
                return self._audio(event)
            case Raw(provider="openai", data=dict() as data):
                return [self._message(data)]
            case Raw() | Safety() | ToolResult() | FinishStep():
                return []
            case _:
                assert_never(event)

    def _chunk(self, choice: int, delta: dict[str, Any], finish_reason: str | None = None) -> Any:
        if self._sse:
            reason = "null" if finish_reason is None else f'"{finish_reason}"'
            return ServerSentEvent(f'{self._leads[choice]}{_json.dumps(delta).decode()},"finish_reason":{reason}}}]}}')
        return {**self._head, "choices": [{"index": choice, "delta": delta, "finish_reason": finish_reason}]}

    def _prepare(self, start: Start) -> None:
        """Fix what every chunk says alike: a client takes another id or model for another answer."""
        if self._head:
            return
        self._head = {
            "id": self._id or start.id or f"chatcmpl-{uuid4().hex}",
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": start.model or "" if self._model is None else self._model,
        }
        if self._fingerprint is not None:
            self._head["system_fingerprint"] = self._fingerprint

    def _open(self, choice: int) -> list[Any]:
        """Return the chunks that open `choice`: the role is said once, and choices open in order."""
        _check(choice)
        if choice < len(self._leads):
            return []
        self._prepare(Start())
        first = len(self._leads)
        head = _json.dumps(self._head).decode()[:-1]
        self._leads += [f'{head},"choices":[{{"index":{n},"delta":' for n in range(first, choice + 1)]
        for n in range(first, choice + 1):
            self._shorten_texts(f'{self._leads[n]}{{"content":', '},"finish_reason":null}]}', choice=n)
        role = {"role": "assistant", "content": "", "refusal": None}
        return [self._chunk(n, dict(role)) for n in range(first, choice + 1)]

    def _told(self, pieces: list[Piece]) -> list[Any]:
        messages: list[Any] = []
        for call, begins, arguments, _, whole in pieces:
            if call.kind == "server":
                continue
            if begins or arguments:
                messages += self._fragment(call, arguments, begins=begins)
            if whole is not None and whole.signature and self._sealed:
                extra = {"google": {"thought_signature": whole.signature}}
                entry = {"index": call.number, "extra_content": extra, "function": {"arguments": ""}}
                messages.append(self._chunk(call.choice, {"tool_calls": [entry]}))
        return messages

    def _fragment(self, call: OutgoingCall, arguments: str, *, begins: bool) -> list[Any]:
        entry: dict[str, Any] = {"index": call.number}
        custom = call.kind == "custom"
        part: dict[str, Any] = {"input" if custom else "arguments": arguments}
        if begins:
            id = call.id if len(call.id) <= _LONGEST_ID else legal_id(call.id, longest=_LONGEST_ID)
            entry |= {"id": id, "type": "custom" if custom else "function"}
            part = {"name": call.name, **part}
        entry["custom" if custom else "function"] = part
        return [*self._open(call.choice), self._chunk(call.choice, {"tool_calls": [entry]})]

    def _citations(self, event: Citations) -> list[Any]:
        entries = []
        for citation in event.citations:
            if not citation.uri:
                # Clients make a link of it.
                continue
            source = {
                "url": citation.uri,
                # Clients that check the shape, such as @ai-sdk/openai, give up the answer for want of one of these.
                "title": citation.title or "",
                "start_index": citation.start or 0,
                "end_index": citation.end or 0,
                **known(content=citation.text),
            }
            # Without an index the SDK cannot join the lists of several chunks, and raises.
            entries.append({"type": "url_citation", "index": self._sources, "url_citation": source})
            self._sources += 1
        return [*self._open(0), self._chunk(0, {"annotations": entries})] if entries else []

    def _audio(self, event: AudioDelta) -> list[Any]:
        messages = self._open(0)
        if not self._speaking:
            self._speaking = True
            messages.append(self._chunk(0, {"audio": {"id": f"audio_{self._head['id']}"}}))
        if event.transcript:
            messages.append(self._chunk(0, {"audio": {"transcript": event.transcript}}))
        if event.data:
            messages.append(self._chunk(0, {"audio": {"data": b2a_base64(event.data, newline=False).decode()}}))
        return messages

    def _close(self, event: Finish) -> list[Any]:
        messages = self._open(0)
        messages += self._told(self._calls.flush())
        if self._speaking:
            messages.append(self._chunk(0, {"audio": {"expires_at": self._created + _AUDIO_LIFETIME}}))
        for choice in range(len(self._leads)):
            messages.append(self._chunk(choice, {}, self._reason(event.reason, choice)))
        if self._include_usage and event.usage is not None and (usage := _usage(event.usage)):
            messages.append(self._message({**self._head, "choices": [], "usage": usage}))
        return messages

    def _reason(self, reason: str, choice: int) -> str:
        if reason == "refusal" and choice in self._refused:
            return "stop"
        return _REASONS.get(reason) or ("tool_calls" if choice in self._calls.counts else "stop")

    def _error(self, failure: Failure) -> list[Any]:
        return [self._message(error_object(failure)), *self._terminator()]

    def _terminator(self) -> list[Any]:
        return [ServerSentEvent("[DONE]") if self._sse else {"object": "done"}]


def _check(choice: int) -> None:
    if not 0 <= choice < MAX_CHOICES:
        raise EncodeError(f"the choice must be from 0 to {MAX_CHOICES - 1}, not {choice}")


def _usage(usage: Usage) -> dict[str, Any]:
    """Return `usage` as the API words it: what is unknown stays out, for 0 would be a lie."""
    total = usage.total_tokens
    if total is None and usage.input_tokens is not None and usage.output_tokens is not None:
        total = usage.input_tokens + usage.output_tokens
    counts = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": total,
        "prompt_tokens_details": known(
            cached_tokens=usage.cache_read_tokens, cache_write_tokens=usage.cache_write_tokens
        )
        or None,
        "completion_tokens_details": known(reasoning_tokens=usage.reasoning_tokens) or None,
    }
    return known(**counts)
