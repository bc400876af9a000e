"""on_end: told once, whatever happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from gai_stream.asgi import Summary, ndjson_response, sse_response
from gai_stream.events import Failure, Finish, Start, TextDelta, ToolCall, Usage
from gai_stream.exceptions import ProviderError
from gai_stream.testing import failing_source

pytestmark = pytest.mark.anyio

Respond = Callable[..., Any]

virtual_clock = pytest.mark.parametrize("anyio_backend", ["trio-clock"], indirect=True)
both_framings = pytest.mark.parametrize("respond", [sse_response, ndjson_response])


async def test_on_end_is_told_everything_once(serve: Any) -> None:
    summaries: list[Summary] = []
    call = ToolCall("c1", "calc", {"x": 1})
    usage = Usage(3, 4, 7)
    items = [Start("m"), "Hel", TextDelta("lo"), TextDelta("other choice", index=1), call, Finish("tool_calls", usage)]
    await serve(sse_response(items, on_end=summaries.append))
    (summary,) = summaries
    assert (summary.reason, summary.status, summary.text) == ("complete", 200, "Hello")
    assert summary.tool_calls == [call]
    assert (summary.finish_reason, summary.usage) == ("tool_calls", usage)
    assert summary.failure is None
    assert summary.error is None
    assert summary.metrics.bytes
    assert summary.metrics.end_reason == "complete"


async def test_on_end_may_be_async_and_learns_of_a_refusal(serve: Any) -> None:
    summaries: list[Summary] = []

    async def on_end(summary: Summary) -> None:
        await anyio.lowlevel.checkpoint()
        summaries.append(summary)

    error = ProviderError("rate_limited", "slow down")
    await serve(sse_response(failing_source([], error), on_end=on_end))
    assert (summaries[0].reason, summaries[0].status, summaries[0].error) == ("refused", 429, error)


async def test_a_providers_failure_in_the_stream_is_an_error_to_on_end_too(events_of: Any) -> None:
    summaries: list[Summary] = []
    failure = Failure("overloaded", "busy", True, 3)
    got = await events_of(sse_response(["a", failure], on_end=summaries.append))
    assert [name for name, _ in got] == ["text_delta", "error", "done"]
    assert (summaries[0].reason, summaries[0].failure, summaries[0].error) == ("error", failure, None)


async def test_on_end_that_fails_harms_nothing(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    def on_end(summary: Summary) -> None:
        raise ValueError("on_end is broken")

    assert (await serve(sse_response(["a"], on_end=on_end))).status == 200
    assert "on_end is broken" in caplog.text
