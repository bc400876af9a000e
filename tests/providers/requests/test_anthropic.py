"""The body of Anthropic's Messages."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from pydantic import TypeAdapter

from gai_stream.events import ToolCall
from gai_stream.exceptions import DecodeError, EncodeError
from gai_stream.providers import ChatRequest, ImagePart, Message, OtherPart, ReasoningPart, TextPart
from gai_stream.providers.requests.anthropic import DEFAULT_MAX_TOKENS, body, parse

from .conftest import PIXEL, SCHEMA

NEW = "claude-opus-4-8"
OLD = "claude-sonnet-4-5-20250929"
CALL = ToolCall("a", "f", {})


def ask(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(messages=list(messages) or [Message("user", "q")], **fields)


def turns(*messages: Message) -> Any:
    return body(ask(*messages))["messages"]


def test_a_rich_request(rich: ChatRequest) -> None:
    assert body(rich) == {
        "model": "m",
        "system": "Be brief.",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                    {"type": "text", "text": "Let me look."},
                    {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": "cat"}},
                    {"type": "tool_use", "id": "call_2", "name": "weigh", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "a cat"},
                    {"type": "tool_result", "tool_use_id": "call_2", "content": "broken", "is_error": True},
                    {"type": "text", "text": "And now?"},
                ],
            },
        ],
        "max_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop_sequences": ["END"],
        "tools": [
            {"name": "look", "description": "Look at it.", "input_schema": SCHEMA},
            {"name": "weigh", "input_schema": {"type": "object"}},
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "stream": True,
    }


def test_the_sdk_takes_it(rich: ChatRequest) -> None:
    TypeAdapter[Any](MessageCreateParamsStreaming).validate_python(body(rich))


def test_model_and_max_tokens_of_request_and_provider() -> None:
    assert body(ask())["max_tokens"] == DEFAULT_MAX_TOKENS
    assert "model" not in body(ask())
    sent = body(ask(), model="default", max_tokens=7)
    assert (sent["model"], sent["max_tokens"]) == ("default", 7)
    sent = body(ask(model="asked", max_tokens=9), model="default", max_tokens=7)
    assert (sent["model"], sent["max_tokens"]) == ("asked", 9)


def test_extra_wins_over_all_but_stream() -> None:
    request = ask(
        temperature=1.0,
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        extra={"temperature": 2, "top_k": 5, "stream": False, "output_config": {"effort": "low"}},
    )
    sent = body(request)
    assert (sent["temperature"], sent["top_k"], sent["stream"]) == (2, 5, True)
    assert sent["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"}


# --- system ---


@pytest.mark.parametrize(
    ("request_", "system"),
    [
        (ask(system="s"), "s"),
        (ask(Message("system", "s"), Message("user", "q")), "s"),
        (ask(Message("developer", "d"), Message("user", "q")), "d"),
        (
            ask(Message("system", "a"), Message("user", "q"), Message("system", [TextPart("b")]), system="s"),
            [{"type": "text", "text": "s"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        ),
    ],
)
def test_system_stands_apart(request_: ChatRequest, system: Any) -> None:
    sent = body(request_)
    assert sent["system"] == system
    assert sent["messages"] == [{"role": "user", "content": "q"}]


def test_an_empty_system_is_not_sent() -> None:
    assert "system" not in body(ask(Message("system", [TextPart("")]), Message("user", "q")))


def test_a_system_of_blocks_is_a_first_turn() -> None:
    block = {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}
    given = {"system": [{"type": "text", "text": "a"}, block], "messages": [{"role": "user", "content": "q"}]}
    request = parse(given)
    assert request.messages[0] == Message("system", [TextPart("a"), OtherPart(block)])
    assert body(request)["system"] == given["system"]
    assert parse({**given, "system": []}).messages == [Message("user", "q")]


def test_a_system_turn_between_others_is_read() -> None:
    request = parse({"messages": [{"role": "user", "content": "q"}, {"role": "system", "content": "s"}]})
    assert request.messages == [Message("user", "q"), Message("system", "s")]


# --- turns ---


def test_turns_of_one_role_become_one() -> None:
    assert turns(Message("user", "a"), Message("user", [TextPart("b")]), Message("assistant", "c")) == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "c"},
    ]


def test_the_first_turn_is_the_users() -> None:
    assert turns(Message("assistant", "a"), Message("user", "q")) == [
        {"role": "user", "content": "..."},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "q"},
    ]


def test_what_says_nothing_is_left_out() -> None:
    assert turns(Message("user", "q"), Message("assistant", ""), Message("user", [TextPart(""), TextPart("r")])) == [
        {"role": "user", "content": [{"type": "text", "text": "q"}, {"type": "text", "text": "r"}]}
    ]


def test_an_empty_result_is_one() -> None:
    assert turns(Message("user", "q"), Message("assistant", tool_calls=[CALL]), Message("tool", "", None, "a")) == [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": ""}]},
    ]


def test_ids_are_made_legal_alike_in_call_and_result() -> None:
    id = "functions.f:0"
    _, said, answered = turns(
        Message("user", "q"), Message("assistant", tool_calls=[ToolCall(id, "f", {})]), Message("tool", "r", None, id)
    )
    (call,), (result,) = said["content"], answered["content"]
    assert call["id"] == result["tool_use_id"] != id


@pytest.mark.parametrize(
    ("call", "input"),
    [
        (ToolCall("a", "f", None, '{"a'), {"input": '{"a'}),
        (ToolCall("a", "f", "ls", "ls", kind="custom"), {"input": "ls"}),
        (ToolCall("a", "f", [1]), {"input": [1]}),
    ],
)
def test_arguments_that_are_no_object_become_one(call: ToolCall, input: Any) -> None:
    assert turns(Message("user", "q"), Message("assistant", tool_calls=[call]))[1]["content"][0]["input"] == input


def test_what_the_provider_ran_itself_is_not_told() -> None:
    call = ToolCall("s", "search", {}, kind="server")
    assert turns(Message("user", "q"), Message("assistant", "a", tool_calls=[call]))[1]["content"] == "a"


def test_only_reasoning_that_anthropic_sealed_goes_back() -> None:
    parts = [
        ReasoningPart("unsealed"),
        ReasoningPart("foreign", "sig", provider="gemini"),
        ReasoningPart("own", "sig", provider="anthropic"),
        ReasoningPart("", redacted="data", provider="anthropic"),
        ReasoningPart("", redacted="data", provider="openai"),
        TextPart("a"),
    ]
    assert turns(Message("user", "q"), Message("assistant", parts))[1]["content"] == [
        {"type": "thinking", "thinking": "own", "signature": "sig"},
        {"type": "redacted_thinking", "data": "data"},
        {"type": "text", "text": "a"},
    ]


def test_a_seal_that_a_gateway_had_to_make_up_is_none() -> None:
    block = {"type": "thinking", "thinking": "t", "signature": ""}
    request = parse({"messages": [{"role": "assistant", "content": [block]}]})
    assert request.messages[0].content == [ReasoningPart("t", provider="anthropic")]


def test_what_follows_a_call_is_a_turn_of_its_own_and_goes_back_in_the_same() -> None:
    content = [
        {"type": "thinking", "thinking": "t", "signature": "s"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        {"type": "thinking", "thinking": "u", "signature": "s"},
        {"type": "tool_use", "id": "b", "name": "f", "input": {}},
    ]
    given = [{"role": "user", "content": "q"}, {"role": "assistant", "content": content}]
    request = parse({"messages": given})
    assert [len(message.tool_calls or ()) for message in request.messages] == [0, 1, 1]
    assert body(request)["messages"] == given


def test_text_before_a_result_stays_before_it() -> None:
    content = [
        {"type": "text", "text": "t"},
        {"type": "tool_result", "tool_use_id": "a", "content": "r", "cache_control": {"type": "ephemeral"}},
    ]
    request = parse({"messages": [{"role": "user", "content": content}]})
    assert request.messages == [
        Message("user", [TextPart("t")]),
        Message("tool", "r", tool_call_id="a", extra={"cache_control": {"type": "ephemeral"}}),
    ]
    assert body(request)["messages"] == [{"role": "user", "content": content}]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {"type": "image", "source": {"type": "url", "url": "u"}, "cache_control": {"type": "ephemeral"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
        {"type": "tool_use", "id": "a"},
    ],
)
def test_blocks_with_more_than_we_name_are_kept(block: dict[str, Any]) -> None:
    given = [{"role": "user", "content": [block]}]
    request = parse({"messages": given})
    assert request.messages == [Message("user", [OtherPart(block)])]
    assert body(request)["messages"] == given


def test_an_empty_list_is_a_turn_without_words() -> None:
    assert parse({"messages": [{"role": "user", "content": []}]}).messages == [Message("user", [])]


def test_a_data_url_without_a_comma_is_refused() -> None:
    with pytest.raises(EncodeError, match=r"^an image's URL begins with data: and has no comma: 'data:image/png'$"):
        turns(Message("user", [ImagePart("data:image/png")]))


def test_a_data_url_need_not_be_base64() -> None:
    image = turns(Message("user", [ImagePart("data:image/svg+xml,%3Csvg%2F%3E"), ImagePart("DATA:,a")]))[0]["content"]
    assert [block["source"] for block in image] == [
        {"type": "base64", "media_type": "image/svg+xml", "data": "PHN2Zy8+"},
        {"type": "base64", "media_type": "text/plain", "data": "YQ=="},
    ]


# --- tools ---


@pytest.mark.parametrize(
    ("choice", "parallel", "told"),
    [
        ("auto", None, {"type": "auto"}),
        ("none", None, {"type": "none"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ("required", True, {"type": "any", "disable_parallel_tool_use": False}),
        ({"type": "function", "function": {"name": "f"}}, None, {"type": "tool", "name": "f"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}, 3]},
            },
            None,
            {"type": "auto"},
        ),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_the_choice_of_tools(choice: Any, parallel: bool | None, told: Any) -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    assert body(ask(tools=[tool], tool_choice=choice, parallel_tool_calls=parallel))["tool_choice"] == told


@pytest.mark.parametrize("choice", [{"type": "web_search"}, {"type": "function"}, "any"])
def test_a_choice_that_anthropic_has_no_words_for_is_left_out(choice: Any) -> None:
    assert "tool_choice" not in body(ask(tool_choice=choice, parallel_tool_calls=False))


@pytest.mark.parametrize(
    ("told", "choice", "parallel"),
    [
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}, None),
        ({"type": "auto", "disable_parallel_tool_use": False}, "auto", True),
        ({"type": "none"}, "none", None),
    ],
)
def test_a_choice_is_read(told: Any, choice: Any, parallel: bool | None) -> None:
    request = parse({"messages": [{"role": "user", "content": "q"}], "tool_choice": told})
    assert (request.tool_choice, request.parallel_tool_calls) == (choice, parallel)


def test_tools_with_more_than_we_name_are_kept() -> None:
    tools = [
        {"name": "f", "input_schema": SCHEMA, "strict": True, "cache_control": {"type": "ephemeral"}},
        {"type": "web_search_20250305", "name": "web_search"},
    ]
    request = parse({"messages": [{"role": "user", "content": "q"}], "tools": tools})
    assert body(request)["tools"] == tools


def test_a_custom_tool_is_a_function_of_one_text() -> None:
    tool = {"type": "custom", "custom": {"name": "grep", "description": "Find."}}
    schema = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    other = {"type": "custom", "custom": {"name": "sed"}}
    assert body(ask(tools=[tool, other]))["tools"] == [
        {"name": "grep", "description": "Find.", "input_schema": schema},
        {"name": "sed", "input_schema": schema},
    ]


def test_json_of_any_shape_has_no_words() -> None:
    assert "output_config" not in body(ask(response_format={"type": "json_object"}))


def test_one_stop_is_a_list() -> None:
    assert body(ask(stop="END"))["stop_sequences"] == ["END"]


# --- thinking ---


@pytest.mark.parametrize(
    ("model", "adaptive"),
    [
        ("claude-opus-4-8", True),
        ("claude-sonnet-4-6", True),
        ("anthropic/claude-opus-4.6", True),
        ("claude-fable-5-1", True),
        ("claude-mythos-preview", True),
        ("claude-sonnet-4-5-20250929", False),
        ("claude-sonnet-4-20250514", False),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", False),
        ("glm-5", False),
    ],
)
def test_newer_models_are_told_an_effort_and_older_ones_a_number(model: str, adaptive: bool) -> None:
    sent = body(ask(reasoning_effort="low", model=model))
    if adaptive:
        assert (sent["thinking"], sent["output_config"]) == ({"type": "adaptive"}, {"effort": "low"})
    else:
        assert sent["thinking"] == {"type": "enabled", "budget_tokens": 2048}
        assert "output_config" not in sent


def test_who_knows_better_than_the_name_says_so() -> None:
    assert body(ask(reasoning_effort="low"), adaptive=True)["thinking"] == {"type": "adaptive"}
    sent = body(ask(reasoning_effort="low", model=NEW), adaptive=False)
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 2048}


@pytest.mark.parametrize(
    ("effort", "max_tokens", "budget", "limit"),
    [
        ("minimal", None, 1024, DEFAULT_MAX_TOKENS),
        ("medium", None, 8192, 8192 + DEFAULT_MAX_TOKENS),
        ("high", 100, 24576, 24676),
        ("max", 30000, 24576, 30000),
        ("low", 2048, 2048, 4096),
    ],
)
def test_the_limit_stays_above_the_budget(effort: str, max_tokens: int | None, budget: int, limit: int) -> None:
    sent = body(ask(reasoning_effort=effort, model=OLD, max_tokens=max_tokens))
    assert (sent["thinking"]["budget_tokens"], sent["max_tokens"]) == (budget, limit)


def test_efforts_of_newer_models() -> None:
    assert body(ask(reasoning_effort="minimal", model=NEW))["output_config"] == {"effort": "low"}
    assert body(ask(reasoning_effort="xhigh", model=NEW))["output_config"] == {"effort": "xhigh"}
    assert body(ask(reasoning_effort="none", model=NEW))["thinking"] == {"type": "disabled"}


@pytest.mark.parametrize("model", [OLD, NEW])
def test_who_thinks_chooses_his_words_by_himself(model: str) -> None:
    sent = body(ask(reasoning_effort="low", model=model, temperature=0.0, top_p=0.5))
    assert not {"temperature", "top_p"} & sent.keys()


def test_who_is_forced_to_call_does_not_think() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    old = body(ask(reasoning_effort="low", model=OLD, tools=[tool], tool_choice="required", temperature=0.0))
    assert "thinking" not in old
    assert old["temperature"] == 0.0
    new = body(ask(reasoning_effort="low", model=NEW, tools=[tool], tool_choice="required"))
    assert "thinking" not in new
    assert new["output_config"] == {"effort": "low"}


@pytest.mark.parametrize(
    ("content", "thinks"),
    [
        ("", False),
        ([ReasoningPart("t"), TextPart("a")], False),
        ([ReasoningPart("t", "s", provider="gemini")], False),
        ([ReasoningPart("t", "s")], True),
        ([ReasoningPart("", redacted="d", provider="anthropic")], True),
    ],
)
def test_older_models_do_not_think_on_from_calls_made_without_their_seal(content: Any, thinks: bool) -> None:
    messages = [
        Message("user", "q"),
        Message("assistant", content, tool_calls=[CALL]),
        Message("tool", "r", tool_call_id="a"),
    ]
    assert ("thinking" in body(ask(*messages, reasoning_effort="low", model=OLD))) is thinks
    assert "thinking" in body(ask(*messages, reasoning_effort="low", model=NEW))


def test_calls_of_long_ago_do_not_matter() -> None:
    messages = [
        Message("user", "q"),
        Message("assistant", tool_calls=[CALL]),
        Message("tool", "r", tool_call_id="a"),
        Message("assistant", "a"),
        Message("user", "r"),
    ]
    assert "thinking" in body(ask(*messages, reasoning_effort="low", model=OLD))


@pytest.mark.parametrize(
    ("thinking", "config", "effort"),
    [
        ({"type": "enabled", "budget_tokens": 2000}, None, "low"),
        ({"type": "enabled", "budget_tokens": 99999}, None, "high"),
        ({"type": "enabled", "budget_tokens": 0}, None, "none"),
        ({"type": "enabled", "budget_tokens": 2000}, {"effort": "max"}, "max"),
        ({"type": "disabled"}, None, "none"),
        ({"type": "disabled"}, {"effort": "low"}, "none"),
        ({"type": "adaptive"}, {"effort": "medium"}, "medium"),
        ({"type": "adaptive", "display": "omitted"}, None, "high"),
        ({"type": "between_tools"}, None, None),
        (None, {"effort": "low"}, "low"),
    ],
)
def test_thinking_is_read_as_an_effort_and_goes_back_as_it_was(thinking: Any, config: Any, effort: str | None) -> None:
    given = {"messages": [{"role": "user", "content": "q"}], "thinking": thinking, "output_config": config}
    request = parse({**given, "model": NEW})
    assert request.reasoning_effort == effort
    sent = body(request)
    assert (sent.get("thinking"), sent.get("output_config")) == (thinking, config)


def test_the_default_effort_may_be_said() -> None:
    request = parse({"model": NEW, "messages": [{"role": "user", "content": "q"}], "thinking": {"type": "adaptive"}})
    assert body(request)["output_config"] == {"effort": "high"}


# --- refusals ---


def test_who_says_nothing_wants_no_stream() -> None:
    given = {"messages": [{"role": "user", "content": "q"}]}
    assert parse(given).stream is False
    assert parse({**given, "stream": True}).stream is True


def user(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [*blocks]}]}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": [*blocks]}]}


def with_(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "q"}], **fields}


BLOCK = r"messages\[0\]\.content\[0\]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], r'body must be a JSON object, not a list; send \{"model": '),
        ({}, r'messages is missing; send \{"model"'),
        ({"messages": None}, "messages is missing"),
        ({"messages": []}, "messages must not be empty; send at least one user message"),
        ({"messages": {}}, "messages must be a list of objects, not an object"),
        ({"messages": ["q"]}, r"messages\[0\] must be an object, not a string"),
        ({"messages": [{"content": "q"}]}, r"messages\[0\]\.role is missing; send a string"),
        ({"messages": [{"role": "tool", "content": "q"}]}, r"messages\[0\]\.role must be one of user, .*, not 'tool'"),
        ({"messages": [{"role": "user"}]}, r"messages\[0\]\.content is missing; send a string or a list"),
        ({"messages": [{"role": "user", "content": 1}]}, r"messages\[0\]\.content must be a string or a list, not a n"),
        (user("x"), rf"{BLOCK} must be an object, not a string"),
        (user({}), rf"{BLOCK}\.type is missing; send a string"),
        (user({"type": 1}), rf"{BLOCK}\.type must be a string"),
        (user({"type": "text"}), rf"{BLOCK}\.text is missing"),
        (user({"type": "text", "text": 1}), rf"{BLOCK}\.text must be a string, not a number"),
        (user({"type": "image"}), rf"{BLOCK}\.source is missing; send an object"),
        (user({"type": "image", "source": "u"}), rf"{BLOCK}\.source must be an object, not a string"),
        (user({"type": "image", "source": {}}), rf"{BLOCK}\.source\.type is missing"),
        (user({"type": "image", "source": {"type": "url"}}), rf"{BLOCK}\.source\.url is missing"),
        (user({"type": "image", "source": {"type": "base64"}}), rf"{BLOCK}\.source\.media_type is missing"),
        (
            user({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": 1}}),
            rf"{BLOCK}\.source\.data must be a string",
        ),
        (user({"type": "tool_result"}), rf"{BLOCK}\.tool_use_id is missing"),
        (user({"type": "tool_result", "tool_use_id": 1}), rf"{BLOCK}\.tool_use_id must be a string"),
        (user({"type": "tool_result", "tool_use_id": "a", "is_error": 1}), rf"{BLOCK}\.is_error must be true or false"),
        (
            user({"type": "tool_result", "tool_use_id": "a", "content": {}}),
            rf"{BLOCK}\.content must be a string or a l",
        ),
        (
            user({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]}),
            rf"{BLOCK}\.content\[0\]\.text is missing",
        ),
        (assistant({"type": "tool_use"}), rf"{BLOCK}\.id is missing"),
        (assistant({"type": "tool_use", "id": "a"}), rf"{BLOCK}\.name is missing"),
        (assistant({"type": "tool_use", "id": "a", "name": "f", "input": []}), rf"{BLOCK}\.input must be an object"),
        (assistant({"type": "thinking"}), rf"{BLOCK}\.thinking is missing"),
        (assistant({"type": "thinking", "thinking": "t", "signature": 1}), rf"{BLOCK}\.signature must be a string"),
        (assistant({"type": "redacted_thinking"}), rf"{BLOCK}\.data is missing"),
        (with_(system=1), "system must be a string or a list, not a number"),
        (with_(system=["s"]), r"system\[0\] must be an object, not a string"),
        (with_(system=[{"type": "text"}]), r"system\[0\]\.text is missing"),
        (with_(model=1), "model must be a string"),
        (with_(max_tokens="1"), "max_tokens must be a whole number"),
        (with_(temperature="1"), "temperature must be a number"),
        (with_(top_p=[]), "top_p must be a number, not a list of something else"),
        (with_(stop_sequences="END"), "stop_sequences must be a list of strings, not a string"),
        (with_(stream="yes"), "stream must be true or false"),
        (with_(tools={}), "tools must be a list of objects"),
        (with_(tools=[{"type": 1}]), r"tools\[0\]\.type must be a string"),
        (with_(tools=[{}]), r"tools\[0\]\.name is missing"),
        (with_(tools=[{"name": "f"}]), r"tools\[0\]\.input_schema is missing; send an object"),
        (
            with_(tools=[{"name": "f", "input_schema": {}, "description": 1}]),
            r"tools\[0\]\.description must be a string",
        ),
        (with_(tools=[{"name": "f", "input_schema": {}, "strict": 1}]), r"tools\[0\]\.strict must be true or false"),
        (with_(tool_choice="auto"), "tool_choice must be an object, not a string"),
        (with_(tool_choice={}), r"tool_choice\.type is missing"),
        (with_(tool_choice={"type": "required"}), r"tool_choice\.type must be one of auto, any, none, tool, not"),
        (with_(tool_choice={"type": "tool"}), r"tool_choice\.name is missing"),
        (with_(tool_choice={"type": "any", "disable_parallel_tool_use": 1}), r"tool_choice\.disable_parallel_tool_use"),
        (with_(thinking=True), "thinking must be an object"),
        (with_(thinking={"type": 1}), r"thinking\.type must be a string"),
        (with_(thinking={"type": "enabled"}), r"thinking\.budget_tokens is missing"),
        (with_(output_config=1), "output_config must be an object"),
        (with_(output_config={"effort": 1}), r"output_config\.effort must be a string"),
        (with_(output_config={"format": 1}), r"output_config\.format must be an object"),
        (with_(output_config={"format": {"type": "xml"}}), r"output_config\.format\.type must be one of json_schema"),
        (with_(output_config={"format": {"type": "json_schema"}}), r"output_config\.format\.schema is missing"),
    ],
)
def test_a_bad_body_is_refused_with_the_field_and_the_fix(value: Any, text: str) -> None:
    with pytest.raises(DecodeError, match=f"^{text}"):
        parse(value)
