"""The errors: their tree, what they carry, and the codes of the wire."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from gai_stream import exceptions
from gai_stream.exceptions import (
    CODES,
    DecodeError,
    EncodeError,
    LimitExceeded,
    ProviderError,
    StreamError,
    StreamTimeout,
    TruncatedStream,
    code_for_status,
)


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (StreamError, (Exception,)),
        (DecodeError, (StreamError,)),
        (LimitExceeded, (StreamError,)),
        (TruncatedStream, (StreamError,)),
        (EncodeError, (StreamError, ValueError)),
        (StreamTimeout, (StreamError, TimeoutError)),
        (ProviderError, (StreamError,)),
    ],
)
def test_the_tree_is_the_documented_one(error: type[Exception], bases: tuple[type, ...]) -> None:
    assert error.__bases__ == bases


def test_the_docstring_draws_every_error_and_says_what_else_it_is() -> None:
    drawn = re.findall(r"^[├└]── (\w+) +(.*)$", exceptions.__doc__ or "", re.MULTILINE)
    errors = {name for name in exceptions.__all__ if isinstance(getattr(exceptions, name), type)}
    assert {name for name, _ in drawn} == errors - {"StreamError", "CodeDefaults"}
    for name, text in drawn:
        for builtin in re.findall(r"also a (\w+)", text):
            assert builtin in {base.__name__ for base in getattr(exceptions, name).__bases__}


def test_every_public_name_exists() -> None:
    assert exceptions.__all__ == sorted(set(exceptions.__all__))
    for name in exceptions.__all__:
        assert hasattr(exceptions, name)


def test_a_decode_error_carries_the_line_and_its_place() -> None:
    error = DecodeError("bad", line=b"x", line_number=3, offset=9)
    assert (str(error), error.line, error.line_number, error.offset) == ("bad", b"x", 3, 9)
    bare = DecodeError("bad")
    assert (bare.line, bare.line_number, bare.offset) == (None, None, None)


def test_a_limit_names_its_option() -> None:
    error = LimitExceeded("too long", option="max_line_size", limit=4)
    assert (str(error), error.option, error.limit) == ("too long", "max_line_size", 4)


@pytest.mark.parametrize(
    "error",
    [
        DecodeError("bad", line=b"x", line_number=3, offset=9),
        LimitExceeded("too long", option="max_line_size", limit=4),
        EncodeError("no form"),
        ProviderError("rate_limited", "slow down", 429, False, 1.5, "req_1"),
    ],
)
def test_errors_survive_copying_and_pickling(error: StreamError) -> None:
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)


@pytest.mark.parametrize(
    ("code", "status", "temporary", "retry_after"),
    [
        ("invalid_request", 400, False, None),
        ("unauthorized", 401, False, None),
        ("forbidden", 403, False, None),
        ("not_found", 404, False, None),
        ("context_length_exceeded", 413, False, None),
        ("unsupported", 400, False, None),
        ("rate_limited", 429, True, 60.0),
        ("overloaded", 503, True, 10.0),
        ("safety_blocked", 400, False, None),
        ("timeout", 504, True, 5.0),
        ("network", 502, True, 5.0),
        ("provider_unavailable", 503, True, 30.0),
        ("internal", 500, True, None),
    ],
)
def test_a_code_has_its_documented_defaults(code: str, status: int, temporary: bool, retry_after: float | None) -> None:
    assert CODES[code] == (status, temporary, retry_after)
    error = ProviderError(code, "text")
    assert (error.code, error.message, str(error)) == (code, "text", "text")
    assert (error.status, error.temporary, error.retry_after) == (status, temporary, retry_after)


def test_what_you_say_of_a_provider_error_wins_over_the_defaults() -> None:
    error = ProviderError("rate_limited", "text", status=420, temporary=False, retry_after=0.0)
    assert (error.status, error.temporary, error.retry_after) == (420, False, 0.0)


def test_an_unknown_code_is_kept_and_treated_as_internal() -> None:
    error = ProviderError("teapot", "text")
    assert (error.code, error.status, error.temporary, error.retry_after) == ("teapot", 500, True, None)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (408, "timeout"),
        (413, "context_length_exceeded"),
        (418, "invalid_request"),
        (422, "invalid_request"),
        (429, "rate_limited"),
        (500, "internal"),
        (501, "internal"),
        (502, "internal"),
        (503, "provider_unavailable"),
        (504, "timeout"),
        (520, "internal"),
        (529, "overloaded"),
    ],
)
def test_an_http_status_has_its_documented_code(status: int, code: str) -> None:
    assert code_for_status(status) == code
    assert code in CODES


def test_every_default_status_is_an_http_error() -> None:
    assert all(400 <= defaults.status < 600 for defaults in CODES.values())
    assert all(defaults.temporary for defaults in CODES.values() if defaults.retry_after is not None)
