"""Every example runs, as its first lines say: programs as programs, applications with a client."""

from __future__ import annotations

import http.client
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest

from gai_stream import SSEDecoder
from gai_stream.providers import ScriptedProvider
from gai_stream.testing import ASGIClient

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PATIENCE = 30.0
"""How many seconds a program may take before a test fails rather than hangs."""


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import an example as a module of its own, in an environment that names no model."""
    for key in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(key, raising=False)

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load


@contextmanager
def program(name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run an example as a program, until the end of the block."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, encoding="utf-8", **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def test_every_example_is_tested() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    for example in EXAMPLES.glob("*.py"):
        assert f'"{example.stem}"' in here, f"{example.name}: nobody runs it"


def test_every_example_says_how_to_run_it() -> None:
    for example in EXAMPLES.glob("*.py"):
        head = example.read_text(encoding="utf-8").split('"""')[1]
        assert f"examples/{example.name}" in head or f"uvicorn examples.{example.stem}:app" in head


# read_ndjson


def read_ndjson(lines: bytes) -> tuple[int, str, str]:
    """Return the exit status of the program and what it printed."""
    with program("read_ndjson") as process:
        out, err = process.communicate(lines.decode(), timeout=PATIENCE)
        return process.returncode, out, err


def test_read_ndjson_prints_an_answer() -> None:
    status, out, err = read_ndjson(
        b'{"started":true,"type":"start"}\n{"text":"Gr\xc3\xbc\xc3\x9f ","type":"text_delta"}\n\n'
        b'{"text":"Gott","type":"text_delta"}\n'
        b'{"finished":true,"type":"finish","usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}\n'
        b'{"finished":true,"type":"done"}\n'
    )
    assert (status, out, err) == (0, "Grüß Gott\n[stop, 2 tokens]\n", "")


def test_read_ndjson_tells_a_failure() -> None:
    status, out, err = read_ndjson(
        b'{"text":"Hi","type":"text_delta"}\n{"code":"overloaded","error":"busy","type":"error"}\n'
        b'{"finished":false,"type":"done"}\n'
    )
    assert (status, out, err) == (1, "Hi", "\n[overloaded: busy]\n")


def test_read_ndjson_tells_a_cut() -> None:
    status, out, err = read_ndjson(b'{"text":"Hi","type":"text_delta"}\n')
    assert (status, out) == (1, "Hi")
    assert err == "\n[the stream ended before its done message]\n"


# raw_server


def test_raw_server_answers_over_a_socket() -> None:
    with program("raw_server") as process:
        assert process.stdout is not None
        url = urlsplit(process.stdout.readline().strip())
        for _ in range(2):
            connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=PATIENCE)
            connection.request("GET", "/")
            response = connection.getresponse()
            assert response.status == 200
            assert response.getheader("content-type") == "text/event-stream; charset=utf-8"
            assert response.getheader("x-accel-buffering") == "no"
            body = response.read()
            connection.close()
            assert body.startswith(b"id: 1\nevent: number\nretry: 3000\ndata: 1\n\n")
            messages = SSEDecoder(raise_truncated=True).feed(body)
            assert [(message.event, message.data) for message in messages] == [
                ("number", "1"),
                ("number", "2"),
                ("number", "3"),
                ("done", ""),
            ]
        assert process.poll() is None


# fastapi_chat


async def test_fastapi_chat_answers_in_both_forms(load: Any, caplog: pytest.LogCaptureFixture) -> None:
    module = load("fastapi_chat")
    assert isinstance(module.provider, ScriptedProvider)
    module.provider = ScriptedProvider(text="Because.", pace=0.0)
    caplog.set_level("INFO", logger=module.__name__)
    async with ASGIClient(module.app) as client:
        sse = await client.get("/chat?q=why")
        ndjson = await client.get("/chat?q=why", headers={"accept": "application/x-ndjson"})
        refused = await client.get("/chat?q=why", headers={"accept": "image/png"})
        incomplete = await client.get("/chat")
    messages = SSEDecoder().feed(sse.content)
    assert [message.id for message in messages] == [str(number) for number in range(1, len(messages) + 1)]
    assert "".join(message.json()["text"] for message in messages if message.event == "text_delta") == "Because."
    assert messages[-1].event == "done"
    assert ndjson.headers["content-type"] == "application/x-ndjson"
    assert ndjson.text.endswith('{"finished":true,"type":"done"}\n')
    assert (refused.status, incomplete.status) == (406, 422)
    logged = [record.getMessage() for record in caplog.records if record.name == module.__name__]
    assert [line.split(",")[0] for line in logged[:2]] == ["Streaming complete - Total chunks: 3"] * 2


async def test_fastapi_chat_asks_a_real_model_where_there_is_one(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("fastapi_chat")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    provider = module.choose_provider()
    assert type(provider).__name__ == "HTTPProvider"
    await provider.aclose()


# broadcast


async def test_broadcast_reaches_every_listener(load: Any) -> None:
    module = load("broadcast")
    async with ASGIClient(module.app) as client:
        async with client.stream("GET", "/events") as one, client.stream("GET", "/events") as two:
            assert one.headers["content-type"] == "text/event-stream; charset=utf-8"
            answer = await client.post("/publish", content="Hello, all of you!\nTwo lines.")
            assert answer.json() == {"listeners": 2}
            for listener in (one, two):
                async for message in listener.events():
                    assert (message.event, message.data) == ("news", "Hello, all of you!\nTwo lines.")
                    assert (message.id, message.retry) == ("1", 1000)
                    break
        assert len(module.room) == 0
        assert (await client.post("/publish", content="Nobody there?")).json() == {"listeners": 0}


async def test_broadcast_drops_a_listener_that_falls_behind(load: Any) -> None:
    module = load("broadcast")
    async with ASGIClient(module.app, buffer_size=0) as client, client.stream("GET", "/events") as listener:
        # No checkpoint between them: nobody reads, but one may go to a reader who waits already.
        for number in range(module.BEHIND + 2):
            module.room.publish(str(number))
        received = [message.data async for message in listener.events()]
    assert len(received) in (module.BEHIND, module.BEHIND + 1)
    assert received == [str(number) for number in range(len(received))]
    assert len(module.room) == 0


# langchain_chat


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_langchain_chat_answers_by_events_and_by_callback(load: Any) -> None:
    module = load("langchain_chat")
    async with ASGIClient(module.app) as client:
        for path in ("/chat?q=why", "/invoke?q=why"):
            messages = SSEDecoder().feed((await client.get(path)).content)
            texts = [message.json()["text"] for message in messages if message.event == "text_delta"]
            assert "".join(texts) == "The answer is in the question."
            assert len(texts) > 5
            assert messages[-1].event == "done"
        ndjson = await client.get("/chat?q=why", headers={"accept": "application/x-ndjson"})
    assert ndjson.text.endswith('{"finished":true,"type":"done"}\n')
