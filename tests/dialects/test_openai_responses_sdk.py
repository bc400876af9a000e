"""The real OpenAI SDK, over loopback HTTP: raw iteration, its `stream()` helper, and answers that are not streamed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from gai_stream import _json
from gai_stream.dialects.openai.errors import error_object
from gai_stream.dialects.openai_responses import OpenAIResponsesDecoder, OpenAIResponsesEncoder
from gai_stream.events import (
    AudioDelta,
    Citation,
    Citations,
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    Raw,
    ReasoningDelta,
    Safety,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from gai_stream.sse import SSEDecoder, SSEEncoder

Serve = Callable[[list[Event]], str]
START = Start("m", "openai", "r1")
USAGE = Usage(10, 5, 15, 2, 3, 1)
SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}

TOOLS = {"id": "mcpl_1", "type": "mcp_list_tools", "server_label": "wiki", "tools": []}


def wire(events: list[Event]) -> bytes:
    """The bytes that a client gets, with a heartbeat before and behind every message."""
    encoder, sse = OpenAIResponsesEncoder(), SSEEncoder()
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    return sse.heartbeat.join([b"", *(block for message in messages for block in sse.feed(message)), b""])


def body(events: list[Event]) -> bytes:
    """The body of the answer that is not streamed."""
    encoder = OpenAIResponsesEncoder(framing="ndjson")
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    return _json.dumps(encoder.whole(messages))


@pytest.fixture
def serve(loopback: Any) -> Serve:
    """Give events a base URL, from which any SDK reads them as a response, streamed or not."""

    def base_url(events: list[Event]) -> str:
        def answer(path: str, asked: bytes) -> tuple[int, dict[str, str], bytes]:
            if json.loads(asked).get("stream"):
                return 200, {"content-type": "text/event-stream; charset=utf-8"}, wire(events)
            return 200, {"content-type": "application/json"}, body(events)

        return str(loopback(answer))

    return base_url


def client(base_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=base_url, api_key="none", max_retries=0)


def read(base_url: str) -> list[Any]:
    """Return what raw iteration gives."""
    with client(base_url) as sdk, sdk.responses.create(model="m", input="x", stream=True) as stream:
        return list(stream)


def read_helper(base_url: str) -> tuple[Any, list[Any]]:
    """Return the helper's final response, and its events."""
    with client(base_url) as sdk, sdk.responses.stream(model="m", input="x") as stream:
        events = list(stream)
        return stream.get_final_response(), events


def read_whole(base_url: str) -> Any:
    with client(base_url) as sdk:
        return sdk.responses.create(model="m", input="x")


class Seen:
    """What a client that follows the events makes of them, and whether they were in order."""

    def __init__(self, events: list[Any]) -> None:
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
        assert len({event.response.id for event in events if hasattr(event, "response")}) == 1
        self.items: list[Any] = []
        self.open: dict[int, str] = {}
        self.text = self.refusal = self.reasoning = self.audio = self.transcript = ""
        self.arguments: dict[int, str] = {}
        self.annotations: list[Any] = []
        for event in events:
            self.take(event)
        self.end = events[-1]
        assert not self.open
        assert [item.to_dict() for item in self.end.response.output] == [item.to_dict() for item in self.items] or (
            self.late_sources()
        )

    def late_sources(self) -> bool:
        """Whether sources that came behind their text stand in the last event alone."""
        streamed = sum(len(p.annotations or ()) for i in self.items if i.type == "message" for p in i.content)
        final = [p for i in self.end.response.output if i.type == "message" for p in i.content]
        return sum(len(p.annotations or ()) for p in final) > streamed

    def take(self, event: Any) -> None:
        match event.type:
            case "response.output_item.added":
                assert event.output_index == len(self.items)
                assert not self.open
                self.open[event.output_index] = event.item.id
            case "response.output_item.done":
                assert self.open.pop(event.output_index) == event.item.id
                self.items.append(event.item)
                if event.item.type == "function_call":
                    assert event.item.arguments == self.arguments.get(event.output_index, "")
            case "response.audio.delta":
                self.audio += event.delta
            case "response.audio.transcript.delta":
                self.transcript += event.delta
            case "response.output_text.annotation.added":
                self.annotations.append(event.annotation)
            case kind if kind.endswith(".delta"):
                assert self.open == {event.output_index: event.item_id}
                field = {"output_text": "text", "refusal": "refusal", "reasoning_summary_text": "reasoning"}
                name = field.get(kind.split(".")[1])
                if name is None:
                    self.arguments[event.output_index] = self.arguments.get(event.output_index, "") + event.delta
                else:
                    setattr(self, name, getattr(self, name) + event.delta)


