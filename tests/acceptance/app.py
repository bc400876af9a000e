"""The application that the acceptance tests talk to over real sockets: streams that do what a test needs.

It records what happens in it, and `/log?wait=NAME` answers once NAME was recorded; `/note?name=NAME` records NAME from
outside, which is how a test lets a stream go on. Every stream has an `id`, with which its own names begin.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gai_stream import (
    Finish,
    ProviderError,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    ndjson_response,
    sse_response,
)
from gai_stream.asgi import sse_handler
from gai_stream.providers import ChatRequest, ScriptedProvider, parse_chat_request

BIG = "x" * 65536
QUIET = 0.2
"""After how many seconds a send that has not returned counts as held up by the client."""

seen: ContextVar[str] = ContextVar("seen", default="lost")


class Log:
    """What happened, with the machine's monotonic time: a client on the same machine can compare it with its own."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self._changed: anyio.Event | None = None

    def record(self, name: str, **facts: Any) -> None:
        self.entries.append({"name": name, "time": time.monotonic(), **facts})
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    def has(self, name: str) -> bool:
        return any(entry["name"] == name for entry in self.entries)

    async def wait(self, name: str) -> None:
        while not self.has(name):
            if self._changed is None:
                self._changed = anyio.Event()
            await self._changed.wait()


log = Log()


@contextmanager
def life(id: str) -> Iterator[None]:
    """Record the start and the end of a generator, and whether it ended in the task that ran it."""
    task = anyio.get_current_task().id
    log.record(f"{id}.started")
    try:
        yield
    finally:
        log.record(f"{id}.closed", same_task=anyio.get_current_task().id == task)


# Streams: each takes its id.


async def one_then_raise(id: str) -> AsyncIterator[str]:
    with life(id):
        yield "one"
        raise RuntimeError("secret: the password is hunter2")


async def rate_limited(id: str) -> AsyncIterator[str]:
    with life(id):
        raise ProviderError("rate_limited", "slow down, please", retry_after=7)
        yield


async def broken(id: str) -> AsyncIterator[str]:
    with life(id):
        raise RuntimeError("secret: the password is hunter2")
        yield


async def held(id: str) -> AsyncIterator[str]:
    """Make the second item only when a client asks for it."""
    with life(id):
        yield "first"
        await log.wait(f"{id}.go")
        log.record(f"{id}.second")
        yield "second"


async def idle(id: str) -> AsyncIterator[str]:
    """Say one thing and then nothing, for ever: a provider that thinks."""
    with life(id):
        yield "one"
        await anyio.sleep_forever()


async def endless(id: str) -> AsyncIterator[str]:
    with life(id):
        while True:
            yield BIG


async def busy(id: str) -> AsyncIterator[str]:
    """Never stop, and never wait for anything either."""
    with life(id):
        while True:
            yield "x"


async def remembering(id: str) -> AsyncIterator[str]:
    """Set a context variable before the first item, and tell of it after a heartbeat."""
    with life(id):
        seen.set("kept")
        yield "one"
        await log.wait(f"{id}.heartbeat")
        yield seen.get()


async def hundred(id: str) -> AsyncIterator[str]:
    with life(id):
        for number in range(100):
            yield f"{number:03} "


async def large(id: str) -> AsyncIterator[str]:
    """Say more than any socket takes at once."""
    with life(id):
        for number in range(400):
            yield f"{number:04}{'x' * 20000}"


async def answer(id: str) -> AsyncIterator[Any]:
    with life(id):
        yield Start("m")
        for word in ("The capital", " of France", " is Paris."):
            yield TextDelta(word)
        yield Finish("stop", Usage(5, 7, 12))


async def tools(id: str) -> AsyncIterator[Any]:
    with life(id):
        yield Start("m")
        yield ToolCall("c1", "calc", {"expression": "2+2"}, '{"expression": "2+2"}')
        yield ToolResult("c1", "calc", 4)
        yield Finish("stop", Usage(5, 7, 12))


STREAMS: dict[str, Callable[[str], AsyncIterator[Any]]] = {
    stream.__name__: stream
    for stream in (
        one_then_raise,
        rate_limited,
        broken,
        held,
        idle,
        endless,
        busy,
        remembering,
        hundred,
        large,
        answer,
        tools,
    )
}


