"""What `on_end` is told: how a stream ended, and what it produced until then."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

import msgspec

from gai_stream.events import Failure, Finish, TextDelta, ToolCall, Usage
from gai_stream.metrics import Meter, MeterSummary

__all__ = ["OnEnd", "Reason", "Report", "Summary"]

logger = logging.getLogger("gai_stream")

Reason: TypeAlias = Literal["complete", "error", "refused", "disconnect", "timeout", "cancelled", "not_started"]


class Summary(msgspec.Struct, frozen=True):
    """How a stream ended.

    `reason` is "complete", "error" (told to the client in band), "refused" (answered with an HTTP status),
    "disconnect" (the client left), "timeout" (the client stopped reading), "cancelled" (the server stopped the
    request) or "not_started" (HEAD and OPTIONS). `text`, `tool_calls`, `finish_reason` and `usage` are what was
    produced so far, whether or not it reached the client. `status` is None when no byte left; `failure` is what the
    client was told of an error, `error` what was raised.
    """

    reason: Reason
    status: int | None
    text: str
    tool_calls: list[ToolCall]
    finish_reason: str | None
    usage: Usage | None
    failure: Failure | None
    error: BaseException | None
    metrics: MeterSummary


OnEnd: TypeAlias = Callable[[Summary], Awaitable[object] | object]


class Report:
    """Collect what a stream yields, and deliver it once."""

    def __init__(self, on_end: OnEnd) -> None:
        self._on_end = on_end
        self._meter = Meter()
        self._text: list[str] = []
        self._tool_calls: list[ToolCall] = []
        self._finish: Finish | None = None
        self._failure: Failure | None = None

    def add(self, item: Any) -> None:
        """Take one item of the stream: an event, or anything else that is written."""
        self._meter.event(item)
        match item:
            case TextDelta(index=0):
                self._text.append(item.text)
            case str():
                self._text.append(item)
            case ToolCall():
                self._tool_calls.append(item)
            case Finish():
                self._finish = item
            case Failure():
                self._failure = item

    async def deliver(self, reason: Reason, status: int | None, n_bytes: int, error: BaseException | None) -> None:
        """Call `on_end`. What it raises is logged: the response is over."""
        self._meter.sent(n_bytes)
        self._meter.end(reason)
        finish = self._finish
        summary = Summary(
            reason=reason,
            status=status,
            text="".join(self._text),
            tool_calls=self._tool_calls,
            finish_reason=finish.reason if finish is not None else None,
            usage=finish.usage if finish is not None else None,
            failure=self._failure,
            error=error,
            metrics=self._meter.summary(),
        )
        try:
            result = self._on_end(summary)
            if inspect.isawaitable(result):
                await result
        except Exception:
            logger.exception("on_end failed")
