"""Acceptance 11: test cases on event loops of their own, in one process, again and again, and nothing hangs.

A module that keeps an event of the first loop it ran on hangs, or fails, on the second.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from gai_stream import ndjson_response, sse_response
from gai_stream.testing import ASGIClient

closed: list[str] = []


async def chat(request: Request) -> Any:
    respond: Any = {"sse": sse_response, "ndjson": ndjson_response}[request.path_params["form"]]

    async def source() -> AsyncIterator[str]:
        try:
            yield "a"
            if "idle" in request.query_params:
                await anyio.sleep_forever()
            yield "b"
        finally:
            closed.append("idle" if "idle" in request.query_params else "whole")

    return respond(source())


# One app for all loops, as a test suite has it.
app = Starlette(routes=[Route("/{form}", chat)])


async def a_whole_stream() -> None:
    with anyio.fail_after(10):
        async with ASGIClient(app) as client:
            sse, ndjson = await client.get("/sse"), await client.get("/ndjson")
    assert b'"b"' in sse.content
    assert sse.content.endswith(b'event: done\ndata: {"finished":true}\n\n')
    assert ndjson.content.endswith(b'{"finished":true,"type":"done"}\n')


async def a_stream_left_open() -> None:
    with anyio.fail_after(10):
        async with ASGIClient(app) as client, client.stream("GET", "/sse?idle") as answer:
            assert (await anext(answer.events())).json() == {"text": "a"}
            await answer.disconnect()


LOOPS: dict[str, Callable[[Any], None]] = {
    "asyncio": asyncio.run,
    "uvloop": uvloop.run,
    "trio": lambda case: anyio.run(lambda: case, backend="trio"),
}


@pytest.mark.parametrize("second", LOOPS)
@pytest.mark.parametrize("first", LOOPS)
def test_11_two_cases_on_two_event_loops_again_and_again(first: str, second: str) -> None:
    closed.clear()
    for _ in range(3):
        LOOPS[first](a_stream_left_open())
        LOOPS[second](a_whole_stream())
    assert closed == ["idle", "whole", "whole"] * 3


def test_11_two_servers_on_two_event_loops_in_one_process() -> None:
    """A server in process, as test suites start one: with streams that end, and one that its client leaves."""
    closed.clear()
    for _ in range(3):
        asyncio.run(serve_once())
    assert closed == ["whole", "idle"] * 3


async def serve_once() -> None:
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_level="critical"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        serving = asyncio.create_task(server.serve([listener]))
        host, port = listener.getsockname()
        async with asyncio.timeout(10):
            assert (await ask(host, port, "/sse", b"done")).endswith(b'data: {"finished":true}\n\n\r\n0\r\n\r\n')
            await ask(host, port, "/ndjson?idle", b'"a"')
            server.should_exit = True
            await serving


async def ask(host: str, port: int, path: str, until: bytes) -> bytes:
    """Read until `until` has come and whatever is with it, and hang up."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        got = await reader.readuntil(until)
        if until == b"done":
            got += await reader.readuntil(b"0\r\n\r\n")
        return got
    finally:
        writer.close()
        await writer.wait_closed()
