"""From a source to its Writer: the short ways write what the long way does, and each item leaves when it should."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import sleep as virtual_sleep
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gai_stream.asgi import Summary, sse_response
from gai_stream.asgi.response import StreamResponse
from gai_stream.dialects.gai import GaiEncoder
from gai_stream.dialects.gai_v1 import GaiV1Encoder
from gai_stream.dialects.openai import OpenAIEncoder
from gai_stream.events import EVENT_TYPES, Failure, Finish, ReasoningDelta, Start, TextDelta, ToolCall
from gai_stream.lift import Lift
from gai_stream.ndjson import NDJSONEncoder
from gai_stream.sse import ServerSentEvent, SSEEncoder

pytestmark = pytest.mark.anyio

virtual_clock = pytest.mark.parametrize("anyio_backend", ["trio-clock"], indirect=True)

SCOPE = {"type": "http", "method": "GET", "path": "/", "http_version": "1.1", "headers": [], "query_string": b""}


class Body:
    """A server's two functions, which keep what is sent, in the chunks it came in."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.statuses: list[int] = []
        self.gate: anyio.Event | None = None
        self.gone = anyio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.statuses.append(message["status"])
            return
        if self.gate is not None:
            await self.gate.wait()
        if message["body"]:
            self.chunks.append(message["body"])


async def settle() -> None:
    for _ in range(10):
        await anyio.lowlevel.checkpoint()


ENCODERS: dict[str, Callable[[Any], Any]] = {
    "gai": lambda framing: GaiEncoder(framing=framing),
    "gai_v1": lambda framing: GaiV1Encoder(framing=framing, clock=lambda: 1.0, request_id="req"),
    "openai": lambda framing: OpenAIEncoder(framing=framing, id="chatcmpl-1", created=1),
}
FRAMINGS: dict[str, Callable[[], Any]] = {
    "sse": SSEEncoder,
    "sse with ids": lambda: SSEEncoder(ids=count(1)),
    "sse with retry": lambda: SSEEncoder(retry=10),
    "ndjson": NDJSONEncoder,
    "ndjson with spaces": lambda: NDJSONEncoder(compact=False),
}
PAUSE = object()

texts = st.text(alphabet='ab<&>"\\\n\r\u2028\u0085é語\ud800\U0001f600\ue000', max_size=6) | st.sampled_from(
    ["\ue000sample<", "x" * 5000, "語" * 3000]
)
items = st.one_of(
    texts,
    texts.map(TextDelta),
    st.builds(TextDelta, texts, index=st.integers(0, 2), refusal=st.booleans()),
    st.sampled_from(
        [
            PAUSE,
            Start("m"),
            ReasoningDelta("r"),
            ToolCall("1", "t", {}, "{}"),
            Finish("stop"),
            Failure("internal", "broke"),
            {"json": 1},
            ServerSentEvent("as it is"),
        ]
    ),
)


def written(items: list[Any], encoder: Any, framing: Any) -> bytes:
    """Return what a response's body is: the obvious way, one item after the other."""
    body = b""
    lift = Lift()
    for item in items:
        for event in lift.feed(item):
            for message in encoder.feed(event) if type(event) in EVENT_TYPES else [event]:
                body += b"".join(framing.feed(message))
    for message in encoder.finish():
        body += b"".join(framing.feed(message))
    return body


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(items, max_size=14), st.sampled_from(sorted(ENCODERS)), st.sampled_from(sorted(FRAMINGS)), st.booleans()
)
def test_every_way_writes_what_the_long_way_does(
    anyio_backend: Any, drawn: list[Any], dialect: str, framing: str, told: bool
) -> None:
    # Ahead of everything else: as a first item a Failure is a status, and no body of this kind.
    drawn = ["first", *drawn]
    name = framing.split(maxsplit=1)[0]
    body = Body()
    summaries: list[Summary] = []

    async def source() -> AsyncIterator[Any]:
        for item in drawn:
            if item is PAUSE:
                await anyio.lowlevel.checkpoint()
            else:
                yield item

    async def respond() -> None:
        response = StreamResponse(
            source(),
            framing=FRAMINGS[framing](),
            encoder=ENCODERS[dialect](name),
            lift=Lift(),
            on_end=summaries.append if told else None,
        )
        await response(SCOPE, body.receive, body.send)

    anyio.run(respond, backend=anyio_backend)
    yielded = [item for item in drawn if item is not PAUSE]
    assert b"".join(body.chunks) == written(yielded, ENCODERS[dialect](name), FRAMINGS[framing]())
    if told:
        said = [item if isinstance(item, str) else item.text for item in yielded if isinstance(item, str | TextDelta)]
        skipped = [item for item in yielded if isinstance(item, TextDelta) and item.index]
        assert len(summaries[0].text) == sum(map(len, said)) - sum(len(item.text) for item in skipped)


