"""The body of Gemini's requests."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from google.genai import types

from gai_stream.events import ToolCall
from gai_stream.exceptions import DecodeError
from gai_stream.providers import ChatRequest, ImagePart, Message, OtherPart, ReasoningPart, TextPart
from gai_stream.providers.requests.gemini import SKIP_SIGNATURE, body, parse

from .conftest import PIXEL, SCHEMA

NEW = "gemini-3-pro-preview"
OLD = "gemini-2.5-flash"
CALL = ToolCall("a", "f", {})


def ask(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(messages=list(messages) or [Message("user", "q")], **fields)


def contents(*messages: Message, **fields: Any) -> Any:
    return body(ask(*messages, **fields))["contents"]


def with_(**fields: Any) -> dict[str, Any]:
    return {"contents": [{"parts": [{"text": "q"}]}], **fields}


def test_a_rich_request(rich: ChatRequest) -> None:
    assert body(rich) == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {
                "role": "user",
                "parts": [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "Hm.", "thought": True, "thoughtSignature": "c2ln"},
                    {"text": "Let me look."},
                    {"functionCall": {"id": "call_1", "name": "look", "args": {"at": "cat"}}},
                    {"functionCall": {"id": "call_2", "name": "weigh", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "call_1", "name": "look", "response": {"output": "a cat"}}},
                    {"functionResponse": {"id": "call_2", "name": "weigh", "response": {"error": "broken"}}},
                ],
            },
            {"role": "user", "parts": [{"text": "And now?"}]},
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "look", "description": "Look at it.", "parametersJsonSchema": SCHEMA},
                    {"name": "weigh"},
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "maxOutputTokens": 100,
            "stopSequences": ["END"],
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
        },
    }


def test_the_sdk_takes_it(rich: ChatRequest) -> None:
    sent = body(rich)
    for content in [*sent["contents"], sent["systemInstruction"]]:
        types.Content.model_validate(content)
    for tool in sent["tools"]:
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(sent["toolConfig"])
    types.GenerationConfig.model_validate(sent["generationConfig"])


def test_extra_wins_and_joins_the_configs() -> None:
    request = ask(
        temperature=1.0,
        tool_choice="auto",
        extra={
            "generationConfig": {"topK": 4, "temperature": 2},
            "toolConfig": {"retrievalConfig": {}},
            "safetySettings": [],
        },
    )
    sent = body(request)
    assert sent["generationConfig"] == {"temperature": 2, "topK": 4}
    assert sent["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}, "retrievalConfig": {}}
    assert sent["safetySettings"] == []
    assert body(ask(extra={"toolConfig": 1}))["toolConfig"] == 1
    assert parse(body(ask(extra={"safetySettings": []}))).extra == {"safetySettings": []}


# --- conversation ---


def test_system_turns_stand_apart() -> None:
    request = ask(Message("developer", "a"), Message("user", "q"), Message("system", [TextPart("b")]), system="s")
    sent = body(request)
    assert sent["systemInstruction"] == {"parts": [{"text": "s"}, {"text": "a"}, {"text": "b"}]}
    assert sent["contents"] == [{"role": "user", "parts": [{"text": "q"}]}]


def test_a_system_of_parts_is_a_first_turn() -> None:
    request = parse(with_(system_instruction={"parts": [{"text": "a"}, {"text": "b"}]}))
    assert request.messages == [Message("system", [TextPart("a"), TextPart("b")]), Message("user", "q")]
    assert parse(with_(systemInstruction={"role": "user", "parts": {"text": "a"}})).system == "a"
    assert parse(with_(systemInstruction={})).system is None
    # Nothing is called there.
    call = {"functionCall": {"name": "f"}}
    assert parse(with_(systemInstruction={"parts": [call]})).messages == [
        Message("system", [OtherPart(call)]),
        Message("user", "q"),
    ]


def test_turns_of_the_model_and_answers_of_tools_are_put_together() -> None:
    messages = [
        Message("user", "q"),
        Message("assistant", "a"),
        Message("assistant", tool_calls=[CALL]),
        Message("tool", "r", tool_call_id="a"),
        Message("user", ""),
        Message("tool", "s", tool_call_id="b", name="g"),
    ]
    assert contents(*messages) == [
        {"role": "user", "parts": [{"text": "q"}]},
        {"role": "model", "parts": [{"text": "a"}, {"functionCall": {"id": "a", "name": "f", "args": {}}}]},
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "a", "name": "f", "response": {"output": "r"}}},
                {"functionResponse": {"id": "b", "name": "g", "response": {"output": "s"}}},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("content", "response"),
    [
        ('{"a": 1}', {"a": 1}),
        (' {"a": 18446744073709551616}', {"a": 18446744073709551616}),
        ("{}", {"output": "{}"}),
        ("{a", {"output": "{a"}),
        ("[1]", {"output": "[1]"}),
        ("", {"output": ""}),
        ([TextPart("a"), TextPart("b")], {"output": "a\n\nb"}),
    ],
)
def test_an_answer_is_an_object(content: Any, response: Any) -> None:
    (told,) = contents(Message("tool", content, tool_call_id="a"))
    assert told["parts"][0]["functionResponse"]["response"] == response


def test_an_answer_may_show_images() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    shown = [TextPart("see"), ImagePart(f"data:image/png;base64,{PIXEL}")]
    request = ask(
        Message("user", "q"),
        Message("assistant", tool_calls=[CALL]),
        Message("tool", shown, tool_call_id="a"),
    )
    response = body(request)["contents"][2]["parts"][0]["functionResponse"]
    assert response == {"id": "a", "name": "f", "response": {"output": "see"}, "parts": [image]}
    assert parse(body(request)) == request
    pdf = {"inlineData": {"mimeType": "application/pdf", "data": ""}}
    response["parts"].append(pdf)
    messages = parse({"contents": [{"parts": [{"functionResponse": response}]}]}).messages
    assert messages == [Message("tool", [*shown, OtherPart(pdf)], "f", "a")]


@pytest.mark.parametrize(
    ("response", "content", "is_error"),
    [
        ({"output": "x"}, "x", False),
        ({"error": "x"}, "x", True),
        ({"output": {"a": 1}}, '{"output":{"a":1}}', False),
        ({"result": "x"}, '{"result":"x"}', False),
        ({"output": "x", "more": 1}, '{"output":"x","more":1}', False),
        ({}, "{}", False),
    ],
)
def test_an_answer_is_read(response: Any, content: str, is_error: bool) -> None:
    part = {"function_response": {"name": "f", "response": response, "will_continue": False}}
    (message,) = parse({"contents": [{"role": "function", "parts": [part]}]}).messages
    assert (message.content, message.is_error, message.name) == (content, is_error, "f")
    assert message.tool_call_id
    assert message.extra == {"willContinue": False}


def test_answers_find_their_calls_by_name_and_order() -> None:
    calls = [{"functionCall": {"name": name, "args": {"n": n}}} for n, name in enumerate("fgf")]
    answers = [{"functionResponse": {"name": name, "response": {"output": name}}} for name in "gffx"]
    given = {"contents": [{"role": "model", "parts": calls}, {"role": "user", "parts": answers}]}
    said, *answered = parse(given).messages
    first, second, third = [call.id for call in said.tool_calls or ()]
    assert len({first, second, third}) == 3
    assert [(message.tool_call_id, message.name) for message in answered[:3]] == [
        (second, None),
        (first, None),
        (third, None),
    ]
    assert (answered[3].name, answered[3].tool_call_id not in (first, second, third)) == ("x", True)
    # The next request of the conversation gives the same ids.
    assert parse(given) == parse(given)


def test_calls_keep_the_ids_that_they_have() -> None:
    given = {
        "contents": [
            {
                "role": "model",
                "parts": [{"functionCall": {"id": "1", "name": "f"}}, {"functionCall": {"id": "2", "name": "f"}}],
            },
            {"role": "user", "parts": [{"functionResponse": {"id": "2", "name": "f", "response": {}}}]},
        ]
    }
    said, answered = parse(given).messages
    assert said.tool_calls == [ToolCall("1", "f", {}), ToolCall("2", "f", {})]
    assert answered.tool_call_id == "2"


def test_what_follows_a_call_is_a_turn_of_its_own_and_goes_back_in_the_same() -> None:
    call = {"functionCall": {"id": "a", "name": "f", "args": {}}}
    given = [
        {"role": "user", "parts": [{"text": "q"}]},
        {"role": "model", "parts": [{"text": "t"}, call, {"text": "u"}]},
    ]
    request = parse({"contents": given})
    assert len(request.messages) == 3
    assert body(request)["contents"] == given


def test_text_beside_an_answer_is_a_turn_of_its_own() -> None:
    answer = {"functionResponse": {"id": "a", "name": "f", "response": {"output": "r"}}}
    request = parse({"contents": [{"parts": [{"text": "t"}, answer, {"text": "u"}]}]})
    assert [(message.role, message.text) for message in request.messages] == [
        ("user", "t"),
        ("tool", "r"),
        ("user", "u"),
    ]


def test_keys_of_a_content_that_we_do_not_name_are_kept() -> None:
    given = [{"role": "user", "parts": [{"text": "q"}], "x": 1}]
    assert body(parse({"contents": given}))["contents"] == given


# --- parts ---


@pytest.mark.parametrize(
    ("url", "part"),
    [
        (f"data:image/png;base64,{PIXEL}", {"inlineData": {"mimeType": "image/png", "data": PIXEL}}),
        ("https://x/y.png?z=1", {"fileData": {"mimeType": "image/png", "fileUri": "https://x/y.png?z=1"}}),
    ],
)
def test_images(url: str, part: Any) -> None:
    request = ask(Message("user", [TextPart("t"), ImagePart(url)]))
    assert body(request)["contents"] == [{"role": "user", "parts": [{"text": "t"}, part]}]
    assert parse(body(request)) == request


@pytest.mark.parametrize("url", ["https://x/y", "http://[bad"])
def test_an_image_whose_type_the_url_does_not_tell(url: str) -> None:
    (content,) = contents(Message("user", [ImagePart(url)]))
    assert content["parts"] == [{"fileData": {"fileUri": url}}]


@pytest.mark.parametrize(
    "part",
    [
        {"fileData": {"fileUri": "https://x/files/y", "mimeType": "image/png"}},
        {"fileData": {"fileUri": "https://x/y.pdf", "mimeType": "application/pdf"}},
        {"fileData": {"fileUri": "https://x/y.png"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}},
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}, "mediaResolution": {"level": "LOW"}},
        {"text": "t", "thoughtSignature": "c2ln"},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
    ],
)
def test_parts_with_more_than_we_name_are_kept(part: dict[str, Any]) -> None:
    given = [{"role": "user", "parts": [part]}]
    request = parse({"contents": given})
    assert request.messages == [Message("user", [OtherPart(part)])]
    assert body(request)["contents"] == given


def test_names_in_snake_case_are_the_same() -> None:
    given = {
        "contents": [
            {"parts": [{"inline_data": {"mime_type": "image/png", "data": PIXEL}}]},
            {
                "role": "model",
                "parts": [{"function_call": {"name": "f", "args": {"a_b": 1}}, "thought_signature": "s"}],
            },
        ],
        "generation_config": {
            "max_output_tokens": 5,
            "thinking_config": {"thinking_budget": 1024, "include_thoughts": True},
        },
        "tool_config": {"function_calling_config": {"mode": "any", "allowed_function_names": ["f"]}},
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": SCHEMA}]}],
        "safety_settings": [],
    }
    request = parse(given, model=OLD, stream=False)
    (call,) = request.messages[1].tool_calls or ()
    assert request == ChatRequest(
        messages=[
            Message("user", [ImagePart(f"data:image/png;base64,{PIXEL}")]),
            Message("assistant", tool_calls=[ToolCall(call.id, "f", {"a_b": 1}, signature="s")]),
        ],
        model=OLD,
        max_tokens=5,
        tools=[{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
        reasoning_effort="minimal",
        stream=False,
        extra={"safetySettings": []},
    )


# --- reasoning and signatures ---


def test_only_what_gemini_thought_goes_back() -> None:
    parts = [
        ReasoningPart("a", "s", provider="gemini"),
        ReasoningPart("b"),
        ReasoningPart("", "t", provider="gemini"),
        ReasoningPart("", provider="gemini"),
        ReasoningPart("", redacted="d"),
        ReasoningPart("c", "u", provider="anthropic"),
    ]
    assert contents(Message("user", "q"), Message("assistant", parts))[1]["parts"] == [
        {"text": "a", "thought": True, "thoughtSignature": "s"},
        {"text": "b", "thought": True},
        {"text": "", "thoughtSignature": "t"},
    ]


def test_a_signature_behind_the_answer_is_read() -> None:
    parts = [{"text": "a"}, {"text": "", "thoughtSignature": "t"}]
    request = parse({"contents": [{"role": "model", "parts": parts}]})
    assert request.messages[0].content == [TextPart("a"), ReasoningPart("", "t", provider="gemini")]
    assert body(request)["contents"][0]["parts"] == parts


HISTORY = [
    Message("user", "q"),
    Message("assistant", tool_calls=[ToolCall("a", "f", {})]),
    Message("tool", "r", tool_call_id="a"),
    Message("user", "r"),
    Message("assistant", tool_calls=[ToolCall("b", "f", {}), ToolCall("c", "f", {})]),
    Message("tool", "r", tool_call_id="b"),
    Message("tool", "r", tool_call_id="c"),
    Message("assistant", "t", tool_calls=[ToolCall("d", "f", {}, signature="s")]),
    Message("tool", "r", tool_call_id="d"),
]


@pytest.mark.parametrize("model", [NEW, "gemini-3.1-flash", "gemini-10-pro", "models/gemini-flash-latest"])
def test_gemini_3_gets_a_signature_for_the_first_call_of_each_step_of_the_turn(model: str) -> None:
    sent = contents(*HISTORY, model=model)
    signed = [part.get("thoughtSignature") for content in sent for part in content["parts"] if "functionCall" in part]
    assert signed == [None, SKIP_SIGNATURE, None, "s"]


@pytest.mark.parametrize("model", [OLD, "claude-opus-4-5", None])
def test_nobody_else_does(model: str | None) -> None:
    sent = contents(*HISTORY, model=model)
    signed = [part.get("thoughtSignature") for content in sent for part in content["parts"] if "functionCall" in part]
    assert signed == [None, None, None, "s"]


def test_the_model_of_the_provider_counts_where_the_request_names_none() -> None:
    assert body(ask(*HISTORY), model=NEW)["contents"][4]["parts"][0]["thoughtSignature"] == SKIP_SIGNATURE


def test_what_was_no_signature_is_not_read_as_one() -> None:
    given = {
        "contents": [{"role": "model", "parts": [{"functionCall": {"name": "f"}, "thoughtSignature": SKIP_SIGNATURE}]}]
    }
    (call,) = parse(given).messages[0].tool_calls or ()
    assert call.signature is None


# --- options ---


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [
                        {"type": "function", "function": {"name": "f"}},
                        {"type": "function", "function": {"name": "g"}},
                    ],
                },
            },
            {"mode": "ANY", "allowedFunctionNames": ["f", "g"]},
        ),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
        ),
    ],
)
def test_the_choice_of_tools(choice: Any, config: Any) -> None:
    sent = body(ask(tool_choice=choice))
    assert sent["toolConfig"] == {"functionCallingConfig": config}
    assert parse(sent).tool_choice == choice


@pytest.mark.parametrize("config", [{"mode": "VALIDATED"}, {"mode": "MODE_UNSPECIFIED"}])
def test_a_choice_that_others_have_no_words_for_is_kept(config: Any) -> None:
    request = parse(with_(toolConfig={"functionCallingConfig": config}))
    assert request.tool_choice is None
    assert body(request)["toolConfig"] == {"functionCallingConfig": config}


def test_a_config_without_a_choice() -> None:
    assert parse(with_(toolConfig={"functionCallingConfig": {}})).extra == {}


def test_tools_that_only_google_has_are_kept() -> None:
    tools = [{"functionDeclarations": [{"name": "f"}]}, {"googleSearch": {}}, {"codeExecution": {}}]
    assert body(parse(with_(tools=tools)))["tools"] == tools
    assert body(parse(with_(tools=[{"googleSearch": {}}])))["tools"] == [{"googleSearch": {}}]
    both = parse(with_(tools=[{"functionDeclarations": [{"name": "f"}], "googleSearch": {}}]))
    assert both.tools == [{"type": "function", "function": {"name": "f"}}, {"googleSearch": {}}]
    assert body(ask(tools=[]))["tools"] == []


def test_a_schema_in_googles_older_form_becomes_json_schema() -> None:
    old = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "nullable": True, "format": "enum", "enum": ["A"]},
            "tags": {"type": "ARRAY", "items": {"type": "INTEGER"}, "min_items": 1},
            "any": {"any_of": [{"type": "NUMBER"}, {"type": "BOOLEAN"}], "nullable": True},
            "odd": 3,
        },
        "propertyOrdering": ["type"],
        "required": ["type"],
    }
    new = {
        "type": "object",
        "properties": {
            "type": {"type": ["string", "null"], "format": "enum", "enum": ["A"]},
            "tags": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
            "any": {"anyOf": [{"type": "number"}, {"type": "boolean"}]},
            "odd": 3,
        },
        "required": ["type"],
    }
    request = parse(
        with_(
            tools=[{"functionDeclarations": [{"name": "f", "description": "d", "parameters": old}]}],
            generationConfig={"responseSchema": old},
        )
    )
    assert request.tools == [{"type": "function", "function": {"name": "f", "description": "d", "parameters": new}}]
    assert request.response_format == {"type": "json_schema", "json_schema": {"name": "response", "schema": new}}


def test_a_schema_that_is_too_deep_is_refused() -> None:
    schema: Any = {}
    for _ in range(5000):
        schema = {"items": schema}
    with pytest.raises(DecodeError, match=r"^generationConfig\.responseSchema is nested too deeply; send a flatter"):
        parse(with_(generationConfig={"responseSchema": schema}))


@pytest.mark.parametrize(
    ("format", "told"),
    [
        ({"type": "json_object"}, {"responseMimeType": "application/json"}),
        (
            {"type": "json_schema", "json_schema": {"name": "response", "schema": SCHEMA}},
            {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
        ),
    ],
)
def test_response_formats(format: Any, told: Any) -> None:
    sent = body(ask(response_format=format))
    assert sent["generationConfig"] == told
    assert parse(sent).response_format == format
    assert "generationConfig" not in body(ask(response_format={"type": "text"}))


def test_other_kinds_of_text_are_kept() -> None:
    request = parse(with_(generationConfig={"responseMimeType": "text/x.enum", "responseJsonSchema": {"enum": ["a"]}}))
    assert request.response_format is None
    assert body(request)["generationConfig"] == {
        "responseMimeType": "text/x.enum",
        "responseJsonSchema": {"enum": ["a"]},
    }


def test_one_stop_is_a_list() -> None:
    assert body(ask(stop="END"))["generationConfig"] == {"stopSequences": ["END"]}


@pytest.mark.parametrize(
    ("model", "effort", "config", "read"),
    [
        (NEW, "none", {"thinkingLevel": "MINIMAL", "includeThoughts": False}, "none"),
        (NEW, "minimal", {"thinkingLevel": "MINIMAL", "includeThoughts": True}, "minimal"),
        (NEW, "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}, "medium"),
        (NEW, "max", {"thinkingLevel": "HIGH", "includeThoughts": True}, "high"),
        (OLD, "none", {"thinkingBudget": 0, "includeThoughts": False}, "none"),
        (OLD, "low", {"thinkingBudget": 2048, "includeThoughts": True}, "low"),
        (OLD, "xhigh", {"thinkingBudget": 24576, "includeThoughts": True}, "high"),
    ],
)
def test_reasoning_effort(model: str, effort: str, config: Any, read: str) -> None:
    sent = body(ask(reasoning_effort=effort, model=model))
    assert sent["generationConfig"] == {"thinkingConfig": config}
    request = parse(sent, model=model)
    assert (request.reasoning_effort, request.extra) == (read, {})


@pytest.mark.parametrize(
    ("config", "effort"),
    [
        ({"thinkingBudget": -1}, None),
        ({"thinkingBudget": 5000}, "medium"),
        ({"thinkingLevel": "LOW"}, "low"),
        ({"includeThoughts": True}, None),
    ],
)
def test_thinking_that_would_not_be_written_so_is_kept(config: Any, effort: str | None) -> None:
    request = parse(with_(generationConfig={"thinkingConfig": config}), model=NEW)
    assert request.reasoning_effort == effort
    assert body(request)["generationConfig"] == {"thinkingConfig": config}


def test_a_request_is_read_as_it_was(rich: ChatRequest) -> None:
    expected = msgspec.structs.replace(rich, parallel_tool_calls=None)
    assistant = msgspec.structs.replace(
        rich.messages[1], content=[ReasoningPart("Hm.", "c2ln", provider="gemini"), TextPart("Let me look.")]
    )
    expected = msgspec.structs.replace(expected, messages=[rich.messages[0], assistant, *rich.messages[2:]])
    assert parse(body(rich), model="m") == expected


# --- refusals ---

PART = r"contents\[0\]\.parts\[0\]"


def part(**fields: Any) -> dict[str, Any]:
    return {"contents": [{"role": "model", "parts": [fields]}]}


def generation(**fields: Any) -> dict[str, Any]:
    return with_(generationConfig=fields)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], r'body must be a JSON object, not a list; send \{"contents"'),
        ({}, r'contents is missing; send \{"contents"'),
        ({"contents": []}, "contents must not be empty; send at least one user message"),
        ({"contents": [{}]}, "contents must not be empty"),
        ({"contents": "q"}, "contents must be a list of objects, not a string"),
        ({"contents": ["q"]}, r"contents\[0\] must be an object, not a string"),
        ({"contents": [{"role": 1}]}, r"contents\[0\]\.role must be a string"),
        ({"contents": [{"role": "assistant"}]}, r"contents\[0\]\.role must be one of user, model, function, not 'ass"),
        ({"contents": [{"parts": "q"}]}, r"contents\[0\]\.parts must be a list of objects, not a string"),
        ({"contents": [{"parts": ["q"]}]}, rf"{PART} must be an object, not a string"),
        (part(text=1), rf"{PART}\.text must be a string, not a number"),
        (part(text="t", thought="yes"), rf"{PART}\.thought must be true or false"),
        (part(text="t", thoughtSignature=1), rf"{PART}\.thoughtSignature must be a string"),
        (part(functionCall=1), rf"{PART}\.functionCall must be an object"),
        (part(functionCall={}), rf"{PART}\.functionCall\.name is missing"),
        (part(functionCall={"name": "f", "args": []}), rf"{PART}\.functionCall\.args must be an object"),
        (part(functionCall={"name": "f", "id": 1}), rf"{PART}\.functionCall\.id must be a string"),
        (part(functionResponse=1), rf"{PART}\.functionResponse must be an object"),
        (part(functionResponse={}), rf"{PART}\.functionResponse\.name is missing"),
        (part(functionResponse={"name": "f"}), rf"{PART}\.functionResponse\.response is missing; send an object"),
        (part(functionResponse={"name": "f", "response": "r"}), rf"{PART}\.functionResponse\.response must be an obj"),
        (
            part(functionResponse={"name": "f", "response": {}, "id": 1}),
            rf"{PART}\.functionResponse\.id must be a string",
        ),
        (
            part(functionResponse={"name": "f", "response": {}, "parts": [{"inlineData": {}}]}),
            rf"{PART}\.functionResponse\.parts\[0\]\.inlineData\.mimeType is missing",
        ),
        (part(inlineData=1), rf"{PART}\.inlineData must be an object"),
        (part(inlineData={"data": ""}), rf"{PART}\.inlineData\.mimeType is missing"),
        (part(inlineData={"mimeType": "image/png"}), rf"{PART}\.inlineData\.data is missing"),
        (part(fileData=1), rf"{PART}\.fileData must be an object"),
        (part(fileData={}), rf"{PART}\.fileData\.fileUri is missing"),
        (part(fileData={"fileUri": "u", "mimeType": 1}), rf"{PART}\.fileData\.mimeType must be a string"),
        (with_(systemInstruction="s"), "systemInstruction must be an object, not a string"),
        (with_(systemInstruction={"parts": [{"text": 1}]}), r"systemInstruction\.parts\[0\]\.text must be a string"),
        (with_(tools={}), "tools must be a list of objects"),
        (with_(tools=[{"functionDeclarations": {}}]), r"tools\[0\]\.functionDeclarations must be a list of objects"),
        (with_(tools=[{"functionDeclarations": [{}]}]), r"tools\[0\]\.functionDeclarations\[0\]\.name is missing"),
        (
            with_(tools=[{"functionDeclarations": [{"name": "f", "description": 1}]}]),
            r"tools\[0\]\.functionDeclarations\[0\]\.description must be a string",
        ),
        (
            with_(tools=[{"functionDeclarations": [{"name": "f", "parameters": 1}]}]),
            r"tools\[0\]\.functionDeclarations\[0\]\.parameters must be an object",
        ),
        (
            with_(tools=[{"functionDeclarations": [{"name": "f", "parametersJsonSchema": 1}]}]),
            r"tools\[0\]\.functionDeclarations\[0\]\.parametersJsonSchema must be an object",
        ),
        (with_(toolConfig=1), "toolConfig must be an object"),
        (with_(toolConfig={"functionCallingConfig": 1}), r"toolConfig\.functionCallingConfig must be an object"),
        (
            with_(toolConfig={"functionCallingConfig": {"mode": "SOME"}}),
            r"toolConfig\.functionCallingConfig\.mode must be one of AUTO, ANY, NONE, VALIDATED",
        ),
        (
            with_(toolConfig={"functionCallingConfig": {"mode": 1}}),
            r"toolConfig\.functionCallingConfig\.mode must be a",
        ),
        (
            with_(toolConfig={"functionCallingConfig": {"allowedFunctionNames": "f"}}),
            r"toolConfig\.functionCallingConfig\.allowedFunctionNames must be a list of strings",
        ),
        (with_(generationConfig=1), "generationConfig must be an object"),
        (generation(temperature="1"), r"generationConfig\.temperature must be a number"),
        (generation(topP="1"), r"generationConfig\.topP must be a number"),
        (generation(maxOutputTokens="1"), r"generationConfig\.maxOutputTokens must be a whole number"),
        (generation(stopSequences="END"), r"generationConfig\.stopSequences must be a list of strings"),
        (generation(responseMimeType=1), r"generationConfig\.responseMimeType must be a string"),
        (generation(responseSchema=1), r"generationConfig\.responseSchema must be an object"),
        (generation(responseJsonSchema=1), r"generationConfig\.responseJsonSchema must be an object"),
        (generation(thinkingConfig=1), r"generationConfig\.thinkingConfig must be an object"),
        (
            generation(thinkingConfig={"thinkingLevel": 1}),
            r"generationConfig\.thinkingConfig\.thinkingLevel must be a s",
        ),
        (
            generation(thinkingConfig={"thinkingBudget": "1"}),
            r"generationConfig\.thinkingConfig\.thinkingBudget must b",
        ),
        (
            generation(thinkingConfig={"includeThoughts": 1}),
            r"generationConfig\.thinkingConfig\.includeThoughts must b",
        ),
    ],
)
def test_a_bad_body_is_refused_with_the_field_and_the_fix(value: Any, text: str) -> None:
    with pytest.raises(DecodeError, match=f"^{text}"):
        parse(value)
