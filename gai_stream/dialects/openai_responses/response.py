"""The response object, which the events of an answer's beginning and end carry, and what stands in it."""

from __future__ import annotations

from typing import Any, Final

from gai_stream.dialects._encoder import known
from gai_stream.dialects.openai.errors import error_object
from gai_stream.events import Citation, Failure, Usage

__all__ = ["annotation", "error_event", "failed", "response", "usage_object"]

# The words that clients look for in a failed response; all others are of the server.
_CODES: Final[dict[str, str]] = {
    "rate_limited": "rate_limit_exceeded",
    "context_length_exceeded": "context_length_exceeded",
    "invalid_request": "invalid_prompt",
    "unsupported": "invalid_prompt",
    "safety_blocked": "invalid_prompt",
}


def response(
    head: dict[str, Any],
    status: str,
    output: list[dict[str, Any]],
    *,
    usage: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
    incomplete: str | None = None,
) -> dict[str, Any]:
    """Return the answer as a whole, with all that the SDKs' model requires, null where a request would have said it."""
    return {
        **head,
        "status": status,
        "background": False,
        "error": error,
        "incomplete_details": None if incomplete is None else {"reason": incomplete},
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": None,
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": usage,
        "user": None,
    }


def usage_object(usage: Usage | None) -> dict[str, Any] | None:
    """Return `usage` as the API words it, or None if it has no count: clients take every count for a number."""
    if usage is None or usage == Usage():
        return None
    input, output = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": input,
        "input_tokens_details": {
            # The API itself left it out for long: the only count that clients do not rely on.
            **known(cache_write_tokens=usage.cache_write_tokens),
            "cached_tokens": usage.cache_read_tokens or 0,
        },
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": input + output if usage.total_tokens is None else usage.total_tokens,
    }


def annotation(citation: Citation, *, start: int, here: int) -> dict[str, Any]:
    """Return `citation` as an annotation of the part that begins at `start`; without a place it is told `here`."""
    places = {"start_index": citation.start, "end_index": citation.end}
    return {
        "type": "url_citation",
        "url": citation.uri or "",
        "title": citation.title or "",
        **{key: here if place is None else max(0, place - start) for key, place in places.items()},
        **known(content=citation.text),
    }


def error_event(failure: Failure) -> dict[str, Any]:
    """Return the fields of the error event, both nested and flat: each makes other clients raise."""
    error = error_object(failure)["error"]
    return {"code": error["code"], "message": error["message"], "param": None, "error": error}


def failed(failure: Failure) -> dict[str, Any]:
    """Return the `error` of a failed response."""
    return {"code": _CODES.get(failure.code, "server_error"), "message": failure.message}
