"""Token counts under the names that JavaScript clients use: those of the AI SDK and AG-UI, which agree."""

from __future__ import annotations

from typing import Any, Final

from gai_stream.events import Usage

__all__ = ["counts_of", "usage_of"]

_NAMES: Final[dict[str, str]] = {
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
    "total_tokens": "totalTokens",
    "reasoning_tokens": "reasoningTokens",
    "cache_read_tokens": "cachedInputTokens",
    "cache_write_tokens": "cacheWriteInputTokens",
}

_LARGEST: Final = (1 << 53) - 1
"""JavaScript's largest safe integer: AG-UI's client fails the whole run over a count beyond it, or below 0."""


def counts_of(usage: Usage | None) -> dict[str, Any]:
    """Return the counts that are known. The total is the provider's, or else the sum."""
    if usage is None:
        return {}
    counts = {name: getattr(usage, field) for field, name in _NAMES.items()}
    if usage.total_tokens is None and usage.input_tokens is not None and usage.output_tokens is not None:
        counts["totalTokens"] = usage.input_tokens + usage.output_tokens
    return {name: count for name, count in counts.items() if count is not None and 0 <= count <= _LARGEST}


def usage_of(counts: Any) -> Usage | None:
    """Return the counts in `counts` that can be read, or None if there is none."""
    if not isinstance(counts, dict):
        return None
    found = {field: counts.get(name) for field, name in _NAMES.items()}
    usage = Usage(**{field: count for field, count in found.items() if type(count) is int and count >= 0})
    return None if usage == Usage() else usage
