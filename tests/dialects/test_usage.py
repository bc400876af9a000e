"""Token counts: every provider's in ours, and ours as every client wants them."""

from __future__ import annotations

from typing import Any

import pytest

from gai_stream.dialects.registry import dialect
from gai_stream.events import Event, Finish, Start, TextDelta, Usage


def usage_of(name: str, *messages: Any) -> Usage | None:
    """The usage that an answer ends with."""
    make = dialect(name).decoder
    assert make is not None
    decoder = make()
    events: list[Event] = [event for message in messages for event in decoder.feed(message)] + decoder.finish()
    (finish,) = (event for event in events if isinstance(event, Finish))
    return finish.usage


def chunk(*, reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": reason}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more}


def counts(prompt: Any, completion: Any, total: Any = None, **more: Any) -> dict[str, Any]:
    told = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    return {key: value for key, value in told.items() if value is not None} | more


DETAILS = {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 3}}
LAST = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": []}
END = chunk(reason="stop")

# The table of section 12, "Incoming".
FULL = Usage(10, 5, 15)
CACHED = Usage(10, 5, 15, None, 4)
XAI = counts(496, 77, 694, completion_tokens_details={"reasoning_tokens": 121})
DEEPSEEK = counts(10, 5, 15, prompt_cache_hit_tokens=4, prompt_cache_miss_tokens=6)
GROQ = {"id": "r", "usage": counts(10, 5, 15)}
MOONSHOT = {**END["choices"][0], "usage": counts(10, 5, 15, cached_tokens=4)}
CHAT = [
    ("the last chunk's", [END, {**LAST, "usage": counts(10, 5, 15, **DETAILS)}], Usage(10, 5, 15, 3, 4)),
    ("xAI's, without reasoning", [END, {**LAST, "usage": XAI}], Usage(496, 198, 694, 121)),
    ("DeepSeek's", [chunk(reason="stop", usage=DEEPSEEK)], CACHED),
    ("Groq's", [chunk(reason="stop", x_groq=GROQ)], FULL),
    ("Groq's, said twice", [chunk(reason="stop", usage=counts(11, 5, 16), x_groq=GROQ)], Usage(11, 5, 16)),
    ("Moonshot's", [{**LAST, "choices": [MOONSHOT]}], CACHED),
    ("on every chunk", [chunk(usage=counts(10, 1, 11)), chunk(reason="stop", usage=counts(10, 5, 15)), END], FULL),
    ("without a total", [END, {**LAST, "usage": counts(10, 5)}], FULL),
    ("in part", [END, {**LAST, "usage": counts(None, 5)}], Usage(None, 5)),
    ("null", [END, {**LAST, "usage": None}], None),
    ("empty", [END, {**LAST, "usage": {}}], None),
]


@pytest.mark.parametrize("name", ["openai", "glm"])
@pytest.mark.parametrize(("messages", "usage"), [case[1:] for case in CHAT], ids=[case[0] for case in CHAT])
def test_chat_completions(name: str, messages: list[Any], usage: Usage | None) -> None:
    assert usage_of(name, *messages, "[DONE]") == usage


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (
            {
                "input_tokens": 10,
                "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
                "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 3},
                "total_tokens": 15,
            },
            Usage(10, 5, 15, 3, 4, 2),
        ),
        ({"input_tokens": 10, "output_tokens": 5}, Usage(10, 5, 15)),
        ({"input_tokens": float("inf"), "output_tokens": 5}, Usage(None, 5)),
        ({}, None),
        (None, None),
    ],
)
def test_responses(told: Any, usage: Usage | None) -> None:
    response = {"id": "r", "object": "response", "status": "completed", "output": [], "usage": told}
    assert usage_of("openai_responses", {"type": "response.completed", "response": response}) == usage


@pytest.mark.parametrize(
    ("first", "last", "usage"),
    [
        ({"input_tokens": 10, "output_tokens": 1}, {"output_tokens": 5}, Usage(10, 5, 15)),
        (
            {"input_tokens": 4, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 4, "output_tokens": 1},
            {"output_tokens": 5, "output_tokens_details": {"thinking_tokens": 3}},
            Usage(10, 5, 15, 3, 4, 2),
        ),
        # Newer servers repeat the counts, which server tools may have raised: what comes last is right, key by key.
        (
            {"input_tokens": 1, "cache_read_input_tokens": 4, "output_tokens": 1},
            {"input_tokens": 6, "output_tokens": 5},
            Usage(10, 5, 15, None, 4),
        ),
        # A gateway's nulls are no counts.
        ({"input_tokens": None, "output_tokens": None}, {"input_tokens": 10, "output_tokens": 5}, Usage(10, 5, 15)),
    ],
)
def test_anthropic(first: Any, last: Any, usage: Usage) -> None:
    start = {"type": "message_start", "message": {"id": "m", "model": "m", "content": [], "usage": first}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last}
    assert usage_of("anthropic", start, end, {"type": "message_stop"}) == usage


