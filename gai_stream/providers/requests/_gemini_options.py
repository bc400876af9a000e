"""What Gemini's requests say beside the conversation: tools, and `generationConfig`."""

from __future__ import annotations

import re
from typing import Any, Final

from gai_stream.exceptions import DecodeError
from gai_stream.providers.provider import ChatRequest
from gai_stream.providers.requests._checks import at, need, objects, one_of, take
from gai_stream.providers.requests._effort import budget_of, effort_of, level_of
from gai_stream.providers.requests._tools import choice_of, function_of, named

__all__ = ["camel", "is_third", "read", "told"]

_MODES: Final = {"AUTO": "auto", "ANY": "required", "NONE": "none"}
_PLACE: Final = "generationConfig"
_VERSION = re.compile(r"gemini-(\d+)")
_SNAKE = re.compile(r"_([a-z0-9])")


def camel(item: dict[str, Any]) -> dict[str, Any]:
    """Return an object as Google's JSON writes it: names in either case are the same to it, and null is absent."""
    return {_SNAKE.sub(lambda match: match[1].upper(), key): value for key, value in item.items() if value is not None}


def is_third(model: str) -> bool:
    """Whether `model` is a Gemini of the third generation or later, such as "gemini-3-pro" or "gemini-flash-latest"."""
    found = _VERSION.search(model)
    return int(found[1]) >= 3 if found else "gemini" in model


def told(request: ChatRequest, model: str) -> dict[str, Any]:
    """Return the keys for everything in `request` but its conversation and its `extra`."""
    made: dict[str, Any] = {}
    if request.tools is not None:
        made["tools"] = _tools(request.tools)
    if (choice := choice_of(request.tool_choice)) is not None:
        config: dict[str, Any] = {"mode": {"required": "ANY"}.get(choice.mode, choice.mode.upper())}
        if choice.names:
            # There are no names without a mode that goes with them.
            config = {"mode": "ANY" if choice.mode == "required" else "VALIDATED"}
            config["allowedFunctionNames"] = choice.names
        made["toolConfig"] = {"functionCallingConfig": config}
    generation: dict[str, Any] = {}
    named_fields = {"temperature": "temperature", "top_p": "topP", "max_tokens": "maxOutputTokens"}
    for field, key in named_fields.items():
        if (value := getattr(request, field)) is not None:
            generation[key] = value
    if request.stop is not None:
        generation["stopSequences"] = [request.stop] if isinstance(request.stop, str) else request.stop
    match request.response_format:
        case {"type": "json_object"}:
            generation["responseMimeType"] = "application/json"
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            generation |= {"responseMimeType": "application/json", "responseJsonSchema": schema}
    if request.reasoning_effort is not None:
        generation["thinkingConfig"] = _thinking(request.reasoning_effort, model)
    if generation:
        made[_PLACE] = generation
    return made


def read(rest: dict[str, Any], model: str) -> dict[str, Any]:
    """Take the fields of a ChatRequest out of a body that has no conversation any more."""
    fields: dict[str, Any] = {}
    if "tools" in rest:
        tools = objects(rest.pop("tools"), "tools", _read_tool)
        fields["tools"] = [function for tool in tools for function in tool]
    _read_choice(rest, fields)
    generation = camel(take(rest, _PLACE, dict[str, Any]) or {})
    fields["temperature"] = take(generation, "temperature", float, _PLACE)
    fields["top_p"] = take(generation, "topP", float, _PLACE)
    fields["max_tokens"] = take(generation, "maxOutputTokens", int, _PLACE)
    fields["stop"] = take(generation, "stopSequences", list[str], _PLACE)
    fields["response_format"] = _read_format(generation)
    thinking = camel(take(generation, "thinkingConfig", dict[str, Any], _PLACE) or {})
    if thinking:
        if isinstance(level := thinking.get("thinkingLevel"), str):
            thinking["thinkingLevel"] = level.upper()
        effort = fields["reasoning_effort"] = _effort(thinking)
        # What would not be written again as it was is kept for the way back.
        if effort is None or _thinking(effort, model) != thinking:
            generation["thinkingConfig"] = thinking
    if generation:
        rest[_PLACE] = generation
    return fields


