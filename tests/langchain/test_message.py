"""What LangChain's packages put beside the content: reasons, usage, models and providers."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from gai_stream.events import Finish, Start, Usage
from gai_stream.langchain import LangChainDecoder


def end_of(*chunks: Any) -> Finish:
    decoder = LangChainDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.finish()
    (finish,) = (event for event in events if isinstance(event, Finish))
    return finish


def chunk(**more: Any) -> AIMessageChunk:
    return AIMessageChunk("", **more)


@pytest.mark.parametrize(
    ("metadata", "reason", "raw"),
    [
        ({"finish_reason": "stop"}, "stop", "stop"),
        ({"finish_reason": "STOP"}, "stop", "STOP"),
        ({"stop_reason": "end_turn"}, "stop", "end_turn"),
        ({"done_reason": "length", "done": True}, "length", "length"),
        ({"stopReason": "max_tokens"}, "length", "max_tokens"),
        ({"status": "completed"}, "stop", "completed"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            "length",
            "max_output_tokens",
        ),
        ({"status": "incomplete", "incomplete_details": None}, "unknown", "incomplete"),
        ({"stop_reason": "refusal"}, "content_filter", "refusal"),
        ({"finish_reason": "PROHIBITED_CONTENT"}, "content_filter", "PROHIBITED_CONTENT"),
        ({"finish_reason": "MALFORMED_FUNCTION_CALL"}, "error", "MALFORMED_FUNCTION_CALL"),
        ({"finish_reason": "bored"}, "unknown", "bored"),
        ({"finish_reason": ["stop"]}, "unknown", None),
        ({}, "unknown", None),
    ],
)
def test_every_packages_reason_is_found(metadata: dict[str, Any], reason: str, raw: str | None) -> None:
    finish = end_of(chunk(response_metadata=metadata))
    assert (finish.reason, finish.raw_reason) == (reason, raw)


def test_a_message_that_calls_tools_stopped_for_that() -> None:
    call = {"name": "f", "args": "{}", "id": "c", "index": None}
    for reason in ({"finish_reason": "STOP"}, {}):
        assert end_of(chunk(tool_call_chunks=[call]), chunk(response_metadata=reason)).reason == "tool_calls"


def test_usage_is_added_up() -> None:
    first: Any = {
        "input_tokens": 10,
        "output_tokens": 1,
        "total_tokens": 11,
        "input_token_details": {"cache_read": 4, "cache_creation": 0, "ephemeral_5m_input_tokens": 3},
    }
    more: Any = {"input_tokens": 0, "output_tokens": 5, "total_tokens": 5, "output_token_details": {"reasoning": 2}}
    assert end_of(chunk(usage_metadata=first), chunk(usage_metadata=more)).usage == Usage(10, 6, 16, 2, 4, 3)
    assert end_of(chunk()).usage is None
    assert end_of({"type": "ai", "content": "", "usage_metadata": {"input_tokens": 1}}).usage == Usage(1)


@pytest.mark.parametrize(
    ("told", "run", "start"),
    [
        ({"model_name": "m", "model_provider": "google_genai"}, None, Start("m", "gemini")),
        ({"model": "m"}, {"ls_provider": "azure", "ls_model_name": "x"}, Start("m", "openai")),
        ({}, {"ls_provider": "anthropic", "ls_model_name": "x"}, Start("x", "anthropic")),
        ({"model_name": 7, "model_provider": ""}, {"ls_provider": None}, Start()),
    ],
)
def test_the_start_names_model_and_provider(told: Any, run: Any, start: Start) -> None:
    piece = chunk(response_metadata=told)
    events = LangChainDecoder().feed((piece, run) if run is not None else piece)
    assert events == [start]


@pytest.mark.parametrize("junk", [7, "text", [1], {"finish_reason": {}, "reasoning_content": 7, "audio": [1]}])
def test_strange_extras_cost_nothing(junk: Any) -> None:
    message = {"type": "AIMessageChunk", "content": "Hi", "additional_kwargs": junk, "response_metadata": junk}
    assert len(LangChainDecoder().feed(message)) == 2
