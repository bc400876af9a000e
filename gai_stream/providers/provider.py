"""What every provider does, and what it is asked: the protocol, the request, and the request's JSON form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Protocol, TypeAlias, TypeVar, runtime_checkable

import msgspec

from gai_stream import _json
from gai_stream.events import Event, ToolCall
from gai_stream.exceptions import DecodeError
from gai_stream.providers.reply import Reply

__all__ = [
    "ChatRequest",
    "ImagePart",
    "Message",
    "OtherPart",
    "Part",
    "Provider",
    "TextPart",
    "parse_chat_request",
]

T = TypeVar("T")

_EXAMPLE: Final = '{"query": "..."} or {"messages": [{"role": "user", "content": "..."}]}'
_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")


class TextPart(msgspec.Struct, frozen=True, tag="text"):
    """A piece of a message's text."""

    text: str


class ImagePart(msgspec.Struct, frozen=True, tag="image", omit_defaults=True):
    """An image at `url` (https: or data:). `detail` is the care to take over it, such as "low"."""

    url: str
    detail: str | None = None


class OtherPart(msgspec.Struct, frozen=True, tag="other"):
    """A part of any other kind (audio, a file, text with extra keys): the JSON object its provider wants."""

    data: dict[str, Any]


Part: TypeAlias = TextPart | ImagePart | OtherPart


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn of a conversation.

    `role` is "system", "developer", "user", "assistant" or "tool". `tool_calls` are the calls that an assistant's turn
    made; `tool_call_id` is the call that a tool's turn answers. `extra` is sent along as it is.
    """

    role: str
    content: str | list[Part] = ""
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[ToolCall] | None = None
    extra: dict[str, Any] = {}

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

    `tools` and `tool_choice` are as OpenAI writes them, `max_tokens` limits the answer, and `extra` holds keys that
    only some providers know, sent as they are. `stream` says whether the asker wants the answer in pieces: a provider
    always streams, so it is for the endpoint to honour. `provider`, `conversation_id` and `context` are for your
    application: no provider sees them.

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
    extra: dict[str, Any] = {}
    stream: bool = True
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


def parse_chat_request(data: bytes) -> ChatRequest:
    """Return the request in a JSON body, of either form:

    - `{"query": "...", "conversation_id"?, "provider"?, "model"?, "context"?}`: one user turn;
    - OpenAI's `{"messages": [...], "model"?, "temperature"?, "tools"?, ...}`.

    Keys that are not known land in `extra`. Raises DecodeError that names the field and says what it should be.
    """
    body = _read(data)
    if not isinstance(body, dict):
        raise DecodeError(f"body must be a JSON object, not {_kind(body)}; send {_EXAMPLE}")
    body = {key: value for key, value in body.items() if value is not None}
    if "query" in body and "messages" in body:
        raise DecodeError("query and messages say the same thing twice; send one of them")
    if "messages" in body:
        messages = _messages(body.pop("messages"))
    elif "query" in body:
        query = _take(body, "query", str)
        if not query.strip():
            raise DecodeError("query must not be empty; send the user's question")
        messages = [Message("user", query)]
    else:
        raise DecodeError(f"messages is missing; send {_EXAMPLE}")
    fields = {
        name: _take(body, name, type_)
        for name, type_ in _FIELDS.items()
        # OpenRouter has an object of its own under "provider".
        if name in body and not (name == "provider" and isinstance(body[name], dict))
    }
    # Two names of one thing, of which OpenAI's newer models take the second only.
    if (newer := fields.pop("max_completion_tokens", None)) is not None:
        fields["max_tokens"] = newer
    return ChatRequest(messages=messages, extra=body, **fields)


_FIELDS: Final[dict[str, Any]] = {
    "model": str,
    "temperature": float,
    "max_tokens": int,
    "max_completion_tokens": int,
    "top_p": float,
    "stop": str | list[str],
    "tools": list[dict[str, Any]],
    "tool_choice": str | dict[str, Any],
    "stream": bool,
    "provider": str,
    "conversation_id": str,
    "context": Any,
}
_WORDS: Final[dict[Any, str]] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str | list[str]: "a string or a list of strings",
    list[dict[str, Any]]: "a list of objects",
    str | dict[str, Any]: "a string or an object",
}


def _read(data: bytes) -> Any:
    try:
        return _json.loads(data, what="JSON")
    except DecodeError as exc:
        raise DecodeError(f"body is {exc}; send {_EXAMPLE}") from exc


def _kind(value: object) -> str:
    """Return the JSON name of `value`'s type, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"


