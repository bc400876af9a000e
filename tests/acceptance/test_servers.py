"""The acceptance tests of the specification that need a server, on every server: nothing here is in process."""

from __future__ import annotations

import json
import re
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest

both_forms = pytest.mark.parametrize("form", ["sse", "ndjson"])
http_2 = pytest.mark.parametrize("server", ["hypercorn", "hypercorn-trio", "granian"], indirect=True)

NAMED = {
    "sse": "text/event-stream; charset=utf-8",
    "ndjson": "application/x-ndjson",
}


def messages(connection: Any, form: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what either form says, as (type, value)."""
    if form == "sse":
        yield from ((event.event, event.json()) for event in connection.events())
    else:
        yield from ((value.pop("type"), value) for value in connection.values())


# The wire


@both_forms
def test_a_stream_is_chunked_on_the_wire_and_says_keep_alive(server: Any, form: str) -> None:
    with server.open(f"/{form}/answer?id={server.new_id()}") as connection:
        assert connection.start().status == 200
        assert connection.headers["transfer-encoding"] == "chunked"
        assert connection.headers["connection"] == "keep-alive"
        assert "content-length" not in connection.headers
        assert connection.headers["content-type"] == NAMED[form]
        assert "no-cache" in connection.headers["cache-control"]
        assert connection.headers["x-accel-buffering"] == "no"
        assert connection.headers["access-control-allow-origin"] == "*"
        assert [kind for kind, _ in messages(connection, form)] == ["start", *["text_delta"] * 3, "finish", "done"]
        # The connection is kept alive: it takes a second request.
        connection.send(server.request(f"/{form}/answer?id={server.new_id()}"))
        connection.start()
        assert "".join(value.get("text", "") for _, value in messages(connection, form)) == (
            "The capital of France is Paris."
        )


@both_forms
def test_the_first_message_is_there_before_the_second_is_made(server: Any, form: str) -> None:
    id = server.new_id()
    with server.open(f"/{form}/held?id={id}") as connection:
        connection.start()
        reading = messages(connection, form)
        assert next(reading) == ("text_delta", {"text": "first"})
        assert not server.recorded(f"{id}.second")
        server.note(f"{id}.go")
        assert list(reading) == [("text_delta", {"text": "second"}), ("done", {"finished": True})]


@both_forms
@pytest.mark.parametrize("request_line", ["GET {} HTTP/1.1", "GET {} HTTP/1.0"])
def test_a_connection_that_is_to_be_closed_is_not_said_to_be_kept_alive(
    server: Any, form: str, request_line: str
) -> None:
    """What nginx asks of its upstreams unless it is told otherwise."""
    request = request_line.format(f"/{form}/answer?id={server.new_id()}") + "\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"keep-alive" not in head.lower()
    assert b" is Paris." in body
    assert b"finished" in body


# Errors


@both_forms
def test_1_an_error_after_the_first_event_comes_behind_it(server: Any, form: str) -> None:
    with server.open(f"/{form}/one_then_raise?id={server.new_id()}") as connection:
        assert connection.start().status == 200
        # Reading to the end also shows that the body ends cleanly: with its last chunk, not with a cut connection.
        (first, one), (second, error), (last, done) = messages(connection, form)
    assert (first, second, last) == ("text_delta", "error", "done")
    assert one == {"text": "one"}
    assert re.fullmatch(r"internal error \(reference [0-9a-f]{12}\)", error["error"])
    assert done == {"finished": False}
    assert b"hunter2" not in connection.raw


@both_forms
def test_2_a_provider_that_refuses_before_the_first_event_is_a_real_429(server: Any, form: str) -> None:
    answer, body = server.fetch(f"/{form}/rate_limited?id={server.new_id()}")
    assert answer.status == 429
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(body)["error"] == {
        "code": "rate_limited",
        "message": "slow down, please",
        "temporary": True,
        "retry_after": 7.0,
    }


@both_forms
def test_2_any_other_error_before_the_first_event_is_a_500_that_tells_nothing(server: Any, form: str) -> None:
    answer, body = server.fetch(f"/{form}/broken?id={server.new_id()}")
    assert answer.status == 500
    error = json.loads(body)["error"]
    assert error["code"] == "internal"
    assert re.fullmatch(r"internal error \(reference [0-9a-f]{12}\)", error["message"])
    assert b"hunter2" not in answer.raw
    # The original is in the log, under the same reference.
    reference = error["message"][-13:-1]
    assert re.search(f"{reference}.*hunter2", server.output.read_text(), re.DOTALL)


# Clients that leave


def assert_closed_within_a_second(server: Any, id: str, hung_up: float) -> None:
    closed = server.wait(f"{id}.closed")
    assert closed["same_task"], "the generator's finally ran in another task"
    assert 0 <= closed["time"] - hung_up <= 1.0
    assert server.wait(f"{id}.end")["reason"] == "disconnect"


@both_forms
def test_3_a_client_that_leaves_while_a_send_is_stuck_stops_the_producer(server: Any, form: str) -> None:
    id = server.new_id()
    with server.open(f"/{form}/endless?id={id}", receive_buffer=4096) as connection:
        server.wait(f"{id}.held_up")
        assert not server.recorded(f"{id}.closed")
        hung_up = connection.hang_up()
    assert_closed_within_a_second(server, id, hung_up)


@both_forms
@pytest.mark.parametrize("stream", ["idle", "busy"])
def test_a_client_that_leaves_stops_a_producer_that_waits_and_one_that_never_does(
    server: Any, form: str, stream: str
) -> None:
    id = server.new_id()
    with server.open(f"/{form}/{stream}?id={id}") as connection:
        connection.start()
        next(messages(connection, form))
        hung_up = connection.hang_up()
    assert_closed_within_a_second(server, id, hung_up)


@both_forms
@pytest.mark.parametrize("stream", ["idle", "busy", "endless"])
def test_4_a_server_of_asgi_2_4_whose_send_is_silent_stops_the_producer_too(
    server: Any, form: str, stream: str
) -> None:
    id = server.new_id()
    with server.open(f"/silent/{form}/{stream}?id={id}") as connection:
        connection.start()
        next(messages(connection, form))
        hung_up = connection.hang_up()
    assert_closed_within_a_second(server, id, hung_up)


# Middleware, context, HEAD


@both_forms
def test_9_the_first_message_passes_gzip_middleware_before_the_second_is_made(server: Any, form: str) -> None:
    id = server.new_id()
    with server.open(f"/gzip/{form}/held?id={id}", "Accept-Encoding: gzip") as connection:
        connection.start()
        encoded = connection.headers.get("content-encoding") == "gzip"
        # The middleware leaves event streams alone, and compresses the other.
        assert encoded == (form == "ndjson")
        unzip = zlib.decompressobj(31)
        chunks = connection.chunks()
        got = b""
        while b"first" not in got:
            got += unzip.decompress(next(chunks)) if encoded else next(chunks)
        assert not server.recorded(f"{id}.second")
        server.note(f"{id}.go")
        rest = b"".join(chunks)
        assert b"second" in (unzip.decompress(rest) if encoded else rest)


def test_13_context_variables_set_before_the_first_yield_are_seen_after_a_heartbeat(server: Any) -> None:
    id = server.new_id()
    with server.open(f"/sse/remembering?id={id}&heartbeat=0.05") as connection:
        connection.start()
        texts = [event.json().get("text") for event in connection.events() if event.event == "text_delta"]
    assert b"\n: keep-alive\n" in connection.raw
    assert texts == ["one", "kept"]


@both_forms
def test_14_head_is_answered_with_headers_only_and_the_generator_never_starts(server: Any, form: str) -> None:
    id = server.new_id()
    with server.open(f"/{form}/answer?id={id}", method="HEAD") as connection:
        assert connection.start().status == 200
        assert connection.headers["content-type"] == NAMED[form]
        assert server.wait(f"{id}.end")["reason"] == "not_started"
        assert not server.recorded(f"{id}.started")
        # What comes next on the connection is the next answer: no body stands in between.
        connection.send(server.request(f"/{form}/answer?id={server.new_id()}"))
        assert connection.start().status == 200
        assert list(messages(connection, form))[-1] == ("done", {"finished": True})


# HTTP/2


class HTTP2:
    """One HTTP/2 connection, begun with prior knowledge, on a bare socket."""

    def __init__(self, server: Any) -> None:
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.socket = socket.create_connection(("127.0.0.1", server.port), 20)
        self.authority = f"127.0.0.1:{server.port}"
        self.h2.initiate_connection()
        self.events: list[h2.events.Event] = []

    def request(self, path: str, method: str = "GET") -> int:
        """Send a request, and return its stream's number."""
        number = self.h2.get_next_available_stream_id()
        pseudo = {":method": method, ":path": path, ":scheme": "http", ":authority": self.authority}
        self.h2.send_headers(number, list(pseudo.items()), end_stream=True)
        self.flush()
        return int(number)

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def next(self) -> h2.events.Event:
        """Return the next thing that happens, having granted its window."""
        while not self.events:
            data = self.socket.recv(65536)
            assert data, "the server hung up"
            self.events += self.h2.receive_data(data)
        event = self.events.pop(0)
        if isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.flush()
        return event

    def answer(self) -> tuple[list[tuple[str, str]], bytes]:
        """Return the headers and the body of the one request that is under way."""
        headers: list[tuple[str, str]] = []
        body = b""
        while True:
            match self.next():
                case h2.events.ResponseReceived(headers=found):
                    headers = [*found]
                case h2.events.DataReceived(data=data):
                    body += data
                case h2.events.StreamEnded():
                    return headers, body
                case h2.events.StreamReset() as reset:
                    raise AssertionError(f"the server reset the stream: {reset}")


@contextmanager
def http2(server: Any) -> Iterator[HTTP2]:
    connection = HTTP2(server)
    with connection.socket:
        yield connection


@http_2
@both_forms
def test_15_on_http_2_there_is_neither_connection_nor_transfer_encoding(server: Any, form: str) -> None:
    with http2(server) as connection:
        connection.request(f"/{form}/answer?id={server.new_id()}")
        headers, body = connection.answer()
    names = [name for name, _ in headers]
    assert dict(headers)[":status"] == "200"
    assert dict(headers)["content-type"] == NAMED[form]
    assert not {"connection", "transfer-encoding", "keep-alive", "content-length"} & set(names)
    assert len(names) == len(set(names)), "a header came twice"
    assert body.endswith(
        {"sse": b'event: done\ndata: {"finished":true}\n\n', "ndjson": b'{"finished":true,"type":"done"}\n'}[form]
    )


@http_2
def test_15_on_http_2_a_refusal_has_neither_of_them(server: Any) -> None:
    with http2(server) as connection:
        connection.request(f"/sse/rate_limited?id={server.new_id()}")
        headers, body = connection.answer()
    assert dict(headers)[":status"] == "429"
    assert dict(headers)["retry-after"] == "7"
    assert not {"connection", "transfer-encoding"} & {name for name, _ in headers}
    assert json.loads(body)["error"]["code"] == "rate_limited"


@http_2
@both_forms
def test_14_on_http_2_head_has_no_body_either(server: Any, form: str) -> None:
    id = server.new_id()
    with http2(server) as connection:
        connection.request(f"/{form}/answer?id={id}", method="HEAD")
        headers, body = connection.answer()
    assert dict(headers)["content-type"] == NAMED[form]
    assert body == b""
    assert server.wait(f"{id}.end")["reason"] == "not_started"
    assert not server.recorded(f"{id}.started")


@http_2
@both_forms
def test_3_on_http_2_a_stream_that_is_reset_stops_its_producer_and_no_other(server: Any, form: str) -> None:
    left, kept = server.new_id(), server.new_id()
    with http2(server) as connection:
        number = connection.request(f"/{form}/idle?id={left}")
        other = connection.request(f"/{form}/held?id={kept}")
        begun: set[int] = set()
        while begun != {number, other}:
            if isinstance(event := connection.next(), h2.events.DataReceived):
                begun.add(event.stream_id)
        connection.h2.reset_stream(number)
        connection.flush()
        closed = server.wait(f"{left}.closed")
        assert closed["same_task"]
        assert not server.recorded(f"{kept}.closed")
        server.note(f"{kept}.go")
        body = b""
        while not isinstance(event := connection.next(), h2.events.StreamEnded):
            if isinstance(event, h2.events.DataReceived):
                body += event.data
        assert event.stream_id == other
        assert b"second" in body
