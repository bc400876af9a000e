"""The body of Gemini's `generateContent` and `streamGenerateContent`."""

from __future__ import annotations

from mimetypes import guess_type
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from gai_stream import _json
from gai_stream.events import ToolCall
from gai_stream.exceptions import DecodeError
from gai_stream.providers.provider import ChatRequest, ImagePart, Message, OtherPart, Part, ReasoningPart, TextPart
from gai_stream.providers.requests import _gemini_options as options
from gai_stream.providers.requests._checks import at, check, need, objects, one_of, present, take
from gai_stream.providers.requests._gemini_options import camel
from gai_stream.providers.requests._media import data_url, media_of
from gai_stream.providers.requests._tools import OpenCalls, call_names, client_calls, object_of, text_of

__all__ = ["SKIP_SIGNATURE", "body", "parse"]

SKIP_SIGNATURE: Final = "skip_thought_signature_validator"
"""What Google takes for the signature of a call that was not made by Gemini, or whose signature was lost."""

_EXAMPLE: Final = '{"contents": [{"role": "user", "parts": [{"text": "..."}]}]}'
_ROLES: Final = ("user", "model", "function")


def body(request: ChatRequest, *, model: str | None = None) -> dict[str, Any]:
    """Return `request` as a JSON object; that a stream is asked for stands in the URL, and so does the model.

    `model` is for a request that names none: Gemini 3 and later want other words than their elders. Keys of `extra`
    win over all others, those in its `generationConfig` and `toolConfig` one by one. System turns leave the
    conversation for `systemInstruction`, and reasoning goes back only where Gemini wrote it. There is no word for
    `parallel_tool_calls`.

    Raises EncodeError for a `data:` URL that is none.
    """
    name = request.model or model or ""
    made: dict[str, Any] = {"contents": _contents(request.messages, signed=options.is_third(name))}
    if system := _system(request):
        made["systemInstruction"] = {"parts": system}
    made |= options.told(request, name)
    for key, value in request.extra.items():
        both = key in ("generationConfig", "toolConfig") and isinstance(value, dict)
        made[key] = {**made.get(key, {}), **value} if both else value
    return made


def parse(body: dict[str, Any], *, model: str | None = None, stream: bool = True) -> ChatRequest:
    """Return the request in a body. `model` and `stream` are what its URL says.

    Names are taken in `camelCase` and in `snake_case`, as Google does. Keys that are not known land in `extra`. Calls
    without ids get some, and their answers find them by name and order. Raises DecodeError that names the field and
    says what it should be.
    """
    rest = camel(present(body, _EXAMPLE))
    if "contents" not in rest:
        raise DecodeError(f"contents is missing; send {_EXAMPLE}")
    calls = OpenCalls()
    turns = objects(rest.pop("contents"), "contents", lambda item, place: _read_content(item, place, calls))
    messages = [message for turn in turns for message in turn]
    system: str | None = None
    match _read_system(rest):
        case [TextPart(text=text)]:
            system = text
        case [_, *_] as parts:
            messages.insert(0, Message("system", parts))
    if not messages:
        raise DecodeError("contents must not be empty; send at least one user message")
    fields = options.read(rest, model or "")
    return ChatRequest(messages=messages, model=model, system=system, stream=stream, extra=rest, **fields)


def _system(request: ChatRequest) -> list[dict[str, Any]]:
    parts = [] if request.system is None else [{"text": request.system}]
    for message in request.messages:
        if message.role in ("system", "developer"):
            parts += _parts(message)
    return parts


def _contents(messages: list[Message], *, signed: bool) -> list[dict[str, Any]]:
    names = call_names(messages)
    # Signatures are asked for from the last user's turn on.
    turn = max((number for number, message in enumerate(messages) if message.role == "user"), default=-1)
    contents: list[dict[str, Any]] = []
    joinable = ""
    for number, message in enumerate(messages):
        if message.role in ("system", "developer"):
            continue
        role = "model" if message.role == "assistant" else "user"
        parts = [_response(message, names)] if message.role == "tool" else _parts(message)
        if not parts:
            continue
        # Answers must stand together, right behind the turn that made the calls.
        if joinable == message.role and message.role in ("assistant", "tool"):
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts, **message.extra})
        joinable = message.role
        if signed and number > turn:
            _sign(contents[-1]["parts"])
    return contents


def _sign(parts: list[dict[str, Any]]) -> None:
    """Sign the first call: of parallel calls, Gemini itself signs no other."""
    call = next((part for part in parts if "functionCall" in part), None)
    if call is not None:
        call.setdefault("thoughtSignature", SKIP_SIGNATURE)


def _parts(message: Message) -> list[dict[str, Any]]:
    content: list[Part] = [TextPart(message.content)] if isinstance(message.content, str) else message.content
    parts = [told for part in content if (told := _part(part)) is not None]
    for call in client_calls(message):
        told = {"functionCall": {"id": call.id, "name": call.name, "args": object_of(call)}}
        parts.append(told if call.signature is None else {**told, "thoughtSignature": call.signature})
    return parts


def _part(part: Part) -> dict[str, Any] | None:
    match part:
        case TextPart(text=text):
            return {"text": text} if text else None
        case ImagePart(url=url):
            return _image(url)
        case ReasoningPart(text=text, signature=signature, provider="gemini" | None, redacted=None) if (
            text or signature
        ):
            # Behind an answer, the signature stands in an empty text that is no thought.
            told: dict[str, Any] = {"text": text, "thought": True} if text else {"text": text}
            return told if signature is None else {**told, "thoughtSignature": signature}
        case ReasoningPart():
            return None
        case OtherPart(data=data):
            return data


