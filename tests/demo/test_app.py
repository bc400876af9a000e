"""The demo's endpoints: what each answers, and what bad input gets."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

import gai_stream
from gai_stream.demo import app as demo
from gai_stream.demo.shutdown import Shutdown
from gai_stream.events import Done, Event, Failure, Finish, Start, TextDelta
from gai_stream.exceptions import ProviderError
from gai_stream.providers.provider import ChatRequest
from gai_stream.providers.scripted import ScriptedProvider
from gai_stream.testing import ASGIClient, ClientResponse

pytestmark = pytest.mark.anyio

PAGE = Path(demo.__file__).parent
SSE = "text/event-stream; charset=utf-8"
NDJSON = "application/x-ndjson"


def scripted(text: str = "Hello there", name: str = "scripted", **options: Any) -> ScriptedProvider:
    return ScriptedProvider(text=text, pace=0, name=name, **options)


class Double:
    """Answers with the request's own words, and remembers what it was asked and whether it was closed."""

    name = "double"
    model = "echo-1"

    def __init__(self) -> None:
        self.asked: list[ChatRequest] = []
        self.closed = False

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        self.asked.append(request)
        yield Start(self.model)
        yield TextDelta(request.query)
        yield Finish("stop")
        yield Done()

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture
async def client() -> AsyncIterator[ASGIClient]:
    async with ASGIClient(demo.app(scripted(), others=[scripted("Another one", "second"), Double()])) as made:
        yield made


async def words(response: ClientResponse) -> str:
    """Return the text of a whole answer, whichever way it came. It must have its terminal frame."""
    if response.headers["content-type"] == SSE:
        messages = [{"type": event.event, **event.json()} async for event in response.events()]
    else:
        messages = [value async for value in response.values()]
    assert messages[-1] == {"type": "done", "finished": True}
    return "".join(message["text"] for message in messages if message["type"] == "text_delta")


def error_of(response: ClientResponse) -> str:
    """Return the reason in a JSON error."""
    assert response.headers["content-type"] == "application/json"
    message: str = response.json()["error"]["message"]
    return message


async def test_chat_streams_events_to_an_event_source(client: ASGIClient) -> None:
    response = await client.get("/chat?q=hi", headers={"accept": "text/event-stream"})
    assert response.status == 200
    assert response.headers["content-type"] == SSE
    assert response.headers["access-control-allow-origin"] == "*"
    assert await words(response) == "Hello there"


async def test_api_chat_streams_lines_to_a_fetch_reader(client: ASGIClient) -> None:
    response = await client.post("/chat", json={"query": "hi"})
    assert response.status == 200
    assert response.headers["content-type"] == NDJSON
    assert await words(response) == "Hello there"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, SSE),
        ("*/*", SSE),
        ("text/event-stream", SSE),
        ("application/x-ndjson", NDJSON),
        ("text/event-stream;q=0.5, application/x-ndjson", NDJSON),
    ],
)
async def test_stream_comes_in_the_form_that_is_accepted(
    client: ASGIClient, method: str, accept: str | None, content_type: str
) -> None:
    headers = {} if accept is None else {"accept": accept}
    if method == "GET":
        response = await client.get("/api/v1/stream?query=hi", headers=headers)
    else:
        response = await client.post("/api/v1/stream", json={"query": "hi"}, headers=headers)
    assert (response.status, response.headers["content-type"]) == (200, content_type)
    assert "accept" in response.headers["vary"].lower()
    assert await words(response) == "Hello there"


async def test_body_may_be_a_conversation(client: ASGIClient) -> None:
    body = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Grüße"}]}
    response = await client.post("/chat", json={**body, "provider": "double"})
    assert await words(response) == "Grüße"


@pytest.mark.parametrize(("name", "said"), [("second", "Another one"), ("double", "a b&c")])
async def test_request_chooses_the_provider(client: ASGIClient, name: str, said: str) -> None:
    assert await words(await client.get(f"/chat?q=a%20b%26c&provider={name}")) == said
    assert await words(await client.get(f"/api/v1/stream?query=a%20b%26c&provider={name}")) == said
    assert await words(await client.post("/chat", json={"query": "a b&c", "provider": name})) == said


async def test_empty_choice_is_no_choice(client: ASGIClient) -> None:
    assert await words(await client.get("/chat?q=hi&provider=&model=")) == "Hello there"
    assert await words(await client.post("/chat", json={"query": "hi", "provider": ""})) == "Hello there"


async def test_request_chooses_the_model() -> None:
    double = Double()
    async with ASGIClient(demo.app(double)) as client:
        await client.get("/chat?q=hi&model=echo-2")
        await client.post("/chat", json={"query": "hi", "model": "echo-3"})
    assert [asked.model for asked in double.asked] == ["echo-2", "echo-3"]


async def test_info_names_what_can_be_chosen(client: ASGIClient) -> None:
    response = await client.get("/api/info")
    assert response.json() == {
        "providers": [
            {"name": "scripted", "model": "scripted"},
            {"name": "second", "model": "scripted"},
            {"name": "double", "model": "echo-1"},
        ],
        "default": "scripted",
        "version": gai_stream.__version__,
    }


async def test_media_type_may_have_parameters(client: ASGIClient) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    response = await client.post("/chat", content=b'{"query":"hi"}', headers=headers)
    assert await words(response) == "Hello there"


async def test_body_of_just_one_mebibyte_is_taken() -> None:
    double = Double()
    async with ASGIClient(demo.app(double)) as client:
        body = b'{"query":"' + b"x" * ((1 << 20) - 12) + b'"}'
        assert len(body) == 1 << 20
        response = await client.post("/chat", content=body, headers={"content-type": "application/json"})
    assert response.status == 200
    assert [len(asked.query) for asked in double.asked] == [(1 << 20) - 12]


