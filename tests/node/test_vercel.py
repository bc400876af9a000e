"""The real `ai` package, 5, 6 and 7: every recording and every shape of an answer, as `useChat` would show it.

`ai5_0` and `ai6_0` are the first releases of their majors, which refuse every type and field that they do not know.
"""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Callable
from typing import Any

import pytest

from gai_stream.dialects.vercel import VercelEncoder
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
END: list[Event] = [FinishStep(1), Finish("stop", Usage(1, 2, 3)), Done()]

CLIENTS = pytest.mark.parametrize(
    ("client", "profile"),
    [("ai5_0", 5), ("ai5", 5), ("ai6_0", 5), ("ai7", 5), ("ai6_0", 6), ("ai6", 6), ("ai7", 6), ("ai7", 7)],
)


def parts(seen: Seen, kind: str) -> list[Any]:
    return [part for part in all_parts(seen) if part["type"] == kind]


def all_parts(seen: Seen) -> list[Any]:
    assert "thrown" not in seen, seen
    shown: list[Any] = seen["message"]["parts"] if seen["message"] is not None else []
    return shown


def words(seen: Seen, kind: str = "text", *, refusal: bool = False) -> str:
    """The text of all parts of a kind, those that refuse or the others."""
    found = parts(seen, kind)
    assert all(part["state"] == "done" for part in found)
    marked = {"gai": {"refusal": True}}
    return "".join(part["text"] for part in found if (part.get("providerMetadata") == marked) is refusal)


def tools(seen: Seen) -> list[Any]:
    return [part for part in all_parts(seen) if part["type"].startswith("tool-")]


def finish_reason(seen: Seen) -> str:
    finish = seen["finish"]
    told: str = finish.get("finishReason") or finish["messageMetadata"]["finishReason"]
    return told


@CLIENTS
def test_every_recording_is_shown_whole(
    client: str, profile: Any, recorded: dict[str, list[Event]], read: Read
) -> None:
    for name, events in recorded.items():
        seen = read(client, VercelEncoder(profile=profile), events)
        said = {True: "", False: ""}
        for event in events:
            if isinstance(event, TextDelta) and not event.index:
                said[event.refusal] += event.text
        assert (words(seen), words(seen, refusal=True)) == (said[False], said[True]), name
        thought = [e.text for e in events if isinstance(e, ReasoningDelta) and not e.index]
        assert "".join(part["text"] for part in parts(seen, "reasoning")) == "".join(thought)
        calls = {e.id: (e.name, e.input) for e in events if isinstance(e, ToolCall) and not e.choice}
        failed = {e.id for e in events if isinstance(e, ToolResult) and e.error is not None}
        shown = {
            part["toolCallId"]: (part["type"][5:], part["input"])
            for part in tools(seen)
            if part["state"] in ("input-available", "output-available") or part["toolCallId"] in failed
        }
        assert shown == calls, name
        outputs = {e.id: e.result for e in events if isinstance(e, ToolResult) and e.error is None}
        assert {p["toolCallId"]: p["output"] for p in tools(seen) if p["state"] == "output-available"} == outputs
        failure = next((event for event in events if isinstance(event, Failure)), None)
        if failure is not None:
            assert seen["errors"] == [failure.message]
            assert seen["types"][-1] == "error"
            continue
        (finish,) = [event for event in events if isinstance(event, Finish)]
        assert (seen["errors"], seen["warnings"]) == ([], [])
        wanted = {"length": "length", "content_filter": "content-filter", "unknown": "other"}.get(finish.reason, "stop")
        client_calls = [e for e in events if isinstance(e, ToolCall) and not e.choice and e.kind != "server"]
        if wanted == "stop" and client_calls:
            wanted = "tool-calls"
        assert finish_reason(seen) == wanted, name
        usage = seen["message"]["metadata"].get("usage", {})
        told = finish.usage or Usage()
        assert (usage.get("inputTokens"), usage.get("outputTokens")) == (told.input_tokens, told.output_tokens)


@CLIENTS
def test_one_answer_with_everything_in_it(client: str, profile: Any, read: Read) -> None:
    seen = read(
        client,
        VercelEncoder(profile=profile),
        [
            START,
            ReasoningDelta("hm"),
            ReasoningDelta("", "seal"),
            ReasoningDelta("", redacted="opaque"),
            TextDelta("The \u2028 "),
            Citations([Citation("https://a.example", "A", 0, 3, "The"), Citation(None, "Book"), Citation()]),
            TextDelta("sea"),
            Citations([Citation("https://a.example", "again")]),
            Safety("hate", "warn", 0.5),
            Raw("vercel", {"type": "data-weather", "id": "w", "data": None, "odd": 1}),
            Raw("openai", {"type": "text-start"}),
            *END,
        ],
    )
    assert (seen["errors"], seen["warnings"]) == ([], [])
    assert (words(seen), words(seen, "reasoning")) == ("The \u2028 sea", "hm")
    seals = [part.get("providerMetadata") for part in parts(seen, "reasoning")]
    assert seals == [{"p": {"signature": "seal"}}, {"p": {"redactedData": "opaque"}}]
    (source,) = parts(seen, "source-url")
    assert (source["sourceId"], source["url"], source["title"]) == ("source-1", "https://a.example", "A")
    assert [part["title"] for part in parts(seen, "source-document")] == ["Book"]
    assert parts(seen, "data-safety")[0]["data"] == {"category": "hate", "action": "warn", "score": 0.5}
    assert parts(seen, "data-weather")[0]["data"] is None
    assert seen["message"]["id"] == "c1"
    assert seen["message"]["metadata"]["usage"] == {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}
    assert finish_reason(seen) == "stop"