def of_openai(recorded: dict[str, list[Event]], expected: dict[str, Any]) -> dict[str, list[Event]]:
    """Every recording in one of OpenAI's two dialects."""
    return {name: events for name, events in recorded.items() if expected[name]["dialect"].startswith("openai-")}


def first_choice(wanted: dict[str, Any]) -> dict[str, Any]:
    return next((choice for choice in wanted.get("choices", ()) if choice["index"] == 0), wanted)


def calls_of(output: list[Any]) -> list[Any]:
    fields = {"function_call": "arguments", "custom_tool_call": "input"}
    return [(i.call_id, i.name, getattr(i, fields[i.type])) for i in output if i.type in fields]


def wanted_calls(events: list[Event]) -> list[Any]:
    """The calls that a client must see, in fragments or whole, in the order in which they begin."""
    calls: dict[int, list[Any]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta) and event.choice == 0:
            if event.name:
                calls[event.index] = [event.id, event.name, "", event.kind]
            calls[event.index][2] += event.arguments
    return [tuple(call[:3]) for call in calls.values() if call[3] != "server"]


def check_response(response: Any, name: str, events: list[Event], wanted: dict[str, Any]) -> None:
    """Compare a final response with the recording that was served."""
    end = events[-2]
    assert isinstance(end, Finish)
    strict = response.to_dict()
    if strict["usage"]:
        # The model requires it, and the API left it out for long.
        strict["usage"]["input_tokens_details"].setdefault("cache_write_tokens", 0)
    Response.model_validate(strict)
    assert response.model == wanted["meta"]["model"]
    choice = first_choice(wanted)
    assert response.output_text == choice["text"], name
    reasoning = [part.text for item in response.output if item.type == "reasoning" for part in item.summary]
    assert "".join(reasoning) == choice["reasoning"]
    refusals = [p.refusal for i in response.output if i.type == "message" for p in i.content if p.type == "refusal"]
    assert "".join(refusals) == wanted.get("refusal", "")
    assert calls_of(response.output) == wanted_calls(events), name
    cited = [p for i in response.output if i.type == "message" for p in i.content if p.type == "output_text"]
    sources = [citation for event in events if isinstance(event, Citations) for citation in event.citations]
    assert sum(len(part.annotations) for part in cited) == len(sources)
    for field in ("input_tokens", "output_tokens", "total_tokens"):
        assert getattr(response.usage, field, None) == getattr(end.usage, field, None), name
    cut = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(end.reason)
    assert response.status == ("incomplete" if cut else "completed")
    assert (response.incomplete_details and response.incomplete_details.reason) == cut


def test_every_recording_served_again_pleases_raw_iteration(
    recorded: dict[str, list[Event]], expected: dict[str, Any], serve: Serve
) -> None:
    count = 0
    for name, events in of_openai(recorded, expected).items():
        count += 1
        end = events[-2]
        if isinstance(end, Failure):
            with pytest.raises(openai.APIError) as caught:
                read(serve(events))
            assert (caught.value.message, caught.value.code) == (end.message, error_object(end)["error"]["code"])
            continue
        seen = Seen(read(serve(events)))
        choice = first_choice(expected[name])
        assert (seen.text, seen.reasoning) == (choice["text"], choice["reasoning"]), name
        assert seen.refusal == expected[name].get("refusal", "")
        assert seen.transcript == expected[name].get("audio_transcript", "")
        assert len(seen.audio) == expected[name].get("audio_b64_len", 0)
        check_response(seen.end.response, name, events, expected[name])
    assert count == 42


