"""What LangChain's messages and events look like: the fields we read, checked for type, of objects and of dicts."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from gai_stream import _json
from gai_stream.events import Usage
from gai_stream.exceptions import DecodeError, EncodeError

__all__ = ["Message", "RunEvent", "UsageMetadata", "add_usage", "is_message", "normal_reason", "provider_of", "read"]

T = TypeVar("T")

# The words of every provider that LangChain speaks to, in lower case; what is not here is "unknown".
_REASONS: Final[dict[str, str]] = {
    **dict.fromkeys(("stop", "eos", "eos_token", "stop_sequence", "end_turn", "pause_turn", "completed"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "model_length", "max_output_tokens"), "length"),
    "model_context_window_exceeded": "length",
    **dict.fromkeys(("tool_calls", "function_call", "tool_use"), "tool_calls"),
    **dict.fromkeys(("content_filter", "content_filtered", "guardrail_intervened", "refusal"), "content_filter"),
    **dict.fromkeys(("sensitive", "safety", "recitation", "language", "blocklist", "spii"), "content_filter"),
    **dict.fromkeys(("prohibited_content", "image_safety", "model_armor"), "content_filter"),
    **dict.fromkeys(("error", "failed", "network_error", "malformed_function_call"), "error"),
}

# LangChain's name for a provider, where ours is another.
_PROVIDERS: Final[dict[str, str]] = {
    **dict.fromkeys(("google_genai", "google_vertexai", "google-genai"), "gemini"),
    **dict.fromkeys(("azure", "azure_openai"), "openai"),
}


class CallChunk(msgspec.Struct):
    """A fragment of a tool call. `index` is a number of the provider's, of calls or of blocks, or a text."""

    name: str | None = None
    args: str | None = None
    id: str | None = None
    index: int | str | None = None


class WholeCall(msgspec.Struct):
    """A tool call of a message that was not streamed, its arguments parsed."""

    name: str
    args: dict[str, Any]
    id: str | None = None


class InputDetails(msgspec.Struct):
    cache_read: int | None = None
    cache_creation: int | None = None
    # Where these two are told, LangChain takes them out of the one above.
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    reasoning: int | None = None


class UsageMetadata(msgspec.Struct):
    """Tokens of one chunk. Input includes what came from a cache, output includes reasoning."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_token_details: InputDetails | None = None
    output_token_details: OutputDetails | None = None


class Message(msgspec.Struct):
    """A message, or a chunk of one. What differs from provider to provider is `Any` and is read with care."""

    type: str
    content: str | list[str | dict[str, Any]] | None = None
    id: str | None = None
    name: str | None = None
    tool_call_chunks: list[CallChunk] | None = None
    tool_calls: Any = None
    invalid_tool_calls: Any = None
    usage_metadata: UsageMetadata | None = None
    chunk_position: str | None = None
    tool_call_id: str | None = None
    status: str | None = None
    additional_kwargs: Any = None
    response_metadata: Any = None

    @property
    def is_chunk(self) -> bool:
        """Whether more of the same message may follow."""
        return self.type.endswith("Chunk")

    @property
    def extras(self) -> dict[str, Any]:
        """What the provider's package put beside the content."""
        return self.additional_kwargs if isinstance(self.additional_kwargs, dict) else {}

    @property
    def metadata(self) -> dict[str, Any]:
        """What the provider's package tells of the response."""
        return self.response_metadata if isinstance(self.response_metadata, dict) else {}

    @property
    def calls(self) -> list[CallChunk]:
        """The fragments of calls, or the calls of a message that was not streamed: in a chunk those are guesses."""
        chunks = self.tool_call_chunks or []
        if self.is_chunk:
            return chunks
        try:
            for call in read(self.tool_calls or [], list[WholeCall]):
                chunks.append(CallChunk(call.name, _json.dumps(call.args).decode(), call.id))
        except EncodeError as exc:
            raise DecodeError(f"not what LangChain streams: {exc}") from exc
        return chunks + read(self.invalid_tool_calls or [], list[CallChunk])

    @property
    def raw_reason(self) -> str | None:
        """The provider's word for why it stopped, if it is told here."""
        metadata = self.metadata
        details = metadata.get("incomplete_details")
        words = [metadata.get(key) for key in ("finish_reason", "stop_reason", "done_reason", "stopReason")]
        words += [details.get("reason") if isinstance(details, dict) else None, metadata.get("status")]
        return next((word for word in words if isinstance(word, str) and word), None)


class RunEvent(msgspec.Struct):
    """One dict of `astream_events`."""

    event: str
    run_id: str = ""
    name: str | None = None
    parent_ids: list[str] | None = None
    data: Any = None
    metadata: Any = None

    def part(self, name: str) -> Any:
        """Return a part of the data, or None."""
        return self.data.get(name) if isinstance(self.data, dict) else None


def read(value: Any, kind: type[T]) -> T:
    """Return the fields of `value`, an object or a dict. Raises DecodeError where one is of another type."""
    try:
        return msgspec.convert(value, kind, from_attributes=True)
    except (msgspec.ValidationError, RecursionError) as exc:
        raise DecodeError(f"not what LangChain streams: {exc}") from exc


def is_message(value: Any) -> bool:
    """Tell a message, as an object or as a dict, from anything else."""
    if isinstance(value, dict):
        return "type" in value and "content" in value
    return not isinstance(value, type) and hasattr(value, "type") and hasattr(value, "content")


def normal_reason(raw_reason: str | None, *, calls: bool) -> str:
    """Return our word for the provider's. Some say "stop" of a message that calls tools."""
    reason = _REASONS.get((raw_reason or "").lower(), "unknown")
    return "tool_calls" if calls and reason in ("stop", "unknown") else reason


def provider_of(message: Message, metadata: Any) -> tuple[str | None, str | None]:
    """Return the model and the provider, as far as the message or its run's metadata tell."""
    told, run = message.metadata, metadata if isinstance(metadata, dict) else {}
    models = (told.get("model_name"), told.get("model"), run.get("ls_model_name"))
    providers = (told.get("model_provider"), run.get("ls_provider"))
    model = next((name for name in models if isinstance(name, str) and name), None)
    provider = next((name for name in providers if isinstance(name, str) and name), None)
    return model, _PROVIDERS.get(provider or "", provider)


def add_usage(total: Usage | None, more: UsageMetadata) -> Usage:
    """Return the sum. Unlike the providers, LangChain tells of each chunk its own share, and chunks are added up."""
    given = more.input_token_details or InputDetails()
    made = more.output_token_details or OutputDetails()
    written = _sum(given.cache_creation, given.ephemeral_5m_input_tokens, given.ephemeral_1h_input_tokens)
    so_far = total or Usage()
    return Usage(
        _sum(so_far.input_tokens, more.input_tokens),
        _sum(so_far.output_tokens, more.output_tokens),
        _sum(so_far.total_tokens, more.total_tokens),
        _sum(so_far.reasoning_tokens, made.reasoning),
        _sum(so_far.cache_read_tokens, given.cache_read),
        _sum(so_far.cache_write_tokens, written),
    )


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
