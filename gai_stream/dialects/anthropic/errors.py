"""Errors as Anthropic's clients read them."""

from __future__ import annotations

from typing import Any, Final

from gai_stream.events import Failure

__all__ = ["error_for_status", "error_object"]

_OF_STATUS: Final[dict[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}

# What is not here is "api_error".
_OF_CODE: Final[dict[str, str]] = {
    **{kind: kind for kind in _OF_STATUS.values()},
    "invalid_request": "invalid_request_error",
    "unsupported": "invalid_request_error",
    "safety_blocked": "invalid_request_error",
    "unauthorized": "authentication_error",
    "forbidden": "permission_error",
    "not_found": "not_found_error",
    "context_length_exceeded": "request_too_large",
    "rate_limited": "rate_limit_error",
    "overloaded": "overloaded_error",
    "provider_unavailable": "overloaded_error",
    "timeout": "timeout_error",
}


def error_object(failure: Failure) -> dict[str, Any]:
    """Return `failure` as the event that makes Anthropic's SDKs raise APIStatusError."""
    return _error(_OF_CODE.get(failure.code, "api_error"), failure)


def error_for_status(failure: Failure, status: int) -> dict[str, Any]:
    """Return `failure` as the body of a response of `status`, of the type that the API sends with it."""
    other = "api_error" if status >= 500 else "invalid_request_error"
    return _error(_OF_STATUS.get(status, other), failure)


def _error(kind: str, failure: Failure) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": failure.message}}
