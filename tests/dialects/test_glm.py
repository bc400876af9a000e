"""GLM: what it says in words of its own."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from gai_stream.dialects.glm import GLMDecoder, glm_error
from gai_stream.dialects.openai import OpenAIDecoder
from gai_stream.events import (
    AudioDelta,
    Citation,
    Citations,
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    Raw,
    ReasoningDelta,
    Safety,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from gai_stream.exceptions import ProviderError
from gai_stream.sse import ServerSentEvent, SSEDecoder


def chunk(delta: dict[str, Any] | None = None, *, reason: str | None = None, **extra: Any) -> dict[str, Any]:
    """A chunk as GLM writes it: no finish_reason until there is one."""
    choice: dict[str, Any] = {"index": 0, "delta": {"role": "assistant", **(delta or {})}}
    if reason is not None:
        choice["finish_reason"] = reason
    return {"id": "c", "created": 1, "model": "glm", "choices": [choice], **extra}


def decode(*messages: Any, finish: bool = False) -> list[Event]:
    """What the messages become, without Start."""
    decoder = GLMDecoder()
    events = [event for message in messages for event in decoder.feed(message)]
    events += decoder.finish() if finish else []
    assert events.pop(0) == Start("glm", None, "c")
    return events


def server_tool(kind: str, inner: Any, *, id: Any = "t1", index: int = 0) -> dict[str, Any]:
    return chunk({"tool_calls": [{"id": id, "index": index, "type": kind, kind: inner}]})


def test_every_recording_decodes_as_the_openai_dialect_does(corpus: Path, expected: dict[str, Any]) -> None:
    names = [name for name in expected if name.startswith("glm/")]
    assert len(names) == 3
    for name in names:
        glm, openai = GLMDecoder(), OpenAIDecoder()
        messages = SSEDecoder().feed((corpus / name).read_bytes())
        events = [event for message in messages for event in glm.feed(message)] + glm.finish()
        assert events == [event for message in messages for event in openai.feed(message)] + openai.finish()
        wanted = expected[name]
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == wanted["text"]
        assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == wanted["reasoning"]
        assert [(e.id, e.name, e.arguments) for e in events if isinstance(e, ToolCall)] == [
            (call["id"], call["name"], call["arguments_raw"]) for call in wanted["tool_calls"]
        ]
        finish = events[-2]
        assert isinstance(finish, Finish)
        assert finish.raw_reason == wanted["finish_reason"]
        assert finish.usage == Usage(**wanted["usage"])


def test_an_answer_without_object_and_with_a_role_in_every_chunk_is_one_answer() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert decode(
        chunk({"reasoning_content": "hm"}), chunk({"content": "a"}), chunk(reason="stop", usage=usage), "[DONE]"
    ) == [
        ReasoningDelta("hm"),
        TextDelta("a"),
        FinishStep(1),
        Finish("stop", Usage(3, 2, 5), "stop"),
        Done(),
    ]


@pytest.mark.parametrize(
    ("raw", "ending"),
    [
        ("stop", [FinishStep(1), Finish("stop", None, "stop"), Done()]),
        ("length", [FinishStep(1), Finish("length", None, "length"), Done()]),
        (
            "model_context_window_exceeded",
            [FinishStep(1), Finish("length", None, "model_context_window_exceeded"), Done()],
        ),
        # The text that was shown must be withdrawn.
        (
            "sensitive",
            [Safety("sensitive", "block"), FinishStep(1), Finish("content_filter", None, "sensitive"), Done()],
        ),
        ("network_error", [FinishStep(1), Finish("error", None, "network_error"), Done(finished=False)]),
    ],
)
def test_every_reason_is_mapped(raw: str, ending: list[Event]) -> None:
    assert decode(chunk({"content": "a"}), chunk(reason=raw), finish=True)[1:] == ending


def test_calls_come_whole_or_in_fragments() -> None:
    def entry(arguments: str, **more: Any) -> dict[str, Any]:
        return {"index": 0, "type": "function", "function": {"arguments": arguments, **more.pop("f", {})}, **more}

    whole = [ToolCall("x", "f", {"a": 1}, '{"a":1}')]
    fragments = [entry('{"a"', id="x", f={"name": "f"}), entry(":1}")]
    for entries in ([entry('{"a":1}', id="x", f={"name": "f"})], fragments):
        events = decode(*(chunk({"tool_calls": [one]}) for one in entries), chunk(reason="tool_calls"), finish=True)
        assert [event for event in events if isinstance(event, ToolCall)] == whole


def test_a_search_and_the_filter_are_told_of() -> None:
    found = [{"title": "T", "link": "u", "content": "words", "icon": "i", "media": "M", "refer": "ref_1"}]
    levels = [{"role": "user", "level": 0}, {"role": "history", "level": 3}]
    assert decode(chunk({"content": "a"}, web_search=found, content_filter=levels, request_id="r")) == [
        Safety("user", "block", 0),
        Safety("history", "warn", 3),
        TextDelta("a"),
        Citations([Citation("u", "T", text="words")]),
    ]


def test_sound_comes_as_wav() -> None:
    data = base64.b64encode(b"RIFF").decode()
    assert decode(chunk({"audio": {"id": "a1", "data": data, "expires_at": 5}})) == [AudioDelta(b"RIFF", "wav")]


def test_an_mcp_call_is_a_call_of_the_servers_and_its_result() -> None:
    asked = {"id": "m1", "type": "mcp_call", "server_label": "s", "name": "look", "arguments": '{"q": "x"}'}
    assert decode(
        server_tool("mcp", asked),
        server_tool("mcp", asked),
        server_tool("mcp", {**asked, "output": "found"}),
        server_tool("mcp", {**asked, "output": "found"}),
        chunk({"content": "a"}, reason="stop"),
        finish=True,
    ) == [
        ToolCall("m1", "look", {"q": "x"}, '{"q": "x"}', kind="server"),
        ToolResult("m1", "look", "found"),
        TextDelta("a"),
        FinishStep(1),
        Finish("stop", None, "stop"),
        Done(),
    ]


@pytest.mark.parametrize(
    ("arguments", "input", "text"),
    [({"q": 1}, {"q": 1}, '{"q":1}'), ("not json", "not json", "not json"), ("", {}, ""), (None, None, "")],
)
def test_the_arguments_of_a_servers_call_are_whatever_they_are(arguments: Any, input: Any, text: str) -> None:
    call = {"name": "look", "arguments": arguments, "error": {"message": "no such thing"}}
    assert decode(server_tool("mcp", call)) == [
        ToolCall("t1", "look", input, text, kind="server"),
        ToolResult("t1", "look", None, "no such thing"),
    ]


def test_an_error_of_a_servers_call_may_be_a_text() -> None:
    assert decode(server_tool("mcp", {"name": "look", "arguments": "{}", "error": "gone"}))[-1] == ToolResult(
        "t1", "look", None, "gone"
    )


def test_a_servers_call_without_an_id_gets_one_and_is_kept_apart() -> None:
    one, two = (server_tool("mcp", {"name": "look", "arguments": "{}"}, id=None, index=n) for n in (0, 1))
    calls = decode(one, two, one)
    assert len({event.id for event in calls if isinstance(event, ToolCall)}) == len(calls) == 2
    assert decode(one, two) == calls
    nameless = {**one, "id": None}
    first, second = (GLMDecoder().feed(nameless)[1] for _ in range(2))
    assert first != second


def test_lists_of_tools_are_raw_and_what_says_nothing_is_nothing() -> None:
    tools = {"id": "m1", "type": "mcp_list_tools", "server_label": "s", "tools": [{"name": "look"}]}
    assert decode(server_tool("mcp", tools)) == [Raw("glm", {"mcp": tools})]
    assert (
        decode(
            chunk(), server_tool("mcp", "odd"), server_tool("mcp", {"name": "look"}), server_tool("drawing", {"a": 1})
        )
        == []
    )
    assert decode(chunk(), {"ping": 1}) == [Raw("glm", {"ping": 1})]


@pytest.mark.parametrize("kind", ["web_search", "retrieval"])
def test_other_tools_of_the_servers_are_calls_as_well(kind: str) -> None:
    inner = {"query": "x", "outputs": [{"title": "T"}]}
    assert decode(server_tool(kind, inner)) == [
        ToolCall("t1", kind, inner, json.dumps(inner, separators=(",", ":")), kind="server"),
        ToolResult("t1", kind, [{"title": "T"}]),
    ]


def test_a_servers_call_beside_a_clients_does_not_count_as_one() -> None:
    function = {"id": "x", "index": 1, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    search = server_tool("web_search", {"query": "x"})
    events = decode(search, chunk({"tool_calls": [function]}), chunk(reason="tool_calls"), "[DONE]")
    assert ToolCallDelta(0, "x", "f", "{}") in events
    assert [event.kind for event in events if isinstance(event, ToolCall)] == ["server", "function"]


NO = "it went wrong"


@pytest.mark.parametrize(
    ("numbers", "code", "temporary"),
    [
        ((1000, 1001, 1002, 1003, 1004), "unauthorized", False),
        ((1110, 1111, 1112, 1120, 1121, 1220), "forbidden", False),
        ((1210, 1212, 1213, 1214, 1215), "invalid_request", False),
        ((1211,), "not_found", False),
        ((1234,), "network", True),
        ((1261,), "context_length_exceeded", False),
        ((1301,), "safety_blocked", False),
        ((1302, 1303, 1305, 1312), "rate_limited", True),
        ((1113, 1304, 1308, 1310), "rate_limited", False),
        ((500,), "internal", True),
        ((9999,), "internal", True),
    ],
)
def test_errors_are_known_by_glms_own_codes(numbers: tuple[int, ...], code: str, temporary: bool) -> None:
    for number in numbers:
        for written in (str(number), number):
            failure, done = GLMDecoder().feed({"error": {"code": written, "message": NO}})
            assert isinstance(failure, Failure)
            assert (failure.code, failure.message, failure.temporary) == (code, NO, temporary)
            assert (failure.retry_after is not None) == (temporary and code != "internal")
            assert done == Done(finished=False)


def test_an_error_may_be_an_event_or_a_line_outside_of_any() -> None:
    error = {"error": {"code": "1261", "message": NO}}
    failure = [Failure("context_length_exceeded", NO), Done(finished=False)]
    assert GLMDecoder().feed(ServerSentEvent(json.dumps(error), event="error")) == failure
    decoder = GLMDecoder()
    decoder.ignored(json.dumps(error).encode())
    assert decoder.finish() == failure


def test_what_is_no_message_is_a_type_error_that_names_the_decoder() -> None:
    with pytest.raises(TypeError, match=r"^GLMDecoder: a message is a ServerSentEvent, a dict"):
        GLMDecoder().feed(object())


def test_the_error_of_a_response_keeps_its_status() -> None:
    def facts(error: ProviderError) -> tuple[Any, ...]:
        return error.code, error.message, error.status, error.temporary, error.retry_after

    body = b'{"error":{"code":"%s","message":"no"}}'
    assert facts(glm_error(body % b"1113", status=429, retry_after=7)) == ("rate_limited", "no", 429, False, None)
    assert facts(glm_error(body % b"1302", status=429, retry_after=7)) == ("rate_limited", "no", 429, True, 7)
    assert facts(glm_error(body % b"1211", status=400)) == ("not_found", "no", 400, False, None)
    assert facts(glm_error(b"<html>", status=502)) == (
        "internal",
        "the provider answered with status 502",
        502,
        True,
        None,
    )
