"""Every example runs, as its first lines say: programs as programs, applications with a client."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import anthropic
import openai
import pytest

from gai_stream import SSEDecoder
from gai_stream.providers import PRESETS, ScriptedProvider
from gai_stream.testing import ASGIClient

pytestmark = pytest.mark.anyio

TESTS = Path(__file__).resolve().parent
EXAMPLES = TESTS.parent / "examples"
# An example is a file, or a folder with its `app.py` in it, which the browser tests.
SINGLE = sorted(EXAMPLES.glob("*.py"))
FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/app.py"))
PATIENCE = 30.0
"""How many seconds a program may take before a test fails rather than hangs."""


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import an example as a module of its own, in an environment that names no model."""
    for key in filter(names_a_model, [*os.environ]):
        monkeypatch.delenv(key)

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load


def names_a_model(key: str) -> bool:
    """Tell whether a variable of the environment says who answers, or how."""
    ours = ("GAI_STREAM_", "LLM_PROVIDER", "GOOGLE_API_KEY", "STREAM_TIMEOUT", "ZAI_API_KEY")
    return key.startswith((*ours, *(f"{name.upper()}_" for name in PRESETS)))


@contextmanager
def program(name: str, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run an example as a program, until the end of the block, in an environment that names no other model."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    env = {key: value for key, value in os.environ.items() if not names_a_model(key)} | variables
    with subprocess.Popen(command, text=True, encoding="utf-8", env=env, **pipes) as process:
        too_long = threading.Timer(PATIENCE, process.kill)
        too_long.start()
        try:
            yield process
        finally:
            too_long.cancel()
            process.kill()


class Upstream:
    """A server that speaks OpenAI's chat: it answers with the pieces that `says()` yields, each sent at once."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self.says: Callable[[], Iterable[bytes]] = list
        self.asked: list[Any] = []
        self.left = threading.Event()
        """Set once a client has left an answer that was not over."""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Have somebody to ask, until the end of the test."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            try:
                for piece in asked.says():
                    self.wfile.write(piece)
            except OSError:
                asked.left.set()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    asked = Upstream(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def delta(finish_reason: str | None = None, **delta: Any) -> bytes:
    """Return a piece of a chat completion, as OpenAI streams it."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x", "choices": [choice]}
    return b"data: %b\n\n" % json.dumps(chunk).encode()


END = delta("stop") + b"data: [DONE]\n\n"


def test_every_example_is_tested() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    for example in SINGLE:
        assert f'"{example.stem}"' in here, f"{example.name}: nobody runs it"
    for folder in FOLDERS:
        assert (TESTS / "browser" / f"test_{folder.name}.py").is_file(), f"{folder.name}: nobody runs it"


def test_every_example_says_how_to_run_it() -> None:
    for example in (*SINGLE, *(folder / "app.py" for folder in FOLDERS)):
        name = example.relative_to(EXAMPLES)
        head = example.read_text(encoding="utf-8").split('"""')[1]
        assert f"examples/{name}" in head or f"uvicorn examples.{'.'.join(name.with_suffix('').parts)}:app" in head


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


# chat_agent

QUESTION = "What is\na 'stream'?"
PIECES = ["Grüße", " aus", " 東京,", " one two", " three\n", "", "four five six seven", " eight"]


