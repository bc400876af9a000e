"""The client's end of a response: what is read, what waits, and what the app sees of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import anyio
import pytest
import trio.testing
from anyio.lowlevel import checkpoint

from gai_stream.exceptions import DecodeError
from gai_stream.sse import ServerSentEvent
from gai_stream.testing import ASGIClient, Headers

pytestmark = pytest.mark.anyio

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

SSE = [(b"content-type", b"text/event-stream; charset=utf-8")]


def start(headers: list[tuple[bytes, bytes]] | None = None, status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers or []}


def body(data: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def sends(*chunks: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> App:
    """Return an app that sends these chunks and ends."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start(headers))
        for chunk in chunks:
            await send(body(chunk))
        await send(body(b"", more=False))

    return app


def endless(chunk: bytes = b"data: x\n\n", *, headers: list[tuple[bytes, bytes]] | None = None) -> App:
    """Return an app that sends this chunk until the client is gone, as a careful app does."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        async def produce() -> None:
            await send(start(headers or SSE))
            while True:
                await send(body(chunk))
                await checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(produce)
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

    return app


# What is read


async def test_chunks_come_as_they_were_sent() -> None:
    async with ASGIClient(sends(b"da", b"", b"ta: 1\n\n")).stream("GET", "/") as response:
        assert [chunk async for chunk in response.chunks()] == [b"da", b"ta: 1\n\n"]
        assert response.ended


async def test_chunk_is_read_before_the_next_is_sent() -> None:
    log: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        for number in range(3):
            log.append(f"send {number}")
            await send(body(b"%d" % number))
        await send(body(b"", more=False))

    async with ASGIClient(app, buffer_size=0).stream("GET", "/") as response:
        assert log == ["send 0"]
        async for chunk in response.chunks():
            log.append(f"read {chunk.decode()}")
    assert log == ["send 0", "read 0", "send 1", "read 1", "send 2", "read 2"]


async def test_events_are_decoded_across_chunks_and_reading_can_go_on_later() -> None:
    async with ASGIClient(sends(b"data: a\n\ndata: b\n\nda", b"ta: c\n\n")).stream("GET", "/") as response:
        async for event in response.events():
            assert event == ServerSentEvent("a")
            break
        assert await anext(response.events()) == ServerSentEvent("b")
        assert [event.data async for event in response.events()] == ["c"]
        assert [event async for event in response.events()] == []


async def test_values_are_decoded_across_chunks_and_the_last_needs_no_line_end() -> None:
    async with ASGIClient(sends(b'{"a":1}\n[', b"2]\n", b"3")).stream("GET", "/") as response:
        assert [value async for value in response.values()] == [{"a": 1}, [2], 3]


async def test_bad_line_is_a_decode_error_behind_the_good_ones() -> None:
    async with ASGIClient(sends(b"1\nno\n")).stream("GET", "/") as response:
        assert await anext(response.values()) == 1
        with pytest.raises(DecodeError):
            await anext(response.values())


async def test_body_that_was_read_can_be_had_in_every_form() -> None:
    async with ASGIClient(sends(b'{"a":', b' "\xc3\xa9"}\n')).stream("GET", "/") as response:
        with pytest.raises(RuntimeError, match=r"await read\(\) before content"):
            response.json()
        assert await response.read() == b'{"a": "\xc3\xa9"}\n'
        assert await response.read() == response.content
    assert response.text == '{"a": "é"}\n'
    assert response.json() == {"a": "é"}
    assert [value async for value in response.values()] == [{"a": "é"}]


async def test_read_gives_the_rest_of_the_body() -> None:
    async with ASGIClient(sends(b"one", b"two", b"three")).stream("GET", "/") as response:
        await anext(response.chunks())
        assert await response.read() == b"twothree"


async def test_empty_body_is_empty() -> None:
    response = await ASGIClient(sends()).get("/")
    assert (response.content, [chunk async for chunk in response.chunks()]) == (b"", [])


async def test_headers_have_no_case_and_keep_their_order() -> None:
    raw = [(b"X-One", b"1"), (b"vary", b"Origin"), (b"Vary", b"Accept"), (b"x-latin", b"\xe9")]
    response = await ASGIClient(sends(headers=raw)).get("/")
    assert response.raw_headers == raw
    assert response.headers["x-ONE"] == "1"
    assert response.headers["VARY"] == "Origin, Accept"
    assert response.headers.get_list("Vary") == ["Origin", "Accept"]
    assert response.headers.get_list("nothing") == []
    assert response.headers.get("nothing") is None
    assert "X-One" in response.headers
    assert list(response.headers) == ["x-one", "vary", "x-latin"]
    assert len(response.headers) == 3
    assert response.headers == {"x-one": "1", "vary": "Origin, Accept", "x-latin": "é"}


def test_headers_show_themselves() -> None:
    assert repr(Headers([(b"a", b"b")])) == "Headers({'a': 'b'})"


@pytest.mark.parametrize(
    "anyio_backend", [("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})], ids=["autojump"]
)
async def test_sent_holds_every_message_with_its_time() -> None:
    pause = 10.0

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        message = body(b"1")
        for _ in range(2):
            await anyio.sleep(pause)
            await send(message)
        message["more_body"] = False
        await send(message)

    begin = anyio.current_time()
    response = await ASGIClient(app).get("/")
    assert [round(sent.time - begin) for sent in response.sent] == [0, 10, 20, 20]
    assert [sent.message.get("more_body") for sent in response.sent] == [None, True, True, False]


async def test_head_has_no_body_whatever_the_app_sends() -> None:
    async with ASGIClient(sends(b"x"), buffer_size=0).stream("HEAD", "/") as response:
        assert await response.read() == b""
    assert [sent.message.get("body") for sent in response.sent] == [None, b"x", b""]


# Back-pressure


async def test_send_waits_once_the_buffer_is_full_and_goes_on_when_it_is_read() -> None:
    async with ASGIClient(endless(b"x" * 100), buffer_size=250).stream("GET", "/") as response:
        await anyio.wait_all_tasks_blocked()
        assert len(response.sent) == 1 + 3
        await anext(response.chunks())
        await anyio.wait_all_tasks_blocked()
        assert len(response.sent) == 1 + 4


async def test_client_that_stopped_reading_holds_send_up_for_ever() -> None:
    async with ASGIClient(endless(b"x" * 100), buffer_size=250).stream("GET", "/") as response:
        response.stop_reading()
        await anyio.wait_all_tasks_blocked()
        assert len(response.sent) == 1 + 3
        with pytest.raises(RuntimeError, match=r"^ClientResponse: nothing is read after stop_reading$"):
            await anext(response.chunks())
        assert not response.app_ended


async def test_app_that_gives_up_on_a_stopped_client_can_be_waited_for() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        with anyio.CancelScope() as scope_of_send:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send, body(b"xx"))
                await anyio.wait_all_tasks_blocked()
                scope_of_send.cancel()

    async with ASGIClient(app, buffer_size=1).stream("GET", "/") as response:
        response.stop_reading()
        await response.wait_app()
        assert (response.app_ended, response.ended, response.app_exception) == (True, False, None)


# Leaving


async def test_disconnect_is_received_and_nothing_is_read_after_it() -> None:
    received: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        received.append((await receive())["type"])
        await send(start())
        await send(body(b"lost"))
        received.extend([(await receive())["type"] for _ in range(2)])
        await send(body(b"for nobody"))

    async with ASGIClient(app).stream("GET", "/") as response:
        await response.disconnect()
        await response.wait_app()
        assert await response.read() == b""
    assert received == ["http.request", "http.disconnect", "http.disconnect"]
    assert [sent.message.get("body") for sent in response.sent] == [None, b"lost", b"for nobody"]
    assert response.app_exception is None


async def test_send_that_waits_is_let_go_by_a_disconnect() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"xx"))
        await send(body(b"yy"))

    async with ASGIClient(app, buffer_size=1).stream("GET", "/") as response:
        await anyio.wait_all_tasks_blocked()
        assert len(response.sent) == 2
        await response.disconnect()
        await response.wait_app()
    assert len(response.sent) == 3


@pytest.mark.parametrize(("send_raises", "kind"), [(True, OSError), (BrokenPipeError, BrokenPipeError)])
@pytest.mark.parametrize("buffer_size", [0, 1000])
async def test_send_raises_after_a_disconnect_when_asked(
    send_raises: bool | type[OSError], kind: type[OSError], buffer_size: int
) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        while True:
            await send(body(b"x"))
            await checkpoint()

    async with ASGIClient(app, buffer_size=buffer_size).stream("GET", "/") as response:
        await response.disconnect(send_raises=send_raises)
        await response.wait_app()
    assert type(response.app_exception) is kind
    assert str(response.app_exception) == "the client has disconnected"


async def test_error_that_comes_of_send_is_not_raised_however_it_is_wrapped() -> None:
    class Left(Exception):
        pass

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        async def produce() -> None:
            await receive()
            await receive()
            try:
                await send(body(b"x"))
            except OSError:
                raise Left  # noqa: B904 - the cause is left to the context, as frameworks do

        await send(start())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(produce)

    async with ASGIClient(app).stream("GET", "/") as response:
        await response.disconnect(send_raises=True)
    assert isinstance(response.app_exception, ExceptionGroup)


async def test_other_error_after_a_disconnect_is_raised() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        await receive()
        await receive()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        async with ASGIClient(app).stream("GET", "/") as response:
            await response.disconnect(send_raises=True)


async def test_disconnect_after_some_events() -> None:
    async with ASGIClient(endless()).stream("GET", "/") as response:
        assert await response.disconnect_after(3) == [ServerSentEvent("x")] * 3
        await response.wait_app()


async def test_disconnect_after_some_values() -> None:
    ndjson = [(b"content-type", b"application/x-ndjson")]
    async with ASGIClient(endless(b"1\n2\n", headers=ndjson)).stream("GET", "/") as response:
        assert await response.disconnect_after(3) == [1, 2, 1]


async def test_disconnect_after_more_events_than_there_are_says_so() -> None:
    async with ASGIClient(sends(b"data: x\n\n", headers=SSE)).stream("GET", "/") as response:
        with pytest.raises(AssertionError, match=r"^the stream ended after 1 of 2 events$"):
            await response.disconnect_after(2)


async def test_app_learns_nothing_of_leaving_until_it_has_happened() -> None:
    """An app may ask without waiting, in a scope that is cancelled: Starlette's `is_disconnected` does."""
    told: list[bool] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        async def is_disconnected() -> bool:
            message: Message = {}
            with anyio.CancelScope() as scope:
                scope.cancel()
                message = await receive()
            return message.get("type") == "http.disconnect"

        await receive()
        await send(start())
        told.append(await is_disconnected())
        await anyio.wait_all_tasks_blocked()
        told.append(await is_disconnected())

    async with ASGIClient(app).stream("GET", "/") as response:
        await response.disconnect()
        await response.wait_app()
    assert told == [False, True]


