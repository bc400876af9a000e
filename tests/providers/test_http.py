"""The HTTP provider against a real loopback server, on both event loops."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import anyio
import anyio.abc
import anyio.lowlevel
import httpx2
import pytest

from gai_stream.events import (
    AudioDelta,
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from gai_stream.exceptions import ProviderError
from gai_stream.providers import ChatRequest, HTTPProvider, ImagePart, Message, Provider, Reply

pytestmark = pytest.mark.anyio

ASK = ChatRequest.from_text("Grüße?", model="m")
KEY = "sk-very-secret-0123456789"
HI = b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
STOP = b'data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
SAID = [Start("m", id="c1"), TextDelta("Hi")]
WHOLE = [*SAID, FinishStep(1), Finish("stop", None, "stop"), Done()]


class Received(NamedTuple):
    line: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """The server's end of one connection."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream

    async def receive(self) -> Received | None:
        data = b""
        try:
            while b"\r\n\r\n" not in data:
                data += await self._stream.receive()
            head, body = data.split(b"\r\n\r\n", 1)
            line, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, value in (text.split(":", 1) for text in lines)}
            while len(body) < int(headers.get("content-length", 0)):
                body += await self._stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return None
        return Received(line, headers, body)

    async def send(self, data: bytes) -> None:
        await self._stream.send(data)

    async def head(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        fields = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        await self.send(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode())

    async def chunk(self, data: bytes) -> None:
        if data:
            await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def reset(self) -> None:
        """Close with a reset rather than a proper end."""
        raw = self._stream.extra(anyio.abc.SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self._stream.aclose()

    async def closed_by_peer(self) -> None:
        try:
            while True:
                await self._stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return


Answer = Callable[[Connection], Awaitable[None]]


class Upstream:
    """A loopback server that answers every request with `answer`."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.received: list[Received] = []
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, stream: anyio.abc.SocketStream) -> None:
        self.connections += 1
        async with stream:
            connection = Connection(stream)
            while (received := await connection.receive()) is not None:
                self.received.append(received)
                try:
                    await self._answer(connection)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return


@asynccontextmanager
async def upstream(answer: Answer | bytes | Iterable[bytes], **headers: str) -> AsyncIterator[Upstream]:
    """Serve `answer`: a function of the connection, a body, or a body's pieces."""
    server = Upstream(
        answer if callable(answer) else body([answer] if isinstance(answer, bytes) else answer, **headers)
    )
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        server.port = listener.extra(anyio.abc.SocketAttribute.local_port)
        tasks.start_soon(listener.serve, server.handle)
        with anyio.fail_after(30):
            yield server
        tasks.cancel_scope.cancel()


def body(pieces: Iterable[bytes], status: int = 200, **headers: str) -> Answer:
    kept = list(pieces)

    async def answer(connection: Connection) -> None:
        await connection.head(status, {name.replace("_", "-"): value for name, value in headers.items()})
        for piece in kept:
            await connection.chunk(piece)
        await connection.end()

    return answer


async def collect(provider: Provider, request: ChatRequest = ASK) -> list[Event]:
    return [event async for event in provider.stream(request)]


async def ask(server: Upstream, request: ChatRequest = ASK, **options: Any) -> list[Event]:
    async with HTTPProvider(base_url=server.url, **options) as provider:
        return await collect(provider, request)


async def ask_until_error(server: Upstream, **options: Any) -> tuple[list[Event], Exception]:
    events: list[Event] = []
    async with HTTPProvider(base_url=server.url, **options) as provider:
        with pytest.raises(Exception) as caught:
            async for event in provider.stream(ASK):
                events.append(event)
    return events, caught.value


async def refused(answer: Answer | bytes | Iterable[bytes], **headers: str) -> ProviderError:
    """Return the error of a request that gets `answer`."""
    async with upstream(answer, **headers) as server:
        events, error = await ask_until_error(server, api_key=KEY)
    assert events == []
    assert isinstance(error, ProviderError)
    assert str(error) == error.message
    return error


def cut(data: bytes, seed: int) -> list[bytes]:
    random = Random(seed)
    places = sorted(random.sample(range(1, len(data)), min(len(data) - 1, 60)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


# --- real streams ---


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_recorded_stream_arrives_as_the_sdk_reads_it(
    corpus: Path, expected: dict[str, Any], seed: int
) -> None:
    files = sorted((corpus / "openai").glob("*.sse"))
    assert len(files) >= 10
    for file in files:
        want = expected[f"openai/{file.name}"]
        async with upstream(cut(file.read_bytes(), seed)) as server:
            events = await ask(server)
        first = [event for event in events if getattr(event, "index", 0) == 0]
        text = "".join(event.text for event in first if isinstance(event, TextDelta) and not event.refusal)
        refusal = "".join(event.text for event in first if isinstance(event, TextDelta) and event.refusal)
        assert (text, refusal) == (want["text"], want.get("refusal", "")), file.name

        arguments: dict[int, str] = {}
        for event in events:
            if isinstance(event, ToolCallDelta):
                arguments[event.index] = arguments.get(event.index, "") + event.arguments
        assert list(arguments.values()) == [call["arguments_raw"] for call in want["tool_calls"]], file.name
        calls = [event for event in events if isinstance(event, ToolCall)]
        assert [(call.id, call.name, call.input) for call in calls] == [
            (call["id"], call["name"], call["arguments"])
            for call in want["tool_calls"]
            if not call.get("arguments_invalid_json")
        ], file.name

        (finish,) = (event for event in events if isinstance(event, Finish))
        assert finish.raw_reason == want["finish_reason"], file.name
        usage = finish.usage or Usage()
        assert {name: getattr(usage, name) for name in want["usage"]} == want["usage"], file.name
        transcript = "".join(event.transcript or "" for event in events if isinstance(event, AudioDelta))
        assert transcript == want.get("audio_transcript", ""), file.name
        (start,) = (event for event in events if isinstance(event, Start))
        assert (start.id, start.model) == (want["meta"]["id"], want["meta"]["model"]), file.name
        assert events[-1] == Done()


async def test_an_event_is_there_as_soon_as_its_blank_line_is() -> None:
    go = anyio.Event()

    async def answer(connection: Connection) -> None:
        await connection.head()
        await connection.chunk(HI)
        await go.wait()
        await connection.chunk(STOP + DONE)
        await connection.end()

    async with (
        upstream(answer) as server,
        HTTPProvider(base_url=server.url) as provider,
        aclosing(provider.stream(ASK)) as stream,
    ):
        events = [await anext(stream), await anext(stream)]
        assert events == SAID
        go.set()
        events += [event async for event in stream]
    assert events == WHOLE


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_compressed_answer_is_read_although_we_asked_for_none(coding: str) -> None:
    data = HI + STOP + DONE
    packed = gzip.compress(data) if coding == "gzip" else zlib.compress(data)
    async with upstream(cut(packed, 1), content_encoding=coding) as server:
        assert await ask(server) == WHOLE
    assert server.received[0].headers["accept-encoding"] == "identity"


async def test_a_stream_under_another_name_is_read() -> None:
    for content_type in ("text/plain", "application/octet-stream", "application/json", "Text/Event-Stream"):
        async with upstream([b"\xef\xbb\xbf", b"\n", b" \r\n", HI + STOP + DONE], content_type=content_type) as server:
            assert await ask(server) == WHOLE, content_type


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n", b"\n\ndata: [DO", b"\n\ndata: {", b"\n\n: x"])
async def test_a_stream_without_its_last_blank_line_is_whole(tail: bytes) -> None:
    async with upstream(HI + STOP.rstrip() + tail) as server:
        assert await ask(server) == WHOLE


@pytest.mark.parametrize("tail", [b"", b"\n", b"\n\n"])
async def test_an_error_outside_of_any_event_is_seen(tail: bytes) -> None:
    async with upstream(HI + b'error: {"code":500,"message":"boom"}' + tail) as server:
        assert await ask(server) == [*SAID, Failure("internal", "boom", True), Done(finished=False)]


async def test_comments_and_what_follows_the_end_are_no_events() -> None:
    async with upstream(b": OPENROUTER PROCESSING\n\n" + HI + b": x\n" + STOP + DONE + HI) as server:
        assert await ask(server) == WHOLE


async def test_a_server_that_does_not_stream_is_understood() -> None:
    completion = {
        "id": "c1",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    }
    for finish_reason in ("stop", None):
        completion["choices"][0]["finish_reason"] = finish_reason  # type: ignore[index]
        async with upstream(
            cut(json.dumps(completion, indent=1).encode(), 1), content_type="application/json"
        ) as server:
            events = await ask(server)
        assert events[:2] == SAID
        assert events[-1] == Done()


# --- what is sent ---


async def test_the_request_on_the_wire() -> None:
    async with upstream(HI + STOP + DONE) as server:
        request = ChatRequest(messages=[Message("user", "数到5")], max_tokens=9, extra={"seed": 1})
        await ask(server, request, api_key=KEY, model="fallback")
    (received,) = server.received
    assert received.line == "POST /v1/chat/completions HTTP/1.1"
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["accept"] == "text/event-stream"
    assert received.headers["content-type"] == "application/json"
    assert received.json() == {
        "messages": [{"role": "user", "content": "数到5"}],
        "model": "fallback",
        "max_tokens": 9,
        "seed": 1,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_your_headers_win_and_usage_can_be_left_out() -> None:
    async with upstream(HI + STOP + DONE) as server:
        headers = {"api-key": KEY, "Accept": "*/*", "authorization": "Basic x"}
        await ask(server, headers=headers, api_key="other", options={"usage": False})
    (received,) = server.received
    assert [received.headers[name] for name in ("api-key", "accept", "authorization")] == [KEY, "*/*", "Basic x"]
    assert "stream_options" not in received.json()


async def test_what_names_a_request_goes_along_if_a_header_can_carry_it() -> None:
    async with upstream(HI + STOP + DONE) as server, HTTPProvider(base_url=server.url) as provider:
        named = ChatRequest(messages=[Message("user", "q")], idempotency_key="once", trace_id="t1")
        assert await collect(provider, named) == WHOLE
        assert await collect(provider) == WHOLE
        for value in ("a\r\nx-evil: 1", "ü", ""):
            bad = ChatRequest(messages=[Message("user", "q")], idempotency_key=value)
            with pytest.raises(ProviderError, match=r"^idempotency-key must be printable ASCII ") as caught:
                await collect(provider, bad)
            assert (caught.value.code, caught.value.status) == ("invalid_request", 400)
    first, second = server.received
    assert (first.headers["idempotency-key"], first.headers["x-trace-id"]) == ("once", "t1")
    assert not {"idempotency-key", "x-trace-id"} & second.headers.keys()


async def test_no_key_means_no_authorization() -> None:
    async with upstream(HI + STOP + DONE) as server:
        await ask(server)
    assert "authorization" not in server.received[0].headers


async def test_the_query_of_the_base_url_is_kept() -> None:
    async with (
        upstream(HI + STOP + DONE) as server,
        HTTPProvider(base_url=f"{server.url}/?api-version=1#x") as provider,
    ):
        await collect(provider)
    assert server.received[0].line == "POST /v1/chat/completions?api-version=1 HTTP/1.1"


async def test_openai_itself_gets_the_newer_name_of_max_tokens() -> None:
    seen: list[Any] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append((str(request.url), json.loads(request.content)))
        return httpx2.Response(200, content=HI + STOP + DONE, headers={"content-type": "text/event-stream"})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        provider = HTTPProvider(api_key=KEY, client=client)
        assert await collect(provider, ChatRequest(messages=[Message("user", "q")], max_tokens=9)) == WHOLE
    ((url, sent),) = seen
    assert url == "https://api.openai.com/v1/chat/completions"
    assert sent["max_completion_tokens"] == 9
    assert "max_tokens" not in sent
    assert sent["model"].startswith("gpt-")


# --- connections ---


async def test_one_connection_serves_one_stream_after_another() -> None:
    async with upstream(HI + STOP + DONE) as server, HTTPProvider(base_url=server.url) as provider:
        for _ in range(3):
            assert await collect(provider) == WHOLE
    assert server.connections == 1


async def test_more_streams_than_a_usual_pool_run_at_once() -> None:
    count, arrived, go = 110, 0, anyio.Event()

    async def answer(connection: Connection) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == count:
            go.set()
        await go.wait()
        await body([HI + STOP + DONE])(connection)

    results: list[list[Event]] = []
    async with upstream(answer) as server, HTTPProvider(base_url=server.url) as provider:

        async def one() -> None:
            results.append(await collect(provider))

        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(one)
    assert results == [WHOLE] * count


@asynccontextmanager
async def endless() -> AsyncIterator[tuple[Upstream, anyio.Event]]:
    """A server whose answer never ends, and an event that is set when its client has gone."""
    gone = anyio.Event()

    async def answer(connection: Connection) -> None:
        await connection.head()
        # Several pieces in one packet: what is buffered must not keep the connection open.
        await connection.send(b"".join(b"%x\r\n%s\r\n" % (len(HI), HI) for _ in range(50)))
        await connection.closed_by_peer()
        gone.set()

    async with upstream(answer) as server:
        yield server, gone


async def test_closing_the_stream_closes_the_connection_at_once() -> None:
    async with endless() as (server, gone), HTTPProvider(base_url=server.url) as provider:
        async with aclosing(provider.stream(ASK)) as stream:
            assert await anext(stream) == SAID[0]
        await gone.wait()


async def test_cancelling_a_stream_that_waits_closes_the_connection_at_once() -> None:
    async with endless() as (server, gone), HTTPProvider(base_url=server.url) as provider:
        events: list[Event] = []
        async with anyio.create_task_group() as tasks:

            async def read() -> None:
                async with aclosing(provider.stream(ASK)) as stream:
                    async for event in stream:
                        events.append(event)
                        if len(events) == 51:
                            tasks.cancel_scope.cancel()

            tasks.start_soon(read)
        await gone.wait()
        assert len(events) == 51


async def test_of_100_streams_that_are_left_100_connections_are_closed_at_once() -> None:
    closed = 0

    async def answer(connection: Connection) -> None:
        nonlocal closed
        await connection.head()
        await connection.chunk(HI)
        await connection.closed_by_peer()
        closed += 1

    async with upstream(answer) as server, HTTPProvider(base_url=server.url) as provider:

        async def leave(number: int) -> None:
            with anyio.CancelScope() as scope:
                async with aclosing(provider.stream(ASK)) as stream:
                    async for event in stream:
                        if event == SAID[1]:
                            # Half of them by leaving the loop, half by being cancelled while they wait.
                            if number % 2:
                                break
                            scope.cancel()

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(leave, number)
        with anyio.fail_after(1):
            while closed < 100:
                await anyio.lowlevel.checkpoint()
    assert (server.connections, closed) == (100, 100)


async def test_cancelling_before_the_answer_closes_the_connection_at_once() -> None:
    gone, asked = anyio.Event(), anyio.Event()

    async def answer(connection: Connection) -> None:
        asked.set()
        await connection.closed_by_peer()
        gone.set()

    async with upstream(answer) as server, HTTPProvider(base_url=server.url) as provider:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(collect, provider)
            await asked.wait()
            tasks.cancel_scope.cancel()
        await gone.wait()


async def test_a_server_that_goes_on_behind_an_error_is_left_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = anyio.Event()
    # For as long as that nobody waits, unless it is in vain.
    monkeypatch.setattr("gai_stream.providers.http._LINGER", 60.0)

    async def answer(connection: Connection) -> None:
        await connection.head()
        await connection.chunk(HI + b'data: {"error":{"message":"no"}}\n\n')
        await connection.closed_by_peer()
        gone.set()

    async with upstream(answer) as server, HTTPProvider(base_url=server.url) as provider:
        with anyio.fail_after(10):
            assert await collect(provider) == [*SAID, Failure("internal", "no", True), Done(finished=False)]
            await gone.wait()


async def test_a_request_that_the_api_has_no_words_for_is_refused_unasked() -> None:
    image = Message("user", [ImagePart("https://a.example/cat.png")])
    async with HTTPProvider("ollama", base_url="http://127.0.0.1:9") as provider:
        with pytest.raises(ProviderError, match=r"Ollama fetches no images; send .* as a data: URL") as raised:
            await anext(provider.stream(ChatRequest(messages=[image])))
    assert (raised.value.code, raised.value.status) == ("invalid_request", 400)


async def test_a_server_that_stays_after_the_end_is_left() -> None:
    gone = anyio.Event()

    async def answer(connection: Connection) -> None:
        await connection.head()
        await connection.chunk(HI + STOP + DONE)
        await connection.closed_by_peer()
        gone.set()

    async with upstream(answer) as server, HTTPProvider(base_url=server.url) as provider:
        assert await collect(provider) == WHOLE
        await gone.wait()


async def test_your_client_stays_open_and_ours_does_not() -> None:
    async with upstream(HI + STOP + DONE) as server:
        async with httpx2.AsyncClient() as client:
            provider = HTTPProvider(base_url=server.url, client=client)
            await provider.aclose()
            assert await collect(provider) == WHOLE
        provider = HTTPProvider(base_url=server.url)
        await provider.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await collect(provider)


async def test_a_redirect_is_not_followed_even_by_a_client_that_would() -> None:
    async with (
        upstream(HI + STOP + DONE) as other,
        upstream(body([], 307, location=f"{other.url}/chat/completions")) as server,
        httpx2.AsyncClient(follow_redirects=True) as client,
    ):
        events, error = await ask_until_error(server, api_key=KEY, client=client)
    assert events == []
    assert other.received == []
    assert isinstance(error, ProviderError)
    assert (error.code, error.status) == ("invalid_response", 502)
    assert str(error).startswith("the provider answered with status 307; set base_url to where 'http://127.0.0.1")


# --- refusals ---


async def test_401_keeps_its_status_and_never_shows_the_key() -> None:
    text = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}.", "code": "invalid_api_key"}})
    error = await refused(body([text.encode()], 401, content_type="application/json"))
    assert (error.status, error.code, error.temporary) == (401, "unauthorized", False)
    assert str(error) == "Incorrect API key provided: ***."
    assert KEY not in repr(error)


async def test_429_says_when_to_come_back() -> None:
    text = b'{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}'
    error = await refused(body([text], 429, content_type="application/json", retry_after="7"))
    assert (error.status, error.code, error.temporary, error.retry_after) == (429, "rate_limited", True, 7.0)


async def test_a_page_is_an_error_of_its_status() -> None:
    error = await refused(body([b"<html>", b"x" * 200_000], 500, content_type="text/html"))
    assert (error.status, error.code) == (500, "internal")
    assert str(error) == "the provider answered with status 500"


async def test_of_an_endless_error_64_kib_are_read() -> None:
    sent = 0

    async def answer(connection: Connection) -> None:
        nonlocal sent
        await connection.head(503)
        while True:
            await connection.chunk(b"x" * 1000)
            sent += 1000

    error = await refused(answer)
    assert (error.status, error.message) == (503, "x" * 500)
    assert sent < 20_000_000


async def test_an_error_that_breaks_off_is_told_as_far_as_it_came() -> None:
    async def answer(connection: Connection) -> None:
        await connection.head(503)
        await connection.chunk(b"Service down for main")
        await connection.reset()

    error = await refused(answer)
    assert error.status == 503
    assert error.message in ("Service down for main", "the provider answered with status 503")


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_200_with_an_error_object_is_an_error(content_type: str) -> None:
    text = b'{"error":{"message":"engine overloaded","type":"overloaded_error","code":503}}'
    error = await refused([text], content_type=content_type)
    assert (error.status, error.code, error.message) == (503, "overloaded", "engine overloaded")


async def test_200_with_a_page_is_an_error() -> None:
    error = await refused([b"\n<!doctype html><p>Log in first"], content_type="text/html")
    assert (error.status, error.code, error.message) == (
        502,
        "invalid_response",
        "openai answered with a page instead of a stream",
    )


@pytest.mark.parametrize("text", [b'{"status":"ok"}', b"{", b"[]", b'{"choices":[]}'])
async def test_200_with_json_that_is_no_answer_is_an_error(text: bytes) -> None:
    error = await refused([text], content_type="application/json")
    assert (error.status, error.code, error.temporary) == (502, "invalid_response", False)
    assert error.message == "openai answered with JSON that is no answer"


@pytest.mark.parametrize("text", [b'{"error":"boom"}', b'[{"error":{"message":"boom"}}]', b'{"detail":"boom"}'])
async def test_200_with_an_error_without_a_status_may_be_tried_again(text: bytes) -> None:
    error = await refused([text], content_type="application/json")
    assert (error.status, error.code, error.message, error.temporary) == (500, "internal", "boom", True)


async def test_an_error_instead_of_the_first_event_is_raised() -> None:
    error = await refused(b'data: {"error":{"message":"slow down","code":429}}\n\ndata: [DONE]\n\n')
    assert (error.status, error.code, error.message) == (429, "rate_limited", "slow down")


async def test_an_error_behind_the_first_event_is_an_event_without_the_key() -> None:
    line = json.dumps({"error": {"message": f"bad key {KEY}", "type": "server_error"}}).encode()
    async with upstream(HI + b"data: " + line + b"\n\n") as server:
        events = await ask(server, api_key=KEY)
    assert events == [*SAID, Failure("internal", "bad key ***", True), Done(finished=False)]


# --- what breaks off ---


async def test_a_refused_connection_is_a_network_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with HTTPProvider(base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1", api_key=KEY) as provider:
            with pytest.raises(ProviderError, match=r"^openai could not be reached$") as caught:
                await collect(provider)
    assert (caught.value.code, caught.value.status, caught.value.temporary) == ("network", 502, True)


async def test_a_reset_before_the_answer_is_a_network_error() -> None:
    error = await refused(Connection.reset)
    assert (error.code, error.status, error.message) == ("network", 502, "the connection to openai broke")


async def test_a_reset_inside_an_event_comes_behind_the_good_events() -> None:
    async def answer(connection: Connection) -> None:
        await connection.head()
        await connection.chunk(HI)
        await connection.chunk(HI[:20])
        # The client must have read these, or the reset would take them along.
        await read.wait()
        await connection.reset()

    read = anyio.Event()
    events: list[Event] = []
    async with upstream(answer) as server, HTTPProvider(base_url=server.url) as provider:
        with pytest.raises(ProviderError, match=r"^the connection to openai broke$") as caught:
            async for event in provider.stream(ASK):
                events.append(event)
                if len(events) == 2:
                    read.set()
    assert events == SAID
    assert (caught.value.code, caught.value.status) == ("network", 502)


async def test_a_body_that_stops_short_is_a_network_error() -> None:
    async def answer(connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n" + HI)
        await connection._stream.aclose()

    async with upstream(answer) as server:
        events, error = await ask_until_error(server)
    assert events == SAID
    assert isinstance(error, ProviderError)
    assert error.code == "network"


async def test_an_answer_that_lacks_only_its_terminator_is_whole() -> None:
    async def answer(connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n")
        await connection.send(HI + STOP)
        await connection._stream.aclose()

    async with upstream(answer) as server:
        assert await ask(server) == WHOLE


async def test_an_answer_without_a_finish_reason_is_truncated() -> None:
    async with upstream(HI) as server:
        events, error = await ask_until_error(server)
    assert events == SAID
    assert isinstance(error, ProviderError)
    assert (error.code, error.status, error.temporary) == ("truncated", 502, True)
    assert str(error) == "openai did not finish its answer"


async def test_an_empty_answer_is_truncated() -> None:
    for content_type in ("text/event-stream", "text/plain"):
        async with upstream(b"", content_type=content_type) as server:
            events, error = await ask_until_error(server)
        assert events == []
        assert isinstance(error, ProviderError)
        assert error.code == "truncated"


BROKEN = (
    b'data: {"choices":\n\n',
    b'data: {"choices":[{"index":0,"delta":{"content":7}}]}\n\n',
    b"data: sk-secret\n\n",
)


async def test_what_cannot_be_read_is_skipped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    async with upstream(HI + b"".join(BROKEN) + STOP + DONE) as server, HTTPProvider(base_url=server.url) as provider:
        assert await collect(provider) == WHOLE
        assert provider.malformed == 3
        assert await collect(provider) == WHOLE
        assert provider.malformed == 6
    told = [record.getMessage() for record in caplog.records if record.name == "gai_stream.providers.http"]
    assert told == ["openai sent 3 messages that cannot be read (request None)"] * 2


@pytest.mark.parametrize("broken", BROKEN)
async def test_what_cannot_be_read_ends_the_answer_where_that_is_asked_for(broken: bytes) -> None:
    failure = Failure("invalid_response", "openai sent a message that cannot be read")
    async with upstream(HI + broken + STOP + DONE) as server:
        assert await ask(server, on_malformed="error") == [*SAID, failure, Done(finished=False)]
    async with upstream(broken + HI + STOP + DONE) as server:
        events, error = await ask_until_error(server, on_malformed="error")
    assert events == []
    assert isinstance(error, ProviderError)
    assert (error.code, error.status, str(error)) == ("invalid_response", 502, failure.message)


async def test_an_event_of_10_mb_is_over_the_limit() -> None:
    big = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % (b"x" * 10_000_000)
    async with upstream([HI, *(big[start : start + 65536] for start in range(0, len(big), 65536))]) as server:
        events, error = await ask_until_error(server)
        assert events == SAID
        assert isinstance(error, ProviderError)
        assert (error.code, error.status) == ("invalid_response", 502)
        assert str(error) == "openai sent more than 1048576 bytes in one piece (max_event_size)"


async def test_an_event_of_10_mb_is_read_if_the_limit_allows() -> None:
    big = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % (b"x" * 10_000_000)
    async with upstream([HI, big, STOP, DONE]) as server:
        events = await ask(server, max_event_size=20_000_000)
    assert events[2] == TextDelta("x" * 10_000_000)
    assert events[-1] == Done()


async def test_one_answer_of_10_mb_is_over_the_limit() -> None:
    async with upstream(
        [b'{"choices":[{"message":{"content":"', b"x" * 10_000_000], content_type="application/json"
    ) as s:
        events, error = await ask_until_error(s)
    assert events == []
    assert isinstance(error, ProviderError)
    assert str(error) == "openai sent more than 1048576 bytes in one piece (max_event_size)"


async def test_a_body_that_is_not_compressed_as_it_says_is_an_error() -> None:
    error = await refused([HI + STOP + DONE], content_encoding="gzip")
    assert (error.code, error.message) == ("invalid_response", "openai sent a body that is not compressed as it says")


async def test_an_unknown_compression_is_an_error() -> None:
    error = await refused([HI + STOP + DONE], content_encoding="br")
    assert error.code == "invalid_response"
    assert error.message == "openai sent a body compressed as 'br', which nobody asked for"


async def test_a_small_body_that_unfolds_to_a_large_one_is_read_in_pieces() -> None:
    packed = gzip.compress(HI + b": " + b"x" * 50_000_000 + b"\n" + STOP + DONE)
    assert len(packed) < 60_000
    async with upstream([packed], content_encoding="gzip") as server:
        assert await ask(server) == WHOLE


async def test_a_server_that_says_nothing_is_timed_out() -> None:
    async with upstream(Connection.closed_by_peer) as server:
        _, error = await ask_until_error(server, first_byte_timeout=0.05)
    assert isinstance(error, ProviderError)
    assert (error.code, error.status) == ("timeout", 504)
    assert str(error) == "openai did not begin to answer within 0.05 s (first_byte_timeout)"


@pytest.mark.parametrize("late", ["headers", "body"])
async def test_the_first_byte_is_waited_for_from_the_request_on(late: str) -> None:
    async def answer(connection: Connection) -> None:
        if late == "body":
            await connection.head()
        await connection.closed_by_peer()

    # Neither the time for the connection nor that for a silence is added.
    async with upstream(answer) as server:
        _, error = await ask_until_error(server, connect_timeout=60, first_byte_timeout=0.05, idle_timeout=60)
    assert str(error) == "openai did not begin to answer within 0.05 s (first_byte_timeout)"


async def test_silence_behind_the_first_byte_is_an_idle_timeout() -> None:
    async def answer(connection: Connection) -> None:
        await connection.head()
        await connection.chunk(HI)
        await connection.closed_by_peer()

    async with upstream(answer) as server:
        events, error = await ask_until_error(server, first_byte_timeout=60, idle_timeout=0.05)
    assert events == SAID
    assert str(error) == "openai sent nothing for 0.05 s (idle_timeout)"


# --- the key ---


async def test_the_key_is_in_no_repr_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        upstream(body([b"no"], 401)) as server,
        HTTPProvider(base_url=server.url, api_key=KEY, headers={"api-key": KEY}) as provider,
    ):
        with pytest.raises(ProviderError) as caught:
            await collect(provider)
        assert repr(provider) == "<HTTPProvider 'openai' at 127.0.0.1, model None>"
    assert caplog.records
    assert KEY not in caplog.text
    assert KEY not in str(caught.getrepr(style="long", chain=True)).replace(f"KEY = {KEY!r}", "")


@pytest.mark.parametrize("key", ["sk-secret\n", " sk-secret", "sk-se…cret", "", 5])
def test_a_key_that_no_header_can_hold_is_refused_unseen(key: Any) -> None:
    with pytest.raises(ValueError, match=r"^api_key must be printable ASCII without spaces around it; check for a "):
        HTTPProvider(api_key=key)
    with pytest.raises(ValueError, match=r"^headers\['x-api-key'\] must be printable ASCII") as caught:
        HTTPProvider(headers={"x-api-key": key})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "ü", 5])
def test_a_header_has_a_name(name: Any) -> None:
    with pytest.raises(ValueError, match=r"^headers must be named by ASCII letters, digits and hyphens, not "):
        HTTPProvider(headers={name: "x"})


async def test_a_dummy_key_is_a_word_like_any_other() -> None:
    async with upstream(body([b"ollama has no such model"], 404)) as server:
        _, error = await ask_until_error(server, api_key="ollama")
    assert str(error) == "ollama has no such model"


# --- options ---


@pytest.mark.parametrize("option", ["connect_timeout", "first_byte_timeout", "idle_timeout", "total_timeout"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "5"])
def test_a_timeout_is_seconds_above_0_or_none(option: str, value: Any) -> None:
    options: dict[str, Any] = {option: value}
    with pytest.raises(ValueError, match=f"^{option} must be a number of seconds above 0, or None for none, not "):
        HTTPProvider(**options)
    HTTPProvider(**{option: None})


@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_max_event_size_is_a_number_of_bytes(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^max_event_size must be a whole number of bytes, 1 or more, not "):
        HTTPProvider(max_event_size=value)


@pytest.mark.parametrize("value", ["ftp://x/v1", "localhost:8000/v1", "", "http://", "http://x:y/", 5, "http://[::1"])
def test_the_base_url_must_be_one(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^base_url must "):
        HTTPProvider(base_url=value)


def test_the_base_url_holds_no_password() -> None:
    with pytest.raises(ValueError, match=r"^base_url must not hold a user name or password; ") as caught:
        HTTPProvider(base_url="https://me:hunter2@example.org/v1")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", ["raise", None, 1])
def test_on_malformed_is_skip_or_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r'^on_malformed must be "skip" or "error", not '):
        HTTPProvider(on_malformed=value)


def test_an_unknown_preset_is_one_clear_sentence() -> None:
    with pytest.raises(ValueError, match=r"^provider must be one of anthropic, antigravity, .*, not 'parrot'$"):
        HTTPProvider("parrot")


# --- the whole answer ---


async def test_a_whole_answer_in_one_piece() -> None:
    async with upstream(HI + STOP + DONE) as server, HTTPProvider(base_url=server.url) as provider:
        reply = await provider.complete(ASK)
    assert reply == Reply(text="Hi", finish_reason="stop", model="m", id="c1")
    assert isinstance(provider, Provider)


async def test_a_whole_answer_that_fails_on_its_way_is_raised() -> None:
    line = b'data: {"error":{"message":"slow down","code":429}}\n\n'
    async with upstream(HI + line) as server, HTTPProvider(base_url=server.url) as provider:
        with pytest.raises(ProviderError, match=r"^slow down$") as caught:
            await provider.complete(ASK)
    assert (caught.value.status, caught.value.code) == (429, "rate_limited")


@pytest.mark.parametrize("header", ["x-request-id", "request-id"])
async def test_every_error_knows_the_requests_name(header: str) -> None:
    name = header.replace("-", "_")
    error = await refused(body([b"no"], 500, **{name: "r1"}))
    assert error.request_id == "r1"
    error = await refused([b"<p>"], **{name: "r1"})
    assert error.request_id == "r1"
    async with upstream(HI, **{name: "r1"}) as server:
        _, cut_off = await ask_until_error(server)
    assert isinstance(cut_off, ProviderError)
    assert cut_off.request_id == "r1"
    assert (await refused(Connection.reset)).request_id is None
