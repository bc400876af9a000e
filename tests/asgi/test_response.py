"""StreamResponse: what leaves, errors in band, disconnects and clean-up, options."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import sleep as virtual_sleep

from gai_stream.asgi import Summary, ndjson_response, sse_response
from gai_stream.events import Finish, Start, TextDelta, ToolCall
from gai_stream.exceptions import ProviderError, StreamTimeout
from gai_stream.sse import ServerSentEvent
from gai_stream.testing import ASGIClient, failing_source

pytestmark = pytest.mark.anyio

Respond = Callable[..., Any]

virtual_clock = pytest.mark.parametrize("anyio_backend", ["trio-clock"], indirect=True)
both_framings = pytest.mark.parametrize("respond", [sse_response, ndjson_response])


class Closing:
    """An async generator's source that notes where and when it was closed."""

    def __init__(self, *items: Any, then: Any = None) -> None:
        self.items = items
        self.then = then
        self.closed = anyio.Event()
        self.same_task: bool | None = None
        self.started = False

    async def stream(self) -> AsyncIterator[Any]:
        self.started = True
        task = anyio.get_current_task().id
        try:
            for item in self.items:
                yield item
            if self.then is None:
                await anyio.sleep_forever()
            raise self.then
        finally:
            self.same_task = anyio.get_current_task().id == task
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                self.closed.set()


@both_framings
@pytest.mark.parametrize(
    "make",
    [
        lambda: ["a", "b"],
        lambda: ("a", "b"),
        lambda: iter(["a", "b"]),
        lambda: (letter for letter in "ab"),
        lambda: failing_source(["a", "b"], StopAsyncIteration),
    ],
    ids=["list", "tuple", "iterator", "generator", "async"],
)
async def test_any_iterable_is_a_source(serve: Any, respond: Respond, make: Callable[[], Any]) -> None:
    response = await serve(respond(make()))
    assert response.status == 200
    assert response.text.index('"text":"a"') < response.text.index('"text":"b"') < response.text.index("done")


async def test_each_kind_of_item_has_its_form_in_sse(serve: Any) -> None:
    items = ["text", TextDelta("delta"), ServerSentEvent("as it is\nof two lines", event="own"), {"json": [1]}, 7, None]
    response = await serve(sse_response(items))
    assert response.text == (
        'event: text_delta\ndata: {"text":"text"}\n\n'
        'event: text_delta\ndata: {"text":"delta"}\n\n'
        "event: own\ndata: as it is\ndata: of two lines\n\n"
        'data: {"json":[1]}\n\n'
        "data: 7\n\n"
        "data: null\n\n"
        'event: done\ndata: {"finished":true}\n\n'
    )


async def test_each_kind_of_item_has_its_form_in_ndjson(serve: Any) -> None:
    response = await serve(ndjson_response(["text", TextDelta("delta"), {"json": [1]}, 7, None]))
    assert response.text.splitlines() == [
        '{"text":"text","type":"text_delta"}',
        '{"text":"delta","type":"text_delta"}',
        '{"json":[1]}',
        "7",
        "null",
        '{"finished":true,"type":"done"}',
    ]


async def test_without_an_encoder_there_is_framing_only(serve: Any) -> None:
    assert (await serve(sse_response(["a", {"b": 1}], encoder=None))).text == 'data: a\n\ndata: {"b":1}\n\n'
    assert (await serve(ndjson_response(["a", {"b": 1}], encoder=None))).text == '"a"\n{"b":1}\n'