def _tools(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    declarations = []
    others = []
    for tool in tools:
        function = function_of(tool)
        if function is None:
            others.append(tool)
            continue
        declaration = {key: function[key] for key in ("name", "description") if function.get(key) is not None}
        if function.get("parameters"):
            declaration["parametersJsonSchema"] = function["parameters"]
        declarations.append(declaration)
    return [{"functionDeclarations": declarations}, *others] if declarations else others


def _read_tool(item: dict[str, Any], place: str) -> list[dict[str, Any]]:
    item = camel(item)
    functions: list[dict[str, Any]] = []
    if "functionDeclarations" in item:
        field = at(place, "functionDeclarations")
        functions = objects(item.pop("functionDeclarations"), field, _read_declaration)
    return [*functions, item] if item else functions


def _read_declaration(item: dict[str, Any], place: str) -> dict[str, Any]:
    item = camel(item)
    function = {"name": need(item, "name", str, place)}
    if (description := take(item, "description", str, place)) is not None:
        function["description"] = description
    schema = take(item, "parameters", dict[str, Any], place)
    json_schema = take(item, "parametersJsonSchema", dict[str, Any], place)
    if json_schema is not None:
        function["parameters"] = json_schema
    elif schema is not None:
        function["parameters"] = _from_openapi(schema, at(place, "parameters"))
    return {"type": "function", "function": function}


def _read_choice(rest: dict[str, Any], fields: dict[str, Any]) -> None:
    tool_config = camel(take(rest, "toolConfig", dict[str, Any]) or {})
    place = "toolConfig.functionCallingConfig"
    config = camel(take(tool_config, "functionCallingConfig", dict[str, Any], "toolConfig") or {})
    mode = (take({**config}, "mode", str, place) or "AUTO").upper()
    one_of(mode, (*_MODES, "VALIDATED", "MODE_UNSPECIFIED"), at(place, "mode"))
    names = take({**config}, "allowedFunctionNames", list[str], place) or []
    if mode == "VALIDATED" and names:
        fields["tool_choice"] = named("auto", names)
    elif mode in _MODES and config:
        fields["tool_choice"] = named(_MODES[mode], names if mode == "ANY" else [])
    elif config:
        tool_config["functionCallingConfig"] = config
    if tool_config:
        rest["toolConfig"] = tool_config


def _read_format(generation: dict[str, Any]) -> dict[str, Any] | None:
    mime_type = take({**generation}, "responseMimeType", str, _PLACE)
    if mime_type not in (None, "application/json"):
        return None
    generation.pop("responseMimeType", None)
    schema = take(generation, "responseSchema", dict[str, Any], _PLACE)
    json_schema = take(generation, "responseJsonSchema", dict[str, Any], _PLACE)
    if json_schema is None and schema is not None:
        json_schema = _from_openapi(schema, at(_PLACE, "responseSchema"))
    if json_schema is not None:
        return {"type": "json_schema", "json_schema": {"name": "response", "schema": json_schema}}
    return None if mime_type is None else {"type": "json_object"}


def _thinking(effort: str, model: str) -> dict[str, Any]:
    if not is_third(model):
        budget = 0 if effort == "none" else budget_of(effort)
        return {"thinkingBudget": budget, "includeThoughts": budget > 0}
    # It cannot stop thinking altogether.
    if effort in ("none", "minimal"):
        return {"thinkingLevel": "MINIMAL", "includeThoughts": effort != "none"}
    return {"thinkingLevel": level_of(effort).upper(), "includeThoughts": True}


def _effort(thinking: dict[str, Any]) -> str | None:
    place = at(_PLACE, "thinkingConfig")
    rest = {**thinking}
    level = take(rest, "thinkingLevel", str, place)
    budget = take(rest, "thinkingBudget", int, place)
    shown = take(rest, "includeThoughts", bool, place)
    if level is not None:
        return "none" if level == "MINIMAL" and not shown else level.lower()
    # -1 lets the model decide.
    return None if budget is None or budget < 0 else effort_of(budget)


def _from_openapi(schema: dict[str, Any], field: str) -> Any:
    """Return a schema in Google's older form, a part of OpenAPI's, as JSON Schema."""
    try:
        return _json_schema(schema)
    except RecursionError:
        raise DecodeError(f"{field} is nested too deeply; send a flatter schema") from None


def _json_schema(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_json_schema(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for key, value in camel(schema).items():
        match key, value:
            case "type", str():
                made[key] = value.lower()
            case "properties" | "defs", dict():
                made[key] = {name: _json_schema(inner) for name, inner in value.items()}
            case "items" | "anyOf" | "additionalProperties" | "prefixItems", _:
                made[key] = _json_schema(value)
            case "nullable" | "propertyOrdering", _:
                pass
            case _:
                made[key] = value
    if schema.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made
