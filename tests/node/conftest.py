"""The real JavaScript clients, in one long-lived process, and a server for what they read."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from gai_stream.events import Event
from gai_stream.sse import SSEEncoder

Client = Literal["ai5", "ai5_0", "ai6", "ai6_0", "ai7", "ag_ui"]
Read = Callable[[Client, Any, list[Event]], dict[str, Any]]
ReadAnswer = Callable[[Client, int, dict[str, str], bytes], dict[str, Any]]

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
def read_answer(node_clients: Callable[[Client, str], dict[str, Any]], loopback: Any) -> ReadAnswer:
    """Serve an HTTP answer over loopback, and get what a client makes of it."""

    def read(client: Client, status: int, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        return node_clients(client, loopback(lambda path, asked: (status, headers, body)))

    return read


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
