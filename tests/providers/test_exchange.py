"""Timeouts and failures of one exchange, in virtual time, against transports that behave badly."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import anyio
import httpx2
import pytest
import trio.testing
from anyio import sleep as virtual_sleep

from gai_stream.events import Done, Event, Finish, FinishStep, Start, TextDelta
from gai_stream.exceptions import ProviderError
from gai_stream.providers import ChatRequest, HTTPProvider

pytestmark = pytest.mark.anyio

ASK = ChatRequest.from_text("q")
HI = b'data: {"id":"c1","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
STOP = b'data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
SAID = [Start(id="c1"), TextDelta("Hi")]
WHOLE = [*SAID, FinishStep(1), Finish("stop", None, "stop"), Done()]
KEY = "sk-very-secret-0123456789"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Let time pass as soon as nobody has anything else to do."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class Body(httpx2.AsyncByteStream):
    """A body that says each piece after so many seconds; None is silence for ever, an exception is raised."""

    def __init__(self, *script: tuple[float, bytes | Exception | None]) -> None:
        self._script = script
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for seconds, piece in self._script:
            await virtual_sleep(seconds)
            if piece is None:
                await anyio.sleep_forever()
            elif isinstance(piece, Exception):
                raise piece
            else:
                yield piece

    async def aclose(self) -> None:
        self.closed = True


def provider(answer: Body | Callable[[httpx2.Request], Any], **options: Any) -> HTTPProvider:
    def respond(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=answer)

    handler = respond if isinstance(answer, Body) else answer
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    return HTTPProvider(base_url="http://up.test/v1", api_key=KEY, client=client, **options)


async def run(asked: HTTPProvider) -> tuple[list[Event], ProviderError | None, float]:
    """Return the events, the error behind them, and the seconds it took."""
    began = anyio.current_time()
    events: list[Event] = []
    error = None
    try:
        async for event in asked.stream(ASK):
            events.append(event)
    except ProviderError as exc:
        error = exc
    return events, error, anyio.current_time() - began


async def test_silence_before_the_first_byte_is_a_timeout_of_its_own() -> None:
    body = Body((0, None))
    events, error, seconds = await run(provider(body))
    # This transport does not say when there was a connection, so that its time is added.
    assert (events, seconds) == ([], 130)
    assert error is not None
    assert (error.code, error.status, error.temporary) == ("timeout", 504, True)
    assert str(error) == "openai did not begin to answer within 130 s (connect_timeout and first_byte_timeout)"
    assert body.closed


async def test_from_where_the_request_was_sent_the_first_byte_has_its_own_time() -> None:
    async def handler(request: httpx2.Request) -> httpx2.Response:
        await virtual_sleep(5)
        await request.extensions["trace"]("http11.receive_response_headers.started", {})
        await virtual_sleep(15)
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Body((0, None)))

    _, error, seconds = await run(provider(handler, first_byte_timeout=20))
    assert seconds == 25
    assert str(error) == "openai did not begin to answer within 20 s (first_byte_timeout)"


async def test_a_refusal_that_does_not_end_is_told_as_far_as_it_came() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(503, headers={"x-request-id": "r1"}, stream=Body((0, b"busy"), (0, None)))

    _, error, seconds = await run(provider(handler, idle_timeout=5))
    assert seconds == 5
    assert error is not None
    assert (error.status, error.message, error.request_id) == (503, "busy", "r1")


async def test_silence_in_the_middle_is_a_idle_timeout_behind_the_events() -> None:
    events, error, seconds = await run(provider(Body((1, HI), (0, None)), idle_timeout=5, name="up"))
    assert (events, seconds) == (SAID, 6)
    assert str(error) == "up sent nothing for 5 s (idle_timeout)"


async def test_every_byte_starts_the_idle_timeout_anew() -> None:
    body = Body((4, HI), (4, b": keep-alive\n"), (4, b": keep-alive\n"), (4, STOP), (4, DONE))
    assert await run(provider(body, idle_timeout=5)) == (WHOLE, None, 20)


async def test_silence_behind_the_finish_reason_costs_nothing_but_time() -> None:
    assert await run(provider(Body((0, HI + STOP), (0, None)), idle_timeout=5)) == (WHOLE, None, 5)


async def test_no_answer_at_all_is_a_timeout() -> None:
    async def handler(request: httpx2.Request) -> httpx2.Response:
        await anyio.sleep_forever()
        raise AssertionError

    _, error, seconds = await run(provider(handler, connect_timeout=2, first_byte_timeout=3))
    assert seconds == 5
    assert error is not None
    assert error.status == 504
    assert str(error) == "openai did not begin to answer within 5 s (connect_timeout and first_byte_timeout)"


@pytest.mark.parametrize("late", ["connection", "headers", "body"])
async def test_the_total_timeout_counts_from_the_start(late: str) -> None:
    async def handler(request: httpx2.Request) -> httpx2.Response:
        await anyio.sleep_forever() if late == "connection" else await virtual_sleep(2)
        body = Body((0, None)) if late == "headers" else Body((0, HI), *[(1, b": x\n")] * 100)
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=body)

    options: dict[str, Any] = {"connect_timeout": None, "first_byte_timeout": None} if late == "connection" else {}
    events, error, seconds = await run(provider(handler, total_timeout=10, **options))
    assert events == (SAID if late == "body" else [])
    assert seconds == 10
    assert error is not None
    assert (error.code, error.status) == ("timeout", 504)
    assert str(error) == "openai did not finish within 10 s (total_timeout)"


async def test_the_total_timeout_counts_the_consumers_time() -> None:
    asked = provider(Body((0, HI), (1, STOP)), total_timeout=10)
    with pytest.raises(ProviderError, match=r"did not finish within 10 s"):
        async for _ in asked.stream(ASK):
            await virtual_sleep(8)


async def test_a_slow_consumer_is_no_silence_of_the_provider() -> None:
    asked = provider(Body((0, HI), (1, STOP), (1, DONE)), idle_timeout=2)
    events = []
    async for event in asked.stream(ASK):
        await virtual_sleep(100)
        events.append(event)
    assert events == WHOLE


async def test_without_timeouts_patience_has_no_end() -> None:
    async def handler(request: httpx2.Request) -> httpx2.Response:
        assert set(request.extensions["timeout"].values()) == {None}
        await virtual_sleep(80_000)
        body = Body((80_000, HI), (80_000, STOP))
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=body)

    asked = provider(handler, connect_timeout=None, first_byte_timeout=None, idle_timeout=None)
    assert await run(asked) == (WHOLE, None, 240_000)


async def test_the_transport_is_told_of_connections_only_since_silence_is_measured_here() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        assert request.extensions["timeout"] == {"connect": 2, "pool": 2, "read": None, "write": None}
        return httpx2.Response(200, content=HI + STOP)

    assert (await run(provider(handler, connect_timeout=2)))[0] == WHOLE


@pytest.mark.parametrize(
    ("raised", "code", "text"),
    [
        (httpx2.ConnectTimeout("x"), "timeout", "openai could not be reached within 10 s (connect_timeout)"),
        (httpx2.PoolTimeout("x"), "timeout", "openai could not be reached within 10 s (connect_timeout)"),
        (httpx2.ReadTimeout("x"), "timeout", "openai sent nothing for 60 s (idle_timeout)"),
        (httpx2.WriteTimeout("x"), "timeout", "openai sent nothing for 60 s (idle_timeout)"),
        (httpx2.ConnectError("x"), "network", "openai could not be reached"),
        (httpx2.ProxyError("x"), "network", "openai could not be reached"),
        (httpx2.ReadError("x"), "network", "the connection to openai broke"),
        (httpx2.RemoteProtocolError("x"), "network", "the connection to openai broke"),
        (httpx2.DecodingError("x"), "network", "the connection to openai broke"),
    ],
)
async def test_every_failure_of_the_client_has_words_for_the_user(raised: Exception, code: str, text: str) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise raised

    for asked in (provider(handler), provider(Body((0, raised)))):
        _, error, _ = await run(asked)
        assert error is not None
        assert (error.code, str(error)) == (code, text)
        # The client quotes the bytes that it cannot read.
        assert error.__cause__ is (None if isinstance(raised, httpx2.RemoteProtocolError) else raised)
    events, error, _ = await run(provider(Body((0, HI), (0, raised))))
    assert (events, str(error)) == (SAID, text)


@pytest.mark.parametrize("raised", [httpx2.ConnectTimeout("x"), httpx2.ReadTimeout("x")])
async def test_a_client_may_have_timeouts_of_its_own(raised: Exception) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise raised

    _, error, _ = await run(provider(handler, connect_timeout=None, first_byte_timeout=None, idle_timeout=None))
    assert error is not None
    assert error.code == "timeout"


async def test_a_header_that_is_refused_is_not_quoted() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.LocalProtocolError(f"Illegal header value b'Bearer {KEY}'")

    _, error, _ = await run(provider(handler))
    assert error is not None
    assert str(error) == "the request to openai could not be sent"
    assert error.__cause__ is None
    assert error.__suppress_context__


@pytest.mark.parametrize("name", ["gzip", "identity"])
async def test_a_body_in_memory_is_read_once(name: str) -> None:
    data = HI + STOP + DONE

    def handler(request: httpx2.Request) -> httpx2.Response:
        content = gzip.compress(data) if name == "gzip" else data
        return httpx2.Response(200, content=content, headers={"content-encoding": name})

    assert (await run(provider(handler)))[:2] == (WHOLE, None)


async def test_a_body_that_goes_on_after_the_end_is_left_soon() -> None:
    body = Body((0, HI + STOP + DONE), *[(0.1, HI)] * 1000)
    events, error, seconds = await run(provider(body))
    assert (events, error) == (WHOLE, None)
    assert seconds <= 0.25
    assert body.closed


async def test_a_failure_behind_the_end_is_nobodys_concern() -> None:
    body = Body((0, HI + STOP + DONE), (0.1, httpx2.ReadError("reset")))
    assert (await run(provider(body)))[:2] == (WHOLE, None)
    assert body.closed


async def test_a_body_that_hangs_while_it_is_closed_holds_nobody_up() -> None:
    class Stuck(Body):
        async def aclose(self) -> None:
            await anyio.sleep_forever()

    asked = provider(Stuck((0, HI), (0, None)))
    began = anyio.current_time()
    async with aclosing(asked.stream(ASK)) as stream:
        await anext(stream)
    assert anyio.current_time() - began <= 1


async def test_closing_is_not_disturbed_by_the_cancellation_that_asked_for_it() -> None:
    class Slow(Body):
        async def aclose(self) -> None:
            await virtual_sleep(0.5)
            self.closed = True

    body = Slow((0, HI), (0, None))
    with anyio.move_on_after(1):
        await run(provider(body))
    assert body.closed
    body = Slow((0, HI), (0, None))
    async with aclosing(provider(body).stream(ASK)) as stream:
        await anext(stream)
    assert body.closed
