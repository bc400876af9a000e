"""The real Anthropic SDK, over loopback HTTP: raw events, the `stream()` helper, and answers that are not streamed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import anthropic
import jiter
import pytest

from gai_stream.dialects.anthropic import AnthropicDecoder, AnthropicEncoder
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
from gai_stream.exceptions import DecodeError
from gai_stream.sse import SSEDecoder, SSEEncoder

Serve = Callable[[list[Event]], str]
START = Start("m", "anthropic", "msg_1")
USAGE = Usage(10, 5, 15, None, 3, 4)


def wire(events: list[Event]) -> bytes:
    """The bytes that a client gets, with a heartbeat before and behind every message."""
    encoder, sse = AnthropicEncoder(), SSEEncoder()
    data = encoder.heartbeat()
    for event in events:
        for message in encoder.feed(event):
            data += b"".join(sse.feed(message)) + encoder.heartbeat()
    return data + b"".join(block for message in encoder.finish() for block in sse.feed(message)) + encoder.heartbeat()


def whole(events: list[Event]) -> dict[str, Any]:
    encoder = AnthropicEncoder(framing="ndjson")
    return encoder.whole([message for event in events for message in encoder.feed(event)] + encoder.finish())


@pytest.fixture(scope="module")
def serve(loopback: Any) -> Iterator[Serve]:
    """Give events a base URL, from which the SDK reads them as a message, streamed or not."""

    def base_url(events: list[Event]) -> str:
        def answer(path: str, asked: bytes) -> tuple[int, dict[str, str], bytes]:
            if json.loads(asked).get("stream"):
                return 200, {"content-type": "text/event-stream"}, wire(events)
            return 200, {"content-type": "application/json"}, json.dumps(whole(events)).encode()

        return str(loopback(answer))

    yield base_url
    shared().close()


ASKED: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}


@cache
def shared() -> anthropic.Anthropic:
    """One client for all: to make one takes longer than an answer."""
    return anthropic.Anthropic(api_key="none", max_retries=0)


def client(base_url: str) -> anthropic.Anthropic:
    return shared().with_options(base_url=base_url)


def read(base_url: str) -> list[Any]:
    """Return the raw events."""
    with client(base_url).messages.create(**ASKED, stream=True) as stream:
        return list(stream)


def read_helper(base_url: str) -> tuple[Any, list[Any]]:
    """Return the helper's final message, and its events."""
    with client(base_url).messages.stream(**ASKED) as stream:
        events = list(stream)
        return stream.get_final_message(), events


def read_whole(base_url: str) -> Any:
    return client(base_url).messages.create(**ASKED)


def joined(message: Any, kind: str) -> str:
    return "".join(getattr(block, kind) for block in message.content if block.type == kind)


