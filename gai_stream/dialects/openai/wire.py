"""What a chunk looks like on the wire: the fields we read, checked for type; all others are ignored.

OpenAI's own fields are strict. Vendors' additions that differ from server to server are `Any` and are read with care
in `extras`: a strange extra must not cost the text beside it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from gai_stream import _json
from gai_stream.exceptions import DecodeError
from gai_stream.sse import ServerSentEvent

from .completion import completion_as_chunk

__all__ = ["MAX_CHOICES", "Chunk", "Delta", "Fragment", "Function", "Message", "Part", "Usage", "parse", "read"]

MAX_CHOICES: Final = 128
"""The largest `n` that the API takes. A wild index must not make us, or a client, fill a list up to it."""

_Index = Annotated[int, msgspec.Meta(ge=0, lt=MAX_CHOICES)]


class _Struct(msgspec.Struct, gc=False):
    pass


class Function(_Struct):
    """A fragment of a call. Some servers send `arguments` as the object itself."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class Custom(_Struct):
    """A fragment of a custom tool's call: `input` is free text, not JSON."""

    name: str | None = None
    input: str | None = None


class Fragment(_Struct):
    """One entry of `delta.tool_calls`."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: Function | None = None
    custom: Custom | None = None
    extra_content: Any = None
    # GLM: what tools of these types were asked, and what they gave.
    mcp: Any = None
    retrieval: Any = None
    web_search: Any = None

    @property
    def is_for_client(self) -> bool:
        """Whether the client is to run this call, rather than the server by itself."""
        return bool(self.function or self.custom) or self.type in (None, "", "function", "custom")

    @property
    def signature(self) -> str | None:
        """Return Gemini's seal on this call."""
        return signature(self.extra_content)

    @property
    def name(self) -> str | None:
        """Return the tool's name, if this fragment tells it."""
        source = self.function or self.custom
        return source.name if source else None

    @property
    def arguments(self) -> str:
        """Return this fragment's piece of the arguments, as text."""
        if self.function is not None:
            given = self.function.arguments
            return _json.dumps(given).decode() if isinstance(given, dict) else given or ""
        return (self.custom.input if self.custom else None) or ""


def signature(extra_content: object) -> str | None:
    """Return the seal in `{"google": {"thought_signature": text}}`."""
    google = extra_content.get("google") if isinstance(extra_content, dict) else None
    seal = google.get("thought_signature") if isinstance(google, dict) else None
    return seal if isinstance(seal, str) and seal else None


class Audio(_Struct):
    data: bytes | None = None
    transcript: str | None = None


class Part(_Struct):
    """One entry of a `content` that is a list (Mistral)."""

    text: str | None = None
    thinking: str | list[Part] | None = None
    reference_ids: list[Any] | None = None


class Delta(_Struct):
    content: str | list[str | Part] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: Any = None
    thinking_blocks: Any = None
    tool_calls: list[Fragment] | None = None
    function_call: Function | None = None
    audio: Audio | None = None
    annotations: Any = None
    executed_tools: Any = None
    extra_content: Any = None


class _InputDetails(_Struct):
    cached_tokens: float | None = None
    cache_write_tokens: float | None = None


class _OutputDetails(_Struct):
    reasoning_tokens: float | None = None


class Usage(_Struct):
    """Token counts under every name that is in use. Servers written in Lua or JavaScript send 12.0 for 12."""

    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    total_tokens: float | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: float | None = None  # DeepSeek
    cached_tokens: float | None = None  # Moonshot
    reasoning_tokens: float | None = None  # Perplexity
    cache_read_input_tokens: float | None = None  # LiteLLM in front of Anthropic
    cache_creation_input_tokens: float | None = None


class Choice(_Struct):
    index: _Index | None = None
    delta: Delta | None = None
    message: Any = None
    finish_reason: str | None = None
    usage: Usage | None = None
    content_filter_results: Any = None
    error: Any = None


class _Groq(_Struct):
    usage: Usage | None = None
    error: Any = None


