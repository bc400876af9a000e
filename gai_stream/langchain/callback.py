"""LangChain's callbacks as a stream of events, for code that takes callbacks and gives no stream."""

# ruff: noqa: ARG002 - LangChain says what its callbacks are given

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any
from uuid import UUID

from anyio import BrokenResourceError

from gai_stream.callbacks import CallbackStream
from gai_stream.events import Event

from .decoder import LangChainDecoder

try:
    from langchain_core.callbacks import BaseCallbackHandler
except ImportError as exc:
    raise ImportError("LangChainCallback needs langchain-core: pip install langchain-core") from exc

__all__ = ["LangChainCallback"]


class LangChainCallback(BaseCallbackHandler):
    """A callback handler for one run, and the stream of its events: `sse_response(callback)`.

    Pass it in `callbacks=[...]` to a model, a chain or an agent, `invoke` in a thread as well as `ainvoke` on the event
    loop. The first run that it hears of is the one that it streams, and the stream ends with that run; an error of the
    run is raised behind what came before it. A model that is only invoked calls back for each token where it was made
    with `streaming=True`, and otherwise once, with the whole answer.

    `limit` and `send_timeout` are those of CallbackStream, and `max_arguments_size` that of LangChainDecoder. Once the
    other side is closed, the next token raises anyio.BrokenResourceError, which stops the model.
    """

    # LangChain logs what a handler raises and goes on, unless it is told to stop.
    raise_error = True
    # On an event loop: called there, and not in a thread of its pool, which many slow clients would exhaust.
    run_inline = True

    def __init__(
        self, *, limit: int = 4096, send_timeout: float | None = 30.0, max_arguments_size: int = 1 << 20
    ) -> None:
        self._decoder = LangChainDecoder(max_arguments_size=max_arguments_size)
        self._stream = CallbackStream(limit=limit, send_timeout=send_timeout)
        self._root: UUID | None = None
        self._runs: dict[UUID, tuple[str | None, Any, Any]] = {}

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        async with aclosing(aiter(self._stream)) as callbacks:
            async for told in callbacks:
                for event in self._decoder.feed(told):
                    yield event
        # Raises if the end of the run could not be told.
        self._decoder.finish()

    async def aclose(self) -> None:
        """Take no more."""
        await self._stream.aclose()

    # What LangChain calls. Names, positions and keywords are those of its BaseCallbackHandler.

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **more: Any) -> None:
        self._begin("on_chat_model_start", serialized, run_id, more)

    def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: UUID, **more: Any) -> None:
        self._begin("on_llm_start", serialized, run_id, more)

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: UUID, **more: Any) -> None:
        self._begin("on_chain_start", serialized, run_id, more)

    def on_tool_start(self, serialized: Any, input_str: str, *, run_id: UUID, **more: Any) -> None:
        self._begin("on_tool_start", serialized, run_id, more)

    def on_retriever_start(self, serialized: Any, query: str, *, run_id: UUID, **more: Any) -> None:
        self._begin("on_retriever_start", serialized, run_id, more)

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **more: Any) -> None:
        # The token of a chunk that brings no text is empty, whatever else it brings.
        self._tell("on_llm_stream", run_id, {"chunk": token if chunk is None else chunk})

    def on_llm_end(self, response: Any, *, run_id: UUID, **more: Any) -> None:
        self._finish("on_llm_end", response, run_id)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **more: Any) -> None:
        self._finish("on_chain_end", None, run_id)

    def on_tool_end(self, output: Any, *, run_id: UUID, **more: Any) -> None:
        self._finish("on_tool_end", output, run_id)

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **more: Any) -> None:
        self._finish("on_retriever_end", None, run_id)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        self._fail("on_llm_error", error, run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        self._fail("on_chain_error", error, run_id)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        self._fail("on_tool_error", error, run_id)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **more: Any) -> None:
        self._fail("on_retriever_error", error, run_id)

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **more: Any) -> None:
        self._tell("on_custom_event", run_id, data, name)

    def _begin(self, event: str, serialized: Any, run_id: UUID, more: dict[str, Any]) -> None:
        named = serialized.get("name") if isinstance(serialized, dict) else None
        self._runs[run_id] = (more.get("name") or named, more.get("metadata"), more.get("tool_call_id"))
        if self._root is None:
            self._root = run_id
            self._tell(event, run_id, {})

    def _finish(self, event: str, output: Any, run_id: UUID) -> None:
        try:
            with suppress(BrokenResourceError):
                self._tell(event, run_id, {"output": output})
        finally:
            self._runs.pop(run_id, None)
            if run_id == self._root:
                self._stream.end()

    def _fail(self, event: str, error: BaseException, run_id: UUID) -> None:
        if run_id == self._root:
            self._stream.end(error)
            return
        call = self._runs.get(run_id, (None, None, None))[2]
        with suppress(BrokenResourceError):
            self._tell(event, run_id, {"error": error, "tool_call_id": call})
        self._runs.pop(run_id, None)

    def _tell(self, event: str, run_id: UUID, data: Any, name: str | None = None) -> None:
        """Deliver a callback in the form of `astream_events`."""
        run, metadata, _ = self._runs.get(run_id, (None, None, None))
        parents = [] if run_id == self._root else [str(self._root)]
        told = {"event": event, "run_id": str(run_id), "parent_ids": parents, "name": name or run}
        self._stream(told | {"data": data, "metadata": metadata})