async def test_receive_that_waits_is_told_of_the_disconnect() -> None:
    received: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        received.append((await receive())["type"])
        await send(start())
        received.append((await receive())["type"])

    async with ASGIClient(app).stream("GET", "/") as response:
        await anyio.wait_all_tasks_blocked()
        assert received == ["http.request"]
        await response.disconnect()
        await response.wait_app()
    assert received == ["http.request", "http.disconnect"]


async def test_request_is_over_for_the_app_once_it_has_answered() -> None:
    received: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"", more=False))
        received.append((await receive())["type"])

    async with ASGIClient(app).stream("GET", "/") as response:
        await response.wait_app()
    assert received == ["http.disconnect"]


# What the app does wrong


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([body(b"x")], r"^ASGI: the app sent 'http.response.body' before the start of its response$"),
        ([start(), start()], r"^ASGI: the app sent 'http.response.start' after the start of its response$"),
        ([start(), {"type": "http.nonsense"}], r"^ASGI: the app sent 'http.nonsense' after the start of its response$"),
        (
            [start(), body(b"", more=False), body(b"x")],
            r"^ASGI: the app sent 'http.response.body' after the end of its response$",
        ),
    ],
)
async def test_message_out_of_place_is_the_apps_error(messages: list[Message], text: str) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    with pytest.raises(RuntimeError, match=text):
        await ASGIClient(app).get("/")


