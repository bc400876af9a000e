"""LangChainDecoder: what the real langchain-core streams, and what LangGraph does, as events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.language_models.fake import FakeStreamingListLLM
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

import gai_stream.langchain
from gai_stream.events import (
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    Raw,
    Safety,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from gai_stream.exceptions import DecodeError, LimitExceeded, TruncatedStream
from gai_stream.langchain import LangChainDecoder
from gai_stream.sse import ServerSentEvent

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """LangChain's async side knows asyncio only."""
    return "asyncio"


def decoded(*items: Any) -> list[Event]:
    decoder = LangChainDecoder()
    return [event for item in items for event in decoder.feed(item)] + decoder.finish()


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def call(args: str | None = None, id: str | None = None, name: str | None = None, index: Any = 0) -> AIMessageChunk:
    return AIMessageChunk("", tool_call_chunks=[{"name": name, "args": args, "id": id, "index": index}])


def stopped(reason: str = "stop") -> AIMessageChunk:
    return AIMessageChunk("", response_metadata={"finish_reason": reason, "model_name": "m1"})


def spent(given: int, made: int) -> AIMessageChunk:
    usage = {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}
    return AIMessageChunk("", usage_metadata=usage)  # type: ignore[arg-type]


def a_call() -> list[Any]:
    hello = AIMessageChunk("Hi ", response_metadata={"model_provider": "openai"})
    return [hello, call("", "c1", "add"), call('{"x":'), call("1}"), stopped("tool_calls"), spent(3, 2)]


CALLED: list[Event] = [
    TextDelta("Hi "),
    ToolCallDelta(0, "c1", "add"),
    ToolCallDelta(0, arguments='{"x":'),
    ToolCallDelta(0, arguments="1}"),
    ToolCall("c1", "add", {"x": 1}, '{"x":1}'),
    FinishStep(1),
]


@tool
def add(x: int) -> int:
    """Add one."""
    return x + 1


async def events_of(runnable: Any, question: Any = "?", **options: Any) -> list[Any]:
    return [event async for event in runnable.astream_events(question, version="v2", **options)]


def agent(*models: Any) -> Any:
    """Ask each model in turn, and run the tools that they call."""

    async def run(question: str) -> Any:
        answer: Any = None
        for model in models:
            answer = await model.ainvoke(question)
            for wanted in answer.tool_calls:
                await add.ainvoke(wanted)
        return answer

    return RunnableLambda(run)


# Chunks


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_chunks_of_a_model_become_its_answer(model: Any, version: str) -> None:
    start, *events = decoded(*model(*a_call(), output_version=version).stream("?"))
    assert isinstance(start, Start)
    assert (start.provider, (start.id or "")[:8]) == ("openai", "lc_run--")
    assert events == [*CALLED, Finish("tool_calls", Usage(3, 2, 5), "tool_calls"), Done()]


async def test_chunks_of_an_async_model_are_the_same(model: Any) -> None:
    chunks = [chunk async for chunk in model(*a_call()).astream("?")]
    assert decoded(*chunks)[1:] == [*CALLED, Finish("tool_calls", Usage(3, 2, 5), "tool_calls"), Done()]


@pytest.mark.parametrize(
    "model", [FakeListChatModel(responses=["a b"]), GenericFakeChatModel(messages=iter([AIMessage("a b")]))]
)
def test_langchains_own_fakes_are_read_to_their_end(model: Any) -> None:
    events = decoded(*model.stream("?"))
    assert text_of(events) == "a b"
    assert events[-3:] == [FinishStep(1), Finish("unknown"), Done()]


def test_a_message_that_was_not_streamed_is_told_whole() -> None:
    answer = AIMessage(
        "Hi",
        id="a",
        tool_calls=[{"name": "add", "args": {"x": 2**70}, "id": "c1"}],
        response_metadata={"stop_reason": "tool_use", "model": "m"},
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    )
    arguments = '{"x":1180591620717411303424}'
    assert decoded(answer) == [
        Start("m", None, "a"),
        TextDelta("Hi"),
        ToolCallDelta(0, "c1", "add", arguments),
        ToolCall("c1", "add", {"x": 2**70}, arguments),
        FinishStep(1),
        Finish("tool_calls", Usage(1, 2, 3), "tool_use"),
        Done(),
    ]


