"""The body of OpenAI's Responses."""

from __future__ import annotations

from typing import Any, Final

from gai_stream.dialects._calls import legal_id
from gai_stream.events import ToolCall
from gai_stream.exceptions import DecodeError
from gai_stream.providers.provider import ChatRequest, ImagePart, Message, OtherPart, Part, ReasoningPart, TextPart
from gai_stream.providers.requests import _responses_options as options
from gai_stream.providers.requests._checks import at, need, objects, one_of, present, take
from gai_stream.providers.requests._tools import arguments_of, client_calls, input_of

__all__ = ["body", "parse"]

_EXAMPLE: Final = '{"model": "...", "input": "..."}'
_ROLES: Final = ("user", "assistant", "system", "developer")
# What stands inside a message. Any other object is an item of its own.
_CONTENT: Final = frozenset({"input_text", "input_image", "input_file", "input_audio", "output_text", "refusal"})


def body(request: ChatRequest, *, model: str | None = None) -> dict[str, Any]:
    """Return `request` as a JSON object that asks for a stream. Its `extra` keys win over all others but `stream`.

    `model` is for a request that names none. System turns stay where they stand, `system` becomes `instructions`.
    Reasoning goes back where OpenAI sealed it. There is no word for `stop`.
    """
    customs = {call.id for message in request.messages for call in client_calls(message) if call.kind == "custom"}
    made: dict[str, Any] = {"input": [item for message in request.messages for item in _items(message, customs)]}
    if name := request.model or model:
        made["model"] = name
    if request.system is not None:
        made["instructions"] = request.system
    made |= options.told(request)
    for key, value in request.extra.items():
        both = key in ("text", "reasoning") and isinstance(value, dict)
        made[key] = {**made.get(key, {}), **value} if both else value
    return {**made, "stream": True}


def parse(body: dict[str, Any]) -> ChatRequest:
    """Return the request in a body. Keys that are not known land in `extra`.

    What an assistant thought, said and called, in this order, is one turn. Raises DecodeError that names the field and
    says what it should be.
    """
    rest = present(body, _EXAMPLE)
    given = need(rest, "input", str | list[Any])
    if isinstance(given, str):
        messages = [Message("user", given)]
    else:
        reader = _Reader()
        objects(given, "input", reader.read)
        messages = reader.finish()
    if not messages:
        raise DecodeError("input must not be empty; send at least one user message")
    system = take(rest, "instructions", str)
    stream = take(rest, "stream", bool) or False
    fields = options.read(rest)
    return ChatRequest(messages=messages, system=system, stream=stream, extra=rest, **fields)


def _items(message: Message, customs: set[str]) -> list[dict[str, Any]]:
    if message.role == "tool":
        type_ = "custom_tool_call_output" if message.tool_call_id in customs else "function_call_output"
        output = message.content if isinstance(message.content, str) else _contents(message.content, "input_text")
        answer = {"type": type_, "call_id": legal_id(message.tool_call_id or ""), "output": output}
        return [{**answer, **message.extra}]
    role = message.role if message.role in _ROLES else "user"
    text_type = "output_text" if role == "assistant" else "input_text"
    if isinstance(message.content, str):
        items = [_say(role, message.content, message)] if message.content or role != "assistant" else []
    else:
        items = []
        said: list[Part] = []
        for part in message.content:
            if (item := _item(part)) is None:
                said.append(part)
                continue
            if contents := _contents(said, text_type):
                items.append(_say(role, contents, message))
            said = []
            if item:
                items.append(item)
        if contents := _contents(said, text_type):
            items.append(_say(role, contents, message))
    return items + [_call(call) for call in client_calls(message)]


def _say(role: str, content: str | list[dict[str, Any]], message: Message) -> dict[str, Any]:
    if role == "assistant" and "id" not in message.extra and isinstance(content, list):
        # Without the id that OpenAI gave it, an answer is a message like any other, and its text a string.
        texts = [part["text"] for part in content if part["type"] == "output_text"]
        content = "".join(texts) if len(texts) == len(content) else content
    return {"type": "message", "role": role, "content": content, **message.extra}


def _item(part: Part) -> dict[str, Any] | None:
    """Return a part that is an item of its own, {} for one that is not told, None for one that a message holds."""
    match part:
        case ReasoningPart(provider="openai" | None, id=id):
            sealed = part.redacted or part.signature
            if sealed is None and id is None:
                return {}
            item: dict[str, Any] = {"type": "reasoning"} if id is None else {"type": "reasoning", "id": id}
            item["summary"] = [{"type": "summary_text", "text": part.text}] if part.text else []
            return item if sealed is None else {**item, "encrypted_content": sealed}
        case ReasoningPart():
            return {}
        case OtherPart(data=data) if data.get("type") not in _CONTENT:
            return data
        case _:
            return None