async def test_what_comes_alone_leaves_at_once_and_what_comes_together_leaves_together() -> None:
    body = Body()
    seen: list[int] = []

    async def source() -> AsyncIterator[str]:
        for batch in ("a", "b", "cde", "fgh", "i", "j"):
            for text in batch:
                yield text
            await settle()
            seen.append(len(body.chunks))

    await sse_response(source())(SCOPE, body.receive, body.send)
    texts = [b"".join(re.findall(rb'"text":"(.)"', chunk)).decode() for chunk in body.chunks]
    # "c" was thought to come alone, as "b" did, and "i" to come with others, as "h" did.
    assert texts == ["a", "b", "c", "de", "fgh", "i", "j", ""]
    assert seen == [1, 2, 4, 5, 6, 7], "nothing is left behind when the source waits"


async def test_the_first_item_leaves_before_the_second_is_pulled() -> None:
    body = Body()

    async def source() -> AsyncIterator[str]:
        yield "a"
        assert len(body.chunks) == 1
        yield "b"

    await sse_response(source())(SCOPE, body.receive, body.send)
    assert body.statuses == [200]
    assert len(body.chunks) == 2


@pytest.mark.parametrize("waits", [False, True])
async def test_a_failure_that_comes_first_is_a_status_whether_or_not_it_was_waited_for(waits: bool) -> None:
    body = Body()

    async def source() -> AsyncIterator[Any]:
        if waits:
            await anyio.lowlevel.checkpoint()
        yield Failure("overloaded", "busy")

    await sse_response(source())(SCOPE, body.receive, body.send)
    assert body.statuses == [503]


async def test_an_item_larger_than_flush_size_that_comes_alone_waits_for_nobody() -> None:
    body = Body()
    large = "x" * 100_000

    async def source() -> AsyncIterator[Any]:
        for item in (large, {"json": large}, ServerSentEvent(large), large, large):
            await anyio.lowlevel.checkpoint()
            yield item

    with anyio.fail_after(10):
        await sse_response(source())(SCOPE, body.receive, body.send)
    assert sum(map(len, body.chunks)) > 500_000


@virtual_clock
async def test_a_stuck_send_of_an_item_that_came_alone_ends_in_time() -> None:
    body = Body()
    summaries: list[Summary] = []
    closed = False

    async def source() -> AsyncIterator[str]:
        nonlocal closed
        try:
            yield "a"
            await virtual_sleep(5)
            body.gate = anyio.Event()
            yield "b"
            await anyio.sleep_forever()
        finally:
            closed = True

    started = anyio.current_time()
    await sse_response(source(), on_end=summaries.append)(SCOPE, body.receive, body.send)
    assert anyio.current_time() - started == pytest.approx(35)
    assert summaries[0].reason == "timeout"
    assert closed


async def test_a_client_that_leaves_during_the_send_of_an_item_that_came_alone_ends_the_stream() -> None:
    body = Body()
    summaries: list[Summary] = []

    async def source() -> AsyncIterator[str]:
        yield "a"
        await settle()
        body.gate = anyio.Event()
        body.gone.set()
        yield "b"
        await anyio.sleep_forever()

    with anyio.fail_after(5):
        await sse_response(source(), on_end=summaries.append)(SCOPE, body.receive, body.send)
    assert summaries[0].reason == "disconnect"


async def test_a_cancellation_while_the_source_waits_reaches_the_source() -> None:
    body = Body()
    ends: list[type[BaseException]] = []

    async def source() -> AsyncIterator[str]:
        yield "a"
        try:
            await anyio.sleep_forever()
        except BaseException as exc:
            ends.append(type(exc))
            raise

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:

            async def cancel() -> None:
                await settle()
                scope.cancel()

            tasks.start_soon(cancel)
            await sse_response(source())(SCOPE, body.receive, body.send)
    assert ends == [anyio.get_cancelled_exc_class()]
    assert scope.cancelled_caught


class Truthless:
    """An item that has no truth value, as arrays have none."""

    def __bool__(self) -> bool:
        raise AssertionError("asked for its truth value")

    def __iter__(self) -> Iterator[int]:
        return iter([1])


async def test_an_items_truth_is_nobodys_business() -> None:
    body = Body()
    framing = SSEEncoder(default=list)
    response = StreamResponse(["a", Truthless()], framing=framing, encoder=GaiEncoder(), lift=Lift())
    await response(SCOPE, body.receive, body.send)
    assert b"data: [1]\n\n" in b"".join(body.chunks)


async def test_text_that_is_no_str_is_refused_as_ever() -> None:
    """Nothing checks a TextDelta when it is built; it must not get into a run of texts, where nothing looks at it."""
    body = Body()
    wrong: Any = 7
    await sse_response(["a", "b", TextDelta(wrong), "c"])(SCOPE, body.receive, body.send)
    assert b"".join(body.chunks).count(b"event: text_delta") == 4