async def stream(request: Request) -> Response:
    """Answer `/{form}/{name}?id=...` with the stream of that name."""
    id = request.query_params["id"]
    respond: Any = {"sse": sse_response, "ndjson": ndjson_response}[request.path_params["form"]]
    options: dict[str, Any] = {}
    if "ids" in request.query_params and respond is sse_response:
        options["ids"] = True
    if "heartbeat" in request.query_params:
        options["heartbeat"] = float(request.query_params["heartbeat"])
    made: Response = respond(
        STREAMS[request.path_params["name"]](id),
        on_end=lambda summary: log.record(f"{id}.end", reason=summary.reason, status=summary.status),
        **options,
    )
    return made


# Between the response and the server.


class Watched:
    """Record the sends of a stream: its heartbeats, and when one of them is held up."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        id = Request(scope).query_params.get("id") if scope["type"] == "http" else None
        if id is None:
            await self._app(scope, receive, send)
            return
        returned = anyio.Event()
        waiting = False

        async def watched(message: Message) -> None:
            nonlocal returned, waiting
            waiting = True
            await send(message)
            waiting = False
            returned.set()
            returned = anyio.Event()
            if b": keep-alive" in message.get("body", b""):
                log.record(f"{id}.heartbeat")

        async def watch() -> None:
            while True:
                with anyio.move_on_after(QUIET) as quiet:
                    await returned.wait()
                if quiet.cancelled_caught and waiting:
                    log.record(f"{id}.held_up")
                    return

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            await self._app(scope, receive, watched)
            tasks.cancel_scope.cancel()


class Silent:
    """Be a server of ASGI 2.4 that does not raise from `send`, as the version says it should, once nobody is there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def silent(message: Message) -> None:
            try:
                await send(message)
            except OSError:
                await anyio.lowlevel.checkpoint()

        await self._app({**scope, "asgi": {**scope["asgi"], "spec_version": "2.4"}}, receive, silent)


# For the tests alone.


async def read_log(request: Request) -> Response:
    """Answer with what was recorded, once `wait` was."""
    with anyio.move_on_after(20):
        await log.wait(request.query_params.get("wait", "up"))
    return JSONResponse(log.entries)


async def note(request: Request) -> Response:
    log.record(request.query_params["name"])
    return Response(status_code=204)


class Models:
    """A provider with a model for each thing that a client must bear."""

    def stream(self, request: ChatRequest) -> AsyncIterator[Any]:
        return MODELS[request.model or "plain"].stream(request)


MODELS = {
    "plain": ScriptedProvider(text="Hello, world.", pace=0),
    "tools": ScriptedProvider(
        events=[
            Start("tools"),
            TextDelta("Let me see."),
            ToolCallDelta(0, "c1", "calc", ""),
            ToolCallDelta(0, arguments='{"a":'),
            ToolCallDelta(0, arguments="1}"),
            ToolCallDelta(1, "c2", "look", '{"b":2}'),
            ToolCall("c1", "calc", {"a": 1}, '{"a":1}'),
            ToolCall("c2", "look", {"b": 2}, '{"b":2}'),
            Finish("tool_calls"),
        ],
        pace=0,
    ),
    "broken": ScriptedProvider(
        events=[Start("broken"), TextDelta("half")],
        fail_after=2,
        error=ProviderError("overloaded", "too busy to finish"),
        pace=0,
    ),
    "refusing": ScriptedProvider(fail_after=0, error=ProviderError("rate_limited", "slow down, please", retry_after=7)),
}


async def ask(request: Request) -> ChatRequest:
    return parse_chat_request(await request.body())


log.record("up")
streams = [Route("/{form}/{name}", stream, methods=["GET", "POST", "HEAD", "OPTIONS"])]
app = Starlette(
    routes=[
        Route("/log", read_log),
        Route("/note", note, methods=["POST"]),
        Route("/v1/chat/completions", sse_handler(Models(), ask, encoder="openai")),
        Mount("/gzip", Starlette(routes=streams, middleware=[Middleware(GZipMiddleware, minimum_size=0)])),
        Mount("/silent", Silent(Starlette(routes=streams))),
        *streams,
    ],
    middleware=[Middleware(Watched)],
)