def _contents(parts: list[Part], text_type: str) -> list[dict[str, Any]]:
    contents: list[dict[str, Any]] = []
    for part in parts:
        match part:
            case TextPart(text=text):
                more: dict[str, Any] = {"annotations": []} if text_type == "output_text" else {}
                contents.append({"type": text_type, "text": text, **more})
            case ImagePart(url=url, detail=detail):
                contents.append({"type": "input_image", "image_url": url, "detail": detail or "auto"})
            case OtherPart(data=data):
                contents.append(data)
            case ReasoningPart():
                pass
    return contents


def _call(call: ToolCall) -> dict[str, Any]:
    item = {"call_id": legal_id(call.id), "name": call.name}
    if call.kind == "custom":
        return {"type": "custom_tool_call", **item, "input": arguments_of(call)}
    return {"type": "function_call", **item, "arguments": arguments_of(call)}


class _Reader:
    """Put the items of an assistant's turn together."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._begin()

    def _begin(self) -> None:
        self._parts: list[Part] = []
        self._text: str | None = None
        self._calls: list[ToolCall] = []
        self._extra: dict[str, Any] = {}
        self._spoken = False

    def finish(self) -> list[Message]:
        """Return the turns."""
        if self._parts or self._calls or self._spoken:
            content = self._parts or self._text or ""
            self._messages.append(Message("assistant", content, tool_calls=self._calls or None, extra=self._extra))
        self._begin()
        return self._messages

    def read(self, item: dict[str, Any], place: str) -> None:
        """Take the next item."""
        type_ = take({**item}, "type", str, place) or ("message" if "role" in item else None)
        match type_:
            case None:
                raise DecodeError(f'{place}.type is missing; send "message", or a role and content')
            case "message":
                self._message(item, place)
            case "function_call":
                arguments = need(item, "arguments", str, place)
                self._call(item, place, "function", arguments, input_of(arguments))
            case "custom_tool_call":
                text = need(item, "input", str, place)
                self._call(item, place, "custom", text, text)
            case "function_call_output" | "custom_tool_call_output":
                self.finish().append(_read_output(item, place))
            case "reasoning":
                self._think(_read_reasoning(item, place))
            case _:
                self._think(OtherPart(item))

    def _think(self, part: Part) -> None:
        if self._spoken or self._calls:
            self.finish()
        self._parts.append(part)

    def _call(self, item: dict[str, Any], place: str, kind: str, arguments: str, value: Any) -> None:
        id, name = need(item, "call_id", str, place), need(item, "name", str, place)
        self._calls.append(ToolCall(id, name, value, arguments, kind=kind))

    def _message(self, item: dict[str, Any], place: str) -> None:
        item.pop("type", None)
        role = one_of(need(item, "role", str, place), _ROLES, at(place, "role"))
        content = need(item, "content", str | list[Any], place)
        told = content if isinstance(content, str) else objects(content, at(place, "content"), _read_part)
        if role != "assistant":
            self.finish().append(Message(role, told, extra=item))
            return
        if self._spoken or self._calls:
            self.finish()
        self._spoken = True
        self._extra = item
        if isinstance(told, list):
            self._parts += told
        elif self._parts:
            self._parts.append(TextPart(told))
        else:
            self._text = told


def _read_output(item: dict[str, Any], place: str) -> Message:
    del item["type"]
    call_id = need(item, "call_id", str, place)
    output = need(item, "output", str | list[Any], place)
    told = output if isinstance(output, str) else objects(output, at(place, "output"), _read_part)
    return Message("tool", told, tool_call_id=call_id, extra=item)


def _read_reasoning(item: dict[str, Any], place: str) -> ReasoningPart:
    def text(inner: dict[str, Any], inner_place: str) -> str:
        return str(need(inner, "text", str, inner_place))

    told = ["\n\n".join(objects(item[key], at(place, key), text)) for key in ("summary", "content") if item.get(key)]
    sealed = take(item, "encrypted_content", str, place)
    return ReasoningPart(told[0] if told else "", sealed, provider="openai", id=take(item, "id", str, place))


def _read_part(item: dict[str, Any], place: str) -> Part:
    type_ = need({**item}, "type", str, place)
    if type_ in ("input_text", "output_text", "text"):
        text = need({**item}, "text", str, place)
        # What an answer's text had beside it (annotations, logprobs) tells the model nothing.
        return TextPart(text) if len(item) == 2 or type_ == "output_text" else OtherPart(item)
    if type_ == "input_image":
        url, detail = take({**item}, "image_url", str, place), take({**item}, "detail", str, place)
        known = item.keys() <= {"type", "image_url", "detail"}
        if url is None and "file_id" not in item:
            raise DecodeError(f"{place}.image_url is missing; send a string")
        return ImagePart(url, None if detail == "auto" else detail) if url is not None and known else OtherPart(item)
    return OtherPart(item)
