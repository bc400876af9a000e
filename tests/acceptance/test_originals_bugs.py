"""The bugs that were found in the original, one by one, and that they are none of ours.

Numbers are those of the list that this project was given; what the bug was stands in each docstring.
"""

from __future__ import annotations

import copy
import json
import logging
import pickle
import re
from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from itertools import count
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
import openai
import pytest
from anyio import sleep as virtual_sleep
from starlette.requests import Request

from gai_stream import (
    DecodeError,
    Done,
    EncodeError,
    Failure,
    Finish,
    FinishStep,
    NDJSONEncoder,
    ProviderError,
    Raw,
    Reader,
    ServerSentEvent,
    SSEDecoder,
    Start,
    TextDelta,
    ToolCall,
    ToolResult,
    TruncatedStream,
    Usage,
    Writer,
    last_event_id,
    ndjson_response,
    pipe,
    sse_response,
    stream_response,
    stream_to_channel,
)
from gai_stream.asgi import sse_handler
from gai_stream.demo.app import app as demo
from gai_stream.dialects.gai import GaiDecoder, GaiEncoder
from gai_stream.dialects.gai_v1 import GaiV1Decoder, GaiV1Encoder, compact, normalize, parse, validate
from gai_stream.events import (
    EVENT_TYPES,
    AudioDelta,
    Citation,
    Citations,
    Event,
    ReasoningDelta,
    Safety,
    ToolCallDelta,
    encode,
)
from gai_stream.providers import ChatRequest, ScriptedProvider, TextPart, parse_chat_request
from gai_stream.testing import ASGIClient

pytestmark = pytest.mark.anyio

virtual_clock = pytest.mark.parametrize("anyio_backend", ["trio-clock"], indirect=True)
both_forms = pytest.mark.parametrize("respond", [sse_response, ndjson_response])

ONE_OF_EACH: list[Event] = [
    Start("m", "p", "id"),
    TextDelta("text"),
    ReasoningDelta("why", "sig"),
    AudioDelta(b"\x00\xff", "audio/wav", "words"),
    ToolCallDelta(0, "c1", "calc", '{"a"'),
    ToolCall("c1", "calc", {"a": 1}, '{"a": 1}'),
    ToolResult("c1", "calc", {"sum": 2}),
    Citations([Citation("https://a.example", "A", 0, 4, "text")]),
    Safety("violence", "warn", 0.5, "mild"),
    FinishStep(2),
    Raw("p", {"x": [1, None]}),
    Finish("length", Usage(1, 2, 3), "max_tokens"),
    Failure("overloaded", "busy", True, 1.5),
]


