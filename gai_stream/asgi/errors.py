"""Errors before the first byte: a real status and a JSON body, with nothing in it that was not meant for the client."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from uuid import uuid4

import msgspec
from starlette.exceptions import HTTPException

from gai_stream.events import Failure, failure_from
from gai_stream.exceptions import CODES, ProviderError, code_for_status

__all__ = ["ErrorAnswer", "ErrorBody", "answer", "as_failure", "refuse", "single"]

logger = logging.getLogger("gai_stream")

_WORDS = {
    "invalid_request": "the provider refused the request as invalid",
    "unauthorized": "the provider refused the credentials",
    "forbidden": "the provider refused access",
    "not_found": "the provider knows no such model or address",
    "context_length_exceeded": "the request is too large for the provider",
    "rate_limited": "the provider refused the request: too many of them",
    "overloaded": "the provider is overloaded",
    "timeout": "the provider did not answer in time",
    "provider_unavailable": "the provider is not available",
}


ErrorBody: TypeAlias = Callable[[Failure, int], Any]
"""What a dialect's clients read in the place of an answer: the value that tells of a failure, by its status.

A str is sent as plain text, everything else as JSON.
"""


class ErrorAnswer(msgspec.Struct, frozen=True):
    """A whole error response: status, headers (names in lower case) and body."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


def single(exc: BaseException) -> BaseException:
    """Return the only exception in a group of one: task groups inside a source wrap what it raises."""
    while isinstance(exc, BaseExceptionGroup) and len(exc.exceptions) == 1:
        exc = exc.exceptions[0]
    return exc


def as_failure(exc: BaseException) -> Failure:
    """Return what a client may know of `exc`, and log the rest under the same reference."""
    exc = _known(single(exc))
    reference = uuid4().hex[:12]
    failure = failure_from(exc, reference=reference)
    if isinstance(exc, ProviderError):
        logger.warning("stream failed: %s: %s", exc.code, exc.message, exc_info=exc.__cause__)
    else:
        logger.error("stream failed (reference %s)", reference, exc_info=exc)
    return failure


def answer(exc: BaseException, body: ErrorBody | None = None) -> ErrorAnswer:
    """Return the error response for `exc`, with a `body` of the dialect's or else ours, and log it."""
    exc = single(exc)
    if isinstance(exc, HTTPException):
        return refuse(exc.status_code, exc.detail, headers=exc.headers, body=body)
    known = _known(exc)
    failure = as_failure(known)
    if isinstance(known, ProviderError):
        status = known.status if 400 <= known.status <= 599 else 502
    else:
        status = CODES[failure.code].status
    return _error(status, failure, body)


def refuse(
    status: int, message: str, *, headers: Mapping[str, str] | None = None, body: ErrorBody | None = None
) -> ErrorAnswer:
    """Return an error response in words of your own."""
    raw = {name.lower().encode("latin-1"): value.encode("latin-1") for name, value in (headers or {}).items()}
    return _error(status, Failure(code_for_status(status), message), body, raw)


def _known(exc: BaseException) -> BaseException:
    """Return the ProviderError that an SDK's or an HTTP client's error stands for, or `exc`.

    Its words stay behind: they may quote the key or the prompt.
    """
    status = getattr(exc, "status_code", None)
    if isinstance(exc, ProviderError) or type(status) is not int or not 400 <= status <= 599:
        return exc
    if isinstance(exc, HTTPException):
        return ProviderError(code_for_status(status), exc.detail, status)
    code = code_for_status(status)
    known = ProviderError(code, _WORDS.get(code, "the provider failed"), status, retry_after=_retry_after(exc))
    known.__cause__ = exc
    return known


def _retry_after(exc: BaseException) -> float | None:
    headers = getattr(getattr(exc, "response", None), "headers", None)
    try:
        seconds = float(headers.get("retry-after")) if headers is not None else math.nan
    except (TypeError, ValueError, AttributeError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _error(
    status: int, failure: Failure, dialect: ErrorBody | None, headers: dict[bytes, bytes] | None = None
) -> ErrorAnswer:
    error: dict[str, object] = {"code": failure.code, "message": failure.message, "temporary": failure.temporary}
    raw = {b"content-type": b"application/json", b"cache-control": b"no-store", **(headers or {})}
    if failure.retry_after is not None:
        error["retry_after"] = failure.retry_after
        # RFC 9110 10.2.3: "delay-seconds", a whole number.
        raw.setdefault(b"retry-after", str(math.ceil(failure.retry_after)).encode())
    # RFC 9110 15.3.5, 15.4.5: a 204 or 304 "is terminated by the end of the header section".
    if status in (204, 304):
        return ErrorAnswer(status, raw, b"")
    body = {"error": error} if dialect is None else dialect(failure, status)
    if isinstance(body, str):
        return ErrorAnswer(
            status, {**raw, b"content-type": b"text/plain; charset=utf-8"}, body.encode(errors="replace")
        )
    return ErrorAnswer(status, raw, msgspec.json.encode(body))