class Chunk(_Struct):
    """One message. `choices` is unset where the key is missing."""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    choices: list[Choice] | msgspec.UnsetType | None = msgspec.UNSET
    usage: Usage | None = None
    x_groq: _Groq | None = None
    provider: Any = None
    error: Any = None
    message: Any = None
    detail: Any = None
    citations: Any = None
    search_results: Any = None
    web_search: Any = None
    prompt_filter_results: Any = None
    moderation: Any = None
    content_filter: Any = None

    @property
    def known(self) -> bool:
        """Whether this is a chunk at all, rather than something that we have no name for."""
        return (
            self.choices is not msgspec.UNSET
            or (self.object or "").startswith("chat.completion")
            or any((self.usage, self.x_groq, self.prompt_filter_results, self.moderation, self.citations))
        )

    @property
    def is_whole(self) -> bool:
        """Whether this is the answer in one piece.

        Some servers give each chunk of a stream a `message` too, which repeats what the deltas told.
        """
        return (
            self.object not in ("chat.completion.chunk", "chat.completion.done")
            and bool(self.choices)
            and all(choice.delta is None and isinstance(choice.message, dict) for choice in self.choices or ())
        )


class Message(_Struct):
    """A message, read: it came as JSON `text`, or else as `data`. `chunk` is None for JSON that is no object."""

    chunk: Chunk | None = None
    text: str | bytes | None = None
    data: Any = None
    done: bool = False
    whole: bool = False

    def value(self) -> Any:
        """Return the message as plain JSON data."""
        return self.data if self.text is None else read(self.text)


_chunks: msgspec.json.Decoder[Chunk] = msgspec.json.Decoder(Chunk)
_DONE: Final = Message(done=True)


def read(text: str | bytes, decoder: msgspec.json.Decoder[Any] | None = None) -> Any:
    """Return the value of JSON `text`, as `_json.loads` does. Raises DecodeError."""
    return _json.loads(text, decoder, what="a chat completion chunk")


def parse(message: object, decoder: object) -> Message | None:
    """Read one message of any kind that `decoder` accepts; None for an empty one.

    Raises DecodeError for what is not JSON or has a field of the wrong type, TypeError for what is no message.
    """
    if isinstance(message, ServerSentEvent):
        message = message.data
    if isinstance(message, str) and message[:1] == "{":
        return _parse_object(message)
    if isinstance(message, bytearray | memoryview):
        message = bytes(message)
    if isinstance(message, str | bytes):
        return _parse_text(message)
    if (dump := getattr(message, "model_dump", None)) is not None and not isinstance(message, type):
        # What the server did not send must stay absent; vendors' values outside the SDK's types are no news to us.
        message = dump(exclude_unset=True, warnings=False)
    if isinstance(message, dict):
        if message.get("object") == "done":
            return _DONE
        return _message(_convert(message), None, message)
    if message is None or isinstance(message, list | int | float):
        return Message(data=message)
    raise TypeError(
        f"{type(decoder).__name__}: a message is a ServerSentEvent, a dict, JSON text or an SDK object, "
        f"not {type(message).__name__}"
    )


def _parse_object(text: str | bytes) -> Message:
    chunk = read(text, _chunks)
    # The terminal line of the NDJSON form.
    return _DONE if chunk.object == "done" else _message(chunk, text, None)


def _message(chunk: Chunk, text: str | bytes | None, data: Any) -> Message:
    message = Message(chunk, text, data)
    if chunk.choices and chunk.choices[0].delta is None and chunk.is_whole:
        try:
            message.chunk = _convert(completion_as_chunk(message.value()))
        except (LookupError, TypeError, ValueError) as exc:
            raise DecodeError(f"not a chat completion: {exc}") from exc
        message.whole = True
    return message


def _convert(value: dict[str, Any]) -> Chunk:
    return _json.convert(value, Chunk, what="a chat completion chunk")


def _parse_text(text: str | bytes) -> Message | None:
    stripped = text.strip()
    if not stripped:
        return None
    if stripped in ("[DONE]", b"[DONE]"):
        return _DONE
    if stripped[:1] in ("{", b"{"):
        return _parse_object(text)
    return Message(data=read(text))
