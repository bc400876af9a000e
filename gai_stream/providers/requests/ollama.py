"""The bodies of Ollama's `/api/chat` and `/api/generate`."""

from __future__ import annotations

from typing import Any, Final

from gai_stream.events import ToolCall
from gai_stream.exceptions import DecodeError, EncodeError
from gai_stream.providers.provider import ChatRequest, ImagePart, Message, Part, ReasoningPart, TextPart
from gai_stream.providers.requests._checks import at, need, objects, one_of, present, take
from gai_stream.providers.requests._effort import level_of
from gai_stream.providers.requests._media import data_url, media_of, media_type_of
from gai_stream.providers.requests._tools import OpenCalls, call_names, client_calls, function_of, object_of, text_of

__all__ = ["body", "parse"]

_CHAT: Final = '{"model": "...", "messages": [{"role": "user", "content": "..."}]}'
_GENERATE: Final = '{"model": "...", "prompt": "..."}'
_ROLES: Final = ("system", "user", "assistant", "tool")
_OPTIONS: Final = {"temperature": "temperature", "top_p": "top_p", "max_tokens": "num_predict", "stop": "stop"}


def body(request: ChatRequest, *, model: str | None = None, generate: bool = False) -> dict[str, Any]:
    """Return `request` as a JSON object that asks for a stream. Its `extra` keys win over all others but `stream`.

    `model` is for a request that names none. `generate` asks `/api/generate`, which takes one user's turn and what
    stands in `system`. There is no word for who must call a tool; only `tool_choice="none"` is honoured, by telling of
    no tools.

    Raises EncodeError for an image that is not in a `data:` URL, since Ollama fetches none, and for a conversation
    where one turn is asked for.
    """
    made: dict[str, Any] = _prompt(request) if generate else {"messages": _messages(request)}
    if name := request.model or model:
        made["model"] = name
    if request.tools is not None and request.tool_choice != "none" and not generate:
        made["tools"] = [_tool(tool) for tool in request.tools]
    match request.response_format:
        case {"type": "json_object"}:
            made["format"] = "json"
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            made["format"] = schema
    if (effort := request.reasoning_effort) is not None:
        made["think"] = False if effort == "none" else level_of(effort)
    settings = {key: value for field, key in _OPTIONS.items() if (value := getattr(request, field)) is not None}
    if isinstance(request.stop, str):
        settings["stop"] = [request.stop]
    given = request.extra.get("options")
    if settings and isinstance(given, dict | None):
        made["options"] = {**settings, **(given or {})}
    elif "options" in request.extra:
        made["options"] = given
    return {**made, **{key: value for key, value in request.extra.items() if key != "options"}, "stream": True}


def parse(body: dict[str, Any], *, generate: bool = False) -> ChatRequest:
    """Return the request in a body, of `/api/generate` if `generate`. Keys that are not known land in `extra`.

    Who says nothing about `stream` wants one. Calls without ids get some, and their answers find them by name and
    order. Raises DecodeError that names the field and says what it should be.
    """
    rest = present(body, _GENERATE if generate else _CHAT)
    system = None
    if generate:
        system = take(rest, "system", str)
        prompt = take(rest, "prompt", str) or ""
        messages = [Message("user", _content(prompt, _images(rest, "")))]
    else:
        if "messages" not in rest:
            raise DecodeError(f"messages is missing; send {_CHAT}")
        calls = OpenCalls()
        messages = objects(rest.pop("messages"), "messages", lambda item, place: _message(item, place, calls))
        if not messages:
            raise DecodeError("messages must not be empty; send at least one user message")
    stream = take(rest, "stream", bool)
    fields: dict[str, Any] = {"model": take(rest, "model", str)}
    if "tools" in rest:
        fields["tools"] = take(rest, "tools", list[dict[str, Any]])
    settings = take(rest, "options", dict[str, Any]) or {}
    fields["temperature"] = take(settings, "temperature", float, "options")
    fields["top_p"] = take(settings, "top_p", float, "options")
    # -1 and -2 are without a limit, in two ways.
    if (limit := take({**settings}, "num_predict", int, "options")) is not None and limit >= 0:
        fields["max_tokens"] = settings.pop("num_predict")
    fields["stop"] = take(settings, "stop", str | list[str], "options")
    if settings:
        rest["options"] = settings
    fields["response_format"] = _format(rest)
    fields["reasoning_effort"] = _effort(rest)
    return ChatRequest(messages=messages, system=system, stream=stream is not False, extra=rest, **fields)


