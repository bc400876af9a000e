"""A provider's refusal over HTTP, whatever its shape."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.providers.errors import refusal, request_id, retry_after


@pytest.mark.parametrize(
    ("status", "body", "code", "message", "temporary"),
    [
        (
            401,
            b'{"error":{"message":"Incorrect key","type":"invalid_request_error","code":"invalid_api_key"}}',
            "unauthorized",
            "Incorrect key",
            False,
        ),
        (
            400,
            b'{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}',
            "context_length_exceeded",
            "too long",
            False,
        ),
        (
            529,
            b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
            "overloaded",
            "Overloaded",
            True,
        ),
        (404, b'{"error":"model not found"}', "not_found", "model not found", False),
        (
            503,
            b'[{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}]',
            "provider_unavailable",
            "busy",
            True,
        ),
        (400, b'{"object":"error","message":"bad","code":40303}', "invalid_request", "bad", False),
        (422, b'{"detail":"field required"}', "invalid_request", "field required", False),
        (429, b'{"message":"slow down"}', "rate_limited", "slow down", True),
        (500, b"<html><body>nginx</body></html>", "internal", "the provider answered with status 500", True),
        (502, b"", "internal", "the provider answered with status 502", True),
        (503, b"  \r\n", "provider_unavailable", "the provider answered with status 503", True),
        (500, b"\xff\xfe", "internal", "the provider answered with status 500", True),
        (499, b'{"error":{"code":499,"message":"gone","status":"CANCELLED"}}', "internal", "gone", True),
    ],
)
def test_every_shape_of_error_keeps_its_status_and_words(
    status: int, body: bytes, code: str, message: str, temporary: bool
) -> None:
    error = refusal(status, {}, body)
    assert (error.status, error.code, error.message, error.temporary) == (status, code, message, temporary)
    assert str(error) == message


def test_of_plain_text_the_first_500_characters_are_kept() -> None:
    assert refusal(500, {}, b"x" * 10_000).message == "x" * 500


@pytest.mark.parametrize(
    "body", [b"\n<!doctype html><p>secret", b'{"error":{"message":"secret', b"[secret]", b"\xffsecret"]
)
def test_what_nobody_can_read_is_not_quoted(body: bytes) -> None:
    assert refusal(500, {}, body).message == "the provider answered with status 500"


@pytest.mark.parametrize("body", [b'{"error":{"message":"m"}}', b"plain"])
def test_retry_after_is_taken_from_the_headers(body: bytes) -> None:
    assert refusal(429, {"retry-after": "7"}, body).retry_after == 7.0
    assert refusal(429, {"retry-after": "0"}, body).retry_after == 0.0
    assert refusal(429, {}, body).retry_after == 60.0


def test_a_used_up_quota_does_not_come_back_by_waiting() -> None:
    error = refusal(429, {"retry-after": "7"}, b'{"error":{"message":"no money","type":"insufficient_quota"}}')
    assert (error.status, error.temporary, error.retry_after) == (429, False, None)


def test_google_says_the_delay_in_the_body() -> None:
    body = b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m","details":[{"retryDelay":"17s"}]}}'
    assert refusal(429, {}, body).retry_after == 17.0
    assert refusal(429, {"retry-after": "3"}, body).retry_after == 3.0


@pytest.mark.parametrize("status", [300, 304, 308])
def test_a_redirect_is_an_error_of_the_configuration(status: int) -> None:
    error = refusal(status, {"location": "https://elsewhere.example/v1"}, b"moved")
    assert (error.code, error.status, error.temporary) == ("invalid_response", 502, False)
    assert error.message == (
        f"the provider answered with status {status}; set base_url to where 'https://elsewhere.example/v1' leads"
    )


@pytest.mark.parametrize("status", [100, 304, 600, 999])
def test_a_status_that_is_no_error_is_not_passed_on(status: int) -> None:
    error = refusal(status, {}, b"")
    assert (error.status, error.message) == (502, f"the provider answered with status {status}")


@given(st.integers(100, 999), st.dictionaries(st.sampled_from(["retry-after", "location"]), st.text()), st.binary())
def test_reading_an_error_never_raises(status: int, headers: dict[str, str], body: bytes) -> None:
    error = refusal(status, headers, body)
    assert error.message
    assert 400 <= error.status < 600


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000"}, 0.0),
        ({"retry-after": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_milliseconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_date_is_counted_from_now() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    seconds = retry_after({"retry-after": date})
    assert seconds is not None
    assert 3500 < seconds <= 3600


@pytest.mark.parametrize(
    ("headers", "id"),
    [
        ({}, None),
        ({"x-request-id": "  "}, None),
        ({"x-request-id": "req_1"}, "req_1"),
        ({"request-id": "req_2"}, "req_2"),
        ({"x-goog-request-id": "g", "request-id": "req_2"}, "req_2"),
        ({"apim-request-id": "a"}, "a"),
        ({"x-request-id": "x" * 1000}, "x" * 200),
    ],
)
def test_a_request_has_a_name_to_quote(headers: dict[str, str], id: str | None) -> None:
    assert request_id(headers) == id
    assert refusal(500, headers, b"no").request_id == id
    assert refusal(302, headers, b"").request_id == id
