"""What Anthropic's Messages say beside the conversation: tools, limits, format, thinking."""

from __future__ import annotations

import re
from typing import Any, Final

from gai_stream.providers.provider import ChatRequest, Part, ReasoningPart
from gai_stream.providers.requests._checks import at, need, objects, one_of, take
from gai_stream.providers.requests._effort import budget_of, effort_of
from gai_stream.providers.requests._tools import choice_of, client_calls, function_of, named

__all__ = ["read", "told"]

_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none", "tool": "required"}
# "claude-sonnet-4-5-20250929", "claude-opus-4.6", "anthropic.claude-3-7-sonnet-20250219-v1:0"; a date is no version.
_VERSION = re.compile(r"claude-(?:[a-z]+-)*(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")


def told(request: ChatRequest, model: str, max_tokens: int, adaptive: bool | None) -> dict[str, Any]:
    """Return the keys for everything in `request` but its messages, its `system` and its `extra`."""
    limit = max_tokens if request.max_tokens is None else request.max_tokens
    made: dict[str, Any] = {"max_tokens": limit}
    for key in ("temperature", "top_p"):
        if (value := getattr(request, key)) is not None:
            made[key] = value
    if request.stop is not None:
        made["stop_sequences"] = [request.stop] if isinstance(request.stop, str) else request.stop
    if request.tools is not None:
        made["tools"] = [_tool(tool) for tool in request.tools]
    if choice := _choice(request):
        made["tool_choice"] = choice
    match request.response_format:
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            made["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    _think(made, request, _is_adaptive(model) if adaptive is None else adaptive)
    return made


def read(rest: dict[str, Any]) -> dict[str, Any]:
    """Take the fields of a ChatRequest out of a body that has no messages any more."""
    fields: dict[str, Any] = {
        name: take(rest, name, type_)
        for name, type_ in {"model": str, "max_tokens": int, "temperature": float, "top_p": float}.items()
    }
    fields["stop"] = take(rest, "stop_sequences", list[str])
    if "tools" in rest:
        fields["tools"] = objects(rest.pop("tools"), "tools", _read_tool)
    if (choice := take(rest, "tool_choice", dict[str, Any])) is not None:
        mode = one_of(need(choice, "type", str, "tool_choice"), tuple(_CHOICES), "tool_choice.type")
        tools = [need(choice, "name", str, "tool_choice")] if mode == "tool" else []
        fields["tool_choice"] = named(_CHOICES[mode], tools)
        alone = take(choice, "disable_parallel_tool_use", bool, "tool_choice")
        fields["parallel_tool_calls"] = None if alone is None else not alone
    config = take(rest, "output_config", dict[str, Any]) or {}
    if (schema := _schema(config)) is not None:
        fields["response_format"] = {"type": "json_schema", "json_schema": {"name": "response", "schema": schema}}
    thinking = take(rest, "thinking", dict[str, Any])
    fields["reasoning_effort"] = _effort(thinking, config)
    # What `_think` would not write again as it was is kept for the way back.
    if thinking == {"type": "adaptive"} and config.keys() <= {"effort"}:
        config = {}
    elif thinking is not None and (config or thinking != {"type": "disabled"}):
        rest["thinking"] = thinking
    if config:
        rest["output_config"] = config
    return fields


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = function_of(tool)
    if function is None:
        return tool
    made = {"name": function.get("name"), "input_schema": function.get("parameters") or {"type": "object"}}
    made |= {key: function[key] for key in ("description", "strict") if function.get(key) is not None}
    return {**made, **{key: value for key, value in tool.items() if key not in ("type", "function", "custom")}}


def _read_tool(item: dict[str, Any], place: str) -> dict[str, Any]:
    if take({**item}, "type", str, place) not in (None, "custom"):
        return item
    item.pop("type", None)
    function = {"name": need(item, "name", str, place)}
    if (description := take(item, "description", str, place)) is not None:
        function["description"] = description
    function["parameters"] = need(item, "input_schema", dict[str, Any], place)
    if (strict := take(item, "strict", bool, place)) is not None:
        function["strict"] = strict
    return {"type": "function", "function": function, **item}


def _choice(request: ChatRequest) -> dict[str, Any] | None:
    choice = choice_of(request.tool_choice)
    made: dict[str, Any] | None = None
    if choice is not None:
        mode = {"required": "any"}.get(choice.mode, choice.mode)
        made = {"type": "tool", "name": choice.names[0]} if mode == "any" and len(choice.names) == 1 else {"type": mode}
    if request.parallel_tool_calls is not None and request.tools and (made is None or made["type"] != "none"):
        made = {**(made or {"type": "auto"}), "disable_parallel_tool_use": not request.parallel_tool_calls}
    return made


def _schema(config: dict[str, Any]) -> dict[str, Any] | None:
    place = "output_config"
    format = take(config, "format", dict[str, Any], place)
    if format is None:
        return None
    one_of(need(format, "type", str, at(place, "format")), ("json_schema",), at(place, "format.type"))
    schema: dict[str, Any] = need(format, "schema", dict[str, Any], at(place, "format"))
    return schema


def _effort(thinking: dict[str, Any] | None, config: dict[str, Any]) -> str | None:
    effort: str | None = take({**config}, "effort", str, "output_config")
    thinking = {**(thinking or {})}
    match take(thinking, "type", str, "thinking"):
        case "enabled":
            return effort or effort_of(need(thinking, "budget_tokens", int, "thinking"))
        case "disabled":
            return "none"
        case "adaptive":
            # What Anthropic does when nothing is said.
            return effort or "high"
        case _:
            return effort


def _is_adaptive(model: str) -> bool:
    """Whether `model` decides itself how long to think: Claude since 4.6. Others with this API want a number."""
    model = model.lower()
    if "claude" not in model:
        return False
    found = _VERSION.search(model)
    return found is None or (int(found[1]), int(found[2] or 0)) >= (4, 6)


def _think(made: dict[str, Any], request: ChatRequest, adaptive: bool) -> None:
    """Add what `reasoning_effort` asks for, unless `extra` says it in Anthropic's own words."""
    effort = request.reasoning_effort
    config = request.extra.get("output_config")
    if effort is None or "thinking" in request.extra or (isinstance(config, dict) and "effort" in config):
        return
    if effort == "none":
        made["thinking"] = {"type": "disabled"}
        return
    # Who thinks may not be forced to call, and chooses its words by itself.
    forced = made.get("tool_choice", {}).get("type") in ("any", "tool")
    if adaptive:
        made["output_config"] = {**made.get("output_config", {}), "effort": "low" if effort == "minimal" else effort}
    if forced or (not adaptive and _lacks_reasoning(request)):
        return
    if adaptive:
        made["thinking"] = {"type": "adaptive"}
    else:
        budget = budget_of(effort)
        made["thinking"] = {"type": "enabled", "budget_tokens": budget}
        if made["max_tokens"] <= budget:
            made["max_tokens"] += budget
    for key in ("temperature", "top_p"):
        made.pop(key, None)


def _lacks_reasoning(request: ChatRequest) -> bool:
    """Whether the last calls were made without reasoning that Anthropic sealed: then it refuses to think on."""
    said = next((message for message in reversed(request.messages) if message.role == "assistant"), None)
    if said is None or not client_calls(said):
        return False
    parts = [] if isinstance(said.content, str) else said.content
    return not any(_is_sealed(part) for part in parts)


def _is_sealed(part: Part) -> bool:
    match part:
        case ReasoningPart(provider="anthropic" | None):
            return part.signature is not None or part.redacted is not None
        case _:
            return False
