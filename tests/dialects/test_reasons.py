"""Why an answer ended: every provider's words in ours, and ours in the words of every client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gai_stream.dialects.registry import dialect, names
from gai_stream.events import Event, Failure, Finish, Start, TextDelta, ToolCall, Usage

CALL = ToolCall("call_1", "f", {"a": 1}, '{"a":1}')
SERVER_CALL = ToolCall("srv_1", "search", {}, "{}", kind="server")


# Incoming


def openai(word: str | None, *, calls: bool) -> list[Any]:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    delta = {"tool_calls": [call]} if calls else {"content": "a"}
    return [
        {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, **choice}]}
        for choice in ({"delta": delta}, {"delta": {}, "finish_reason": word})
    ] + ["[DONE]"]


def openai_responses(word: str | None, *, calls: bool) -> list[Any]:
    status, _, reason = (word or "").partition("/")
    item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}
    output = [item] if calls else []
    done = [{"type": "response.output_item.done", "output_index": n, "item": item} for n, item in enumerate(output)]
    response = {"id": "r", "status": status, "output": output, "incomplete_details": {"reason": reason or None}}
    return [*done, {"type": f"response.{status}", "response": response}]


def anthropic(word: str | None, *, calls: bool) -> list[Any]:
    block = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}} if calls else {"type": "text", "text": "a"}
    return [
        {"type": "message_start", "message": {"id": "m", "model": "m", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": word}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]


def gemini(word: str | None, *, calls: bool) -> list[Any]:
    part = {"functionCall": {"name": "f", "args": {}}} if calls else {"text": "a"}
    return [{"candidates": [{"content": {"parts": [part], "role": "model"}, "finishReason": word}], "responseId": "r"}]


def antigravity(word: str | None, *, calls: bool) -> list[Any]:
    return [{"response": message} for message in gemini(word, calls=calls)]


def ollama(word: str | None, *, calls: bool) -> list[Any]:
    told = {"tool_calls": [{"function": {"name": "f", "arguments": {}}}]} if calls else {}
    message = {"role": "assistant", "content": "a", **told}
    return [{"model": "m", "message": message, "done": True, **({"done_reason": word} if word else {})}]


MAKERS: dict[str, Callable[..., list[Any]]] = {
    "openai": openai,
    "glm": openai,
    "openai_responses": openai_responses,
    "anthropic": anthropic,
    "gemini": gemini,
    "antigravity": antigravity,
    "ollama": ollama,
}

# The table of section 11, "Incoming": dialect -> our word -> theirs, without a call.
FILTERED = "SAFETY RECITATION LANGUAGE BLOCKLIST PROHIBITED_CONTENT SPII MODEL_ARMOR"
BROKEN = "MALFORMED_RESPONSE UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MISSING_THOUGHT_SIGNATURE"
CHAT = {
    "stop": "stop eos eos_token stop_sequence end_turn",
    "length": "length model_length max_tokens model_context_window_exceeded",
    "tool_calls": "tool_calls function_call tool_use",
    "content_filter": "content_filter refusal sensitive",
    "error": "error insufficient_system_resource network_error abort",
    "unknown": "new_word",
}
GOOGLE = {
    "stop": "STOP CONTINUATION",
    "length": "MAX_TOKENS",
    "content_filter": f"{FILTERED} IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT IMAGE_RECITATION",
    "unknown": "OTHER IMAGE_OTHER NO_IMAGE ESCALATION FINISH_REASON_UNSPECIFIED NEW_WORD",
}
INCOMING: dict[str, dict[str, str]] = {
    "openai": CHAT,
    "glm": CHAT,
    "openai_responses": {
        "stop": "completed",
        "length": "incomplete/max_output_tokens",
        "content_filter": "incomplete/content_filter",
        "unknown": "cancelled incomplete/steered",
    },
    "anthropic": {
        "stop": "end_turn stop_sequence pause_turn",
        "length": "max_tokens model_context_window_exceeded",
        "tool_calls": "tool_use",
        "content_filter": "refusal",
        "unknown": "compaction new_word",
    },
    "gemini": {**GOOGLE, "error": f"MALFORMED_FUNCTION_CALL {BROKEN}"},
    "antigravity": {**GOOGLE, "error": BROKEN.removeprefix("MALFORMED_RESPONSE ")},
    "ollama": {"stop": "stop", "length": "length", "unknown": "load unload new_word"},
}


def ending(name: str, word: str | None, *, calls: bool = False) -> list[Event]:
    make = dialect(name).decoder
    assert make is not None
    decoder = make()
    return [event for message in MAKERS[name](word, calls=calls) for event in decoder.feed(message)] + decoder.finish()


@pytest.mark.parametrize(
    ("name", "word", "reason"),
    [
        (name, word, reason)
        for name, table in INCOMING.items()
        for reason, words in table.items()
        for word in words.split()
    ],
)
def test_a_providers_word_means_one_of_ours_and_is_kept(name: str, word: str, reason: str) -> None:
    (finish,) = (event for event in ending(name, word) if isinstance(event, Finish))
    assert finish.reason == reason
    # Of "incomplete/content_filter" one half is enough: our own word says the other.
    assert finish.raw_reason in word.split("/")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        *(("openai_responses", "completed"), ("gemini", "STOP"), ("antigravity", "STOP"), ("antigravity", "OTHER")),
        *(("ollama", "stop"), ("ollama", None), ("anthropic", "tool_use"), ("openai", "tool_calls")),
    ],
)
def test_an_answer_with_calls_ends_for_them_where_the_word_does_not_say_so(name: str, word: str | None) -> None:
    (finish,) = (event for event in ending(name, word, calls=True) if isinstance(event, Finish))
    assert finish.reason == "tool_calls"


@pytest.mark.parametrize("name", ["gemini", "antigravity"])
def test_a_function_call_that_antigravitys_model_got_wrong_is_a_failure(name: str) -> None:
    events = ending(name, "MALFORMED_FUNCTION_CALL")
    assert any(isinstance(event, Failure) for event in events) == (name == "antigravity")


# Outgoing


def told(name: str, *events: Event) -> list[dict[str, Any]]:
    make = dialect(name).encoder
    assert make is not None
    encoder = make(framing="ndjson")
    return [message for event in events for message in encoder.feed(event)] + encoder.finish()


def word_of(name: str, messages: list[dict[str, Any]]) -> str:
    """The word for the end that the client of a dialect reads; "error" if it reads of an error."""
    last = messages[-1]
    match name:
        case "openai":
            return "error" if "error" in messages[-2] else str(_choices(messages)[-1]["finish_reason"])
        case "openai_responses":
            details = last["response"]["incomplete_details"]
            word = last["type"].removeprefix("response.") + (f"/{details['reason']}" if details else "")
            return "error" if word == "failed" else word
        case "anthropic":
            return "error" if last["type"] == "error" else str(messages[-2]["delta"]["stop_reason"])
        case "gemini" | "antigravity":
            last = last.get("response", last)
            return "error" if "error" in last else str(last["candidates"][0]["finishReason"])
        case "ollama":
            return "error" if "error" in last else str(last["done_reason"])
        case "vercel":
            return "error" if last["type"] == "error" else str(last["messageMetadata"]["finishReason"])
        case _:
            return "error" if last["type"] == "RUN_ERROR" else str(last["type"])


def _choices(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [choice for message in messages for choice in message.get("choices", ())]


# The table of section 11, "Outgoing": our word -> theirs. "calls" stands for "stop" where there are calls to run.
OUTGOING: dict[str, dict[str, str]] = {
    "openai": {
        **dict.fromkeys(("stop", "tool_calls without", "unknown"), "stop"),
        **dict.fromkeys(("calls", "tool_calls"), "tool_calls"),
        "length": "length",
        "content_filter": "content_filter",
    },
    "openai_responses": {
        **dict.fromkeys(("stop", "calls", "tool_calls", "tool_calls without", "unknown"), "completed"),
        "length": "incomplete/max_output_tokens",
        "content_filter": "incomplete/content_filter",
    },
    "anthropic": {
        **dict.fromkeys(("stop", "tool_calls without", "unknown"), "end_turn"),
        **dict.fromkeys(("calls", "tool_calls"), "tool_use"),
        "length": "max_tokens",
        "content_filter": "refusal",
    },
    "gemini": {
        **dict.fromkeys(("stop", "calls", "tool_calls", "tool_calls without"), "STOP"),
        "length": "MAX_TOKENS",
        "content_filter": "SAFETY",
        "unknown": "OTHER",
    },
    "ollama": {
        **dict.fromkeys(("stop", "calls", "tool_calls", "tool_calls without", "content_filter", "unknown"), "stop"),
        "length": "length",
    },
    "vercel": {
        **dict.fromkeys(("stop", "tool_calls without"), "stop"),
        **dict.fromkeys(("calls", "tool_calls"), "tool-calls"),
        "length": "length",
        "content_filter": "content-filter",
        "unknown": "other",
    },
    "ag_ui": dict.fromkeys(
        ("stop", "calls", "tool_calls", "tool_calls without", "length", "content_filter", "unknown"), "RUN_FINISHED"
    ),
}
OUTGOING["antigravity"] = OUTGOING["gemini"]


def test_the_table_has_every_dialect_of_a_client() -> None:
    assert {*OUTGOING, "gai", "gai_v1"} == {name for name in names() if dialect(name).encoder is not None}


@pytest.mark.parametrize("name", OUTGOING)
@pytest.mark.parametrize(
    "reason", ["stop", "calls", "tool_calls", "tool_calls without", "length", "content_filter", "unknown", "error"]
)
def test_our_word_is_told_in_one_that_clients_know(name: str, reason: str) -> None:
    called = [CALL] if reason in ("calls", "tool_calls") else []
    ours = {"calls": "stop", "tool_calls without": "tool_calls"}.get(reason, reason)
    messages = told(name, Start("m"), TextDelta("a"), *called, Finish(ours, Usage(1, 1)))
    assert word_of(name, messages) == OUTGOING[name].get(reason, "error")


@pytest.mark.parametrize("name", OUTGOING)
@pytest.mark.parametrize("provider", [None, "anthropic", "gemini"])
def test_a_call_that_the_provider_runs_is_nothing_to_end_for(name: str, provider: str | None) -> None:
    messages = told(name, Start("m", provider), SERVER_CALL, TextDelta("a"), Finish("stop"))
    assert word_of(name, messages) == OUTGOING[name]["stop"]


@pytest.mark.parametrize(
    ("name", "provider", "reason", "word"),
    [
        ("anthropic", "anthropic", "stop", "pause_turn"),
        ("anthropic", "anthropic", "length", "model_context_window_exceeded"),
        ("anthropic", "anthropic", "unknown", "compaction"),
        *((name, "gemini", "content_filter", "RECITATION") for name in ("gemini", "antigravity")),
        *((name, "gemini", "unknown", "NEW_WORD") for name in ("gemini", "antigravity")),
        *((name, "gemini", "error", "MALFORMED_FUNCTION_CALL") for name in ("gemini", "antigravity")),
        ("ollama", "ollama", "unknown", "load"),
    ],
)
def test_a_dialects_own_word_goes_out_as_it_came(name: str, provider: str, reason: str, word: str) -> None:
    messages = told(name, Start("m", provider), TextDelta("a"), Finish(reason, None, word))
    assert word_of(name, messages) == word


def test_what_the_model_was_told_to_stop_at_reaches_claudes_client() -> None:
    messages = told("anthropic", Start("m", "anthropic"), Finish("stop", None, "stop_sequence", "END"))
    assert messages[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