def tools(message: Any) -> list[tuple[str, str, Any]]:
    return [(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"]


def arguments(call: dict[str, Any]) -> Any:
    """What the SDK makes of a call's arguments, even if they were cut."""
    if call.get("type") == "custom_tool_call":
        return {"input": call["arguments_raw"]}
    if not call.get("arguments_invalid_json"):
        return call["arguments"]
    return jiter.from_json(call["arguments_raw"].encode(), partial_mode=True)


def reason(finish: Finish, wanted: dict[str, Any], calls: list[Any]) -> str:
    """Return the word that providers.md section 11 has for why an answer ended."""
    if wanted["dialect"] == "anthropic":
        return str(wanted["finish_reason"])
    if wanted.get("refusal"):
        return "refusal"
    early = {"length": "max_tokens", "content_filter": "refusal"}
    return early.get(finish.reason) or ("tool_use" if calls else "end_turn")


def check(name: str, message: Any, events: list[Event], wanted: dict[str, Any], *, streamed: bool) -> None:
    """Compare a message with what the SDK of the stream's own provider made of it."""
    finish = events[-2]
    assert isinstance(finish, Finish)
    choice = wanted["choices"][0] if wanted.get("choices") else wanted
    assert joined(message, "text") == choice["text"] + wanted.get("refusal", ""), name
    assert joined(message, "thinking") == choice.get("reasoning", ""), name
    calls = [call for call in wanted["tool_calls"] if streamed or not call.get("arguments_invalid_json")]
    told = [
        (call.get("id") or id, call["name"], arguments(call))
        for call, (id, *_) in zip(calls, tools(message), strict=True)
    ]
    assert tools(message) == told, name
    assert message.stop_reason == reason(finish, wanted, wanted["tool_calls"]), name
    usage = finish.usage or Usage()
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    assert (message.usage.input_tokens + read + written, message.usage.output_tokens) == (
        usage.input_tokens or 0,
        usage.output_tokens or 0,
    )
    assert (message.usage.cache_read_input_tokens, message.usage.cache_creation_input_tokens) == (read, written)
    assert all(block.text for block in message.content if block.type == "text")
    if wanted["dialect"] == "anthropic" and len(calls) == len(wanted["tool_calls"]):
        kinds = [block.type for block in message.content]
        assert without_repeats(kinds) == without_repeats(wanted["block_types"])
        assert (message.stop_sequence, message.id) == (wanted.get("stop_sequence"), wanted["meta"]["id"])


def without_repeats(kinds: list[str]) -> list[str]:
    return [kind for place, kind in enumerate(kinds) if kinds[:place][-1:] != [kind]]


def test_every_recording_served_again_pleases_the_helper(
    recorded: dict[str, list[Event]], expected: dict[str, Any], serve: Serve
) -> None:
    for name, events in recorded.items():
        url, end = serve(events), events[-2]
        if isinstance(end, Failure):
            with pytest.raises(anthropic.APIStatusError) as caught:
                read_helper(url)
            assert caught.value.body["error"]["message"] == end.message  # type: ignore[index]
            continue
        final, told = read_helper(url)
        check(name, final, events, expected[name], streamed=True)
        assert told[-1].type == "message_stop"
        assert "".join(event.text for event in told if event.type == "text") == joined(final, "text")


def test_every_recording_served_again_pleases_raw_iteration(
    recorded: dict[str, list[Event]], expected: dict[str, Any], serve: Serve
) -> None:
    for name, events in recorded.items():
        url = serve(events)
        if isinstance(events[-2], Failure):
            with pytest.raises(anthropic.APIStatusError):
                read(url)
            continue
        told = read(url)
        kinds = [event.type for event in told]
        assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"]), name
        # Whoever decodes the SDK's own objects sees what we sent.
        decoder = AnthropicDecoder()
        again = [event for event in told for event in decoder.feed(event)] + decoder.finish()
        text = "".join(event.text for event in again if isinstance(event, TextDelta))
        assert text == "".join(event.text for event in events if isinstance(event, TextDelta) and not event.index)
        pieces = "".join(event.arguments for event in again if isinstance(event, ToolCallDelta))
        if not any(isinstance(event, ToolCallDelta) and event.kind != "function" for event in events):
            assert pieces == "".join(e.arguments for e in events if isinstance(e, ToolCallDelta) and not e.choice)


def test_every_recording_in_one_piece_pleases_the_call_that_does_not_stream(
    recorded: dict[str, list[Event]], expected: dict[str, Any], serve: Serve
) -> None:
    for name, events in recorded.items():
        if isinstance(events[-2], Failure):
            assert whole(events)["type"] == "error"
            continue
        check(name, read_whole(serve(events)), events, expected[name], streamed=False)


EVERYTHING: list[Event] = [
    START,
    ReasoningDelta("hm"),
    ReasoningDelta("", "seal"),
    ReasoningDelta("", redacted="secret"),
    TextDelta("The \u2028 sea"),
    TextDelta("Das", 1),
    Citations([Citation("https://a.example", "A", 0, 9, "sea"), Citation("https://b.example")]),
    TextDelta(" is blue"),
    Raw("anthropic", {"type": "new_event"}),
    Raw("anthropic", {"type": "content_block_start", "index": 9, "content_block": {"type": "new_block", "a": 1}}),
    Raw("gemini", {"x": 1}),
    Safety("hate", "warn"),
    AudioDelta(b"\0\1\2", "pcm16"),
    ToolCallDelta(0, "srv_1", "web_search", '{"q":1}', kind="server"),
    ToolCall("srv_1", "web_search", {"q": 1}, '{"q":1}', kind="server"),
    ToolResult(
        "srv_1", "web_search", [{"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": ""}]
    ),
    ToolCallDelta(5, "x", "f"),
    ToolCallDelta(5, arguments='{"a"'),
    ToolCallDelta(6, "y", "g", "{}"),
    TextDelta("waits"),
    ToolCallDelta(5, arguments=":1}"),
    ToolCall("x", "f", {"a": 1}, '{"a":1}'),
    ToolCall("y", "g", {}, "{}"),
    ToolCall("w", "i", {"b": [1]}),
    ToolCall("v", "run", "free text", "free text", kind="custom"),
    FinishStep(1),
    Finish("stop", USAGE),
    Done(),
]
KINDS = [
    *("thinking", "redacted_thinking", "text", "text", "new_block", "server_tool_use", "web_search_tool_result"),
    *("tool_use", "text", "tool_use", "tool_use", "tool_use"),
]


def check_everything(message: Any) -> None:
    assert [block.type for block in message.content] == KINDS
    assert joined(message, "text") == "The \u2028 sea is bluewaits"
    assert (message.content[0].thinking, message.content[0].signature) == ("hm", "seal")
    assert message.content[1].data == "secret"
    first, second = message.content[2].citations
    assert (first.type, first.url, first.title, first.cited_text) == (
        "web_search_result_location",
        "https://a.example",
        "A",
        "sea",
    )
    assert (second.url, second.title, second.cited_text, second.encrypted_index) == ("https://b.example", None, "", "")
    assert message.content[3].citations is None
    assert tools(message) == [
        ("x", "f", {"a": 1}),
        ("y", "g", {}),
        ("w", "i", {"b": [1]}),
        ("v", "run", {"input": "free text"}),
    ]
    assert (message.id, message.model, message.role, message.stop_reason) == ("msg_1", "m", "assistant", "tool_use")
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (3, 3, 4)
    assert usage.output_tokens == 5


def test_one_answer_with_everything_in_it_is_read_whole(serve: Serve) -> None:
    final, events = read_helper(serve(EVERYTHING))
    check_everything(final)
    assert [event.signature for event in events if event.type == "signature"] == ["seal"]
    assert len([event for event in events if event.type == "citation"]) == 2
    check_everything(read_whole(serve(EVERYTHING)))


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_async_client_reads_the_same(serve: Serve) -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=serve(EVERYTHING), api_key="none", max_retries=0) as sdk,
        sdk.messages.stream(**ASKED) as stream,
    ):
        check_everything(await stream.get_final_message())


