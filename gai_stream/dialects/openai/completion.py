"""An answer in one piece, as servers give it that do not stream: read as a chunk, and made of chunks."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any, Final

__all__ = ["chunks_as_completion", "completion_as_chunk"]

# The kinds of calls, and where each has what it is called with.
_PARTS: Final = (("function", "arguments"), ("custom", "input"))


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


def chunks_as_completion(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the `chat.completion` object that OpenAIEncoder's chunks amount to, or the error that ends them."""
    choices: dict[int, _Choice] = {}
    head: dict[str, Any] = {}
    for chunk in chunks:
        if "error" in chunk:
            return chunk
        if chunk.get("object") != "chat.completion.chunk":
            # The end, or a raw event.
            continue
        head = {**head, **chunk}
        for choice in chunk["choices"]:
            told = choices.setdefault(choice["index"], _Choice())
            told.take(choice["delta"])
            told.reason = choice["finish_reason"]
    whole = [
        {"index": index, "message": choice.message(), "logprobs": None, "finish_reason": choice.reason}
        for index, choice in sorted(choices.items())
    ]
    return {**head, "object": "chat.completion", "choices": whole}


class _Choice:
    """One choice, put together from its deltas."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._texts: dict[str, list[str]] = {"content": [], "refusal": [], "reasoning_content": []}
        self._calls: list[dict[str, Any]] = []
        self._arguments: list[list[str]] = []
        self._annotations: list[dict[str, Any]] = []
        self._audio: dict[str, Any] = {}
        self._sound: list[bytes] = []
        self._transcript: list[str] = []

    def take(self, delta: dict[str, Any]) -> None:
        for key, pieces in self._texts.items():
            pieces.append(delta.get(key) or "")
        for entry in delta.get("tool_calls", ()):
            self._take_call(entry)
        self._annotations += delta.get("annotations", ())
        audio = delta.get("audio", {})
        self._sound.append(b64decode(audio.get("data", "")))
        self._transcript.append(audio.get("transcript", ""))
        self._audio |= audio

    def _take_call(self, entry: dict[str, Any]) -> None:
        if "id" in entry:
            self._calls.append({key: value for key, value in entry.items() if key != "index"})
            self._arguments.append([])
        index = entry["index"]
        self._arguments[index] += [entry[kind][key] for kind, key in _PARTS if key in entry.get(kind, ())]
        if "extra_content" in entry:
            self._calls[index]["extra_content"] = entry["extra_content"]

    def message(self) -> dict[str, Any]:
        content, refusal, reasoning = ("".join(pieces) for pieces in self._texts.values())
        # The API says null of a content that there is none of, beside something else.
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": refusal or None}
        if not content and (refusal or self._calls or self._audio):
            message["content"] = None
        if reasoning:
            message["reasoning_content"] = reasoning
        if self._calls:
            message["tool_calls"] = [
                {**call, kind: {**call[kind], key: "".join(pieces)}}
                for call, pieces in zip(self._calls, self._arguments, strict=True)
                for kind, key in _PARTS
                if kind in call
            ]
        if self._annotations:
            message["annotations"] = [
                {key: value for key, value in entry.items() if key != "index"} for entry in self._annotations
            ]
        if self._audio:
            data = b64encode(b"".join(self._sound)).decode()
            message["audio"] = {**self._audio, "data": data, "transcript": "".join(self._transcript)}
        return message