def test_anthropics_usage_may_come_with_the_stop() -> None:
    start = {"type": "message_start", "message": {"id": "m", "model": "m", "content": []}}
    stop = {"type": "message_stop", "usage": {"input_tokens": 10, "output_tokens": 5}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    assert usage_of("anthropic", start, end, stop) == Usage(10, 5, 15)


@pytest.mark.parametrize("name", ["gemini", "antigravity"])
@pytest.mark.parametrize(
    ("told", "usage"),
    [
        # 44 + 608 + 902 = 1554, and 91 + 574 + 93 + 211 = 969, as recorded.
        (
            {"promptTokenCount": 44, "candidatesTokenCount": 608, "thoughtsTokenCount": 902, "totalTokenCount": 1554},
            Usage(44, 1510, 1554, 902),
        ),
        (
            {
                "promptTokenCount": 91,
                "candidatesTokenCount": 93,
                "thoughtsTokenCount": 211,
                "toolUsePromptTokenCount": 574,
                "totalTokenCount": 969,
            },
            Usage(665, 304, 969, 211),
        ),
        (
            {"promptTokenCount": 10, "candidatesTokenCount": 5, "cachedContentTokenCount": 4},
            Usage(10, 5, 15, None, 4),
        ),
        ({"promptTokenCount": 10, "totalTokenCount": 10}, Usage(10, None, 10)),
        ({}, None),
    ],
)
def test_gemini(name: str, told: dict[str, int], usage: Usage | None) -> None:
    candidate = {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}
    chunk: dict[str, Any] = {"candidates": [candidate], "usageMetadata": told, "responseId": "r"}
    assert usage_of(name, chunk if name == "gemini" else {"response": chunk}) == usage


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_eval_count": 10, "eval_count": 5}, Usage(10, 5, 15)),
        # The prompt was cached.
        ({"eval_count": 5}, Usage(None, 5)),
        ({}, None),
    ],
)
def test_ollama(told: dict[str, int], usage: Usage | None) -> None:
    line = {"model": "m", "message": {"role": "assistant", "content": "a"}, "done": True, "done_reason": "stop"}
    assert usage_of("ollama", {**line, **told}) == usage


# Outgoing

ALL = Usage(10, 5, 15, 3, 4, 2)


def told(name: str, usage: Usage | None) -> Any:
    """What a client reads of `usage`; None if it reads nothing."""
    make = dialect(name).encoder
    assert make is not None
    encoder = make(framing="ndjson")
    events = [Start("m"), TextDelta("a"), Finish("stop", usage)]
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    last = messages[-1]
    match name:
        case "openai":
            return messages[-2].get("usage")
        case "openai_responses":
            return last["response"]["usage"]
        case "anthropic":
            return messages[-2]["usage"]
        case "gemini":
            return last["usageMetadata"]
        case "antigravity":
            return last["response"]["usageMetadata"]
        case "ollama":
            return {key: last[key] for key in ("prompt_eval_count", "eval_count")}
        case "vercel":
            return last["messageMetadata"].get("usage")
        case _:
            return last.get("usage")


GOOGLE = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 2,
    "totalTokenCount": 15,
    "thoughtsTokenCount": 3,
    "cachedContentTokenCount": 4,
}
JAVASCRIPT = {
    "inputTokens": 10,
    "outputTokens": 5,
    "totalTokens": 15,
    "reasoningTokens": 3,
    "cachedInputTokens": 4,
    "cacheWriteInputTokens": 2,
}


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        (
            "openai",
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
        ),
        (
            "openai_responses",
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "total_tokens": 15,
                "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
                "output_tokens_details": {"reasoning_tokens": 3},
            },
        ),
        (
            "anthropic",
            {
                "input_tokens": 4,
                "cache_creation_input_tokens": 2,
                "cache_read_input_tokens": 4,
                "output_tokens": 5,
            },
        ),
        ("gemini", GOOGLE),
        ("antigravity", GOOGLE),
        ("ollama", {"prompt_eval_count": 10, "eval_count": 5}),
        ("vercel", JAVASCRIPT),
        ("ag_ui", [{"model": "m", **JAVASCRIPT}]),
    ],
)
def test_all_counts_are_told(name: str, counts: Any) -> None:
    assert told(name, ALL) == counts


ZERO = {"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0}


@pytest.mark.parametrize("usage", [None, Usage()])
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        # These clients require numbers.
        (
            "anthropic",
            {
                "input_tokens": 0,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": 0,
            },
        ),
        ("gemini", ZERO),
        ("antigravity", ZERO),
        ("ollama", {"prompt_eval_count": 0, "eval_count": 0}),
        *((name, None) for name in ("openai", "openai_responses", "vercel", "ag_ui")),
    ],
)
def test_unknown_counts_are_0_only_where_a_client_needs_them(name: str, counts: Any, usage: Usage | None) -> None:
    assert told(name, usage) == counts


def test_no_count_is_negative_however_wrong_the_provider_counts() -> None:
    wrong = Usage(1, 2, 3, 5, 4, 4)
    assert told("anthropic", wrong)["input_tokens"] == 0
    assert told("gemini", wrong)["candidatesTokenCount"] == 0
