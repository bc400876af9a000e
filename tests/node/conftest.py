"""The real JavaScript clients, in one long-lived process, and a server for what they read."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import pytest

from gai_stream.dialects import registry
from gai_stream.events import Event, failure_from
from gai_stream.exceptions import StreamError
from gai_stream.ndjson import NDJSONDecoder
from gai_stream.sse import SSEDecoder, SSEEncoder

Client = Literal["ai5", "ai5_0", "ai6", "ai6_0", "ai7", "ag_ui"]
Read = Callable[[Client, Any, list[Event]], dict[str, Any]]
ReadAnswer = Callable[[Client, int, dict[str, str], bytes], dict[str, Any]]

# What expected.json calls the dialects.
DIALECTS = {"openai-chat": "openai", "openai-responses": "openai_responses", "gemini-array": "gemini"}

HERE = Path(__file__).parent
LONGEST = 60.0


@pytest.fixture(scope="session")
def node_clients() -> Iterator[Callable[[Client, str], dict[str, Any]]]:
    """Give a URL to a client by its name, and get what it made of what is there."""
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules").is_dir():
        pytest.skip("needs node, and tests/node/node_modules: `make test` installs it with npm")
    process = subprocess.Popen([node, "read.mjs"], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(client: Client, url: str) -> dict[str, Any]:
        process.stdin.write(json.dumps({"client": client, "url": url}).encode() + b"\n")
        process.stdin.flush()
        too_long = threading.Timer(LONGEST, process.kill)
        too_long.start()
        answer = process.stdout.readline()
        too_long.cancel()
        too_long.join()
        seen: dict[str, Any] = json.loads(answer)
        return seen

    yield ask
    process.stdin.close()
    process.wait()
    process.stdout.close()


@pytest.fixture(scope="session")
def read_answer(node_clients: Callable[[Client, str], dict[str, Any]]) -> Iterator[ReadAnswer]:
    """Serve an HTTP answer over loopback, once, and get what a client makes of it."""
    answer: list[tuple[int, dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            status, headers, body = answer.pop()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def read(client: Client, status: int, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        answer.append((status, headers, body))
        return node_clients(client, f"http://127.0.0.1:{server.server_port}/")

    yield read
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def read(read_answer: ReadAnswer) -> Read:
    """Serve events through an encoder, with a heartbeat before and behind every message, to a client."""

    def read(client: Client, encoder: Any, events: list[Event]) -> dict[str, Any]:
        sse = SSEEncoder()
        messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
        body = sse.heartbeat.join([b"", *(block for message in messages for block in sse.feed(message)), b""])
        headers = {"content-type": "text/event-stream; charset=utf-8", **encoder.headers}
        return read_answer(client, 200, headers, body)

    return read


@pytest.fixture(scope="session")
def recordings(corpus: Path, expected: dict[str, Any]) -> dict[str, list[Event]]:
    """The events of every recorded stream whose dialect we read; what cannot be read ends as it would on the way."""
    found = {}
    for name, wanted in expected.items():
        dialect = DIALECTS.get(wanted["dialect"], wanted["dialect"])
        if dialect in registry.names():
            found[name] = list(_events(dialect, corpus / name))
    assert len(found) >= 29
    return found


def _events(dialect: str, file: Path) -> Iterator[Event]:
    make = registry.dialect(dialect).decoder
    assert make is not None
    decoder: Any = make()
    data = file.read_bytes()
    framings = {".ndjson": NDJSONDecoder, ".sse": lambda: SSEDecoder(on_ignored=getattr(decoder, "ignored", None))}
    try:
        if file.suffix in framings:
            framing = framings[file.suffix]()
            messages = [*framing.feed(data), *framing.finish()]
        else:
            # Gemini's array: one element is one message.
            messages = json.loads(data)
        for message in messages:
            yield from decoder.feed(message)
        yield from decoder.finish()
    except StreamError as exc:
        yield failure_from(exc)
