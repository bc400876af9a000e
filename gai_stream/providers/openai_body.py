"""The body of a request for OpenAI's Chat Completions."""

from __future__ import annotations

from typing import Any

from gai_stream import _json
from gai_stream.events import ToolCall
from gai_stream.providers.provider import ChatRequest, ImagePart, Message, Part, TextPart

__all__ = ["request_body"]


def request_body(request: ChatRequest, *, model: str | None, usage: bool, newest: bool) -> dict[str, Any]:
    """Return `request` as a JSON object that asks for a stream. Its `extra` keys win over all others but `stream`.

    `model` is for a request that names none; `usage` asks for token counts at the end; `newest` says that the server
    takes `max_completion_tokens`, as OpenAI's reasoning models demand and most other servers do not know.
    """
    body: dict[str, Any] = {"messages": [_message(message) for message in request.messages]}
    if name := request.model or model:
        body["model"] = name
    if usage:
        body["stream_options"] = {"include_usage": True}
    if request.max_tokens is not None:
        body["max_completion_tokens" if newest else "max_tokens"] = request.max_tokens
    for key in ("temperature", "top_p", "stop", "tools", "tool_choice"):
        if (value := getattr(request, key)) is not None:
            body[key] = value
    return {**body, **request.extra, "stream": True}


def _message(message: Message) -> dict[str, Any]:
    content: Any = message.content
    if not isinstance(content, str):
        content = [_part(part) for part in content]
    body: dict[str, Any] = {"role": message.role, "content": content}
    if message.tool_calls:
        # "" beside calls is refused by some servers; null is what they send themselves.
        body["content"] = content or None
        body["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    if message.name is not None:
        body["name"] = message.name
    if message.tool_call_id is not None:
        body["tool_call_id"] = message.tool_call_id
    return {**body, **message.extra}


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text=text):
            return {"type": "text", "text": text}
        case ImagePart(url=url, detail=detail):
            return {
                "type": "image_url",
                "image_url": {"url": url} if detail is None else {"url": url, "detail": detail},
            }
        case _:
            return part.data


def _tool_call(call: ToolCall) -> dict[str, Any]:
    # The model must see its own words again, byte for byte where they are known.
    arguments = call.arguments or _json.dumps(call.input).decode()
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