def test_a_call_of_a_whole_message_that_cannot_be_read_is_a_failure() -> None:
    bad: Any = {"name": "f", "args": "{nope", "id": "c", "error": None, "type": "invalid_tool_call"}
    *_, failure, done = decoded(AIMessage("", invalid_tool_calls=[bad]))
    assert failure == Failure("invalid_response", "the arguments of tool call 'f' are not JSON: {nope")
    assert done == Done(finished=False)


def test_one_messages_chunks_may_have_two_ids() -> None:
    chunks = [AIMessageChunk("a", id="msg_1"), AIMessageChunk("b", id="lc_run--1"), AIMessageChunk("c")]
    last = AIMessageChunk("", id="lc_run--1", chunk_position="last")
    assert decoded(*chunks, last) == [
        Start(None, None, "msg_1"),
        *map(TextDelta, "abc"),
        FinishStep(1),
        Finish("unknown"),
        Done(),
    ]


def test_a_refusal_is_marked_and_told_at_the_end() -> None:
    events = decoded(AIMessageChunk("", additional_kwargs={"refusal": "No."}), stopped())
    assert events[1:] == [
        TextDelta("No.", refusal=True),
        FinishStep(1),
        Safety("refusal", "block"),
        Finish("stop", None, "stop"),
        Done(),
    ]


def test_the_limit_on_arguments_holds_for_all_steps_together() -> None:
    decoder = LangChainDecoder(max_arguments_size=12)
    decoder.feed(call("12345", "a", "f"))
    before = decoder.feed(AIMessageChunk("text"))
    with pytest.raises(LimitExceeded, match="longer than 12 characters: raise max_arguments_size") as caught:
        decoder.feed(call("123456"))
    assert (caught.value.option, caught.value.limit) == ("max_arguments_size", 12)
    assert before == [TextDelta("text")]
    with pytest.raises(ValueError, match="max_arguments_size must be a whole number of at least 1, not 0"):
        LangChainDecoder(max_arguments_size=0)


# Runs


async def test_a_run_of_an_agent_is_told_step_by_step(model: Any) -> None:
    second = model("Two.", stopped(), spent(10, 20))
    events = decoded(*await events_of(agent(model(*a_call()), second)))
    assert isinstance(events[0], Start)
    assert events[1:] == [
        *CALLED,
        ToolResult("c1", "add", "2"),
        TextDelta("Two."),
        FinishStep(2),
        Finish("stop", Usage(13, 22, 35), "stop"),
        Done(),
    ]


async def test_a_run_that_is_json_is_read_alike(model: Any) -> None:
    from gai_stream import _json

    run = await events_of(agent(model("Hi", stopped())))
    lines = [_json.dumps(event) for event in run]
    assert decoded(*lines)[1:] == decoded(*run)[1:]
    assert decoded(*(ServerSentEvent(line.decode()) for line in lines))[1:] == decoded(*run)[1:]


async def test_a_model_alone_is_a_run(model: Any) -> None:
    run = await events_of(model("Hi", stopped()))
    assert decoded(*run)[1:] == [TextDelta("Hi"), FinishStep(1), Finish("stop", None, "stop"), Done()]
    start = decoded(*run)[0]
    assert isinstance(start, Start)
    assert start.provider == "model"


async def test_a_run_without_its_end_was_cut(model: Any) -> None:
    run = await events_of(agent(model("Hi", stopped())))
    with pytest.raises(TruncatedStream, match="the stream ended before the run did"):
        decoded(*run[:-1])
    with pytest.raises(TruncatedStream, match="the stream was empty"):
        decoded()