async def test_an_openai_sdk_stream_is_lifted_to_events(events_of: Any) -> None:
    from openai.types.chat import ChatCompletionChunk

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> ChatCompletionChunk:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return ChatCompletionChunk.model_validate(
            {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        )

    got = await events_of(sse_response([chunk({"role": "assistant", "content": "Hi"}), chunk({}, "stop")]))
    assert [name for name, _ in got] == ["start", "text_delta", "finish_step", "finish", "done"]
    assert got[1] == ("text_delta", {"text": "Hi"})
    assert got[-1] == ("done", {"finished": True})


async def test_an_openai_sdk_stream_that_was_cut_is_not_a_clean_end(events_of: Any) -> None:
    from openai.types.chat import ChatCompletionChunk

    choice = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}
    chunk = ChatCompletionChunk.model_validate(
        {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    )
    got = await events_of(sse_response([chunk]))
    assert [name for name, _ in got] == ["start", "text_delta", "error", "done"]
    assert got[-1] == ("done", {"finished": False})


async def test_ids_and_retry_ride_with_the_messages(serve: Any) -> None:
    response = await serve(sse_response(["a", ServerSentEvent("x", id="own")], ids=True, retry=1500))
    assert response.text == (
        'id: 1\nevent: text_delta\nretry: 1500\ndata: {"text":"a"}\n\n'
        "id: own\ndata: x\n\n"
        'id: 2\nevent: done\ndata: {"finished":true}\n\n'
    )
    response = await serve(sse_response(["a"], ids=(f"run-{n}" for n in range(9))))
    assert response.text.startswith("id: run-0\n")


async def test_every_message_is_delivered_as_soon_as_it_is_there() -> None:
    go = anyio.Event()

    async def source() -> AsyncIterator[str]:
        yield "first"
        await go.wait()
        yield "second"

    async with ASGIClient(sse_response(source())) as client, client.stream("GET", "/") as stream:
        events = stream.events()
        assert (await anext(events)).json() == {"text": "first"}
        assert "second" not in repr(stream.sent)
        go.set()
        assert (await anext(events)).json() == {"text": "second"}


@both_framings
async def test_an_error_after_the_first_event_comes_behind_everything_yielded(serve: Any, respond: Respond) -> None:
    """Acceptance 1: FastAPI loses the event."""
    items = [f"token {n}" for n in range(50)]
    response = await serve(respond(failing_source(items, RuntimeError("secret"))))
    assert response.status == 200
    places = [response.text.index(f'"token {n}"') for n in range(50)]
    assert places == sorted(places)
    assert places[-1] < response.text.index('"internal error (reference ') < response.text.index('{"finished":false')
    assert "secret" not in response.text


async def test_a_provider_error_speaks_for_itself_in_band(events_of: Any) -> None:
    got = await events_of(sse_response(failing_source(["a"], ProviderError("overloaded", "come back later"))))
    assert got[1][0] == "error"
    assert got[1][1]["error"] == "come back later"


@both_framings
@pytest.mark.parametrize("as_item", [True, False], ids=["item", "event"])
async def test_an_unserialisable_value_is_an_error_event_and_a_terminal_frame(
    serve: Any, respond: Respond, as_item: bool, caplog: pytest.LogCaptureFixture
) -> None:
    bad = {"bad": object()} if as_item else ToolCall("c1", "calc", {"bad": object()})
    with caplog.at_level(logging.ERROR, "gai_stream"):
        response = await serve(respond(["before", bad, "after"]))
    assert response.status == 200
    assert "before" in response.text
    assert "internal error" in response.text
    assert '{"finished":false' in response.text
    assert "after" not in response.text
    assert "tool_call" not in response.text, "nothing of the value may be on the wire"
    assert "has no JSON form" in caplog.text


async def test_an_unserialisable_first_value_is_still_a_real_status(serve: Any) -> None:
    assert (await serve(sse_response([{"bad": object()}]))).status == 500


async def test_a_failure_without_a_dialect_does_not_look_like_an_end(serve: Any) -> None:
    source = failing_source([{"a": 1}], ProviderError("overloaded", "busy"))
    got = await serve(sse_response(source, encoder=None))
    assert got.text == 'data: {"a":1}\n\nevent: error\ndata: {"code":"overloaded","message":"busy"}\n\n'
    source = failing_source([{"a": 1}], ProviderError("overloaded", "busy"))
    got = await serve(ndjson_response(source, encoder=None))
    assert got.text == '{"a":1}\n{"error":{"code":"overloaded","message":"busy"}}\n'


@both_framings
async def test_the_body_ends_cleanly_after_an_error(respond: Respond) -> None:
    async with (
        ASGIClient(respond(failing_source(["a"], RuntimeError()))) as client,
        client.stream("GET", "/") as stream,
    ):
        await stream.read()
        assert stream.ended
    assert [sent.message.get("more_body", False) for sent in stream.sent[1:]][-1] is False
    assert all(sent.message["more_body"] for sent in stream.sent[1:-1])


async def test_a_truncated_model_stream_is_visible_in_the_terminal_frame(events_of: Any) -> None:
    got = await events_of(sse_response([Start("m"), TextDelta("a")]))
    assert got[-1] == ("done", {"finished": False})
    got = await events_of(sse_response([Start("m"), TextDelta("a"), Finish("stop")]))
    assert got[-1] == ("done", {"finished": True})


@both_framings
@pytest.mark.parametrize("spec_version", ["2.1", "2.3", "2.4"])
@pytest.mark.parametrize("send_raises", [False, True], ids=["silent-send", "raising-send"])
async def test_a_disconnect_closes_the_waiting_producer_in_its_own_task(
    respond: Respond, spec_version: str, send_raises: bool
) -> None:
    """Acceptance 4: Starlette does not stop on a server of ASGI 2.4 whose `send` is silent."""
    source = Closing("a")
    summaries: list[Summary] = []
    response = respond(source.stream(), on_end=summaries.append)
    async with ASGIClient(response, spec_version=spec_version) as client, client.stream("GET", "/") as stream:
        await anext(stream.chunks())
        await stream.disconnect(send_raises=send_raises)
        with anyio.fail_after(1):
            await source.closed.wait()
            await stream.wait_app()
    assert source.same_task is True
    assert [summary.reason for summary in summaries] == ["disconnect"]
    assert summaries[0].text == "a"


@both_framings
async def test_a_disconnect_closes_a_producer_that_is_held_up_by_a_stuck_client(respond: Respond) -> None:
    """Acceptance 3: the producer stands at its `yield`, because the client takes nothing."""
    yielded = 0
    closed = anyio.Event()
    same_task: list[bool] = []

    async def source() -> AsyncIterator[str]:
        nonlocal yielded
        task = anyio.get_current_task().id
        try:
            while True:
                yield "x" * 1000
                yielded += 1
        finally:
            same_task.append(anyio.get_current_task().id == task)
            closed.set()

    summaries: list[Summary] = []
    client = ASGIClient(respond(source(), on_end=summaries.append), buffer_size=10_000)
    async with client, client.stream("GET", "/") as stream:
        stream.stop_reading()
        for _ in range(1000):
            await anyio.lowlevel.checkpoint()
        assert 10 < yielded < 60, "the stuck client holds up the producer"
        await stream.disconnect()
        with anyio.fail_after(1):
            await closed.wait()
            await stream.wait_app()
    assert same_task == [True]
    assert summaries[0].reason == "disconnect"


@virtual_clock
async def test_a_client_that_takes_nothing_is_given_up_after_send_timeout() -> None:
    closed = anyio.Event()

    async def source() -> AsyncIterator[str]:
        try:
            while True:
                yield "x" * 1000
        finally:
            closed.set()

    summaries: list[Summary] = []
    begin = anyio.current_time()
    client = ASGIClient(sse_response(source(), send_timeout=12, on_end=summaries.append), buffer_size=10_000)
    async with client, client.stream("GET", "/") as stream:
        stream.stop_reading()
        await closed.wait()
        await stream.wait_app()
        assert anyio.current_time() - begin == pytest.approx(12)
    assert summaries[0].reason == "timeout"
    assert isinstance(summaries[0].error, StreamTimeout)


async def test_a_source_that_never_waits_does_not_hide_a_disconnect() -> None:
    closed = anyio.Event()

    async def source() -> AsyncIterator[str]:
        try:
            while True:
                yield ""
        finally:
            closed.set()

    class Silent:
        """An encoder that writes nothing, so that not even back-pressure makes a pause."""

        def feed(self, event: Any) -> list[Any]:
            return []

        def finish(self) -> list[Any]:
            return []

    response = sse_response(source(), encoder=Silent(), hold=0)
    async with ASGIClient(response) as client, client.stream("GET", "/") as stream:
        await stream.disconnect()
        with anyio.fail_after(5):
            await closed.wait()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("first", [True, False], ids=["at once", "after an event"])
async def test_a_cancelled_task_of_the_source_is_an_error_and_no_cancelled_request(serve: Any, first: bool) -> None:
    """Starlette's BaseHTTPMiddleware takes a CancelledError for a clean end."""

    async def source() -> AsyncIterator[str]:
        if not first:
            yield "a"
        task = asyncio.get_running_loop().create_task(anyio.sleep_forever())
        await asyncio.sleep(0)
        task.cancel()
        await task
        yield "never"

    summaries: list[Summary] = []
    response = await serve(sse_response(source(), on_end=summaries.append))
    assert response.status == (500 if first else 200)
    assert "internal error (reference" in response.text
    assert ('{"finished":false}' in response.text) is not first
    assert [summary.reason for summary in summaries] == ["refused" if first else "error"]


async def test_a_send_that_fails_counts_as_a_disconnect() -> None:
    source = Closing("a")
    summaries: list[Summary] = []
    response = sse_response(source.stream(), on_end=summaries.append)

    async def receive() -> Any:
        await anyio.sleep_forever()

    async def send(message: Any) -> None:
        raise OSError("gone")

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "http_version": "1.1"}
    await response(scope, receive, send)
    assert source.closed.is_set()
    assert source.same_task is True
    assert summaries[0].reason == "disconnect"


SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "http_version": "1.1"}


async def never() -> Any:
    await anyio.sleep_forever()


async def nowhere(message: Any) -> None:
    await anyio.lowlevel.checkpoint()


async def test_a_server_that_repeats_the_request_does_not_stop_the_event_loop() -> None:
    """As in many a hand-written test: its `receive` never waits."""

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def source() -> AsyncIterator[str]:
        yield "a"
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        yield "b"

    summaries: list[Summary] = []
    await sse_response(source(), on_end=summaries.append)(SCOPE, receive, nowhere)
    assert [summary.reason for summary in summaries] == ["complete"]


@pytest.mark.parametrize("which", ["send", "receive"])
async def test_a_server_that_fails_ends_the_stream_and_is_logged(which: str, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*message: Any) -> Any:
        raise RuntimeError("a middleware's bug")

    source = Closing("a")
    summaries: list[Summary] = []
    response = sse_response(source.stream(), on_end=summaries.append)
    with anyio.fail_after(5):
        await response(SCOPE, broken if which == "receive" else never, broken if which == "send" else nowhere)
    assert [summary.reason for summary in summaries] == ["disconnect"]
    assert source.same_task is True
    assert f"the server's `{which}` failed" in caplog.text
    assert "a middleware's bug" in caplog.text


async def test_a_send_that_fails_because_the_client_left_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    async def send(message: Any) -> None:
        raise BrokenPipeError

    await sse_response(["a"])(SCOPE, never, send)
    assert caplog.text == ""


