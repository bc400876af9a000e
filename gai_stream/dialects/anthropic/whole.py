"""An answer in one piece: what the messages of a stream amount to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gai_stream import _json
from gai_stream.exceptions import DecodeError

__all__ = ["whole"]


def whole(messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the body of an answer that is not streamed; that of an error, if the stream ended in one.

    A tool call whose arguments were cut is left out: `input` has to be an object.
    """
    body: dict[str, Any] = {}
    content: list[dict[str, Any]] = []
    inputs: dict[int, str] = {}
    for message in messages:
        match message["type"]:
            case "message_start":
                body = message["message"] | {"content": []}
            case "content_block_start":
                content.append(dict(message["content_block"]))
            case "content_block_delta":
                _grow(content[message["index"]], message["delta"], message["index"], inputs)
            case "message_delta":
                body |= message["delta"] | {"usage": message["usage"]}
            case "error":
                return message
    for index, text in inputs.items():
        content[index]["input"] = _input(text)
    body["content"] = [
        block for index, block in enumerate(content) if index not in inputs or block["input"] is not None
    ]
    if body["stop_reason"] == "tool_use" and not any(block["type"] == "tool_use" for block in body["content"]):
        body["stop_reason"] = "end_turn"
    return body


def _grow(block: dict[str, Any], delta: dict[str, Any], index: int, inputs: dict[int, str]) -> None:
    match block["type"], delta["type"]:
        case "text", "text_delta":
            block["text"] += delta["text"]
        case "thinking", "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "thinking", "signature_delta":
            block["signature"] = delta["signature"]
        case "text", "citations_delta":
            block["citations"] = [*block.get("citations", ()), delta["citation"]]
        case "tool_use" | "server_tool_use", "input_json_delta":
            inputs[index] = inputs.get(index, "") + delta["partial_json"]
        case _:
            # A block that was passed on without our knowing it: what its deltas name, it has.
            block |= {key: value for key, value in delta.items() if key != "type"}


def _input(text: str) -> dict[str, Any] | None:
    try:
        value = _json.loads(text.strip() or "{}")
    except DecodeError:
        return None
    return value if isinstance(value, dict) else None
