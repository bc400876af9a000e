"""The real Ollama client, over loopback HTTP: what we send must please it, line by line and in one piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import ollama
import pytest

from gai_stream import _json
from gai_stream.dialects.ollama import OllamaDecoder, OllamaEncoder
from gai_stream.events import (
    Citation,
    Citations,
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    Raw,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from gai_stream.ndjson import NDJSONEncoder

Mode = Literal["chat", "generate"]
Serve = Callable[..., str]
START = Start("m", None, "c1")


def wire(events: list[Event], mode: Mode) -> bytes:
    """The bytes that a client gets, with a heartbeat before and behind every line but the last."""
    encoder, lines = OllamaEncoder(mode=mode), NDJSONEncoder()
    data = [encoder.heartbeat()]
    for messages in (*(encoder.feed(event) for event in events), encoder.finish()):
        for message in messages:
            data += [*lines.feed(message), encoder.heartbeat()]
    return b"".join(data[:-1])


def wire_whole(events: list[Event], mode: Mode) -> bytes:
    encoder = OllamaEncoder(mode=mode)
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    return _json.dumps(OllamaEncoder.whole(messages))


@pytest.fixture
def serve(loopback: Any) -> Serve:
    """Give events a host, from which the client reads them as either endpoint's answer."""

    def host(events: list[Event], as_bytes: Callable[[list[Event], Any], bytes] = wire) -> str:
        bodies = {f"api/{mode}": as_bytes(events, mode) for mode in ("chat", "generate")}
        return str(loopback(lambda path, asked: (200, {"content-type": "application/x-ndjson"}, bodies[path])))

    return host


class Seen:
    """What a client makes of the parts that the SDK gives it."""

    def __init__(self, parts: list[Any], mode: Mode) -> None:
        told = [part.message if mode == "chat" else part for part in parts]
        words = [one.content if mode == "chat" else one.response for one in told]
        assert all(word is not None for word in words)
        self.text = "".join(words)
        self.thinking = "".join(one.thinking or "" for one in told)
        self.calls = [
            (call.function.name, call.function.arguments)
            for one in told
            for call in getattr(one, "tool_calls", None) or ()
        ]
        self.models = {part.model for part in parts}
        self.last = parts[-1]
        assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
        assert all(part.created_at.endswith("Z") for part in parts)


def read(host: str, mode: Mode, *, stream: bool = True) -> Seen:
    # Nothing is encrypted here, and to load the certificates takes longer than the whole test.
    with ollama.Client(host, verify=False) as client:
        ask: Any = client.chat if mode == "chat" else client.generate
        answer = ask(model="m", stream=stream)
        return Seen(list(answer) if stream else [answer], mode)


def shown(events: list[Event]) -> tuple[str, str, list[tuple[str, Any]]]:
    """What a client of choice 0 must see: text, reasoning, and calls."""
    return (
        "".join(e.text for e in events if isinstance(e, TextDelta) and e.index == 0),
        "".join(e.text for e in events if isinstance(e, ReasoningDelta) and e.index == 0),
        [
            (e.name, {"input": e.input} if e.kind == "custom" else e.input)
            for e in events
            if isinstance(e, ToolCall) and e.choice == 0 and e.kind != "server"
        ],
    )


def check(seen: Seen, events: list[Event], mode: Mode) -> None:
    text, thinking, calls = shown(events)
    # The client of /api/generate knows no calls, though the server sends them.
    assert (seen.text, seen.thinking, seen.calls) == (text, thinking, calls if mode == "chat" else [])
    start, end = events[0], events[-2]
    assert isinstance(start, Start)
    assert isinstance(end, Finish)
    assert seen.last.model == (start.model or "")
    assert seen.models <= {"", start.model}
    assert seen.last.done_reason == ("length" if end.reason == "length" else "stop")
    usage = end.usage or Usage()
    counts = (seen.last.prompt_eval_count, seen.last.eval_count)
    assert counts == (usage.input_tokens or 0, usage.output_tokens or 0)
    assert seen.last.total_duration >= seen.last.eval_duration >= 0


@pytest.mark.parametrize("mode", ["chat", "generate"])
def test_every_recording_served_again_pleases_the_client(
    recorded: dict[str, list[Event]], serve: Serve, mode: Mode
) -> None:
    for name, events in recorded.items():
        end = events[-2]
        if isinstance(end, Failure) or (isinstance(end, Finish) and end.reason == "error"):
            with pytest.raises(ollama.ResponseError) as caught:
                read(serve(events), mode)
            assert caught.value.error == getattr(end, "message", caught.value.error), name
            continue
        check(read(serve(events), mode), events, mode)
        check(read(serve(events, wire_whole), mode, stream=False), events, mode)


