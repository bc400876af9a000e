"""What of a request any other vocabulary understands."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gai_stream.providers.provider import ChatRequest, ImagePart, Message, OtherPart, Part, TextPart
from gai_stream.providers.requests._media import data_url
from gai_stream.providers.requests._tools import choice_of, client_calls, function_of, text_of

__all__ = ["portable"]

_FUNCTION: Final = ("name", "description", "parameters", "strict")


def portable(request: ChatRequest) -> ChatRequest:
    """Return what of `request` any other vocabulary understands, for a client and a provider that speak two.

    Left out are all `extra`, tools that only one provider has, and parts that are neither text nor image nor
    reasoning. Text with keys of its own becomes text without, and a turn of nothing but text becomes a string.
    """
    messages = [told for message in request.messages if (told := _message(message)) is not None]
    tools = [function for tool in request.tools or () if (function := _tool(tool)) is not None]
    return msgspec.structs.replace(
        request,
        messages=messages or [Message("user", "")],
        tools=tools or None,
        # Without tools there is nothing to choose from.
        tool_choice=request.tool_choice if tools and choice_of(request.tool_choice) is not None else None,
        parallel_tool_calls=request.parallel_tool_calls if tools else None,
        extra={},
    )


def _message(message: Message) -> Message | None:
    content = message.content
    if not isinstance(content, str):
        content = [told for part in content if (told := _part(part)) is not None]
        if all(isinstance(part, TextPart) for part in content):
            content = text_of(Message(message.role, content))
    calls = client_calls(message)
    if message.role == "assistant" and not content and not calls:
        return None
    return msgspec.structs.replace(message, content=content, tool_calls=calls or None, extra={})


def _part(part: Part) -> Part | None:
    if not isinstance(part, OtherPart):
        return part
    match part.data:
        case {"type": "text" | "input_text" | "output_text", "text": str(text)}:
            return TextPart(text)
        case {"type": "refusal", "refusal": str(text)}:
            return TextPart(text)
        case {"type": "image_url", "image_url": {"url": str(url)} | str(url)}:
            return ImagePart(url)
        case {"type": "input_image", "image_url": str(url)}:
            return ImagePart(url)
        case {"type": "image", "source": {"type": "url", "url": str(url)}}:
            return ImagePart(url)
        case {"type": "image", "source": {"type": "base64", "media_type": str(type_), "data": str(data)}}:
            return ImagePart(data_url(type_, data))
        case {"inlineData": {"mimeType": str(type_), "data": str(data)}} if type_.startswith("image/"):
            return ImagePart(data_url(type_, data))
        case {"text": str(text)} if "type" not in part.data:
            return TextPart(text)
        case _:
            return None


def _tool(tool: dict[str, Any]) -> dict[str, Any] | None:
    function = function_of(tool)
    if function is None:
        return None
    return {"type": "function", "function": {key: function[key] for key in _FUNCTION if function.get(key) is not None}}