async def test_a_run_whose_start_was_left_out_ends_with_the_input(model: Any) -> None:
    run = await events_of(agent(model("Hi", stopped())), include_types=["chat_model"])
    assert decoded(*run)[1:] == [TextDelta("Hi"), FinishStep(1), Finish("stop", None, "stop"), Done()]


async def test_nothing_is_told_twice_however_deep_the_chain(model: Any) -> None:
    inner = RunnableLambda(lambda message: message)
    run = await events_of(inner | model("Hi", stopped()) | inner | inner)
    assert any(event["event"] == "on_chain_stream" for event in run)
    assert text_of(decoded(*run)) == "Hi"


async def test_a_model_that_was_not_streamed_is_told_at_its_end() -> None:
    output = AIMessage("Hi", response_metadata={"finish_reason": "stop"})
    run = [
        {"event": "on_chat_model_start", "run_id": "r", "parent_ids": [], "data": {}, "name": "m"},
        {"event": "on_chat_model_end", "run_id": "r", "parent_ids": [], "data": {"output": output}},
    ]
    assert decoded(*run) == [Start(), TextDelta("Hi"), FinishStep(1), Finish("stop", None, "stop"), Done()]


async def test_a_model_that_does_not_chat_is_text() -> None:
    run = await events_of(FakeStreamingListLLM(responses=["Hi"]))
    assert text_of(decoded(*run)) == "Hi"
    for text in ({"text": "Hi"}, "Hi"):
        piece = {"event": "on_llm_stream", "run_id": "r", "data": {"chunk": text}}
        assert text_of(decoded(piece)) == "Hi"


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ({"generations": [[{"text": "Hi"}]]}, "Hi"),
        ({"generations": [[{"message": {"type": "ai", "content": "Hi"}}]]}, "Hi"),
        ({"generations": []}, ""),
        (HumanMessage("Hi"), ""),
        (None, ""),
        (7, ""),
    ],
)
def test_a_models_output_may_be_a_whole_result(output: Any, text: str) -> None:
    end = {"event": "on_llm_end", "run_id": "r", "data": {"output": output}}
    assert text_of(decoded(end)) == text


def end_of_tool(output: Any, name: str = "add") -> dict[str, Any]:
    return {"event": "on_tool_end", "run_id": "t", "name": name, "data": {"output": output}}


class Command:
    """As LangGraph's, which a tool may return."""

    def __init__(self, *messages: Any) -> None:
        self.update = {"messages": list(messages)}


def test_a_tools_result_names_its_call() -> None:
    result = ToolMessage("2", tool_call_id="c1")
    for output in (result, [result], Command(result), [Command(result)]):
        events = decoded(*a_call(), end_of_tool(output))
        assert ToolResult("c1", "add", "2") in events
        assert events.index(FinishStep(1)) < events.index(ToolResult("c1", "add", "2"))


def test_a_result_that_names_no_call_is_that_of_the_first_call_of_its_name() -> None:
    last = AIMessageChunk("", chunk_position="last")
    two = [call("{}", "a", "add", 0), call("{}", "b", "add", 1), last]
    other = [call("{}", "o", "other", 2)]
    assert ToolResult("a", "add", "1") in decoded(*other, *two, end_of_tool(ToolMessage("1", tool_call_id="a")))
    events = decoded(*two, end_of_tool(1), end_of_tool(["x", ["y"]]), end_of_tool(3), end_of_tool({"messages": 1}, "f"))
    assert [event for event in events if isinstance(event, ToolResult)] == [
        ToolResult("a", "add", 1),
        ToolResult("b", "add", ["x", ["y"]]),
        ToolResult("t", "add", 3),
        ToolResult("t", "f", {"messages": 1}),
    ]