def test_every_recording_served_again_pleases_the_helper(
    recorded: dict[str, list[Event]], expected: dict[str, Any], serve: Serve
) -> None:
    for name, events in of_openai(recorded, expected).items():
        end = events[-2]
        if isinstance(end, Failure):
            with pytest.raises(openai.APIError):
                read_helper(serve(events))
        elif isinstance(end, Finish) and end.reason in ("length", "content_filter"):
            with pytest.raises(RuntimeError, match=r"Didn't receive a `response.completed` event"):
                read_helper(serve(events))
        else:
            check_response(read_helper(serve(events))[0], name, events, expected[name])


def test_every_recording_pleases_a_client_that_does_not_stream(
    recorded: dict[str, list[Event]], expected: dict[str, Any], serve: Serve
) -> None:
    for name, events in of_openai(recorded, expected).items():
        end, response = events[-2], read_whole(serve(events))
        if isinstance(end, Failure):
            assert (response.status, response.error.message) == ("failed", end.message)
        else:
            check_response(response, name, events, expected[name])


EVERYTHING: list[Event] = [
    START,
    Citations([Citation("https://early.example", "early")]),
    ReasoningDelta("", "rs_own"),
    ReasoningDelta("hm"),
    ReasoningDelta("", "rs_own", redacted="secret"),
    ReasoningDelta("more"),
    TextDelta("The \u2028 sea"),
    TextDelta("Das", 1),
    Citations([Citation("u", "t", 0, 3)]),
    Raw("openai_responses", {"type": "response.web_search_call.searching", "output_index": 1, "item_id": "ws_1"}),
    Raw("openai_responses", {"type": "response.output_item.done", "output_index": 1, "item": TOOLS}),
    Raw("gemini", {"x": 1}),
    ToolCallDelta(4, "ws_1", "web_search", kind="server"),
    ToolCall("ws_1", "web_search", {"action": {}}, kind="server"),
    ToolResult("ws_1", "web_search", SEARCH),
    Safety("hate", "warn"),
    AudioDelta(b"\0\1\2", "pcm16"),
    AudioDelta(b"", transcript="sea"),
    ToolCallDelta(5, "x", "f"),
    ToolCallDelta(5, arguments='{"a"'),
    TextDelta("meanwhile"),
    ToolCallDelta(6, "y", "g", "{}"),
    ToolCallDelta(5, arguments=":1}"),
    ToolCallDelta(7, "z", "sql", "SELECT", kind="custom"),
    ToolCall("x", "f", {"a": 1}, '{"a":1}'),
    ToolCall("y", "g", {}, "{}"),
    ToolCall("z", "sql", "SELECT 1", "SELECT 1", kind="custom"),
    ToolCall("w", "i", {"b": [1]}),
    ToolCall("v", "other choice", {}, choice=1),
    ToolResult("x", "f", 5),
    TextDelta("No.", refusal=True),
    TextDelta("But"),
    FinishStep(1),
    Finish("stop", USAGE),
    Done(),
]
ITEMS = [
    *("reasoning", "reasoning", "message", "mcp_list_tools", "web_search_call"),
    *("function_call", "message", "function_call", "custom_tool_call", "function_call", "message"),
]
CALLS = [("x", "f", '{"a":1}'), ("y", "g", "{}"), ("z", "sql", "SELECT 1"), ("w", "i", '{"b":[1]}')]


def check_everything(response: Any) -> None:
    assert (response.id, response.model, response.status, response.object) == ("r1", "m", "completed", "response")
    assert [item.type for item in response.output] == ITEMS
    assert calls_of(response.output) == CALLS
    assert response.output_text == "The \u2028 seameanwhileBut"
    first, second = response.output[:2]
    assert (first.id, first.encrypted_content, first.summary[0].text) == ("rs_own", "secret", "hm")
    assert second.id.startswith("rs_")
    assert second.encrypted_content is None
    assert response.output[4].to_dict() == SEARCH
    assert [(a.url, a.start_index, a.end_index) for a in response.output[2].content[0].annotations] == [
        ("https://early.example", 0, 0),
        ("u", 0, 3),
    ]
    assert [part.type for part in response.output[-1].content] == ["refusal", "output_text"]
    assert response.usage.to_dict() == {
        "input_tokens": 10,
        "input_tokens_details": {"cache_write_tokens": 1, "cached_tokens": 3},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }
    Response.model_validate(response.to_dict())