class Transport:
    """A transport that remembers what it took, and fails when told to."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.chunks: list[bytes] = []
        self._fails_at = fails_at

    async def send(self, chunk: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        if self._fails_at is not None and len(self.chunks) >= self._fails_at:
            raise OSError("nobody is there")
        self.chunks.append(chunk)

    @property
    def bytes(self) -> bytes:
        return b"".join(self.chunks)


class Idle:
    """A source that says one thing and then nothing; it knows when it was closed."""

    def __init__(self, first: Any = "a") -> None:
        self.first = first
        self.closed = anyio.Event()

    async def stream(self) -> AsyncIterator[Any]:
        try:
            yield self.first
            await anyio.sleep_forever()
        finally:
            self.closed.set()


async def body_of(response: Any) -> bytes:
    """The bytes that a client gets."""
    async with ASGIClient(response) as client:
        return (await client.get("/")).content


async def ask(request: Request) -> ChatRequest:
    return parse_chat_request(await request.body())


@both_forms
async def test_1_an_idle_producer_stops_when_its_client_leaves(respond: Any) -> None:
    """1: the handler kept running after a disconnect, with a context of its own."""
    source = Idle()
    async with ASGIClient(respond(source.stream())) as client, client.stream("GET", "/") as answer:
        await anext(answer.chunks())
        await answer.disconnect()
        with anyio.fail_after(1):
            await source.closed.wait()


@virtual_clock
@both_forms
async def test_1_a_heartbeat_that_nobody_takes_stops_an_idle_producer(respond: Any) -> None:
    """1: heartbeat write errors were ignored, so a dead client was never noticed."""
    source = Idle()
    transport = Transport()
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "http_version": "1.1"}

    async def receive() -> dict[str, Any]:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            if transport.chunks:
                raise OSError("nobody is there")
            transport.chunks.append(message["body"])

    with anyio.fail_after(16):
        await respond(source.stream())(scope, receive, send)
    assert source.closed.is_set()
    assert b'"a"' in transport.bytes


@virtual_clock
@both_forms
async def test_2_nothing_follows_done_however_close_a_heartbeat_was(respond: Any) -> None:
    """2: heartbeats were written after `done`, and after the handler had returned."""
    seen = 0
    for step in range(-20, 21):

        async def ending(wait: float) -> AsyncIterator[str]:
            yield "a"
            await virtual_sleep(wait)

        client = ASGIClient(respond(ending(1 + step * 1e-4), heartbeat=1.0))
        async with client, client.stream("GET", "/") as answer:
            body = await answer.read()
            sends = len(answer.sent)
            await virtual_sleep(5)
            assert len(answer.sent) == sends
        assert body.endswith((b'event: done\ndata: {"finished":true}\n\n', b'\n{"finished":true,"type":"done"}\n'))
        seen += b": keep-alive\n" in body or b"\n\n{" in body
    assert 0 < seen < 41, "some streams must have had a heartbeat, and some none"


async def test_2_no_write_error_is_swallowed() -> None:
    """2: a select dropped write errors at random; the original's race report is D69's, see test_writer.py."""
    for fails_at in range(20):
        transport = Transport(fails_at)
        with pytest.raises(OSError, match="nobody is there"):
            async with Writer(transport.send) as writer:
                for number in range(40):
                    await writer.write(str(number))
                    await writer.flush()
        assert len(transport.chunks) == fails_at


@pytest.mark.parametrize("interval", [0, -1, -0.001, float("nan"), float("inf")])
@both_forms
def test_3_an_interval_that_makes_no_sense_is_refused_at_construction(respond: Any, interval: float) -> None:
    """3: an interval of 0 or less took the whole process down, later, in a goroutine."""
    with pytest.raises(ValueError, match=r"^heartbeat must be a number of seconds above 0, or None"):
        respond([], heartbeat=interval)


@virtual_clock
async def test_3_heartbeats_can_be_turned_off() -> None:
    """3: as above."""

    async def slow() -> AsyncIterator[str]:
        yield "a"
        await virtual_sleep(3600)
        yield "b"

    assert b"keep-alive" not in await body_of(sse_response(slow(), heartbeat=None))


async def test_4_a_value_without_a_json_form_leaves_nothing_half_written(caplog: pytest.LogCaptureFixture) -> None:
    """4: the event line had left when the data failed to marshal; then came no error and no `done`."""
    stream = [TextDelta("a"), ToolCall("c", "f", object()), TextDelta("never")]
    messages = SSEDecoder(raise_truncated=True).feed(await body_of(sse_response(stream)))
    assert [message.event for message in messages] == ["text_delta", "error", "done"]
    assert messages[-1].json() == {"finished": False}
    assert "object" in caplog.text
    assert [message.event for message in messages].count("tool_call") == 0


async def test_5_every_line_of_data_is_sent_and_comes_back() -> None:
    """5: the low-level writer lost all but the first line of data."""
    transport = Transport()
    async with Writer(transport.send) as writer:
        await writer.write(ServerSentEvent("one\ntwo\r\nthree\rfour", event="e", id="7", retry=10))
    assert transport.bytes == b"id: 7\nevent: e\nretry: 10\ndata: one\ndata: two\ndata: three\ndata: four\n\n"
    [message] = SSEDecoder().feed(transport.bytes)
    assert message.data == "one\ntwo\nthree\nfour"


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n", "\0"])
@pytest.mark.parametrize("field", ["event", "id", "comment"])
def test_5_no_field_can_be_broken_out_of(field: str, line_end: str) -> None:
    """5: a newline in an event's name or a comment injected fields and whole events."""
    with pytest.raises(EncodeError, match=f"^ServerSentEvent: {field} must not contain"):
        ServerSentEvent("x", **{field: f"a{line_end}data: injected"})


