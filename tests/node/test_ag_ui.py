"""The real @ag-ui/client: its schemas and its verifier take every event, and its messages hold the whole answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gai_stream.dialects.ag_ui import AGUIEncoder
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

Read = Callable[[str, Any, list[Event]], dict[str, Any]]
Seen = dict[str, Any]
START = Start("m", "p", "c1")
END: list[Event] = [FinishStep(1), Finish("stop", Usage(1, 2, None, 1, 1, 0)), Done()]


def run(read: Read, events: list[Event]) -> Seen:
    seen = read("ag_ui", AGUIEncoder(thread_id="thread", run_id="run"), events)
    assert "thrown" not in seen, seen
    assert seen["warnings"] == []
    return seen


def content(seen: Seen, role: str = "assistant") -> str:
    return "".join(message.get("content") or "" for message in seen["messages"] if message["role"] == role)


def calls(seen: Seen) -> list[tuple[str, str, str]]:
    return [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for message in seen["messages"]
        for call in message.get("toolCalls", ())
    ]


def custom(seen: Seen, name: str) -> list[Any]:
    return [event["value"] for event in seen["events"] if event["type"] == "CUSTOM" and event["name"] == name]


def test_every_recording_is_shown_whole(recorded: dict[str, list[Event]], read: Read) -> None:
    for name, events in recorded.items():
        seen = run(read, events)
        assert content(seen) == "".join(e.text for e in events if isinstance(e, TextDelta) and not e.index), name
        thought = "".join(e.text for e in events if isinstance(e, ReasoningDelta) and not e.index)
        assert content(seen, "reasoning") == thought
        told: dict[int, list[str]] = {}
        for event in events:
            if isinstance(event, ToolCallDelta) and not event.choice:
                call = told.setdefault(event.index, [event.id or "", event.name or "", ""])
                call[2] += event.arguments
        whole = {e.id: e.arguments.strip() or "{}" for e in events if isinstance(e, ToolCall)}
        wanted = [(id, tool, arguments.strip() or whole.get(id, "")) for id, tool, arguments in told.values()]
        assert [(id, tool, text.strip()) for id, tool, text in calls(seen)] == wanted, name
        failure = next((event for event in events if isinstance(event, Failure)), None)
        end = seen["events"][-1]
        if failure is not None:
            assert (end["type"], end["message"], end["code"]) == ("RUN_ERROR", failure.message, failure.code)
            assert seen["errors"] == [failure.message]
            continue
        (finish,) = [event for event in events if isinstance(event, Finish)]
        assert (end["type"], end["threadId"], end["runId"], seen["errors"]) == ("RUN_FINISHED", "thread", "run", [])
        mine = [e for e in events if isinstance(e, ToolCall) and not e.choice and e.kind != "server"]
        reason = finish.reason if finish.reason not in ("stop", "tool_calls") else "tool_calls" if mine else "stop"
        assert end["metadata"]["gai"]["finishReason"] == reason, name
        (usage,) = end.get("usage") or [{}]
        counts = finish.usage or Usage()
        assert (usage.get("inputTokens"), usage.get("outputTokens")) == (counts.input_tokens, counts.output_tokens)


def test_one_answer_with_everything_in_it(read: Read) -> None:
    seen = run(
        read,
        [
            START,
            ReasoningDelta("hm"),
            ReasoningDelta("", "seal"),
            ReasoningDelta("more"),
            ReasoningDelta("", redacted="opaque"),
            TextDelta("The \u2028 "),
            Citations([Citation("u", "A", 0, 3, "The"), Citation()]),
            TextDelta("sea"),
            ToolCallDelta(0, "a", "add", '{"a"'),
            ToolCallDelta(1, "b", "sql", "SELECT ", kind="custom"),
            ToolCallDelta(0, arguments=":1}"),
            ToolCallDelta(1, arguments="1"),
            ToolCall("a", "add", {"a": 1}, '{"a":1}', signature="stamp"),
            ToolCall("b", "sql", "SELECT 1", "SELECT 1", kind="custom"),
            ToolCall("c", "now", {}, kind="server"),
            ToolResult("c", "now", {"t": [1]}),
            ToolResult("a", "add", None, "no"),
            TextDelta("And then"),
            Safety("hate", "warn"),
            AudioDelta(b"\0\1", "pcm16"),
            AudioDelta(b"", None, "spoken"),
            Raw("ag_ui", {"type": "STATE_SNAPSHOT", "snapshot": {"n": 1}}),
            Raw("ag_ui", {"type": "STATE_DELTA", "delta": [{"op": "replace", "path": "/n", "value": 2}]}),
            Raw("ag_ui", {"type": "STATE_DELTA"}),
            Raw("ag_ui", {"type": "TEXT_MESSAGE_START", "messageId": "x"}),
            Raw("openai", {"type": "STATE_SNAPSHOT", "snapshot": 1}),
            *END,
        ],
    )
    assert [message["role"] for message in seen["messages"]] == [
        *("reasoning", "reasoning", "assistant", "tool", "tool", "assistant")
    ]
    assert [m.get("encryptedValue") for m in seen["messages"][:2]] == ["seal", None]
    assert [m["content"] for m in seen["messages"][-4:]] == [
        *("The \u2028 sea", '{"t":[1]}', '{"error":"no"}', "And then")
    ]
    assert calls(seen) == [("a", "add", '{"a":1}'), ("b", "sql", "SELECT 1"), ("c", "now", "{}")]
    assert seen["messages"][2]["toolCalls"][0]["encryptedValue"] == "stamp"
    assert custom(seen, "gai.citations") == [[{"uri": "u", "title": "A", "start": 0, "end": 3, "text": "The"}]]
    assert custom(seen, "gai.safety") == [{"category": "hate", "action": "warn"}]
    assert custom(seen, "gai.audio") == [{"data": "AAE=", "format": "pcm16"}, {"transcript": "spoken"}]
    assert custom(seen, "gai.redacted_reasoning") == ["opaque"]
    assert [event["type"] for event in seen["events"] if event["type"].startswith("STATE")] == [
        *("STATE_SNAPSHOT", "STATE_DELTA")
    ]
    assert seen["events"][-1]["usage"] == [
        {
            "provider": "p",
            "model": "m",
            "inputTokens": 1,
            "outputTokens": 2,
            "totalTokens": 3,
            "reasoningTokens": 1,
            "cachedInputTokens": 1,
            "cacheWriteInputTokens": 0,
        }
    ]


def test_text_and_calls_of_a_step_are_one_message_whichever_comes_first(read: Read) -> None:
    call = [ToolCallDelta(0, "a", "f", "{}"), ToolCall("a", "f", {}, "{}")]
    for events in ([*call, TextDelta("t")], [TextDelta("t"), *call]):
        (message,) = run(read, [START, *events, *END])["messages"]
        assert (message["content"], len(message["toolCalls"])) == ("t", 1)


def test_two_calls_with_one_id_are_two_calls(read: Read) -> None:
    twins = [ToolCallDelta(0, "x", "f", "{"), ToolCallDelta(1, "x", "f", "{ "), ToolCallDelta(0, arguments="}")]
    seen = run(read, [START, *twins, ToolCall("x", "f", {}, "{}"), ToolCall("x", "f", {}, "{ }"), *END])
    assert [arguments for _, _, arguments in calls(seen)] == ["{}", "{ }"]


def test_several_steps_are_several_messages(read: Read) -> None:
    seen = run(
        read,
        [
            *(START, TextDelta("one"), ToolCall("a", "f", {}, "{}"), FinishStep(1), ToolResult("a", "f", "r")),
            *(TextDelta("two"), FinishStep(2), ReasoningDelta("hm"), TextDelta("three"), Finish("length"), Done()),
        ],
    )
    assert [(message["role"], message["content"]) for message in seen["messages"]] == [
        ("assistant", "one"),
        ("tool", "r"),
        ("assistant", "two"),
        ("reasoning", "hm"),
        ("assistant", "three"),
    ]
    assert seen["types"].count("STEP_STARTED") == seen["types"].count("STEP_FINISHED") == 3
    assert seen["events"][-1]["metadata"] == {"gai": {"finishReason": "length"}}


@pytest.mark.parametrize(
    "before",
    [
        [],
        [START],
        [START, TextDelta("a")],
        [START, ReasoningDelta("a")],
        [START, TextDelta("a"), ToolCallDelta(0, "x", "f", '{"a')],
        [START, ToolCallDelta(0, name="f", arguments='{"a')],
    ],
)
def test_an_error_closes_what_is_open_and_nothing_follows_it(before: list[Event], read: Read) -> None:
    seen = run(read, [*before, Failure("overloaded", "try later", True), TextDelta("late")])
    assert seen["errors"] == ["try later"]
    assert (seen["types"][-1], seen["events"][-1]["code"]) == ("RUN_ERROR", "overloaded")
    for kind in ("TEXT_MESSAGE", "REASONING", "REASONING_MESSAGE", "TOOL_CALL"):
        assert seen["types"].count(f"{kind}_START") == seen["types"].count(f"{kind}_END")
    assert seen["types"].count("STEP_STARTED") == seen["types"].count("STEP_FINISHED")


@pytest.mark.parametrize("events", [[], [TextDelta("a"), TextDelta("b")], [START, Finish("stop")], [Done()]])
def test_the_shortest_answers(events: list[Event], read: Read) -> None:
    seen = run(read, events)
    assert content(seen) == ("ab" if len(events) == 2 and START not in events else "")
    assert (seen["types"][0], seen["types"][-1]) == ("RUN_STARTED", "RUN_FINISHED")


def test_an_answer_that_was_cut_off(read: Read) -> None:
    seen = run(read, [START, TextDelta("half")])
    assert (content(seen), seen["errors"]) == ("half", ["the answer was cut off before its end"])
    seen = run(read, [START, ToolCallDelta(0, "x", "f", '{"a'), Finish("length"), Done()])
    assert calls(seen) == [("x", "f", '{"a')]
    assert seen["errors"] == []


def test_counts_that_javascript_cannot_hold_are_left_out(read: Read) -> None:
    seen = run(read, [START, Finish("stop", Usage(1 << 53, -1, 7)), Done()])
    assert seen["events"][-1]["usage"] == [{"provider": "p", "model": "m", "totalTokens": 7}]


def test_a_refused_request_is_an_error_with_its_payload(read_answer: Any) -> None:
    body = b'{"message":"too many requests","code":"rate_limited"}'
    assert AGUIEncoder.error_body(Failure("rate_limited", "too many requests"), 429) == {
        "message": "too many requests",
        "code": "rate_limited",
    }
    seen = read_answer("ag_ui", 429, {"content-type": "application/json"}, body)
    assert seen["thrown"] == f"HTTP 429: {body.decode()}"