def heard(messages: list[Any]) -> list[Event]:
    decoder = AnthropicDecoder()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


def test_the_helpers_events_do_not_count_twice(serve: Serve) -> None:
    url = serve(EVERYTHING)
    raw = heard(read(url))
    final, told = read_helper(url)
    plain = heard([event.model_dump(exclude_unset=True, warnings=False) for event in told])
    assert heard(told) == raw == plain
    assert [event for event in raw if isinstance(event, ToolCall)] == [
        ToolCall("srv_1", "web_search", {"q": 1}, '{"q":1}', kind="server"),
        ToolCall("x", "f", {"a": 1}, '{"a":1}'),
        ToolCall("y", "g", {}, "{}"),
        ToolCall("w", "i", {"b": [1]}, '{"b":[1]}'),
        ToolCall("v", "run", {"input": "free text"}, '{"input":"free text"}'),
    ]
    assert raw[-3:] == [FinishStep(1), Finish("tool_calls", USAGE, "tool_use"), Done()]

    def words(events: list[Event], kind: Any) -> str:
        return "".join(event.text for event in events if isinstance(event, kind))

    # And so does a message that was not streamed.
    once = heard([final])
    for kind in (TextDelta, ReasoningDelta):
        assert words(once, kind) == words(raw, kind)
    assert once[-3:] == raw[-3:]


