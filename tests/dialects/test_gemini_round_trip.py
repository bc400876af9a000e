"""Every legal answer to Gemini's chunks and back, framed in each way that they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects.antigravity import AntigravityDecoder, AntigravityEncoder
from gai_stream.dialects.gemini import GeminiDecoder, GeminiEncoder, JSONArrayDecoder, JSONArrayEncoder
from gai_stream.dialects.gemini.offsets import Offsets
from gai_stream.dialects.gemini.reasons import BLOCK_REASONS, FINISH_REASONS
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

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
seals = st.none() | st.sampled_from(["QUI=", "+/+/", "AAAA"])
choices = st.integers(0, 2)
counts = st.none() | st.integers(0, 1 << 40)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda v: st.lists(v, max_size=2) | st.dictionaries(texts, v, max_size=2),
)
image = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
verdicts = ["HARM_CATEGORY_A", "HARM_CATEGORY_B"]
pieces = st.one_of(
    st.builds(TextDelta, texts, choices, st.booleans()),
    st.builds(ReasoningDelta, texts, seals, choices),
    st.builds(lambda seal, n: ReasoningDelta("", seal, n), seals, choices),
    st.builds(lambda data: AudioDelta(data, "audio/wav"), st.binary(min_size=1, max_size=8)),
    st.builds(lambda words: AudioDelta(b"", transcript=words), texts),
    st.builds(
        lambda n: Raw("gemini", {"candidates": [{"content": {"parts": [image], "role": "model"}, "index": n}]}), choices
    ),
    st.builds(
        lambda name, code: ToolCall(name, "code_execution", {"language": "PYTHON", "code": code}, kind="server"),
        texts,
        texts,
    ),
    st.builds(
        lambda name, out: ToolResult(name, "code_execution", {"outcome": "OUTCOME_OK", "output": out}), texts, texts
    ),
)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """A legal answer of Gemini's: every kind of event in any order, calls in fragments or whole, one reason."""
    events: list[Event] = draw(st.lists(pieces, max_size=6))
    closing: list[Event] = []
    for number in range(draw(st.integers(0, 3))):
        input = draw(st.dictionaries(texts, values, max_size=3))
        call = ToolCall(f"id-{number}", draw(texts), input, "", draw(choices), signature=draw(seals))
        if draw(st.booleans()):
            events.append(ToolCallDelta(number, call.id, call.name, "", call.choice))
            closing.append(call)
        else:
            events.append(call)
    events += closing
    text = "".join(event.text for event in events if isinstance(event, TextDelta) and event.index == 0)
    # Where nothing was said there is nothing to name sources for.
    for start in draw(st.lists(st.integers(0, len(text)), max_size=2)) if text else ():
        found = Citation(draw(st.none() | texts), draw(st.none() | texts), start, draw(st.integers(start, len(text))))
        events.append(Citations([found]))
    known = {(reason, word) for word, reason in FINISH_REASONS.items() if reason != "error"}
    reason, word = draw(st.sampled_from(sorted(known)) | st.just(("unknown", "OTHER")) | st.just(("length", None)))
    for category in draw(st.lists(st.sampled_from(verdicts), unique=True)):
        # What was rated HIGH is what an answer was stopped for that was stopped for safety.
        warning = [] if word == "SAFETY" else [("warn", "HIGH")]
        action, rating = draw(st.sampled_from([("pass", "LOW"), ("block", "HIGH"), *warning]))
        events.append(Safety(category, action, draw(st.none() | st.just(0.5)), rating))
    output, thought = draw(counts), draw(counts)
    if output is not None and thought is not None:
        thought %= output + 1
    usage = Usage(draw(counts), output, draw(counts), thought if output is not None else None, draw(counts))
    finish = Finish(reason, draw(st.none() | st.just(usage)), word)
    return [Start(draw(texts), "gemini", draw(texts)), *events, FinishStep(1), finish, Done()]


