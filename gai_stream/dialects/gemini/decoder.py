"""Gemini chunks to events: from `alt=sse`, from the JSON array, from the SDK, or a whole answer at once."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from gai_stream.dialects._decoder import DONE, Decoder, read_message
from gai_stream.dialects._errors import provider_error
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
    Usage,
    failure_from,
)
from gai_stream.exceptions import TruncatedStream

from . import extras, wire
from .calls import Calls
from .errors import StrayError
from .reasons import EARLY_ENDS, FINISH_REASONS

__all__ = ["GeminiDecoder"]

_PLAIN_KEYS: Final = frozenset(("text", "thought", "thoughtSignature"))


class GeminiDecoder(Decoder):
    """Turn the messages of one `streamGenerateContent` stream into events.

    A message is a ServerSentEvent, JSON text or bytes, a dict, an SDK's GenerateContentResponse, or a list of these
    dicts. The dialect has no terminator: the answer ends with the input, if every candidate has a finish reason or the
    prompt was blocked; input that ends before is TruncatedStream. A message of the wrong shape is a DecodeError that
    costs that message alone. Give `ignored` to `SSEDecoder(on_ignored=...)` to see the errors that Google writes behind
    good events, outside of any event.

    What has no event of its own (images, unknown parts) becomes Raw("gemini", data), where `data` is a chunk that
    holds nothing else. `max_arguments_size` bounds the tool calls of one answer together, in characters.
    """

    _name: ClassVar = "gemini"
    _fatal_reasons: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *, max_arguments_size: int = 1 << 20) -> None:
        super().__init__()
        self._calls = Calls(max_arguments_size)
        self._stray = StrayError()
        self._started = False
        self._id: str | None = None
        self._sources: dict[int, extras.Sources] = {}
        self._reasons: dict[int, str] = {}
        self._notes: dict[int, object] = {}
        self._block_reason: str | None = None
        self._usage: Usage | None = None
        self._told: dict[tuple[int, str], Safety] = {}

    def ignored(self, line: bytes) -> None:
        """Take a line that is no part of any event: one of a JSON error.

        Such a failure ends the answer, once the messages before it have been fed: at `finish`.
        """
        self._stray.take(line)

    def _decode(self, message: Any) -> list[Event]:
        value = read_message(message, self, by_alias=True)
        if value is None:
            return []
        if value is DONE:
            # Not Google's word, but that of proxies that speak many dialects.
            return self._fail(self._stray.failure) if self._stray.failure is not None else self._close()
        if hasattr(message, "model_dump"):
            value = wire.with_plain_base64(value)
        values = [self._unwrapped(entry) for entry in (value if isinstance(value, list) else [value])]
        # All of it is read before any of it counts.
        chunks = [None if _is_error(entry) or not wire.is_chunk(entry) else wire.read(entry) for entry in values]
        self._calls.reserve(part for chunk in chunks if chunk is not None for part in chunk.parts)
        events: list[Event] = []
        for entry, chunk in zip(values, chunks, strict=True):
            if chunk is not None:
                events += self._chunk(chunk, entry)
            elif _is_error(entry):
                return events + self._fail(failure_from(provider_error(entry)))
            elif entry:
                events += self._begin(None, [Raw(self._name, entry)])
        return events

    def _end_of_input(self) -> list[Event]:
        if self._stray.failure is not None:
            return self._fail(self._stray.failure)
        if self._stray.is_open:
            raise TruncatedStream("the stream ended within an error")
        if self._block_reason is None and (not self._reasons or self._sources.keys() - self._reasons.keys()):
            raise TruncatedStream("the stream ended without a finish reason")
        return self._close()

    def _unwrapped(self, value: Any) -> Any:
        """Return the chunk that `value` holds."""
        return value

    def _begin(self, chunk: wire.Chunk | None, events: list[Event]) -> list[Event]:
        """Put Start before the first events."""
        if self._started:
            return events
        self._started = True
        return [Start((chunk.model_version if chunk else None) or None, "gemini", self._id), *events]

    def _chunk(self, chunk: wire.Chunk, value: dict[str, Any]) -> list[Event]:
        self._id = self._id or chunk.response_id or None
        events = self._begin(chunk, [])
        if chunk.usage_metadata is not None:
            # Every count is of the whole answer so far: the last one is right, and they never add up.
            self._usage = extras.usage_of(chunk.usage_metadata) or self._usage
        if (feedback := chunk.prompt_feedback) is not None:
            self._judge(feedback.safety_ratings, 0, events, blocked=bool(feedback.block_reason))
            if feedback.block_reason:
                self._block_reason = feedback.block_reason
                note = feedback.block_reason_message
                events.append(Safety(self._block_reason, "block", None, note if isinstance(note, str) else None))
        for number, candidate in enumerate(chunk.candidates or ()):
            given = value["candidates"][number].get("content")
            self._candidate(candidate, (given or {}).get("parts") or [], events)
        return events

    def _candidate(self, candidate: wire.Candidate, given: list[dict[str, Any]], events: list[Event]) -> None:
        index = candidate.index or 0
        sources = self._sources.get(index)
        if sources is None:
            sources = self._sources[index] = extras.Sources()
        for part, data in zip(candidate.parts, given, strict=True):
            self._part(part, data, index, events)
        if candidate.safety_ratings:
            self._judge(candidate.safety_ratings, index, events, blocked=candidate.finish_reason == "SAFETY")
        if candidate.citation_metadata or candidate.grounding_metadata:
            sources.add(candidate.citation_metadata, candidate.grounding_metadata)
        if candidate.finish_reason:
            self._reasons[index] = candidate.finish_reason
            self._notes[index] = candidate.finish_message

    def _part(self, part: wire.Part, data: dict[str, Any], index: int, events: list[Event]) -> None:
        """Take one part. Its signature goes with its event where that has room for one, else behind it."""
        seal = part.thought_signature or None
        if part.text and part.thought:
            events.append(ReasoningDelta(part.text, seal, index))
            seal = None
        elif part.text:
            self._sources[index].text.add(part.text)
            events.append(TextDelta(part.text, index))
        if part.function_call is not None:
            events += self._calls.add(part.function_call, seal, index, self._id)
            seal = None
        elif part.executable_code is not None:
            events += self._calls.run(part.executable_code, seal, index, self._id)
            seal = None
        elif part.code_execution_result is not None:
            events.append(self._calls.ran(part.code_execution_result, index, self._id))
        elif (blob := part.inline_data) is not None and (blob.mime_type or "").startswith("audio/"):
            if blob.data:
                events.append(AudioDelta(blob.data, None if blob.mime_type == "audio/*" else blob.mime_type))
        elif part.audio_transcription is not None:
            if part.audio_transcription.text:
                events.append(AudioDelta(b"", None, part.audio_transcription.text))
        elif not part.text and data.keys() - _PLAIN_KEYS:
            content = {"parts": [data], "role": "model"}
            events.append(Raw("gemini", {"candidates": [{"content": content, "index": index}]}))
            seal = None
        if seal:
            events.append(ReasoningDelta("", seal, index))

    def _judge(self, ratings: object, choice: int, events: list[Event], *, blocked: bool = False) -> None:
        """Append the verdicts that are news: ratings come with many chunks, and only their scores differ."""
        for verdict in extras.ratings(ratings, blocked=blocked):
            known = self._told.get((choice, verdict.category))
            if known is None or (known.action, known.note) != (verdict.action, verdict.note):
                self._told[choice, verdict.category] = verdict
                events.append(verdict)

    def _close(self) -> list[Event]:
        first = min(self._reasons, default=0)
        raw_reason = self._block_reason or self._reasons.get(first)
        reason = "content_filter" if self._block_reason else FINISH_REASONS.get(raw_reason or "", "unknown")
        cut = [choice for choice, word in self._reasons.items() if FINISH_REASONS.get(word) in EARLY_ENDS]
        events = self._begin(None, []) + self._calls.finish(cut)
        if citations := [citation for sources in self._sources.values() for citation in sources.citations()]:
            events.append(Citations(citations))
        if self._calls.problem is not None and first not in cut:
            return events + self._fail(Failure("invalid_response", self._calls.problem))
        if raw_reason in self._fatal_reasons:
            note = self._notes.get(first)
            message = f"{raw_reason}: {note}" if isinstance(note, str) and note else str(raw_reason)
            return events + self._fail(Failure("invalid_response", message, True))
        if first in self._calls.choices and (reason == "stop" or raw_reason == "OTHER"):
            reason = "tool_calls"
        self._done = True
        return [*events, FinishStep(1), Finish(reason, self._usage, raw_reason), Done(finished=reason != "error")]


def _is_error(value: Any) -> bool:
    """Tell an error, in one of its shapes, from everything else."""
    if not isinstance(value, dict):
        return False
    return bool(value.get("error")) or (
        not wire.is_chunk(value) and bool(isinstance(value.get("message"), str) or value.get("detail"))
    )
