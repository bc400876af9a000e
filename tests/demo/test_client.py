"""The page's fetch reader, in a real browser: lines and characters cut anywhere, and every way for a stream to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from gai_stream.demo import app as demo
from gai_stream.providers.scripted import ScriptedProvider

Read = Callable[..., dict[str, Any]]

# Reads an answer whose body comes in exactly these pieces. A negative byte breaks the connection.
READ = """
async ([pieces, status]) => {
  const { readNDJSON } = await import("/client.js");
  const { fetch } = window;
  window.fetch = async () => new Response(new ReadableStream({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) {
        controller.close();
      } else if (piece[0] < 0) {
        controller.error(new TypeError("network error"));
      } else {
        controller.enqueue(new Uint8Array(piece));
      }
    },
  }), { status });
  try {
    const messages = [];
    const { state, message } = await readNDJSON("chat", {}, (each) => messages.push(each)).ended;
    return { messages, state, message };
  } finally {
    window.fetch = fetch;
  }
}
"""
BROKEN = [-1]
DONE = {"type": "done", "finished": True}
SAID = {"type": "text_delta", "text": "Grüße 流式 👩\u200d🚀\u2028\x85 \\n\n"}
STREAM = (
    json.dumps({"type": "start"}) + "\n\n \t\r\n" + json.dumps(SAID, ensure_ascii=False) + "\r\n" + json.dumps(DONE)
).encode()


@pytest.fixture
def read(page: Page, serve: Callable[..., str]) -> Read:
    """Read pieces of bytes as the body of an answer."""
    page.goto(serve(demo.app(ScriptedProvider(text="Hello", pace=0))))

    def read(*pieces: bytes | list[int], status: int = 200) -> dict[str, Any]:
        result: dict[str, Any] = page.evaluate(READ, [[list(piece) for piece in pieces], status])
        return result

    return read


WHOLE = {"messages": [{"type": "start"}, SAID, DONE], "state": "done", "message": ""}


def test_stream_may_be_cut_anywhere(read: Read) -> None:
    for cut in range(len(STREAM) + 1):
        assert read(STREAM[:cut], STREAM[cut:]) == WHOLE, cut


def test_stream_may_come_byte_by_byte(read: Read) -> None:
    assert read(*([byte] for byte in STREAM)) == WHOLE


def test_byte_order_mark_at_the_start_is_no_part_of_the_line(read: Read) -> None:
    assert read(b"\xef\xbb", b"\xbf" + STREAM) == WHOLE


def test_nothing_is_read_behind_done(read: Read) -> None:
    assert read(STREAM + b"\n" + json.dumps(SAID).encode() + b"\n") == WHOLE


@pytest.mark.parametrize("end", [[], [BROKEN]], ids=["closed", "broken"])
def test_stream_without_its_terminal_frame_was_cut(read: Read, end: list[list[int]]) -> None:
    lines = STREAM[: STREAM.rindex(b"\n") + 1]
    lost = {"messages": [{"type": "start"}, SAID], "state": "failed", "message": "The connection was lost."}
    assert read(lines, *end) == lost


def test_line_that_is_no_json_ends_the_reading(read: Read) -> None:
    result = read(b'{"type":"start"}\n{"type":\n')
    assert result["messages"] == [{"type": "start"}]
    assert result["state"] == "failed"
    assert "JSON" in result["message"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"error":{"code":"rate_limited","message":"come back later"}}', "come back later"),
        (b"<h1>Bad gateway</h1>", "The server answered 502."),
        (b"", "The server answered 502."),
        (b'{"detail":"no"}', "The server answered 502."),
    ],
)
def test_refusal_gives_its_reason(read: Read, body: bytes, reason: str) -> None:
    assert read(body, status=502) == {"messages": [], "state": "failed", "message": reason}