@virtual_clock
@pytest.mark.parametrize("stuck_at", ["first", "last"])
async def test_send_timeout_holds_for_the_first_and_the_last_send_too(stuck_at: str) -> None:
    async def send(message: Any) -> None:
        is_body = message["type"] == "http.response.body"
        if is_body and (stuck_at == "first" or not message.get("more_body")):
            await anyio.sleep_forever()

    summaries: list[Summary] = []
    source = Closing("a", then=RuntimeError("never reached"))
    begin = anyio.current_time()
    stream: Any = source.stream() if stuck_at == "first" else ["a"]
    await sse_response(stream, hold=0, send_timeout=12, on_end=summaries.append)(SCOPE, never, send)
    assert anyio.current_time() - begin == pytest.approx(12)
    assert [summary.reason for summary in summaries] == ["timeout"]
    assert isinstance(summaries[0].error, StreamTimeout)


async def test_a_request_cancelled_in_its_last_send_is_not_complete() -> None:
    summaries: list[Summary] = []
    with anyio.CancelScope() as scope:

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                scope.cancel()
                await anyio.lowlevel.checkpoint()

        await sse_response(["a"], on_end=summaries.append)(SCOPE, never, send)
    assert scope.cancelled_caught
    assert [summary.reason for summary in summaries] == ["cancelled"]


