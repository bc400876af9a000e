"""Every recorded Chat Completions stream: decoded as the real SDKs see it, and served again."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gai_stream.dialects import registry
from gai_stream.dialects.openai import OpenAIDecoder, OpenAIEncoder
from gai_stream.events import (
    AudioDelta,
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
    Usage,
)
from gai_stream.sse import SSEDecoder

OPENAI: Any = registry.dialect("openai").decoder
FOLDERS = (
    *("openai", "alibaba", "deepseek", "glm", "gpustack", "groq"),
    *("litellm_like", "mistral", "openrouter", "perplexity", "snowflake", "xai"),
)


def events_of(*chunks: bytes) -> list[Event]:
    """What the bytes say, through the decoders that a provider would use."""
    decoder: Any = OPENAI()
    sse = SSEDecoder(on_ignored=decoder.ignored)
    events: list[Event] = []
    for chunk in chunks:
        for message in sse.feed(chunk):
            events += decoder.feed(message)
    for message in sse.finish():
        events += decoder.feed(message)
    return events + decoder.finish()


def files(expected: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    found = {name: entry for name, entry in expected.items() if name.split("/")[0] in FOLDERS}
    assert len(found) == 29
    assert all(entry["dialect"] == "openai-chat" for entry in found.values())
    yield from found.items()


def words(events: list[Event], choice: int, *, refusal: bool = False) -> str:
    return "".join(e.text for e in events if isinstance(e, TextDelta) and (e.index, e.refusal) == (choice, refusal))


def check_calls(events: list[Event], wanted: list[dict[str, Any]]) -> None:
    """Compare ids, names, and arguments as text and as values; a call that was cut has only its fragments."""
    texts: dict[int, str] = {}
    told: dict[int, tuple[str | None, str | None]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            texts[event.index] = texts.get(event.index, "") + event.arguments
            told.setdefault(event.index, (event.id, event.name))
    assert list(texts) == list(range(len(wanted)))
    for number, call in enumerate(wanted):
        assert texts[number] == call["arguments_raw"]
        assert told[number] == (call["id"], call["name"])
    whole = [call for call in wanted if not call.get("arguments_invalid_json")]
    assert [event for event in events if isinstance(event, ToolCall)] == [
        ToolCall(call["id"], call["name"], call["arguments"], call["arguments_raw"]) for call in whole
    ]


def check_usage(name: str, usage: Usage | None, wanted: dict[str, int] | None) -> None:
    if wanted is None:
        assert usage is None
        return
    assert usage is not None
    as_reported = {field: getattr(usage, field) for field in wanted}
    if name.startswith("xai/"):
        # The only one that does not count reasoning as output.
        as_reported["output_tokens"] -= usage.reasoning_tokens or 0
    assert as_reported == wanted


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
    last_delta = max((n for n, kind in enumerate(kinds) if kind is ToolCallDelta), default=0)
    assert all(n > last_delta for n, kind in enumerate(kinds) if kind is ToolCall)


def check(name: str, events: list[Event], wanted: dict[str, Any]) -> None:
    check_grammar(events)
    start, end = events[0], events[-2]
    assert isinstance(start, Start)
    assert (start.id, start.model) == (wanted["meta"].get("id"), wanted["meta"]["model"])
    for choice in wanted.get("choices") or [{"index": 0, **wanted}]:
        index = choice["index"]
        assert words(events, index) == choice["text"]
        reasoning = [e.text for e in events if isinstance(e, ReasoningDelta) and e.index == index]
        assert "".join(reasoning) == choice["reasoning"]
    assert words(events, 0, refusal=True) == wanted.get("refusal", "")
    assert (Safety("refusal", "block") in events) == bool(wanted.get("refusal"))
    check_calls(events, wanted["tool_calls"])
    audio = [event for event in events if isinstance(event, AudioDelta)]
    assert "".join(e.transcript or "" for e in audio) == wanted.get("audio_transcript", "")
    assert sum(len(base64.b64encode(e.data)) for e in audio) == wanted.get("audio_b64_len", 0)
    sources = sum(len(event.citations) for event in events if isinstance(event, Citations))
    assert sources == wanted.get("annotations", wanted.get("citations", 0))
    error = wanted.get("error") or wanted.get("nonstandard_error_line", {}).get("error")
    if error is not None:
        assert isinstance(end, Failure)
        assert end.message == error["message"]
        assert end.code == ("invalid_request" if 400 in (error.get("code"), error.get("status_code")) else "internal")
        return
    assert isinstance(end, Finish)
    assert end.raw_reason == wanted.get("finish_reason")
    assert end.reason == (end.raw_reason or "unknown")
    check_usage(name, end.usage, wanted.get("usage"))


def test_every_recording_decodes_to_what_the_real_sdks_see(corpus: Path, expected: dict[str, Any]) -> None:
    for name, wanted in files(expected):
        check(name, events_of((corpus / name).read_bytes()), wanted)


def test_every_recording_without_its_end_is_cut_and_never_a_clean_stop(corpus: Path, expected: dict[str, Any]) -> None:
    for name, _ in files(expected):
        decoder = OpenAIDecoder()
        head = (corpus / name).read_bytes()[:1200]
        events = [event for message in SSEDecoder().feed(head) for event in decoder.feed(message)]
        assert not any(isinstance(event, Finish | Done) for event in events)


def served(events: list[Event]) -> list[Event]:
    """The events, sent to a client that decodes as we do."""
    encoder, decoder = OpenAIEncoder(), OpenAIDecoder()
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


def test_every_recording_served_again_decodes_to_the_same(corpus: Path, expected: dict[str, Any]) -> None:
    for name, wanted in files(expected):
        events = events_of((corpus / name).read_bytes())
        again = served(events)
        check_grammar(again)
        kept = (TextDelta, AudioDelta, ToolCallDelta, ToolCall, Citations)
        assert [e for e in again if isinstance(e, kept)] == [e for e in events if isinstance(e, kept)], name
        spoken = "".join(event.text for event in again if isinstance(event, ReasoningDelta))
        assert spoken == wanted["reasoning"]
        end, ending = events[-2], again[-2]
        if isinstance(end, Finish):
            assert isinstance(ending, Finish)
            reason = "stop" if end.reason == "unknown" else end.reason
            assert (ending.reason, ending.usage) == (reason, end.usage)
        else:
            assert isinstance(end, Failure)
            assert isinstance(ending, Failure)
            assert (ending.code, ending.message) == (end.code, end.message)
