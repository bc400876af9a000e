"""Events to Gemini chunks, in the order and shape that Google's own SDKs need."""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Sequence
from typing import Any, Final, assert_never
from uuid import uuid4

from gai_stream import _json
from gai_stream.dialects._calls import OutgoingCall, OutgoingCalls, Piece
from gai_stream.dialects._encoder import Content, Encoder, FramingName, known
from gai_stream.events import (
    AudioDelta,
    Citation,
    Citations,
    Event,
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
from gai_stream.exceptions import DecodeError, EncodeError

from . import wire
from .calls import CODE_EXECUTION
from .errors import error_object
from .grounding import grounding_metadata
from .offsets import Offsets
from .reasons import BLOCK_REASONS, EARLY_ENDS, FINISH_REASONS
from .whole import merged

__all__ = ["GeminiEncoder"]

_REASONS: Final[dict[str, str]] = {
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "unknown": "OTHER",
}

# What other dialects call it, in a word that Google's clients play.
_AUDIO_FORMATS: Final[dict[str | None, str]] = {None: "audio/*", "pcm16": "audio/L16;codec=pcm;rate=24000"}

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}(?:==)?|[A-Za-z0-9+/_-]{3}=?)?")


class GeminiEncoder(Encoder):
    """Turn events into the messages of one `streamGenerateContent` stream.

    `framing="sse"` gives ServerSentEvents with nothing but data, as for `alt=sse`; `"ndjson"` gives the chunks as
    dicts, which JSONArrayEncoder frames as the API does without `alt=sse`. `model` and `id` replace what Start says.

    Tool calls leave whole: their arguments must be a JSON object, and any others end the answer with an error, unless
    it was cut there. Signatures, safety ratings, code that the provider runs and raw chunks leave only where they came
    from Gemini, and other providers' server tools never. Sources come with the last chunk.
    """

    heartbeat = b"\r\n"

    def __init__(self, *, framing: FramingName = "sse", model: str | None = None, id: str | None = None) -> None:
        super().__init__(framing)
        self._model = model
        self._id = id
        self._provider: str | None = None
        self._head: dict[str, Any] = {}
        self._calls = OutgoingCalls()
        self._choices: set[int] = set()
        self._refused: set[int] = set()
        self._ratings: list[dict[str, Any]] = []
        self._citations: list[Citation] = []
        self._text = Offsets()

    @staticmethod
    def error_body(failure: Failure, status: int) -> dict[str, Any]:
        """Return the JSON body that tells of `failure` in an HTTP response of `status`."""
        return error_object(failure, status)

    @staticmethod
    def whole(messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the one GenerateContentResponse that an encoder's "ndjson" messages amount to, or their error."""
        return merged(messages)

    def feed(self, event: Event, /) -> list[Any]:
        """Return the messages that tell of `event`; none once the answer is over.

        Raises EncodeError, and forgets the event, for a choice out of range or data that has no JSON form.
        """
        over = self._ended or self._done or self._finished
        if type(event) is Finish and event.reason == "error" and self._keeps(event) and not over:
            # To everyone else it is an error; Google's own clients know the word.
            return self._finish(event)
        return super().feed(event)

    def _content(self, event: Content) -> list[Any]:
        match event:
            case TextDelta(text=""):
                return []
            case TextDelta(text=text, index=choice, refusal=refusal):
                messages = self._part(choice, {"text": text})
                if refusal:
                    self._refused.add(choice)
                if choice == 0:
                    self._text.add(text)
                return messages
            case ReasoningDelta(text=text, index=choice):
                part = {"text": text} | ({"thought": True} if text else {}) | self._seal(event.signature)
                return self._part(choice, part) if text or len(part) > 1 else []
            case ToolCallDelta(choice=choice):
                _check(choice)
                # Fragments have no place here: the whole call is told when it ends.
                self._calls.add(event)
                return []
            case ToolCall(choice=choice):
                _check(choice)
                # An EncodeError must come before the call counts as told.
                _json.dumps(event.input)
                return self._told(self._calls.close(event))
            case ToolResult(name=name, result=dict() as result) if name == CODE_EXECUTION and self._is_own:
                return self._part(0, {"codeExecutionResult": result | known(id=event.id or None)})
            case Start():
                self._prepare(event)
                return []
            case Citations(citations=citations):
                self._citations += citations
                return []
            case AudioDelta():
                return self._audio(event)
            case Safety():
                self._rate(event)
                return []
            case Raw(provider="gemini", data=dict() as data) if wire.is_chunk(data):
                return self._raw(data)
            case Raw() | ToolResult() | FinishStep():
                return []
            case _:
                assert_never(event)

    @property
    def _is_own(self) -> bool:
        """Whether the answer came from Gemini."""
        return self._provider == "gemini"

    def _prepare(self, start: Start) -> None:
        """Fix what every chunk says alike."""
        if not self._head:
            self._provider = start.provider
            model = start.model if self._model is None else self._model
            self._head = known(modelVersion=model, responseId=self._id or start.id or uuid4().hex)

    def _seal(self, signature: str | None) -> dict[str, Any]:
        """Return where a signature stands, if it may be one of Google's: the SDK raises for anything but base64."""
        if not signature or self._provider not in (None, "gemini") or not _BASE64.fullmatch(signature):
            return {}
        return {"thoughtSignature": signature}

    def _part(self, choice: int, part: dict[str, Any]) -> list[Any]:
        _check(choice)
        self._prepare(Start())
        candidate: dict[str, Any] = {"content": {"parts": [part], "role": "model"}, "index": choice}
        rated = bool(self._ratings) and choice == 0
        if rated:
            candidate["safetyRatings"] = self._ratings
        message = self._message({"candidates": [candidate], **self._head})
        self._choices.add(choice)
        if rated:
            self._ratings = []
        return [message]

    def _told(self, pieces: list[Piece]) -> list[Any]:
        """Return the calls among `pieces` that are whole."""
        messages: list[Any] = []
        for piece in pieces:
            if (event := piece.whole) is not None:
                messages += self._call(piece.call, event.input, self._seal(event.signature))
        return messages

    def _call(self, call: OutgoingCall, input: Any, seal: dict[str, Any]) -> list[Any]:
        if call.kind == "custom":
            input = {"input": input}
        if call.kind == "server":
            if not (self._is_own and call.name == CODE_EXECUTION and isinstance(input, dict)):
                return []
            return self._part(call.choice, {"executableCode": input | {"id": call.id}, **seal})
        if not isinstance(input, dict):
            text = "".join(call.arguments)
            problem = f"the arguments of tool call {call.name!r} are not a JSON object: {text}"
            return self._fail(Failure("invalid_response", problem))
        return self._part(call.choice, {"functionCall": {"id": call.id, "name": call.name, "args": input}, **seal})

    def _audio(self, event: AudioDelta) -> list[Any]:
        messages = []
        if event.data:
            mime = _AUDIO_FORMATS.get(event.format or None) or str(event.format)
            blob = {
                "mimeType": mime if mime.startswith("audio/") else f"audio/{mime}",
                "data": b2a_base64(event.data, newline=False).decode(),
            }
            messages += self._part(0, {"inlineData": blob})
        if event.transcript:
            messages += self._part(0, {"audioTranscription": {"text": event.transcript}})
        return messages

    def _rate(self, event: Safety) -> None:
        """Keep a rating for the next chunk; a blocked prompt is told by the finish."""
        if self._is_own and event.category.startswith("HARM_CATEGORY_"):
            blocked = True if event.action == "block" else None
            self._ratings.append(
                known(category=event.category, probability=event.note, blocked=blocked, probabilityScore=event.score)
            )

    def _raw(self, data: dict[str, Any]) -> list[Any]:
        """Return the parts of a chunk that had no event of their own, as they came."""
        try:
            chunk = wire.read(data)
        except DecodeError:
            return []
        self._prepare(Start())
        given = [(n, candidate) for n, candidate in enumerate(chunk.candidates or ()) if candidate.parts]
        candidates = [
            {"content": {"parts": data["candidates"][n]["content"]["parts"], "role": "model"}, "index": one.index or 0}
            for n, one in given
        ]
        messages = [self._message({"candidates": candidates, **self._head})] if candidates else []
        self._choices.update(candidate.index or 0 for _, candidate in given)
        return messages

    def _close(self, event: Finish) -> list[Any]:
        messages: list[Any] = []
        for piece in self._calls.flush():
            if event.reason not in EARLY_ENDS:
                messages += self._unclosed(piece.call)
                if self._done:
                    return messages
        self._prepare(Start())
        last: dict[str, Any] = {}
        if event.reason in ("content_filter", "refusal") and not self._choices and not self._names_a_finish(event):
            reason = event.raw_reason if self._is_own and event.raw_reason in BLOCK_REASONS else "SAFETY"
            last["promptFeedback"] = {"blockReason": reason} | known(safetyRatings=self._ratings or None)
        else:
            last["candidates"] = [self._finished_candidate(n, event) for n in sorted(self._choices | {0})]
        last["usageMetadata"] = _usage(event.usage or Usage())
        return [*messages, self._message(last | self._head)]

    def _unclosed(self, call: OutgoingCall) -> list[Any]:
        """Return a call of which only the fragments came, if these are whole."""
        text = "".join(call.arguments)
        input: Any = text
        if call.kind != "custom":
            try:
                input = _json.loads(text) if text.strip() else {}
            except DecodeError:
                input = None
        return self._call(call, input, {})

    def _finished_candidate(self, choice: int, event: Finish) -> dict[str, Any]:
        candidate: dict[str, Any] = {
            # Some clients read the text of every chunk, and fail where there is no part.
            "content": {"parts": [{"text": ""}], "role": "model"},
            "finishReason": self._reason(event, choice),
            "index": choice,
        }
        if choice == 0:
            if self._ratings:
                candidate["safetyRatings"] = self._ratings
            if self._citations:
                candidate["groundingMetadata"] = grounding_metadata(self._citations, self._text)
        return candidate

    def _reason(self, event: Finish, choice: int) -> str:
        if self._keeps(event):
            return str(event.raw_reason)
        reason = _REASONS.get(event.reason, "STOP")
        return "SAFETY" if reason == "STOP" and choice in self._refused else reason

    def _keeps(self, event: Finish) -> bool:
        """Whether the answer ended with a word of Google's, which says more than any that we would send."""
        if not self._is_own or not event.raw_reason:
            return False
        named = FINISH_REASONS.get(event.raw_reason, "unknown")
        return named == event.reason or (event.reason == "tool_calls" and named in ("stop", "unknown"))

    def _names_a_finish(self, event: Finish) -> bool:
        """Whether the reason can only be a candidate's: nothing was said, and yet the prompt was not blocked."""
        return self._keeps(event) and event.raw_reason not in BLOCK_REASONS

    def _error(self, failure: Failure) -> list[Any]:
        return [self._message(error_object(failure))]


def _check(choice: int) -> None:
    if not 0 <= choice < wire.MAX_CANDIDATES:
        raise EncodeError(f"the choice must be from 0 to {wire.MAX_CANDIDATES - 1}, not {choice}")


def _usage(usage: Usage) -> dict[str, Any]:
    """Return `usage` as the API words it. Its clients count on these three numbers: 0 where nothing is known."""
    input, output, thought = usage.input_tokens or 0, usage.output_tokens or 0, usage.reasoning_tokens
    return known(
        promptTokenCount=input,
        candidatesTokenCount=max(0, output - (thought or 0)),
        totalTokenCount=input + output if usage.total_tokens is None else usage.total_tokens,
        thoughtsTokenCount=thought,
        cachedContentTokenCount=usage.cache_read_tokens,
    )
