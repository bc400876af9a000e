"""Errors as OpenAI's clients read them."""

from __future__ import annotations

from typing import Any, Final

from gai_stream.events import Failure
from gai_stream.exceptions import CODES

__all__ = ["error_object"]

# What an OpenAI client finds in `error.type`.
_TYPES: Final[dict[str, str]] = {
    "unauthorized": "authentication_error",
    "forbidden": "permission_error",
    "rate_limited": "rate_limit_error",
    "overloaded": "server_error",
    "timeout": "server_error",
    "network": "server_error",
    "provider_unavailable": "server_error",
    "internal": "server_error",
    "truncated": "server_error",
    "invalid_response": "server_error",
}

# What it finds in `error.code`, where the API has a word of its own.
_CODES: Final[dict[str, str]] = {
    "unauthorized": "invalid_api_key",
    "not_found": "model_not_found",
    "rate_limited": "rate_limit_exceeded",
}


def error_object(failure: Failure) -> dict[str, Any]:
    """Return `failure` as the chunk that makes OpenAI's SDKs raise APIError."""
    kind = _TYPES.get(failure.code, "invalid_request_error" if failure.code in CODES else "server_error")
    code = _CODES.get(failure.code, failure.code)
    return {"error": {"message": failure.message, "type": kind, "param": None, "code": code}}
