"""Every recorded Gemini and Antigravity stream: decoded as the real SDK sees it, and served again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gai_stream.dialects.antigravity import AntigravityDecoder, AntigravityEncoder
from gai_stream.dialects.gemini import GeminiDecoder, GeminiEncoder, JSONArrayDecoder, JSONArrayEncoder
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
    Usage,
)
from gai_stream.exceptions import TruncatedStream
from gai_stream.sse import SSEDecoder

REASONS = {"STOP": "stop", "SAFETY": "content_filter"}


def events_of(name: str, *chunks: bytes) -> list[Event]:
    """What the bytes say, through the decoders that a provider would use."""
    decoder = AntigravityDecoder() if name.startswith("antigravity/") else GeminiDecoder()
    events: list[Event] = []
    if name.endswith(".json"):
        array = JSONArrayDecoder()
        messages = [message for chunk in chunks for message in array.feed(chunk)] + array.finish()
    else:
        sse = SSEDecoder(on_ignored=decoder.ignored)
        # Google's last event may lack its blank line.
        messages = [message for chunk in (*chunks, b"\n\n") for message in sse.feed(chunk)] + sse.finish()
    for message in messages:
        events += decoder.feed(message)
    return events + decoder.finish()


def files(expected: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    found = {name: entry for name, entry in expected.items() if name.split("/")[0] in ("gemini", "antigravity")}
    assert len(found) == 16
    yield from found.items()


def order_of(events: list[Event]) -> list[str]:
    """The kinds of content in the order in which they appear, as expected.json names them."""
    order: list[str] = []
    for event in events:
        match event:
            case TextDelta():
                kind = "text"
            case ReasoningDelta(text=text) if text:
                kind = "reasoning"
            case ToolCall(kind="function"):
                kind = f"tool:{sum(word.startswith('tool:') for word in order)}"
            case ToolCall(kind="server"):
                kind = "executableCode"
            case ToolResult():
                kind = "codeExecutionResult"
            case Raw():
                kind = "inlineData"
            case _:
                continue
        if order[-1:] != [kind]:
            order.append(kind)
    return order


def check_grammar(events: list[Event]) -> None:
    """Check what holds for every decoder: Start first and once, one Finish or Failure, Done last."""
    kinds = [type(event) for event in events]
    assert kinds.count(Start) == 1
    assert kinds[0] is Start
    assert kinds.count(Finish) + kinds.count(Failure) == 1
    assert kinds.count(Done) == 1
    assert kinds[-1] is Done
    if Finish in kinds:
        assert kinds[-3:] == [FinishStep, Finish, Done]
    deltas = [event for event in events if isinstance(event, ToolCallDelta)]
    calls = [event for event in events if isinstance(event, ToolCall)]
    assert [delta.index for delta in deltas] == list(range(len(deltas)))
    assert [(d.id, d.name, d.arguments, d.kind) for d in deltas] == [(c.id, c.name, c.arguments, c.kind) for c in calls]
    assert all(json.loads(call.arguments) == call.input for call in calls)


def check_usage(usage: Usage | None, raw: dict[str, Any] | None) -> None:
    if raw is None:
        assert usage is None
        return
    assert usage is not None
    thoughts = raw.get("thoughtsTokenCount")
    assert usage.input_tokens == raw["promptTokenCount"] + raw.get("toolUsePromptTokenCount", 0)
    assert usage.output_tokens == raw["candidatesTokenCount"] + (thoughts or 0)
    assert usage.total_tokens == raw["totalTokenCount"] == usage.input_tokens + usage.output_tokens
    assert (usage.reasoning_tokens, usage.cache_read_tokens) == (thoughts, raw.get("cachedContentTokenCount"))


def check(events: list[Event], wanted: dict[str, Any]) -> None:
    check_grammar(events)
    meta = wanted["meta"]
    assert events[0] == Start(meta.get("modelVersion"), "gemini", meta.get("responseId"))
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == wanted["text"]
    assert "".join(e.text for e in events if isinstance(e, ReasoningDelta)) == wanted["reasoning"]
    calls = [event for event in events if isinstance(event, ToolCall) and event.kind == "function"]
    assert [(call.name, call.input) for call in calls] == [(c["name"], c["arguments"]) for c in wanted["tool_calls"]]
    for call, want in zip(calls, wanted["tool_calls"], strict=True):
        assert call.id == want.get("id", call.id)
        assert call.id
    assert order_of(events) == wanted["order"]
    seals = [e.signature for e in events if isinstance(e, ToolCall | ReasoningDelta) and e.signature]
    assert len(seals) == wanted.get("signatures", 0)
    sources = {c.uri for event in events if isinstance(event, Citations) for c in event.citations}
    assert len(sources) == wanted.get("grounding_chunks", wanted.get("citations", 0))
    assert sum(isinstance(event, Citations) for event in events) <= 1
    verdicts = [event for event in events if isinstance(event, Safety)]
    assert any(verdict.action == "block" for verdict in verdicts) == bool(
        wanted.get("blocked") or wanted.get("prompt_feedback")
    )
    assert len({verdict.category for verdict in verdicts}) == len(verdicts)
    end = events[-2]
    if (error := wanted.get("error")) is not None:
        assert end == Failure("internal", error["message"], True)
        return
    assert isinstance(end, Finish)
    raw_reason = wanted.get("finish_reason") or wanted["prompt_feedback"]["blockReason"]
    assert end.raw_reason == raw_reason
    assert end.reason == ("tool_calls" if calls else REASONS.get(raw_reason, "unknown"))
    check_usage(end.usage, wanted.get("usage_raw"))


def test_every_recording_decodes_to_what_the_real_sdk_sees(corpus: Path, expected: dict[str, Any]) -> None:
    for name, wanted in files(expected):
        check(events_of(name, (corpus / name).read_bytes()), wanted)


def test_an_event_stream_without_its_last_event_is_cut_and_never_a_clean_stop(
    corpus: Path, expected: dict[str, Any]
) -> None:
    for name, wanted in files(expected):
        if wanted["wire"]["framing"] != "sse" or "error" in wanted or len(wanted.get("finish_reasons", ())) > 1:
            continue
        data = (corpus / name).read_bytes()
        cut = data.rindex(b"data:")
        with pytest.raises(TruncatedStream, match=r"^the stream ended without a finish reason$"):
            events_of(name, data[:cut])


def test_a_stream_that_ends_within_its_error_is_cut_even_where_a_reason_was_given(corpus: Path) -> None:
    data = (corpus / "gemini/error_midstream_json_body.sse").read_bytes()
    with pytest.raises(TruncatedStream, match=r"^the stream ended within an error$"):
        events_of("gemini/x.sse", data[:-20])


def test_places_of_sources_are_told_in_characters(corpus: Path, expected: dict[str, Any]) -> None:
    # Google counts bytes, and there is a degree sign in the first sentence that is cited.
    name = "gemini/web_search_grounding_25pro.sse"
    events = events_of(name, (corpus / name).read_bytes())
    text = expected[name]["text"]
    (found,) = [event for event in events if isinstance(event, Citations)]
    assert len(found.citations) == 9
    for citation in found.citations:
        assert citation.text
        assert text[citation.start : citation.end] == citation.text


def served(events: list[Event], encoder: GeminiEncoder, decoder: GeminiDecoder) -> list[Event]:
    """The events, sent to a client that decodes as we do."""
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


@pytest.mark.parametrize("framing", ["sse", "ndjson"])
def test_every_recording_served_again_decodes_to_the_same(corpus: Path, expected: dict[str, Any], framing: Any) -> None:
    for name, _ in files(expected):
        events = events_of(name, (corpus / name).read_bytes())
        for encoder, decoder in (
            (GeminiEncoder(framing=framing), GeminiDecoder()),
            (AntigravityEncoder(framing=framing), AntigravityDecoder()),
        ):
            again = served(events, encoder, decoder)
            check_grammar(again)
            others = (Start, Safety, Finish, Failure)
            assert [e for e in again if not isinstance(e, others)] == [e for e in events if not isinstance(e, others)]
            # Ratings ride on the next chunk; a source of its own for what the prompt was blocked for is not sent.
            assert {repr(e) for e in again if isinstance(e, Safety)} == {
                repr(e) for e in events if isinstance(e, Safety)
            }
            end, ending = events[-2], again[-2]
            if isinstance(end, Finish):
                assert isinstance(ending, Finish)
                assert (ending.reason, ending.raw_reason) == (end.reason, end.raw_reason)
                assert ending.usage == (end.usage or Usage(0, 0, 0))
            else:
                assert ending == end


def test_every_recording_as_one_body_decodes_to_the_same(corpus: Path, expected: dict[str, Any]) -> None:
    for name, wanted in files(expected):
        events = events_of(name, (corpus / name).read_bytes())
        encoder = GeminiEncoder(framing="ndjson")
        messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
        decoder = GeminiDecoder()
        again = decoder.feed(json.dumps(GeminiEncoder.whole(messages), indent=2)) + decoder.finish()
        if "error" in wanted:
            assert again == events[-2:]
            continue
        check_grammar(again)
        for kind in (TextDelta, ReasoningDelta):
            told = ["".join(e.text for e in side if isinstance(e, kind)) for side in (events, again)]
            assert told[0] == told[1]
        kept = (ToolCall, ToolResult, Citations, Raw)
        assert [e for e in again if isinstance(e, kept)] == [e for e in events if isinstance(e, kept)]
        assert order_of(again) == order_of(events)


def test_every_recording_as_one_array_decodes_to_the_same(corpus: Path, expected: dict[str, Any]) -> None:
    for name, _ in files(expected):
        events = events_of(name, (corpus / name).read_bytes())
        encoder, array = GeminiEncoder(framing="ndjson"), JSONArrayEncoder()
        messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
        data = b"".join(piece for message in messages for piece in array.feed(message)) + b"".join(array.finish())
        assert json.loads(data) == messages
        again = events_of("x.json", data)
        assert [e for e in again if isinstance(e, TextDelta | ToolCall)] == [
            e for e in events if isinstance(e, TextDelta | ToolCall)
        ]
