"""Responses events to events: OpenAI's own, and those of the servers that resemble it."""

from __future__ import annotations

from math import isfinite
from typing import Any, Final

from gai_stream.dialects._decoder import DONE, Decoder, read_message
from gai_stream.dialects._errors import provider_error
from gai_stream.events import (
    AudioDelta,
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    Raw,
    ReasoningDelta,
    Safety,
    Start,
    Usage,
    failure_from,
)
from gai_stream.exceptions import DecodeError
from gai_stream.sse import ServerSentEvent

from . import wire
from .calls import Calls
from .parts import Key, Parts
from .wire import CALLS, PROVIDER, SERVER_CALLS, Item, Response, Update

__all__ = ["OpenAIResponsesDecoder"]

# What an event is of, by its type up to the last dot: the item's type, and the text's.
_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "response.output_text": ("message", "output_text"),
    "response.refusal": ("message", "refusal"),
    "response.reasoning_summary_text": ("reasoning", "summary_text"),
    "response.reasoning_text": ("reasoning", "reasoning_text"),
}
_ARGUMENTS: Final[dict[str, tuple[str, str]]] = {
    "response.function_call_arguments": ("function_call", "function"),
    "response.custom_tool_call_input": ("custom_tool_call", "custom"),
    "response.mcp_call_arguments": ("mcp_call", "server"),
}
_BEGINNINGS: Final = ("response.created", "response.queued", "response.in_progress")
_ENDS: Final = ("completed", "incomplete", "failed", "cancelled")

# OpenAI sends keepalive, though it is not documented; the other two repeat nothing that was not told.
_IGNORED: Final = ("keepalive", "response.audio.done", "response.audio.transcript.done")

_REASONS: Final[dict[str | None, str]] = {"max_output_tokens": "length", "content_filter": "content_filter"}


