"""Chat Completions in one piece."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gai_stream.dialects.openai import OpenAIDecoder, completion_as_chunk
from gai_stream.events import Done, Finish, FinishStep, Start, TextDelta, ToolCall, ToolCallDelta, Usage


def test_an_answer_in_one_piece_is_a_stream_of_one_chunk() -> None:
    completion = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hi",
                    "tool_calls": [
                        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                        {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x":1}'}},
                    ],
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    before = json.dumps(completion)
    decoder = OpenAIDecoder()
    assert [*decoder.feed(completion_as_chunk(completion)), *decoder.finish()] == [
        Start("m", id="chatcmpl-1"),
        TextDelta("Hi"),
        ToolCallDelta(0, "a", "f", "{}"),
        ToolCallDelta(1, "b", "g", '{"x":1}'),
        ToolCall("a", "f", {}, "{}"),
        ToolCall("b", "g", {"x": 1}, '{"x":1}'),
        FinishStep(1),
        Finish("tool_calls", Usage(1, 2, 3), "tool_calls"),
        Done(),
    ]
    assert json.dumps(completion) == before


def test_a_call_free_answer_needs_no_calls() -> None:
    completion = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    assert completion_as_chunk(completion) == {
        "object": "chat.completion.chunk",
        "choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}],
    }


@pytest.mark.parametrize(
    "value",
    [{}, 1, [], {"choices": []}, {"choices": 1}, {"choices": [1]}, {"choices": [{}]}, {"choices": [{"message": 1}]}],
)
def test_what_is_no_completion_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        completion_as_chunk(value)
