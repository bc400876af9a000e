"""The request that a provider is asked."""

from __future__ import annotations

import pytest

from gai_stream.providers import (
    ChatRequest,
    ImagePart,
    Message,
    OtherPart,
    Provider,
    ScriptedProvider,
    TextPart,
)


def test_from_text_is_one_user_turn() -> None:
    request = ChatRequest.from_text("Why?", model="m")
    assert request == ChatRequest(messages=[Message("user", "Why?")], model="m")
    assert request.query == "Why?"


def test_from_text_puts_the_system_turn_first() -> None:
    request = ChatRequest.from_text("Why?", system="Be brief.")
    assert [(turn.role, turn.text) for turn in request.messages] == [("system", "Be brief."), ("user", "Why?")]


def test_a_request_without_messages_is_refused_when_built() -> None:
    with pytest.raises(ValueError, match="ChatRequest: messages must not be empty"):
        ChatRequest(messages=[])


def test_query_is_the_last_user_turn() -> None:
    turns = [Message("user", "first"), Message("user", "second"), Message("assistant", "third")]
    assert ChatRequest(messages=turns).query == "second"


def test_query_is_empty_without_a_user_turn() -> None:
    assert ChatRequest(messages=[Message("system", "x")]).query == ""


def test_text_joins_the_parts_that_are_text() -> None:
    parts = [
        TextPart("a"),
        ImagePart("https://example.org/cat.png"),
        OtherPart({"type": "text", "text": "b", "cache_control": {}}),
        OtherPart({"type": "input_audio", "input_audio": {}}),
    ]
    assert Message("user", parts).text == "ab"


def test_requests_do_not_share_their_extra() -> None:
    one, other = ChatRequest.from_text("a"), ChatRequest.from_text("b")
    one.extra["seed"] = 1
    assert other.extra == {}


def test_scripted_provider_is_a_provider() -> None:
    assert isinstance(ScriptedProvider(), Provider)
    assert not isinstance(object(), Provider)
