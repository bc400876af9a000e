"""Every legal answer as an AG-UI run or as a UI message stream, there and back."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects.ag_ui import AGUIDecoder, AGUIEncoder
from gai_stream.dialects.vercel import VercelDecoder, VercelEncoder
from gai_stream.events import (
    AudioDelta,
    Citation,
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
    Usage,
)

FRAMINGS = st.sampled_from(["sse", "ndjson"])
PROFILES = st.sampled_from([5, 6, 7])


def decoded(events: list[Event], encoder: Any, decoder: Any) -> list[Event]:
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


def as_ag_ui(events: list[Event], **options: Any) -> list[Event]:
    return decoded(events, AGUIEncoder(**options), AGUIDecoder())


def as_vercel(events: list[Event], **options: Any) -> list[Event]:
    return decoded(events, VercelEncoder(**options), VercelDecoder())


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
counts = st.none() | st.integers(0, 1 << 40)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda v: st.lists(v, max_size=2) | st.dictionaries(texts, v, max_size=2),
)
# AG-UI has text for results: what is neither an object nor an array comes back as text.
shown_as_text = texts | st.lists(values, max_size=2) | st.dictionaries(texts, values, max_size=2)
usages = st.builds(
    lambda given, output, *others: Usage(
        given, output, None if given is None or output is None else given + output, *others
    ),
    *[counts] * 5,
)
cited = st.lists(st.builds(Citation, texts, st.none() | texts, counts, counts, st.none() | texts), max_size=4)


@st.composite
def calls(draw: st.DrawFn, results: st.SearchStrategy[Any]) -> list[Event]:
    """A call of any kind, in fragments or whole, and perhaps what it gave. Ids are of their own."""
    id, name, kind = str(draw(st.uuids())), draw(texts), draw(st.sampled_from(["function", "server", "custom"]))
    input = draw(texts if kind == "custom" else st.dictionaries(texts, values, max_size=3))
    arguments = input if isinstance(input, str) else json.dumps(input)
    call = ToolCall(id, name, input, arguments, kind=kind, signature=draw(st.none() | texts))
    result = draw(st.sampled_from([None, ToolResult(id, name, draw(results)), ToolResult(id, name, None, draw(texts))]))
    fragments: list[Event] = []
    if draw(st.booleans()):
        cut = draw(st.integers(0, len(arguments)))
        fragments = [
            ToolCallDelta(0, id, name, arguments[:cut], kind=kind),
            ToolCallDelta(0, arguments=arguments[cut:]),
        ]
    return [*fragments, call, *([result] if result else [])]


spoken = st.one_of(
    st.builds(TextDelta, texts, st.just(0), st.booleans()).map(lambda event: [event]),
    st.builds(ReasoningDelta, texts, st.none() | texts).map(lambda event: [event]),
    st.builds(lambda sealed: [ReasoningDelta("", redacted=sealed)], texts),
    st.builds(lambda data: [AudioDelta(data, "mp3")], st.binary(min_size=1, max_size=8)),
    st.builds(lambda words: [AudioDelta(b"", transcript=words)], texts),
    st.builds(lambda category, note: [Safety(category, "warn", None, note)], texts, st.none() | texts),
)


@st.composite
def answers(draw: st.DrawFn, results: st.SearchStrategy[Any]) -> list[Event]:
    """A legal answer of one to three steps, in each every kind of event in any order."""
    events: list[Event] = [Start(draw(st.none() | texts), draw(st.none() | texts), draw(texts))]
    for number in range(draw(st.integers(1, 3))):
        for piece in draw(st.lists(spoken | calls(results), max_size=6)):
            events += piece
        events.append(FinishStep(number + 1))
    reason = draw(st.sampled_from(["stop", "length", "content_filter", "unknown"]))
    return [*events, Finish(reason, draw(st.none() | usages)), Done()]


def gist(events: list[Event], *, refusals: bool) -> dict[str, Any]:
    """What must survive: the words of each kind, seals, calls and results in order, reason and usage.

    Without `refusals`, what was refused is text like any other.
    """
    words = dict.fromkeys(["text", "refusal", "reasoning", "audio"], "")
    told: dict[str, list[Any]] = {"seals": [], "calls": [], "results": [], "verdicts": []}
    sound = b""
    for event in events:
        match event:
            case TextDelta():
                words["refusal" if event.refusal and refusals else "text"] += event.text
            case ReasoningDelta():
                words["reasoning"] += event.text
                if event.signature or event.redacted:
                    told["seals"].append((event.signature, event.redacted))
            case AudioDelta():
                sound += event.data
                words["audio"] += event.transcript or ""
            case ToolCall():
                told["calls"].append(event)
            case ToolResult():
                told["results"].append(event)
            case Safety():
                told["verdicts"].append(event)
    (finish,) = [event for event in events if isinstance(event, Finish)]
    mine = any(call.kind != "server" for call in told["calls"])
    reason = "tool_calls" if mine and finish.reason == "stop" else finish.reason
    usage = None if finish.usage == Usage() else finish.usage
    return {
        **told,
        "words": words,
        "sound": sound,
        "start": events[0],
        "finish": (reason, usage),
        "end": events[-1],
    }


class TestAGUI:
    @given(answers(shown_as_text), FRAMINGS)
    def test_every_legal_answer_comes_back_the_same(self, events: list[Event], framing: Any) -> None:
        assert gist(as_ag_ui(events, framing=framing), refusals=False) == gist(events, refusals=False)

    @given(cited)
    def test_every_source_comes_back(self, sources: list[Citation]) -> None:
        back = as_ag_ui([Start(), Citations(sources), Finish("stop"), Done()])
        assert [source for event in back if isinstance(event, Citations) for source in event.citations] == sources

    @given(FRAMINGS, st.sampled_from(["rate_limited", "overloaded", "invalid_request", "truncated"]), texts)
    def test_a_failure_comes_back_the_same(self, framing: Any, code: str, message: str) -> None:
        *_, failure, done = as_ag_ui([Start("m"), TextDelta("a"), Failure(code, message)], framing=framing)
        assert isinstance(failure, Failure)
        assert (failure.code, failure.message, done) == (code, message, Done(finished=False))


class TestVercel:
    @given(answers(values), FRAMINGS, PROFILES)
    def test_every_legal_answer_comes_back_the_same(self, events: list[Event], framing: Any, profile: Any) -> None:
        assert gist(as_vercel(events, framing=framing, profile=profile), refusals=True) == gist(events, refusals=True)

    @given(cited)
    def test_every_source_comes_back_once(self, sources: list[Citation]) -> None:
        back = as_vercel([Start(), Citations(sources), Finish("stop"), Done()])
        once = {source.uri: source for source in reversed(sources)}
        found = [source for event in back if isinstance(event, Citations) for source in event.citations]
        assert {source.uri: source for source in found} == once
        assert len(found) == len(once)

    @given(FRAMINGS, PROFILES, texts.filter(lambda text: not text.startswith("{")))
    def test_a_failure_comes_back_in_the_same_words(self, framing: Any, profile: Any, message: str) -> None:
        events = [Start("m"), TextDelta("a"), Failure("overloaded", message)]
        *_, failure, done = as_vercel(events, framing=framing, profile=profile)
        assert isinstance(failure, Failure)
        assert (failure.code, failure.message, done) == ("internal", message, Done(finished=False))

    @given(FRAMINGS, texts)
    def test_an_abort_comes_back_with_its_reason(self, framing: Any, reason: str) -> None:
        events = [Start(), TextDelta("a"), FinishStep(1), Finish("aborted", None, reason), Done(finished=False)]
        assert as_vercel(events, framing=framing, profile=7, id="x") == [Start(None, None, "x"), *events[1:]]
