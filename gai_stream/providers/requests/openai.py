"""The body of OpenAI's Chat Completions, which most servers speak."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gai_stream import _json
from gai_stream.dialects._calls import legal_id
from gai_stream.events import ToolCall
from gai_stream.exceptions import DecodeError
from gai_stream.providers.provider import ChatRequest, ImagePart, Message, OtherPart, Part, ReasoningPart, TextPart
from gai_stream.providers.requests._checks import at, check, kind, need, objects, one_of, present, take
from gai_stream.providers.requests._tools import arguments_of, client_calls, input_of, token_id

__all__ = ["body", "parse"]

_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
_EXAMPLE: Final = '{"messages": [{"role": "user", "content": "..."}]}'
_FIELDS: Final[dict[str, Any]] = {
    "model": str,
    "temperature": float,
    "max_tokens": int,
    "max_completion_tokens": int,
    "top_p": float,
    "stop": str | list[str],
    "tools": list[dict[str, Any]],
    "tool_choice": str | dict[str, Any],
    "parallel_tool_calls": bool,
    "response_format": dict[str, Any],
    "reasoning_effort": str,
    "stream": bool,
    "provider": str,
    "conversation_id": str,
    "context": Any,
}
_SENT: Final = (
    *("temperature", "top_p", "stop", "tools", "tool_choice"),
    *("parallel_tool_calls", "response_format", "reasoning_effort"),
)
# OpenAI itself refuses longer ones.
_LONGEST_ID: Final = 40


def body(
    request: ChatRequest,
    *,
    model: str | None = None,
    usage: bool = True,
    newest: bool = False,
    tool_id_length: int | None = None,
    reasoning_key: str | None = None,
) -> dict[str, Any]:
    """Return `request` as a JSON object that asks for a stream. Its `extra` keys win over all others but `stream`.

    `model` is for a request that names none; `usage` asks for token counts at the end; `newest` says that the server
    takes `max_completion_tokens`, as OpenAI's reasoning models demand and most other servers do not know.
    `tool_id_length` is for servers that take tool ids of so many letters and digits only (Mistral: 9). Reasoning is
    left out, unless `reasoning_key` names the key of a message that it goes under, such as "reasoning_content".
    """
    if tool_id_length is not None and not 1 <= tool_id_length <= 64:
        raise ValueError(f"tool_id_length must be 1 to 64 characters, not {tool_id_length}")

    def fit(id: str) -> str:
        if tool_id_length is not None:
            return token_id(id, tool_id_length)
        return legal_id(id, longest=_LONGEST_ID) if newest else id

    made: dict[str, Any] = {"messages": _messages(request, fit, reasoning_key)}
    if name := request.model or model:
        made["model"] = name
    if usage:
        made["stream_options"] = {"include_usage": True}
    if request.max_tokens is not None:
        made["max_completion_tokens" if newest else "max_tokens"] = request.max_tokens
    for key in _SENT:
        if (value := getattr(request, key)) is not None:
            made[key] = value
    return {**made, **request.extra, "stream": True}


def parse(body: dict[str, Any], *, reasoning_key: str | None = None) -> ChatRequest:
    """Return the request in a body. Keys that are not known land in `extra`.

    `reasoning_key` is that of `body`. Raises DecodeError that names the field and says what it should be.
    """
    rest = present(body, _EXAMPLE)
    if "messages" not in rest:
        raise DecodeError(f"messages is missing; send {_EXAMPLE}")
    messages = objects(rest.pop("messages"), "messages", lambda item, place: _message(item, place, reasoning_key))
    if not messages:
        raise DecodeError("messages must not be empty; send at least one user message")
    fields = {
        name: check(rest.pop(name), type_, name)
        for name, type_ in _FIELDS.items()
        # OpenRouter has an object of its own under "provider".
        if name in rest and not (name == "provider" and isinstance(rest[name], dict))
    }
    # Two names of one thing, of which OpenAI's newer models take the second only.
    if (newer := fields.pop("max_completion_tokens", None)) is not None:
        fields["max_tokens"] = newer
    return ChatRequest(messages=messages, extra=rest, **{"stream": False, **fields})


def _messages(request: ChatRequest, fit: Callable[[str], str], reasoning_key: str | None) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    if request.system is not None:
        made.append({"role": "system", "content": request.system})
    # A tool's turn may hold text only, so that the user's next one has to show what the tools saw.
    images: list[Part] = []
    for message in request.messages:
        if images and message.role != "tool":
            made.append({"role": "user", "content": [_part(image) for image in images]})
            images = []
        if message.role == "tool" and not isinstance(message.content, str):
            images += [part for part in message.content if isinstance(part, ImagePart)]
        told = _told(message, fit, reasoning_key)
        # Calls must be followed by their answers, so an assistant that went on speaking is one turn.
        if message.role == "assistant" and made and made[-1]["role"] == "assistant" and made[-1].get("tool_calls"):
            told = _joined(made.pop(), told)
        made.append(told)
    if images:
        made.append({"role": "user", "content": [_part(image) for image in images]})
    return made


def _told(message: Message, fit: Callable[[str], str], reasoning_key: str | None) -> dict[str, Any]:
    content: Any = message.content
    told: dict[str, Any] = {"role": message.role, "content": content}
    if not isinstance(content, str):
        hidden = (ReasoningPart, ImagePart) if message.role == "tool" else ReasoningPart
        # A list must not be empty.
        told["content"] = [_part(part) for part in content if not isinstance(part, hidden)] or ""
        reasoning = "".join(part.text for part in content if isinstance(part, ReasoningPart))
        if reasoning_key is not None and reasoning:
            told[reasoning_key] = reasoning
    if calls := client_calls(message):
        # "" beside calls is refused by some servers; null is what they send themselves.
        told["content"] = told["content"] or None
        told["tool_calls"] = [_call(call, fit) for call in calls]
    if message.name is not None:
        told["name"] = message.name
    if message.tool_call_id is not None:
        told["tool_call_id"] = fit(message.tool_call_id)
    return {**told, **message.extra}


def _joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    content = [
        part
        for told in (first["content"], second["content"])
        for part in ([{"type": "text", "text": told}] if isinstance(told, str) else told or [])
        if part.get("text") != ""
    ]
    calls = [*first["tool_calls"], *second.get("tool_calls", ())]
    return {**first, **second, "content": content or None, "tool_calls": calls}


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text=text):
            return {"type": "text", "text": text}
        case ImagePart(url=url, detail=detail):
            return {
                "type": "image_url",
                "image_url": {"url": url} if detail is None else {"url": url, "detail": detail},
            }
        case OtherPart(data=data):
            return data
        case ReasoningPart():
            raise AssertionError("reasoning is no part of what is said")


def _call(call: ToolCall, fit: Callable[[str], str]) -> dict[str, Any]:
    if call.kind == "custom":
        return {"id": fit(call.id), "type": "custom", "custom": {"name": call.name, "input": arguments_of(call)}}
    function = {"name": call.name, "arguments": arguments_of(call)}
    return {"id": fit(call.id), "type": "function", "function": function}


def _message(item: dict[str, Any], place: str, reasoning_key: str | None) -> Message:
    role = one_of(need(item, "role", str, place), _ROLES, at(place, "role"))
    calls = objects(item.pop("tool_calls"), at(place, "tool_calls"), _tool_call) if "tool_calls" in item else None
    content: Any = item.pop("content", None)
    if content is None:
        # An assistant that only called tools (or refused) said nothing.
        if role != "assistant":
            raise DecodeError(f"{place}.content is missing; send a string or a list of parts")
        content = ""
    elif isinstance(content, list):
        content = objects(content, at(place, "content"), _read_part)
    elif not isinstance(content, str):
        raise DecodeError(f"{place}.content must be a string or a list of parts, not {kind(content)}")
    if reasoning_key is not None and (reasoning := take(item, reasoning_key, str, place)):
        spoken: list[Part] = [TextPart(content)] if isinstance(content, str) and content else list(content)
        content = [ReasoningPart(reasoning), *spoken]
    name = take(item, "name", str, place)
    call_id = take(item, "tool_call_id", str, place)
    if role == "tool" and call_id is None:
        raise DecodeError(f"{place}.tool_call_id is missing; send the id of the call that this answers")
    return Message(role, content, name, call_id, calls or None, item)


def _read_part(item: dict[str, Any], place: str) -> Part:
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
    match item:
        case {"type": "custom", "custom": dict(custom)}:
            text = need(dict(custom), "input", str, at(place, "custom"))
            name = need(dict(custom), "name", str, at(place, "custom"))
            return ToolCall(need(item, "id", str, place), name, text, text, kind="custom")
        case {"type": str(type_)} if type_ != "function":
            pass
        case {"function": dict(function)}:
            function = dict(function)
            arguments = function.get("arguments") or ""
            if not isinstance(arguments, str):
                arguments = _json.dumps(arguments).decode()
            id = need(item, "id", str, place)
            return ToolCall(id, need(function, "name", str, at(place, "function")), input_of(arguments), arguments)
    raise DecodeError(f'{place} must be of type "function", with an object "function"')
