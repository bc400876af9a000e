"""Chat Completions chunks to events: OpenAI's own, and those of the servers that resemble it."""

from __future__ import annotations

from math import isfinite
from typing import Any, ClassVar, Final

from gai_stream.dialects._decoder import Decoder
from gai_stream.dialects._errors import provider_error
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
    Usage,
    failure_from,
)
from gai_stream.exceptions import DecodeError, ProviderError, TruncatedStream
from gai_stream.sse import ServerSentEvent

from . import extras, wire
from .calls import Calls
from .server_tools import ServerTools

__all__ = ["OpenAIDecoder"]

# Every server's words for why it stopped; what is not here is "unknown".
_REASONS: Final[dict[str, str]] = {
    **dict.fromkeys(("stop", "eos", "eos_token", "stop_sequence", "end_turn"), "stop"),
    **dict.fromkeys(("length", "model_length", "max_tokens", "model_context_window_exceeded"), "length"),
    **dict.fromkeys(("tool_calls", "function_call", "tool_use"), "tool_calls"),
    **dict.fromkeys(("content_filter", "refusal", "sensitive"), "content_filter"),
    **dict.fromkeys(("error", "insufficient_system_resource", "network_error", "abort"), "error"),
}

# After these, a tool call that is not whole was cut off rather than badly written.
_EARLY_ENDS: Final = ("length", "content_filter", "error")

_MOST_HELD: Final = 64


