"""Answers in the form that was asked for: SSE, NDJSON, one JSON array, or one piece of JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gai_stream.events import Done, Failure, Finish, Start, TextDelta

pytestmark = pytest.mark.anyio

BEGINNING = [Start("inner-1"), TextDelta("Grüße")]
TEXT = "Grüße, 数到5: 一二三四五\u2028"


async def test_a_stream_comes_in_its_clients_dialect(api: Any, opened: Any, remembering: Any) -> None:
    house = remembering()
    response = await api.ask(await opened(house), stream=True)
    assert response.status == 200
    ndjson = api.name.startswith("ollama")
    kind = "application/x-ndjson" if ndjson else "text/event-stream; charset=utf-8"
    assert response.headers["content-type"] == kind
    text = response.text
    assert '"m"' in text
    assert "inner-1" not in text
    assert "一二三四五\\u2028" in text
    assert house.asked[0].query == "hi"
    assert house.open == 0


async def test_an_answer_in_one_piece_is_json(api: Any, opened: Any, remembering: Any) -> None:
    response = await api.ask(await opened(remembering()), stream=False)
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    text, reason = api.said(response.json())
    assert text == TEXT
    assert reason in ("stop", "completed", "end_turn", "STOP")


async def test_gemini_without_alt_gets_one_json_array(opened: Any, apis: Any, remembering: Any) -> None:
    _, path, body = apis["gemini"]
    response = await (await opened(remembering())).post(path.format("streamGenerateContent"), json=body)
    assert response.headers["content-type"] == "application/json"
    chunks = json.loads(response.text)
    parts = [part["text"] for chunk in chunks for part in chunk["candidates"][0]["content"].get("parts", [])]
    assert "".join(parts) == TEXT


@pytest.mark.parametrize(
    ("events", "status", "words"),
    [
        ([*BEGINNING, Failure("overloaded", "too busy")], 503, "too busy"),
        ([*BEGINNING, RuntimeError("secret")], 500, "internal error"),
        (BEGINNING, 502, "cut off"),
        ([*BEGINNING, Done(finished=False)], 502, "cut off"),
        ([*BEGINNING, Finish("error", raw_reason="network_error"), Done(False)], 500, "network_error"),
    ],
    ids=["failure", "exception", "truncated", "unfinished", "error reason"],
)
async def test_an_answer_in_one_piece_fails_with_a_status(
    api: Any, events: list[Any], status: int, words: str, opened: Any, remembering: Any
) -> None:
    response = await api.ask(await opened(remembering(*events)), stream=False)
    assert response.status == status
    assert words in api.error_in(response.json())
    assert "secret" not in response.text


async def test_an_error_behind_the_first_byte_is_told_in_the_dialect(api: Any, opened: Any, remembering: Any) -> None:
    events = [*BEGINNING, Failure("overloaded", "too busy")]
    response = await api.ask(await opened(remembering(*events)), stream=True)
    assert response.status == 200
    assert "too busy" in response.text
    assert "Grüße" in response.text