EVERYTHING: list[Event] = [
    START,
    ReasoningDelta("h\u2028m"),
    TextDelta("The \u2028\u0085 sea\n"),
    TextDelta("not told", 1),
    Citations([Citation("u")]),
    ToolCallDelta(0, "x", "f", '{"a":'),
    ToolCallDelta(1, "y", "g", "{}"),
    ToolCallDelta(0, arguments="18446744073709551616}"),
    ToolCall("x", "f", {"a": 18446744073709551616}, '{"a":18446744073709551616}'),
    ToolCall("y", "g", {}, "{}"),
    ToolCall("z", "sql", "SELECT", "SELECT", kind="custom"),
    Raw("ollama", {"message": {"images": ["aGk="]}}),
    Raw("ollama", {"image": "aGk="}),
    FinishStep(1),
    Finish("stop", Usage(10, 5, 15, 2, 3)),
    Done(),
]


@pytest.mark.parametrize("mode", ["chat", "generate"])
@pytest.mark.parametrize(("as_bytes", "stream"), [(wire, True), (wire_whole, False)])
def test_one_answer_with_everything_in_it_is_read_whole(serve: Serve, mode: Mode, as_bytes: Any, stream: bool) -> None:
    seen = read(serve(EVERYTHING, as_bytes), mode, stream=stream)
    assert (seen.text, seen.thinking) == ("The \u2028\u0085 sea\n", "h\u2028m")
    calls: list[Any] = [("f", {"a": 18446744073709551616}), ("g", {}), ("sql", {"input": "SELECT"})]
    assert seen.calls == (calls if mode == "chat" else [])
    assert (seen.last.done_reason, seen.last.prompt_eval_count, seen.last.eval_count) == ("stop", 10, 5)


def test_the_clients_own_objects_decode_to_the_same_events(serve: Serve) -> None:
    decoder = OllamaDecoder()
    with ollama.Client(serve(EVERYTHING)) as client:
        events = [event for part in client.chat(model="m", stream=True) for event in decoder.feed(part)]
    events += decoder.finish()
    text, thinking, calls = shown(events)
    assert (text, thinking) == ("The \u2028\u0085 sea\n", "h\u2028m")
    assert calls == [("f", {"a": 18446744073709551616}), ("g", {}), ("sql", {"input": "SELECT"})]
    assert events[-3:] == [FinishStep(1), Finish("tool_calls", Usage(10, 5, 15), "stop"), Done()]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_async_client_reads_the_same(serve: Serve) -> None:
    async with ollama.AsyncClient(serve(EVERYTHING)) as client:
        parts = [part async for part in await client.chat(model="m", stream=True)]
    assert len(Seen(parts, "chat").calls) == 3


@pytest.mark.parametrize("mode", ["chat", "generate"])
@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([START, TextDelta("a"), Failure("overloaded", "try later", True)], "try later"),
        ([Failure("rate_limited", "too many")], "too many"),
        ([START, TextDelta("a")], "the answer was cut off before its end"),
        ([START, Finish("error", None, "abort")], "the provider ended its answer with 'abort'"),
        (
            [START, ToolCallDelta(0, "x", "f", "{nope"), Finish("tool_calls")],
            "the arguments of tool call 'f' are not a JSON object: {nope",
        ),
    ],
)
def test_a_failure_raises_in_the_client(events: list[Event], error: str, mode: Mode, serve: Serve) -> None:
    with pytest.raises(ollama.ResponseError) as caught:
        read(serve(events), mode)
    assert caught.value.error == error


@pytest.mark.parametrize("mode", ["chat", "generate"])
@pytest.mark.parametrize("events", [[], [TextDelta("a")], [START, Finish("stop")], [Done()]])
def test_the_shortest_answers_please_the_client(events: list[Event], mode: Mode, serve: Serve) -> None:
    assert read(serve(events), mode).text == ("a" if TextDelta("a") in events else "")


def test_arguments_that_were_cut_are_no_call(serve: Serve) -> None:
    events: list[Event] = [START, ToolCallDelta(0, "x", "f", '{"a'), Finish("length"), Done()]
    seen = read(serve(events), "chat")
    assert (seen.calls, seen.last.done_reason) == ([], "length")
