"""Antigravity and Gemini Code Assist: Gemini chunks, each in an envelope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import uuid4

from ._encoder import FramingName
from .gemini import GeminiDecoder, GeminiEncoder

__all__ = ["AntigravityDecoder", "AntigravityEncoder"]


class AntigravityDecoder(GeminiDecoder):
    """Turn the messages of one `v1internal:streamGenerateContent` stream into events.

    As GeminiDecoder, but a chunk comes as `{"response": {...}, "traceId": ...}`; one without its envelope is taken as
    well. A function call that the model got wrong, which is frequent here, is a Failure that may be tried again.
    """

    _name: ClassVar = "antigravity"
    _fatal_reasons: ClassVar[frozenset[str]] = frozenset(("MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE"))

    def _unwrapped(self, value: Any) -> Any:
        response = value.get("response") if isinstance(value, dict) and not value.get("error") else None
        return response if isinstance(response, dict) else value


class AntigravityEncoder(GeminiEncoder):
    """Turn events into the messages of one `v1internal:streamGenerateContent` stream: GeminiEncoder's, enveloped.

    `trace_id` stands in every envelope; made up when None.
    """

    def __init__(
        self,
        *,
        framing: FramingName = "sse",
        model: str | None = None,
        id: str | None = None,
        trace_id: str | None = None,
    ) -> None:
        super().__init__(framing=framing, model=model, id=id)
        self._envelope = {"traceId": uuid4().hex if trace_id is None else trace_id, "metadata": {}}

    @staticmethod
    def whole(messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the one enveloped GenerateContentResponse that the "ndjson" messages amount to, or their error."""
        inner = GeminiEncoder.whole([message.get("response", message) for message in messages])
        return inner if "error" in inner else {**messages[0], "response": inner}

    def _message(self, value: dict[str, Any], event: str = "message") -> Any:
        return super()._message(value if "error" in value else {"response": value, **self._envelope}, event)
