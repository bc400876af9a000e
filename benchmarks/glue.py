"""What one writes by hand to carry a model's stream into another dialect: plain `json`, string formatting, one pass.

It knows text, the finish reason and token counts, and nothing else: no tool calls, no errors, no other line ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["TARGETS", "Target", "carry", "read_text"]


@dataclass(frozen=True)
class Target:
    """How a dialect writes the parts of an answer, and how its client finds the text in a payload."""

    begin: Callable[[dict[str, Any]], str]
    text: Callable[[dict[str, Any], str], str]
    end: Callable[[dict[str, Any], str, dict[str, Any]], str]
    text_of: Callable[[dict[str, Any]], str]


def _block(payload: dict[str, Any], event: str = "") -> str:
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(payload)}\n\n"


def _openai_chunk(chunk: dict[str, Any], delta: dict[str, Any], reason: str | None = None) -> str:
    head = {"id": chunk["id"], "object": chunk["object"], "created": chunk["created"], "model": chunk["model"]}
    return _block({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


def _openai_end(chunk: dict[str, Any], reason: str, usage: dict[str, Any]) -> str:
    tail = _block({"id": chunk["id"], "object": chunk["object"], "choices": [], "usage": usage})
    return f"{_openai_chunk(chunk, {}, reason)}{tail}data: [DONE]\n\n"


def _openai_text(payload: dict[str, Any]) -> str:
    choices = payload["choices"]
    return choices[0]["delta"].get("content") or "" if choices else ""


def _claude_begin(chunk: dict[str, Any]) -> str:
    message = {"id": chunk["id"], "type": "message", "role": "assistant", "model": chunk["model"], "content": []}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    start = {**message, "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 0, "output_tokens": 0}}
    return _block({"type": "message_start", "message": start}, "message_start") + _block(block, "content_block_start")


def _claude_text(chunk: dict[str, Any], text: str) -> str:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    return _block(delta, "content_block_delta")


def _claude_end(chunk: dict[str, Any], reason: str, usage: dict[str, Any]) -> str:
    delta = {"stop_reason": "end_turn" if reason == "stop" else "max_tokens", "stop_sequence": None}
    counts = {"output_tokens": usage.get("completion_tokens", 0)}
    return (
        _block({"type": "content_block_stop", "index": 0}, "content_block_stop")
        + _block({"type": "message_delta", "delta": delta, "usage": counts}, "message_delta")
        + _block({"type": "message_stop"}, "message_stop")
    )


def _claude_text_of(payload: dict[str, Any]) -> str:
    text: str = payload["delta"]["text"] if payload["type"] == "content_block_delta" else ""
    return text


def _gai_end(chunk: dict[str, Any], reason: str, usage: dict[str, Any]) -> str:
    counts = {"input_tokens": usage.get("prompt_tokens"), "output_tokens": usage.get("completion_tokens")}
    return _block({"reason": reason, "usage": counts}, "finish") + _block({"finished": True}, "done")


TARGETS = {
    "openai": Target(
        lambda chunk: _openai_chunk(chunk, {"role": "assistant", "content": ""}),
        lambda chunk, text: _openai_chunk(chunk, {"content": text}),
        _openai_end,
        _openai_text,
    ),
    "gai": Target(
        lambda chunk: _block({"started": True, "model": chunk["model"]}, "start"),
        lambda chunk, text: _block({"text": text}, "text_delta"),
        _gai_end,
        lambda payload: payload.get("text", ""),
    ),
    "anthropic": Target(_claude_begin, _claude_text, _claude_end, _claude_text_of),
}


def carry(chunks: list[bytes], target: Target) -> Iterator[bytes]:
    """Yield what the client is sent for each chunk of an OpenAI stream: b"" for one that tells it nothing."""
    rest = b""
    chunk: dict[str, Any] = {}
    reason = "stop"
    usage: dict[str, Any] = {}
    for data in chunks:
        *blocks, rest = (rest + data).split(b"\n\n")
        out = ""
        for block in blocks:
            if block == b"data: [DONE]":
                out += target.end(chunk, reason, usage)
                continue
            began = bool(chunk)
            chunk = json.loads(block.removeprefix(b"data: "))
            if not began:
                out += target.begin(chunk)
            usage = chunk.get("usage") or usage
            for choice in chunk["choices"]:
                if text := choice["delta"].get("content"):
                    out += target.text(chunk, text)
                reason = choice["finish_reason"] or reason
        yield out.encode()


def read_text(data: bytes, target: Target) -> list[str]:
    """Return the pieces of text in whole blocks of that dialect, as its client reads them."""
    pieces = []
    for block in data.decode().split("\n\n")[:-1]:
        payload = block.partition("data: ")[2]
        if payload != "[DONE]" and (text := target.text_of(json.loads(payload))):
            pieces.append(text)
    return pieces