class OpenAIDecoder(Decoder):
    """Turn the messages of one Chat Completions stream into events.

    A message is a ServerSentEvent, JSON text or bytes, a dict, or an SDK's object (anything with `model_dump`): a
    chunk, or an answer in one piece. The answer ends at `[DONE]`, or when the input does after a finish reason was
    seen; input that ends before is TruncatedStream. A message of the wrong shape is a DecodeError that costs that
    message alone. Give `ignored` to `SSEDecoder(on_ignored=...)` to see the errors that some servers send outside of
    any event. Log probabilities have no place among the events.

    `max_arguments_size` bounds the tool calls of one answer together, in characters. `needs_reason=False` is for
    servers that give no finish reason (some do so regularly): the end of the input ends the answer, for a reason that
    is "unknown".
    """

    _name: ClassVar[str] = "openai"
    # The wire does not name the format; the only one that the API streams is this.
    _audio_format: ClassVar[str] = "pcm16"

    def __init__(self, *, max_arguments_size: int = 1 << 20, needs_reason: bool = True) -> None:
        if type(needs_reason) is not bool:
            raise ValueError(f"needs_reason must be True or False, not {needs_reason!r}")
        super().__init__()
        self._needs_reason = needs_reason
        self._whole = False
        self._tools = ServerTools()
        self._calls = Calls(max_arguments_size)
        self._started = False
        self._id: str | None = None
        self._model: str | None = None
        self._provider: str | None = None
        self._held: list[Event] = []
        self._seen: set[int] = set()
        self._reasons: dict[int, str] = {}
        self._usage: Usage | None = None
        self._refused = False
        self._told: set[Safety | str | None] = set()
        self._failure: Failure | None = None

    def _decode(self, message: Any) -> list[Event]:
        is_error = isinstance(message, ServerSentEvent) and message.event == "error"
        try:
            parsed = wire.parse(message, self)
        except DecodeError:
            if not is_error:
                raise
            return self._refuse(message.data)
        if parsed is None:
            return []
        if parsed.done:
            return self._close()
        chunk = parsed.chunk
        if chunk is None or not chunk.known or chunk.error:
            return self._other(parsed, is_error=is_error)
        if chunk.x_groq is not None and chunk.x_groq.error:
            return self._refuse({"error": chunk.x_groq.error})
        for choice in chunk.choices or ():
            if choice.error:
                return self._refuse({"error": choice.error})
        events = self._chunk(chunk)
        self._whole = self._whole or parsed.whole
        return events

    def ignored(self, line: bytes) -> None:
        """Take a line that is no part of any event: `error: {json}`, or a bare JSON error.

        Such a failure ends the answer, once the messages before it have been fed: at its terminator or at `finish`.
        """
        text = line.strip().removeprefix(b"error:").strip()
        if self._failure is not None or not text.startswith((b"{", b"[")):
            return
        try:
            value = wire.read(text)
        except DecodeError:
            return
        body = value[0] if isinstance(value, list) and value else value
        if isinstance(body, dict) and (body.get("error") or text != line.strip()):
            self._failure = failure_from(self._error_of(body))

    def _end_of_input(self) -> list[Event]:
        reasoned = bool(self._reasons) and self._seen <= self._reasons.keys()
        enough = self._whole or (self._seen and not self._needs_reason)
        if self._failure is None and not reasoned and not enough:
            raise TruncatedStream("the stream ended without a finish reason and without [DONE]")
        return self._close()

    def _other(self, parsed: wire.Message, *, is_error: bool) -> list[Event]:
        """Return the events of what is no chunk: an error in one of its many shapes, or something unknown."""
        chunk, value = parsed.chunk, parsed.value()
        if isinstance(value, list) and value and isinstance(value[0], dict) and value[0].get("error"):
            is_error = True
        elif chunk is not None:
            is_error = bool(
                is_error or chunk.error or chunk.object == "error" or isinstance(chunk.message, str) or chunk.detail
            )
        if is_error:
            return self._refuse(value)
        return self._begin(None, [Raw(self._name, value)], content=False) if value != {} else []

    def _chunk(self, chunk: wire.Chunk) -> list[Event]:
        choices = chunk.choices or []
        self._calls.reserve(choices)
        if chunk.id and not self._id:
            self._id = chunk.id
        usage = chunk.usage or next((choice.usage for choice in choices if choice.usage), None)
        usage = usage or (chunk.x_groq.usage if chunk.x_groq else None)
        if usage is not None:
            # Every count is of the whole answer so far: the last one is right, and they never add up.
            self._usage = _usage(usage) or self._usage
        before: list[Event] = []
        if chunk.prompt_filter_results or chunk.moderation or chunk.content_filter:
            self._judge(extras.verdicts(chunk), before)
        events: list[Event] = []
        for choice in choices:
            self._choice(choice, events)
        content = bool(events)
        if chunk.citations or chunk.search_results or chunk.web_search:
            self._cite(extras.sources(chunk), events)
        return self._begin(chunk, before + events, content=content)

    def _begin(self, chunk: wire.Chunk | None, events: list[Event], *, content: bool) -> list[Event]:
        """Put Start before the first events.

        Start waits for the chunk that has an id, since Azure sends a nameless one before it; what is not content
        waits with it.
        """
        if self._started:
            return events
        if chunk is not None:
            self._model = chunk.model or self._model
            self._provider = chunk.provider if isinstance(chunk.provider, str) else self._provider
        self._held += events
        if not self._id and not content and len(self._held) <= _MOST_HELD:
            return []
        self._started = True
        events, self._held = self._held, []
        return [Start(self._model, self._provider, self._id), *events]

    def _choice(self, choice: wire.Choice, events: list[Event]) -> None:
        index = choice.index or 0
        self._seen.add(index)
        if choice.delta is not None:
            self._delta(choice.delta, index, events)
        if choice.content_filter_results:
            self._judge(extras.filtered(choice.content_filter_results), events)
        # Old servers send "" for null.
        if choice.finish_reason:
            self._reasons[index] = choice.finish_reason

    def _delta(self, delta: wire.Delta, index: int, events: list[Event]) -> None:
        reasoning = ""
        if delta.reasoning_content or delta.reasoning or delta.reasoning_details or delta.thinking_blocks:
            reasoning, seals, redacted = extras.reasoning(delta)
            if reasoning or seals:
                events.append(ReasoningDelta(reasoning, seals[0] if seals else None, index))
                events += [ReasoningDelta("", seal, index) for seal in seals[1:]]
            events += [ReasoningDelta("", None, index, data) for data in redacted]
        if isinstance(delta.content, str):
            if delta.content:
                events.append(TextDelta(delta.content, index))
        elif delta.content:
            for part in delta.content:
                self._part(part, index, events, told=bool(reasoning))
        if delta.refusal:
            self._refused = True
            events.append(TextDelta(delta.refusal, index, refusal=True))
        for fragment in delta.tool_calls or ():
            if fragment.is_for_client:
                self._calls.add(fragment, index, self._id, events)
            else:
                events += self._server_call(fragment, index)
        if delta.function_call is not None:
            self._calls.add_function_call(wire.Fragment(function=delta.function_call), index, self._id, events)
        if delta.audio is not None and (delta.audio.data or delta.audio.transcript):
            data = delta.audio.data or b""
            events.append(AudioDelta(data, self._audio_format if data else None, delta.audio.transcript or None))
        if delta.annotations and (found := extras.annotated(delta.annotations)):
            events.append(Citations(found))
        if delta.executed_tools:
            for place, *told in extras.executed(delta.executed_tools):
                events += self._tools.tell((index, place), *told, choice=index, stream_id=self._id)
        # A seal without a call beside it is on the last one, or else on what was thought.
        if (
            delta.extra_content
            and (seal := wire.signature(delta.extra_content))
            and (delta.content or not self._calls.seal(index, seal))
        ):
            events.append(ReasoningDelta("", seal, index))

    def _server_call(self, fragment: wire.Fragment, index: int) -> list[Event]:  # noqa: ARG002 (others know more)
        """Return the events of a call that the server runs by itself: none, for it is not the client's business."""
        return []

    def _part(self, part: str | wire.Part, index: int, events: list[Event], *, told: bool) -> None:
        """Take one part of a `content` that is a list. `told` says that its thinking was read elsewhere."""
        if isinstance(part, str):
            part = wire.Part(text=part)
        thinking = part.thinking or ""
        if not isinstance(thinking, str):
            thinking = "".join(inner.text or "" for inner in thinking)
        if thinking and not told:
            events.append(ReasoningDelta(thinking, index=index))
        if part.text:
            events.append(TextDelta(part.text, index))
        if part.reference_ids:
            events.append(Citations([Citation(str(reference)) for reference in part.reference_ids]))

    def _judge(self, verdicts: extras.Verdicts, events: list[Event]) -> None:
        """Append the verdicts that were not told yet: filters repeat theirs on every chunk."""
        for verdict in verdicts:
            if verdict not in self._told:
                self._told.add(verdict)
                events.append(verdict)

    def _cite(self, found: list[Citation], events: list[Event]) -> None:
        """Append the sources that were not told yet: Perplexity repeats them on every chunk."""
        new = [citation for citation in found if (citation.uri or citation.title) not in self._told]
        self._told.update(citation.uri or citation.title for citation in new)
        if new:
            events.append(Citations(new))

    def _close(self) -> list[Event]:
        if self._failure is not None:
            return self._fail(self._failure)
        raw_reason = self._reasons[min(self._reasons)] if self._reasons else None
        cut = [choice for choice, reason in self._reasons.items() if _REASONS.get(reason) in _EARLY_ENDS]
        calls, problem = self._calls.finish(cut)
        events: list[Event] = [*calls]
        if self._refused:
            events.append(Safety("refusal", "block"))
        if raw_reason == "sensitive":
            events.append(Safety("sensitive", "block"))
        if problem is not None:
            return self._begin(None, events, content=True) + self._fail(Failure("invalid_response", problem))
        self._done = True
        reason = _REASONS.get(raw_reason or "", "unknown")
        events += [FinishStep(1), Finish(reason, self._usage, raw_reason), Done(finished=reason != "error")]
        return self._begin(None, events, content=True)

    def _error_of(self, payload: Any) -> ProviderError:
        return provider_error(payload)

    def _refuse(self, payload: Any) -> list[Event]:
        """End the answer with the error that `payload` tells of."""
        return self._fail(failure_from(self._error_of(payload)))

    def _fail(self, failure: Failure) -> list[Event]:
        held, self._held = self._held, []
        if held:
            held.insert(0, Start(self._model, self._provider, self._id))
        return [*held, *super()._fail(failure)]


def _usage(usage: wire.Usage) -> Usage | None:
    """Return `usage` in our terms, or None if it has no count at all."""
    given = usage.prompt_tokens_details
    made = usage.completion_tokens_details
    read = _first(
        given.cached_tokens if given else None,
        usage.prompt_cache_hit_tokens,
        usage.cached_tokens,
        usage.cache_read_input_tokens,
    )
    written = _first(given.cache_write_tokens if given else None, usage.cache_creation_input_tokens)
    thought = _first(made.reasoning_tokens if made else None, usage.reasoning_tokens)
    input, output, total = (_first(n) for n in (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens))
    if input is not None and output is not None:
        if thought and input + output + thought == total:
            # xAI leaves reasoning out of the completion, though not out of the total.
            output += thought
        total = input + output if total is None else total
    result = Usage(input, output, total, thought, read, written)
    return None if result == Usage() else result


def _first(*counts: float | None) -> int | None:
    return next((int(count) for count in counts if count is not None and isfinite(count)), None)
