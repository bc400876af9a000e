"""A client that is killed in the middle of an answer: nobody goes on paying for it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from typing import Any
from urllib.parse import urlsplit

import pytest

from gai_stream.gateway import Routes, gateway
from gai_stream.providers import create

TIMES = 100
CHUNK = b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


async def begins(writer: asyncio.StreamWriter) -> None:
    """Begin an answer that does not end."""
    writer.write(HEAD + b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK))
    await writer.drain()


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "in one piece"])
def test_killing_the_client_closes_the_upstream_connection_every_time(serve: Any, upstream: Any, stream: bool) -> None:
    body = json.dumps({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    request += b"content-length: %d\r\n\r\n%b" % (len(body), body)
    with upstream(begins) as fake:
        provider = create(provider="openai", base_url=f"{fake.address}/v1", api_key="sk-none")
        address = serve(gateway(Routes({"openai": provider}, default="openai")))
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
