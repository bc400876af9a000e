"""The bodies of Ollama's `/api/chat` and `/api/generate`."""

from __future__ import annotations

from typing import Any

import msgspec
import ollama._types
import pytest

from gai_stream.events import ToolCall
from gai_stream.exceptions import DecodeError, EncodeError
from gai_stream.providers import ChatRequest, ImagePart, Message, OtherPart, ReasoningPart, TextPart
from gai_stream.providers.requests.ollama import body, parse

from .conftest import PIXEL, SCHEMA

CALL = ToolCall("a", "f", {})


def ask(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(messages=list(messages) or [Message("user", "q")], **fields)


def with_(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "q"}], **fields}


def test_a_rich_request(rich: ChatRequest) -> None:
    assert body(rich) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is this?", "images": [PIXEL]},
            {
                "role": "assistant",
                "content": "Let me look.",
                "thinking": "Hm.",
                "tool_calls": [
                    {"id": "call_1", "function": {"name": "look", "arguments": {"at": "cat"}}},
                    {"id": "call_2", "function": {"name": "weigh", "arguments": {}}},
                ],
            },
            {"role": "tool", "content": "a cat", "tool_name": "look", "tool_call_id": "call_1"},
            {"role": "tool", "content": "broken", "tool_name": "weigh", "tool_call_id": "call_2"},
            {"role": "user", "content": "And now?"},
        ],
        "tools": rich.tools,
        "format": SCHEMA,
        "options": {"temperature": 0.5, "top_p": 0.9, "num_predict": 100, "stop": ["END"]},
        "stream": True,
    }


def test_the_sdk_takes_it(rich: ChatRequest) -> None:
    ollama._types.ChatRequest.model_validate(body(rich))
    question = ask(Message("user", [TextPart("q"), ImagePart(f"data:image/png;base64,{PIXEL}")]), system="s", model="m")
    asked = body(question, generate=True)
    # The SDK's own type for what it sends as text.
    asked["images"] = [{"value": image} for image in asked["images"]]
    ollama._types.GenerateRequest.model_validate(asked)


def test_the_models_of_request_and_provider() -> None:
    assert body(ask(), model="default")["model"] == "default"
    assert body(ask(model="asked"), model="default")["model"] == "asked"
    assert "model" not in body(ask())


def test_extra_wins_and_joins_the_options() -> None:
    request = ask(temperature=1.0, max_tokens=5, extra={"options": {"temperature": 2, "seed": 1}, "keep_alive": 0})
    sent = body(request)
    assert sent["options"] == {"temperature": 2, "num_predict": 5, "seed": 1}
    assert sent["keep_alive"] == 0
    assert body(ask(extra={"options": {"seed": 1}, "stream": False}))["options"] == {"seed": 1}
    assert body(ask(temperature=1.0, extra={"options": 3}))["options"] == 3
    assert body(ask(extra={"stream": False}))["stream"] is True


def test_roles_that_ollama_does_not_know() -> None:
    sent = body(ask(Message("developer", "d"), Message("function", "r", "f")))
    assert sent["messages"] == [
        {"role": "system", "content": "d"},
        {"role": "tool", "content": "r", "tool_name": "f"},
    ]


def test_parts_of_text_are_paragraphs_and_an_answers_are_one() -> None:
    texts = [TextPart("a"), OtherPart({"type": "text", "text": "b", "cache_control": {}}), OtherPart({"type": "x"})]
    sent = body(ask(Message("user", texts), Message("assistant", texts, extra={"x": 1})))
    assert sent["messages"] == [
        {"role": "user", "content": "a\n\nb"},
        {"role": "assistant", "content": "ab", "x": 1},
    ]


def test_an_image_must_be_at_hand() -> None:
    url = "https://example.org/cat.png"
    with pytest.raises(EncodeError, match=rf"^Ollama fetches no images; send '{url}' as a data: URL$"):
        body(ask(Message("user", [ImagePart(url)])))


def test_who_may_call_nothing_is_told_of_no_tools() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    assert body(ask(tools=[tool], tool_choice="required"))["tools"] == [tool]
    assert "tools" not in body(ask(tools=[tool], tool_choice="none"))


def test_a_custom_tool_is_a_function_of_one_text() -> None:
    other = {"type": "odd"}
    grep, kept = body(ask(tools=[{"type": "custom", "custom": {"name": "grep"}}, other]))["tools"]
    assert (grep["function"]["name"], grep["function"]["parameters"]["required"]) == ("grep", ["input"])
    assert kept == other


