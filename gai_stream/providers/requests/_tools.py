"""Tools, the choice among them, and their calls, as every vocabulary needs them: OpenAI's shape is the common one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from gai_stream import _json
from gai_stream.dialects._calls import made_up_id
from gai_stream.events import ToolCall
from gai_stream.providers.provider import Message

__all__ = [
    "Choice",
    "OpenCalls",
    "arguments_of",
    "call_names",
    "choice_of",
    "client_calls",
    "function_of",
    "input_of",
    "named",
    "object_of",
    "text_of",
    "token_id",
]


class Choice(NamedTuple):
    """Which calls are asked for. `mode` is "auto", "none" or "required"; `names` are the tools allowed, if not all."""

    mode: str
    names: list[str]


def choice_of(tool_choice: str | dict[str, Any] | None) -> Choice | None:
    """Read OpenAI's `tool_choice`; None for one that no other vocabulary knows."""
    match tool_choice:
        case "auto" | "none" | "required":
            return Choice(tool_choice, [])
        case {"type": "allowed_tools", "allowed_tools": {"mode": "auto" | "required" as mode, "tools": list(tools)}}:
            return Choice(mode, [name for tool in tools if (name := _name_of(tool)) is not None])
        case _:
            name = _name_of(tool_choice)
            return None if name is None else Choice("required", [name])


def _name_of(tool: Any) -> str | None:
    match tool:
        case {"type": "function", "function": {"name": str(name)}} | {"type": "custom", "custom": {"name": str(name)}}:
            return name
        case _:
            return None


def named(mode: str, names: Sequence[str]) -> str | dict[str, Any]:
    """Return OpenAI's `tool_choice` for the tools called `names`, or for all without any."""
    tools: list[dict[str, Any]] = [{"type": "function", "function": {"name": name}} for name in names]
    if not tools:
        return mode
    if mode == "required" and len(tools) == 1:
        return tools[0]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


def function_of(tool: dict[str, Any]) -> dict[str, Any] | None:
    """Return what OpenAI says of a function tool; None for a tool of another kind.

    A custom tool, which takes free text, becomes a function of one text called `input`.
    """
    match tool:
        case {"type": "custom", "custom": {"name": str(name), **rest}}:
            schema = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
            more = {"description": rest["description"]} if "description" in rest else {}
            return {"name": name, **more, "parameters": schema}
        case {"function": dict(function)} if tool.get("type", "function") == "function":
            return function
        case _:
            return None


def client_calls(message: Message) -> list[ToolCall]:
    """Return the calls that were the client's to run: what a provider ran itself is not told again."""
    return [call for call in message.tool_calls or () if call.kind != "server"]


def call_names(messages: Iterable[Message]) -> dict[str, str]:
    """Return the names of all calls by their ids."""
    return {call.id: call.name for message in messages for call in message.tool_calls or ()}


def input_of(arguments: str) -> Any:
    """Return the value of a call's arguments: {} for none, None for broken ones."""
    try:
        return msgspec.json.decode(arguments) if arguments.strip() else {}
    except (msgspec.MsgspecError, RecursionError):
        # Models do write broken arguments, and must see them again as they wrote them.
        return None


def text_of(message: Message) -> str:
    """Return what a message says, for who takes nothing but text. Parts that no model wrote become paragraphs."""
    if isinstance(message.content, str):
        return message.content
    texts = [Message(message.role, [part]).text for part in message.content]
    return ("" if message.role == "assistant" else "\n\n").join(text for text in texts if text)


def arguments_of(call: ToolCall) -> str:
    """Return a call's arguments as text: the model's own, byte for byte, where they are known."""
    return call.arguments or _json.dumps(call.input).decode()


def object_of(call: ToolCall) -> dict[str, Any]:
    """Return a call's arguments as an object. What is none (free text, broken JSON) becomes its `input`."""
    if isinstance(call.input, dict):
        return call.input
    return {"input": call.arguments if call.input is None else call.input}


def token_id(id: str, length: int) -> str:
    """Return `id` if it is `length` letters and digits, else as many that are always the same."""
    if len(id) == length and id.isascii() and id.isalnum():
        return id
    return sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:length]


class OpenCalls:
    """The calls of a conversation whose vocabulary needs no ids: each gets one, and each answer finds its call."""

    def __init__(self) -> None:
        self._count = 0
        self._open: list[tuple[str, str]] = []

    def add(self, id: str | None, name: str) -> str:
        """Return the id of the next call, the same in every request of the conversation."""
        self._count += 1
        id = id or made_up_id(self._count, name)
        self._open.append((id, name))
        return id

    def answer(self, id: str | None, name: str | None) -> tuple[str, str | None]:
        """Return the id of the call that is answered, and its name if nobody else can know it.

        It is the first open call that `id`, or else `name`, fits.
        """
        for call in self._open:
            if call[0] == id or (not id and name in (None, "", call[1])):
                self._open.remove(call)
                return call[0], None
        self._count += 1
        return id or made_up_id(self._count, name), name