def test_one_answer_with_everything_in_it_is_read_whole(serve: Serve) -> None:
    seen = Seen(read(serve(EVERYTHING)))
    assert (seen.text, seen.reasoning, seen.refusal) == ("The \u2028 seameanwhileBut", "hmmore", "No.")
    assert seen.audio == base64.b64encode(b"\0\1\2").decode()
    assert seen.transcript == "sea"
    assert [annotation.url for annotation in seen.annotations] == ["https://early.example", "u"]
    check_everything(seen.end.response)


def test_the_stream_helper_builds_the_whole_response(serve: Serve) -> None:
    final, events = read_helper(serve(EVERYTHING))
    check_everything(final)
    assert [e.arguments for e in events if e.type == "response.function_call_arguments.done"] == [
        call[2] for call in CALLS if call[1] != "sql"
    ]


def test_a_client_that_does_not_stream_reads_the_same(serve: Serve) -> None:
    check_everything(read_whole(serve(EVERYTHING)))


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_async_client_reads_the_same(serve: Serve) -> None:
    async with openai.AsyncOpenAI(base_url=serve(EVERYTHING), api_key="none", max_retries=0) as sdk:
        check_everything(
            Seen([e async for e in await sdk.responses.create(model="m", input="x", stream=True)]).end.response
        )
        async with sdk.responses.stream(model="m", input="x") as stream:
            check_everything(await stream.get_final_response())


def facts(events: list[Event]) -> list[Event]:
    return [e for e in events if isinstance(e, Start | ToolCall | ToolResult | Citations | Finish | Done | Raw)]


@pytest.mark.parametrize("reader", [read, lambda url: read_helper(url)[1], lambda url: [read_whole(url)]])
def test_the_sdks_own_objects_decode_to_the_same_events(reader: Any, serve: Serve) -> None:
    decoder, plain = OpenAIResponsesDecoder(), OpenAIResponsesDecoder()
    events = [event for message in reader(serve(EVERYTHING)) for event in decoder.feed(message)] + decoder.finish()
    by_hand = [event for message in SSEDecoder().feed(wire(EVERYTHING)) for event in plain.feed(message)]
    is_whole = len([e for e in events if isinstance(e, TextDelta)]) < 5
    if not is_whole:
        assert facts(events) == facts(by_hand)
    kinds = (ToolCall, ToolResult, Finish)
    assert [e for e in events if isinstance(e, kinds)] == [e for e in by_hand if isinstance(e, kinds)]
    assert "".join(e.text for e in events if isinstance(e, TextDelta) and not e.refusal) == (
        "The \u2028 seameanwhileBut"
    )
    assert events[-2] == Finish("tool_calls", USAGE, "completed")


@pytest.mark.parametrize("reader", [read, read_helper])
@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([START, TextDelta("a"), Failure("overloaded", "try later", True)], "overloaded"),
        ([START, ToolCallDelta(0, "x", "f", "{"), TextDelta("b"), Failure("timeout", "too late")], "timeout"),
        ([Failure("rate_limited", "too many")], "rate_limit_exceeded"),
        ([START, TextDelta("a")], "truncated"),
        ([START, Finish("error", None, "abort")], "internal"),
    ],
)
def test_a_failure_raises_in_the_sdk(events: list[Event], code: str, reader: Any, serve: Serve) -> None:
    with pytest.raises(openai.APIError) as caught:
        reader(serve(events))
    assert caught.value.code == code


@pytest.mark.parametrize("events", [[], [TextDelta("a")], [START, Finish("stop")], [Done()]])
def test_the_shortest_answers_please_all(events: list[Event], serve: Serve) -> None:
    text = "a" if TextDelta("a") in events else ""
    assert Seen(read(serve(events))).text == text
    for response in (read_helper(serve(events))[0], read_whole(serve(events))):
        assert (response.output_text, response.status, response.usage) == (text, "completed", None)
        Response.model_validate(response.to_dict())
