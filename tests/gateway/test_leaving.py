"""A client that is killed in the middle of an answer: nobody goes on paying for it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from urllib.parse import urlsplit

import pytest

from gai_stream.gateway import Routes, gateway
from gai_stream.providers import create

TIMES = 100
CHUNK = b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Upstream:
    """A server that begins every answer and ends none. `left` gets an item for each connection that was closed."""

    def __init__(self) -> None:
        self.open = 0
        self.left: SimpleQueue[None] = SimpleQueue()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            writer.write(HEAD + b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK))
            await writer.drain()
            while await reader.read(1024):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()
            self.left.put(None)


@contextmanager
def upstream() -> Iterator[tuple[Upstream, str]]:
    """Run an upstream in a thread. Yields it and its base URL."""
    made, ready, loop = Upstream(), threading.Event(), asyncio.new_event_loop()
    listener = socket.create_server(("127.0.0.1", 0))

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
        yield made, f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "in one piece"])
def test_killing_the_client_closes_the_upstream_connection_every_time(serve: object, stream: bool) -> None:
    body = json.dumps({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    request += b"content-length: %d\r\n\r\n%b" % (len(body), body)
    with upstream() as (fake, base_url):
        provider = create(provider="openai", base_url=base_url, api_key="sk-none")
        address = serve(gateway(Routes({"openai": provider}, default="openai")))  # type: ignore[operator]
        parts = urlsplit(address)
        for _ in range(TIMES):
            client = socket.create_connection((parts.hostname, parts.port), timeout=10)
            client.sendall(request)
            if stream:
                received = b""
                while b'"hi"' not in received:
                    received += client.recv(4096)
            else:
                # Nothing comes before the end: it is enough that the upstream was asked.
                while not fake.open:
                    threading.Event().wait(0.001)
            # Killed, not closed: the connection is reset.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            fake.left.get(timeout=1.0)
        assert fake.open == 0
