"""One rich request, and a server that keeps what the real SDKs send."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from gai_stream.events import ToolCall
from gai_stream.providers import ChatRequest, ImagePart, Message, ReasoningPart, TextPart

PIXEL = "iVBORw0KGgo="


class Sent(NamedTuple):
    """What a client sent: the path and the JSON body of its request."""

    path: str
    body: dict[str, Any]


Sending = Callable[[Callable[[str], Any]], Sent]


@pytest.fixture(scope="session")
def sent() -> Iterator[Sending]:
    """Call a function with a base URL, and return what it sent there. The answer is a refusal, whatever it was."""
    kept: list[Sent] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept.append(Sent(self.path, json.loads(body)))
            self.send_response(400)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def send(call: Callable[[str], Any]) -> Sent:
        kept.clear()
        with pytest.raises(Exception, match="400"):
            call(f"http://127.0.0.1:{server.server_port}")
        (one,) = kept
        return one

    yield send
    server.shutdown()
    thread.join()
    server.server_close()


SCHEMA: dict[str, Any] = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}


@pytest.fixture
def rich() -> ChatRequest:
    """A request with a bit of everything that every vocabulary has words for."""
    return ChatRequest(
        model="m",
        system="Be brief.",
        messages=[
            Message("user", [TextPart("What is this?"), ImagePart(f"data:image/png;base64,{PIXEL}")]),
            Message(
                "assistant",
                [ReasoningPart("Hm.", "c2ln"), TextPart("Let me look.")],
                tool_calls=[ToolCall("call_1", "look", {"at": "cat"}), ToolCall("call_2", "weigh", {})],
            ),
            Message("tool", "a cat", tool_call_id="call_1"),
            Message("tool", "broken", tool_call_id="call_2", is_error=True),
            Message("user", "And now?"),
        ],
        temperature=0.5,
        max_tokens=100,
        top_p=0.9,
        stop=["END"],
        tools=[
            {"type": "function", "function": {"name": "look", "description": "Look at it.", "parameters": SCHEMA}},
            {"type": "function", "function": {"name": "weigh"}},
        ],
        tool_choice="required",
        parallel_tool_calls=False,
        response_format={"type": "json_schema", "json_schema": {"name": "response", "schema": SCHEMA}},
    )