def _check(value: Any, type_: type[T], field: str) -> T:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError:
        kind = "a list of something else" if isinstance(value, list) else _kind(value)
        raise DecodeError(f"{field} must be {_WORDS[type_]}, not {kind}") from None


def _take(body: dict[str, Any], key: str, type_: Any, path: str = "") -> Any:
    return _check(body.pop(key), type_, path + key)


def _objects(value: Any, field: str, read: Callable[[dict[str, Any], str], T]) -> list[T]:
    """Read a list of objects, each with its place in the body."""
    if not isinstance(value, list):
        raise DecodeError(f"{field} must be a list of objects, not {_kind(value)}")
    read_items = []
    for number, item in enumerate(value):
        place = f"{field}[{number}]"
        if not isinstance(item, dict):
            raise DecodeError(f"{place} must be an object, not {_kind(item)}")
        read_items.append(read({key: inner for key, inner in item.items() if inner is not None}, place))
    return read_items


def _messages(value: Any) -> list[Message]:
    messages = _objects(value, "messages", _message)
    if not messages:
        raise DecodeError("messages must not be empty; send at least one user message")
    return messages


def _message(item: dict[str, Any], place: str) -> Message:
    role = _required(item, "role", place)
    if role not in _ROLES:
        raise DecodeError(f"{place}.role must be one of {', '.join(_ROLES)}, not {role[:40]!r}")
    calls = _objects(item.pop("tool_calls"), f"{place}.tool_calls", _tool_call) if "tool_calls" in item else None
    content: Any = item.pop("content", None)
    if content is None:
        # An assistant that only called tools (or refused) said nothing.
        if role != "assistant":
            raise DecodeError(f"{place}.content is missing; send a string or a list of parts")
        content = ""
    elif isinstance(content, list):
        content = _objects(content, f"{place}.content", _part)
    elif not isinstance(content, str):
        raise DecodeError(f"{place}.content must be a string or a list of parts, not {_kind(content)}")
    name = _take(item, "name", str, f"{place}.") if "name" in item else None
    call_id = _take(item, "tool_call_id", str, f"{place}.") if "tool_call_id" in item else None
    if role == "tool" and call_id is None:
        raise DecodeError(f"{place}.tool_call_id is missing; send the id of the call that this answers")
    return Message(role, content, name, call_id, calls or None, item)


def _required(item: dict[str, Any], key: str, place: str) -> str:
    if key not in item:
        raise DecodeError(f"{place}.{key} is missing; send a string")
    text: str = _take(item, key, str, f"{place}.")
    return text


def _part(item: dict[str, Any], place: str) -> Part:
    match item:
        case {"type": "text", "text": str(text), **rest} if not rest:
            return TextPart(text)
        case {"type": "text", "text": str()}:
            return OtherPart(item)
        case {"type": "text"}:
            raise DecodeError(f"{place}.text must be a string")
        case {"type": "image_url", "image_url": str(url), **rest} if not rest:
            return ImagePart(url)
        case {"type": "image_url", "image_url": {"url": str(url), **options}, **rest} if not (rest or options):
            return ImagePart(url)
        case {"type": "image_url", "image_url": {"url": str(url), "detail": str(detail), **options}, **rest} if not (
            rest or options
        ):
            return ImagePart(url, detail)
        case {"type": "image_url", "image_url": str() | {"url": str()}}:
            return OtherPart(item)
        case {"type": "image_url"}:
            raise DecodeError(f'{place}.image_url must be an object such as {{"url": "https://..."}}')
        case {"type": str()}:
            return OtherPart(item)
        case _:
            raise DecodeError(f'{place}.type is missing; send "text" or "image_url"')


def _tool_call(item: dict[str, Any], place: str) -> ToolCall:
    if item.get("type", "function") != "function" or not isinstance(item.get("function"), dict):
        raise DecodeError(f'{place} must be of type "function", with an object "function"')
    function = item["function"]
    arguments = function.get("arguments", "")
    if not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    try:
        value = msgspec.json.decode(arguments) if arguments.strip() else {}
    except (msgspec.MsgspecError, RecursionError):
        # Models do write broken arguments, and must see them again as they wrote them.
        value = None
    return ToolCall(_required(item, "id", place), _required(function, "name", f"{place}.function"), value, arguments)
