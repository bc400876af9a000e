"""Clients that cost little: one connection that is kept alive, and a crowd of open streams."""

from __future__ import annotations

import re
import select
import socket
import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from benchmarks.load.source import STAMP_DIGITS

__all__ = ["Connection", "Crowd"]

_PATIENCE = 30.0
_AT_ONCE = 50
"""How many streams are opened at a time: thousands would wait for each other until some are refused."""

_END = b"\r\n0\r\n\r\n"
_EVENT = re.compile(rb"\r\n\r\n.*data: .*(?:\r\n\r\n|\n\n)", re.DOTALL)
_STAMP = re.compile(rb'"(\d{%d})"' % STAMP_DIGITS)


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n".encode()


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _check(response: bytes) -> None:
    if not response.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"not the answer that was asked for: {response[:500]!r}")


class Connection:
    """One HTTP/1.1 connection that is kept alive."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = _connect(port)
        self._request = _request(path)

    def get(self) -> bytes:
        """Send a request; return the whole response, whose body is chunked, as it stood on the wire."""
        return self._get()[0]

    def first_event(self) -> int:
        """Send a request, read its response to the end, and return the ns until the first event has come."""
        return self._get()[1]

    def _get(self) -> tuple[bytes, int]:
        receive = self._socket.recv
        began = time.perf_counter_ns()
        self._socket.sendall(self._request)
        response = receive(65536)
        while b"data:" not in response:
            _check(response)
            response += self._more()
        first = time.perf_counter_ns() - began
        chunks = [response]
        while not chunks[-1].endswith(_END):
            chunks.append(self._more())
            if len(chunks[-1]) < len(_END):
                chunks[-2:] = [chunks[-2] + chunks[-1]]
        return b"".join(chunks), first

    def _more(self) -> bytes:
        if more := self._socket.recv(65536):
            return more
        raise ConnectionError("the server closed the connection in the middle of a response")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()


class Crowd:
    """Streams that stay open, of one or more servers' apps, all read by this one thread."""

    def __init__(self) -> None:
        self._streams: dict[int, tuple[str, socket.socket]] = {}
        self._ready = select.epoll()

    def grow(self, app: str, port: int, size: int) -> None:
        """Open streams of `app` until it has `size`, and wait until each has had its first event."""
        already = sum(name == app for name, _ in self._streams.values())
        for number in range(already, size, _AT_ONCE):
            self._open(app, port, min(_AT_ONCE, size - number))

    def _open(self, app: str, port: int, number: int) -> None:
        new = [_connect(port) for _ in range(number)]
        for stream in new:
            self._streams[stream.fileno()] = app, stream
            stream.sendall(_request(f"/{app}"))
        for stream in new:
            response = b""
            while not _EVENT.search(response):
                if not (more := stream.recv(65536)):
                    raise ConnectionError(f"the server closed a stream behind {response[-500:]!r}")
                response += more
                _check(response)
            stream.setblocking(False)
            self._ready.register(stream, select.EPOLLIN)

    def listen(self, seconds: float, delays: Mapping[str, list[int]] | None = None) -> Counter[str]:
        """Read what comes for so long, and return how often something came, by app.

        Append the ns that each paced event was on its way to its app's list in `delays`, where that has one.
        """
        came: Counter[str] = Counter()
        streams, poll, clock = self._streams, self._ready.poll, time.perf_counter_ns
        deadline = clock() + int(seconds * 1e9)
        while (left := deadline - clock()) > 0:
            for descriptor, _ in poll(left / 1e9):
                app, stream = streams[descriptor]
                data = stream.recv(65536)
                if delays is not None and app in delays:
                    now = clock()
                    delays[app] += [now - int(stamp) for stamp in _STAMP.findall(data)]
                if not data:
                    raise ConnectionError(f"the server closed a stream of {app}")
                came[app] += 1
        return came

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ready.close()
        for _, stream in self._streams.values():
            stream.close()
