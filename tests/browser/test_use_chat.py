"""The example `use_chat` in Chromium: the real `useChat` of the AI SDK, reading what its application sends."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from playwright.sync_api import Page, expect

from gai_stream.events import (
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from gai_stream.exceptions import ProviderError
from gai_stream.providers import ChatRequest, ScriptedProvider

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "use_chat"
QUESTION = "Is <b>this</b> & that text?"
LOOKED_UP: list[Event] = [
    Start("scripted", "scripted", "a1"),
    ReasoningDelta("A clock "),
    ReasoningDelta("will know."),
    ToolCallDelta(0, "c0", "clock", '{"zone":'),
    ToolCallDelta(0, arguments='"UTC"}'),
    ToolCall("c0", "clock", {"zone": "UTC"}, '{"zone":"UTC"}'),
    ToolResult("c0", "clock", {"hour": 12}),
    TextDelta("Noon, "),
    TextDelta("says <i>the clock</i>: 正午.\n"),
    TextDelta("Two lines."),
    FinishStep(1),
    Finish("stop", Usage(1, 2, 3)),
    Done(),
]

Open = Callable[[Any], None]


class Held:
    """Says one word, and the rest once `go` is set or its reader leaves. Remembers what it was asked."""

    name = model = dialect = "held"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.closed = threading.Event()
        self.asked: list[ChatRequest] = []

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        self.asked.append(request)
        try:
            yield TextDelta("first")
            await anyio.to_thread.run_sync(self.go.wait, abandon_on_cancel=True)
            yield TextDelta(", then second")
            yield Finish("stop")
            yield Done()
        finally:
            self.closed.set()

    async def aclose(self) -> None:
        self.go.set()


@pytest.fixture
def open_page(page: Page, serve: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open the example's page, with a provider behind it."""
    if not (EXAMPLE / "dist" / "page.js").is_file():
        pytest.skip("needs examples/use_chat/dist: `make test` builds it with npm")
    monkeypatch.delenv("LLM_PROVIDER", raising=False)
    spec = importlib.util.spec_from_file_location("example_use_chat", EXAMPLE / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert isinstance(module.provider, ScriptedProvider)
    return lambda provider: page.goto(serve(module.chat(provider)))  # type: ignore[return-value]


def ask(page: Page, question: str = QUESTION) -> None:
    page.get_by_label("Message").fill(question)
    page.get_by_label("Message").press("Enter")


def test_page_shows_an_answer_with_its_reasoning_and_its_tool(page: Page, open_page: Open) -> None:
    open_page(ScriptedProvider(events=LOOKED_UP, pace=0))
    expect(page.get_by_role("status")).to_have_text("ready")
    expect(page.get_by_label("Message")).to_be_focused()
    ask(page)
    said = page.get_by_role("region", name="assistant")
    expect(said.locator("p:not(.reasoning)")).to_have_text("Noon, says <i>the clock</i>: 正午.\nTwo lines.")
    expect(said.locator(".reasoning")).to_have_text("A clock will know.")
    expect(said.locator(".tool")).to_have_text('clock({"zone":"UTC"}) → {"hour":12}')
    expect(page.get_by_role("region", name="user")).to_have_text(QUESTION)
    expect(page.get_by_role("status")).to_have_text("ready")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert page.locator("section b, section i").count() == 0, "text became markup"


def test_page_shows_text_as_it_comes_and_sends_the_conversation_along(page: Page, open_page: Open) -> None:
    held = Held()
    open_page(held)
    ask(page, "One?")
    said = page.get_by_role("region", name="assistant")
    expect(said).to_have_text("first")
    expect(page.get_by_role("status")).to_have_text("streaming")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    held.go.set()
    expect(said).to_have_text("first, then second")
    expect(page.get_by_role("status")).to_have_text("ready")
    ask(page, "Two?")
    expect(said).to_have_count(2)
    expect(page.get_by_role("status")).to_have_text("ready")
    assert [(turn.role, turn.text) for turn in held.asked[1].messages] == [
        ("user", "One?"),
        ("assistant", "first, then second"),
        ("user", "Two?"),
    ]


def test_stop_keeps_what_was_said_and_stops_the_provider(page: Page, open_page: Open) -> None:
    held = Held()
    open_page(held)
    ask(page)
    expect(page.get_by_role("region", name="assistant")).to_have_text("first")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status")).to_have_text("ready")
    expect(page.get_by_role("region", name="assistant")).to_have_text("first")
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    assert held.closed.wait(30), "the provider was not stopped"
    assert not held.go.is_set()


def test_failure_behind_text_is_told_below_it(page: Page, open_page: Open) -> None:
    events = [TextDelta("So far"), Failure("overloaded", "the model is <b>busy</b>"), Done(finished=False)]
    open_page(ScriptedProvider(events=events, pace=0))
    ask(page)
    expect(page.get_by_role("alert")).to_have_text("the model is <b>busy</b>")
    expect(page.get_by_role("region", name="assistant")).to_have_text("So far")
    expect(page.get_by_role("status")).to_have_text("error")
    expect(page.get_by_role("button", name="Send")).to_be_enabled()


def test_refusal_is_told(page: Page, open_page: Open, forgiven: list[str]) -> None:
    forgiven.append("Failed to load resource")
    open_page(ScriptedProvider(pace=0, fail_after=0, error=ProviderError("rate_limited", "come back later")))
    ask(page)
    expect(page.get_by_role("alert")).to_have_text("come back later")
    expect(page.get_by_role("status")).to_have_text("error")


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": [{"role": "user"}]}, [], {"messages": "hi"}])
def test_what_no_page_posts_is_refused(page: Page, open_page: Open, body: Any) -> None:
    held = Held()
    open_page(held)
    answer = page.request.post(f"{page.url}api/chat", data=json.dumps(body))
    assert answer.status == 400
    assert held.asked == []
