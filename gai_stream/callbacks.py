"""A function to pass as a streaming callback, whose other side is an async iterator."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Self

import anyio

from ._handover import Handover
from ._options import check_seconds

__all__ = ["CallbackStream"]


class CallbackStream:
    """Take chunks as a callback, in any thread, and give them as a stream: `sse_response(callback)`, once.

    Call it with each chunk, or pass it to what does, in a `with` block of the thread that it runs in: the block ends
    the stream, and an exception in it is raised on the other side. Empty text is not delivered. A thread that is
    `limit` chunks ahead waits until some are taken, `send_timeout` seconds at most (None: for ever), after which
    StreamTimeout is raised. Called on the event loop, where it cannot wait, it raises LimitExceeded instead. Once the
    other side is closed, because its client left, every call raises anyio.BrokenResourceError, which stops the model.
    """

    def __init__(self, *, limit: int = 4096, send_timeout: float | None = 30.0) -> None:
        if type(limit) is not int or limit < 1:
            raise ValueError(f"limit must be a whole number of at least 1, not {limit!r}")
        check_seconds("send_timeout", send_timeout)
        self._handover = Handover(limit, send_timeout)

    def __call__(self, chunk: Any, /) -> None:
        """Deliver one chunk: anything that a stream may yield."""
        if chunk == "":
            return
        if not self._handover.put(chunk):
            raise anyio.BrokenResourceError("nobody takes what this stream brings any more")

    def end(self, error: BaseException | None = None) -> None:
        """End the stream; `error` is raised on its other side, behind everything that was delivered."""
        self._handover.end(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        told = isinstance(exc, anyio.BrokenResourceError) if self._handover.stopped else isinstance(exc, Exception)
        self.end(exc)
        return told

    async def __aiter__(self) -> AsyncGenerator[Any, None]:
        try:
            while batch := await self._handover.take():
                for chunk in batch:
                    yield chunk
        finally:
            self._handover.stop()

    async def aclose(self) -> None:
        """Take no more."""
        self._handover.stop()
