"""Laws of all vocabularies: what is written is read as it was, and nothing but DecodeError comes of any JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.events import ToolCall
from gai_stream.exceptions import DecodeError, EncodeError
from gai_stream.providers import ChatRequest, ImagePart, Message, Part, ReasoningPart, TextPart
from gai_stream.providers.requests import codec, names, portable

# What a vocabulary cannot say of a request (or says in another way, which its own tests show).
UNSAID: dict[str, set[str]] = {
    "openai": set(),
    "glm": set(),
    "openai_responses": {"stop"},
    "anthropic": set(),
    "gemini": {"parallel_tool_calls"},
    "antigravity": {"parallel_tool_calls"},
    "ollama": {"parallel_tool_calls", "tool_choice"},
}
SEALED_BY = {"openai_responses": "openai", "anthropic": "anthropic", "gemini": "gemini", "antigravity": "gemini"}
OPTIONS: dict[str, dict[str, Any]] = {"openai": {"usage": False}, "glm": {"usage": False}}

words = st.text("abcäöü 流\n", min_size=1)
ids = st.text("abc123_-", min_size=1, max_size=20)
schemas = st.dictionaries(st.sampled_from(["type", "title"]), words, min_size=1)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | words, lambda inner: st.lists(inner) | st.dictionaries(words, inner)
)


images = st.sampled_from(["iVBORw0KGgo=", "/9j/AAA="]).map(
    lambda data: ImagePart(f"data:image/{'png' if data[0] == 'i' else 'jpeg'};base64,{data}")
)


texts: st.SearchStrategy[Part] = st.builds(TextPart, words)


@st.composite
def requests(draw: st.DrawFn, name: str) -> ChatRequest:
    """Draw a conversation in order, with everything that vocabulary `name` has words for."""
    messages: list[Message] = []
    used: set[str] = set()
    one_text = name == "ollama"
    for _ in range(draw(st.integers(1, 3))):
        asked = words if one_text else words | st.lists(texts | images, min_size=1, max_size=3)
        messages.append(Message("user", draw(asked)))
        for _ in range(draw(st.integers(1, 2))):
            said: Any = draw(words)
            seal = SEALED_BY.get(name)
            if seal is not None and draw(st.booleans()):
                said = [ReasoningPart(draw(words), draw(ids), provider=seal), TextPart(said)]
            new = [id for id in draw(st.lists(ids, min_size=1, max_size=3, unique=True)) if id not in used]
            used.update(new)
            calls = [ToolCall(id, draw(words), draw(st.dictionaries(words, values, max_size=2))) for id in new]
            messages.append(Message("assistant", said, tool_calls=calls or None))
            fails = st.booleans() if name in ("anthropic", "gemini", "antigravity") else st.just(False)
            messages += [Message("tool", draw(words), tool_call_id=id, is_error=draw(fails)) for id in new]
            if not new:
                break
    function = st.fixed_dictionaries({"name": words}, optional={"description": words, "parameters": schemas})
    tools = draw(st.none() | st.lists(function.map(lambda value: {"type": "function", "function": value}), min_size=1))
    if name in ("anthropic", "openai_responses"):
        for tool in tools or ():
            # These want a schema in any case, and OpenAI's own is strict unless told otherwise.
            tool["function"].setdefault("parameters", {"type": "object"})
            tool["function"]["strict"] = True
    fields: dict[str, Any] = {
        "model": draw(words),
        "system": None if name in ("openai", "glm", "ollama") else draw(st.none() | words),
        "temperature": draw(st.none() | st.floats(0, 2)),
        "top_p": draw(st.none() | st.floats(0, 1)),
        "max_tokens": draw(st.integers(1, 9999)),
        "stop": draw(st.none() | st.lists(words, min_size=1)),
        "tools": tools,
        "tool_choice": draw(
            st.sampled_from(["auto", "none", "required", {"type": "function", "function": {"name": "f"}}])
        )
        if tools
        else None,
        "response_format": draw(
            st.none()
            | schemas.map(lambda schema: {"type": "json_schema", "json_schema": {"name": "response", "schema": schema}})
        ),
    }
    if tools and fields["tool_choice"] != "none":
        fields["parallel_tool_calls"] = draw(st.none() | st.booleans())
    return ChatRequest(messages=messages, **{key: fields[key] for key in fields if key not in UNSAID[name]})


def plain(request: ChatRequest) -> ChatRequest:
    """Return `request` with every content a list of parts, and no call's own text: both are told in either way."""

    def calls(message: Message) -> list[ToolCall] | None:
        return message.tool_calls and [msgspec.structs.replace(call, arguments="") for call in message.tool_calls]

    def parts(message: Message) -> list[Part]:
        return [TextPart(message.content)] if isinstance(message.content, str) else message.content

    messages = [
        msgspec.structs.replace(message, content=parts(message), tool_calls=calls(message))
        for message in request.messages
    ]
    return msgspec.structs.replace(request, messages=messages)


@pytest.mark.parametrize("name", names())
@given(data=st.data())
def test_what_is_written_is_read_as_it_was(name: str, data: st.DataObject) -> None:
    request = data.draw(requests(name))
    told = codec(name).body(request, **OPTIONS.get(name, {}))
    options = {"model": request.model} if name == "gemini" else {}
    assert plain(codec(name).parse(json.loads(json.dumps(told)), **options)) == plain(request)


@pytest.mark.parametrize("client", names())
@given(data=st.data())
def test_what_is_portable_has_a_body_everywhere_and_calls_keep_their_answers(client: str, data: st.DataObject) -> None:
    told = portable(data.draw(requests(client)))
    pairs = [message.tool_call_id for message in told.messages if message.role == "tool"]
    for name in names():
        again = codec(name).parse(codec(name).body(told))
        answered = [message.tool_call_id for message in again.messages if message.role == "tool"]
        called = [call.id for message in again.messages for call in message.tool_calls or ()]
        assert len(answered) == len(pairs)
        assert set(answered) <= set(called)


_KEYS = [
    *("messages", "contents", "input", "request", "prompt", "system", "systemInstruction", "role", "content", "parts"),
    *("type", "text", "source", "tool_calls", "function", "functionCall", "functionResponse", "name", "id", "args"),
    *("tools", "tool_choice", "toolConfig", "options", "generationConfig", "thinking", "output_config", "images"),
]
_WORDS = ["user", "assistant", "model", "text", "image", "tool_use", "tool_result", "function", "message", "reasoning"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(_WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("name", names())
@given(value=st.dictionaries(st.sampled_from(_KEYS), _JSON))
def test_any_json_object_is_a_request_that_has_a_body_or_a_decode_error(name: str, value: dict[str, Any]) -> None:
    before = json.dumps(value)
    with suppress(DecodeError):
        request = codec(name).parse(value)
        for other in names():
            with suppress(EncodeError):
                codec(other).body(portable(request))
        codec(name).body(request)
    assert json.dumps(value) == before
