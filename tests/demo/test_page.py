"""The page in a real browser: both transports, the figures, the Stop button, and what a reader sees of an error."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest
from playwright.sync_api import Page, expect

from gai_stream.demo import app as demo
from gai_stream.demo.shutdown import Shutdown
from gai_stream.events import Done, Event, Failure, Finish, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta
from gai_stream.exceptions import ProviderError
from gai_stream.providers.provider import ChatRequest
from gai_stream.providers.scripted import ANSWER, ScriptedProvider

Serve = Callable[..., str]

PANELS = ("#sse", "#ndjson")
REFUSED = "Failed to load resource"
# Collects every length that the answer's text has on its way, as a reader would see them.
WATCH = """
() => {
  window.lengths = { sse: [], ndjson: [] };
  for (const id of Object.keys(lengths)) {
    const answer = document.querySelector(`#${id} .answer`);
    new MutationObserver(() => lengths[id].push(answer.textContent.length))
      .observe(answer, { childList: true, characterData: true, subtree: true });
  }
}
"""


class Held:
    """Says one word, then waits until its reader leaves. `closed` is released once for every stream that is closed."""

    name = "held"

    def __init__(self) -> None:
        self.opened = 0
        self.closed = threading.Semaphore(0)

    async def stream(self, _request: ChatRequest) -> AsyncGenerator[Event, None]:
        self.opened += 1
        try:
            yield TextDelta("first")
            await anyio.sleep_forever()
        finally:
            self.closed.release()

    async def aclose(self) -> None:
        pass


def ask(page: Page, url: str, question: str = "hi", *, transport: str = "both") -> None:
    """Open the page, choose the transport, and send the question."""
    page.goto(url)
    page.get_by_label("Your question").fill(question)
    page.get_by_text(transport, exact=True).first.click() if transport != "both" else None
    page.get_by_role("button", name="Send").click()


def answer(page: Page, panel: str) -> str:
    text = page.locator(f"{panel} .answer").text_content()
    assert text is not None
    return text


def figure(page: Page, panel: str, field: str) -> float:
    """Return a figure of a panel as the number it must be."""
    text = page.locator(f'{panel} [data-field="{field}"]').text_content() or ""
    found = re.fullmatch(r"(\d[\d,]*(?:\.\d+)?)(?: m?s)?", text)
    assert found, f"{panel} {field} is {text!r}"
    return float(found[1].replace(",", ""))


def test_both_transports_show_the_whole_text_as_it_comes(page: Page, serve: Serve) -> None:
    page.goto(serve(demo.app(ScriptedProvider(pace=0.002, first_token_delay=0.05))))
    page.evaluate(WATCH)
    question = "Is <i>this</i> & that text?"
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Send").click()
    said = ANSWER.replace("{question}", question)
    for panel in PANELS:
        expect(page.locator(f"{panel} .state")).to_have_text("Complete")
        assert answer(page, panel) == said
        assert "<b>not markup</b>" in answer(page, panel)
        assert page.locator(f"{panel} .answer b, {panel} .answer i").count() == 0
        # While it came, the text was seen at many lengths, and never shrank.
        lengths = page.evaluate(f"lengths['{panel[1:]}']")
        assert len({length for length in lengths if 0 < length < len(said)}) >= 3
        assert lengths == sorted(lengths)
        assert figure(page, panel, "characters") == len(said)
        assert 0 < figure(page, panel, "ttft") <= 1000 * figure(page, panel, "duration") + 10
        assert figure(page, panel, "rate") > 0
        assert figure(page, panel, "latency") >= 0


@pytest.mark.parametrize(("transport", "shown", "hidden"), [("SSE", *PANELS), ("NDJSON", *reversed(PANELS))])
def test_one_transport_alone_is_asked_and_shown(
    page: Page, serve: Serve, transport: str, shown: str, hidden: str
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    ask(page, serve(demo.app(ScriptedProvider(text="Hello", pace=0))), transport=transport)
    expect(page.locator(f"{shown} .state")).to_have_text("Complete")
    assert answer(page, shown) == "Hello"
    expect(page.locator(hidden)).to_be_hidden()
    assert sum("/chat" in url for url in asked) == 1


def test_stop_ends_both_streams_and_their_producers(page: Page, serve: Serve) -> None:
    held = Held()
    ask(page, serve(demo.app(held)))
    for panel in PANELS:
        expect(page.locator(f"{panel} .answer")).to_have_text("first")
        expect(page.locator(f"{panel} .state")).to_have_text("Streaming")
    stop = page.get_by_role("button", name="Stop")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    stop.click()
    for panel in PANELS:
        expect(page.locator(f"{panel} .state")).to_have_text("Stopped")
        assert held.closed.acquire(timeout=20), "the producer was not closed"
    assert held.opened == 2
    expect(stop).to_be_disabled()
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    expect(page.get_by_role("button", name="Send")).to_be_focused()
    assert answer(page, "#sse") == "first"


def test_error_in_the_stream_is_shown_behind_what_was_said(page: Page, serve: Serve) -> None:
    events = [TextDelta("So far "), Failure("overloaded", "the model is <b>busy</b>"), Done(finished=False)]
    ask(page, serve(demo.app(ScriptedProvider(events=events, pace=0))))
    for panel in PANELS:
        expect(page.locator(f"{panel} .state")).to_have_text("Failed")
        expect(page.locator(f"{panel} .note")).to_have_text("the model is <b>busy</b>")
        assert answer(page, panel) == "So far "


def test_refusal_before_the_stream_is_shown(page: Page, serve: Serve, forgiven: list[str]) -> None:
    forgiven.append(REFUSED)
    error = ProviderError("rate_limited", "come back later")
    ask(page, serve(demo.app(ScriptedProvider(pace=0, fail_after=0, error=error))))
    for panel, reason in zip(PANELS, ("The server refused the request", "come back later"), strict=True):
        expect(page.locator(f"{panel} .state")).to_have_text("Failed")
        expect(page.locator(f"{panel} .note")).to_contain_text(reason)


def test_incomplete_answer_is_not_called_complete(page: Page, serve: Serve) -> None:
    ask(page, serve(demo.app(ScriptedProvider(events=[TextDelta("half"), Done(finished=False)], pace=0))))
    for panel in PANELS:
        expect(page.locator(f"{panel} .note")).to_have_text("The answer is not complete.")
        expect(page.locator(f"{panel} .state")).to_have_text("Failed")


def test_connection_that_breaks_is_told_and_the_model_not_asked_again(
    page: Page, serve: Serve, forgiven: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or "/chat" not in scope["path"]:
            await application(scope, receive, send)
            return
        asked.append(scope["method"])
        sse = scope["method"] == "GET"
        media_type = b"text/event-stream" if sse else b"application/x-ndjson"
        body = (
            b'retry: 1\nevent: text_delta\ndata: {"text":"half"}\n\n'
            if sse
            else b'{"type":"text_delta","text":"half"}\n'
        )
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", media_type)]})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await anyio.to_thread.run_sync(cut.wait, 60)
        raise OSError("the cable is cut")

    cut = threading.Event()
    application = demo.app(ScriptedProvider())
    forgiven.append(REFUSED)
    ask(page, serve(broken))
    for panel in PANELS:
        expect(page.locator(f"{panel} .answer")).to_have_text("half")
    cut.set()
    for panel in PANELS:
        expect(page.locator(f"{panel} .note")).to_have_text("The connection was lost.")
        expect(page.locator(f"{panel} .state")).to_have_text("Failed")
        assert answer(page, panel) == "half"
    # An EventSource left alone would be back after one millisecond.
    page.evaluate("fetch('api/info').then(() => fetch('api/info'))")
    assert sorted(asked) == ["GET", "POST"]
    assert "the cable is cut" in caplog.text


def test_server_that_goes_away_is_told_on_the_page_and_not_asked_again(
    page: Page, serve: Serve, forgiven: list[str]
) -> None:
    held, shutdown = Held(), Shutdown()

    async def begin(scope: Any, receive: Any, send: Any) -> None:
        # The server's own loop, where a shutdown begins.
        if scope["type"] == "http" and scope["path"] == "/shut":
            shutdown.begin()
        await application(scope, receive, send)

    application = demo.app(held, shutdown=shutdown)
    forgiven.append(REFUSED)
    ask(page, serve(begin, shutdown))
    for panel in PANELS:
        expect(page.locator(f"{panel} .answer")).to_have_text("first")
    page.evaluate("fetch('shut')")
    for panel in PANELS:
        expect(page.locator(f"{panel} .note")).to_have_text("the server is shutting down")
        assert held.closed.acquire(timeout=20)
    assert held.opened == 2


def test_reasoning_and_tool_calls_are_shown_apart(page: Page, serve: Serve) -> None:
    events = [
        ReasoningDelta("Let me "),
        ReasoningDelta("think."),
        TextDelta("I look it up."),
        ToolCallDelta(0, "c0", "clock", '{"zone":'),
        ToolCallDelta(0, arguments='"UTC"}'),
        ToolCallDelta(1, "c1", "weather", '{"city":"<Köln>"}'),
        ToolCall("c0", "clock", {"zone": "UTC"}, '{"zone":"UTC"}'),
        ToolCall("c1", "weather", {"city": "<Köln>"}, '{"city":"<Köln>"}'),
        ToolCall("c2", "sum", [1, 2]),
        Finish("tool_calls"),
        Done(),
    ]
    ask(page, serve(demo.app(ScriptedProvider(events=events, pace=0))))
    for panel in PANELS:
        expect(page.locator(f"{panel} .state")).to_have_text("Complete")
        expect(page.locator(f"{panel} .answer .reasoning")).to_have_text("Let me think.")
        expect(page.locator(f"{panel} .answer .text")).to_have_text("I look it up.")
        expect(page.locator(f"{panel} .answer .tool")).to_have_text(
            ['clock {"zone":"UTC"}', 'weather {"city":"<Köln>"}', "sum [1,2]"]
        )
        assert figure(page, panel, "characters") == len("I look it up.")


def test_chosen_provider_answers(page: Page, serve: Serve) -> None:
    others = [ScriptedProvider(text="The second", pace=0, name="second", model="small-1")]
    page.goto(serve(demo.app(ScriptedProvider(text="The first", pace=0), others=others)))
    provider = page.get_by_label("Provider")
    expect(provider.locator("option")).to_have_text(["scripted", "second · small-1"])
    expect(page.locator("#offline")).to_be_visible()
    provider.select_option("second")
    page.get_by_role("button", name="Send").click()
    for panel in PANELS:
        expect(page.locator(f"{panel} .answer")).to_have_text("The second")


def test_enter_sends_and_shift_enter_does_not(page: Page, serve: Serve) -> None:
    page.goto(serve(demo.app(ScriptedProvider(text="{question}", pace=0))))
    prompt = page.get_by_label("Your question")
    prompt.fill("")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    prompt.fill("one")
    prompt.press("Shift+Enter")
    expect(page.locator("#sse .state")).to_have_text("Ready")
    expect(prompt).to_have_value("one\n")
    prompt.press("Enter")
    expect(page.locator("#sse .state")).to_have_text("Complete")
    expect(page.locator("#ndjson .state")).to_have_text("Complete")
    # Whoever asks by the keyboard can go on typing.
    expect(prompt).to_be_focused()
    assert prompt.input_value() == "one\n"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_has_the_panels_stacked_and_nothing_beside_the_screen(page: Page, serve: Serve, scheme: Any) -> None:
    page.set_viewport_size({"width": 375, "height": 812})
    page.emulate_media(color_scheme=scheme)
    text = "Donaudampfschifffahrtsgesellschaftskapitän" * 5 + "\n" + "https://example.org/" + "x" * 300
    ask(page, serve(demo.app(ScriptedProvider(text=text, pace=0))))
    for panel in PANELS:
        expect(page.locator(f"{panel} .state")).to_have_text("Complete")
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    sse, ndjson = (page.locator(panel).bounding_box() for panel in PANELS)
    assert sse is not None
    assert ndjson is not None
    assert sse["x"] == ndjson["x"]
    assert ndjson["y"] >= sse["y"] + sse["height"]
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(value) for value in re.findall(r"\d+", light)[:3]) > 384) == (scheme == "light")


def test_everything_on_the_page_has_a_name(page: Page, serve: Serve) -> None:
    page.goto(serve(demo.app(ScriptedProvider(text="Hello", pace=0))))
    for role, name in {
        "textbox": "Your question",
        "combobox": "Provider",
        "radiogroup": "Transport",
        "button": "Send",
        "log": "Answer over SSE",
        "region": "NDJSON",
    }.items():
        expect(page.get_by_role(role, name=name, exact=True)).to_have_count(1)  # type: ignore[arg-type]
    for panel in PANELS:
        expect(page.locator(f"{panel} .answer")).to_have_attribute("aria-live", "polite")