async def test_5_a_writer_that_has_ended_takes_no_more() -> None:
    """5: the writer was not closed after the end."""
    transport = Transport()
    async with Writer(transport.send) as writer:
        await writer.write("a")
        with pytest.raises(EncodeError, match="comment must not contain"):
            await writer.comment("a\ndata: injected")
    for late in (writer.write("late"), writer.comment("late"), writer.flush()):
        with pytest.raises(anyio.ClosedResourceError, match="the stream has ended"):
            await late
    assert transport.bytes == b"data: a\n\n"


@virtual_clock
async def test_6_an_option_given_alone_leaves_the_others_at_their_defaults() -> None:
    """6: giving one option set all others to zero; with ids alone the process died of its heartbeat."""

    async def slow() -> AsyncIterator[str]:
        yield "a"
        await virtual_sleep(31)

    body = await body_of(sse_response(slow(), ids=True))
    assert body.count(b": keep-alive\n") == 2
    assert b"id: 1\n" in body


def test_6_no_option_is_ignored() -> None:
    """6: options were taken and never looked at."""
    with pytest.raises(TypeError, match="buffer_size"):
        sse_response([], buffer_size=4096)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="ids"):
        ndjson_response([], ids=True)  # type: ignore[call-arg]


async def test_6_a_retry_hint_is_the_callers_and_comes_first() -> None:
    """6: the hint was always 5000, and on errors only."""
    body = await body_of(sse_response(["a", "b"], retry=1234))
    assert body.startswith(b"event: text_delta\nretry: 1234\n")
    assert body.count(b"retry:") == 1


async def test_7_a_reconnect_goes_on_where_it_was_cut() -> None:
    """7: ids were for show: nothing read Last-Event-ID, and every connection began with 1."""
    words = ["zero ", "one ", "two ", "three"]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        after = int(last_event_id(scope) or 0)
        await sse_response(words[after:], ids=count(after + 1))(scope, receive, send)

    async with ASGIClient(app) as client:
        async with client.stream("GET", "/") as answer:
            first = await answer.disconnect_after(2)
        answer_2 = await client.get("/", headers={"Last-Event-ID": first[-1].id})
        rest = SSEDecoder().feed(answer_2.content)
    assert [(event.id, event.json()["text"]) for event in [*first, *rest[:-1]]] == [
        (str(number), word) for number, word in enumerate(words, 1)
    ]


async def test_7_a_reconnect_with_nothing_left_is_told_to_stay_away() -> None:
    """7: as above; a browser that gets 200 comes back for ever."""
    async with ASGIClient(sse_response([])) as client:
        answer = await client.get("/", headers={"Last-Event-ID": "4"})
    assert (answer.status, answer.content) == (204, b"")


@both_forms
async def test_8_done_says_whether_the_answer_is_whole(respond: Any) -> None:
    """8: `done` was the same after an end, an error and a cut: a truncated answer looked finished."""

    def failing() -> Any:
        yield "a"
        raise RuntimeError

    whole = await body_of(respond([Start("m"), "a", Finish("stop")]))
    for cut in ([Start("m"), "a"], failing(), ["a", Failure("internal", "x")], ["a", Done(finished=False)]):
        body = await body_of(respond(cut))
        assert b'"finished":false' in body.splitlines()[-2 if respond is sse_response else -1]
    assert b'"finished":false' not in whole


@pytest.mark.parametrize("framing", ["sse", "ndjson"])
@pytest.mark.parametrize("encoder", [GaiEncoder, GaiV1Encoder])
def test_9_a_tool_result_keeps_the_id_of_its_call(framing: Any, encoder: Any) -> None:
    """9: the tool's id was dropped in both formats."""
    [message] = encoder(framing=framing).feed(ToolResult("call_7", "calc", 4))
    decoder: Any = {GaiEncoder: GaiDecoder, GaiV1Encoder: GaiV1Decoder}[encoder]()
    assert decoder.feed(message) == [ToolResult("call_7", "calc", 4)]
    assert "call_7" in (message.data if framing == "sse" else json.dumps(message))


