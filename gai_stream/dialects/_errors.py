"""Errors as providers word them: every shape that is in use, read by one function."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from gai_stream import _json
from gai_stream.exceptions import CODES, DecodeError, EncodeError, ProviderError, code_for_status

__all__ = ["provider_error"]

_LONGEST_TEXT: Final = 500

_NO_WORDS: Final = ("<", "{", "[")
"""How text begins that is a page, or JSON that cannot be read: nothing that was meant for a user."""

_WORDS: Final[dict[str, str]] = {
    **{code: code for code in CODES},
    "string_above_max_length": "context_length_exceeded",
    "request_too_large": "context_length_exceeded",
    "rate_limit_exceeded": "rate_limited",
    "rate_limit_error": "rate_limited",
    "too_many_requests": "rate_limited",
    "resource_exhausted": "rate_limited",
    "insufficient_quota": "rate_limited",
    "requests": "rate_limited",
    "tokens": "rate_limited",
    "invalid_api_key": "unauthorized",
    "authentication_error": "unauthorized",
    "unauthenticated": "unauthorized",
    "permission_error": "forbidden",
    "permission_denied": "forbidden",
    "billing_error": "forbidden",
    "model_not_found": "not_found",
    "not_found_error": "not_found",
    "content_filter": "safety_blocked",
    "content_policy_violation": "safety_blocked",
    "responsibleaipolicyviolation": "safety_blocked",
    "overloaded_error": "overloaded",
    "engine_overloaded": "overloaded",
    "unavailable": "provider_unavailable",
    "service_unavailable": "provider_unavailable",
    "timeout_error": "timeout",
    "deadline_exceeded": "timeout",
    "api_error": "internal",
    "server_error": "internal",
    "internal_error": "internal",
    "internal_server_error": "internal",
    "invalid_request_error": "invalid_request",
    "invalid_argument": "invalid_request",
    "failed_precondition": "invalid_request",
    "out_of_range": "invalid_request",
}


def provider_error(
    payload: Any,
    *,
    status: int | None = None,
    retry_after: float | None = None,
    aliases: Mapping[str, str] = MappingProxyType({}),
) -> ProviderError:
    """Return the error that `payload` tells of: an HTTP body (bytes or text, JSON or not) or an in-stream value.

    `status` is the HTTP status, `retry_after` the header's seconds; both are None within a stream. Understands
    `{"error": {...}}`, `{"error": "text"}`, `[{"error": ...}]`, `{"message": ...}`, `{"detail": ...}` and plain text,
    of which the first 500 characters are kept. What nobody can read, such as a page or half an object, is not quoted.
    `aliases` says which of the common words a provider's own stand for. Never raises.
    """
    if isinstance(payload, bytes | str):
        payload = _value_of(payload)
    if isinstance(payload, list) and payload:
        payload = payload[0]
    body = payload if isinstance(payload, dict) else {"message": payload}
    error = body.get("error")
    if not isinstance(error, dict):
        error = {**body, "message": body.get("message") or error or body.get("detail")}
    numbers = (_status_of(error.get(key)) for key in ("code", "status_code", "status"))
    unsaid = "the provider reported an error" if status is None else f"the provider answered with status {status}"
    status = status or next((number for number in numbers if number), None)
    words = [str(error.get(key)).lower() for key in ("code", "type", "status")]
    words = [aliases.get(word, word) for word in words]
    temporary = False if "insufficient_quota" in words else None
    if temporary is None:
        retry_after = retry_after or _retry_delay_of(error)
    message = _message_of(error.get("message"), payload) or unsaid
    failure = ProviderError(_code_of(words, status), message, status, temporary, retry_after)
    if temporary is False:
        failure.retry_after = None
    return failure


def _code_of(words: list[str], status: int | None) -> str:
    code, *kinds = (_WORDS.get(word) for word in words)
    kind = next(filter(None, kinds), None)
    # Servers say "invalid request" and "internal error" of everything: then the number knows better.
    if code is None and (status is None or kind not in (None, "invalid_request", "internal")):
        code = kind
    return code or (code_for_status(status) if status is not None else "internal")


def _value_of(text: bytes | str) -> Any:
    try:
        return _json.loads(text)
    except DecodeError:
        plain = (text if isinstance(text, str) else text.decode(errors="replace")).strip()[:_LONGEST_TEXT]
        return None if plain.startswith(_NO_WORDS) or "\ufffd" in plain else plain


def _status_of(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    return value if type(value) is int and 400 <= value < 600 else None


def _message_of(*values: object) -> str:
    """Return the first of `values` that says anything, as text; "" if none does."""
    value = next(filter(None, values), "")
    if isinstance(value, str):
        return value
    try:
        return _json.dumps(value).decode()[:_LONGEST_TEXT]
    except EncodeError:
        return str(value)[:_LONGEST_TEXT]


def _retry_delay_of(error: dict[str, Any]) -> float | None:
    """Return the seconds of Google's RetryInfo, `{"retryDelay": "3.5s"}`, or of a plain `retry_after`."""
    details = error.get("details")
    delays = (
        [entry.get("retryDelay") for entry in details if isinstance(entry, dict)] if isinstance(details, list) else []
    )
    for delay in (error.get("retry_after"), *delays):
        try:
            seconds = msgspec.convert(delay.removesuffix("s") if isinstance(delay, str) else delay, float, strict=False)
        except msgspec.ValidationError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    return None
