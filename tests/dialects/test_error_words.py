"""Errors: every provider's words for them in ours, and ours as every client reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gai_stream.dialects._errors import provider_error
from gai_stream.dialects.registry import dialect, names
from gai_stream.events import Failure, failure_from
from gai_stream.exceptions import CODES

# The table of section 13: HTTP status, our code, whether trying again may help, and the words of Anthropic, of OpenAI
# (type and code) and of Google for it.
TABLE = [
    (400, "invalid_request", False, "invalid_request_error", ("invalid_request_error", None), "INVALID_ARGUMENT"),
    (400, "invalid_request", False, "invalid_request_error", ("invalid_request_error", None), "FAILED_PRECONDITION"),
    (400, "invalid_request", False, "invalid_request_error", ("invalid_request_error", None), "OUT_OF_RANGE"),
    (
        401,
        "unauthorized",
        False,
        "authentication_error",
        ("authentication_error", "invalid_api_key"),
        "UNAUTHENTICATED",
    ),
    (402, "forbidden", False, "billing_error", (None, None), None),
    (403, "forbidden", False, "permission_error", ("permission_error", None), "PERMISSION_DENIED"),
    (404, "not_found", False, "not_found_error", ("invalid_request_error", "model_not_found"), "NOT_FOUND"),
    (413, "context_length_exceeded", False, "request_too_large", ("invalid_request_error", None), None),
    (429, "rate_limited", True, "rate_limit_error", ("rate_limit_error", "rate_limit_exceeded"), "RESOURCE_EXHAUSTED"),
    (429, "rate_limited", True, None, ("tokens", "rate_limit_exceeded"), None),
    (429, "rate_limited", True, None, ("requests", "rate_limit_exceeded"), None),
    (499, "internal", None, "api_error", (None, None), "CANCELLED"),
    (500, "internal", True, "api_error", ("server_error", None), "INTERNAL"),
    (500, "internal", True, "api_error", ("api_error", None), "UNKNOWN"),
    (500, "internal", True, None, (None, None), "DATA_LOSS"),
    (503, "provider_unavailable", True, None, ("server_error", None), "UNAVAILABLE"),
    (503, "overloaded", True, "overloaded_error", ("server_error", "overloaded"), None),
    (504, "timeout", True, "timeout_error", ("timeout", None), "DEADLINE_EXCEEDED"),
    (529, "overloaded", True, "overloaded_error", ("server_error", "overloaded"), None),
]

BODIES = [
    (status, code, temporary, body)
    for status, code, temporary, anthropic, (kind, word), google in TABLE
    for body in (
        {"type": "error", "error": {"type": anthropic, "message": "no"}, "request_id": "req_1"} if anthropic else None,
        {"error": {"message": "no", "type": kind, "param": None, "code": word}} if kind else None,
        {"error": {"code": status, "message": "no", "status": google}} if google else None,
    )
    if body is not None
]


@pytest.mark.parametrize(("status", "code", "temporary", "body"), BODIES)
def test_a_body_means_one_of_our_codes(status: int, code: str, temporary: bool | None, body: Any) -> None:
    for payload in (body, json.dumps(body), [body]):
        error = provider_error(payload, status=status)
        assert (error.code, error.status, error.message) == (code, status, "no")
        assert temporary is None or error.temporary is temporary


@pytest.mark.parametrize(
    ("status", "code"), {row[0]: row[1] for row in TABLE if row[:2] != (503, "overloaded")}.items()
)
def test_so_does_a_number_alone(status: int, code: str) -> None:
    # As OpenRouter has it within a stream.
    for number in (status, str(status)):
        error = provider_error({"error": {"code": number, "message": "no"}})
        assert (error.code, error.status) == (code, status)


@pytest.mark.parametrize(
    ("status", "code", "body"),
    [case[:2] + case[3:] for case in BODIES if case[3]["error"].get("status") or case[3].get("type")],
)
def test_so_does_the_same_body_within_a_stream_where_no_status_tells(status: int, code: str, body: Any) -> None:
    assert provider_error(body).code == code


def test_a_quota_that_is_spent_is_not_worth_another_try() -> None:
    body = {"error": {"message": "no", "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}}
    error = provider_error(body, status=429)
    assert (error.code, error.temporary, error.retry_after) == ("rate_limited", False, None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "text"}, "text"),
        ({"object": "error", "message": "text", "code": 400}, "text"),
        ({"detail": "text"}, "text"),
        ({"message": "text"}, "text"),
        ("text", "text"),
        ("x" * 600, "x" * 500),
        # Nobody can read these.
        ("<html>" + "x" * 600, "the provider answered with status 500"),
        (b"\xff", "the provider answered with status 500"),
        (None, "the provider answered with status 500"),
        ("", "the provider answered with status 500"),
    ],
)
def test_every_shape_has_its_message(body: Any, message: str) -> None:
    assert provider_error(body, status=500).message == message


def test_google_tells_when_to_try_again() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3.5s"}]
    body = {"error": {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED", "details": details}}
    assert provider_error(body).retry_after == 3.5


# Outgoing


def told(name: str, code: str) -> Any:
    """What a client reads of a failure in the middle of an answer."""
    make = dialect(name).encoder
    assert make is not None
    encoder = make(framing="ndjson")
    messages = encoder.feed(Failure(code, "no")) + encoder.finish()
    return next(message for message in messages if "error" in message)["error"]


@pytest.mark.parametrize(
    ("code", "anthropic", "openai", "google"),
    [
        ("invalid_request", "invalid_request_error", "invalid_request_error", (400, "INVALID_ARGUMENT")),
        ("unauthorized", "authentication_error", "authentication_error", (401, "UNAUTHENTICATED")),
        ("forbidden", "permission_error", "permission_error", (403, "PERMISSION_DENIED")),
        ("not_found", "not_found_error", "invalid_request_error", (404, "NOT_FOUND")),
        ("context_length_exceeded", "request_too_large", "invalid_request_error", (413, "INVALID_ARGUMENT")),
        ("rate_limited", "rate_limit_error", "rate_limit_error", (429, "RESOURCE_EXHAUSTED")),
        ("overloaded", "overloaded_error", "server_error", (503, "UNAVAILABLE")),
        ("provider_unavailable", "overloaded_error", "server_error", (503, "UNAVAILABLE")),
        ("timeout", "timeout_error", "server_error", (504, "DEADLINE_EXCEEDED")),
        ("internal", "api_error", "server_error", (500, "INTERNAL")),
        ("truncated", "api_error", "server_error", (502, "INTERNAL")),
        ("of my own", "api_error", "server_error", (500, "INTERNAL")),
    ],
)
def test_our_code_is_told_in_words_that_clients_know(
    code: str, anthropic: str, openai: str, google: tuple[int, str]
) -> None:
    assert told("anthropic", code) == {"type": anthropic, "message": "no"}
    assert told("openai", code)["type"] == told("openai_responses", code)["type"] == openai
    for name in ("gemini", "antigravity"):
        assert told(name, code) == {"code": google[0], "message": "no", "status": google[1]}
    assert told("ollama", code) == "no"


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", ["openai", "openai_responses"])
def test_our_code_comes_back_from_openais_words(name: str, code: str) -> None:
    assert provider_error({"error": told(name, code)}).code == code


@pytest.mark.parametrize("name", [name for name in names() if dialect(name).encoder is not None])
def test_every_dialect_has_a_body_for_an_http_error(name: str) -> None:
    encoder: Any = dialect(name).encoder
    body = encoder.error_body(failure_from(TimeoutError()), 504) if hasattr(encoder, "error_body") else {"text": "time"}
    assert "time" in (body if isinstance(body, str) else json.dumps(body))