def test_a_tools_error_is_told_without_its_words() -> None:
    two = [call("{}", "a", "add", 0), call("{}", "b", "add", 1), AIMessageChunk("", chunk_position="last")]
    error = {"event": "on_tool_error", "run_id": "t", "name": "add", "data": {"error": KeyError("secret")}}
    named = {**error, "data": {"error": KeyError("secret"), "tool_call_id": "b"}}
    strange = {**error, "data": {"error": 1, "tool_call_id": "z"}}
    told = [event for event in decoded(*two, named, error, strange) if isinstance(event, ToolResult)]
    assert told == [ToolResult(id, "add", None, "the tool failed") for id in "baz"]


def test_a_tool_message_may_tell_an_error() -> None:
    failed = ToolMessage("no such file", tool_call_id="c9", name="f", status="error")
    assert decoded(failed)[1] == ToolResult("c9", "f", "no such file", "no such file")
    failed = ToolMessage([{"type": "text", "text": "no"}], tool_call_id="c9", name="f", status="error")
    assert decoded(failed)[1] == ToolResult("c9", "f", [{"type": "text", "text": "no"}], "the tool failed")


def test_a_custom_event_is_raw() -> None:
    custom = {"event": "on_custom_event", "run_id": "r", "name": "progress", "data": {"done": 3}}
    assert decoded(custom)[:2] == [Start(), Raw("langchain", {"name": "progress", "data": {"done": 3}})]


def test_the_error_of_a_run_is_its_end() -> None:
    start = {"event": "on_chain_start", "run_id": "r", "parent_ids": [], "data": {}}
    error = {"event": "on_chain_error", "run_id": "r", "data": {"error": TimeoutError("secret")}}
    assert decoded(start, error) == [
        Failure("timeout", "the answer did not come in time", True),
        Done(finished=False),
    ]
    told = {**error, "data": {"error": {"message": "busy", "code": 429}}}
    failure = decoded(start, told)[0]
    assert isinstance(failure, Failure)
    assert (failure.code, failure.message) == ("rate_limited", "busy")
    message = ServerSentEvent('{"status_code":500,"message":"Internal Server Error"}', event="error")
    assert isinstance(decoded(message)[0], Failure)


def test_bad_arguments_are_the_agents_to_put_right_unless_they_are_the_end() -> None:
    bad = [call("{nope", "c1", "add"), AIMessageChunk("", chunk_position="last")]
    *_, failure, done = decoded(*bad)
    assert failure == Failure("invalid_response", "the arguments of tool call 'add' are not JSON: {nope")
    assert done == Done(finished=False)
    assert decoded(*bad, AIMessageChunk("Sorry"), stopped())[-1] == Done()


# LangGraph


def in_task(task: str) -> dict[str, Any]:
    return {"langgraph_checkpoint_ns": task, "ls_provider": "anthropic", "ls_model_name": "m"}


def test_messages_of_a_graph_are_told_step_by_step() -> None:
    chunks = [(chunk, in_task("agent:1")) for chunk in [*a_call(), AIMessageChunk("", chunk_position="last")]]
    result = (ToolMessage("2", tool_call_id="c1"), in_task("tools:1"))
    answer = (AIMessage("Two.", id="x", response_metadata={"finish_reason": "stop"}), in_task("agent:2"))
    human = (HumanMessage("?"), in_task("agent:2"))
    events = decoded(*chunks, result, human, answer, answer)
    assert events == [
        Start("m", "openai"),
        *CALLED,
        ToolResult("c1", "add", "2"),
        TextDelta("Two."),
        FinishStep(2),
        Finish("stop", Usage(3, 2, 5), "stop"),
        Done(),
    ]


def test_messages_of_tasks_side_by_side_are_kept_apart() -> None:
    one, two = in_task("a:1"), in_task("b:1")
    events = decoded(
        (call('{"x":', "c1", "add"), one),
        (call("[2", "c2", "add"), two),
        (call("1}"), one),
        (call("]"), two),
    )
    assert [event for event in events if isinstance(event, ToolCall)] == [
        ToolCall("c1", "add", {"x": 1}, '{"x":1}'),
        ToolCall("c2", "add", [2], "[2]"),
    ]
    assert [event.index for event in events if isinstance(event, ToolCallDelta)] == [0, 1, 0, 1]


