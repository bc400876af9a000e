"""Chunks that the event model has no name for, passed on in the shape that a client of each version takes.

An unknown type, field or null ends the whole stream for the user, so nothing else of a raw chunk gets through.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["passed"]

# type: the first major version that knows it, and its required fields.
_CHUNKS: Final[dict[str, tuple[int, dict[str, type]]]] = {
    "message-metadata": (5, {"messageMetadata": object}),
    "file": (5, {"url": str, "mediaType": str}),
    "source-document": (5, {"sourceId": str, "mediaType": str, "title": str}),
    "tool-approval-request": (6, {"approvalId": str, "toolCallId": str}),
    "tool-output-denied": (6, {"toolCallId": str}),
    "custom": (7, {"kind": str}),
    "reasoning-file": (7, {"url": str, "mediaType": str}),
    "tool-approval-response": (7, {"approvalId": str, "approved": bool}),
}


def passed(data: Any, profile: int) -> dict[str, Any] | None:
    """Return what of the raw chunk `data` a client of version `profile` takes; None for nothing."""
    if not isinstance(data, dict) or not isinstance(kind := data.get("type"), str):
        return None
    if kind.startswith("data-"):
        if "data" not in data:
            return None
        options = {"id": str, "transient": bool}
        return {
            "type": kind,
            **{key: data[key] for key, wanted in options.items() if isinstance(data.get(key), wanted)},
            "data": data["data"],
        }
    since, fields = _CHUNKS.get(kind, (profile + 1, {}))
    if profile < since or not all(key in data and isinstance(data[key], wanted) for key, wanted in fields.items()):
        return None
    return {"type": kind, **{key: data[key] for key in fields}}