def test_the_beta_helper_reads_the_same_and_more(serve: Serve) -> None:
    events: list[Event] = [
        START,
        Raw("anthropic", {"type": "content_block_start", "index": 0, "content_block": {"type": "compaction"}}),
        Raw(
            "anthropic",
            {"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "c"}},
        ),
        *EVERYTHING[1:],
    ]
    with client(serve(events)).beta.messages.stream(**ASKED) as stream:
        told = list(stream)
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["compaction", *KINDS]
    assert final.content[0].content == "c"  # type: ignore[union-attr]
    again = heard(told)
    assert [event.data["type"] for event in again if isinstance(event, Raw)] == [
        *("content_block_start", "content_block_delta", "new_event", "content_block_start")
    ]
    assert again[-2] == Finish("tool_calls", USAGE, "tool_use")


@pytest.mark.parametrize("reader", [read, read_helper])
@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([START, TextDelta("a"), Failure("overloaded", "try later", True)], "overloaded_error"),
        ([START, ToolCallDelta(0, "x", "f", "{"), Failure("timeout", "try later", True)], "timeout_error"),
        ([Failure("rate_limited", "too many")], "rate_limit_error"),
        ([START, TextDelta("a")], "api_error"),
        ([START, Finish("error", None, "abort")], "api_error"),
    ],
)
def test_a_failure_raises_in_the_sdk(events: list[Event], kind: str, reader: Any, serve: Serve) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        reader(serve(events))
    assert caught.value.body["error"]["type"] == kind  # type: ignore[index]


@pytest.mark.parametrize("events", [[], [TextDelta("a")], [START, Finish("stop")], [Done()]])
def test_the_shortest_answers_please_both(events: list[Event], serve: Serve) -> None:
    url = serve(events)
    assert len(read(url)) >= 3
    for message in (read_helper(url)[0], read_whole(url)):
        assert joined(message, "text") == ("a" if TextDelta("a") in events else "")
        assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 0)


@pytest.mark.parametrize(
    "calls",
    [
        [
            ToolCallDelta(0, "x", "f", '{"a":'),
            ToolCallDelta(0, arguments="1}"),
            ToolCall("x", "f", {"a": 1}, '{"a":1}'),
        ],
        [ToolCall("x", "f", {"a": 1}, '{"a": 1}')],
        [ToolCallDelta(0, "x", "f", '{"a":1}')],
        [ToolCallDelta(0, "x", "f", '{"a":1'), TextDelta("-"), ToolCall("x", "f", {"a": 1}, '{"a":1}')],
    ],
)
def test_a_call_is_read_however_it_is_told(calls: list[Event], serve: Serve) -> None:
    url = serve([START, *calls, Finish("tool_calls"), Done()])
    for message in (read_helper(url)[0], read_whole(url)):
        assert tools(message) == [("x", "f", {"a": 1})]
        assert message.stop_reason == "tool_use"


def test_a_call_that_was_cut_is_partial_in_a_stream_and_left_out_of_a_whole_answer(serve: Serve) -> None:
    url = serve([START, ToolCallDelta(0, "x", "f", '{"a": [1, 2'), Finish("length"), Done()])
    final, _ = read_helper(url)
    assert (tools(final), final.stop_reason) == ([("x", "f", {"a": [1, 2]})], "max_tokens")
    assert (tools(read_whole(url)), read_whole(url).stop_reason) == ([], "max_tokens")


def test_a_whole_answer_without_a_call_that_can_be_run_asks_for_none() -> None:
    body = whole([START, ToolCallDelta(0, "x", "f", "{not json"), Finish("tool_calls"), Done()])
    assert (body["content"], body["stop_reason"]) == ([], "end_turn")
    body = whole([START, ToolCallDelta(0, "x", "f", "[1]"), ToolCall("y", "g", {}), Finish("tool_calls"), Done()])
    assert [block["id"] for block in body["content"]] == ["y"]
    assert body["stop_reason"] == "tool_use"


def test_a_whole_answer_keeps_what_was_passed_on_unknown() -> None:
    block = {"type": "content_block_start", "content_block": {"type": "compaction", "content": None}}
    delta = {"type": "content_block_delta", "delta": {"type": "compaction_delta", "content": "short"}}
    body = whole([START, Raw("anthropic", block), Raw("anthropic", delta), Finish("stop"), Done()])
    assert body["content"] == [{"type": "compaction", "content": "short"}]


def test_the_gateways_sentinel_kills_the_sdk_and_not_us(corpus: Path) -> None:
    data = (corpus / "anthropic/openrouter_gateway_done_sentinel.sse").read_bytes()
    decoder = AnthropicDecoder()
    try:
        events = [event for message in SSEDecoder().feed(data) for event in decoder.feed(message)]
    except DecodeError:
        pytest.fail("[DONE] is tolerated")
    assert events[-1] == Done()
