"""An answer of OpenAI's Chat Completions in one piece."""

from __future__ import annotations

from typing import Any

__all__ = ["completion_as_chunk"]


def completion_as_chunk(completion: Any) -> dict[str, Any]:
    """Return a `chat.completion` object as the one chunk of a stream that says the same.

    Raises LookupError, TypeError or ValueError for a value that is none.
    """
    choices = []
    for choice in completion["choices"]:
        delta = dict(choice["message"])
        if calls := delta.get("tool_calls"):
            delta["tool_calls"] = [{**call, "index": number} for number, call in enumerate(calls)]
        rest = {key: value for key, value in choice.items() if key != "message"}
        choices.append({**rest, "delta": delta})
    if not choices:
        raise ValueError("choices is empty")
    return {**completion, "object": "chat.completion.chunk", "choices": choices}
