"""What the gateway's tests share: the APIs and how each is asked, and a provider that remembers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeAlias

import anyio
import pytest

from gai_stream.events import Done, Event, Finish, FinishStep, Start, TextDelta, Usage
from gai_stream.gateway import Routes, gateway
from gai_stream.providers import ChatRequest
from gai_stream.testing import ASGIClient, ClientResponse

Script: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]
Opened = Callable[..., Awaitable[ASGIClient]]

TEXT = "Grüße, 数到5: 一二三四五\u2028"
ANSWER: list[Event] = [
    Start("inner-1", "house", "x1"),
    TextDelta("Grüße, "),
    TextDelta("数到5: 一二三四五\u2028"),
    FinishStep(1),
    Finish("stop", Usage(7, 5, 12)),
    Done(),
]
QUESTION = [{"role": "user", "content": "hi"}]


class API(NamedTuple):
    """One API that the gateway speaks: its address, and a request that says nothing of streaming."""

    name: str
    path: str
    body: dict[str, Any]

    async def ask(self, client: ASGIClient, *, stream: bool, **more: Any) -> ClientResponse:
        """Ask for an answer, in the API's own way."""
        path, body = self.path, self.body
        if self.name == "gemini":
            path = path.format("streamGenerateContent?alt=sse" if stream else "generateContent")
        else:
            body = {**body, "stream": stream}
        return await client.post(path, json={**body, **more.pop("body", {})}, **more)

    def error_in(self, body: Any) -> str:
        """Return the text of an error body, which must have the API's shape."""
        error = body["error"]
        if self.name.startswith("ollama"):
            assert isinstance(error, str)
            return error
        if self.name == "anthropic":
            assert body["type"] == "error"
        elif self.name == "gemini":
            assert {"code", "message", "status"} <= error.keys()
        else:
            assert {"message", "type", "param", "code"} <= error.keys()
        return str(error["message"])

    def said(self, body: Any) -> tuple[str, str]:
        """Return the text and the reason in an answer in one piece."""
        match self.name:
            case "openai":
                assert body["object"] == "chat.completion"
                return body["choices"][0]["message"]["content"], body["choices"][0]["finish_reason"]
            case "openai_responses":
                return body["output"][0]["content"][0]["text"], body["status"]
            case "anthropic":
                return body["content"][0]["text"], body["stop_reason"]
            case "gemini":
                [candidate] = body["candidates"]
                return candidate["content"]["parts"][0]["text"], candidate["finishReason"]
            case "ollama":
                return body["message"]["content"], body["done_reason"]
            case _:
                return body["response"], body["done_reason"]


APIS = (
    API("openai", "/v1/chat/completions", {"model": "m", "messages": QUESTION}),
    API("openai_responses", "/v1/responses", {"model": "m", "input": "hi"}),
    API("anthropic", "/v1/messages", {"model": "m", "max_tokens": 9, "messages": QUESTION}),
    API("gemini", "/v1beta/models/m:{}", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
    API("ollama", "/api/chat", {"model": "m", "messages": QUESTION}),
    API("ollama generate", "/api/generate", {"model": "m", "prompt": "hi"}),
)


class Remembering:
    """A provider that says `events`, and remembers what it was asked and whether its streams were closed."""

    name = "house"
    model = "inner-1"
    dialect = "gai"
    supports_streaming = True

    def __init__(self, *events: Event | Exception, ever: bool = False) -> None:
        self.events = events
        self.ever = ever
        self.asked: list[ChatRequest] = []
        self.open = 0
        self.closed = threading.Event()
        self.let_go = False

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        self.asked.append(request)
        self.open += 1
        try:
            for event in self.events:
                if isinstance(event, Exception):
                    raise event
                yield event
            if self.ever:
                await anyio.sleep_forever()
        finally:
            self.open -= 1
            self.closed.set()

    async def aclose(self) -> None:
        self.let_go = True


class Upstream:
    """A fake of a provider's server: whoever asks gets what `script` sends, and then nothing until it leaves.

    `open` is how many connections there are; `left` gets an item for each that is over.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.address = ""
        self.open = 0
        self.left: SimpleQueue[None] = SimpleQueue()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            await self.script(writer)
            while await reader.read(1024):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()
            self.left.put(None)


@contextmanager
def faking(script: Script) -> Iterator[Upstream]:
    """Run an upstream in a thread until the block ends."""
    made, ready, loop = Upstream(script), threading.Event(), asyncio.new_event_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    made.address = f"http://127.0.0.1:{listener.getsockname()[1]}"

    async def run() -> None:
        server = await asyncio.start_server(made.answer, sock=listener)
        ready.set()
        async with server:
            await server.serve_forever()

    task = loop.create_task(run())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
    thread.start()
    ready.wait()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


@pytest.fixture(scope="session")
def upstream() -> Callable[[Script], AbstractContextManager[Upstream]]:
    """Fake a provider's server: `with upstream(script) as fake`."""
    return faking


@pytest.fixture
def remembering() -> Callable[..., Remembering]:
    """Make a provider that remembers, of the events it says, or of a whole answer."""
    return lambda *events, **options: Remembering(*(events or ANSWER), **options)


@pytest.fixture
def answer() -> list[Event]:
    """A whole answer."""
    return list(ANSWER)


@pytest.fixture(params=APIS, ids=lambda api: api.name)
def api(request: pytest.FixtureRequest) -> API:
    """Every API, one after the other."""
    made: API = request.param
    return made


@pytest.fixture
def apis() -> dict[str, API]:
    """Every API by its name."""
    return {api.name: api for api in APIS}


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Open a client of a gateway with one provider, which answers for every name."""
    async with AsyncExitStack() as stack:

        async def open_(house: Any, **options: Any) -> ASGIClient:
            app = gateway(Routes({"house": house}, default="house"), **options)
            return await stack.enter_async_context(ASGIClient(app))

        yield open_