class OpenAIResponsesDecoder(Decoder):
    """Turn the messages of one Responses stream into events.

    A message is a ServerSentEvent, JSON text or bytes, a dict, an SDK's event (anything with `model_dump`), or the
    whole body of an answer that was not streamed. The answer ends with `response.completed`, `.incomplete` or
    `.failed`; input that ends before is TruncatedStream. A message of the wrong shape is a DecodeError that costs that
    message alone.

    Encrypted reasoning is ReasoningDelta.redacted, and the id of its item, without which the API does not take it
    back, the signature. Calls that the provider runs by itself have their whole item as the result. Citations count
    characters from the answer's beginning, not the part's. `max_arguments_size` bounds the tool calls of one answer
    together, in characters.
    """

    def __init__(self, *, max_arguments_size: int = 1 << 20) -> None:
        super().__init__()
        self._calls = Calls(max_arguments_size)
        self._parts = Parts()
        self._places: dict[str, set[int]] = {}
        self._seals: dict[int, str] = {}
        self._sealed: set[int] = set()
        self._started = False
        self._id: str | None = None

    def _decode(self, message: Any) -> list[Event]:
        is_error = isinstance(message, ServerSentEvent) and message.event == "error"
        try:
            value = read_message(message, self, by_alias=True)
        except DecodeError:
            if not is_error:
                raise
            return self._fail(failure_from(provider_error(message.data)))
        if value is None or value is DONE or value == {}:
            return []
        if not isinstance(value, dict):
            is_error = is_error or (isinstance(value, list) and bool(value) and _tells_error(value[0]))
            return self._fail(failure_from(provider_error(value))) if is_error else self._raw(value)
        kind = value.get("type")
        if not isinstance(kind, str):
            kind = ""
            if value.get("object") == "response":
                return self._whole(wire.read(value, Response))
        if (events := self._known(kind, value)) is not None:
            return events
        if is_error or kind == "error" or _tells_error(value):
            return self._fail(failure_from(provider_error(value)))
        return self._raw(value)

    def _known(self, kind: str, value: dict[str, Any]) -> list[Event] | None:
        """Return the events of a message of a type that we know; None for any other."""
        name, _, verb = kind.rpartition(".")
        if name in _TEXTS and verb in ("delta", "done"):
            return self._text(*_TEXTS[name], wire.read(value, Update))
        if name in _ARGUMENTS and verb in ("delta", "done"):
            return self._arguments(*_ARGUMENTS[name], wire.read(value, Update))
        if name == "response.output_item" and verb in ("added", "done"):
            update = wire.read(value, Update)
            item = wire.read_item(update.item)
            return self._items([(update.output_index, item)], is_done=verb == "done", raw=value)
        if name in ("response.content_part", "response.reasoning_summary_part") and verb in ("added", "done"):
            return self._part(wire.read(value, Update))
        if kind in _BEGINNINGS:
            return self._begin([], _response(value))
        if name == "response" and verb in _ENDS:
            return self._end(_response(value), verb)
        if kind == "response.output_text.annotation.added":
            update = wire.read(value, Update)
            key = Key(update.output_index, "output_text", update.content_index or 0)
            return self._begin(self._parts.cite(key, [update.annotation]))
        if kind == "response.audio.delta":
            # The wire does not name the format; the only one that the API streams is this.
            data = wire.read(value, wire.Audio).delta
            return self._begin([AudioDelta(data, "pcm16")] if data else [])
        if kind == "response.audio.transcript.delta":
            words = wire.read(value, wire.Transcript).delta
            return self._begin([AudioDelta(b"", transcript=words)] if words else [])
        return [] if kind in _IGNORED else None

    def _begin(self, events: list[Event], response: Response | None = None) -> list[Event]:
        """Put Start before the first events."""
        if self._started:
            return events
        self._started = True
        self._id = response.id if response is not None else None
        return [Start(response.model if response is not None else None, "openai", self._id), *events]

    def _raw(self, value: Any) -> list[Event]:
        return self._begin([Raw(PROVIDER, value)])

    def _text(self, item: str, kind: str, update: Update) -> list[Event]:
        self._see(item, update.output_index)
        place = update.summary_index if kind == "summary_text" else update.content_index
        key = Key(update.output_index, kind, place or 0)
        if update.delta is not None:
            return self._begin(self._parts.delta(key, update.delta))
        return self._begin(self._parts.whole(key, update.text or update.refusal or ""))

    def _part(self, update: Update) -> list[Event]:
        part = wire.read_part(update.part)
        if part is None:
            return self._begin([])
        place = update.summary_index if part.kind == "summary_text" else update.content_index
        return self._begin(self._part_of(update.output_index, place or 0, part))

    def _part_of(self, index: int, place: int, part: wire.Part) -> list[Event]:
        key = Key(index, part.kind, place)
        events = self._parts.whole(key, part.text)
        return events + self._parts.cite(key, part.annotations) if part.annotations else events

    def _arguments(self, item: str, kind: str, update: Update) -> list[Event]:
        index, text = update.output_index, wire.text_of(update.arguments) or update.input or ""
        is_whole = update.delta is None
        self._calls.reserve(self._calls.cost(index, update.delta or text, is_whole=is_whole))
        self._see(item, index)
        if is_whole:
            return self._begin(self._calls.whole(index, kind, text, update.name))
        return self._begin(self._calls.delta(index, kind, update.delta or ""))

    def _see(self, item: str, index: int) -> None:
        self._places.setdefault(item, set()).add(index)

    def _items(
        self, items: list[tuple[int, Item]], *, is_done: bool, raw: Any = None, response: Response | None = None
    ) -> list[Event]:
        """Return what items tell, each with its index. `raw` is what Raw tells instead of an item."""
        self._calls.reserve(
            sum(
                self._calls.cost(index, item.call_text, is_whole=True)
                for index, item in items
                if item.type in CALLS or item.type in SERVER_CALLS
            )
        )
        events = self._begin([], response)
        for index, item in items:
            is_new = index not in self._places.get(item.type, ())
            self._see(item.type, index)
            if item.type in CALLS:
                events += self._calls.take(index, item, self._id, is_done=is_done)
            elif item.type in SERVER_CALLS:
                events += self._calls.take_server(index, item, self._id, is_done=is_done)
            elif item.type in ("message", "reasoning"):
                for place, part in item.parts:
                    events += self._part_of(index, place, part)
                events += self._seal(index, item, is_done=is_done)
            elif raw is not None or is_new:
                done = {"type": "response.output_item.done", "output_index": index, "item": item.data}
                events.append(Raw(PROVIDER, done if raw is None else raw))
        return events

    def _seal(self, index: int, item: Item, *, is_done: bool) -> list[Event]:
        """Return what makes a reasoning item one that can be sent back: its first id, then its encrypted content."""
        id = self._seals.setdefault(index, item.id or "")
        if not item.encrypted_content or index in self._sealed:
            return []
        if not is_done:
            return [ReasoningDelta("", signature=id)] if id else []
        self._sealed.add(index)
        return [ReasoningDelta("", signature=id or None, redacted=item.encrypted_content)]

    def _whole(self, response: Response) -> list[Event]:
        """Return what the body of an answer that was not streamed tells."""
        status = response.status or "completed"
        return self._end(response, status) if status in _ENDS else self._begin([], response)

    def _end(self, response: Response, status: str) -> list[Event]:
        items = self._placed([wire.read_item(value) for value in response.output or ()])
        events = self._items(items, is_done=True, response=response)
        if status == "failed":
            error = {"error": response.error} if response.error else {}
            return events + self._fail(failure_from(provider_error(error)))
        calls, problem = self._calls.finish(self._id, is_cut=status != "completed")
        events += calls
        if self._parts.refused:
            events.append(Safety("refusal", "block"))
        if problem is not None:
            return events + self._fail(Failure("invalid_response", problem))
        self._done = True
        reason, raw_reason = _reason(status, response.incomplete_reason, called=self._calls.any)
        usage = None if response.usage is None else _usage(response.usage)
        return [*events, FinishStep(1), Finish(reason, usage, raw_reason), Done(finished=status != "cancelled")]

    def _placed(self, items: list[Item]) -> list[tuple[int, Item]]:
        """Return the items of the whole answer with the indexes that their events had.

        Not all servers list all items, or in that order: the second message is the second message that was seen.
        """
        placed: list[tuple[int, Item]] = []
        counts: dict[str, int] = {}
        seen = {kind: sorted(places) for kind, places in self._places.items()}
        new = max((places[-1] for places in seen.values()), default=-1) + 1
        for item in items:
            places = seen.get(item.type, [])
            count = counts[item.type] = counts.get(item.type, -1) + 1
            index = places[count] if count < len(places) else None
            if item.type in CALLS and item.call_id:
                by_id = self._calls.index_of(item.call_id)
                if by_id is not None:
                    index = by_id
                elif index is not None and self._calls.is_named(index):
                    index = None
            if index is None:
                index, new = new, new + 1
            placed.append((index, item))
        return placed


