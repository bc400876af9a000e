"""The body of Anthropic's Messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from gai_stream.dialects._calls import legal_id
from gai_stream.events import ToolCall
from gai_stream.exceptions import DecodeError
from gai_stream.providers.provider import ChatRequest, ImagePart, Message, OtherPart, Part, ReasoningPart, TextPart
from gai_stream.providers.requests import _anthropic_options as options
from gai_stream.providers.requests._checks import at, need, objects, one_of, present, take
from gai_stream.providers.requests._media import data_url, media_of
from gai_stream.providers.requests._tools import client_calls, object_of

__all__ = ["DEFAULT_MAX_TOKENS", "body", "parse"]

DEFAULT_MAX_TOKENS: Final = 4096
"""How long an answer may be when nobody says: Anthropic wants a number, and every model allows this one."""

_EXAMPLE: Final = '{"model": "...", "max_tokens": 1024, "messages": [{"role": "user", "content": "..."}]}'
_ROLES: Final = ("user", "assistant", "system")


def body(
    request: ChatRequest,
    *,
    model: str | None = None,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    adaptive: bool | None = None,
) -> dict[str, Any]:
    """Return `request` as a JSON object that asks for a stream. Its `extra` keys win over all others but `stream`.

    `model` and `max_tokens` are for a request that names none. System turns leave the conversation for `system`, turns
    of one role become one, and reasoning goes back only where Anthropic sealed it. `adaptive` says whether the model
    is told an effort or, as older ones want, a number of tokens for thinking; None tells by the model's name. There is
    no word for a response format that is JSON of any shape.

    Raises EncodeError for a `data:` URL that is none.
    """
    name = request.model or model
    made: dict[str, Any] = {"messages": _turns(request.messages)}
    if name:
        made["model"] = name
    if system := _system(request):
        made["system"] = system
    made |= options.told(request, name or "", max_tokens, adaptive)
    if isinstance(config := request.extra.get("output_config"), dict):
        made["output_config"] = {**made.get("output_config", {}), **config}
    return {**made, **{key: value for key, value in request.extra.items() if key != "output_config"}, "stream": True}


def parse(body: dict[str, Any]) -> ChatRequest:
    """Return the request in a body. Keys that are not known land in `extra`.

    A `system` of several blocks is a first turn of that role. What follows a call in one turn becomes a turn of its
    own. Raises DecodeError that names the field and says what it should be.
    """
    rest = present(body, _EXAMPLE)
    if "messages" not in rest:
        raise DecodeError(f"messages is missing; send {_EXAMPLE}")
    system = take(rest, "system", str | list[Any])
    turns = objects(rest.pop("messages"), "messages", _read_turn)
    messages = [message for turn in turns for message in turn]
    if isinstance(system, list):
        if system:
            messages.insert(0, Message("system", objects(system, "system", _read_part)))
        system = None
    if not messages:
        raise DecodeError("messages must not be empty; send at least one user message")
    stream = take(rest, "stream", bool) or False
    fields = options.read(rest)
    return ChatRequest(messages=messages, system=system, stream=stream, extra=rest, **fields)


def _system(request: ChatRequest) -> str | list[dict[str, Any]]:
    told: list[str | list[Part]] = [] if request.system is None else [request.system]
    told += [message.content for message in request.messages if message.role in ("system", "developer")]
    if len(told) == 1 and isinstance(told[0], str):
        return told[0]
    return [block for content in told for block in _blocks(content)]


def _turns(messages: Iterable[Message]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        turn = _turn(message)
        # An empty turn is refused, and says nothing.
        if not turn["content"]:
            continue
        if turns and turns[-1]["role"] == turn["role"]:
            content = [*_listed(turns[-1]["content"]), *_listed(turn["content"])]
            turns[-1] = {**turns[-1], **turn, "content": content}
        else:
            turns.append(turn)
    if turns and turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": "..."})
    return turns


def _turn(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        content = message.content if isinstance(message.content, str) else _blocks(message.content)
        result: dict[str, Any] = {"type": "tool_result", "tool_use_id": legal_id(message.tool_call_id or "")}
        result["content"] = content
        if message.is_error:
            result["is_error"] = True
        return {"role": "user", "content": [{**result, **message.extra}]}
    role = "assistant" if message.role == "assistant" else "user"
    calls = [
        {"type": "tool_use", "id": legal_id(call.id), "name": call.name, "input": object_of(call)}
        for call in client_calls(message)
    ]
    told = message.content if isinstance(message.content, str) and not calls else [*_blocks(message.content), *calls]
    return {"role": role, "content": told, **message.extra}


def _listed(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return _blocks(content) if isinstance(content, str) else content


def _blocks(content: str | list[Part]) -> list[dict[str, Any]]:
    parts: list[Part] = [TextPart(content)] if isinstance(content, str) else content
    return [block for part in parts if (block := _block(part)) is not None]


def _block(part: Part) -> dict[str, Any] | None:
    match part:
        case TextPart(text=text):
            # An empty block is refused.
            return {"type": "text", "text": text} if text else None
        case ImagePart(url=url):
            media = media_of(url)
            if media is None:
                return {"type": "image", "source": {"type": "url", "url": url}}
            source = {"type": "base64", "media_type": media.type, "data": media.data}
            return {"type": "image", "source": source}
        case ReasoningPart(provider="anthropic" | None, redacted=str(data)):
            return {"type": "redacted_thinking", "data": data}
        case ReasoningPart(text=text, provider="anthropic" | None, signature=str(signature)):
            return {"type": "thinking", "thinking": text, "signature": signature}
        case ReasoningPart():
            return None
        case OtherPart(data=data):
            return data


def _read_turn(item: dict[str, Any], place: str) -> list[Message]:
    role = one_of(need(item, "role", str, place), _ROLES, at(place, "role"))
    content = need(item, "content", str | list[Any], place)
    if isinstance(content, str):
        return [Message(role, content, extra=item)]
    messages: list[Message] = []
    parts: list[Part] = []
    calls: list[ToolCall] = []

    def say() -> None:
        if parts or calls or not messages:
            messages.append(Message(role, parts.copy(), tool_calls=calls.copy() or None, extra=dict(item)))
        parts.clear()
        calls.clear()

    blocks = objects(content, at(place, "content"), lambda block, inner: _read_block(block, inner, role))
    for block in blocks:
        if isinstance(block, ToolCall):
            calls.append(block)
            continue
        if calls or (isinstance(block, Message) and parts):
            say()
        if isinstance(block, Message):
            messages.append(block)
        else:
            parts.append(block)
    if parts or calls or not messages:
        say()
    return messages


def _read_block(item: dict[str, Any], place: str, role: str) -> Part | ToolCall | Message:
    match item.get("type"):
        case "tool_use" if role == "assistant":
            id, name = need(item, "id", str, place), need(item, "name", str, place)
            return ToolCall(id, name, take(item, "input", dict[str, Any], place) or {})
        case "tool_result" if role == "user":
            return _read_result(item, place)
        case "thinking" if role == "assistant":
            text = need(item, "thinking", str, place)
            # The seal of reasoning that nobody sealed is "", where a gateway had to write one.
            signature = take(item, "signature", str, place) or None
            return ReasoningPart(text, signature, provider="anthropic")
        case "redacted_thinking" if role == "assistant":
            return ReasoningPart("", redacted=need(item, "data", str, place), provider="anthropic")
        case _:
            return _read_part(item, place)


def _read_result(item: dict[str, Any], place: str) -> Message:
    del item["type"]
    call_id = need(item, "tool_use_id", str, place)
    is_error = take(item, "is_error", bool, place) or False
    content = take(item, "content", str | list[Any], place)
    told = objects(content, at(place, "content"), _read_part) if isinstance(content, list) else content or ""
    return Message("tool", told, tool_call_id=call_id, extra=item, is_error=is_error)


def _read_part(item: dict[str, Any], place: str) -> Part:
    type_ = need({**item}, "type", str, place)
    if type_ == "text":
        text = need({**item}, "text", str, place)
        return TextPart(text) if len(item) == 2 else OtherPart(item)
    if type_ == "image":
        source = need({**item}, "source", dict[str, Any], place)
        url = _image_url(source, at(place, "source"))
        return OtherPart(item) if url is None or len(item) > 2 else ImagePart(url)
    return OtherPart(item)


def _image_url(source: dict[str, Any], place: str) -> str | None:
    """Return the URL of an image's source; None for a kind that has none."""
    source = {**source}
    match need(source, "type", str, place):
        case "base64":
            media_type, data = need(source, "media_type", str, place), need(source, "data", str, place)
            return data_url(media_type, data)
        case "url":
            url: str = need(source, "url", str, place)
            return url
        case _:
            return None