def test_arguments_are_an_object() -> None:
    call = ToolCall("a", "f", None, '{"a')
    told = body(ask(Message("assistant", tool_calls=[call])))["messages"][0]["tool_calls"]
    assert told == [{"id": "a", "function": {"name": "f", "arguments": {"input": '{"a'}}}]


@pytest.mark.parametrize(
    ("effort", "think"), [("none", False), ("minimal", "low"), ("low", "low"), ("medium", "medium"), ("max", "high")]
)
def test_reasoning_effort(effort: str, think: Any) -> None:
    assert body(ask(reasoning_effort=effort))["think"] == think


@pytest.mark.parametrize(("think", "effort"), [(True, "medium"), (False, "none"), ("high", "high"), (None, None)])
def test_think_is_read_and_goes_back_as_it_was(think: Any, effort: Any) -> None:
    request = parse(with_(think=think))
    assert request.reasoning_effort == effort
    assert body(request).get("think") == think


@pytest.mark.parametrize(
    ("format", "told"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, "json"),
        ({"type": "json_schema", "json_schema": {"name": "response", "schema": SCHEMA}}, SCHEMA),
    ],
)
def test_response_formats(format: Any, told: Any) -> None:
    sent = body(ask(response_format=format))
    assert sent.get("format") == told
    assert parse(sent).response_format == (format if told else None)
    assert parse(with_(format="")).response_format is None


def test_one_stop_is_a_list_and_limits_without_a_limit_are_kept() -> None:
    assert body(ask(stop="END"))["options"] == {"stop": ["END"]}
    request = parse(with_(options={"num_predict": -1, "stop": "END"}))
    assert (request.max_tokens, request.stop) == (None, "END")
    assert body(request)["options"] == {"num_predict": -1, "stop": ["END"]}


def test_an_answer_without_any_name_is_of_the_first_open_call() -> None:
    given = [
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f"}}, {"function": {"name": "g"}}]},
        {"role": "tool", "content": "r"},
        {"role": "tool", "content": "s", "name": "g"},
        {"role": "tool", "content": "t"},
    ]
    said, *answered = parse({"messages": given}).messages
    first, second = said.tool_calls or ()
    assert [message.tool_call_id for message in answered[:2]] == [first.id, second.id]
    assert answered[2].tool_call_id not in (None, first.id, second.id)


def test_images_are_known_by_their_first_bytes() -> None:
    given = ["iVBORw0KGgo=", "/9j/4AAQ", "R0lGODlh", "UklGRg==", "AAAA"]
    request = parse({"messages": [{"role": "user", "images": given}]})
    assert [part.url for part in request.messages[0].content if isinstance(part, ImagePart)] == [
        f"data:image/{kind};base64,{data}"
        for kind, data in zip(["png", "jpeg", "gif", "webp", "png"], given, strict=True)
    ]


def test_a_request_is_read_as_it_was(rich: ChatRequest) -> None:
    request = parse(body(rich))
    failed = msgspec.structs.replace(rich.messages[3], is_error=False)
    said = msgspec.structs.replace(
        rich.messages[1], content=[ReasoningPart("Hm.", provider="ollama"), TextPart("Let me look.")]
    )
    assert request == msgspec.structs.replace(
        rich,
        messages=[Message("system", "Be brief."), rich.messages[0], said, rich.messages[2], failed, rich.messages[4]],
        system=None,
        tool_choice=None,
        parallel_tool_calls=None,
    )


def test_thinking_beside_nothing_and_beside_images() -> None:
    given = [
        {"role": "assistant", "thinking": "t"},
        {"role": "assistant", "thinking": "t", "content": "a", "images": [PIXEL]},
    ]
    thought = ReasoningPart("t", provider="ollama")
    assert [message.content for message in parse({"messages": given}).messages] == [
        [thought],
        [thought, TextPart("a"), ImagePart(f"data:image/png;base64,{PIXEL}")],
    ]


def test_keys_that_we_do_not_name_are_kept() -> None:
    given = {
        "messages": [{"role": "user", "content": "q", "x": 1}],
        "options": {"num_ctx": 1},
        "keep_alive": "5m",
        "stream": True,
    }
    assert body(parse(given)) == given


# --- /api/generate ---


def test_a_question_is_a_prompt() -> None:
    request = ask(
        Message("system", "s"),
        Message("developer", [TextPart("d")]),
        Message("user", [TextPart("q"), ImagePart(f"data:image/png;base64,{PIXEL}")], extra={"raw": True}),
        system="r",
        tools=[{"type": "function", "function": {"name": "f"}}],
        max_tokens=5,
        extra={"suffix": "!"},
    )
    assert body(request, generate=True) == {
        "prompt": "q",
        "system": "r\n\ns\n\nd",
        "images": [PIXEL],
        "raw": True,
        "options": {"num_predict": 5},
        "suffix": "!",
        "stream": True,
    }
    assert body(ask(), generate=True) == {"prompt": "q", "stream": True}