def _response(value: dict[str, Any]) -> Response:
    return wire.read(value.get("response") or {}, Response)


def _tells_error(value: Any) -> bool:
    """Whether a message without a type that we know is an error, in one of the shapes that servers have for it."""
    if not isinstance(value, dict):
        return False
    if value.get("error") or value.get("object") == "error":
        return True
    return "type" not in value and bool(isinstance(value.get("message"), str) or value.get("detail"))


def _reason(status: str, detail: str | None, *, called: bool) -> tuple[str, str]:
    """Return why the answer ended, in our word and in the provider's: its status, or what our word does not say."""
    if status == "completed":
        return "tool_calls" if called else "stop", status
    if status == "incomplete" and (reason := _REASONS.get(detail)) is not None:
        return reason, status
    return "unknown", detail or status


def _usage(usage: wire.Usage) -> Usage | None:
    """Return `usage` in our terms, or None if it has no count at all."""
    given, made = usage.input_tokens_details, usage.output_tokens_details
    input, output, total = (_whole(n) for n in (usage.input_tokens, usage.output_tokens, usage.total_tokens))
    if total is None and input is not None and output is not None:
        total = input + output
    result = Usage(
        input,
        output,
        total,
        _whole(made.reasoning_tokens) if made else None,
        _whole(given.cached_tokens) if given else None,
        _whole(given.cache_write_tokens) if given else None,
    )
    return None if result == Usage() else result


def _whole(count: float | None) -> int | None:
    return None if count is None or not isfinite(count) else int(count)
