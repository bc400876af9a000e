"""A whole answer in one piece, and how it is made of a stream."""

from __future__ import annotations

from collections.abc import AsyncIterable

import msgspec

from gai_stream.events import (
    Citation,
    Citations,
    Event,
    Failure,
    Finish,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCall,
    Usage,
)
from gai_stream.exceptions import ProviderError

__all__ = ["Reply", "collect"]


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model said in all: its first choice, where it gave several.

    `refusal` holds the words of a refusal, `finish_reason` is that of `Finish` ("unknown" for a stream without one),
    `provider` and `id` are those of `Start`.
    """

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: list[ToolCall] = []
    citations: list[Citation] = []
    finish_reason: str = "unknown"
    usage: Usage | None = None
    model: str | None = None
    provider: str | None = None
    id: str | None = None


async def collect(stream: AsyncIterable[Event]) -> Reply:
    """Return the answer that `stream` gives, once it is whole; the stream is closed in any case.

    Raises ProviderError for a stream that ends in a Failure, and whatever the stream raises.
    """
    start, finish = Start(), Finish("unknown")
    text: list[str] = []
    reasoning: list[str] = []
    refusal: list[str] = []
    calls: list[ToolCall] = []
    citations: list[Citation] = []
    try:
        async for event in stream:
            match event:
                case TextDelta(text=piece, index=0, refusal=refused):
                    (refusal if refused else text).append(piece)
                case ReasoningDelta(text=piece, index=0):
                    reasoning.append(piece)
                case ToolCall(choice=0):
                    calls.append(event)
                case Citations(citations=found):
                    citations += found
                case Start():
                    start = event
                case Finish():
                    finish = event
                case Failure(code=code, message=message, temporary=temporary, retry_after=retry_after):
                    raise ProviderError(code, message, None, temporary, retry_after)
                case _:
                    pass
    finally:
        if (aclose := getattr(stream, "aclose", None)) is not None:
            await aclose()
    return Reply(
        text="".join(text),
        reasoning="".join(reasoning),
        refusal="".join(refusal),
        tool_calls=calls,
        citations=citations,
        finish_reason=finish.reason,
        usage=finish.usage,
        model=start.model,
        provider=start.provider,
        id=start.id,
    )