@pytest.mark.parametrize(
    "messages", [[Message("system", "s")], [Message("user", "q")] * 2, [Message("assistant", "a")]]
)
def test_a_conversation_is_no_prompt(messages: list[Message]) -> None:
    with pytest.raises(EncodeError, match=r"^/api/generate takes one user's turn, not \d turns; ask /api/chat$"):
        body(ask(*messages), generate=True)


def test_a_prompt_is_a_question() -> None:
    given = {"model": "m", "prompt": "q", "system": "s", "suffix": "!", "stream": True}
    request = parse(given, generate=True)
    assert request == ask(model="m", system="s", extra={"suffix": "!"})
    assert body(request, generate=True) == given
    assert parse({"model": "m"}, generate=True) == ask(Message("user", ""), model="m")


# --- refusals ---


def test_who_says_nothing_wants_a_stream() -> None:
    assert parse(with_()).stream is True
    assert parse(with_(stream=False)).stream is False


def message(**fields: Any) -> dict[str, Any]:
    return {"messages": [fields]}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("q", r'body must be a JSON object, not a string; send \{"model"'),
        ({}, r'messages is missing; send \{"model"'),
        ({"messages": []}, "messages must not be empty; send at least one user message"),
        ({"messages": "q"}, "messages must be a list of objects"),
        ({"messages": ["q"]}, r"messages\[0\] must be an object"),
        (message(content="q"), r"messages\[0\]\.role is missing"),
        (
            message(role="bot", content="q"),
            r"messages\[0\]\.role must be one of system, user, assistant, tool, not 'bot'",
        ),
        (message(role="user", content=["q"]), r"messages\[0\]\.content must be a string, not a list of something else"),
        (message(role="user", images="x"), r"messages\[0\]\.images must be a list of strings"),
        (message(role="assistant", thinking=1), r"messages\[0\]\.thinking must be a string"),
        (message(role="assistant", tool_calls={}), r"messages\[0\]\.tool_calls must be a list of objects"),
        (message(role="assistant", tool_calls=[{}]), r"messages\[0\]\.tool_calls\[0\]\.function is missing"),
        (
            message(role="assistant", tool_calls=[{"function": {}}]),
            r"messages\[0\]\.tool_calls\[0\]\.function\.name is missing",
        ),
        (
            message(role="assistant", tool_calls=[{"function": {"name": "f", "arguments": "{}"}}]),
            r"messages\[0\]\.tool_calls\[0\]\.function\.arguments must be an object, not a string",
        ),
        (
            message(role="assistant", tool_calls=[{"id": 1, "function": {"name": "f"}}]),
            r"messages\[0\]\.tool_calls\[0\]\.id must be a string",
        ),
        (message(role="tool", content="r", tool_name=1), r"messages\[0\]\.tool_name must be a string"),
        (message(role="tool", content="r", name=1), r"messages\[0\]\.name must be a string"),
        (message(role="tool", content="r", tool_call_id=1), r"messages\[0\]\.tool_call_id must be a string"),
        (with_(model=1), "model must be a string"),
        (with_(stream="yes"), "stream must be true or false"),
        (with_(tools={}), "tools must be a list of objects"),
        (with_(think=1), "think must be true, false or a string, not a number"),
        (with_(format="xml"), "format must be one of , json, not 'xml'"),
        (with_(format=1), "format must be a string or an object"),
        (with_(options=1), "options must be an object"),
        (with_(options={"temperature": "1"}), r"options\.temperature must be a number"),
        (with_(options={"top_p": "1"}), r"options\.top_p must be a number"),
        (with_(options={"num_predict": "1"}), r"options\.num_predict must be a whole number"),
        (with_(options={"stop": 1}), r"options\.stop must be a string or a list of strings"),
    ],
)
def test_a_bad_body_is_refused_with_the_field_and_the_fix(value: Any, text: str) -> None:
    with pytest.raises(DecodeError, match=f"^{text}"):
        parse(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], r'body must be a JSON object, not a list; send \{"model": "...", "prompt"'),
        ({"prompt": 1}, "prompt must be a string"),
        ({"system": 1}, "system must be a string"),
        ({"images": [1]}, "images must be a list of strings"),
    ],
)
def test_a_bad_prompt_is_refused_with_the_field_and_the_fix(value: Any, text: str) -> None:
    with pytest.raises(DecodeError, match=f"^{text}"):
        parse(value, generate=True)
