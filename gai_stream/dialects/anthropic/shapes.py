"""Our events in Anthropic's words: values that go into the messages."""

from __future__ import annotations

from typing import Any, Final

from gai_stream import _json
from gai_stream.dialects._calls import CUT, Piece, legal_id, made_up_id
from gai_stream.events import Citation, Finish, Safety, Start, ToolResult, Usage

from .wire import REASONS

__all__ = [
    "arguments",
    "citations",
    "message",
    "result_block",
    "stop_details",
    "stop_reason",
    "usage",
    "wire_id",
]

_LONGEST_ID: Final = 256


def wire_id(id: str) -> str:
    """Return `id` as the API takes it back: as it is if it can be."""
    return legal_id(id, longest=_LONGEST_ID)


def message(start: Start, *, model: str | None, id: str | None) -> dict[str, Any]:
    """Return the message that is about to come. `model` and `id` replace what `start` says."""
    if id is None and start.id:
        id = wire_id(start.id if start.id.startswith("msg_") else f"msg_{start.id}")
    return {
        "id": id or made_up_id(prefix="msg_"),
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": start.model or "" if model is None else model,
        "stop_reason": None,
        "stop_sequence": None,
        # The counts at the end replace these.
        "usage": usage(Usage()),
    }


def usage(usage: Usage, *, details: bool = False) -> dict[str, Any]:
    """Return `usage`: input without what came from a cache or went into one, and 0 for what is not known.

    `details` tells of reasoning too, where it is known.
    """
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    counts: dict[str, Any] = {
        "input_tokens": max((usage.input_tokens or 0) - read - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage.output_tokens or 0,
    }
    if details and usage.reasoning_tokens is not None:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return counts


def stop_reason(finish: Finish, *, calling: bool, refused: bool, own: bool) -> str:
    """Return why the answer ended: in a word that clients know, and in Anthropic's own where that says the same.

    `calling` says that there are tools to run, `refused` that the text is a refusal, `own` that Anthropic answered.
    """
    reason, raw = finish.reason, finish.raw_reason or ""
    word = raw if raw != "tool_use" and REASONS.get(raw) == reason else None
    if reason == "length":
        return word or "max_tokens"
    if reason in CUT:
        return "refusal"
    # Clients wait for a tool if and only if there is one to run, whatever the provider says.
    if calling and raw != "pause_turn":
        return "tool_use"
    if refused:
        return "refusal"
    if finish.stop_sequence is not None:
        return "stop_sequence"
    return word or (raw if raw and reason == "unknown" and own else "end_turn")


def stop_details(verdict: Safety) -> dict[str, Any]:
    """Return what is said of a refusal."""
    category = None if verdict.category == "refusal" else verdict.category
    return {"type": "refusal", "category": category, "explanation": verdict.note}


def arguments(piece: Piece, *, cut: bool) -> str:
    """Return the JSON that a piece of a call brings. `cut` says that the answer ended early."""
    text = piece.arguments
    if piece.call.kind == "custom":
        # Free text: an object is all that Claude's clients know.
        text = _json.dumps(text).decode()[1:-1]
        before = '{"input":"' if piece.begins else ""
        return before + text + ('"}' if piece.ends and (piece.whole or not cut) else "")
    if text == "{}" and piece.whole is not None and not piece.whole.arguments.strip():
        # The API sends nothing for a call without arguments.
        return ""
    return text


def result_block(event: ToolResult) -> dict[str, Any]:
    """Return the block that tells what a tool gave that Anthropic ran."""
    # Both searches for tools, by regular expression and by words, answer in blocks of one type.
    name = "tool_search" if event.name.startswith("tool_search_tool_") else event.name
    content = event.result
    if content is None and event.error is not None:
        content = {"type": f"{name}_tool_result_error", "error_code": event.error}
    return {"type": f"{name}_tool_result", "tool_use_id": wire_id(event.id), "content": content}


def citations(citations: list[Citation]) -> list[dict[str, Any]]:
    """Return the deltas that name `citations`: the dialect knows web pages, and documents that the client sent."""
    return [
        {
            "type": "citations_delta",
            "citation": {
                "type": "web_search_result_location",
                "url": citation.uri,
                "title": citation.title,
                "cited_text": citation.text or "",
                "encrypted_index": "",
            },
        }
        for citation in citations
        if citation.uri
    ]
