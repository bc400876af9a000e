"""Lift: text and every SDK's objects become events; the real SDKs, over loopback HTTP, say what their bytes say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gai_stream import sse_response
from gai_stream.dialects import registry
from gai_stream.dialects.gai import GaiDecoder
from gai_stream.events import Done, Event, Failure, Finish, ReasoningDelta, Start, TextDelta, ToolCall
from gai_stream.exceptions import TruncatedStream
from gai_stream.lift import Lift
from gai_stream.ndjson import NDJSONDecoder
from gai_stream.sse import ServerSentEvent, SSEDecoder
from gai_stream.testing import ASGIClient


def chunk(content: str | None, finish_reason: str | None = None) -> Any:
    from openai.types.chat import ChatCompletionChunk

    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish_reason}
    return ChatCompletionChunk.model_validate(
        {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    )


def test_lift_makes_events_of_text_and_of_sdk_chunks() -> None:
    lift = Lift()
    assert lift.feed("a") == [TextDelta("a")]
    start, delta = lift.feed(chunk("Hi"))
    assert isinstance(start, Start)
    assert delta == TextDelta("Hi")
    lift.feed(chunk(None, "stop"))
    assert lift.finish()[-1] == Done()


def test_lift_makes_text_of_every_kind_of_str() -> None:
    class Loud(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "LOUD"

    (delta,) = Lift().feed(Loud("quiet"))
    assert delta == TextDelta("quiet")
    assert type(delta.text) is str


def test_lift_leaves_everything_else_alone() -> None:
    import pydantic

    class Model(pydantic.BaseModel):
        x: int = 1

    lift = Lift()
    mine: list[Any] = [
        {"event": "on_sale"},
        {"type": "hi", "ns": (), "data": 1},
        {"event": 1, "run_id": 1, "data": 1, "parent_ids": 1},
    ]
    mine += [("a", 1), (1, {}), ("messages",), ("updates", 1, 2), Model]
    for item in (TextDelta("a"), ServerSentEvent("a"), {"a": 1}, [1], 7, None, Model(), *mine):
        assert lift.feed(item) == [item]
    assert lift.finish() == []


def test_lift_tells_a_cut_sdk_stream_from_a_whole_one() -> None:
    lift = Lift()
    lift.feed(chunk("Hi"))
    with pytest.raises(TruncatedStream):
        lift.finish()


def test_lift_knows_the_chunks_of_sdks_that_follow_openais_by_their_object() -> None:
    class Chunk:
        object = "chat.completion.chunk"

        def model_dump(self, **_: Any) -> Any:
            return {"id": "x", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}

    lift = Lift()
    assert lift.feed(Chunk()) == [Start(None, None, "x"), TextDelta("Hi")]
    assert isinstance(lift.finish()[-2], Finish)


def test_lift_knows_what_langchain_and_langgraph_yield() -> None:
    from langchain_core.messages import AIMessageChunk

    hi = AIMessageChunk("Hi")
    event = {"event": "on_chat_model_stream", "run_id": "r", "parent_ids": ["p"], "data": {"chunk": hi}}
    part = {"type": "messages", "ns": (), "data": (hi, {})}
    for item in (hi, event, (hi, {}), ("messages", (hi, {})), (("sub:1",), "messages", (hi, {})), part):
        assert Lift().feed(item) == [Start(), TextDelta("Hi")]
    assert Lift().feed(("values", {"secret": 1})) == []


def test_lift_takes_of_a_helpers_events_what_was_sent() -> None:
    from anthropic.lib.streaming import TextEvent
    from openai.lib.streaming.chat import ContentDeltaEvent

    lift = Lift()
    assert lift.feed(TextEvent(type="text", text="a", snapshot="a")) == []
    assert lift.feed(ContentDeltaEvent(type="content.delta", delta="a", snapshot="a", parsed=None)) == []
    assert lift.finish() == []


def test_a_second_sdks_stream_begins_where_the_first_ones_ended() -> None:
    from langchain_core.messages import AIMessageChunk

    lift = Lift()
    lift.feed(chunk("Hi"))
    with pytest.raises(TruncatedStream):
        lift.feed(AIMessageChunk("there"))
    lift = Lift()
    lift.feed(chunk("Hi", "stop"))
    *end, start, text = lift.feed(AIMessageChunk("there"))
    assert end[-1] == Done()
    assert (start, text) == (Start(), TextDelta("there"))


def test_lift_is_used_once() -> None:
    lift = Lift()
    lift.finish()
    with pytest.raises(RuntimeError, match="feed after finish"):
        lift.feed("a")
    with pytest.raises(RuntimeError, match="finish after finish"):
        lift.finish()


# The real SDKs


@pytest.fixture(scope="module")
def replay(corpus: Path) -> Iterator[Callable[[str], str]]:
    """Give a recording a base URL, from which any SDK reads it, whatever it asks for."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            folder, name = self.path.split("/")[1:3]
            self.send_response(200)
            kind = "application/x-ndjson" if name.endswith("ndjson") else "text/event-stream"
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write((corpus / folder / name).read_bytes())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield lambda name: f"http://127.0.0.1:{server.server_port}/{name}"
    server.shutdown()
    thread.join()
    server.server_close()


ASK: Any = {"model": "m", "messages": [{"role": "user", "content": "?"}]}


def openai_chat(url: str, kind: str) -> Any:
    client = _openai(url, kind)
    return client, client.chat.completions.create(**ASK, stream=True)


def openai_chat_manager(url: str, kind: str) -> Any:
    client = _openai(url, kind)
    return client, client.chat.completions.stream(**ASK)


def openai_responses(url: str, kind: str) -> Any:
    client = _openai(url, kind)
    return client, client.responses.create(model="m", input="?", stream=True)


