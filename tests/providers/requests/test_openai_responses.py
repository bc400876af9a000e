"""The body of OpenAI's Responses."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter

from gai_stream.events import ToolCall
from gai_stream.exceptions import DecodeError
from gai_stream.providers import ChatRequest, ImagePart, Message, OtherPart, ReasoningPart, TextPart
from gai_stream.providers.requests.openai_responses import body, parse

from .conftest import PIXEL, SCHEMA


def ask(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(messages=list(messages) or [Message("user", "q")], **fields)


def test_a_rich_request(rich: ChatRequest) -> None:
    assert body(rich) == {
        "model": "m",
        "instructions": "Be brief.",
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"},
                ],
            },
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "Hm."}],
                "encrypted_content": "c2ln",
            },
            {"type": "message", "role": "assistant", "content": "Let me look."},
            {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"at":"cat"}'},
            {"type": "function_call", "call_id": "call_2", "name": "weigh", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "a cat"},
            {"type": "function_call_output", "call_id": "call_2", "output": "broken"},
            {"type": "message", "role": "user", "content": "And now?"},
        ],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 100,
        "tools": [
            {"type": "function", "name": "look", "description": "Look at it.", "parameters": SCHEMA, "strict": False},
            {"type": "function", "name": "weigh", "parameters": {"type": "object", "properties": {}}, "strict": False},
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "text": {"format": {"type": "json_schema", "name": "response", "schema": SCHEMA}},
        "stream": True,
    }


def test_the_sdk_takes_it(rich: ChatRequest) -> None:
    sent = body(rich)
    # The SDK wants an id of every reasoning item; the API does not.
    sent["input"][1]["id"] = "rs_1"
    TypeAdapter[Any](ResponseCreateParamsStreaming).validate_python(sent)


def test_the_models_of_request_and_provider() -> None:
    assert body(ask(), model="default")["model"] == "default"
    assert body(ask(model="asked"), model="default")["model"] == "asked"
    assert "model" not in body(ask())


def test_extra_wins_and_joins_what_is_told_of_text_and_reasoning() -> None:
    request = ask(
        reasoning_effort="low",
        response_format={"type": "json_object"},
        extra={"reasoning": {"summary": "auto"}, "text": {"verbosity": "low"}, "store": False, "stream": False},
    )
    sent = body(request)
    assert sent["reasoning"] == {"effort": "low", "summary": "auto"}
    assert sent["text"] == {"format": {"type": "json_object"}, "verbosity": "low"}
    assert (sent["store"], sent["stream"]) == (False, True)
    assert body(ask(extra={"text": 1}))["text"] == 1
    assert parse(sent) == msgspec.structs.replace(
        request, extra={"reasoning": {"summary": "auto"}, "text": {"verbosity": "low"}, "store": False}
    )


def test_reasoning_goes_back_to_openai_only_and_only_what_it_can_find() -> None:
    parts = [
        ReasoningPart("a", "sig", provider="anthropic"),
        ReasoningPart("plain"),
        ReasoningPart("", redacted="sealed", provider="openai"),
        ReasoningPart("b", id="rs_1", provider="openai"),
    ]
    assert body(ask(Message("assistant", parts)))["input"] == [
        {"type": "reasoning", "summary": [], "encrypted_content": "sealed"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "b"}]},
    ]


def test_items_that_we_do_not_name_stand_where_they_stood() -> None:
    item = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    request = ask(
        Message("user", "q"), Message("assistant", [OtherPart(item), TextPart("It rains.")]), Message("user", "r")
    )
    sent = body(request)
    assert [part["type"] for part in sent["input"]] == ["message", "web_search_call", "message", "message"]
    assert parse(sent) == request
    turned = [TextPart("a"), OtherPart(item), TextPart("b"), OtherPart({"type": "refusal", "refusal": "no"})]
    assert body(ask(Message("assistant", turned)))["input"] == [
        {"type": "message", "role": "assistant", "content": "a"},
        item,
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "b", "annotations": []}, {"type": "refusal", "refusal": "no"}],
        },
    ]


def test_an_answer_with_its_id_goes_back_as_it_came() -> None:
    item = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "phase": "commentary",
        "content": [{"type": "output_text", "text": "a", "annotations": []}],
    }
    assert body(parse({"input": [item]}))["input"] == [item]


def test_an_assistant_that_only_called_says_nothing() -> None:
    call = ToolCall("a", "f", {}, "{}")
    assert body(ask(Message("assistant", "", tool_calls=[call])))["input"] == [
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
    ]


def test_custom_calls_have_items_of_their_own() -> None:
    request = ask(
        Message("user", "q"),
        Message("assistant", tool_calls=[ToolCall("a", "grep", "x y", "x y", kind="custom")]),
        Message("tool", "found", tool_call_id="a"),
        tools=[{"type": "custom", "custom": {"name": "grep", "description": "Find.", "format": {"type": "text"}}}],
        tool_choice={"type": "custom", "custom": {"name": "grep"}},
    )
    sent = body(request)
    assert sent["input"][1:] == [
        {"type": "custom_tool_call", "call_id": "a", "name": "grep", "input": "x y"},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "found"},
    ]
    assert sent["tools"] == [{"type": "custom", "name": "grep", "description": "Find.", "format": {"type": "text"}}]
    assert sent["tool_choice"] == {"type": "custom", "name": "grep"}
    assert parse(sent) == request


def test_long_ids_are_cut_alike_in_call_and_answer() -> None:
    messages = [Message("assistant", tool_calls=[ToolCall("a" * 99, "f", {})]), Message("tool", "r", None, "a" * 99)]
    call, answer = body(ask(*messages))["input"]
    assert call["call_id"] == answer["call_id"]
    assert len(call["call_id"]) <= 64


def test_tool_answers_may_show_images_and_more() -> None:
    request = ask(
        Message("user", "q"),
        Message("assistant", tool_calls=[ToolCall("a", "f", {}, "{}")]),
        Message(
            "tool",
            [TextPart("t"), ImagePart("https://x/y", "low"), OtherPart({"type": "input_file", "file_id": "f"})],
            tool_call_id="a",
            extra={"id": "fco_1"},
        ),
    )
    sent = body(request)
    assert sent["input"][2] == {
        "type": "function_call_output",
        "id": "fco_1",
        "call_id": "a",
        "output": [
            {"type": "input_text", "text": "t"},
            {"type": "input_image", "image_url": "https://x/y", "detail": "low"},
            {"type": "input_file", "file_id": "f"},
        ],
    }
    assert parse(sent) == request


def test_reasoning_is_no_part_of_what_others_say() -> None:
    request = ask(Message("tool", [ReasoningPart("x"), TextPart("r")], tool_call_id="a"))
    assert body(request)["input"][0]["output"] == [{"type": "input_text", "text": "r"}]


def test_the_legacy_role_is_a_users() -> None:
    assert body(ask(Message("function", "r", "f")))["input"] == [{"type": "message", "role": "user", "content": "r"}]


def test_what_provider_ran_itself_is_not_told() -> None:
    message = Message("assistant", "a", tool_calls=[ToolCall("s", "search", {}, kind="server")])
    assert [item["type"] for item in body(ask(message))["input"]] == ["message"]


@pytest.mark.parametrize(
    ("choice", "flat"),
    [
        ("auto", "auto"),
        ({"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [{"type": "function", "function": {"name": "f"}}, {"type": "mcp", "server_label": "s"}],
                },
            },
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}, {"type": "mcp", "server_label": "s"}],
            },
        ),
        ({"type": "web_search"}, {"type": "web_search"}),
    ],
)
def test_the_choice_of_tools_is_flat(choice: Any, flat: Any) -> None:
    sent = body(ask(tool_choice=choice))
    assert sent["tool_choice"] == flat
    assert parse(sent).tool_choice == choice


def test_strictness_that_was_left_to_openai_stays_so() -> None:
    tool = {"type": "function", "name": "f", "parameters": SCHEMA}
    request = parse({"input": "q", "tools": [tool]})
    assert request.tools == [{"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": None}}]
    assert body(request)["tools"] == [tool]


def test_keys_of_a_tool_that_we_do_not_name_are_kept() -> None:
    tool = {"type": "function", "name": "f", "strict": True, "parameters": {}, "defer_loading": True}
    assert body(parse({"input": "q", "tools": [tool, {"type": "web_search"}]}))["tools"] == [
        tool,
        {"type": "web_search"},
    ]


def test_turns_are_put_together_from_items() -> None:
    request = parse(
        {
            "input": [
                {"role": "user", "content": "q"},
                {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "open"}]},
                {"type": "reasoning", "summary": [], "encrypted_content": "s"},
                {"role": "assistant", "content": "a"},
                {"type": "message", "role": "assistant", "content": "b"},
                {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{"},
                {"type": "reasoning", "summary": [], "encrypted_content": "t"},
                {"type": "function_call", "call_id": "2", "name": "f", "arguments": ""},
                {"role": "assistant", "content": "c"},
                {"type": "item_reference", "id": "x"},
            ]
        }
    )
    assert request.messages == [
        Message("user", "q"),
        Message(
            "assistant",
            [
                ReasoningPart("open", provider="openai"),
                ReasoningPart("", "s", provider="openai"),
                TextPart("a"),
            ],
        ),
        Message("assistant", "b", tool_calls=[ToolCall("1", "f", None, "{")]),
        Message("assistant", [ReasoningPart("", "t", provider="openai")], tool_calls=[ToolCall("2", "f", {}, "")]),
        Message("assistant", "c"),
        Message("assistant", [OtherPart({"type": "item_reference", "id": "x"})]),
    ]


def test_parts_with_more_than_we_name_are_kept() -> None:
    parts = [
        {"type": "input_text", "text": "t", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "input_image", "file_id": "f", "detail": "low"},
        {"type": "input_image", "image_url": "u", "prompt_cache_breakpoint": {}},
        {"type": "input_file", "file_id": "f"},
    ]
    message = {"type": "message", "role": "user", "content": parts, "status": "completed"}
    request = parse({"input": [message]})
    assert request.messages == [Message("user", [OtherPart(part) for part in parts], extra={"status": "completed"})]
    assert body(request)["input"] == [message]


def test_who_says_nothing_wants_no_stream() -> None:
    assert parse({"input": "q"}).stream is False
    assert parse({"input": "q", "stream": True}).stream is True


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], r'body must be a JSON object, not a list; send \{"model": "...", "input": "..."\}'),
        ({}, "input is missing; send a string or a list"),
        ({"input": 1}, "input must be a string or a list, not a number"),
        ({"input": []}, "input must not be empty; send at least one user message"),
        ({"input": ["x"]}, r"input\[0\] must be an object, not a string"),
        ({"input": [{}]}, r"input\[0\]\.type is missing"),
        ({"input": [{"type": 1}]}, r"input\[0\]\.type must be a string"),
        ({"input": [{"role": 1, "content": "x"}]}, r"input\[0\]\.role must be a string"),
        ({"input": [{"role": "bot", "content": "x"}]}, r"input\[0\]\.role must be one of user, .*, not 'bot'"),
        ({"input": [{"role": "user"}]}, r"input\[0\]\.content is missing; send a string or a list"),
        ({"input": [{"role": "user", "content": 1}]}, r"input\[0\]\.content must be a string or a list, not a number"),
        ({"input": [{"role": "user", "content": [1]}]}, r"input\[0\]\.content\[0\] must be an object"),
        ({"input": [{"role": "user", "content": [{}]}]}, r"input\[0\]\.content\[0\]\.type is missing"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
            r"input\[0\]\.content\[0\]\.text is missing",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]},
            r"input\[0\]\.content\[0\]\.text must be a string",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            r"input\[0\]\.content\[0\]\.image_url is missing; send a string",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": {}}]}]},
            r"input\[0\]\.content\[0\]\.image_url must be a string",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "u", "detail": 1}]}]},
            r"input\[0\]\.content\[0\]\.detail must be a string",
        ),
        ({"input": [{"type": "function_call"}]}, r"input\[0\]\.arguments is missing"),
        ({"input": [{"type": "function_call", "arguments": {}}]}, r"input\[0\]\.arguments must be a string"),
        ({"input": [{"type": "function_call", "arguments": ""}]}, r"input\[0\]\.call_id is missing"),
        ({"input": [{"type": "function_call", "arguments": "", "call_id": "a"}]}, r"input\[0\]\.name is missing"),
        ({"input": [{"type": "custom_tool_call"}]}, r"input\[0\]\.input is missing"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, r"input\[0\]\.call_id is missing"),
        ({"input": [{"type": "function_call_output", "call_id": "a"}]}, r"input\[0\]\.output is missing"),
        (
            {"input": [{"type": "function_call_output", "call_id": "a", "output": [{}]}]},
            r"input\[0\]\.output\[0\]\.type is missing",
        ),
        ({"input": [{"type": "reasoning", "summary": "x"}]}, r"input\[0\]\.summary must be a list of objects"),
        ({"input": [{"type": "reasoning", "summary": [{}]}]}, r"input\[0\]\.summary\[0\]\.text is missing"),
        ({"input": [{"type": "reasoning", "encrypted_content": 1}]}, r"input\[0\]\.encrypted_content must be a string"),
        ({"input": [{"type": "reasoning", "id": 1}]}, r"input\[0\]\.id must be a string"),
        ({"input": "q", "model": 1}, "model must be a string"),
        ({"input": "q", "instructions": []}, "instructions must be a string"),
        ({"input": "q", "stream": 1}, "stream must be true or false"),
        ({"input": "q", "temperature": "1"}, "temperature must be a number"),
        ({"input": "q", "top_p": "1"}, "top_p must be a number"),
        ({"input": "q", "max_output_tokens": 1.5}, "max_output_tokens must be a whole number"),
        ({"input": "q", "parallel_tool_calls": 1}, "parallel_tool_calls must be true or false"),
        ({"input": "q", "tools": {}}, "tools must be a list of objects"),
        ({"input": "q", "tools": [{}]}, r"tools\[0\]\.type is missing"),
        ({"input": "q", "tools": [{"type": "function"}]}, r"tools\[0\]\.name is missing"),
        ({"input": "q", "tools": [{"type": "custom", "name": "f", "format": 1}]}, r"tools\[0\]\.format must be an obj"),
        ({"input": "q", "tools": [{"type": "function", "name": "f", "description": 1}]}, r"tools\[0\]\.description"),
        ({"input": "q", "tools": [{"type": "function", "name": "f", "parameters": 1}]}, r"tools\[0\]\.parameters"),
        ({"input": "q", "tools": [{"type": "function", "name": "f", "strict": 1}]}, r"tools\[0\]\.strict must be true"),
        ({"input": "q", "tool_choice": 1}, "tool_choice must be a string or an object"),
        ({"input": "q", "tool_choice": {}}, r"tool_choice\.type is missing"),
        ({"input": "q", "tool_choice": {"type": "function"}}, r"tool_choice\.name is missing"),
        ({"input": "q", "tool_choice": {"type": "allowed_tools"}}, r"tool_choice\.mode is missing"),
        ({"input": "q", "tool_choice": {"type": "allowed_tools", "mode": "auto"}}, r"tool_choice\.tools is missing"),
        (
            {"input": "q", "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function"}]}},
            r"tool_choice\.tools\[0\]\.name is missing",
        ),
        ({"input": "q", "text": 1}, "text must be an object"),
        ({"input": "q", "text": {"format": 1}}, r"text\.format must be an object"),
        ({"input": "q", "text": {"format": {}}}, r"text\.format\.type is missing"),
        ({"input": "q", "text": {"format": {"type": "json_schema", "name": "n"}}}, r"text\.format\.schema is missing"),
        ({"input": "q", "text": {"format": {"type": "json_schema", "schema": {}}}}, r"text\.format\.name is missing"),
        ({"input": "q", "reasoning": 1}, "reasoning must be an object"),
        ({"input": "q", "reasoning": {"effort": 1}}, r"reasoning\.effort must be a string"),
    ],
)
def test_a_bad_body_is_refused_with_the_field_and_the_fix(value: Any, text: str) -> None:
    with pytest.raises(DecodeError, match=f"^{text}"):
        parse(value)
