"""Open streams end with an error, not with a cut, once the server goes away."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
import pytest

from gai_stream.demo.shutdown import Shutdown
from gai_stream.exceptions import ProviderError

pytestmark = pytest.mark.anyio


class Source:
    """Yields 1 and 2, then waits for ever. Remembers how it ended."""

    def __init__(self) -> None:
        self.waits = anyio.Event()
        self.closed = 0

    async def stream(self) -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
            self.waits.set()
            await anyio.sleep_forever()
        finally:
            self.closed += 1


async def test_stream_is_passed_on_as_it_is() -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        for number in range(3):
            yield number

    shutdown = Shutdown()
    assert [number async for number in shutdown.watch(numbers())] == [0, 1, 2]
    assert not shutdown.waiting


async def test_stream_that_waits_fails_at_once_when_the_server_goes() -> None:
    shutdown, source, seen = Shutdown(), Source(), []

    async def read() -> None:
        with pytest.raises(ProviderError, match="the server is shutting down") as failed:
            async for number in shutdown.watch(source.stream()):
                seen.append(number)
        assert (failed.value.code, failed.value.status) == ("provider_unavailable", 503)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await source.waits.wait()
            shutdown.begin()
    assert seen == [1, 2]
    assert source.closed == 1


async def test_stream_between_two_items_fails_at_the_next_one() -> None:
    shutdown, source = Shutdown(), Source()
    stream = shutdown.watch(source.stream())
    assert await anext(stream) == 1
    shutdown.begin()
    with pytest.raises(ProviderError, match="the server is shutting down"):
        await anext(stream)
    await stream.aclose()
    assert source.closed == 1


async def test_stream_that_comes_too_late_fails_before_its_first_item() -> None:
    shutdown, source = Shutdown(), Source()
    shutdown.begin()
    with pytest.raises(ProviderError, match="the server is shutting down"):
        await anext(shutdown.watch(source.stream()))
    assert source.closed == 0


async def test_cancellation_from_outside_stays_a_cancellation() -> None:
    shutdown, source = Shutdown(), Source()
    with anyio.CancelScope() as scope:
        async for number in shutdown.watch(source.stream()):
            if number == 2:
                scope.cancel()
    assert scope.cancelled_caught
    assert source.closed == 1
    assert not shutdown.waiting


async def test_stream_that_cannot_be_closed_is_let_go() -> None:
    class Bare:
        def __aiter__(self) -> Bare:
            return self

        async def __anext__(self) -> int:
            return 1

    stream = Shutdown().watch(Bare())
    assert await anext(stream) == 1
    await stream.aclose()
