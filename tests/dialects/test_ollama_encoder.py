"""Events to Ollama's lines, and every legal answer there and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects.ollama import OllamaDecoder, OllamaEncoder
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

START = Start("m", "ollama")


def decode(messages: list[Any]) -> list[Event]:
    decoder = OllamaDecoder()
    return [event for message in messages for event in decoder.feed(message)] + decoder.finish()


class Clock:
    """A clock that moves one second whenever it is asked."""

    def __init__(self) -> None:
        self.now = 1_767_225_599.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def encode(*events: Event, finish: bool = True, **options: Any) -> list[dict[str, Any]]:
    """The lines without what depends on the time, if SSE says the same."""
    result: list[list[Any]] = []
    for framing in ("ndjson", "sse"):
        encoder = OllamaEncoder(framing=framing, **{"clock": Clock(), **options})  # type: ignore[arg-type]
        messages = [message for event in events for message in encoder.feed(event)]
        messages += encoder.finish() if finish else []
        result.append([json.loads(m.data) for m in messages] if framing == "sse" else messages)
    assert result[0] == result[1]
    for line in result[0]:
        assert "error" in line or line.pop("created_at").startswith("2026-01-01T00:00:")
        for key in ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"):
            assert (key in line) == line.get("done", False)
            line.pop(key, None)
    return result[0]


def line(content: str = "", **message: Any) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": content, **message}, "done": False}


def end(reason: str = "stop", given: int = 0, made: int = 0) -> dict[str, Any]:
    counts = {"prompt_eval_count": given, "eval_count": made}
    return {**line(), "done": True, "done_reason": reason, **counts}


def called(id: str, name: str, arguments: Any, index: int = 0) -> dict[str, Any]:
    return line(tool_calls=[{"id": id, "function": {"index": index, "name": name, "arguments": arguments}}])


def test_an_answer_is_lines_and_a_last_one_that_is_done() -> None:
    usage = Usage(10, 5, 15, 2)
    assert encode(START, ReasoningDelta("hm"), TextDelta("Hi"), FinishStep(1), Finish("stop", usage), Done()) == [
        line(thinking="hm"),
        line("Hi"),
        end("stop", 10, 5),
    ]


def test_generate_says_the_same_at_the_top() -> None:
    call = ToolCall("x", "f", {"a": 1})
    assert encode(START, ReasoningDelta("hm"), TextDelta("Hi"), call, Finish("length"), mode="generate") == [
        {"model": "m", "response": "", "thinking": "hm", "done": False},
        {"model": "m", "response": "Hi", "done": False},
        {
            "model": "m",
            "response": "",
            "tool_calls": [{"id": "x", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}],
            "done": False,
        },
        {
            "model": "m",
            "response": "",
            "done": True,
            "done_reason": "length",
            "prompt_eval_count": 0,
            "eval_count": 0,
        },
    ]


def test_times_are_of_the_clock() -> None:
    encoder = OllamaEncoder(clock=Clock())
    (first,) = encoder.feed(TextDelta("a"))
    (last,) = encoder.finish()
    assert first["created_at"] == "2026-01-01T00:00:01.000000Z"
    assert {key: value for key, value in last.items() if key.endswith(("duration", "_at"))} == {
        "created_at": "2026-01-01T00:00:03.000000Z",
        "total_duration": 4_000_000_000,
        "load_duration": 0,
        "prompt_eval_duration": 2_000_000_000,
        "eval_duration": 2_000_000_000,
    }
    moments = iter([5.0, 4.0, 3.0])
    (last,) = OllamaEncoder(clock=lambda: next(moments)).finish()
    assert (last["total_duration"], last["eval_duration"]) == (0, 0)


def test_the_heartbeat_is_a_line_without_content_that_knows_the_model() -> None:
    encoder = OllamaEncoder(clock=Clock())
    before = json.loads(encoder.heartbeat())
    assert (before["model"], before["message"], before["done"]) == ("", {"role": "assistant", "content": ""}, False)
    encoder.feed(START)
    assert encoder.heartbeat() == (
        b'{"model":"m","created_at":"2026-01-01T00:00:02.000000Z",'
        b'"message":{"role":"assistant","content":""},"done":false}\n'
    )
    assert json.loads(OllamaEncoder(model="asked", mode="generate").heartbeat())["response"] == ""
    assert json.loads(OllamaEncoder(model="asked").heartbeat())["model"] == "asked"
    assert OllamaEncoder(framing="sse").heartbeat() == b": keep-alive\n"


def test_the_model_can_be_given() -> None:
    assert encode(START, TextDelta("a"), finish=False, model="asked")[0]["model"] == "asked"
    assert encode(Start(), TextDelta("a"), finish=False)[0]["model"] == ""


def test_calls_are_told_whole_with_their_arguments_as_an_object() -> None:
    assert encode(
        START,
        ToolCallDelta(4, "x", "f", '{"a":'),
        ToolCallDelta(5, "y", "g"),
        ToolCallDelta(4, arguments="18446744073709551616}"),
        ToolCall("x", "f", {"a": 18446744073709551616}, '{"a":18446744073709551616}'),
        ToolCall("y", "g", {}, ""),
        ToolCall("z", "sql", "SELECT {", "SELECT {", kind="custom"),
        ToolCall("s", "search", {"q": 1}, '{"q":1}', kind="server"),
        Finish("tool_calls"),
    ) == [
        called("x", "f", {"a": 18446744073709551616}),
        called("y", "g", {}, 1),
        called("z", "sql", {"input": "SELECT {"}, 2),
        end(),
    ]


@pytest.mark.parametrize(("text", "value"), [("{nope", None), ("[1]", [1]), ("null", None), ('"text"', "text")])
def test_arguments_that_are_no_object_end_the_answer_as_an_error(text: str, value: Any) -> None:
    error = {"error": f"the arguments of tool call 'f' are not a JSON object: {text}"}
    assert encode(START, ToolCall("x", "f", value, text), TextDelta("late"), Finish("tool_calls"), Done()) == [error]
    assert encode(START, ToolCallDelta(0, "x", "f", text), Finish("tool_calls"), Done()) == [error]


def test_fragments_without_their_whole_are_a_call_unless_the_answer_was_cut() -> None:
    fragments = [
        ToolCallDelta(0, "x", "f", '{"a":1}'),
        ToolCallDelta(1, "s", "search", "{", kind="server"),
        ToolCallDelta(2, "z", "g"),
    ]
    *calls, _ = encode(START, *fragments, Finish("stop"))
    assert calls == [called("x", "f", {"a": 1}), called("z", "g", {}, 1)]
    for reason in ("length", "content_filter", "refusal"):
        assert encode(START, *fragments, ToolCallDelta(3, "y", "h", "{"), Finish(reason))[:-1] == calls[:1]
    assert encode(START, ToolCallDelta(0, "y", "h", "{"), Failure("timeout", "no")) == [{"error": "no"}]


@pytest.mark.parametrize(
    ("finish", "own", "foreign"),
    [
        (Finish("stop"), "stop", "stop"),
        (Finish("tool_calls", None, "stop"), "stop", "stop"),
        (Finish("length", None, "max_tokens"), "max_tokens", "length"),
        (Finish("content_filter"), "stop", "stop"),
        (Finish("unknown", None, "load"), "load", "stop"),
    ],
)
def test_the_reason_is_one_that_clients_know_or_ollamas_own(finish: Finish, own: str, foreign: str) -> None:
    assert encode(Start("m", "ollama"), finish)[-1]["done_reason"] == own
    assert encode(Start("m"), finish)[-1]["done_reason"] == foreign
    assert encode(finish)[-1]["done_reason"] == foreign


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([Failure("overloaded", "try later")], "try later"),
        ([START, TextDelta("a"), Failure("overloaded", "try later"), Done(False)], "try later"),
        ([START, TextDelta("a")], "the answer was cut off before its end"),
        ([START, Finish("error", None, "abort")], "the provider ended its answer with 'abort'"),
    ],
)
def test_a_failure_is_the_last_line_and_its_text_alone(events: list[Event], error: str) -> None:
    assert encode(*events)[-1] == {"error": error}
    assert OllamaEncoder.error_body(Failure("timeout", error), 504) == {"error": error}


def test_what_has_no_place_here_is_left_out() -> None:
    silent: list[Event] = [
        TextDelta(""),
        TextDelta("b", 1),
        ReasoningDelta("", "seal"),
        ReasoningDelta("b", index=1),
        ToolCallDelta(0, "x", "f", "{}", choice=1),
        ToolCall("x", "f", {}, choice=1),
        AudioDelta(b"\0", "pcm16", "words"),
        ToolResult("x", "f", 1),
        Citations([Citation("u")]),
        Safety("hate", "block"),
        FinishStep(1),
        Raw("openai", {"message": {"images": ["aGk="]}}),
        Raw("ollama", [1]),
        Raw("ollama", {"status": "pulling"}),
        # Ollama's own Python client dies of them.
        Raw("ollama", {"message": {"images": ["aGk="]}}),
    ]
    assert encode(START, *silent, Finish("stop")) == [end()]
    assert len(encode(START, *silent, Raw("ollama", {"image": 5}), Finish("stop"), mode="generate")) == 1


def test_an_image_passes_between_lines_of_generate() -> None:
    assert encode(START, Raw("ollama", {"image": "aGk="}), finish=False) == []
    assert encode(START, Raw("ollama", {"image": "aGk="}), finish=False, mode="generate") == [
        {"model": "m", "response": "", "image": "aGk=", "done": False}
    ]


def test_a_refusal_is_text() -> None:
    assert encode(START, TextDelta("no", refusal=True), Finish("refusal")) == [line("no"), end()]


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match='mode must be "chat" or "generate", not \'talk\''):
        OllamaEncoder(mode="talk")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='framing must be "sse" or "ndjson"'):
        OllamaEncoder(framing="json")  # type: ignore[arg-type]


EVERYTHING: list[Event] = [
    START,
    ReasoningDelta("h"),
    ReasoningDelta("m"),
    TextDelta("a"),
    TextDelta("b"),
    ToolCall("x", "f", {"a": 1}),
    ToolCall("y", "g", {}),
    Raw("ollama", {"image": "aGk="}),
    Finish("stop", Usage(1, 2, 3)),
    Done(),
]


def test_an_answer_in_one_piece_is_what_the_lines_amount_to() -> None:
    encoder = OllamaEncoder(clock=Clock())
    lines = [message for event in EVERYTHING for message in encoder.feed(event)]
    body = OllamaEncoder.whole(lines)
    assert body == {
        **lines[-1],
        "message": {
            "role": "assistant",
            "content": "ab",
            "thinking": "hm",
            "tool_calls": [entry for told in lines for entry in told["message"].get("tool_calls", ())],
        },
    }
    assert len(body["message"]["tool_calls"]) == 2
    generate = OllamaEncoder(clock=Clock(), mode="generate")
    body = OllamaEncoder.whole([message for event in EVERYTHING for message in generate.feed(event)])
    assert (body["response"], body["thinking"], body["image"], len(body["tool_calls"])) == ("ab", "hm", "aGk=", 2)
    assert (body["done"], body["done_reason"], body["eval_count"], body["model"]) == (True, "stop", 2, "m")
    assert OllamaEncoder.whole([line("a"), {"error": "no"}]) == {"error": "no"}
    assert OllamaEncoder.whole([end()]) == end()


def test_an_answer_in_one_piece_is_read_as_one_message() -> None:
    encoder = OllamaEncoder(clock=Clock())
    body = OllamaEncoder.whole([message for event in EVERYTHING for message in encoder.feed(event)])
    events = decode([body])
    assert [e for e in events if isinstance(e, ReasoningDelta | TextDelta)] == [ReasoningDelta("hm"), TextDelta("ab")]
    assert events[-2] == Finish("tool_calls", Usage(1, 2, 3), "stop")


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda v: st.lists(v, max_size=2) | st.dictionaries(texts, v, max_size=2),
)
calls = st.builds(
    lambda call_id, name, value: (call_id, name, value, json.dumps(value)),
    st.uuids().map(str),
    texts,
    st.dictionaries(texts, values, max_size=3),
)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    events: list[Event] = draw(st.lists(st.builds(TextDelta, texts) | st.builds(ReasoningDelta, texts), max_size=6))
    closing: list[Event] = []
    for number, (id, name, value, text) in enumerate(draw(st.lists(calls, max_size=3))):
        whole = ToolCall(id, name, value, text)
        if draw(st.booleans()):
            cut = draw(st.integers(0, len(text)))
            events += [ToolCallDelta(number, id, name, text[:cut]), ToolCallDelta(number, arguments=text[cut:])]
            closing.append(whole)
        else:
            events.append(whole)
    counts = st.integers(0, 1 << 40)
    usage = draw(st.builds(lambda given, made: Usage(given, made, given + made), counts, counts))
    reason = draw(st.sampled_from(["stop", "length"]))
    return [Start(draw(texts), "ollama"), *events, *closing, FinishStep(1), Finish(reason, usage, reason), Done()]


def gist(events: list[Event]) -> dict[str, Any]:
    (finish,) = [event for event in events if isinstance(event, Finish)]
    called = [(e.id, e.name, e.input) for e in events if isinstance(e, ToolCall)]
    return {
        "start": events[0],
        "text": "".join(e.text for e in events if isinstance(e, TextDelta)),
        "reasoning": "".join(e.text for e in events if isinstance(e, ReasoningDelta)),
        "calls": called and sorted(called),
        "reason": "tool_calls" if called and finish.reason == "stop" else finish.reason,
        "usage": finish.usage,
        "end": events[-1],
    }


@given(answers(), st.sampled_from(["sse", "ndjson"]), st.sampled_from(["chat", "generate"]), st.booleans())
def test_every_legal_answer_comes_back_the_same(events: list[Event], framing: Any, mode: Any, whole: bool) -> None:
    encoder = OllamaEncoder(framing=framing, mode=mode)
    messages = [message for event in events for message in encoder.feed(event)] + encoder.finish()
    if whole:
        messages = [OllamaEncoder.whole([json.loads(m.data) if framing == "sse" else m for m in messages])]
    assert gist(decode(messages)) == gist(events)
