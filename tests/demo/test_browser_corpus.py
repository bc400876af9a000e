"""The main job, end to end: every recorded OpenAI stream, cut at random, reaches a real browser over both transports.

recording -> loopback upstream -> OpenAICompatible -> demo on uvicorn -> Chromium: EventSource, and a fetch reader.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from gai_stream.demo import app as demo
from gai_stream.demo.server import Server, listen, url_of
from gai_stream.demo.shutdown import Shutdown
from gai_stream.providers.http import OpenAICompatible

FILES = [
    "audio_synthetic",
    "azure_model_router",
    "moderation_gpt5",
    "multi_choice_n3",
    "parallel_tools",
    "refusal_logprobs",
    "text_usage",
    "tool_truncated_length",
    "tool_unicode_nested",
    "tool_with_content",
]
# The page's own readers, and everything they collected.
READ = """
async ([transport, provider]) => {
  const { Answer, readNDJSON, readSSE } = await import("/client.js");
  const answer = new Answer();
  const seen = [];
  const take = (message) => {
    seen.push(message.type);
    answer.add(message);
  };
  const reading = transport === "sse"
    ? readSSE(`/chat?${new URLSearchParams({ q: "hi", provider })}`, take)
    : readNDJSON("/chat", { query: "hi", provider }, take);
  const ended = await reading.ended;
  return { ...answer, text: answer.text, ended, seen };
}
"""


class Upstream(BaseHTTPRequestHandler):
    """Answers `POST /{seed}/{name}/chat/completions` with the recording called `name`, cut by `seed`."""

    protocol_version = "HTTP/1.1"
    corpus: Path
    pieces: dict[str, int]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        _, seed, name, *rest = self.path.split("/")
        assert rest == ["chat", "completions"]
        data = (self.corpus / "openai" / f"{name}.sse").read_bytes()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        random = Random(f"{seed}/{name}")
        start = count = 0
        while start < len(data):
            # Mostly small pieces: in the middle of lines, of names, and of characters.
            end = min(len(data), start + random.choice((1, 2, 3, 7, 40, 200, 600)))
            self.wfile.write(b"%x\r\n%s\r\n" % (end - start, data[start:end]))
            self.wfile.flush()
            start = end
            count += 1
        self.wfile.write(b"0\r\n\r\n")
        self.pieces[f"{seed}/{name}"] = count

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def pieces() -> dict[str, int]:
    """In how many pieces the upstream sent each answer."""
    return {}


@pytest.fixture(scope="module")
def upstream(corpus: Path, pieces: dict[str, int]) -> Iterator[str]:
    """The address of the upstream."""
    handler = type("Handler", (Upstream,), {"corpus": corpus, "pieces": pieces})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


@pytest.fixture(scope="module")
def demo_page(chromium: Browser, upstream: str) -> Iterator[Page]:
    """The demo, with one provider for every recording and seed, open in the browser."""
    providers = [
        OpenAICompatible(base_url=f"{upstream}/{seed}/{name}", name=f"{seed}/{name}", api_key="sk-test")
        for name in FILES
        for seed in ("1", "2")
    ]
    shutdown = Shutdown()
    with listen("127.0.0.1", 0) as listener:
        server = Server(demo.app(providers[0], others=providers[1:], shutdown=shutdown), shutdown, log_level="warning")
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        context = chromium.new_context()
        page = context.new_page()
        page.goto(url_of("127.0.0.1", listener))
        yield page
        context.close()
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def test_every_recording_is_read(corpus: Path) -> None:
    assert sorted(path.stem for path in (corpus / "openai").glob("*.sse")) == FILES


@pytest.mark.parametrize("transport", ["sse", "ndjson"])
@pytest.mark.parametrize("name", FILES)
def test_browser_reads_what_the_recording_says(
    demo_page: Page, expected: dict[str, Any], pieces: dict[str, int], name: str, transport: str
) -> None:
    wanted = expected[f"openai/{name}.sse"]
    seed = {"sse": "1", "ndjson": "2"}[transport]
    read = demo_page.evaluate(READ, [transport, f"{seed}/{name}"])
    assert read["ended"] == {"state": "done", "message": ""}
    assert read["seen"][-2:] == ["finish", "done"]
    assert (read["error"], read["finished"]) == (None, True)
    assert read["text"] == wanted["text"]
    choices = wanted.get("choices", [{"index": 0, "text": wanted["text"]}])
    assert [choice["text"] for choice in read["choices"]] == [
        choice["text"] for choice in choices if choice["text"] or read["choices"]
    ]
    assert "".join(choice["refusal"] for choice in read["choices"]) == wanted.get("refusal", "")
    assert read["transcript"] == wanted.get("audio_transcript", "")
    assert [(call["id"], call["name"]) for call in read["toolCalls"]] == [
        (call["id"], call["name"]) for call in wanted["tool_calls"]
    ]
    for call, recorded in zip(read["toolCalls"], wanted["tool_calls"], strict=True):
        # A call that the length limit cut off has no value, only what came of it.
        assert call.get("input") == recorded.get("arguments")
        assert call["arguments"] == recorded["arguments_raw"]
    assert read["finishReason"] == wanted["finish_reason"]
    assert {field: read["usage"].get(field) for field in wanted["usage"]} == wanted["usage"]
    assert pieces[f"{seed}/{name}"] > 10
