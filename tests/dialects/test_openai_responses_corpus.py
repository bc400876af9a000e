"""Every recorded Responses stream: decoded as the real SDK sees it, and served again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gai_stream.dialects.openai import OpenAIDecoder
from gai_stream.dialects.openai_responses import OpenAIResponsesDecoder, OpenAIResponsesEncoder
from gai_stream.events import (
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
)
from gai_stream.exceptions import TruncatedStream
from gai_stream.sse import SSEDecoder

INCOMPLETE = {"max_output_tokens": "length"}


def events_of(*chunks: bytes) -> list[Event]:
    """What the bytes say, through the decoders that a provider would use."""
    sse, decoder = SSEDecoder(), OpenAIResponsesDecoder()
    messages = [message for chunk in chunks for message in sse.feed(chunk)] + sse.finish()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


def files(expected: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    found = {name: entry for name, entry in expected.items() if entry["dialect"] == "openai-responses"}
    assert len(found) == 13
    yield from found.items()


def words(events: list[Event], *, refusal: bool = False) -> str:
    return "".join(e.text for e in events if isinstance(e, TextDelta) and e.refusal == refusal)


def thoughts(events: list[Event]) -> str:
    return "".join(e.text for e in events if isinstance(e, ReasoningDelta))


def check_grammar(events: list[Event]) -> None:
    """Check what holds for every decoder: Start first and once, one Finish or Failure, Done last, calls in between."""
    kinds = [type(event) for event in events]
    assert kinds.count(Start) == 1
    assert kinds[0] is Start
    assert kinds.count(Finish) + kinds.count(Failure) == 1
    assert kinds.count(Done) == 1
    assert kinds[-1] is Done
    if Finish in kinds:
        assert kinds[-3:] == [FinishStep, Finish, Done]


def check_calls(events: list[Event], wanted: list[dict[str, Any]]) -> None:
    """Compare ids, names, and arguments as text and as values; a call that was cut has only its fragments."""
    fragments = [event for event in events if isinstance(event, ToolCallDelta)]
    by_server = {event.index for event in fragments if event.kind == "server"}
    texts: dict[int, str] = {}
    told: dict[int, tuple[str | None, str | None]] = {}
    for event in fragments:
        if event.index not in by_server:
            texts[event.index] = texts.get(event.index, "") + event.arguments
            told.setdefault(event.index, (event.id, event.name))
    assert [(*told[index], texts[index]) for index in told] == [
        (call["id"], call["name"], call["arguments_raw"]) for call in wanted
    ]
    whole = [call for call in wanted if not call.get("arguments_invalid_json")]
    assert [event for event in events if isinstance(event, ToolCall) and event.kind != "server"] == [
        ToolCall(
            call["id"],
            call["name"],
            call["arguments"],
            call["arguments_raw"],
            kind="custom" if call["type"] == "custom_tool_call" else "function",
        )
        for call in whole
    ]


def server_items(events: list[Event]) -> list[str]:
    """The types of the items that came whole: the results of the provider's own calls, and those without a name."""
    found = []
    for event in events:
        if isinstance(event, ToolResult):
            found.append(event.result["type"])
        elif isinstance(event, Raw) and event.data["type"] == "response.output_item.done":
            found.append(event.data["item"]["type"])
    return found


def check(name: str, events: list[Event], wanted: dict[str, Any]) -> None:
    check_grammar(events)
    start, end = events[0], events[-2]
    assert isinstance(start, Start)
    assert start.provider == "openai"
    if "model" in wanted["meta"]:
        assert start.model == wanted["meta"]["model"]
        # The recording that has another id in every event says there what the last one says.
        assert start.id == wanted["meta"]["id"] or "id_rotation" in name
    assert (words(events), thoughts(events)) == (wanted["text"], wanted["reasoning"])
    assert words(events, refusal=True) == wanted.get("refusal", "")
    assert (Safety("refusal", "block") in events) == bool(wanted.get("refusal"))
    check_calls(events, wanted["tool_calls"])
    own = ("message", "reasoning", "function_call", "custom_tool_call")
    assert server_items(events) == [kind for kind in wanted["item_types"] if kind not in own]
    assert sum(len(event.citations) for event in events if isinstance(event, Citations)) == wanted.get("annotations", 0)
    if "error" in wanted:
        assert isinstance(end, Failure)
        assert (end.code, end.message, end.temporary) == ("rate_limited", wanted["error"]["message"], False)
        return
    assert isinstance(end, Finish)
    assert end.raw_reason == wanted["finish_reason"]
    done = "tool_calls" if wanted["tool_calls"] else "stop"
    assert end.reason == INCOMPLETE.get(wanted.get("incomplete_reason", ""), done)
    assert end.usage is not None
    assert {field: getattr(end.usage, field) for field in wanted["usage"]} == wanted["usage"]


def test_every_recording_decodes_to_what_the_real_sdk_sees(corpus: Path, expected: dict[str, Any]) -> None:
    for name, wanted in files(expected):
        check(name, events_of((corpus / name).read_bytes()), wanted)


