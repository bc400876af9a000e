"""What a message says: its content, text or a list of blocks in any provider's form, and what stands beside it."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from typing import Any, Final

from gai_stream.events import AudioDelta, Citation, Citations, Event, Raw, ReasoningDelta, TextDelta

from .message import Message

__all__ = ["said"]

# Told by `tool_call_chunks` or `tool_calls` already, whatever the provider's package leaves of them in the content.
_CALLS: Final = frozenset(
    ("tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "input_json_delta", "function_call")
)


def said(message: Message) -> list[Event]:
    """Return text, reasoning, citations and audio of `message` in order; blocks without a name for it are Raw."""
    events: list[Event] = []
    content = message.content
    for block in [content] if isinstance(content, str) else content or ():
        if isinstance(block, str):
            events += [TextDelta(block)] if block else []
        else:
            events += _block(block)
    beside = message.extras
    if not any(isinstance(event, ReasoningDelta) for event in events):
        # LangChain's own block form repeats in the content what stands here.
        reasoning = list(_reasoning(beside.get("reasoning_content"), None))
        reasoning += _reasoning(beside.get("reasoning"), None)
        events = [*reasoning, *events]
    if refusal := _text(beside.get("refusal")):
        events.append(TextDelta(refusal, refusal=True))
    audio = beside.get("audio")
    if isinstance(audio, dict):
        events += _audio(audio.get("data"), "pcm16", _text(audio.get("transcript")))
    return events


def _block(block: dict[str, Any]) -> Iterator[Event]:
    kind = block.get("type")
    extras = block.get("extras")
    extras = extras if isinstance(extras, dict) else {}
    seal = _text(block.get("signature")) or _text(extras.get("signature"))
    match kind:
        case "text" | "output_text":
            if text := _text(block.get("text")):
                yield TextDelta(text)
            if seal:
                yield ReasoningDelta("", seal)
            if found := [*_citations(block.get("annotations")), *_citations(block.get("citations"))]:
                yield Citations(found)
        case "thinking":
            yield from _reasoning(block.get("thinking"), seal)
        case "redacted_thinking":
            if data := _text(block.get("data")):
                yield ReasoningDelta("", redacted=data)
        case "reasoning":
            yield from _reasoning(block.get("reasoning") or block.get("summary"), seal)
            if sealed := _text(block.get("encrypted_content")) or _text(extras.get("encrypted_content")):
                yield ReasoningDelta("", sealed)
        case "reasoning_content":
            # Bedrock: {"text"} and then {"signature"}.
            yield from _reasoning(block.get("reasoning_content"), seal)
        case "refusal":
            if refusal := _text(block.get("refusal")):
                yield TextDelta(refusal, refusal=True)
        case "audio" if "base64" in block or "data" in block:
            subtype = _text(block.get("mime_type")).rpartition("/")[2] or None
            yield from _audio(block.get("base64") or block.get("data"), subtype, "")
        case _ if not isinstance(kind, str) or kind not in _CALLS:
            yield Raw("langchain", block)


def _reasoning(value: Any, seal: str | None) -> Iterator[Event]:
    """Yield reasoning from a text, from Bedrock's `{"text", "signature"}`, or from a Responses summary."""
    if isinstance(value, dict):
        seal = seal or _text(value.get("signature"))
        value = value.get("text") or value.get("summary")
    if isinstance(value, list):
        value = "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    text = _text(value)
    if text or seal:
        yield ReasoningDelta(text, seal or None)


def _audio(data: Any, format: str | None, transcript: str) -> Iterator[Event]:
    try:
        sound = b64decode(_text(data), validate=True)
    except (Error, ValueError):
        sound = b""
    if sound or transcript:
        yield AudioDelta(sound, format if sound else None, transcript or None)


def _citations(value: Any) -> Iterator[Citation]:
    """Yield sources as LangChain's own blocks name them, and as Anthropic does."""
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, dict):
            start, end = entry.get("start_index"), entry.get("end_index")
            yield Citation(
                _text(entry.get("url")) or None,
                _text(entry.get("title")) or _text(entry.get("document_title")) or None,
                start if type(start) is int else None,
                end if type(end) is int else None,
                _text(entry.get("cited_text")) or None,
            )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
