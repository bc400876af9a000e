"""Every recorded Messages stream: decoded as the real SDK sees it, and served again."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from gai_stream.dialects.anthropic import AnthropicDecoder, AnthropicEncoder
from gai_stream.dialects.openai import OpenAIDecoder
from gai_stream.events import (
    Citations,
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    ReasoningDelta,
    Safety,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
)
from gai_stream.sse import SSEDecoder


def events_of(*chunks: bytes) -> list[Event]:
    decoder, sse = AnthropicDecoder(), SSEDecoder()
    messages = [message for chunk in chunks for message in sse.feed(chunk)] + sse.finish()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


def files(expected: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    found = {name: entry for name, entry in expected.items() if entry["dialect"] == "anthropic"}
    assert len(found) == 17
    yield from found.items()


def joined(events: list[Event], kind: Any) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


def calls_of(events: list[Event], *, server: bool) -> list[tuple[str | None, str | None, str]]:
    """The id, name and arguments of each call, from its pieces."""
    calls: dict[int, list[Any]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            call = calls.setdefault(event.index, [event.id, event.name, "", event.kind])
            call[2] += event.arguments
    assert list(calls) == list(range(len(calls)))
    return [(id, name, text) for id, name, text, kind in calls.values() if (kind == "server") == server]


def blocks_of(events: list[Event]) -> list[str]:
    """The kinds of content, in order; text blocks in a row are one here, since nothing tells them apart."""
    kinds: list[str] = []
    for event in events:
        match event:
            case TextDelta():
                kind = "text"
            case ReasoningDelta(redacted=None):
                kind = "thinking"
            case ReasoningDelta():
                kinds.append("redacted_thinking")
                continue
            case ToolCallDelta(name=str(), kind=who):
                kinds.append("server_tool_use" if who == "server" else "tool_use")
                continue
            case ToolResult(name=name):
                kind = f"{name}_tool_result"
            case _:
                continue
        if kinds[-1:] != [kind]:
            kinds.append(kind)
    return kinds


def without_repeated_text(kinds: list[str]) -> list[str]:
    return [kind for place, kind in enumerate(kinds) if kind != "text" or kinds[place - 1 : place] != ["text"]]


def check(events: list[Event], wanted: dict[str, Any]) -> None:
    assert events[0] == Start(wanted["meta"]["model"], "anthropic", wanted["meta"]["id"])
    assert sum(isinstance(event, Start) for event in events) == 1
    assert joined(events, TextDelta) == wanted["text"]
    assert joined(events, ReasoningDelta) == wanted["reasoning"]
    assert blocks_of(events) == without_repeated_text(wanted["block_types"])
    assert calls_of(events, server=False) == [(c["id"], c["name"], c["arguments_raw"]) for c in wanted["tool_calls"]]
    assert [event for event in events if isinstance(event, ToolCall) and event.kind == "function"] == [
        ToolCall(call["id"], call["name"], call["arguments"], call["arguments_raw"])
        for call in wanted["tool_calls"]
        if not call.get("arguments_invalid_json")
    ]
    served = [(e.id, e.name, e.input) for e in events if isinstance(e, ToolCall) and e.kind == "server"]
    assert served == [(c["id"], c["name"], c["arguments"]) for c in wanted.get("server_tool_calls", ())]
    seals = [e.signature for e in events if isinstance(e, ReasoningDelta) and e.signature]
    assert [sha256(seal.encode()).hexdigest()[:12] for seal in seals] == wanted.get("signature_sha256_12", [])
    assert sum(len(e.citations) for e in events if isinstance(e, Citations)) == wanted.get("citations", 0)
    for event in events:
        for citation in event.citations if isinstance(event, Citations) else ():
            assert 0 <= (citation.start or 0) < (citation.end or 0) <= len(wanted["text"])
    end, done = events[-2:]
    if "error" in wanted:
        assert end == Failure("overloaded", wanted["error"]["message"], True, 10.0)
        assert done == Done(finished=False)
        return
    assert isinstance(end, Finish)
    assert (events[-3], done) == (FinishStep(1), Done())
    assert (end.raw_reason, end.stop_sequence) == (wanted["finish_reason"], wanted.get("stop_sequence"))
    assert any(isinstance(event, Safety) for event in events) == ("stop_details" in wanted)
    check_usage(end, wanted)


def check_usage(end: Finish, wanted: dict[str, Any]) -> None:
    """Compare with what was reported, where input is without the cache."""
    assert end.usage is not None
    read, written = end.usage.cache_read_tokens, end.usage.cache_write_tokens
    told = {
        "input_tokens": (end.usage.input_tokens or 0) - (read or 0) - (written or 0),
        "output_tokens": end.usage.output_tokens,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
    }
    assert {key: count for key, count in told.items() if count is not None} == wanted["usage"]
    assert end.usage.total_tokens == (end.usage.input_tokens or 0) + (end.usage.output_tokens or 0)
    details = wanted["usage_raw"].get("output_tokens_details", {})
    assert end.usage.reasoning_tokens == details.get("thinking_tokens")


def test_every_recording_decodes_to_what_the_real_sdk_sees(corpus: Path, expected: dict[str, Any]) -> None:
    for name, wanted in files(expected):
        check(events_of((corpus / name).read_bytes()), wanted)


def test_a_cited_passage_is_named_by_its_place_in_the_whole_text(corpus: Path, expected: dict[str, Any]) -> None:
    name = "anthropic/web_search_citations.sse"
    text = expected[name]["text"]
    events = events_of((corpus / name).read_bytes())
    found = [citation for event in events if isinstance(event, Citations) for citation in event.citations]
    assert text[found[0].start : found[0].end].startswith("Today (November 15, 2025) in San Francisco is overcast")
    assert all(citation.uri and citation.uri.startswith("https://") and citation.text for citation in found)


def test_every_recording_without_its_last_message_is_cut_and_never_a_clean_stop(
    corpus: Path, expected: dict[str, Any]
) -> None:
    for name, _ in files(expected):
        decoder = AnthropicDecoder()
        messages = SSEDecoder().feed((corpus / name).read_bytes())
        events: list[Event] = []
        for message in messages:
            if message.event in ("message_stop", "error"):
                break
            events += decoder.feed(message)
        assert not any(isinstance(event, Finish | Failure | Done) for event in events), name


def served(events: list[Event], framing: Any = "sse") -> list[Event]:
    """The events, sent to a client that decodes as we do."""
    encoder, decoder = AnthropicEncoder(framing=framing), AnthropicDecoder()
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


def test_every_recording_served_again_decodes_to_the_same(corpus: Path, expected: dict[str, Any]) -> None:
    for name, wanted in files(expected):
        events = events_of((corpus / name).read_bytes())
        for framing in ("sse", "ndjson"):
            again = served(events, framing)
            if name == "anthropic/doc_citations.sse":
                # A document that the client sent has no place in what we send; all else is the same.
                again.insert(2, next(event for event in events if isinstance(event, Citations)))
            if "citations" not in wanted or wanted["citations"] == 1:
                told = [event for event in events if not isinstance(event, Finish)]
                assert [event for event in again if not isinstance(event, Finish)] == told, name
            assert joined(again, TextDelta) == wanted["text"]
            assert calls_of(again, server=True) == calls_of(events, server=True)
            end, ending = events[-2], again[-2]
            if isinstance(end, Finish):
                assert isinstance(ending, Finish)
                assert (ending.reason, ending.raw_reason, ending.stop_sequence) == (
                    end.reason,
                    end.raw_reason,
                    end.stop_sequence,
                )
                check_usage(
                    ending, {**wanted, "usage": {"cache_read_tokens": 0, "cache_write_tokens": 0, **wanted["usage"]}}
                )


def test_the_worked_example_leaves_as_it_is_written(corpus: Path) -> None:
    # providers.md section 15: reasoning, text, two whole calls, usage on the finish chunk.
    decoder = OpenAIDecoder()
    encoder = AnthropicEncoder(framing="ndjson", model="as asked")
    events: list[Event] = []
    for message in SSEDecoder().feed((corpus / "glm/glm47flash_parallel_tools.sse").read_bytes()):
        events += decoder.feed(message)
    events += decoder.finish()
    messages = [message for event in events for message in encoder.feed(event)]
    start = messages.pop(0)["message"]
    assert start["id"].startswith("msg_")
    assert (start["model"], start["usage"]["input_tokens"], start["usage"]["output_tokens"]) == ("as asked", 0, 0)

    def block(index: int, content_block: dict[str, Any], deltas: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {"type": "content_block_start", "index": index, "content_block": content_block},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index},
        ]

    def call(index: int, id: str, name: str) -> list[dict[str, Any]]:
        pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", '{"a":2,"b":3}')]
        return block(index, {"type": "tool_use", "id": id, "name": name, "input": {}}, pieces)

    thoughts = [event.text for event in events if isinstance(event, ReasoningDelta)]
    words = [event.text for event in events if isinstance(event, TextDelta)]
    assert messages == [
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            [{"type": "thinking_delta", "thinking": text} for text in thoughts],
        ),
        *block(1, {"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in words]),
        *call(2, "call_4f8cb52342424eb9bbc1b20e", "add"),
        *call(3, "call_0d06add371834452b339ffdb", "multiply"),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {
                "input_tokens": 232,
                "cache_read_input_tokens": 43,
                "cache_creation_input_tokens": 0,
                "output_tokens": 112,
            },
        },
        {"type": "message_stop"},
    ]