@contextmanager
def agent(*arguments: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Serve the agent at a free port. Yields its process, its banner and its port."""
    with program("chat_agent", "--port", "0", *arguments, **variables) as server:
        assert server.stdout is not None
        banner = server.stdout.readline().strip()
        yield server, banner, banner.rpartition(":")[2]


def log_of(server: subprocess.Popen[str]) -> list[str]:
    """Stop the agent and return what it logged, without the times."""
    server.send_signal(signal.SIGINT)
    out, err = server.communicate(timeout=PATIENCE)
    assert (server.returncode, out) == (0, "")
    return [line.split(" ", 2)[2] for line in err.splitlines()]


def asked_of(port: str) -> tuple[int, str, str]:
    """Ask the agent at `port`. Returns the client's exit status and what it printed."""
    with program("chat_agent", "--port", port, "--ask", QUESTION) as client:
        out, err = client.communicate(timeout=PATIENCE)
        return client.returncode, out, err


def test_chat_agent_logs_each_chunk_and_its_client_prints_the_answer(upstream: Upstream) -> None:
    upstream.says = lambda: [*(delta(content=piece) for piece in PIECES), END]
    with agent(OPENAI_BASE_URL=upstream.url, OPENAI_MODEL="gpt-x") as (server, banner, port):
        assert banner == f"provider openai, model gpt-x, listening at http://127.0.0.1:{port}"
        status, out, err = asked_of(port)
        log = log_of(server)
    said = "".join(PIECES)
    assert (status, out) == (0, f"{said}\n")
    assert err.splitlines()[-1] == f"Complete: 7 chunks, {len(said)} chars"
    assert [message["content"] for message in upstream.asked[0]["messages"]] == [QUESTION]
    chunks = [f"Chunk {number}: {piece!r}" for number, piece in enumerate(filter(None, PIECES), 1)]
    assert [line for line in log if line.startswith("Chunk ")] == chunks
    took = log.pop(-2)
    assert log == [
        f"Received message: {QUESTION!r}",
        "Streaming response...",
        "First chunk: 'Grüße'",
        *chunks[:6],
        "Progress: 10 words",
        chunks[6],
        f"Streaming complete - Total chunks: 7, Total length: {len(said)} characters",
        f"Full response: {said!r}",
    ]
    assert re.fullmatch(r"First chunk latency: \d\.\d{3} s, duration: \d\.\d{3} s", took)


def test_chat_agent_tells_its_progress_twice_a_second_at_most(upstream: Upstream) -> None:
    enough = threading.Event()

    def says() -> Iterator[bytes]:
        while not enough.wait(0.01):
            yield delta(content="ab")
        yield END

    upstream.says = says
    began = monotonic()
    with (
        agent(OPENAI_BASE_URL=upstream.url) as (_, _, port),
        program("chat_agent", "--port", port, "--ask", QUESTION) as client,
    ):
        assert client.stderr is not None
        told = [client.stderr.readline() for _ in range(4)]
        took = monotonic() - began
        enough.set()
        out, err = client.communicate(timeout=PATIENCE)
    counts = []
    for line in told:
        found = re.fullmatch(r"Received (\d+) chunks, (\d+) chars\.\.\.\n", line)
        assert found
        counts.append(int(found[1]))
        assert int(found[2]) == 2 * int(found[1])
    assert counts == sorted(set(counts))
    # However busy the machine is, each line comes half a second behind the one before it, or the start.
    assert took >= 0.5 * len(told)
    # And a chunk comes each hundredth of a second at most.
    assert counts[0] <= 51
    assert out == "ab" * (len(out) // 2) + "\n"
    assert err.splitlines()[-1] == f"Complete: {len(out) // 2} chunks, {len(out) - 1} chars"


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal")
def test_chat_agent_leaves_the_text_alone_on_a_terminal(upstream: Upstream) -> None:
    import pty

    enough = threading.Event()

    def says() -> Iterator[bytes]:
        while not enough.wait(0.01):
            yield delta(content="ab")
        yield END

    upstream.says = says
    with agent(OPENAI_BASE_URL=upstream.url) as (_, _, port):
        ours, theirs = pty.openpty()
        command = [sys.executable, str(EXAMPLES / "chat_agent.py"), "--port", port, "--ask", QUESTION]
        with subprocess.Popen(command, stdout=theirs, stderr=theirs) as client:
            os.close(theirs)
            shown = b""
            while chunk := read_terminal(ours):
                shown += chunk
                if b"chars..." in shown:
                    enough.set()
        os.close(ours)
        assert client.returncode == 0
    # The window's title is set, and what is left is the text without a break.
    assert re.search(rb"\x1b\]0;Received \d+ chunks, \d+ chars\.\.\.\x07", shown)
    screen = re.sub(rb"\x1b\].*?\x07", b"", shown)
    assert re.fullmatch(rb"(?:ab)+\r\nComplete: \d+ chunks, \d+ chars\r\n", screen)


def read_terminal(terminal: int) -> bytes:
    """Return what is written on a terminal; nothing once its last program has ended."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_chat_agent_ends_an_answer_that_takes_too_long(upstream: Upstream) -> None:
    never = threading.Event()

    def says() -> Iterator[bytes]:
        yield delta(content="So far")
        never.wait(PATIENCE)

    upstream.says = says
    with agent(OPENAI_BASE_URL=upstream.url, STREAM_TIMEOUT="2.5") as (server, _, port):
        status, out, err = asked_of(port)
        never.set()
        log = log_of(server)
    assert (status, out) == (1, "So far\n[Error: Stream interrupted]\n")
    assert err.splitlines()[-1] == "chat_agent: streaming timeout after 2.5s"
    assert "stream failed: timeout: streaming timeout after 2.5s" in log
    assert "Streaming error - Total chunks: 1, Total length: 6 characters" in log
    assert log[-1] == "Full response: 'So far'"


def test_chat_agent_tells_a_failure_in_the_middle(upstream: Upstream) -> None:
    upstream.says = lambda: [delta(content="So far"), b'data: {"error": {"message": "the model is busy"}}\n\n']
    with agent(OPENAI_BASE_URL=upstream.url) as (_, _, port):
        assert asked_of(port) == (
            1,
            "So far\n[Error: Stream interrupted]\n",
            "chat_agent: the model is busy\n",
        )


def test_chat_agents_client_tells_a_server_that_goes_away(upstream: Upstream) -> None:
    killed = threading.Event()

    def says() -> Iterator[bytes]:
        yield delta(content="So far")
        killed.wait(PATIENCE)

    upstream.says = says
    with (
        agent(OPENAI_BASE_URL=upstream.url) as (server, _, port),
        program("chat_agent", "--port", port, "--ask", QUESTION) as client,
    ):
        assert client.stdout is not None
        assert client.stdout.read(6) == "So far"
        server.kill()
        killed.set()
        out, err = client.communicate(timeout=PATIENCE)
    assert (client.returncode, out) == (1, "\n[Error: Stream interrupted]\n")
    assert re.fullmatch(r"chat_agent: .+\n", err)


@pytest.fixture
def heeding_interrupts() -> Iterator[None]:
    """Have programs heed SIGINT, which they ignore where a shell started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding_interrupts")
def test_chat_agents_client_may_stop_early_and_so_stops_the_model(upstream: Upstream) -> None:
    def says() -> Iterator[bytes]:
        while True:
            yield delta(content="more ")

    upstream.says = says
    with agent(OPENAI_BASE_URL=upstream.url) as (server, _, port):
        with program("chat_agent", "--port", port, "--ask", QUESTION) as client:
            assert client.stdout is not None
            assert client.stdout.read(5) == "more "
            client.send_signal(signal.SIGINT)
            _, err = client.communicate(timeout=PATIENCE)
            assert client.returncode == 130
            assert err.splitlines()[-1] == "[stopped]"
        assert upstream.left.wait(PATIENCE), "the model goes on"
        assert any(line.startswith("Streaming disconnect - Total chunks: ") for line in log_of(server))


@pytest.mark.parametrize(
    ("body", "reason"), [(b'{"query": " "}', "query must not be empty"), (b"hi", "body is not JSON")]
)
def test_chat_agent_refuses_what_is_no_message(body: bytes, reason: str) -> None:
    with agent() as (_, banner, port):
        assert banner.startswith("provider scripted, model scripted, listening at ")
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=PATIENCE)
        connection.request("POST", "/", body)
        response = connection.getresponse()
        assert response.status == 400
        assert reason in response.read().decode()
        connection.close()


def test_chat_agents_client_shows_a_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        closed = nobody.getsockname()[1]
    with agent(OPENAI_BASE_URL=f"http://127.0.0.1:{closed}/v1") as (_, _, port):
        status, out, err = asked_of(port)
    assert (status, out) == (1, "")
    assert f"http://127.0.0.1:{port} answered 502: " in err
    assert "openai could not be reached" in err


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"LLM_PROVIDER": "anthropic"}, "ANTHROPIC_API_KEY is not set; set it, "),
        ({"LLM_PROVIDER": "nobody"}, "LLM_PROVIDER must be one of anthropic, "),
    ],
)
def test_chat_agent_needs_a_provider_that_can_be_asked(variables: dict[str, str], reason: str) -> None:
    with program("chat_agent", "--port", "0", **variables) as server:
        out, err = server.communicate(timeout=PATIENCE)
    assert (server.returncode, out) == (1, "")
    assert err.startswith(f"chat_agent: {reason}")
    assert err.count("\n") == 1