@CLIENTS
def test_tools_of_every_kind(client: str, profile: Any, read: Read) -> None:
    seen = read(
        client,
        VercelEncoder(profile=profile),
        [
            START,
            TextDelta("let me see"),
            ToolCallDelta(0, "a", "search", kind="server"),
            ToolCallDelta(0, arguments='{"q":1}'),
            ToolCall("a", "search", {"q": 1}, '{"q":1}', kind="server"),
            ToolResult("a", "search", None),
            TextDelta("and"),
            ToolCallDelta(1, "b", "add", '{"a"'),
            ToolCallDelta(2, "c", "sql", "SELECT ", kind="custom"),
            ToolCallDelta(1, arguments=":1}"),
            ToolCallDelta(2, arguments="1"),
            ToolCall("b", "add", {"a": 1}, '{"a":1}', signature="seal"),
            ToolCall("c", "sql", "SELECT 1", "SELECT 1", kind="custom"),
            ToolCall("d", "now", {}),
            ToolResult("d", "now", None, "no clock"),
            ToolResult("e", "other", [1]),
            *END,
        ],
    )
    assert (seen["errors"], seen["warnings"]) == ([], [])
    shown = [(p["toolCallId"], p["type"], p["state"], p.get("input"), p.get("providerExecuted")) for p in tools(seen)]
    assert shown == [
        ("a", "tool-search", "output-available", {"q": 1}, True),
        ("b", "tool-add", "input-available", {"a": 1}, None),
        ("c", "tool-sql", "input-available", "SELECT 1", None),
        ("d", "tool-now", "output-error", {}, None),
        ("e", "tool-other", "output-available", None, True),
    ]
    assert tools(seen)[0]["output"] is None
    assert tools(seen)[1]["callProviderMetadata"] == {"p": {"signature": "seal"}}
    assert tools(seen)[3]["errorText"] == "no clock"
    assert [part["text"] for part in parts(seen, "text")] == ["let me see", "and"]
    assert finish_reason(seen) == "tool-calls"


@CLIENTS
def test_two_calls_with_one_id_are_two_calls(client: str, profile: Any, read: Read) -> None:
    twins = [
        ToolCall("x", "f", {"n": 1}),
        ToolResult("x", "f", 1),
        ToolCall("x", "f", {"n": 2}),
        ToolResult("x", "f", 2),
    ]
    seen = read(client, VercelEncoder(profile=profile), [START, *twins, *END])
    assert [(part["input"]["n"], part["output"]) for part in tools(seen)] == [(1, 1), (2, 2)]


@CLIENTS
def test_several_steps_and_results_behind_their_step(client: str, profile: Any, read: Read) -> None:
    seen = read(
        client,
        VercelEncoder(profile=profile),
        [
            START,
            TextDelta("one"),
            ToolCall("a", "f", {}, "{}"),
            FinishStep(1),
            ToolResult("a", "f", {"x": 1}),
            TextDelta("two"),
            FinishStep(2),
            TextDelta("three"),
            Finish("length"),
            Done(),
        ],
    )
    assert (seen["errors"], seen["warnings"]) == ([], [])
    kinds = [part["type"] for part in seen["message"]["parts"]]
    assert kinds == ["step-start", "text", "tool-f", "step-start", "text", "step-start", "text"]
    assert words(seen) == "onetwothree"
    assert tools(seen)[0]["output"] == {"x": 1}
    assert finish_reason(seen) == "length"
    assert seen["types"].count("start-step") == seen["types"].count("finish-step") == 3


@CLIENTS
def test_an_error_in_the_middle_of_text_and_of_a_tool(client: str, profile: Any, read: Read) -> None:
    failure = Failure("overloaded", "try later", True)
    events: list[Event] = [START, TextDelta("half"), failure]
    seen = read(client, VercelEncoder(profile=profile), events)
    assert (words(seen), seen["errors"], seen["types"][-1]) == ("half", ["try later"], "error")
    events = [START, TextDelta("a"), ToolCallDelta(0, "x", "f", '{"a'), failure]
    seen = read(client, VercelEncoder(profile=profile), events)
    assert (words(seen), seen["errors"]) == ("a", ["try later"])
    (part,) = tools(seen)
    if profile == 5:
        assert part["state"] == "input-streaming"
    else:
        assert (part["state"], part["errorText"]) == ("output-error", "try later")
    assert read(client, VercelEncoder(profile=profile), [failure])["errors"] == ["try later"]


