"""The body of Antigravity: Gemini's in an envelope."""

from __future__ import annotations

from typing import Any

import pytest

from gai_stream.exceptions import DecodeError
from gai_stream.providers import ChatRequest, Message
from gai_stream.providers.requests import antigravity, gemini

REQUEST = ChatRequest(messages=[Message("user", "q")], system="s", max_tokens=5, extra={"safetySettings": []})


def test_the_envelope_names_the_model_and_the_project() -> None:
    assert antigravity.body(REQUEST, model="gemini-3-pro", project="p") == {
        "model": "gemini-3-pro",
        "project": "p",
        "request": gemini.body(REQUEST, model="gemini-3-pro"),
    }
    assert antigravity.body(REQUEST) == {"request": gemini.body(REQUEST)}


def test_what_else_the_envelope_holds_is_kept() -> None:
    given = {"model": "m", "project": "p", "user_prompt_id": "u", "request": gemini.body(REQUEST)}
    request = antigravity.parse(given, stream=False)
    assert request == ChatRequest(
        messages=[Message("user", "q")],
        system="s",
        max_tokens=5,
        model="m",
        stream=False,
        extra={"safetySettings": [], "antigravity": {"project": "p", "user_prompt_id": "u"}},
    )
    assert antigravity.body(request) == given


def test_an_envelope_without_more() -> None:
    request = antigravity.parse({"request": gemini.body(REQUEST)})
    assert request == REQUEST


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, r'body must be a JSON object, not a number; send \{"model"'),
        ({}, r'request is missing; send \{"model"'),
        ({"request": []}, "request must be an object, not a list"),
        ({"request": {}}, "contents is missing"),
        ({"request": {"contents": [{"parts": [{"text": "q"}]}]}, "model": 1}, "model must be a string"),
    ],
)
def test_a_bad_body_is_refused_with_the_field_and_the_fix(value: Any, text: str) -> None:
    with pytest.raises(DecodeError, match=f"^{text}"):
        antigravity.parse(value)
