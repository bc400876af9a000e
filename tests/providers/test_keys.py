"""Keys: in the headers, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.exceptions import ProviderError
from gai_stream.providers.keys import Redaction, request_headers

KEY = "sk-very-secret-0123456789"


def test_the_key_goes_where_the_provider_wants_it() -> None:
    assert request_headers(KEY, "authorization")[0]["authorization"] == f"Bearer {KEY}"
    for name in ("x-api-key", "x-goog-api-key"):
        headers, _ = request_headers(KEY, name)  # type: ignore[arg-type]
        assert headers[name] == KEY
        assert "authorization" not in headers
    assert not {"authorization", "x-api-key"} & set(request_headers(None, "authorization")[0])


def test_later_headers_win() -> None:
    headers, _ = request_headers(KEY, "x-api-key", {"Accept": "a", "v": "1"}, {"accept": "b", "X-API-Key": "other-key"})
    assert (headers["accept"], headers["v"], headers["x-api-key"]) == ("b", "1", "other-key")


def test_what_is_secret_in_a_header_is_taken_out_of_texts() -> None:
    _, redaction = request_headers(
        KEY,
        "authorization",
        {"cookie": "session=abcdef", "X-Auth-Token": "Bearer tok-12345678", "user-agent": "my-agent"},
    )
    told = f"{KEY} session=abcdef tok-12345678 my-agent"
    assert redaction.text(told) == "*** *** *** my-agent"
    assert repr(redaction) == "<Redaction of 3 secrets>"


def test_a_key_that_begins_with_another_is_taken_out_whole() -> None:
    assert Redaction(["sk-12345678", "sk-12345678-long"]).text("sk-12345678-long sk-12345678") == "*** ***"


def test_a_dummy_is_a_word_like_any_other() -> None:
    assert Redaction(["ollama", ""]).text("ollama has no such model") == "ollama has no such model"


def test_an_error_is_redacted_in_all_its_words() -> None:
    error = ProviderError("unauthorized", f"bad {KEY}", request_id=f"r-{KEY}")
    assert Redaction([KEY]).error(error) is error
    assert (str(error), error.message, error.request_id) == ("bad ***", "bad ***", "r-***")
    assert KEY not in repr(error)
    assert Redaction([KEY]).error(ProviderError("internal", "x")).request_id is None


@given(st.text(), st.text(min_size=8))
def test_no_text_keeps_a_secret(text: str, secret: str) -> None:
    if "*" not in secret:
        assert secret not in Redaction([secret]).text(f"{text}{secret}{text}")


@pytest.mark.parametrize("value", ["", " x", "x\n", "ü", 5])
def test_a_header_that_no_request_can_carry_is_refused_unseen(value: object) -> None:
    with pytest.raises(ValueError, match=r"^api_key must be printable ASCII without spaces around it; check for a "):
        request_headers(value, "authorization")  # type: ignore[arg-type]