@both_forms
async def test_10_where_nothing_can_be_streamed_nothing_is_sent(respond: Any) -> None:
    """10: headers were set, then came the discovery that the connection cannot flush: 200 without a body.

    ASGI can always stream but for connections that are not HTTP: that is our nearest case.
    """
    sent = []

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(RuntimeError, match="a StreamResponse answers http requests, not 'websocket'"):
        await respond(["a"])({"type": "websocket", "headers": []}, None, send)
    assert sent == []


@both_forms
@pytest.mark.parametrize("before", [[], ["a"]], ids=["before", "behind"])
async def test_11_an_internal_error_is_masked_and_logged(
    respond: Any, before: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """11: the text of internal errors was sent to clients."""

    async def failing() -> AsyncIterator[str]:
        for item in before:
            yield item
        raise ValueError("postgres://admin:hunter2@db")

    with caplog.at_level(logging.ERROR):
        body = await body_of(respond(failing()))
    assert b"hunter2" not in body
    reference = re.search(rb"reference ([0-9a-f]{12})", body)
    assert reference is not None
    assert reference[1].decode() in caplog.text
    assert "hunter2" in caplog.text


@both_forms
@pytest.mark.parametrize("http_version", ["1.0", "1.1", "2", "3"])
async def test_12_transfer_encoding_is_left_to_the_server(respond: Any, http_version: str) -> None:
    """12: it was set by hand, which HTTP/2 forbids (on real servers: test_servers.py, number 15)."""
    async with ASGIClient(respond(["a"]), http_version=http_version) as client:
        assert "transfer-encoding" not in (await client.get("/")).headers
    with pytest.raises(ValueError, match="'Transfer-Encoding' cannot be set on a stream"):
        respond([], headers={"Transfer-Encoding": "chunked"})


@virtual_clock
async def test_13_no_flush_comes_after_the_response() -> None:
    """13: an early return left the flushing goroutine behind, which flushed a finished response."""
    for item in (TextDelta("b"), ToolCall("c", "f", object())):
        client = ASGIClient(ndjson_response(["a", item], flush_interval=0.05))
        async with client, client.stream("GET", "/") as answer:
            await answer.read()
            await answer.wait_app()
            sends = len(answer.sent)
            await virtual_sleep(1)
            assert len(answer.sent) == sends
            assert answer.sent[-1].message.get("more_body", False) is False


@virtual_clock
async def test_13_a_periodic_flush_that_fails_is_not_overlooked() -> None:
    """13: errors of the flush were ignored."""
    with pytest.raises(OSError, match="nobody is there"):
        async with Writer(Transport(1).send, NDJSONEncoder(), flush_interval=0.05) as writer:
            await writer.write("first")
            await writer.write("second")
            await anyio.sleep_forever()


@virtual_clock
async def test_14_ndjson_can_be_spread_out_and_has_heartbeats() -> None:
    """14: CompactJSON was ignored, and NDJSON had no heartbeat at all."""

    async def slow() -> AsyncIterator[Any]:
        yield {"a": 1, "b": [1, 2]}
        await virtual_sleep(16)
        yield {"a": 2}

    body = await body_of(ndjson_response(slow(), compact=False, encoder=None))
    assert body == b'{"a": 1, "b": [1, 2]}\n\n{"a": 2}\n'
    assert [value async for value in Reader([body])] == [{"a": 1, "b": [1, 2]}, {"a": 2}]


async def test_15_long_lines_are_read_and_bad_and_blank_ones_do_not_end_the_reading() -> None:
    """15: a line of 64 KiB or more, a blank line or a bad one made every later read fail."""
    long = "x" * 200_000
    data = b'{"n":1}\n\n\r\n{"n":2}\r\n{bad}\n{"long":"' + long.encode() + b'"}\n{"n":3}'
    reader = Reader([data[start : start + 1000] for start in range(0, len(data), 1000)])
    values: list[Any] = []
    errors = []
    while True:
        try:
            values.append(await anext(reader))
        except DecodeError as error:
            errors.append(error.line_number)
        except StopAsyncIteration:
            break
    assert values == [{"n": 1}, {"n": 2}, {"long": long}, {"n": 3}]
    assert errors == [5]


@pytest.mark.parametrize("blocked_on", ["the source", "the channel"])
async def test_16_fifty_streams_that_are_cancelled_leave_nothing_behind(blocked_on: str) -> None:
    """16: of 50 goroutines 50 were still there after the cancellation."""
    closed = 0

    async def source() -> AsyncIterator[int]:
        nonlocal closed
        try:
            while True:
                yield 1
                if blocked_on == "the source":
                    await anyio.sleep_forever()
        finally:
            closed += 1

    before = len(anyio.get_running_tasks())
    channels = [anyio.create_memory_object_stream[int](1) for _ in range(50)]
    async with anyio.create_task_group() as tasks:
        for send, _ in channels:
            tasks.start_soon(stream_to_channel, source(), send)
        await anyio.wait_all_tasks_blocked()
        assert len(anyio.get_running_tasks()) == before + 50
        tasks.cancel_scope.cancel()
    assert closed == 50
    assert len(anyio.get_running_tasks()) == before
    for _, receive in channels:
        receive.close()


@pytest.mark.parametrize("framing", ["sse", "ndjson"])
def test_17_what_the_writer_writes_the_reader_reads(framing: Any) -> None:
    """17: the parser dropped what most events carry, and took `done` for something raw: no round trip."""
    assert {type(event) for event in ONE_OF_EACH} == EVENT_TYPES - {Done}
    encoder, decoder = GaiEncoder(framing=framing), GaiDecoder()
    messages = [message for event in ONE_OF_EACH for message in encoder.feed(event)] + encoder.finish()
    assert [event for message in messages for event in decoder.feed(message)] == [*ONE_OF_EACH, Done(finished=False)]


@pytest.mark.parametrize("line", [b'{"text":"x"}', b'{"type":7,"text":"x"}', b'{"type":null}', b"[]", b"7"])
def test_17_a_message_without_a_type_is_an_error(line: bytes) -> None:
    """17: a missing or non-string type became `start`, the zero value."""
    with pytest.raises(DecodeError, match=r"type is missing|type must be a string|must be an object"):
        GaiDecoder().feed(line)


async def test_18_closing_twice_or_in_the_middle_is_harmless() -> None:
    """18: a second close panicked the process, which every client that left brought about."""
    source = Idle(TextDelta("a"))
    opened = pipe(source.stream(), GaiV1Encoder(framing="ndjson"))
    assert (await anext(opened))["text"] == "a"
    reader = Reader([b"1\n2\n"])
    assert await anext(reader) == 1
    for closing in (opened, reader):
        await closing.aclose()
        await closing.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(closing)
    assert source.closed.is_set()
    source = Idle()
    async with (
        ASGIClient(ndjson_response(source.stream(), encoder="gai_v1")) as client,
        client.stream("GET", "/") as answer,
    ):
        await anext(answer.values())
        await answer.disconnect()
        await answer.disconnect()
    assert source.closed.is_set()


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_19_neither_form_of_gai_events_v1_loses_anything(event: Event) -> None:
    """19: raw data was dropped, and the compact form lost audio, citations, safety, steps and times."""
    full = normalize(event, ts=1705311000000, seq=3, trace_id="t", request_id="r")
    short = compact(full)
    assert parse(full) == event
    assert parse(short) == event
    assert parse(msgspec.json.encode(short)) == event
    assert short["ts"] == 1705311000000
    assert "raw.10" not in full["type"]


def test_19_a_tool_call_without_its_payload_is_an_error_and_no_crash() -> None:
    """19: it was a nil dereference."""
    assert compact({"schema": "gai.events.v1", "type": "tool.call", "seq": 1}) == {"seq": 1, "type": "tool.call"}
    with pytest.raises(DecodeError, match=r"^tool\.call: .*`name`"):
        parse({"schema": "gai.events.v1", "type": "tool.call", "call_id": "c"})


@pytest.mark.parametrize("encoder", ["gai", "gai_v1", "openai"])
@both_forms
async def test_20_a_dead_client_stops_the_provider_in_every_dialect(respond: Any, encoder: str) -> None:
    """20: write errors were ignored in the normalised and OpenAI streams, and the provider was drained, and paid."""
    drained = 0

    async def endless() -> AsyncIterator[str]:
        nonlocal drained
        while True:
            drained += 1
            yield "token "

    client = ASGIClient(respond(endless(), encoder=encoder))
    with anyio.fail_after(5):
        async with client, client.stream("GET", "/") as answer:
            await anext(answer.chunks())
            await answer.disconnect(send_raises=True)
            await answer.wait_app()
    stopped_at = drained
    await anyio.lowlevel.checkpoint()
    assert drained == stopped_at


@virtual_clock
@pytest.mark.parametrize("encoder", ["gai", "gai_v1", "openai"])
async def test_20_every_dialect_has_heartbeats_and_the_options(encoder: str) -> None:
    """20: no heartbeat in any normalised or passthrough stream, and their options were ignored."""

    async def slow() -> AsyncIterator[str]:
        yield "a"
        await virtual_sleep(11)

    body = await body_of(sse_response(slow(), encoder=encoder, heartbeat=5.0, retry=77, ids=True))
    assert body.count(b": keep-alive\n") == 2
    assert b"retry: 77\n" in body
    assert b"id: 1\n" in body


@pytest.fixture
def sdk(uvicorn: Any) -> Iterator[openai.OpenAI]:
    """The real OpenAI SDK, asking our server on its real socket."""
    with openai.OpenAI(base_url=f"http://127.0.0.1:{uvicorn.port}/v1", api_key="none", max_retries=0) as client:
        yield client


MESSAGES: Any = [{"role": "user", "content": "hi"}]


def test_21_the_openai_sdk_reads_our_stream_chunk_by_chunk(sdk: Any) -> None:
    """21: no id, created, model or role; a finish chunk without `delta`, on which the SDK's users crash."""
    chunks = list(sdk.chat.completions.create(model="plain", messages=MESSAGES, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello, world."
    assert chunks[0].choices[0].delta.role == "assistant"
    assert {(chunk.object, chunk.model) for chunk in chunks} == {("chat.completion.chunk", "plain")}
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].id
    assert chunks[0].created > 1_600_000_000
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert reasons[-1] == "stop"
    assert set(reasons[:-1]) == {None}
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == chunks[-1].usage.prompt_tokens + chunks[-1].usage.completion_tokens


def test_21_the_openai_sdk_puts_our_tool_calls_together(sdk: Any) -> None:
    """21: tool calls without `index`, on which `.stream()` crashes, and the reason always "stop"; usage `{}`."""
    tools: Any = [
        {"type": "function", "function": {"name": name, "strict": True, "parameters": {"type": "object"}}}
        for name in ("calc", "look")
    ]
    with sdk.chat.completions.stream(model="tools", messages=MESSAGES, tools=tools) as stream:
        for _ in stream:
            pass
        answer = stream.get_final_completion()
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "Let me see."
    assert [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls] == [
        ("c1", "calc", '{"a":1}'),
        ("c2", "look", '{"b":2}'),
    ]
    assert answer.usage is None


def test_21_the_openai_sdk_is_told_of_an_error(sdk: Any) -> None:
    """21: errors were dropped, and the client saw a clean [DONE]."""
    got = ""
    with pytest.raises(openai.APIError, match="too busy to finish"):
        for chunk in sdk.chat.completions.create(model="broken", messages=MESSAGES, stream=True):
            got += chunk.choices[0].delta.content or ""
    assert got == "half"
    with pytest.raises(openai.RateLimitError) as refused:
        sdk.chat.completions.create(model="refusing", messages=MESSAGES, stream=True)
    assert refused.value.response.headers["retry-after"] == "7"
    assert "slow down, please" in refused.value.message


def test_22_a_request_as_openai_writes_it_keeps_all_of_its_parts() -> None:
    """22: string content was lost, parts were refused, tools were dropped, and `stream: false` was ignored."""
    tool = {"type": "function", "function": {"name": "calc", "parameters": {}}}
    asked = parse_chat_request(
        json.dumps(
            {
                "model": "m",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                ],
                "tools": [tool],
                "tool_choice": "auto",
                "temperature": 0.3,
                "max_tokens": 500,
                "stream": False,
            }
        ).encode()
    )
    assert asked.messages[0].content == "Be brief."
    assert asked.messages[1].content == [TextPart("Hi")]
    assert asked.query == "Hi"
    assert (asked.tools, asked.tool_choice) == ([tool], "auto")
    assert (asked.temperature, asked.max_tokens, asked.stream) == (0.3, 500, False)


async def test_22_a_body_has_a_limit_and_a_media_type() -> None:
    """22: the body was unlimited, and its Content-Type not looked at."""
    async with ASGIClient(sse_handler(ScriptedProvider(pace=0), ask)) as client:
        large = await client.post("/", content=b'{"query":"' + b"x" * (1 << 20) + b'"}')
        assert large.status == 413
    async with ASGIClient(demo(ScriptedProvider(pace=0))) as client:
        form = await client.request("POST", "/chat", content="q=1", headers={"content-type": "text/plain"})
        assert form.status == 415


async def test_23_ids_stay_as_given_and_accept_is_weighed() -> None:
    """23: the configured request id was overwritten, q-values were ignored, and there was no 406."""
    encoder = GaiV1Encoder(framing="ndjson", request_id="mine")
    assert [message["request_id"] for event in ONE_OF_EACH[:3] for message in encoder.feed(event)] == ["mine"] * 3
    assert encoder.request_id == "mine"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await stream_response(scope, ["a"])(scope, receive, send)

    async with ASGIClient(app) as client:
        for accept, status, content_type in [
            ("text/event-stream;q=0.1, application/x-ndjson", 200, "application/x-ndjson"),
            ("application/x-ndjson;q=0.2, text/event-stream;q=0.3", 200, "text/event-stream; charset=utf-8"),
            ("text/event-stream;q=0, image/png", 406, "application/json"),
        ]:
            answer = await client.get("/", headers={"Accept": accept})
            assert (answer.status, answer.headers["content-type"]) == (status, content_type)


def test_24_an_error_survives_being_written() -> None:
    """24: an error became `{}` as JSON.

    Python has no such default. The nearest things are the event's own JSON, and what other processes get of the
    exception: a copy or a pickle, which by themselves lose everything but the message.
    """
    assert json.loads(encode(Failure("overloaded", "busy", True, 1.5))) == {
        "type": "error",
        "code": "overloaded",
        "message": "busy",
        "temporary": True,
        "retry_after": 1.5,
    }
    error = ProviderError("overloaded", "busy", 529, retry_after=1.5)
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert str(twin) == "busy"
        assert (twin.code, twin.status, twin.temporary, twin.retry_after) == ("overloaded", 529, True, 1.5)


def test_25_our_page_listens_to_the_names_that_are_sent() -> None:
    """25: examples listened to events that were never sent (code in our documents is run by test_docs.py)."""
    client = files("gai_stream.demo").joinpath("client.js").read_text(encoding="utf-8")
    listed = re.search(r"const TYPES = \[(.*?)\]", client, re.DOTALL)
    assert listed is not None
    encoder = GaiEncoder()
    sent = [message.event for event in ONE_OF_EACH for message in encoder.feed(event)] + [encoder.finish()[0].event]
    assert sorted(re.findall(r'"(\w+)"', listed[1])) == sorted(sent)


def test_25_a_stream_that_was_cut_is_not_taken_for_whole() -> None:
    """25: the documents promised what nothing checked. Here: that no stream ends silently."""
    decoder = GaiDecoder()
    decoder.feed(ServerSentEvent('{"text":"a"}', event="text_delta"))
    with pytest.raises(TruncatedStream, match="before its done message"):
        decoder.finish()
    with pytest.raises(DecodeError, match=r"not an event of gai\.events\.v1"):
        validate({"schema": "gai.events.v2", "type": "text.delta", "ts": 1, "text": "a"})