def test_every_recording_without_its_end_is_cut_and_never_a_clean_stop(corpus: Path, expected: dict[str, Any]) -> None:
    for name, _ in files(expected):
        head = (corpus / name).read_bytes().split(b"response.completed")[0]
        if b"response.incomplete" in head or b"response.failed" in head:
            continue
        decoder = OpenAIResponsesDecoder()
        events = [event for message in SSEDecoder().feed(head) for event in decoder.feed(message)]
        assert not any(isinstance(event, Finish | Done) for event in events)
        with pytest.raises(TruncatedStream, match=r"^the stream ended before the answer did$"):
            decoder.finish()


def told(events: list[Event]) -> tuple[Any, ...]:
    """What must be the same however an answer comes; a failed one has no usage."""
    kept = (Start, ToolCall, ToolResult, Citations, Safety, Finish, Done)
    calls = [event for event in events if isinstance(event, kept)]
    failures = [event.message for event in events if isinstance(event, Failure)]
    return words(events), thoughts(events), words(events, refusal=True), calls, failures, server_items(events)


def without_deltas(data: bytes) -> list[dict[str, Any]]:
    """The stream of a server that leaves all deltas out."""
    values = [json.loads(message.data) for message in SSEDecoder().feed(data) if message.data != "[DONE]"]
    return [value for value in values if not value["type"].endswith((".delta", ".annotation.added"))]


@pytest.mark.parametrize("left_out", ["deltas", "texts", "items"])
def test_what_was_not_streamed_is_told_from_what_repeats_it(
    left_out: str, corpus: Path, expected: dict[str, Any]
) -> None:
    for name, _ in files(expected):
        data = (corpus / name).read_bytes()
        values = without_deltas(data)
        if left_out != "deltas":
            values = [v for v in values if not v["type"].endswith(("_text.done", "refusal.done", "_part.done"))]
            values = [v for v in values if not v["type"].endswith(("arguments.done", "input.done"))]
        if left_out == "items":
            values = [v for v in values if "output_item" not in v["type"]]
        decoder = OpenAIResponsesDecoder()
        events = [event for value in values for event in decoder.feed(value)] + decoder.finish()
        check_grammar(events)
        whole = events_of(data)
        if "raw_cot" in name:
            # Its items overlap, so that the order of the whole texts is another one; each is the same.
            assert words(events) == words(whole)
            assert thoughts(events) == thoughts(whole)
            continue
        assert told(events) == told(whole), name


def test_the_body_of_an_answer_that_was_not_streamed_tells_the_same(corpus: Path, expected: dict[str, Any]) -> None:
    for name, _ in files(expected):
        data = (corpus / name).read_bytes()
        body = [json.loads(m.data)["response"] for m in SSEDecoder().feed(data) if '"response":{' in m.data][-1]
        decoder = OpenAIResponsesDecoder()
        events = decoder.feed(json.dumps(body)) + decoder.finish()
        check_grammar(events)
        if "id_rotation" not in name:
            assert told(events) == told(events_of(data)), name


def served(events: list[Event]) -> tuple[list[Event], list[Event]]:
    """The events, sent to a client that decodes as we do: streamed, and not."""
    encoder, decoder, other = (
        OpenAIResponsesEncoder(framing="ndjson"),
        OpenAIResponsesDecoder(),
        OpenAIResponsesDecoder(),
    )
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    streamed = [event for message in messages for event in decoder.feed(message)] + decoder.finish()
    return streamed, other.feed(encoder.whole(messages)) + other.finish()


def test_every_recording_served_again_decodes_to_the_same(corpus: Path, expected: dict[str, Any]) -> None:
    for name, _ in files(expected):
        events = events_of((corpus / name).read_bytes())
        streamed, whole = served(events)
        check_grammar(streamed)
        check_grammar(whole)
        assert told(streamed) == told(events), name
        assert told(whole) == told(events), name
        seals = [(e.signature, e.redacted) for e in events if isinstance(e, ReasoningDelta) and e.redacted]
        again = [(e.signature, e.redacted) for e in streamed if isinstance(e, ReasoningDelta) and e.redacted]
        assert again == seals
        assert bool(seals) == ('encrypted_content":"' in (corpus / name).read_text())


def test_a_recording_of_the_chat_dialect_served_decodes_to_the_same(corpus: Path, expected: dict[str, Any]) -> None:
    names = [name for name, wanted in expected.items() if wanted["dialect"] == "openai-chat"]
    assert len(names) == 29
    for name in names:
        decoder = OpenAIDecoder()
        messages = SSEDecoder(on_ignored=decoder.ignored).feed((corpus / name).read_bytes())
        events = [event for message in messages for event in decoder.feed(message)] + decoder.finish()
        streamed, whole = served(events)
        first = [e for e in events if not isinstance(e, TextDelta | ReasoningDelta) or e.index == 0]
        for again in (streamed, whole):
            check_grammar(again)
            assert (words(again), thoughts(again)) == (words(first), thoughts(first)), name
            assert words(again, refusal=True) == words(first, refusal=True)
            calls = [e for e in events if isinstance(e, ToolCall) and e.choice == 0]
            assert [e for e in again if isinstance(e, ToolCall)] == calls, name
        end, ending = events[-2], streamed[-2]
        if isinstance(end, Finish):
            assert isinstance(ending, Finish)
            assert ending.reason == ("stop" if end.reason == "unknown" else end.reason)
            assert (ending.usage and ending.usage.total_tokens) == (end.usage and end.usage.total_tokens)
        else:
            assert isinstance(end, Failure)
            assert isinstance(ending, Failure)
            assert (ending.code, ending.message) == (end.code, end.message)
