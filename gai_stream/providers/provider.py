"""What every provider does, and what it is asked: the protocol and the request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeAlias, runtime_checkable

import msgspec

from gai_stream.events import Event, ToolCall
from gai_stream.providers.reply import Reply

__all__ = [
    "ChatRequest",
    "ImagePart",
    "Message",
    "OtherPart",
    "Part",
    "Provider",
    "ReasoningPart",
    "TextPart",
]


class TextPart(msgspec.Struct, frozen=True, tag="text"):
    """A piece of a message's text."""

    text: str


class ImagePart(msgspec.Struct, frozen=True, tag="image", omit_defaults=True):
    """An image at `url` (https: or data:). `detail` is the care to take over it, such as "low"."""

    url: str
    detail: str | None = None


class ReasoningPart(msgspec.Struct, frozen=True, tag="reasoning", omit_defaults=True):
    """What an assistant thought before it spoke, for the model to go on from.

    `signature` is the provider's seal on it, and `redacted` is reasoning that only the provider can read: both go back
    as they came, and only to `provider`, whose name is that of `Start.provider` (None: to whoever is asked). `id` is
    what the provider calls it.
    """

    text: str
    signature: str | None = None
    redacted: str | None = None
    provider: str | None = None
    id: str | None = None


class OtherPart(msgspec.Struct, frozen=True, tag="other"):
    """A part of any other kind (audio, a file, text with extra keys): the JSON object its provider wants."""

    data: dict[str, Any]


Part: TypeAlias = TextPart | ImagePart | ReasoningPart | OtherPart


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn of a conversation.

    `role` is "system", "developer", "user", "assistant" or "tool". `tool_calls` are the calls that an assistant's turn
    made, after it said `content`; `tool_call_id` is the call that a tool's turn answers, and `is_error` says that the
    answer tells of a failure. `extra` is sent along as it is.
    """

    role: str
    content: str | list[Part] = ""
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[ToolCall] | None = None
    extra: dict[str, Any] = {}
    is_error: bool = False

    @property
    def text(self) -> str:
        """The text of all parts."""
        if isinstance(self.content, str):
            return self.content
        return "".join(_text_of(part) for part in self.content)


def _text_of(part: Part) -> str:
    match part:
        case TextPart(text=text):
            return text
        case OtherPart(data={"type": "text", "text": str(text)}):
            return text
        case _:
            return ""


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Ask a model to answer a conversation. What is None is left to the provider.

    `system` are instructions that stand before the messages, as a first message of role "system" would. `tools`,
    `tool_choice` and `response_format` are as OpenAI's Chat Completions write them, whoever is asked. `max_tokens`
    limits the answer. `reasoning_effort` is "none", "minimal", "low", "medium", "high", "xhigh" or "max".
    `parallel_tool_calls=False` asks for one call at a time. `extra` holds keys that only some providers know, in the
    words of the one that is asked, sent as they are. `stream` says whether the asker wants the answer in pieces: a
    provider always streams, so it is for the endpoint to honour. `idempotency_key` and `trace_id` are passed on as
    headers. `provider`, `conversation_id` and `context` are for your application: no provider sees them.

    Raises ValueError for a request without messages.
    """

    messages: list[Message]
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    system: str | None = None
    extra: dict[str, Any] = {}
    stream: bool = True
    idempotency_key: str | None = None
    trace_id: str | None = None
    provider: str | None = None
    conversation_id: str | None = None
    context: Any = None

    def __post_init__(self) -> None:
        if not self.messages:
            raise ValueError("ChatRequest: messages must not be empty")

    @classmethod
    def from_text(cls, query: str, *, system: str | None = None, model: str | None = None) -> ChatRequest:
        """Return a request of one question, with `system` before it where given."""
        messages = [Message("user", query)]
        if system is not None:
            messages.insert(0, Message("system", system))
        return cls(messages=messages, model=model)

    @property
    def query(self) -> str:
        """The text of the last user turn, or "" without one."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")


@runtime_checkable
class Provider(Protocol):
    """Somebody who answers a `ChatRequest` with a stream of events."""

    @property
    def name(self) -> str:
        """What to call it, in logs and in choices."""
        ...

    @property
    def model(self) -> str | None:
        """The model that answers requests that name none; None leaves it to the server."""
        ...

    @property
    def dialect(self) -> str:
        """The registry's name of the vocabulary that it speaks."""
        ...

    @property
    def supports_streaming(self) -> bool:
        """Whether the answer comes in pieces, rather than as one late one."""
        ...

    def stream(self, request: ChatRequest, /) -> AsyncIterator[Event]:
        """Yield the answer's events as they come.

        What fails before the first event is raised from the first step, as a ProviderError that knows its HTTP
        status. Afterwards the provider's own error is a `Failure` event, and a connection that breaks is raised
        behind everything that arrived whole. Closing the iterator stops the provider at once.
        """
        ...

    async def complete(self, request: ChatRequest, /) -> Reply:
        """Return the whole answer, once it is there; `collect(self.stream(request))` will do.

        Raises ProviderError, also for an answer that ends in a `Failure`.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections. No stream may be open."""
        ...