def _prompt(request: ChatRequest) -> dict[str, Any]:
    systems = [] if request.system is None else [request.system]
    turns = []
    for message in request.messages:
        if message.role in ("system", "developer"):
            systems.append(text_of(message))
        else:
            turns.append(message)
    if len(turns) != 1 or turns[0].role != "user":
        raise EncodeError(f"/api/generate takes one user's turn, not {len(turns)} turns; ask /api/chat")
    made: dict[str, Any] = {"prompt": text_of(turns[0])}
    if systems:
        made["system"] = "\n\n".join(systems)
    if images := _shown(turns[0]):
        made["images"] = images
    return {**made, **turns[0].extra}


def _messages(request: ChatRequest) -> list[dict[str, Any]]:
    names = call_names(request.messages)
    made: list[dict[str, Any]] = []
    if request.system is not None:
        made.append({"role": "system", "content": request.system})
    for message in request.messages:
        role = {"developer": "system", "function": "tool"}.get(message.role, message.role)
        told: dict[str, Any] = {"role": role, "content": text_of(message)}
        parts = [] if isinstance(message.content, str) else message.content
        if thinking := "".join(part.text for part in parts if isinstance(part, ReasoningPart)):
            told["thinking"] = thinking
        if images := _shown(message):
            told["images"] = images
        if calls := client_calls(message):
            told["tool_calls"] = [
                {"id": call.id, "function": {"name": call.name, "arguments": object_of(call)}} for call in calls
            ]
        if role == "tool":
            id = message.tool_call_id or ""
            if name := names.get(id) or message.name:
                told["tool_name"] = name
            if id:
                told["tool_call_id"] = id
        made.append({**told, **message.extra})
    return made


def _shown(message: Message) -> list[str]:
    images = []
    for part in [] if isinstance(message.content, str) else message.content:
        if isinstance(part, ImagePart):
            media = media_of(part.url)
            if media is None:
                raise EncodeError(f"Ollama fetches no images; send {part.url[:100]!r} as a data: URL")
            images.append(media.data)
    return images


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = function_of(tool)
    return tool if function is None or function is tool.get("function") else {"type": "function", "function": function}


def _message(item: dict[str, Any], place: str, calls: OpenCalls) -> Message:
    role = one_of(need(item, "role", str, place), _ROLES, at(place, "role"))
    content = _content(take(item, "content", str, place) or "", _images(item, place))
    if thinking := take(item, "thinking", str, place):
        said: list[Part] = content if isinstance(content, list) else [TextPart(content)] if content else []
        content = [ReasoningPart(thinking, provider="ollama"), *said]
    made = None
    if "tool_calls" in item:
        field = at(place, "tool_calls")
        made = objects(item.pop("tool_calls"), field, lambda call, inner: _call(call, inner, calls))
    if role != "tool":
        return Message(role, content, tool_calls=made or None, extra=item)
    name = take(item, "tool_name", str, place) or take(item, "name", str, place)
    id, unknown = calls.answer(take(item, "tool_call_id", str, place), name)
    return Message(role, content, unknown, id, extra=item)


def _content(text: str, images: list[str]) -> str | list[Part]:
    if not images:
        return text
    shown = [ImagePart(data_url(media_type_of(image), image)) for image in images]
    return [TextPart(text), *shown] if text else [*shown]


def _images(item: dict[str, Any], place: str) -> list[str]:
    return take(item, "images", list[str], place) or []


def _call(item: dict[str, Any], place: str, calls: OpenCalls) -> ToolCall:
    function = need(item, "function", dict[str, Any], place)
    place_of_function = at(place, "function")
    name = need(function, "name", str, place_of_function)
    arguments = take(function, "arguments", dict[str, Any], place_of_function) or {}
    return ToolCall(calls.add(take(item, "id", str, place), name), name, arguments)


def _format(rest: dict[str, Any]) -> dict[str, Any] | None:
    format = take(rest, "format", str | dict[str, Any])
    if isinstance(format, dict):
        return {"type": "json_schema", "json_schema": {"name": "response", "schema": format}}
    return {"type": "json_object"} if one_of(format or "", ("", "json"), "format") else None


def _effort(rest: dict[str, Any]) -> str | None:
    think = take({**rest}, "think", bool | str)
    if think is True:
        # It stays there, for the models that know no levels.
        return "medium"
    rest.pop("think", None)
    return "none" if think is False else think
