"""uvicorn leaves well: on its own socket, in time, and never without the end of a stream."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

import pytest
from starlette.types import ASGIApp

from gai_stream.demo import app as demo
from gai_stream.demo import server as server_module
from gai_stream.demo.server import Server, listen, url_of
from gai_stream.demo.shutdown import Shutdown
from gai_stream.events import Done, Event, TextDelta
from gai_stream.providers.provider import ChatRequest


@contextmanager
def serving(app: ASGIApp, shutdown: Shutdown) -> Iterator[tuple[str, int]]:
    """Serve `app` in a thread, and stop it as a signal would."""
    with listen("127.0.0.1", 0) as listener:
        server = Server(app, shutdown, log_level="warning")
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.handle_exit(signal.SIGINT, None)
            thread.join(20)
            assert not thread.is_alive()


@contextmanager
def taken(port: int = 0, host: str = "127.0.0.1") -> Iterator[int]:
    """Hold a port."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((host, port))
        other.listen()
        yield other.getsockname()[1]


def test_given_port_is_the_one_that_listens() -> None:
    with taken() as port:
        pass
    with listen("127.0.0.1", port) as listener:
        assert listener.getsockname() == ("127.0.0.1", port)
        # It listens already: whoever reads the address may connect at once.
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            pass


def test_given_port_in_use_is_an_error_that_says_so() -> None:
    with taken() as port, pytest.raises(OSError, match=f"port {port} is in use; choose another one"):
        listen("127.0.0.1", port)


def test_without_a_port_the_next_free_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with taken() as port:
        monkeypatch.setattr(server_module, "_FIRST_PORT", port)
        with listen("127.0.0.1") as listener:
            assert port < listener.getsockname()[1] < port + 100


def test_without_a_free_port_the_error_names_those_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with taken() as port:
        monkeypatch.setattr(server_module, "_FIRST_PORT", port)
        monkeypatch.setattr(server_module, "_PORTS", 1)
        with pytest.raises(OSError, match=f"ports {port} to {port} are all in use; choose one with --port"):
            listen("127.0.0.1")


@pytest.mark.parametrize("host", ["256.0.0.1", "203.0.113.7"])
def test_address_that_cannot_be_had_is_an_error_that_names_it(host: str) -> None:
    with pytest.raises(OSError, match=f"cannot listen on {host} port 8000: "):
        listen(host)


@pytest.mark.parametrize(
    ("host", "start"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://localhost:"),
        ("0.0.0.0", "http://127.0.0.1:"),
        ("::", "http://[::1]:"),
        ("::1", "http://[::1]:"),
    ],
)
def test_url_is_one_that_a_browser_on_this_machine_can_open(host: str, start: str) -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert url_of(host, listener) == f"{start}{port}/"


class Torrent:
    """Says more at once than every buffer on the way can hold."""

    name = "torrent"

    def __init__(self) -> None:
        self.said = threading.Event()
        self.closed = threading.Event()

    async def stream(self, _request: ChatRequest) -> AsyncGenerator[Event, None]:
        try:
            yield TextDelta("x" * (32 << 20))
            self.said.set()
            yield Done()
        finally:
            self.closed.set()

    async def aclose(self) -> None:
        pass


def test_client_that_reads_nothing_is_hung_up_on(caplog: pytest.LogCaptureFixture) -> None:
    """Its stream waits in `send`, cannot be given its end, and must not hold up the server either."""
    torrent, shutdown = Torrent(), Shutdown()
    with serving(demo.app(torrent, shutdown=shutdown), shutdown) as address:
        client = socket.create_connection(address, timeout=10)
        client.sendall(b"GET /chat?q=hi HTTP/1.1\r\nHost: x\r\n\r\n")
        assert torrent.said.wait(20)
    with client:
        assert torrent.closed.is_set()
    assert "Traceback" not in caplog.text
    # uvicorn's own last resort, which cancels the application instead, was not needed.
    assert "timeout graceful shutdown exceeded" not in caplog.text
