"""Real servers in processes of their own, and a client on bare sockets: nothing between us and the bytes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Self

import pytest

from gai_stream.ndjson import NDJSONDecoder
from gai_stream.sse import ServerSentEvent, SSEDecoder

HERE = Path(__file__).parent
PATIENCE = 20.0
"""How many seconds anything may take before a test fails rather than hangs."""

COMMANDS = {
    "uvicorn-h11": "uvicorn app:app --host 127.0.0.1 --port {port} --loop asyncio --http h11 --ws none",
    "uvicorn-httptools": "uvicorn app:app --host 127.0.0.1 --port {port} --loop uvloop --http httptools --ws none",
    "hypercorn": "hypercorn app:app --bind 127.0.0.1:{port} --worker-class asyncio --workers 0",
    "hypercorn-trio": "hypercorn app:app --bind 127.0.0.1:{port} --worker-class trio --workers 0",
    "granian": "granian app:app --host 127.0.0.1 --port {port} --interface asgi --loop asyncio --no-ws",
}


class Connection:
    """One HTTP/1.1 connection: the request has left, and the answer is read as it comes.

    `raw` is every byte of the answer so far. `headers` are the answer's, names in lower case. `read_size` is how many
    bytes are taken from the socket at a time.
    """

    def __init__(self, port: int, request: bytes, *, receive_buffer: int | None = None, read_size: int = 65536) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        if receive_buffer is not None:
            # Before connecting: it is the window that the other side is told of.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.raw = bytearray()
        self._read_size = read_size
        self._read = 0
        self.head = b""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.method = b""
        try:
            self.socket.connect(("127.0.0.1", port))
            self.send(request)
        except BaseException:
            self.socket.close()
            raise

    def send(self, request: bytes) -> None:
        """Send a request; its answer is read from here on."""
        self.method = request.partition(b" ")[0]
        self.socket.sendall(request)

    def start(self) -> Self:
        """Read the answer's head."""
        self.head = self._until(b"\r\n\r\n")
        status, *lines = self.head[:-4].decode("latin-1").split("\r\n")
        self.status = int(status.split()[1])
        pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        self.headers = dict(pairs)
        assert len(self.headers) == len(pairs), f"a header came twice: {lines}"
        return self

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as the server cut it. It must be chunked, and end with the last chunk."""
        assert self.headers.get("transfer-encoding") == "chunked", self.head
        while size := int(self._until(b"\r\n"), 16):
            chunk = self._exactly(size + 2)
            assert chunk[size:] == b"\r\n"
            yield chunk[:size]
        assert self._exactly(2) == b"\r\n"

    def body(self) -> bytes:
        """Return the rest of the body, however it is framed."""
        if self.method == b"HEAD" or self.status == 204:
            return b""
        if "content-length" in self.headers:
            return self._exactly(int(self.headers["content-length"]))
        return b"".join(self.chunks())

    def events(self) -> Iterator[ServerSentEvent]:
        """Yield the messages of an event stream as they come."""
        decoder = SSEDecoder(raise_truncated=True)
        for chunk in self.chunks():
            yield from decoder.feed(chunk)
        yield from decoder.finish()

    def values(self) -> Iterator[Any]:
        """Yield the values of an NDJSON stream as they come."""
        decoder = NDJSONDecoder()
        for chunk in self.chunks():
            yield from decoder.feed(chunk)
        yield from decoder.finish()

    def _until(self, end: bytes) -> bytes:
        while (found := self.raw.find(end, self._read)) < 0:
            self._receive()
        start, self._read = self._read, found + len(end)
        return bytes(self.raw[start : self._read])

    def _exactly(self, n: int) -> bytes:
        while len(self.raw) - self._read < n:
            self._receive()
        start, self._read = self._read, self._read + n
        return bytes(self.raw[start : self._read])

    def _receive(self) -> None:
        data = self.socket.recv(self._read_size)
        assert data, f"the server hung up behind {bytes(self.raw[-500:])!r}"
        self.raw += data

    def hang_up(self) -> float:
        """Close the socket, and return the time."""
        now = time.monotonic()
        self.socket.close()
        return now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


class Server:
    """A server that serves `app.py` on `port`."""

    def __init__(self, name: str, port: int, output: Path) -> None:
        self.name = name
        self.port = port
        self.output = output
        self._ids = (f"{name}-{number}" for number in count(1))

    def new_id(self) -> str:
        """Return an id for a stream, by which the log knows it."""
        return next(self._ids)

    def open(
        self,
        path: str,
        *headers: str,
        method: str = "GET",
        body: bytes = b"",
        **socket_options: Any,
    ) -> Connection:
        """Send a request; the options are those of Connection."""
        return Connection(self.port, self.request(path, *headers, method=method, body=body), **socket_options)

    def request(self, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
        """Return the bytes of a request."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body

    def fetch(self, path: str, *headers: str, method: str = "GET") -> tuple[Connection, bytes]:
        """Return an answer and its body."""
        with self.open(path, *headers, method=method) as connection:
            return connection.start(), connection.body()

    def note(self, name: str) -> None:
        """Have the app record `name`."""
        answer, _ = self.fetch(f"/note?name={name}", method="POST")
        assert answer.status == 204

    def entries(self) -> list[dict[str, Any]]:
        """Return everything that the app recorded."""
        found: list[dict[str, Any]] = json.loads(self.fetch("/log")[1])
        return found

    def recorded(self, name: str) -> bool:
        """Tell whether the app has recorded `name`."""
        return any(entry["name"] == name for entry in self.entries())

    def wait(self, name: str) -> dict[str, Any]:
        """Wait until the app has recorded `name`, and return that entry."""
        entries = json.loads(self.fetch(f"/log?wait={name}")[1])
        found: dict[str, Any] | None = next((entry for entry in entries if entry["name"] == name), None)
        assert found is not None, f"{self.name} never recorded {name!r}, only {entries[-20:]}"
        return found


@contextmanager
def running(name: str, temporary: pytest.TempPathFactory) -> Iterator[Server]:
    """Run the server called `name`; its output goes to a file, which is shown when a test fails."""
    output = temporary.mktemp(name) / "output.txt"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program, *arguments = COMMANDS[name].format(port=port).split()
    with (
        output.open("wb") as sink,
        subprocess.Popen(
            [sys.executable, "-m", program, *arguments],
            cwd=HERE,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            # A group of its own: a server's workers end with it.
            start_new_session=True,
        ) as process,
    ):
        try:
            server = Server(name, port, output)
            wait_until_up(process, server)
            yield server
        finally:
            end(process)


def wait_until_up(process: subprocess.Popen[bytes], server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            server.wait("up")
        except OSError:
            try:
                process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"{server.name} ended:\n{server.output.read_text()}") from None
        else:
            return
    raise AssertionError(f"{server.name} did not come up:\n{server.output.read_text()}")


def end(process: subprocess.Popen[bytes]) -> None:
    """End the server, and whatever it has started."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module", params=list(COMMANDS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Every server, one after the other."""
    with running(request.param, tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="module")
def uvicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that most people have."""
    with running("uvicorn-httptools", tmp_path_factory) as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Show what the server said in a test that failed."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Server):
                report.sections.append((f"output of {value.name}", value.output.read_text(errors="replace")[-5000:]))
    return report
