"""What OpenAI's Responses say beside the conversation: tools, limits, format, reasoning."""

from __future__ import annotations

from typing import Any, Final

from gai_stream.providers.provider import ChatRequest
from gai_stream.providers.requests._checks import at, need, objects, take

__all__ = ["read", "told"]

# Their fields stand flat here, and in an object of the type's name in Chat Completions.
_NESTED: Final = ("function", "custom")


def told(request: ChatRequest) -> dict[str, Any]:
    """Return the keys for everything in `request` but its messages, its `system` and its `extra`."""
    made: dict[str, Any] = {}
    for key in ("temperature", "top_p", "parallel_tool_calls"):
        if (value := getattr(request, key)) is not None:
            made[key] = value
    if request.max_tokens is not None:
        made["max_output_tokens"] = request.max_tokens
    if request.tools is not None:
        made["tools"] = [_tool(tool) for tool in request.tools]
    if request.tool_choice is not None:
        made["tool_choice"] = _choice(request.tool_choice)
    match request.response_format:
        case {"type": "json_schema", "json_schema": dict(schema)}:
            made["text"] = {"format": {"type": "json_schema", **schema}}
        case dict(format):
            made["text"] = {"format": format}
    if request.reasoning_effort is not None:
        made["reasoning"] = {"effort": request.reasoning_effort}
    return made


def read(rest: dict[str, Any]) -> dict[str, Any]:
    """Take the fields of a ChatRequest out of a body that has no input any more."""
    types = {"model": str, "temperature": float, "top_p": float, "parallel_tool_calls": bool}
    fields: dict[str, Any] = {name: take(rest, name, type_) for name, type_ in types.items()}
    fields["max_tokens"] = take(rest, "max_output_tokens", int)
    if "tools" in rest:
        fields["tools"] = objects(rest.pop("tools"), "tools", _read_tool)
    choice = take(rest, "tool_choice", str | dict[str, Any])
    fields["tool_choice"] = _read_choice(choice) if isinstance(choice, dict) else choice
    text = take(rest, "text", dict[str, Any]) or {}
    if (format := take(text, "format", dict[str, Any], "text")) is not None:
        fields["response_format"] = _read_format(format)
    reasoning = take(rest, "reasoning", dict[str, Any]) or {}
    fields["reasoning_effort"] = take(reasoning, "effort", str, "reasoning")
    rest |= {key: value for key, value in (("text", text), ("reasoning", reasoning)) if value}
    return fields


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    type_ = tool.get("type", "function")
    inner = tool.get(type_) if type_ in _NESTED else None
    if not isinstance(inner, dict):
        return tool
    flat = {"type": type_, **inner}
    if type_ == "function":
        flat.setdefault("parameters", {"type": "object", "properties": {}})
        # Who says nothing wants his schema as it is in Chat Completions, and made strict here.
        flat.setdefault("strict", False)
        if flat["strict"] is None:
            del flat["strict"]
    return {**flat, **{key: value for key, value in tool.items() if key not in ("type", type_)}}


def _read_tool(item: dict[str, Any], place: str) -> dict[str, Any]:
    type_ = need({**item}, "type", str, place)
    if type_ not in _NESTED:
        return item
    del item["type"]
    inner = {"name": need(item, "name", str, place)}
    if (description := take(item, "description", str, place)) is not None:
        inner["description"] = description
    if type_ == "function":
        if (parameters := take(item, "parameters", dict[str, Any], place)) is not None:
            inner["parameters"] = parameters
        inner["strict"] = take(item, "strict", bool, place)
    elif (format := take(item, "format", dict[str, Any], place)) is not None:
        inner["format"] = format
    return {"type": type_, type_: inner, **item}


def _choice(choice: str | dict[str, Any]) -> Any:
    match choice:
        case {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(tools)}}:
            return {"type": "allowed_tools", "mode": mode, "tools": [_flat(tool) for tool in tools]}
        case _:
            return _flat(choice)


def _flat(tool: Any) -> Any:
    match tool:
        case {"type": "function", "function": {"name": str(name)}}:
            return {"type": "function", "name": name}
        case {"type": "custom", "custom": {"name": str(name)}}:
            return {"type": "custom", "name": name}
        case _:
            return tool


def _read_choice(choice: dict[str, Any]) -> dict[str, Any]:
    choice = {**choice}
    place = "tool_choice"
    if choice.get("type") == "allowed_tools":
        mode = need(choice, "mode", str, place)
        tools = objects(need(choice, "tools", list[Any], place), at(place, "tools"), _nested)
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}
    return _nested(choice, place)


def _nested(tool: dict[str, Any], place: str) -> dict[str, Any]:
    type_ = need({**tool}, "type", str, place)
    return {"type": type_, type_: {"name": need({**tool}, "name", str, place)}} if type_ in _NESTED else tool


def _read_format(format: dict[str, Any]) -> dict[str, Any]:
    format = {**format}
    type_ = need(format, "type", str, "text.format")
    if type_ != "json_schema":
        return {"type": type_, **format}
    need({**format}, "schema", dict[str, Any], "text.format")
    need({**format}, "name", str, "text.format")
    return {"type": type_, "json_schema": format}