async def test_body_that_is_not_completed_is_an_error() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"x"))

    async with ASGIClient(app).stream("GET", "/") as response:
        assert await anext(response.chunks()) == b"x"
        with pytest.raises(AssertionError, match=r"^the app returned without completing its response$"):
            await anext(response.chunks())
    assert not response.ended


async def test_app_that_raises_within_the_body_raises_behind_what_it_sent() -> None:
    error = KeyError("mine")

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"x"))
        raise error

    async with ASGIClient(app).stream("GET", "/") as response:
        assert await anext(response.chunks()) == b"x"
        with pytest.raises(KeyError) as raised:
            await anext(response.chunks())
        assert raised.value is error is response.app_exception
        with pytest.raises(StopAsyncIteration):
            await anext(response.chunks())


# What goes up


async def test_body_is_received_in_one_message() -> None:
    received: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        received.append(await receive())
        await sends()(scope, receive, send)

    await ASGIClient(app).post("/", content=b"abc")
    assert received == [{"type": "http.request", "body": b"abc", "more_body": False}]


class Pieces:
    """Give two pieces of a body, then raise or end; remember being closed."""

    def __init__(self, error: Exception | None = None) -> None:
        self.closed = False
        self._left = [b"a", b"b"]
        self._error = error

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._left:
            return self._left.pop(0)
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


async def test_body_of_several_pieces_is_received_piece_by_piece() -> None:
    received: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        while not received or received[-1]["more_body"]:
            received.append(await receive())
        await sends()(scope, receive, send)

    content = Pieces()
    await ASGIClient(app).post("/", content=content)
    assert [(message["body"], message["more_body"]) for message in received] == [
        (b"a", True),
        (b"b", True),
        (b"", False),
    ]
    assert content.closed


async def test_body_that_nobody_asks_for_is_closed_half_way() -> None:
    content = Pieces()
    await ASGIClient(sends()).post("/", content=content)
    assert content.closed


async def test_body_that_fails_hangs_up_and_is_raised() -> None:
    received: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        while "http.disconnect" not in received:
            received.append((await receive())["type"])

    content = Pieces(OSError("mid-upload"))
    with pytest.raises(OSError, match="mid-upload"):
        await ASGIClient(app).post("/", content=content)
    assert received == ["http.request", "http.request", "http.disconnect"]
    assert content.closed