def _image(url: str) -> dict[str, Any]:
    if (media := media_of(url)) is not None:
        return {"inlineData": {"mimeType": media.type, "data": media.data}}
    type_ = _type_of(url)
    return {"fileData": {"fileUri": url} if type_ is None else {"mimeType": type_, "fileUri": url}}


def _type_of(url: str) -> str | None:
    try:
        return guess_type(urlsplit(url).path)[0]
    except ValueError:
        return None


def _response(message: Message, names: dict[str, str]) -> dict[str, Any]:
    id = message.tool_call_id or ""
    text = text_of(message)
    response: Any = {"error": text} if message.is_error else None
    if response is None and text.lstrip().startswith("{"):
        try:
            response = msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError):
            response = None
    told = {"id": id, "name": names.get(id) or message.name or "", "response": response or {"output": text}}
    parts = [] if isinstance(message.content, str) else message.content
    if images := [_image(part.url) for part in parts if isinstance(part, ImagePart)]:
        told["parts"] = images
    return {"functionResponse": {**told, **message.extra}}


def _read_system(rest: dict[str, Any]) -> list[Part]:
    system = take(rest, "systemInstruction", dict[str, Any])
    if system is None:
        return []
    parts = _read_parts(camel(system), "systemInstruction", None)
    return [part for part in parts if not isinstance(part, Message | ToolCall)]


def _read_content(item: dict[str, Any], place: str, calls: OpenCalls) -> list[Message]:
    item = camel(item)
    role = one_of(take(item, "role", str, place) or "user", _ROLES, at(place, "role"))
    role = "assistant" if role == "model" else "user"
    messages: list[Message] = []
    parts: list[Part] = []
    made: list[ToolCall] = []

    def say() -> None:
        content: str | list[Part] = parts.copy()
        match content:
            case [TextPart(text=text)]:
                content = text
            case []:
                content = ""
        messages.append(Message(role, content, tool_calls=made.copy() or None, extra=dict(item)))
        parts.clear()
        made.clear()

    for part in _read_parts(item, place, calls):
        match part:
            case ToolCall():
                made.append(part)
            case Message():
                if parts or made:
                    say()
                messages.append(part)
            case _:
                if made:
                    say()
                parts.append(part)
    if parts or made:
        say()
    return messages


def _read_parts(item: dict[str, Any], place: str, calls: OpenCalls | None) -> list[Part | ToolCall | Message]:
    parts = item.pop("parts", None)
    if isinstance(parts, dict):
        # Google takes one part where a list of them should be.
        parts = [parts]
    return objects(parts or [], at(place, "parts"), lambda part, inner: _read_part(part, inner, calls))


def _read_part(item: dict[str, Any], place: str, calls: OpenCalls | None) -> Part | ToolCall | Message:
    item = camel(item)
    signature = take({**item}, "thoughtSignature", str, place)
    if calls is not None and "functionCall" in item:
        call = camel(check(item["functionCall"], dict[str, Any], at(place, "functionCall")))
        return _read_call(call, at(place, "functionCall"), calls, signature)
    if calls is not None and "functionResponse" in item:
        response = camel(check(item["functionResponse"], dict[str, Any], at(place, "functionResponse")))
        return _read_response(response, at(place, "functionResponse"), calls)
    if "text" in item:
        text = check(item["text"], str, at(place, "text"))
        if take({**item}, "thought", bool, place) or (not text and signature is not None):
            return ReasoningPart(text, signature, provider="gemini")
        return TextPart(text) if item.keys() <= {"text", "thought"} else OtherPart(item)
    url = _read_image(item, place)
    return ImagePart(url) if url is not None and len(item) == 1 else OtherPart(item)


def _read_image(item: dict[str, Any], place: str) -> str | None:
    """Return the URL of a part that is an image; None for any other."""
    if "inlineData" in item:
        blob = camel(check(item["inlineData"], dict[str, Any], at(place, "inlineData")))
        type_ = need(blob, "mimeType", str, at(place, "inlineData"))
        data = need(blob, "data", str, at(place, "inlineData"))
        return data_url(type_, data) if type_.startswith("image/") else None
    if "fileData" in item:
        file = camel(check(item["fileData"], dict[str, Any], at(place, "fileData")))
        url: str = need(file, "fileUri", str, at(place, "fileData"))
        # Only where the type can be told again.
        type_ = take(file, "mimeType", str, at(place, "fileData"))
        return url if type_ is not None and type_.startswith("image/") and type_ == _type_of(url) else None
    return None


def _read_call(call: dict[str, Any], place: str, calls: OpenCalls, signature: str | None) -> ToolCall:
    name = need(call, "name", str, place)
    args = take(call, "args", dict[str, Any], place) or {}
    id = calls.add(take(call, "id", str, place), name)
    return ToolCall(id, name, args, signature=None if signature == SKIP_SIGNATURE else signature)


def _read_response(response: dict[str, Any], place: str, calls: OpenCalls) -> Message:
    name = need(response, "name", str, place)
    value = need(response, "response", dict[str, Any], place)
    id, unknown = calls.answer(take(response, "id", str, place), name)
    shown = objects(response.pop("parts"), at(place, "parts"), _read_shown) if "parts" in response else []
    is_error = False
    match value:
        case {"output": str(text), **rest} if not rest:
            pass
        case {"error": str(text), **rest} if not rest:
            is_error = True
        case _:
            text = _json.dumps(value).decode()
    content: str | list[Part] = [TextPart(text), *shown] if shown else text
    return Message("tool", content, unknown, id, extra=response, is_error=is_error)


def _read_shown(item: dict[str, Any], place: str) -> Part:
    item = camel(item)
    url = _read_image(item, place)
    return OtherPart(item) if url is None else ImagePart(url)
