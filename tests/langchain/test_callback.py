"""LangChainCallback: the callbacks of the real langchain-core as a stream, from threads and from the event loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any
from uuid import uuid4

import anyio
import pytest
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.language_models.fake import FakeStreamingListLLM
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from gai_stream import sse_response
from gai_stream.events import Done, Event, Finish, FinishStep, Raw, Start, TextDelta, ToolCall, ToolResult, Usage
from gai_stream.exceptions import LimitExceeded, TruncatedStream
from gai_stream.langchain import LangChainCallback
from gai_stream.testing import ASGIClient

pytestmark = pytest.mark.anyio

ON_ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])
END = AIMessageChunk(
    "",
    response_metadata={"finish_reason": "stop"},
    usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
)
ENDED: list[Event] = [FinishStep(1), Finish("stop", Usage(1, 2, 3), "stop"), Done()]
CALL = AIMessageChunk("", tool_call_chunks=[{"name": "add", "args": '{"x":1}', "id": "c1", "index": 0}])


@tool
def add(x: int) -> int:
    """Add one."""
    return x + 1


@tool
def fail(x: int) -> int:
    """Fail."""
    raise ValueError("secret")


def agent(*models: Any) -> Any:
    def run(question: str) -> Any:
        answer: Any = None
        for model in models:
            answer = model.invoke(question)
            for wanted in answer.tool_calls:
                add.invoke(wanted)
        return answer

    return RunnableLambda(run)


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def heard(call: Any, question: Any = "?") -> list[Event]:
    """What a callback hears of `call`, which runs in a thread."""
    callback = LangChainCallback()

    def work() -> None:
        with suppress(KeyError, ValueError):
            call(question, config={"callbacks": [callback]})

    thread = threading.Thread(target=work)
    thread.start()
    try:
        return [event async for event in callback]
    finally:
        await anyio.to_thread.run_sync(thread.join)


async def test_a_model_in_a_thread_is_heard_token_by_token(model: Any) -> None:
    start, *events = await heard(model("Hi ", "there", END).invoke)
    assert isinstance(start, Start)
    assert start.provider == "model"
    assert events == [TextDelta("Hi "), TextDelta("there"), *ENDED]


@ON_ASYNCIO
async def test_a_model_on_the_event_loop_is_heard_too(model: Any) -> None:
    callback = LangChainCallback()
    task = asyncio.create_task(model("Hi ", "there", END).ainvoke("?", {"callbacks": [callback]}))
    events = [event async for event in callback]
    await task
    assert events[1:] == [TextDelta("Hi "), TextDelta("there"), *ENDED]


async def test_a_stream_is_heard_as_an_invocation_is(model: Any) -> None:
    events = await heard(lambda *args, **options: list(model("Hi", END).stream(*args, **options)))
    assert events[1:] == [TextDelta("Hi"), *ENDED]


async def test_a_model_that_streams_nothing_is_heard_at_its_end() -> None:
    events = await heard(FakeMessagesListChatModel(responses=[AIMessage("Hi")]).invoke)
    assert events[1:] == [TextDelta("Hi"), FinishStep(1), Finish("unknown"), Done()]


async def test_a_model_that_does_not_chat_is_heard() -> None:
    llm = FakeStreamingListLLM(responses=["Hi"])
    assert text_of(await heard(llm.invoke)) == "Hi"
    assert text_of(await heard(lambda *args, **options: list(llm.stream(*args, **options)))) == "Hi"


async def test_a_callback_may_belong_to_the_model(model: Any) -> None:
    callback = LangChainCallback()
    mine = model("Hi", END, callbacks=[callback])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, RunnableLambda(mine.invoke).invoke, "?")
        events = [event async for event in callback]
    assert events[1:] == [TextDelta("Hi"), *ENDED]


async def test_an_agent_is_heard_to_the_end_of_its_run(model: Any) -> None:
    events = await heard(agent(model(CALL), model("Two.", END)).invoke)
    assert [event for event in events if isinstance(event, ToolCall | ToolResult | TextDelta | FinishStep)] == [
        ToolCall("c1", "add", {"x": 1}, '{"x":1}'),
        FinishStep(1),
        ToolResult("c1", "add", "2"),
        TextDelta("Two."),
        FinishStep(2),
    ]
    assert events[-2:] == [Finish("stop", Usage(1, 2, 3), "stop"), Done()]


async def test_tools_and_retrievers_are_heard_as_runs_too() -> None:
    class Library(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> Any:
            if query == "fail":
                raise KeyError("mine")
            return []

    (result,) = (event for event in await heard(add.invoke, {"x": 1}) if isinstance(event, ToolResult))
    assert (result.name, result.result) == ("add", 2)
    with pytest.raises(ValueError, match="secret"):
        await heard(fail.invoke, {"x": 1})
    assert await heard(Library().invoke) == [Start(), Finish("unknown"), Done()]

    def chain(question: str) -> str:
        Library().invoke(question)
        return question

    assert await heard(RunnableLambda(chain).invoke) == [Start(), Finish("unknown"), Done()]
    with pytest.raises(KeyError, match="mine"):
        await heard(Library().invoke, "fail")


async def test_a_tool_that_fails_inside_a_run_is_told_without_its_words(model: Any) -> None:
    def chain(question: str) -> Any:
        for work in (fail, Broken()):
            try:
                work.invoke({"x": 1} if work is fail else "?")
            except (ValueError, KeyError):
                continue
        return model("Hi", END).invoke(question)

    class Broken(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> Any:
            raise KeyError

    events = await heard(RunnableLambda(chain).invoke)
    (result,) = (event for event in events if isinstance(event, ToolResult))
    assert (result.name, result.error) == ("fail", "the tool failed")
    assert text_of(events) == "Hi"


async def test_custom_events_are_raw(model: Any) -> None:
    def chain(question: str) -> None:
        dispatch_custom_event("progress", {"done": 3})

    events = await heard(RunnableLambda(chain).invoke)
    assert events[1] == Raw("langchain", {"name": "progress", "data": {"done": 3}})


async def test_an_error_is_raised_behind_what_came_before_it(model: Any) -> None:
    callback = LangChainCallback()
    got: list[Any] = []

    def work() -> None:
        with pytest.raises(KeyError, match="mine"):
            model("Hi", KeyError("mine")).invoke("?", {"callbacks": [callback]})

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, work)
        with pytest.raises(KeyError, match="mine"):
            async for event in callback:
                got.append(event)
    assert text_of(got) == "Hi"


async def test_a_consumer_that_leaves_stops_the_model(model: Any) -> None:
    callback = LangChainCallback(limit=1)
    stopped = anyio.Event()

    def work() -> None:
        with pytest.raises(anyio.BrokenResourceError):
            model(*["x"] * 100).invoke("?", {"callbacks": [callback]})
        anyio.from_thread.run_sync(stopped.set)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, work)
        events = aiter(callback)
        await anext(events)
        await callback.aclose()
        with anyio.fail_after(5):
            await stopped.wait()
        await events.aclose()  # type: ignore[attr-defined]


async def test_a_response_takes_a_callback(model: Any) -> None:
    callback = LangChainCallback()
    thread = threading.Thread(target=model("Hi", END).invoke, args=("?", {"callbacks": [callback]}))
    thread.start()
    async with ASGIClient(sse_response(callback, encoder="openai")) as client:
        response = await client.get("/")
    await anyio.to_thread.run_sync(thread.join)
    assert '"content":"Hi"' in response.text
    assert response.text.endswith("data: [DONE]\n\n")


def test_a_token_without_a_chunk_is_text() -> None:
    callback = LangChainCallback()
    run = uuid4()
    callback.on_llm_start({}, ["?"], run_id=run)
    callback.on_llm_new_token("Hi", run_id=run)
    callback.on_llm_error(KeyError("not the root's"), run_id=uuid4())
    callback.on_llm_end(None, run_id=run)

    async def read() -> list[Event]:
        return [event async for event in callback]

    assert text_of(anyio.run(read)) == "Hi"


async def test_an_end_that_finds_no_room_ends_the_stream_all_the_same() -> None:
    callback = LangChainCallback(limit=1)
    run = uuid4()
    callback.on_llm_start({}, ["?"], run_id=run)
    with pytest.raises(LimitExceeded, match="1 items wait to be taken"):
        callback.on_llm_end(None, run_id=run)
    with pytest.raises(TruncatedStream, match="the stream ended before the run did"):
        _ = [event async for event in callback]


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="limit must be a whole number of at least 1, not 0"):
        LangChainCallback(limit=0)
    with pytest.raises(ValueError, match="send_timeout must be a number of seconds above 0"):
        LangChainCallback(send_timeout=0)
    with pytest.raises(ValueError, match="max_arguments_size must be"):
        LangChainCallback(max_arguments_size=0)


def test_without_langchain_it_says_what_is_missing() -> None:
    program = (
        "import sys; sys.modules['langchain_core'] = None\n"
        "from gai_stream.langchain import LangChainDecoder\n"
        "try: from gai_stream.langchain import LangChainCallback\n"
        "except ImportError as exc: print(exc)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "LangChainCallback needs langchain-core: pip install langchain-core"