async def test_on_end_is_called_even_when_the_clean_up_breaks_everything() -> None:
    class Source:
        def __aiter__(self) -> Source:
            return self

        async def __anext__(self) -> str:
            raise StopAsyncIteration

        async def aclose(self) -> None:
            raise KeyboardInterrupt

    summaries: list[Summary] = []
    with pytest.raises(KeyboardInterrupt):
        await sse_response(Source(), on_end=summaries.append)(SCOPE, never, nowhere)
    assert [summary.reason for summary in summaries] == ["complete"]


async def test_an_encoder_that_breaks_at_the_end_is_raised_and_no_cancellation() -> None:
    class Broken:
        def feed(self, event: Any) -> list[Any]:
            return [{"text": event.text}]

        def finish(self) -> list[Any]:
            raise ValueError("encoder")

    summaries: list[Summary] = []
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(ValueError, match="encoder") as caught:
        await sse_response(["a"], encoder=Broken(), on_end=summaries.append)(SCOPE, never, send)
    assert [(summary.reason, summary.error) for summary in summaries] == [("error", caught.value)]
    assert sent[-1]["more_body"], "a stream that was cut must not look whole"


async def test_a_cancelled_request_closes_the_producer_and_stays_cancelled() -> None:
    source = Closing("a")
    summaries: list[Summary] = []
    response = sse_response(source.stream(), on_end=summaries.append)
    sent = anyio.Event()

    async def receive() -> Any:
        await anyio.sleep_forever()

    async def send(message: Any) -> None:
        if message.get("body"):
            sent.set()

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "http_version": "1.1"}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(response, scope, receive, send)
        await sent.wait()
        tasks.cancel_scope.cancel()
    assert source.closed.is_set()
    assert source.same_task is True
    assert [summary.reason for summary in summaries] == ["cancelled"]


@virtual_clock
async def test_a_clean_up_that_hangs_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    async def source() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await virtual_sleep(40)
            await anyio.sleep_forever()

    begin = anyio.current_time()
    client = ASGIClient(sse_response(source()), timeout=1000)
    async with client, client.stream("GET", "/") as stream:
        await anext(stream.chunks())
        await stream.disconnect()
        await stream.wait_app()
    assert anyio.current_time() - begin <= 71