@pytest.mark.parametrize("path", ["/chat?q=hi", "/chat", "/api/v1/stream"])
async def test_head_and_preflight_ask_no_model(path: str) -> None:
    double = Double()
    async with ASGIClient(demo.app(double)) as client:
        head = await client.request("HEAD", path)
        assert (head.status, head.content, head.headers["content-type"]) == (200, b"", SSE)
        preflight = await client.request("OPTIONS", path, headers={"origin": "https://app.example"})
        assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (204, "*")
    assert double.asked == []


async def test_provider_that_refuses_gives_its_true_status() -> None:
    refusal = ProviderError("rate_limited", "too many requests", 429, retry_after=7)
    async with ASGIClient(demo.app(scripted(fail_after=0, error=refusal))) as client:
        for response in (await client.get("/chat?q=hi"), await client.post("/chat", json={"query": "hi"})):
            assert (response.status, response.headers["retry-after"]) == (429, "7")
            assert error_of(response) == "too many requests"


async def test_provider_that_fails_midway_is_told_in_the_stream() -> None:
    error = Failure("overloaded", "the model is busy")
    async with ASGIClient(demo.app(scripted(fail_after=2, error=error))) as client:
        response = await client.post("/chat", json={"query": "hi"})
        values = [value async for value in response.values()]
    assert [value["type"] for value in values] == ["start", "text_delta", "error", "done"]
    assert values[2]["error"] == "the model is busy"
    assert values[3]["finished"] is False


async def test_open_stream_gets_its_terminal_frame_when_the_server_goes() -> None:
    class Endless(Double):
        async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
            yield TextDelta(request.query)
            await anyio.sleep_forever()

    shutdown = Shutdown()
    async with ASGIClient(demo.app(Endless(), shutdown=shutdown)) as client:
        async with client.stream("POST", "/chat", json={"query": "hi"}) as response:
            values = response.values()
            assert await anext(values) == {"type": "text_delta", "text": "hi"}
            shutdown.begin()
            error, done = [value async for value in values]
            assert error["error"] == "the server is shutting down"
            assert done == {"type": "done", "finished": False}
        late = await client.get("/chat?q=hi")
        assert late.status == 503


async def test_providers_are_closed_with_the_application() -> None:
    async with ASGIClient(demo.app(scripted(), others=[double := Double()])):
        assert not double.closed
    assert double.closed


async def test_ends_are_logged_with_their_figures(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "gai_stream.demo"):
        async with ASGIClient(demo.app(scripted())) as client:
            await client.get("/chat?q=hi")
            await client.request("HEAD", "/chat?q=hi")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "gai_stream.demo"]
    assert re.fullmatch(
        r"GET /chat: Streaming complete - Total chunks: 2, Total length: 11 characters, first token after \d+ ms", line
    )


# Other sites


async def test_other_sites_are_refused_where_a_key_could_be_spent() -> None:
    double = Double()
    async with ASGIClient(demo.app(double, cors=None)) as client:
        for site in ("cross-site", "same-site"):
            for response in (
                await client.get("/chat?q=hi", headers={"sec-fetch-site": site}),
                await client.post("/chat", json={"query": "hi"}, headers={"sec-fetch-site": site}),
                await client.get("/api/v1/stream?query=hi", headers={"sec-fetch-site": site}),
            ):
                assert response.status == 403
                assert error_of(response).startswith("only the demo's own page may ask")
        assert double.asked == []
        for own in ({}, {"sec-fetch-site": "none"}, {"sec-fetch-site": "same-origin"}):
            response = await client.get("/chat?q=hi", headers=own)
            assert response.status == 200
            assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("key", [True, False])
async def test_environment_gives_the_providers_and_who_may_ask(key: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_MODEL", raising=False)
    if key:
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    else:
        monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    async with ASGIClient(demo.app()) as client:
        info = (await client.get("/api/info")).json()
        response = await client.get("/chat?q=hi&provider=nobody", headers={"sec-fetch-site": "cross-site"})
    assert info["default"] == ("openai" if key else "scripted")
    assert [each["name"] for each in info["providers"]] == (["openai", "scripted"] if key else ["scripted"])
    assert response.status == (403 if key else 400)


async def test_two_providers_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="others: two providers are called 'scripted'"):
        demo.app(scripted(), others=[scripted()])


# The page


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html"),
        ("/page.css", "text/css"),
        ("/panel.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/client.js", "text/javascript"),
        ("/favicon.svg", "image/svg+xml"),
        ("/favicon.ico", "image/svg+xml"),
    ],
)
async def test_page_allows_nothing_but_its_own_files(client: ASGIClient, path: str, media_type: str) -> None:
    response = await client.get(path)
    assert response.status == 200
    assert response.headers["content-type"].split(";")[0] == media_type
    assert response.content
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_page_never_makes_markup_of_a_models_words() -> None:
    for script in PAGE.glob("*.js"):
        source = script.read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|createContextualFragment"
            r"|setHTML|\beval\b|new Function",
            source,
        ), script.name


def test_page_names_no_other_host_and_has_nothing_inline() -> None:
    for file in (*PAGE.glob("*.js"), *PAGE.glob("*.css"), *PAGE.glob("*.html")):
        assert "//" not in re.sub(r"(?m)^\s*//.*$", "", file.read_text(encoding="utf-8")), file.name
    html = (PAGE / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html)