def test_chat_agent_needs_a_port_that_is_free_and_its_client_one_that_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        with program("chat_agent", "--port", port) as server:
            out, err = server.communicate(timeout=PATIENCE)
        assert (server.returncode, out) == (1, "")
        assert err.startswith(f"chat_agent: port {port}: Address already in use")
    nobody = (
        f"chat_agent: nobody answers at http://127.0.0.1:{port}; start the server with: python examples/chat_agent.py\n"
    )
    assert asked_of(port) == (1, "", nobody)


# openai_to_claude


@pytest.fixture
def claude(load: Any, upstream: Upstream, serve: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The real SDK, in front of the example, in front of somebody who speaks OpenAI's chat."""
    monkeypatch.setenv("OPENAI_BASE_URL", upstream.url)
    monkeypatch.setenv("OPENAI_MODEL", "gpt-x")
    url = serve(load("openai_to_claude").app)
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as client:
        yield client


TOOL: Any = {"name": "weather", "description": "d", "input_schema": {"type": "object", "properties": {}}}
TO_CLAUDE: Any = {
    "model": "claude-x",
    "max_tokens": 99,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "hi"}],
    "tools": [TOOL],
}


def test_openai_to_claude_gives_text_and_a_tool_call_to_claudes_client(claude: Any, upstream: Upstream) -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    usage = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}}
    upstream.says = lambda: [
        delta(role="assistant", content="Let me "),
        delta(content="see."),
        delta(tool_calls=[call]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '{"city": "K'}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": 'öln"}'}}]),
        delta("tool_calls"),
        b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(usage).encode(),
    ]
    with claude.messages.stream(**TO_CLAUDE) as stream:
        assert [*stream.text_stream] == ["Let me ", "see."]
        message = stream.get_final_message()
    text, tool = message.content
    assert (text.type, text.text) == ("text", "Let me see.")
    assert (tool.type, tool.id, tool.name, tool.input) == ("tool_use", "call_1", "weather", {"city": "Köln"})
    assert (message.role, message.stop_reason, message.usage.output_tokens) == ("assistant", "tool_use", 4)
    asked = upstream.asked[0]
    assert asked["model"] == "gpt-x"
    assert [(turn["role"], turn["content"]) for turn in asked["messages"]] == [("system", "Be brief."), ("user", "hi")]
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["weather"]