async def test_an_error_in_the_clean_up_is_logged_and_the_response_stays_whole(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Source:
        def __aiter__(self) -> Source:
            return self

        async def __anext__(self) -> str:
            raise StopAsyncIteration

        async def aclose(self) -> None:
            raise ValueError("clean-up is broken")

    response = await serve(sse_response(Source()))
    assert response.status == 200
    assert "clean-up is broken" in caplog.text


async def test_a_blocked_worker_thread_ends_with_its_client() -> None:
    release = threading.Event()
    closed = threading.Event()

    def source() -> Iterator[str]:
        try:
            yield "a"
            release.wait(10)
            yield "b"
        finally:
            closed.set()

    async with ASGIClient(sse_response(source())) as client, client.stream("GET", "/") as stream:
        await anext(stream.chunks())
        await stream.disconnect()
        release.set()
        await stream.wait_app()
    assert closed.is_set()


@virtual_clock
async def test_context_set_before_the_first_yield_is_seen_after_a_heartbeat(serve: Any) -> None:
    """Acceptance 13: a keep-alive that runs each step in a task of its own loses it."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen = []

    async def source() -> AsyncIterator[str]:
        variable.set("mine")
        with anyio.CancelScope():
            yield "a"
            await virtual_sleep(40)
            seen.append(variable.get("lost"))
            yield "b"

    response = await serve(sse_response(source()))
    assert seen == ["mine"]
    assert response.text.count("keep-alive") == 2


def test_a_sync_source_sees_the_requests_context(serve: Any) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    def source() -> Iterator[str]:
        yield variable.get("lost")

    async def main() -> str:
        variable.set("mine")
        text: str = (await serve(sse_response(source()))).text
        return text

    assert "mine" in anyio.run(main)


@both_framings
async def test_head_answers_headers_and_never_starts_the_generator(serve: Any, respond: Respond) -> None:
    """Acceptance 14."""
    source = Closing("a")
    summaries: list[Summary] = []
    response = respond(source.stream(), on_end=summaries.append)
    got = await serve(response, method="HEAD")
    assert got.status == 200
    assert got.headers["content-type"].startswith(("text/event-stream", "application/x-ndjson"))
    assert got.content == b""
    assert not source.started
    assert [summary.reason for summary in summaries] == ["not_started"]


async def test_a_response_answers_one_request(serve: Any) -> None:
    response = sse_response(["a"])
    await serve(response)
    with pytest.raises(RuntimeError, match="make a new one for each"):
        await serve(response)


async def test_a_response_answers_http_only() -> None:
    with pytest.raises(RuntimeError, match="answers http requests, not 'websocket'"):
        await sse_response(["a"])({"type": "websocket"}, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("stream", ["text", b"bytes", {"a": 1}, 7, None, print])
def test_a_source_that_is_not_iterable_is_refused_saying_what_is(stream: Any) -> None:
    with pytest.raises(TypeError, match="stream must be an async or sync iterable of str, events"):
        sse_response(stream)


def test_a_generator_function_that_was_not_called_is_recognised() -> None:
    with pytest.raises(TypeError, match="call it first"):
        sse_response(test_a_generator_function_that_was_not_called_is_recognised)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"heartbeat": 0}, ValueError, "heartbeat must be"),
        ({"hold": -1}, ValueError, "hold must be"),
        ({"hold": False}, ValueError, "hold must be"),
        ({"send_timeout": 0}, ValueError, "send_timeout must be"),
        ({"retry": -5}, ValueError, "retry must be"),
        ({"ids": "abc"}, TypeError, "ids must be"),
        ({"status": 204}, ValueError, "status must be"),
        ({"status": "200"}, ValueError, "status must be"),
        ({"cors": "app.example"}, ValueError, "cors: 'app.example' is not an origin"),
        ({"cors": ["https://a.example/"]}, ValueError, "is not an origin"),
        ({"encoder": "klingon"}, ValueError, "must be one of"),
        ({"encoder": 7}, TypeError, "encoder must be a dialect's name"),
        ({"on_end": 7}, TypeError, "on_end must be callable"),
        ({"headers": {"Content-Length": "7"}}, ValueError, "a stream's length is not known"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, ValueError, "belongs to the server"),
        ({"headers": {"x-a": "b\r\nx: c"}}, ValueError, "must be one line"),
        ({"headers": {"x-a": "\u20ac"}}, ValueError, "'x-a' must be one line of Latin-1 text"),
        ({"headers": {"x-a": 7}}, ValueError, "'x-a' must be one line of Latin-1 text, not 7"),
        ({"headers": {"x a": "b"}}, ValueError, "'x a' is not a header's name"),
        ({"headers": {"": "b"}}, ValueError, "is not a header's name"),
        ({"hartbeat": 7}, TypeError, "hartbeat"),
    ],
    ids=str,
)
def test_a_meaningless_option_is_refused_by_name(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        sse_response([], **options)


def test_a_meaningless_flush_interval_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="flush_interval must be"):
        ndjson_response([], flush_interval=0)
