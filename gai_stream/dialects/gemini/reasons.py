"""Google's words for why an answer ended, and ours."""

from __future__ import annotations

from typing import Final

from gai_stream.dialects._calls import CUT

__all__ = ["BLOCK_REASONS", "EARLY_ENDS", "FINISH_REASONS"]

FINISH_REASONS: Final[dict[str, str]] = {
    **dict.fromkeys(("STOP", "CONTINUATION"), "stop"),
    "MAX_TOKENS": "length",
    **dict.fromkeys(("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"), "content_filter"),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR"), "content_filter"),
    **dict.fromkeys(("MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL"), "error"),
    **dict.fromkeys(("TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"), "error"),
}
"""A candidate's `finishReason` in our terms; what is not here, such as OTHER, is "unknown"."""

BLOCK_REASONS: Final = frozenset(
    ("SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK")
)
"""The values of `promptFeedback.blockReason`, all of them "content_filter" to us."""

EARLY_ENDS: Final = (*CUT, "error")
"""Our reasons after which a tool call that is not whole was cut off rather than badly written."""