def test_openai_to_claude_tells_failures_in_claudes_words(claude: Any, upstream: Upstream) -> None:
    upstream.says = lambda: [delta(content="Hm"), b'data: {"error": {"message": "the model is busy"}}\n\n']
    with pytest.raises(anthropic.APIStatusError, match="the model is busy"), claude.messages.stream(**TO_CLAUDE) as s:
        s.until_done()
    with pytest.raises(anthropic.BadRequestError, match="stream must be true"):
        claude.messages.create(**TO_CLAUDE)
    with pytest.raises(anthropic.BadRequestError, match="messages must not be empty"):
        claude.messages.create(model="m", max_tokens=9, messages=[], stream=True)


# gateway


@pytest.fixture
def gateway(load: Any, serve: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Serve the example in an environment without keys, and return its address."""
    monkeypatch.setattr("gai_stream.gateway.config.ScriptedProvider", partial(ScriptedProvider, text="Hello.", pace=0))

    def start(**variables: str) -> str:
        for key, value in variables.items():
            monkeypatch.setenv(key, value)
        return serve(load("gateway").app)

    return start


def test_gateway_answers_both_clients_without_any_key(gateway: Any, capsys: pytest.CaptureFixture[str]) -> None:
    url = gateway()
    messages: Any = [{"role": "user", "content": "hi"}]
    with openai.OpenAI(base_url=f"{url}/v1", api_key="mine", max_retries=0) as client:
        with client.chat.completions.stream(model="gpt-x", messages=messages) as stream:
            choice = stream.get_final_completion().choices[0]
        assert (choice.message.content, choice.finish_reason) == ("Hello.", "stop")
        assert [model.id for model in client.models.list()] == ["scripted/scripted"]
    with anthropic.Anthropic(base_url=url, api_key="mine", max_retries=0) as claude:
        with claude.messages.stream(model="claude-x", max_tokens=9, messages=messages) as told:
            message = told.get_final_message()
        whole = claude.messages.create(model="scripted", max_tokens=9, messages=messages)
    for answer in (message, whole):
        assert [(block.type, block.text) for block in answer.content] == [("text", "Hello.")]  # type: ignore[union-attr]
        assert answer.stop_reason == "end_turn"
    accounts = capsys.readouterr().out.splitlines()
    asked = [line.partition(" asked scripted for ")[2] for line in accounts]
    assert asked == [f"{model}: complete, 1 + 2 tokens" for model in ("gpt-x", "claude-x", "scripted")]
    assert len({line.partition(" asked")[0] for line in accounts}) == 1


def test_gateway_asks_for_its_token(gateway: Any) -> None:
    url = gateway(GAI_STREAM_TOKEN="s3cret")
    messages: Any = [{"role": "user", "content": "hi"}]
    for key in ("wrong", "s3cret"):
        with (
            openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client,
            anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as claude,
        ):
            if key == "wrong":
                with pytest.raises(openai.AuthenticationError, match="the token is missing or wrong"):
                    client.chat.completions.create(model="m", messages=messages)
                with pytest.raises(anthropic.AuthenticationError, match="the token is missing or wrong"):
                    claude.messages.create(model="m", max_tokens=9, messages=messages)
            else:
                answer = client.chat.completions.create(model="m", messages=messages)
                assert answer.choices[0].message.content == "Hello."
                assert claude.messages.create(model="m", max_tokens=9, messages=messages).content
