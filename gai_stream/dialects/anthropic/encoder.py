"""Events to Messages events, in the order and shape that Anthropic's own SDKs need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias, assert_never

from gai_stream import _json
from gai_stream.dialects._calls import CUT, OutgoingCall, OutgoingCalls, Piece
from gai_stream.dialects._encoder import Content, Encoder, FramingName
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
    Usage,
)

from . import errors, shapes
from .whole import whole
from .wire import is_known_block

__all__ = ["AnthropicEncoder"]

_PROVIDER: Final = "anthropic"
_PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'
_CALLS: Final = ("tool_use", "server_tool_use")
_MCP_ID: Final = "mcptoolu_"
_SERVER_ID: Final = "srvtoolu_"

_Part: TypeAlias = TextDelta | ReasoningDelta | ToolResult | Citations | Raw
"""What goes into a block that is no call."""

# Events of these types are the encoder's own to send: in between they would break the order.
_GRAMMAR: Final = {
    *("message", "message_start", "message_delta", "message_stop", "ping", "error"),
    *("content_block_start", "content_block_delta", "content_block_stop"),
}


class AnthropicEncoder(Encoder):
    """Turn events into the messages of one Messages stream.

    `framing="sse"` gives named ServerSentEvents, `"ndjson"` the same values as dicts; the last one is `message_stop`,
    or `error`. `model` and `id` replace what Start says; an id that is not Anthropic's goes out as `msg_<id>`.

    One content block is open at a time. Of several tool calls one is told, and the others wait; so do text and
    reasoning that come while a call is not whole, until it is: then they come before the next call. Signatures and
    redacted reasoning go out if Start names "anthropic" or no provider, tools that the provider runs and their
    results only if it names "anthropic". Audio, safety verdicts, the end of a step, choices other than the first,
    sources without an address and other providers' raw events have no place in this dialect and are left out.
    """

    def __init__(self, *, framing: FramingName = "sse", model: str | None = None, id: str | None = None) -> None:
        super().__init__(framing)
        self._model = model
        self._id = id
        self._opened = False
        self._provider: str | None = None
        self._open = ""  # the type of the block that is open; "raw" for one that we have no name for
        self._index = -1  # of the newest block
        self._signature: str | None = None
        self._cited = False
        self._speaking = False
        self._sources: list[Citation] = []
        self._waiting: list[_Part] = []
        self._served: set[str] = set()
        self._calls = OutgoingCalls(one_at_a_time=True, prefix="toolu_")
        self._calling = False
        self._refused = False
        self._verdict: Safety | None = None

    @staticmethod
    def error_body(failure: Failure, status: int) -> dict[str, Any]:
        """Return the JSON body that tells of `failure` in an HTTP response of `status`."""
        return errors.error_for_status(failure, status)

    @staticmethod
    def whole(messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the body of an answer that is not streamed, from the messages of one that is (framing "ndjson").

        If they end in an error it is the error's body. A tool call whose arguments were cut is left out.
        """
        return whole(messages)

    def heartbeat(self) -> bytes:
        """Return what a client takes for silence: Anthropic's own ping, once the message has begun."""
        if not self._sse:
            return b"\n"
        return _PING if self._opened and not self._done else b": keep-alive\n"

    def _content(self, event: Content) -> list[Any]:
        match event:
            case TextDelta():
                return self._in_turn(event) if event.text and not event.index else []
            case ReasoningDelta():
                if self._provider not in (None, _PROVIDER):
                    # Another's seal sent back to Anthropic would be refused.
                    event = ReasoningDelta(event.text, index=event.index)
                told = event.text or event.signature or event.redacted
                return self._in_turn(event) if told and not event.index else []
            case ToolCallDelta():
                return self._told(self._calls.add(event)) if not event.choice else []
            case ToolCall():
                return self._told(self._calls.close(event)) if not event.choice else []
            case ToolResult():
                if event.id not in self._served and not (self._is_own and event.id.startswith(_SERVER_ID)):
                    return []
                _json.dumps(event.result)
                return self._in_turn(event)
            case Citations(citations=citations):
                return self._in_turn(event) if self._waiting else self._cite(citations)
            case Raw(provider="anthropic", data=dict() as data):
                return self._raw(event, data)
            case Safety():
                self._verdict = event if self._is_own and event.action == "block" else self._verdict
                return []
            case Start():
                return self._begin(event)
            case Raw() | AudioDelta() | FinishStep():
                return []
            case _:
                assert_never(event)

    @property
    def _is_own(self) -> bool:
        return self._provider == _PROVIDER

    def _in_turn(self, event: _Part) -> list[Any]:
        """Return what tells of `event`, unless a call is being told: one that is whole makes room, others do not."""
        messages = self._told(self._calls.end_current()) if self._open in _CALLS else []
        if self._open in _CALLS:
            self._waiting.append(event)
            return []
        return messages + self._tell(event)

    def _tell(self, event: _Part) -> list[Any]:
        match event:
            case TextDelta(text=text):
                self._refused = self._refused or event.refusal
                messages = self._open_text() if self._open != "text" or self._cited else []
                return [*messages, self._delta({"type": "text_delta", "text": text})]
            case ReasoningDelta():
                return self._reasoning(event)
            case ToolResult():
                return [*self._start_block(shapes.result_block(event)), *self._end_block()]
            case Citations(citations=citations):
                return self._cite(citations)
            case Raw(data=data):
                if data["type"] == "content_block_start":
                    messages = self._start_block(data["content_block"])
                    self._open = "raw"
                    return messages
                if self._open != "raw":
                    return []
                return [self._message({**data, "index": self._index}, "content_block_delta")]
            case _:
                assert_never(event)

    def _cite(self, citations: list[Citation]) -> list[Any]:
        """Return what names sources in the text that they are for; those known before any text wait for it."""
        if self._open != "text":
            self._sources += [] if self._speaking else citations
            return []
        messages = [self._delta(delta) for delta in shapes.citations(citations)]
        if messages:
            # The next text begins another block.
            self._cited = True
            self._texts.clear()
        return messages

    def _reasoning(self, event: ReasoningDelta) -> list[Any]:
        messages = []
        if event.text or event.signature:
            # A seal is for the whole of its block: behind it begins the next one.
            sealed = self._signature is not None and bool(event.text or event.signature != self._signature)
            if self._open != "thinking" or sealed:
                messages += self._start_block({"type": "thinking", "thinking": "", "signature": ""})
            if event.text:
                messages.append(self._delta({"type": "thinking_delta", "thinking": event.text}))
            self._signature = event.signature or self._signature
        if event.redacted:
            messages += self._start_block({"type": "redacted_thinking", "data": event.redacted})
            messages += self._end_block()
        return messages

    def _raw(self, event: Raw, data: dict[str, Any]) -> list[Any]:
        """Return what passes on something of Anthropic's that we have no name for, if it keeps the order of blocks."""
        kind = data.get("type")
        if kind == "content_block_start":
            block = data.get("content_block")
            kind = block.get("type") if isinstance(block, dict) else None
            if not isinstance(kind, str) or is_known_block(kind):
                return []
            _json.dumps(data)
            return self._in_turn(event)
        if kind == "content_block_delta":
            # Only where it must belong to a block that was passed on in the same way.
            if not isinstance(data.get("delta"), dict) or not (self._waiting or self._open == "raw"):
                return []
            _json.dumps(data)
            return self._in_turn(event)
        if not isinstance(kind, str) or kind in _GRAMMAR:
            return []
        message = self._message(data, kind)
        return [*self._begin(Start()), message]

    def _told(self, pieces: list[Piece], *, cut: bool = False) -> list[Any]:
        """Return what tells of `pieces`, and of what waited for a call. `cut` says that the answer ended early."""
        messages = []
        for piece in pieces:
            call = piece.call
            if call.kind == "server" and (not self._is_own or call.id.startswith(_MCP_ID)):
                continue
            if piece.begins:
                messages += self._start_call(call)
            if arguments := shapes.arguments(piece, cut=cut):
                messages.append(self._delta({"type": "input_json_delta", "partial_json": arguments}))
            if piece.ends:
                messages += self._end_block()
                waiting, self._waiting = self._waiting, []
                for event in waiting:
                    messages += self._tell(event)
        if self._waiting and (pieces := self._calls.end_current()):
            messages += self._told(pieces)
        return messages

    def _start_call(self, call: OutgoingCall) -> list[Any]:
        kind = "server_tool_use" if call.kind == "server" else "tool_use"
        if kind == "tool_use":
            self._calling = True
        else:
            self._served.add(call.id)
        messages = self._start_block({"type": kind, "id": shapes.wire_id(call.id), "name": call.name, "input": {}})
        return [*messages, self._delta({"type": "input_json_delta", "partial_json": ""})]

    def _begin(self, start: Start) -> list[Any]:
        if self._opened:
            return []
        self._opened = True
        self._provider = start.provider
        message = shapes.message(start, model=self._model, id=self._id)
        return [self._event({"type": "message_start", "message": message})]

    def _event(self, value: dict[str, Any]) -> Any:
        return self._message(value, value["type"])

    def _delta(self, delta: dict[str, Any]) -> Any:
        return self._event({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _start_block(self, block: dict[str, Any]) -> list[Any]:
        messages = [*self._begin(Start()), *self._end_block()]
        self._index += 1
        self._open = block["type"]
        messages.append(self._event({"type": "content_block_start", "index": self._index, "content_block": block}))
        return messages

    def _end_block(self) -> list[Any]:
        if not self._open:
            return []
        messages = []
        if self._signature is not None:
            messages.append(self._delta({"type": "signature_delta", "signature": self._signature}))
        messages.append(self._event({"type": "content_block_stop", "index": self._index}))
        self._open = ""
        self._texts.clear()
        self._signature = None
        self._cited = False
        return messages

    def _open_text(self) -> list[Any]:
        messages = self._start_block({"type": "text", "text": ""})
        self._speaking = True
        before = f'{{"type":"content_block_delta","index":{self._index},"delta":{{"type":"text_delta","text":'
        self._shorten_texts(before, "}}", event="content_block_delta")
        sources, self._sources = self._sources, []
        return messages + [self._delta(delta) for delta in shapes.citations(sources)]

    def _close(self, event: Finish) -> list[Any]:
        messages = self._begin(Start())
        messages += self._told(self._calls.flush(), cut=event.reason in CUT)
        messages += self._end_block()
        reason = shapes.stop_reason(event, calling=self._calling, refused=self._refused, own=self._is_own)
        sequence = event.stop_sequence if reason == "stop_sequence" else None
        delta: dict[str, Any] = {"stop_reason": reason, "stop_sequence": sequence}
        if self._verdict is not None and reason == "refusal":
            delta["stop_details"] = shapes.stop_details(self._verdict)
        usage = shapes.usage(event.usage or Usage(), details=self._is_own)
        return [*messages, self._event({"type": "message_delta", "delta": delta, "usage": usage})]

    def _error(self, failure: Failure) -> list[Any]:
        messages = [*self._told(self._calls.flush(), cut=True), *self._end_block()] if self._opened else []
        return [*messages, self._event(errors.error_object(failure))]

    def _terminator(self) -> list[Any]:
        return [self._event({"type": "message_stop"})]