def openai_responses_manager(url: str, kind: str) -> Any:
    client = _openai(url, kind)
    return client, client.responses.stream(model="m", input="?")


def anthropic_messages(url: str, kind: str) -> Any:
    client = _anthropic(url, kind)
    return client, client.messages.create(**ASK, max_tokens=9, stream=True)


def anthropic_manager(url: str, kind: str) -> Any:
    client = _anthropic(url, kind)
    return client, client.messages.stream(**ASK, max_tokens=9)


def gemini_content(url: str, kind: str) -> Any:
    from google import genai

    client = genai.Client(api_key="none", http_options={"base_url": url})
    side: Any = client.aio if kind else client
    return side, side.models.generate_content_stream(model="m", contents="?")


def ollama_chat(url: str, kind: str) -> Any:
    client = _ollama(url, kind)
    return client, client.chat(**ASK, stream=True)


def ollama_generate(url: str, kind: str) -> Any:
    client = _ollama(url, kind)
    return client, client.generate(model="m", prompt="?", stream=True)


def _openai(url: str, kind: str) -> Any:
    import openai

    return getattr(openai, f"{kind}OpenAI")(base_url=url, api_key="none", max_retries=0)


def _anthropic(url: str, kind: str) -> Any:
    import anthropic

    return getattr(anthropic, f"{kind}Anthropic")(base_url=url, api_key="none", max_retries=0)


def _ollama(url: str, kind: str) -> Any:
    import ollama

    return getattr(ollama, f"{kind}Client")(host=url)


# The dialect of a recording, and what makes an SDK read it. The helpers of openai raise on what they do not expect.
CALLS: dict[str, tuple[str, tuple[Callable[[str, str], Any], ...]]] = {
    "openai-chat": ("openai", (openai_chat,)),
    "openai-responses": ("openai_responses", (openai_responses,)),
    "anthropic": ("anthropic", (anthropic_messages, anthropic_manager)),
    "gemini": ("gemini", (gemini_content,)),
    "ollama": ("ollama", (ollama_chat,)),
}
HELPED = {
    "openai/tool_with_content.sse": openai_chat_manager,
    "openai/text_usage.sse": openai_chat_manager,
    "openai_responses/text_basic.sse": openai_responses_manager,
    "openai_responses/function_call.sse": openai_responses_manager,
}


def recordings(expected: dict[str, Any]) -> Iterator[tuple[str, str, Callable[[str, str], Any], bool]]:
    """Every recording that an SDK reads, each way to read it, and whether it may fail."""
    for name, wanted in expected.items():
        dialect, calls = CALLS.get(wanted["dialect"], ("", ()))
        if "generate_" in name:
            calls = (ollama_generate,)
        # An SDK keeps [DONE] to itself: without a finish reason its stream looks cut.
        fails = bool(wanted.get("sdk_exception")) or (dialect == "openai" and not wanted.get("finish_reason"))
        for call in (*calls, HELPED[name]) if name in HELPED else calls:
            yield name, dialect, call, fails


def facts(events: list[Event]) -> dict[str, Any]:
    """What a client has at the end."""
    end = next((event for event in events if isinstance(event, Finish)), None)
    return {
        "text": "".join(event.text for event in events if isinstance(event, TextDelta)),
        "reasoning": "".join(event.text for event in events if isinstance(event, ReasoningDelta)),
        "seals": [event.signature for event in events if isinstance(event, ReasoningDelta) and event.signature],
        "calls": [event for event in events if isinstance(event, ToolCall)],
        "end": end and (end.reason, end.usage),
        "failed": any(isinstance(event, Failure) for event in events),
        "done": [event for event in events if isinstance(event, Done)],
    }


async def served(stream: Any) -> dict[str, Any]:
    async with ASGIClient(sse_response(stream, hold=0)) as client:
        response = await client.get("/")
    decoder = GaiDecoder()
    messages = SSEDecoder().feed(response.content)
    return facts([event for message in messages for event in decoder.feed(message)] + decoder.finish())


def said_by(data: bytes, dialect: str) -> list[Event]:
    """What the bytes say, without any SDK; the last message may lack its end, which SDKs do not mind."""
    framing, make = registry.dialect(dialect)[1:3]
    assert make is not None
    decoder: Any = make()
    ignored = getattr(decoder, "ignored", None)
    messages: Any = SSEDecoder(on_ignored=ignored) if framing == "sse" else NDJSONDecoder()
    found: list[Any] = [*messages.feed(data + b"\n\n"), *messages.finish()]
    events = [event for message in found for event in decoder.feed(message)]
    with suppress(TruncatedStream):
        events += decoder.finish()
    return events


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:.*is not a valid:UserWarning")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("kind", ["", "Async"], ids=["sync", "async"])
async def test_every_sdks_stream_says_what_its_bytes_say(
    kind: str, corpus: Path, expected: dict[str, Any], replay: Callable[[str], str]
) -> None:
    for name, dialect, call, fails in recordings(expected):
        client, stream = call(replay(name), kind)
        seen = await served(await stream if hasattr(stream, "__await__") else stream)
        close: Any = getattr(client, "aclose", None) or getattr(client, "close", None)
        if hasattr(closing := close(), "__await__"):
            await closing
        wanted = await served(said_by((corpus / name).read_bytes(), dialect))
        if fails and seen["failed"]:
            # Where it raises behind the answer's end, nobody needs to know.
            assert wanted["text"].startswith(seen["text"])
            continue
        if dialect == "ollama":
            # Its SDK drops the ids of calls, so that they are made up.
            seen["calls"], wanted["calls"] = ([(c.name, c.input) for c in each["calls"]] for each in (seen, wanted))
        assert seen == wanted, (name, call.__name__)
        assert wanted["done"]
