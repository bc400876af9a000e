"""The normalised events of a model's stream: one tagged union, and its JSON form.

Every provider's stream is decoded into these and every dialect is encoded from these. `encode` and `decode` give
the union's own JSON, tagged by `type`; the wire forms that clients read live in `dialects`.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias, get_args
from uuid import uuid4

import msgspec

from . import _json
from .exceptions import (
    DecodeError,
    LimitExceeded,
    ProviderError,
    TruncatedStream,
)

__all__ = [
    "EVENT_TYPES",
    "AudioDelta",
    "Citation",
    "Citations",
    "Done",
    "Event",
    "Failure",
    "Finish",
    "FinishStep",
    "Raw",
    "ReasoningDelta",
    "Safety",
    "Start",
    "TextDelta",
    "ToolCall",
    "ToolCallDelta",
    "ToolResult",
    "Usage",
    "decode",
    "encode",
    "failure_from",
]


# `gc=False`, where no field can lead back to the event: built in 55 ns instead of 75, and 16 bytes smaller.


class Start(msgspec.Struct, frozen=True, gc=False, tag="start", omit_defaults=True):
    """The answer begins. `id` is the provider's name for it."""

    model: str | None = None
    provider: str | None = None
    id: str | None = None


class TextDelta(msgspec.Struct, frozen=True, gc=False, tag="text_delta", omit_defaults=True):
    """A piece of the answer's text. `index` is the choice it belongs to; `refusal` marks a refusal's words."""

    text: str
    index: int = 0
    refusal: bool = False


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False, tag="reasoning_delta", omit_defaults=True):
    """A piece of the model's reasoning.

    `signature` is the provider's seal on it, and `redacted` is reasoning that only the provider can read: both are to
    be sent back as they are, and to nobody else. Whose they are is `Start.provider`.
    """

    text: str
    signature: str | None = None
    index: int = 0
    redacted: str | None = None


class AudioDelta(msgspec.Struct, frozen=True, gc=False, tag="audio_delta", omit_defaults=True):
    """A piece of spoken answer: `data` in `format` (such as "pcm16"), and the words in it where they are known."""

    data: bytes
    format: str | None = None
    transcript: str | None = None


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False, tag="tool_call_delta", omit_defaults=True):
    """A fragment of a tool call. `index` numbers the answer's calls from 0; `arguments` is a piece of JSON text.

    `kind` is told with the name: "function"; "custom", whose arguments are free text; or "server", which the provider
    runs by itself.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    choice: int = 0
    kind: str = "function"


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call", omit_defaults=True):
    """A whole tool call. `input` is the parsed value of `arguments`, which is kept as the provider wrote it.

    `kind` is that of ToolCallDelta; `signature` is the provider's seal, as in ReasoningDelta.
    """

    id: str
    name: str
    input: Any
    arguments: str = ""
    choice: int = 0
    kind: str = "function"
    signature: str | None = None


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result", omit_defaults=True):
    """What the tool call `id` gave: any JSON value, or the text of its `error`."""

    id: str
    name: str
    result: Any
    error: str | None = None


class Citation(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A source for the answer's characters from `start` to `end`."""

    uri: str | None = None
    title: str | None = None
    start: int | None = None
    end: int | None = None
    text: str | None = None


class Citations(msgspec.Struct, frozen=True, tag="citations", omit_defaults=True):
    """Sources for what was said."""

    citations: list[Citation]


class Safety(msgspec.Struct, frozen=True, gc=False, tag="safety", omit_defaults=True):
    """A safety system's verdict. `action` is "block", "warn" or "pass"; `score` is the provider's own measure."""

    category: str
    action: str
    score: float | None = None
    note: str | None = None


class FinishStep(msgspec.Struct, frozen=True, gc=False, tag="finish_step", omit_defaults=True):
    """One model call of several is over. `number` counts from 1."""

    number: int


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Tokens used. Input includes what came from a cache, output includes reasoning; unknown is None, never 0."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None


class Finish(msgspec.Struct, frozen=True, tag="finish", omit_defaults=True):
    """The answer is complete.

    `reason` is "stop", "length", "tool_calls", "content_filter", "refusal", "error" or "unknown"; `raw_reason` is the
    provider's own word, and `stop_sequence` the text that the model was told to stop at and did.
    """

    reason: str
    usage: Usage | None = None
    raw_reason: str | None = None
    stop_sequence: str | None = None


class Failure(msgspec.Struct, frozen=True, gc=False, tag="error", omit_defaults=True):
    """The provider failed while it was answering. `retry_after` is in seconds; codes are `exceptions.CODES`."""

    code: str
    message: str
    temporary: bool = False
    retry_after: float | None = None


class Done(msgspec.Struct, frozen=True, gc=False, tag="done", omit_defaults=True):
    """Nothing more comes. `finished` is False when the answer is known to be incomplete."""

    finished: bool = True


class Raw(msgspec.Struct, frozen=True, tag="raw", omit_defaults=True):
    """Something of `provider`'s that the model has no name for, as it came."""

    provider: str
    data: Any


Event: TypeAlias = (
    Start
    | TextDelta
    | ReasoningDelta
    | AudioDelta
    | ToolCallDelta
    | ToolCall
    | ToolResult
    | Citations
    | Safety
    | FinishStep
    | Finish
    | Failure
    | Done
    | Raw
)

EVENT_TYPES: Final[frozenset[type]] = frozenset(get_args(Event))
"""The classes of the union, to tell an event from any other value."""

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder(enc_hook=_json.to_jsonable)


def encode(event: Event) -> bytes:
    """Return one event as compact JSON without a line end. Raises EncodeError for data that has no JSON form."""
    try:
        return _json.escape_separators(_encoder.encode(event))
    except Exception:  # noqa: BLE001 - the slow way writes lone surrogates, or says what is wrong
        return _json.dumps(event)


def decode(data: bytes | str) -> Event:
    """Return the event in `data`. Raises DecodeError for JSON that is broken, untagged or of the wrong shape."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as exc:
        raise DecodeError(
            f"not an event: {exc}", line=data if isinstance(data, bytes) else data.encode(errors="replace")
        ) from exc


def failure_from(exc: BaseException, *, reference: str | None = None) -> Failure:
    """Return the event that tells a client of `exc`.

    A ProviderError speaks for itself. Of everything else only the kind is told: the text stays with you, behind
    `reference` (made up when None), which belongs in the log beside the original.
    """
    match exc:
        case ProviderError():
            return Failure(exc.code, exc.message, exc.temporary, exc.retry_after)
        case TruncatedStream():
            return Failure("truncated", "the answer was cut off before its end", True)
        case TimeoutError():
            return Failure("timeout", "the answer did not come in time", True)
        case DecodeError() | LimitExceeded():
            return Failure("invalid_response", "the provider's answer could not be read")
        case _:
            return Failure("internal", f"internal error (reference {reference or uuid4().hex[:12]})")
