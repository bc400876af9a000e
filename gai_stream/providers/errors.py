"""A provider's refusal over HTTP, as one ProviderError."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final

from gai_stream.dialects._errors import provider_error
from gai_stream.exceptions import ProviderError

__all__ = ["refusal", "request_id", "retry_after"]

# OpenAI and most others, Anthropic, Google, Azure, Amazon.
_ID_HEADERS: Final = ("x-request-id", "request-id", "x-goog-request-id", "apim-request-id", "x-amzn-requestid")
_LONGEST_ID: Final = 200


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """Return the error of a response of HTTP `status` that is not 2xx. Never raises.

    `headers` finds names in lower case; `body` may have been cut. The status is kept, but what is no error to answer
    with, such as a redirect, becomes 502.
    """
    if not 400 <= status < 600:
        place = f"; set base_url to where {headers['location'][:200]!r} leads" if "location" in headers else ""
        message = f"the provider answered with status {status}{place}"
        return ProviderError("invalid_response", message, request_id=request_id(headers))
    wait = retry_after(headers)
    error = provider_error(body, status=status, retry_after=wait)
    if wait is not None and error.temporary:
        error.retry_after = wait
    error.request_id = request_id(headers)
    return error


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return what HTTP `headers` call the request, or None. It is cut at 200 characters."""
    return next((value[:_LONGEST_ID] for name in _ID_HEADERS if (value := headers.get(name, "").strip())), None)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait that HTTP `headers` ask for, as a number or as a date; None if they do not."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if isfinite(seconds) and seconds >= 0:
            return seconds
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError, OverflowError):
        return None
    # "-0000" gives a naive date, which is in UTC as well.
    date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
