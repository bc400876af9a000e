"""What a real client must see of a recording, in whichever dialect: told by the corpus, not by our code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from .recordings import Recording

__all__ = ["Seen", "differences", "expected"]


class Seen(NamedTuple):
    """What a client makes of an answer.

    `text` is all that was said, refusals included; `calls` are the names and inputs of the tool calls in order;
    `reason` is in the client's own words; `usage` is input tokens with cached ones, and output tokens with reasoning.
    None is what a client does not show.
    """

    text: str = ""
    reasoning: str = ""
    calls: Sequence[tuple[str, Any]] = ()
    reason: str | None = None
    usage: tuple[int, int] | None = None
    error: str | None = None


_STOPS: Final = {
    "stop": "stop",
    "completed": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "STOP": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "SAFETY": "content_filter",
}

# What each client calls it. Sets where two words are right: a dialect's own word comes back unchanged.
_WORDS: Final[dict[str, dict[str, str]]] = {
    "openai": {"unknown": "stop"},
    "openai_responses": {
        "stop": "completed",
        "tool_calls": "completed",
        "unknown": "completed",
        "length": "max_output_tokens",
    },
    "anthropic": {
        "stop": "end_turn",
        "unknown": "end_turn",
        "length": "max_tokens",
        "tool_calls": "tool_use",
        "content_filter": "refusal",
    },
    "gemini": {
        "stop": "STOP",
        "tool_calls": "STOP",
        "length": "MAX_TOKENS",
        "content_filter": "SAFETY",
        "unknown": "OTHER",
    },
    "ollama": {"tool_calls": "stop", "content_filter": "stop", "unknown": "stop"},
    "vercel": {"tool_calls": "tool-calls", "content_filter": "content-filter", "unknown": "other"},
    "ag_ui": {},
}


def expected(recording: Recording, target: str) -> Seen:
    """Return what a client of the dialect `target` must see."""
    wanted = recording.wanted
    error = wanted.get("error") or wanted.get("nonstandard_error_line", {}).get("error")
    message = error if isinstance(error, str) else error["message"] if error else None
    calls = [
        (call["name"], _input(call, target)) for call in wanted["tool_calls"] if not call.get("arguments_invalid_json")
    ]
    return Seen(
        text=wanted["text"] + wanted.get("refusal", ""),
        reasoning=wanted["reasoning"],
        calls=calls,
        reason=None if message else _reason(recording, target, bool(calls)),
        usage=None if message else _usage(recording, target),
        error=message,
    )


def _input(call: dict[str, Any], target: str) -> Any:
    # Free text has no place where an input must be an object.
    custom = call.get("type") == "custom_tool_call"
    return {"input": call["arguments"]} if custom and target in ("anthropic", "gemini", "ollama") else call["arguments"]


def _reason(recording: Recording, target: str, calls: bool) -> str | None:
    wanted = recording.wanted
    raw = wanted.get("incomplete_reason") or wanted.get("finish_reason")
    if target in ("gai", "gai_v1"):
        word = wanted.get("finish_reason") or wanted.get("prompt_feedback", {}).get("blockReason")
        return None if word is None else str(word)
    if recording.dialect == target and raw is not None:
        # Its own word comes back.
        return str(raw)
    normal = "content_filter" if wanted.get("prompt_feedback") else _STOPS.get(str(raw), "unknown")
    if normal == "stop" and calls:
        normal = "tool_calls"
    if wanted.get("refusal") and target in ("anthropic", "gemini"):
        # These have no other place for it.
        normal = "content_filter"
    if target == "ag_ui":
        return "finished"
    return _WORDS[target].get(normal, normal)


def _usage(recording: Recording, target: str) -> tuple[int, int] | None:
    wanted = recording.wanted
    told = wanted.get("usage")
    if told is None:
        # These clients demand a number, and the others do without.
        return (0, 0) if target in ("anthropic", "gemini", "ollama") else None
    input, output = told.get("input_tokens"), told.get("output_tokens")
    if recording.dialect == "anthropic":
        input += (told.get("cache_read_tokens") or 0) + (told.get("cache_write_tokens") or 0)
    elif recording.dialect in ("gemini", "antigravity"):
        raw = wanted["usage_raw"]
        input = raw.get("promptTokenCount", 0) + raw.get("toolUsePromptTokenCount", 0)
        output = raw.get("candidatesTokenCount", 0) + raw.get("thoughtsTokenCount", 0)
    elif recording.name.startswith("xai/"):
        output += told["reasoning_tokens"]
    return input or 0, output or 0


def differences(seen: Seen, wanted: Seen, recording: Recording) -> list[str]:
    """Return in words what a client saw that it must not see, or missed; nothing where all is well."""
    found = []
    cut = [call["name"] for call in recording.wanted["tool_calls"] if call.get("arguments_invalid_json")]
    calls = [call for call in seen.calls if call[0] not in cut]
    for what, is_, must in (
        ("text", seen.text, wanted.text),
        ("tool calls", calls, wanted.calls),
        ("reasoning", seen.reasoning, wanted.reasoning),
        ("finish reason", seen.reason, wanted.reason),
        ("usage", seen.usage, wanted.usage),
    ):
        if wanted.error is not None and what in ("finish reason", "usage"):
            continue
        if is_ != must:
            found.append(f"{what}: {str(is_)[:200]!r} instead of {str(must)[:200]!r}")
    if (seen.error is None) != (wanted.error is None) or (wanted.error or "") not in (seen.error or ""):
        found.append(f"error: {seen.error!r} instead of {wanted.error!r}")
    return found
