"""When a provider is asked again, in virtual time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import Random
from typing import Any

import anyio
import httpx2
import pytest
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.exceptions import ProviderError
from gai_stream.providers import ChatRequest, HTTPProvider, Retries

ASK = ChatRequest.from_text("q")
KEY = "sk-very-secret-0123456789"
WHOLE = (
    b'data: {"id":"c1","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    b'data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)

Step = httpx2.Response | Exception | None


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Let time pass as soon as nobody has anything else to do."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


def busy(status: int = 503, body: bytes = b"busy", **headers: str) -> httpx2.Response:
    return httpx2.Response(status, content=body, headers={key.replace("_", "-"): headers[key] for key in headers})


def good() -> httpx2.Response:
    return httpx2.Response(200, content=WHOLE)


class Asked:
    """A provider that answers with `steps` in turn; None is silence for ever."""

    def __init__(self, *steps: Step, **options: Any) -> None:
        self._steps = list(steps)
        self.times: list[float] = []
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))
        self.provider = HTTPProvider(base_url="http://up.test", api_key=KEY, client=client, **options)

    async def _answer(self, _request: httpx2.Request) -> httpx2.Response:
        self.times.append(anyio.current_time())
        step = self._steps.pop(0)
        if step is None:
            await anyio.sleep_forever()
        if isinstance(step, Exception):
            raise step
        assert step is not None
        return step

    async def run(self) -> tuple[str, ProviderError | None]:
        try:
            return (await self.provider.complete(ASK)).text, None
        except ProviderError as error:
            return "", error

    @property
    def pauses(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]


@pytest.mark.anyio
async def test_nobody_is_asked_twice_unless_you_say_so() -> None:
    for step in (busy(), httpx2.ConnectError("x")):
        asked = Asked(step, good())
        _, error = await asked.run()
        assert error is not None
        assert error.temporary
        assert len(asked.times) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    "first", [busy, lambda: busy(500), lambda: httpx2.ConnectError("x"), lambda: httpx2.ReadError("x"), None]
)
async def test_a_temporary_failure_before_the_first_byte_is_tried_again(first: Callable[[], Step] | None) -> None:
    asked = Asked(first() if first else None, good(), retries=Retries(1))
    assert await asked.run() == ("Hi", None)
    assert len(asked.times) == 2


@pytest.mark.anyio
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_a_failure_that_stays_is_not_tried_again(status: int) -> None:
    asked = Asked(busy(status), good(), retries=Retries(3))
    _, error = await asked.run()
    assert error is not None
    assert (error.status, len(asked.times)) == (status, 1)


@pytest.mark.anyio
async def test_behind_the_first_byte_nothing_is_tried_again() -> None:
    for body in (WHOLE[:80], b'data: {"error":{"message":"busy","code":503}}\n\n', b": hello\n"):
        asked = Asked(httpx2.Response(200, content=body), good(), retries=Retries(3))
        _, error = await asked.run()
        assert error is not None
        assert error.temporary
        assert len(asked.times) == 1


@pytest.mark.anyio
async def test_pauses_double_and_the_last_error_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gai_stream.providers.http")
    asked = Asked(busy(), busy(), busy(), busy(500, f"no {KEY}".encode(), x_request_id="r4"), retries=Retries(3, 1, 3))
    _, error = await asked.run()
    assert error is not None
    assert (error.status, error.message, error.request_id) == (500, "no ***", "r4")
    for pause, most in zip(asked.pauses, (1, 2, 3), strict=True):
        assert most / 2 <= pause <= most
    assert len(caplog.records) == 3
    assert KEY not in caplog.text


@pytest.mark.anyio
async def test_a_provider_is_not_asked_before_it_wants_to_be() -> None:
    asked = Asked(busy(429, retry_after="7"), good(), retries=Retries(1))
    assert (await asked.run())[0] == "Hi"
    assert 7 <= asked.pauses[0] <= 7.5
    delay = b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m","details":[{"retryDelay":"9s"}]}}'
    asked = Asked(busy(429, delay), good(), retries=Retries(1))
    assert (await asked.run())[0] == "Hi"
    assert 9 <= asked.pauses[0] <= 9.5
    # Our own guess for a status is nothing that the provider said.
    asked = Asked(busy(429), good(), retries=Retries(1))
    assert (await asked.run())[0] == "Hi"
    assert asked.pauses[0] <= 0.5


@pytest.mark.anyio
async def test_a_wait_that_is_too_long_is_left_to_you() -> None:
    asked = Asked(busy(429, retry_after="31"), good(), retries=Retries(3))
    _, error = await asked.run()
    assert error is not None
    assert (error.retry_after, len(asked.times)) == (31.0, 1)


@pytest.mark.anyio
async def test_the_total_timeout_is_for_all_attempts() -> None:
    asked = Asked(busy(), busy(), good(), retries=Retries(5, 10, 10), total_timeout=9.5)
    _, error = await asked.run()
    assert error is not None
    assert error.message == "busy"
    assert len(asked.times) < 3
    asked = Asked(busy(), None, good(), retries=Retries(5, 1, 1), total_timeout=5)
    began = anyio.current_time()
    _, error = await asked.run()
    assert anyio.current_time() - began == pytest.approx(5)
    assert error is not None
    assert error.message == "openai did not finish within 5 s (total_timeout)"


@given(st.integers(1, 10_000), st.floats(0.001, 100), st.floats(1, 1000), st.none() | st.floats(0, 1000), st.integers())
def test_a_pause_is_bounded(retry: int, delay: float, times: float, told: float | None, seed: int) -> None:
    retries = Retries(10_000, delay, delay * times)
    pause = retries.wait(ProviderError("overloaded", "x"), retry=retry, told=told, random=Random(seed))
    if told is not None and told > retries.longest:
        assert pause is None
    else:
        assert pause is not None
        assert (told or 0) + delay / 2 <= pause <= (told or 0) + retries.longest


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"most": -1}, "^most must be a number of retries, 0 or more, not -1$"),
        ({"most": 1.5}, "^most must be "),
        ({"most": True}, "^most must be "),
        ({"delay": 0}, "^delay must be a number of seconds above 0"),
        ({"delay": None}, "^delay must be a number of seconds above 0, not None$"),
        ({"longest": float("inf")}, "^longest must be a number of seconds above 0"),
        ({"delay": 2.0, "longest": 1.0}, r"^longest must be at least delay, 2\.0, not 1\.0$"),
    ],
)
def test_an_option_that_cannot_work_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Retries(**options)


@pytest.mark.parametrize("value", [3, None])
def test_retries_are_an_object(value: Any) -> None:
    with pytest.raises(TypeError, match=rf"^retries must be a Retries, not {type(value).__name__}$"):
        HTTPProvider(retries=value)
