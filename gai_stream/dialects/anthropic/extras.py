"""What stands beside the official fields, in shapes that differ from tool to tool. Never raises."""

from __future__ import annotations

from typing import Any

from gai_stream.events import Citation, Safety

from .wire import Block, Ending

__all__ = ["citation", "failure_of", "verdict"]


def citation(entry: object) -> Citation | None:
    """Return a source of what a block says, in whichever of its forms; None if it names nothing."""
    if not isinstance(entry, dict):
        return None
    uri = _first_text(entry, "url", "source")
    title = _first_text(entry, "title", "document_title")
    text = _first_text(entry, "cited_text")
    return Citation(uri, title, None, None, text) if uri or title or text else None


def verdict(ending: Ending) -> Safety | None:
    """Return what is said of a refusal, if the answer is one."""
    details = ending.stop_details if isinstance(ending.stop_details, dict) else {}
    if ending.stop_reason != "refusal" and details.get("type") != "refusal":
        return None
    return Safety(_first_text(details, "category") or "refusal", "block", None, _first_text(details, "explanation"))


def _first_text(entry: dict[str, Any], *names: str) -> str | None:
    return next((value for name in names if isinstance(value := entry.get(name), str) and value), None)


def failure_of(block: Block) -> str | None:
    """Return what went wrong in a tool that the provider ran: `{"error_code": ...}`, or words marked `is_error`."""
    content = block.content
    if isinstance(content, dict) and isinstance(code := content.get("error_code"), str):
        return code
    if block.is_error is not True:
        return None
    if isinstance(content, str):
        return content or "error"
    parts = content if isinstance(content, list) else []
    words = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return "".join(words) or "error"
