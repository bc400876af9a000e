"""The body of OpenAI's Chat Completions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import TypeAdapter

from gai_stream.events import ToolCall
from gai_stream.exceptions import DecodeError
from gai_stream.providers import (
    ChatRequest,
    ImagePart,
    Message,
    OtherPart,
    ReasoningPart,
    TextPart,
    parse_chat_request,
)
from gai_stream.providers.requests import openai

from .conftest import PIXEL, SCHEMA


def body(request: ChatRequest, **options: Any) -> dict[str, Any]:
    return openai.body(request, **{"model": None, "usage": False, "newest": False, **options})


def test_a_question_is_a_message_and_a_wish_to_stream() -> None:
    assert body(ChatRequest.from_text("q")) == {"messages": [{"role": "user", "content": "q"}], "stream": True}


def test_the_models_of_request_and_provider() -> None:
    assert body(ChatRequest.from_text("q"), model="default")["model"] == "default"
    assert body(ChatRequest.from_text("q", model="asked"), model="default")["model"] == "asked"


def test_usage_is_asked_for() -> None:
    assert body(ChatRequest.from_text("q"), usage=True)["stream_options"] == {"include_usage": True}


def test_max_tokens_has_two_names() -> None:
    request = ChatRequest(messages=[Message("user", "q")], max_tokens=5)
    assert body(request) == {**body(ChatRequest.from_text("q")), "max_tokens": 5}
    assert body(request, newest=True) == {**body(ChatRequest.from_text("q")), "max_completion_tokens": 5}


def test_what_is_zero_is_not_absent() -> None:
    request = ChatRequest(messages=[Message("user", "q")], temperature=0.0, top_p=0.0, stop=[], tools=[])
    sent = body(request)
    assert (sent["temperature"], sent["top_p"], sent["stop"], sent["tools"]) == (0.0, 0.0, [], [])
    assert "tool_choice" not in sent


def test_extra_wins_over_all_but_stream() -> None:
    request = ChatRequest(
        messages=[Message("user", "q")],
        temperature=1.0,
        extra={"temperature": 2, "seed": 1, "stream": False, "stream_options": {}},
    )
    sent = body(request, usage=True)
    assert (sent["temperature"], sent["seed"], sent["stream"], sent["stream_options"]) == (2, 1, True, {})


def test_what_is_for_the_application_is_not_sent() -> None:
    request = parse_chat_request(b'{"query":"q","provider":"p","conversation_id":"c","context":{}}')
    assert body(request) == body(ChatRequest.from_text("q"))


def test_a_conversation_with_tools_and_images_leaves_as_it_came() -> None:
    sent = {
        "messages": [
            {"role": "system", "content": "s"},
            {
                "role": "user",
                "name": "Ada",
                "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image_url", "image_url": {"url": "https://example.org/1"}},
                    {"type": "image_url", "image_url": {"url": "https://example.org/2", "detail": "low"}},
                    {"type": "file", "file": {"file_id": "f"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "r",
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"b": 1.0,  "a":2}'}}
                ],
            },
            {"role": "tool", "content": "42", "tool_call_id": "c"},
        ],
        "stream": True,
    }
    assert body(parse_chat_request(json.dumps(sent).encode())) == sent


def test_messages_built_by_hand() -> None:
    calls = [ToolCall("c", "f", {"a": [1]}), ToolCall("d", "g", {}, "{ }")]
    parts = [TextPart("t"), ImagePart("u"), OtherPart({"type": "x"})]
    request = ChatRequest(messages=[Message("user", parts), Message("assistant", "said", tool_calls=calls)])
    user, assistant = body(request)["messages"]
    assert user["content"] == [
        {"type": "text", "text": "t"},
        {"type": "image_url", "image_url": {"url": "u"}},
        {"type": "x"},
    ]
    assert assistant["content"] == "said"
    assert [call["function"]["arguments"] for call in assistant["tool_calls"]] == ['{"a":[1]}', "{ }"]


def test_a_rich_request(rich: ChatRequest) -> None:
    assert body(rich, usage=True) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "Let me look."}],
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at":"cat"}'}},
                    {"id": "call_2", "type": "function", "function": {"name": "weigh", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "content": "a cat", "tool_call_id": "call_1"},
            {"role": "tool", "content": "broken", "tool_call_id": "call_2"},
            {"role": "user", "content": "And now?"},
        ],
        "max_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "tools": [
            {"type": "function", "function": {"name": "look", "description": "Look at it.", "parameters": SCHEMA}},
            {"type": "function", "function": {"name": "weigh"}},
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": {"name": "response", "schema": SCHEMA}},
        "stream_options": {"include_usage": True},
        "stream": True,
    }


def test_the_sdk_takes_it(rich: ChatRequest) -> None:
    TypeAdapter[Any](CompletionCreateParamsStreaming).validate_python(openai.body(rich))


def test_usage_is_asked_for_unless_told_otherwise() -> None:
    assert openai.body(ChatRequest.from_text("q"))["stream_options"] == {"include_usage": True}


def test_reasoning_is_left_out_unless_it_has_a_key() -> None:
    parts = [ReasoningPart("r"), TextPart("a"), ReasoningPart("s")]
    request = ChatRequest(messages=[Message("assistant", parts), Message("assistant", [ReasoningPart("t")])])
    assert body(request)["messages"] == [
        {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": ""},
    ]
    assert body(request, reasoning_key="reasoning_content")["messages"] == [
        {"role": "assistant", "content": [{"type": "text", "text": "a"}], "reasoning_content": "rs"},
        {"role": "assistant", "content": "", "reasoning_content": "t"},
    ]


def test_reasoning_is_read_by_its_key() -> None:
    given = {
        "messages": [
            {"role": "assistant", "content": "a", "reasoning_content": "r"},
            {"role": "assistant", "content": [{"type": "text", "text": "a"}], "reasoning_content": "r"},
            {"role": "assistant", "content": None, "reasoning_content": "r"},
            {"role": "assistant", "content": "a"},
        ]
    }
    request = openai.parse(given, reasoning_key="reasoning_content")
    assert [message.content for message in request.messages] == [
        [ReasoningPart("r"), TextPart("a")],
        [ReasoningPart("r"), TextPart("a")],
        [ReasoningPart("r")],
        "a",
    ]
    assert openai.parse(given).messages[0].extra == {"reasoning_content": "r"}


def ids(request: ChatRequest, **options: Any) -> tuple[str, str]:
    said, answered = body(request, **options)["messages"]
    return said["tool_calls"][0]["id"], answered["tool_call_id"]


@pytest.mark.parametrize("id", ["call_" + "a" * 40, "functions.f:0", "a b", "123456789", "abcDEF123"])
def test_ids_suit_the_server_alike_in_call_and_answer(id: str) -> None:
    request = ChatRequest(
        messages=[Message("assistant", tool_calls=[ToolCall(id, "f", {})]), Message("tool", "r", tool_call_id=id)]
    )
    assert ids(request) == (id, id)
    call, answer = ids(request, newest=True)
    assert call == answer
    assert len(call) <= 40
    call, answer = ids(request, tool_id_length=9)
    assert call == answer
    assert len(call) == 9
    assert call.isalnum()
    assert (call == id) is (len(id) == 9)


@pytest.mark.parametrize("length", [0, 65])
def test_a_length_of_ids_that_cannot_be_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=rf"^tool_id_length must be 1 to 64 characters, not {length}$"):
        body(ChatRequest.from_text("q"), tool_id_length=length)


def test_what_tools_saw_is_shown_by_the_user() -> None:
    image = {"type": "image_url", "image_url": {"url": "u"}}
    request = ChatRequest(
        messages=[
            Message("tool", [TextPart("t"), ImagePart("u")], tool_call_id="a"),
            Message("tool", [ImagePart("u")], tool_call_id="b"),
            Message("user", "q"),
            Message("tool", [ImagePart("u")], tool_call_id="c"),
        ]
    )
    assert body(request)["messages"] == [
        {"role": "tool", "content": [{"type": "text", "text": "t"}], "tool_call_id": "a"},
        {"role": "tool", "content": "", "tool_call_id": "b"},
        {"role": "user", "content": [image, image]},
        {"role": "user", "content": "q"},
        {"role": "tool", "content": "", "tool_call_id": "c"},
        {"role": "user", "content": [image]},
    ]


def test_an_assistant_that_went_on_behind_its_calls_is_one_turn() -> None:
    request = ChatRequest(
        messages=[
            Message("assistant", "a", tool_calls=[ToolCall("a", "f", {})]),
            Message("assistant", [TextPart("b")], tool_calls=[ToolCall("b", "f", {})]),
            Message("assistant", "", tool_calls=[ToolCall("c", "f", {})]),
            Message("tool", "r", tool_call_id="a"),
            Message("assistant", tool_calls=[ToolCall("d", "f", {})]),
            Message("assistant", ""),
        ]
    )
    first, _, last = body(request)["messages"]
    assert first["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert [call["id"] for call in first["tool_calls"]] == ["a", "b", "c"]
    assert (last["content"], [call["id"] for call in last["tool_calls"]]) == (None, ["d"])


def test_custom_calls() -> None:
    call = {"id": "a", "type": "custom", "custom": {"name": "grep", "input": "x y"}}
    given = {"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}], "stream": True}
    request = openai.parse(given)
    assert request.messages[0].tool_calls == [ToolCall("a", "grep", "x y", "x y", kind="custom")]
    assert body(request) == given


def test_what_the_provider_ran_itself_is_not_told() -> None:
    message = Message("assistant", "a", tool_calls=[ToolCall("s", "search", {}, kind="server")])
    assert body(ChatRequest(messages=[message]))["messages"] == [{"role": "assistant", "content": "a"}]


def test_who_says_nothing_wants_no_stream() -> None:
    given: dict[str, Any] = {"messages": [{"role": "user", "content": "q"}]}
    assert openai.parse(given).stream is False
    assert openai.parse({**given, "stream": True}).stream is True


def call(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "tool_calls": [fields]}]}


def with_(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "q"}], **fields}


CALL = r"messages\[0\]\.tool_calls\[0\]"


# Further ones stand in test_endpoint.
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], r'body must be a JSON object, not a list; send \{"messages"'),
        ({}, r'messages is missing; send \{"messages"'),
        (call(id="a", type="custom"), rf'{CALL} must be of type "function"'),
        (call(id="a", type="custom", custom={}), rf"{CALL}\.custom\.input is missing"),
        (call(id="a", type="custom", custom={"input": "x"}), rf"{CALL}\.custom\.name is missing"),
        (call(type="custom", custom={"input": "x", "name": "f"}), rf"{CALL}\.id is missing"),
        (call(id=1, function={"name": "f"}), rf"{CALL}\.id must be a string"),
        (call(id="a", type="function", function="f"), rf'{CALL} must be of type "function"'),
        (with_(parallel_tool_calls=1), "parallel_tool_calls must be true or false"),
        (with_(response_format="json"), "response_format must be an object, not a string"),
        (with_(reasoning_effort=1), "reasoning_effort must be a string"),
        (with_(tools=["f"]), "tools must be a list of objects, not a list of something else"),
    ],
)
def test_a_bad_body_is_refused_with_the_field_and_the_fix(value: Any, text: str) -> None:
    with pytest.raises(DecodeError, match=f"^{text}"):
        openai.parse(value)


def test_reasoning_must_be_text() -> None:
    given = {"messages": [{"role": "assistant", "content": "a", "reasoning": {}}]}
    with pytest.raises(DecodeError, match=r"^messages\[0\]\.reasoning must be a string, not an object$"):
        openai.parse(given, reasoning_key="reasoning")