def test_two_models_in_one_task_are_told_apart_by_their_runs() -> None:
    def chunk(run: str, arguments: str, id: str | None = None) -> Any:
        found = call(arguments, id, "add" if id else None)
        found.id = f"lc_run--{run}"
        return found, in_task("a")

    events = decoded(chunk("1", "[1", "c1"), chunk("2", "[2", "c2"), chunk("1", "]"), chunk("2", "]"))
    assert [event.input for event in events if isinstance(event, ToolCall)] == [[1], [2]]


def test_a_graphs_other_modes_are_for_the_server() -> None:
    hi = (AIMessageChunk("Hi"), {})
    items: list[Any] = [("messages", hi), ((), "messages", hi), (("sub:1",), "messages", list(hi))]
    items.append({"type": "messages", "ns": (), "data": hi})
    assert text_of(decoded(*items)) == "HiHiHiHi"
    state = [("values", {"secret": 1}), ((), "updates", {}), ("debug", 1)]
    custom = Raw("langgraph", {"done": 3})
    assert decoded(*state, ("custom", {"done": 3}), *items)[:2] == [Start(), custom]
    state.append({"type": "values", "ns": (), "data": {}, "interrupts": ()})  # type: ignore[arg-type]
    assert decoded(*state) == [Start(), Finish("unknown"), Done()]


# What is none of it


@pytest.mark.parametrize("item", [{"a": 1}, [1], (1, 2), ("messages", 1), [[], "messages", {}], 7])
def test_what_is_unknown_is_raw(item: Any) -> None:
    start, raw, *_ = decoded(item)
    assert start == Start()
    assert isinstance(raw, Raw)
    assert raw.provider == "langchain"


def test_an_empty_message_is_nothing() -> None:
    decoder = LangChainDecoder()
    for message in ("", b" ", "[DONE]", ServerSentEvent("")):
        assert decoder.feed(message) == []


def test_events_of_other_kinds_are_nothing() -> None:
    names = ("on_chain_stream", "on_retriever_end", "on_prompt_end", "on_new_thing", "hello")
    events = decoded(*({"event": name, "run_id": "r", "data": {"chunk": "x"}} for name in names))
    assert events == [Start(), Finish("unknown"), Done()]


@pytest.mark.parametrize(
    "item",
    [
        {"event": 1},
        {"event": "on_chat_model_stream", "run_id": []},
        {"event": "on_chat_model_stream", "data": {"chunk": {"type": "ai", "content": 7}}},
        {"type": 1, "content": "x"},
        {"type": "AIMessageChunk", "content": [1]},
        {"type": "AIMessageChunk", "content": "", "tool_call_chunks": [{"args": {}}]},
        {"type": "ai", "content": "", "tool_calls": [{"name": "f", "args": "x"}]},
        {"type": "AIMessageChunk", "content": "", "usage_metadata": {"input_tokens": "many"}},
    ],
)
def test_a_message_of_the_wrong_shape_costs_itself_alone(item: Any) -> None:
    decoder = LangChainDecoder()
    decoder.feed(AIMessageChunk("a"))
    for wrong in (item, json.dumps(item)):
        with pytest.raises(DecodeError, match="not what LangChain streams"):
            decoder.feed(wrong)
    assert decoder.feed(AIMessageChunk("b")) == [TextDelta("b")]
    assert decoder.finish() == [FinishStep(1), Finish("unknown"), Done()]


def test_arguments_without_a_json_form_are_refused() -> None:
    answer = AIMessage("", tool_calls=[{"name": "f", "args": {"x": object()}, "id": "c"}])
    with pytest.raises(DecodeError, match="cannot be written as JSON"):
        LangChainDecoder().feed(answer)


def test_the_package_names_what_it_has() -> None:
    assert set(gai_stream.langchain.__all__) <= set(dir(gai_stream.langchain))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        gai_stream.langchain.nothing  # type: ignore[attr-defined] # noqa: B018