def through(events: list[Event], name: str) -> list[Event]:
    """The events, sent to a client and read there."""
    enveloped = name == "antigravity"
    encoder = (AntigravityEncoder if enveloped else GeminiEncoder)(framing="ndjson" if name == "array" else "sse")
    decoder = AntigravityDecoder() if enveloped else GeminiDecoder()
    writer: Any = JSONArrayEncoder() if name == "array" else SSEEncoder()
    reader: Any = JSONArrayDecoder() if name == "array" else SSEDecoder()
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    data = b"".join([chunk for message in messages for chunk in writer.feed(message)] + writer.finish())
    found = [event for message in reader.feed(data) for event in decoder.feed(message)]
    reader.finish()
    return found + decoder.finish()


def number(value: int | None) -> int:
    return value or 0


def gist(events: list[Event]) -> dict[str, Any]:
    """What must survive: by choice the order of everything said, then sources, verdicts, reason and usage."""
    said: dict[int, list[Any]] = {}
    found: list[Citation] = []
    safety = {}
    for event in events:
        match event:
            case TextDelta():
                said.setdefault(event.index, []).append(event.text)
            case ReasoningDelta():
                if event.text or event.signature:
                    said.setdefault(event.index, []).append((event.text, event.signature))
            case AudioDelta() | ToolResult():
                said.setdefault(0, []).append(event)
            case Raw(data=data):
                said.setdefault(data["candidates"][0]["index"], []).append("image")
            case ToolCall():
                call = (event.id, event.name, event.input, event.kind, event.signature)
                said.setdefault(event.choice, []).append(call)
            case Citations():
                found += event.citations
            case Safety() if event.category in verdicts:
                safety[event.category] = event
    (finish,) = [event for event in events if isinstance(event, Finish)]
    usage = finish.usage or Usage()
    total = usage.total_tokens
    called = any(isinstance(event, ToolCall) and event.kind == "function" and event.choice == 0 for event in events)
    reason = finish.reason
    if called and (reason == "stop" or finish.raw_reason == "OTHER"):
        reason = "tool_calls"
    return {
        "start": events[0],
        "said": said,
        "citations": sorted(map(repr, found)),
        "safety": safety,
        "reason": reason,
        "usage": (
            number(usage.input_tokens),
            number(usage.output_tokens),
            number(usage.input_tokens) + number(usage.output_tokens) if total is None else total,
            usage.reasoning_tokens,
            usage.cache_read_tokens,
        ),
        "end": events[-1],
    }


@given(answers(), st.sampled_from(["gemini", "array", "antigravity"]))
def test_every_legal_answer_comes_back_the_same(events: list[Event], name: str) -> None:
    assert gist(through(events, name)) == gist(events)


@given(st.sampled_from(["rate_limited", "invalid_request", "unauthorized", "forbidden", "not_found", "timeout"]), texts)
def test_a_failure_comes_back_the_same(code: str, message: str) -> None:
    for name in ("gemini", "array", "antigravity"):
        *_, failure, done = through([Start("m"), TextDelta("a"), Failure(code, message)], name)
        assert isinstance(failure, Failure)
        assert (failure.code, failure.message, done) == (code, message, Done(finished=False))


@pytest.mark.parametrize("word", sorted(BLOCK_REASONS))
def test_a_blocked_prompt_comes_back_the_same(word: str) -> None:
    events: list[Event] = [Start("m", "gemini", "r"), Finish("content_filter", Usage(3, 0, 3), word), Done()]
    again = through(events, "gemini")
    assert again[-2:] == events[-2:]
    assert Safety(word, "block") in again


@given(st.lists(texts, max_size=5), st.data())
def test_offsets_are_those_of_the_whole_text(pieces: list[str], data: st.DataObject) -> None:
    offsets, text = Offsets(), "".join(pieces)
    for piece in pieces:
        offsets.add(piece)
    place = data.draw(st.integers(0, len(text)))
    byte = len(text[:place].encode())
    assert offsets.to_bytes(place) == byte
    assert offsets.to_characters(byte) == place
    assert offsets.to_bytes(len(text) + 1) == len(text.encode())
    assert offsets.to_characters(len(text.encode()) + 1) == len(text)
    within = data.draw(st.integers(0, len(text.encode())))
    assert offsets.to_characters(within) == len(text.encode()[:within].decode(errors="ignore"))