@CLIENTS
def test_a_call_that_was_cut_is_no_call_and_one_that_is_no_json_an_error(client: str, profile: Any, read: Read) -> None:
    fragment = ToolCallDelta(0, "x", "f", '{"a')
    (part,) = tools(read(client, VercelEncoder(profile=profile), [START, fragment, Finish("length"), Done()]))
    assert part["state"] == "input-streaming"
    (part,) = tools(read(client, VercelEncoder(profile=profile), [START, fragment, Finish("stop"), Done()]))
    assert part["state"] == ("input-streaming" if profile == 5 else "output-error")
    whole = ToolCallDelta(0, "x", "f", '{"a":1}')
    (part,) = tools(read(client, VercelEncoder(profile=profile), [START, whole, Finish("stop"), Done()]))
    assert (part["state"], part["input"]) == ("input-available", {"a": 1})


@CLIENTS
def test_audio_is_one_file_that_plays(client: str, profile: Any, read: Read) -> None:
    events = [AudioDelta(b"\0\1", "pcm16"), AudioDelta(b"", None, "sp"), AudioDelta(b"\2\3", "pcm16", "oken")]
    seen = read(client, VercelEncoder(profile=profile), [START, *events, *END])
    assert (seen["errors"], seen["warnings"]) == ([], [])
    (file,) = parts(seen, "file")
    lead, data = file["url"].split(",")
    assert (file["mediaType"], lead) == ("audio/wav", "data:audio/wav;base64")
    with wave.open(io.BytesIO(base64.b64decode(data))) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (24_000, 1, 2)
        assert sound.readframes(9) == b"\0\1\2\3"
    assert parts(seen, "data-transcript")[0]["data"] == {"text": "spoken"}


@CLIENTS
@pytest.mark.parametrize("events", [[], [TextDelta("a"), TextDelta("b")], [START, Finish("stop")], [Done()]])
def test_the_shortest_answers(client: str, profile: Any, events: list[Event], read: Read) -> None:
    seen = read(client, VercelEncoder(profile=profile), events)
    assert (seen["errors"], seen["warnings"]) == ([], [])
    assert words(seen) == ("ab" if len(events) == 2 and START not in events else "")
    assert finish_reason(seen) == "stop"


@CLIENTS
def test_an_answer_that_was_cut_off_and_one_that_the_user_stopped(client: str, profile: Any, read: Read) -> None:
    seen = read(client, VercelEncoder(profile=profile), [START, TextDelta("half")])
    assert (words(seen), seen["errors"]) == ("half", ["the answer was cut off before its end"])
    aborted = [START, TextDelta("half"), Finish("aborted", raw_reason="enough"), Done(finished=False)]
    seen = read(client, VercelEncoder(profile=profile), aborted)
    assert (words(seen), seen["errors"], seen["types"][-1]) == ("half", [], "abort")


@CLIENTS
def test_chunks_of_the_protocols_own_pass_where_the_client_knows_them(client: str, profile: Any, read: Read) -> None:
    raw: list[dict[str, Any]] = [
        {"type": "file", "url": "https://a.example/x.png", "mediaType": "image/png", "extra": 1},
        {"type": "message-metadata", "messageMetadata": {"k": None}},
        {"type": "tool-approval-request", "approvalId": "ok", "toolCallId": "x"},
        {"type": "tool-approval-request", "approvalId": "ok", "toolCallId": "unknown"},
        {"type": "tool-approval-response", "approvalId": "ok", "approved": True},
        {"type": "custom", "kind": "p.q"},
        {"type": "file", "url": None, "mediaType": "image/png"},
        {"type": "unheard-of"},
    ]
    events = [START, ToolCall("x", "f", {}, "{}"), *(Raw("vercel", data) for data in raw), *END]
    seen = read(client, VercelEncoder(profile=profile), events)
    assert (seen["errors"], seen["warnings"], finish_reason(seen)) == ([], [], "tool-calls")
    assert [part["url"] for part in parts(seen, "file")] == ["https://a.example/x.png"]
    assert seen["message"]["metadata"]["k"] is None
    states = {5: "input-available", 6: "approval-requested", 7: "approval-responded"}
    assert tools(seen)[0]["state"] == states[profile]


@pytest.mark.parametrize("client", ["ai5_0", "ai6", "ai7"])
def test_a_refused_request_is_the_text_of_the_error(client: str, read_answer: Any) -> None:
    body = VercelEncoder.error_body(Failure("rate_limited", "too many requests"), 429).encode()
    assert read_answer(client, 429, {"content-type": "text/plain"}, body)["thrown"] == "too many requests"
