"""What an endpoint of your own is asked."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.events import ToolCall
from gai_stream.exceptions import DecodeError
from gai_stream.providers import (
    ChatRequest,
    ImagePart,
    Message,
    OtherPart,
    TextPart,
    parse_chat_request,
)


def parse(value: Any) -> ChatRequest:
    return parse_chat_request(json.dumps(value).encode())


def message(**fields: Any) -> Message:
    return parse({"messages": [fields]}).messages[0]


# --- {"query": ...} ---


def test_query_form_is_one_user_turn() -> None:
    request = parse({"query": "数到5"})
    assert request == ChatRequest(messages=[Message("user", "数到5")])


def test_query_form_keeps_what_is_for_the_application() -> None:
    request = parse(
        {"query": "q", "conversation_id": "c1", "provider": "scripted", "model": "m", "context": {"a": [1]}}
    )
    assert (request.conversation_id, request.provider, request.model, request.context) == (
        "c1",
        "scripted",
        "m",
        {"a": [1]},
    )
    assert request.extra == {}


@pytest.mark.parametrize("query", ["", " \n\t"])
def test_an_empty_query_is_refused_by_name(query: str) -> None:
    with pytest.raises(DecodeError, match=r"^query must not be empty; send the user's question$"):
        parse({"query": query})


def test_a_query_that_is_no_string_is_refused_by_name() -> None:
    with pytest.raises(DecodeError, match=r"^query must be a string, not a list of something else$"):
        parse({"query": ["q"]})


# --- {"messages": ...} ---


def test_messages_form_takes_every_field() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    request = parse(
        {
            "model": "m",
            "messages": [{"role": "developer", "content": "d"}, {"role": "user", "content": "u", "name": "n"}],
            "temperature": 1,
            "top_p": 0.5,
            "max_tokens": 7,
            "stop": ["a", "b"],
            "tools": tools,
            "tool_choice": {"type": "function"},
            "stream": False,
            "seed": 3,
            "logit_bias": {"1": 2},
        }
    )
    assert request == ChatRequest(
        messages=[Message("developer", "d"), Message("user", "u", "n")],
        model="m",
        temperature=1.0,
        top_p=0.5,
        max_tokens=7,
        stop=["a", "b"],
        tools=tools,
        tool_choice={"type": "function"},
        stream=False,
        extra={"seed": 3, "logit_bias": {"1": 2}},
    )


def test_null_is_absent() -> None:
    request = parse({"messages": [{"role": "user", "content": "u", "name": None}], "model": None, "seed": None})
    assert request == ChatRequest(messages=[Message("user", "u")])


def test_max_completion_tokens_is_the_newer_name_of_max_tokens() -> None:
    request = parse({"query": "q", "max_tokens": 1, "max_completion_tokens": 2})
    assert request.max_tokens == 2
    assert request.extra == {}


def test_the_provider_object_of_openrouter_passes_through() -> None:
    request = parse({"query": "q", "provider": {"order": ["a"]}})
    assert (request.provider, request.extra) == (None, {"provider": {"order": ["a"]}})


def test_string_content_and_parts_are_both_accepted() -> None:
    assert message(role="user", content="u").content == "u"
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "https://example.org/1"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/2", "detail": "low"}},
        {"type": "image_url", "image_url": "https://example.org/3"},
    ]
    assert message(role="user", content=parts).content == [
        TextPart("see"),
        ImagePart("https://example.org/1"),
        ImagePart("https://example.org/2", "low"),
        ImagePart("https://example.org/3"),
    ]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "u"}, "cache_control": {}},
        {"type": "image_url", "image_url": {"url": "u", "width": 3}},
        {"type": "image_url", "image_url": {"url": "u", "detail": 3}},
    ],
)
def test_a_part_with_more_than_we_name_is_kept_as_it_is(part: dict[str, Any]) -> None:
    assert message(role="user", content=[part]).content == [OtherPart(part)]


def test_keys_of_a_message_that_we_do_not_name_are_kept() -> None:
    assert message(role="assistant", content="a", reasoning_content="r").extra == {"reasoning_content": "r"}


def test_an_assistant_that_called_tools_said_nothing() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 18446744073709551616}'}}
    turn = message(role="assistant", content=None, tool_calls=[call])
    assert turn == Message(
        "assistant", tool_calls=[ToolCall("c", "f", {"a": 18446744073709551616}, '{"a": 18446744073709551616}')]
    )


@pytest.mark.parametrize(
    ("arguments", "input", "text"),
    [("", {}, ""), ('{"a', None, '{"a'), ({"a": 1}, {"a": 1}, '{"a":1}'), ("[" * 5000, None, "[" * 5000)],
)
def test_arguments_are_kept_as_text_even_when_they_are_broken(arguments: Any, input: Any, text: str) -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": arguments}}
    turn = message(role="assistant", tool_calls=[call])
    assert turn.tool_calls == [ToolCall("c", "f", input, text)]


def test_a_tool_turn_names_its_call() -> None:
    assert message(role="tool", content="42", tool_call_id="c") == Message("tool", "42", tool_call_id="c")


def test_half_an_emoji_is_legal_json() -> None:
    assert parse_chat_request(rb'{"query": "a\ud83d", "seed": 18446744073709551616}') == ChatRequest(
        messages=[Message("user", "a\ufffd")], extra={"seed": 18446744073709551616}
    )


# --- refusals ---


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], r'body must be a JSON object, not a list; send \{"query"'),
        (1, "body must be a JSON object, not a number"),
        (None, "body must be a JSON object, not null"),
        (True, "body must be a JSON object, not true or false"),
        ({}, r'messages is missing; send \{"query": "..."\} or \{"messages"'),
        ({"query": None}, "messages is missing"),
        ({"query": "q", "messages": []}, "query and messages say the same thing twice; send one of them"),
        ({"messages": []}, "messages must not be empty; send at least one user message"),
        ({"messages": "hi"}, "messages must be a list of objects, not a string"),
        ({"messages": ["hi"]}, r"messages\[0\] must be an object, not a string"),
        ({"messages": [{"content": "x"}]}, r"messages\[0\]\.role is missing; send a string"),
        ({"messages": [{"role": 3, "content": "x"}]}, r"messages\[0\]\.role must be a string, not a number"),
        ({"messages": [{"role": "bot", "content": "x"}]}, r"messages\[0\]\.role must be one of system, .*, not 'bot'"),
        ({"messages": [{"role": "user"}]}, r"messages\[0\]\.content is missing; send a string or a list of parts"),
        (
            {"messages": [{"role": "user", "content": {}}]},
            r"messages\[0\]\.content must be a string or a list of parts, not an object",
        ),
        (
            {"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": ["x"]}]},
            r"messages\[1\]\.content\[0\] must be an object, not a string",
        ),
        ({"messages": [{"role": "user", "content": [{}]}]}, r"messages\[0\]\.content\[0\]\.type is missing"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            r"messages\[0\]\.content\[0\]\.text must be a string",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            r"messages\[0\]\.content\[0\]\.image_url must be an object such as",
        ),
        ({"messages": [{"role": "user", "content": "x", "name": 1}]}, r"messages\[0\]\.name must be a string"),
        ({"messages": [{"role": "tool", "content": "x"}]}, r"messages\[0\]\.tool_call_id is missing"),
        ({"messages": [{"role": "assistant", "tool_calls": {}}]}, r"messages\[0\]\.tool_calls must be a list"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "custom"}]}]},
            r'messages\[0\]\.tool_calls\[0\] must be of type "function"',
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}]},
            r"messages\[0\]\.tool_calls\[0\]\.id is missing",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "function": {}}]}]},
            r"messages\[0\]\.tool_calls\[0\]\.function\.name is missing",
        ),
        ({"query": "q", "temperature": "hot"}, "temperature must be a number, not a string"),
        ({"query": "q", "max_tokens": 1.5}, "max_tokens must be a whole number, not a number"),
        ({"query": "q", "max_tokens": True}, "max_tokens must be a whole number, not true or false"),
        ({"query": "q", "stream": "yes"}, "stream must be true or false, not a string"),
        ({"query": "q", "stop": [1]}, "stop must be a string or a list of strings, not a list of something else"),
        ({"query": "q", "tools": {}}, "tools must be a list of objects, not an object"),
        ({"query": "q", "tool_choice": 1}, "tool_choice must be a string or an object, not a number"),
        ({"query": "q", "provider": 1}, "provider must be a string, not a number"),
    ],
)
def test_a_bad_body_is_refused_with_the_field_and_the_fix(value: Any, text: str) -> None:
    with pytest.raises(DecodeError, match=f"^{text}"):
        parse(value)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, rb'"\ud83d', b'{"query": "\\ud83d\xff"}'])
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError, match=r"^body is not JSON: "):
        parse_chat_request(body)


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "tool_calls", "function", "id"]), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["query", "messages", "model", "stop", "tools", "context", "x"]), _json_values))
def test_any_json_object_is_a_request_or_a_decode_error(value: dict[str, Any]) -> None:
    try:
        request = parse(value)
    except DecodeError:
        return
    assert request.messages


@given(st.binary())
def test_any_bytes_are_a_request_or_a_decode_error(data: bytes) -> None:
    with suppress(DecodeError):
        parse_chat_request(data)
