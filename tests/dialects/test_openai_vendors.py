"""The servers that resemble OpenAI: each row of differences, and every shape of error."""

from __future__ import annotations

from typing import Any

import pytest

from gai_stream.dialects.openai import OpenAIDecoder
from gai_stream.events import (
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
from gai_stream.exceptions import TruncatedStream


def chunk(delta: dict[str, Any] | None = None, *, reason: str | None = None, **extra: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **extra}


def decode(*messages: Any) -> list[Event]:
    """What comes before the end, without Start."""
    decoder = OpenAIDecoder()
    events = [event for message in messages for event in decoder.feed(message)]
    assert events.pop(0) == Start(None, None, "c")
    return events


def usage_of(*messages: Any) -> Usage | None:
    decoder = OpenAIDecoder()
    for message in messages:
        decoder.feed(message)
    finish = decoder.feed("[DONE]")[-2]
    assert isinstance(finish, Finish)
    return finish.usage


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "hm", "content": None},
        {"reasoning": "hm", "channel": "analysis"},
        {"reasoning_content": "", "reasoning": "hm"},
        {"reasoning_content": "hm", "reasoning": "hm"},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}], "content": ""},
        {"reasoning_details": [{"type": "reasoning.text", "text": "h"}, {"type": "reasoning.summary", "summary": "m"}]},
        {"reasoning_content": "hm", "thinking_blocks": [{"type": "thinking", "thinking": "hm"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}]},
        {"content": [{"type": "thinking", "thinking": "hm"}]},
        {"content": [{"type": "thinking", "thinking": "hm"}], "reasoning": "hm"},
    ],
)
def test_reasoning_counts_once_under_whatever_name(delta: dict[str, Any]) -> None:
    assert decode(chunk(delta)) == [ReasoningDelta("hm")]


def test_seals_on_reasoning_are_kept() -> None:
    sealed = {"type": "reasoning.text", "text": "hm", "signature": "s1"}
    encrypted = {"type": "reasoning.encrypted", "data": "d1"}
    assert decode(chunk({"reasoning": "hm", "reasoning_details": [sealed, encrypted]})) == [
        ReasoningDelta("hm", "s1"),
        ReasoningDelta("", redacted="d1"),
    ]
    assert decode(chunk({"reasoning_details": [{**sealed, "text": None}]})) == [ReasoningDelta("", "s1")]
    same = {"reasoning_details": [sealed], "thinking_blocks": [{"thinking": "hm", "signature": "s1"}]}
    assert decode(chunk(same)) == [ReasoningDelta("hm", "s1")]
    assert decode(chunk({"reasoning_details": "odd", "thinking_blocks": [5, {}]})) == []


def test_reasoning_that_only_the_provider_can_read_is_kept_as_it_is() -> None:
    blocks = [{"type": "redacted_thinking", "data": "d1"}, {"type": "redacted_thinking", "data": "d1"}]
    assert decode(chunk({"thinking_blocks": blocks})) == [ReasoningDelta("", redacted="d1")]
    assert decode(chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": 5, "signature": []}]})) == []


SEAL = {"google": {"thought_signature": "seal"}}


def sealed(*deltas: dict[str, Any]) -> list[Event]:
    return decode(*(chunk(delta) for delta in deltas), chunk({}, reason="stop"), "[DONE]")[:-3]


def test_geminis_seal_on_a_call_is_the_calls() -> None:
    function = {"name": "f", "arguments": "{}"}
    entry = {"index": 0, "id": "x", "function": function}
    told: list[Event] = [ToolCallDelta(0, "x", "f", "{}"), ToolCall("x", "f", {}, "{}", signature="seal")]
    assert sealed({"tool_calls": [{**entry, "extra_content": SEAL}]}) == told
    assert sealed({"tool_calls": [entry]}, {"tool_calls": [{"index": 0, "extra_content": SEAL}]}) == told
    assert sealed({"tool_calls": [entry]}, {"extra_content": SEAL}) == told
    other = {"google": {"thought_signature": "other"}}
    assert sealed({"tool_calls": [{**entry, "extra_content": SEAL}]}, {"extra_content": other}) == [
        told[0],
        ReasoningDelta("", "other"),
        told[1],
    ]
    # Objects run together: the seal is on the first.
    calls = sealed({"tool_calls": [{**entry, "extra_content": SEAL, "function": {**function, "arguments": "{}{}"}}]})
    assert [event.signature for event in calls if isinstance(event, ToolCall)] == ["seal", None]


def test_geminis_seal_without_a_call_is_on_what_was_thought() -> None:
    assert sealed({"extra_content": SEAL}) == [ReasoningDelta("", "seal")]
    entry = {"index": 0, "id": "x", "function": {"name": "f", "arguments": "{}"}}
    assert sealed({"tool_calls": [entry]}, {"content": "a", "extra_content": SEAL}) == [
        ToolCallDelta(0, "x", "f", "{}"),
        TextDelta("a"),
        ReasoningDelta("", "seal"),
        ToolCall("x", "f", {}, "{}"),
    ]


@pytest.mark.parametrize("odd", ["x", {"google": "x"}, {"google": {"thought_signature": 5}}, {"openai": {}}])
def test_extra_content_of_another_kind_is_nothing(odd: Any) -> None:
    entry = {"index": 0, "id": "x", "function": {"name": "f", "arguments": "{}"}, "extra_content": odd}
    assert sealed({"tool_calls": [entry], "extra_content": odd})[-1] == ToolCall("x", "f", {}, "{}")


def test_tools_that_groq_ran_are_calls_of_the_servers() -> None:
    asked = {"index": 0, "type": "search", "arguments": '{"query": "x"}'}
    results = {"results": [{"title": "T", "url": "u"}]}
    done = {**asked, "output": "found", "search_results": results}
    (call, result, text) = decode(
        chunk({"executed_tools": [{"index": 0, "type": "search"}]}),
        chunk({"executed_tools": [asked]}),
        {**chunk({"executed_tools": [done], "content": "a"}), "id": "other"},
        chunk({"executed_tools": [done]}),
    )[:3]
    assert isinstance(call, ToolCall)
    assert call == ToolCall(call.id, "search", {"query": "x"}, '{"query": "x"}', kind="server")
    assert (result, text) == (TextDelta("a"), ToolResult(call.id, "search", "found"))
    assert decode(chunk({"executed_tools": [asked]})) == [call]
    unnamed = decode(chunk({"executed_tools": [{"search_results": results}, "odd"]}))
    assert [type(event) for event in unnamed] == [ToolCall, ToolResult]
    assert decode(chunk({"executed_tools": "odd"})) == []


def test_a_stream_that_groq_stopped_early_failed() -> None:
    assert decode(chunk({"content": "a"}), chunk({}, x_groq={"id": "r", "error": "over capacity"})) == [
        TextDelta("a"),
        Failure("internal", "over capacity", True),
        Done(finished=False),
    ]


def test_a_server_that_gives_no_reason_can_be_known_for_it() -> None:
    decoder = OpenAIDecoder(needs_reason=False)
    decoder.feed(chunk({"content": "a"}))
    assert decoder.finish() == [FinishStep(1), Finish("unknown"), Done()]
    with pytest.raises(TruncatedStream):
        OpenAIDecoder(needs_reason=False).finish()
    with pytest.raises(ValueError, match="needs_reason must be True or False, not 'no'"):
        OpenAIDecoder(needs_reason="no")  # type: ignore[arg-type]


def test_a_call_of_a_kind_that_nobody_knows_is_not_the_clients_business() -> None:
    assert decode(
        chunk({"tool_calls": [{"index": 0, "id": "x", "type": "drawing", "drawing": {}}], "content": "a"})
    ) == [TextDelta("a")]


def test_log_probabilities_have_no_place() -> None:
    choice = {"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [{"token": "a", "logprob": -0.1}]}}
    assert decode({"id": "c", "choices": [choice]}) == [TextDelta("a")]


def test_an_empty_span_is_none() -> None:
    source = {"url": "u", "title": "", "start_index": 0, "end_index": 0}
    assert decode(chunk({"annotations": [{"type": "url_citation", "url_citation": source}]})) == [
        Citations([Citation("u")])
    ]


def test_content_may_be_a_list() -> None:
    parts = [{"type": "text", "text": "a"}, "b", {"type": "reference", "reference_ids": [1, "x"]}, {"type": "text"}]
    assert decode(chunk({"content": parts})) == [
        TextDelta("a"),
        TextDelta("b"),
        Citations([Citation("1"), Citation("x")]),
    ]


def test_sources_are_told_once_with_what_the_search_knows() -> None:
    results = [{"title": "B", "url": "u2", "snippet": "words"}, {"title": "C", "url": "u3"}, {"date": "2026"}]
    found: dict[str, Any] = {"citations": ["u1", "u2", 5, {"url": "u4", "title": "D"}, {}], "search_results": results}
    more: dict[str, Any] = {**found, "citations": ["u1", "u9"]}
    assert decode(chunk({"content": "a"}, **found), chunk({"content": "b"}, **found), chunk({}, **more)) == [
        TextDelta("a"),
        Citations([Citation("u1"), Citation("u2", "B", text="words"), Citation("u4", "D"), Citation("u3", "C")]),
        TextDelta("b"),
        Citations([Citation("u9")]),
    ]
    assert decode(chunk({}, citations="odd", search_results={"also": "odd"})) == []


def test_glm_tells_of_its_search_and_its_filter() -> None:
    search = [{"title": "T", "link": "u", "content": "words", "icon": "i", "refer": "ref_1"}]
    levels = [{"role": "user", "level": 0}, {"role": "assistant", "level": 2}, {}]
    assert decode(chunk({}, web_search=search, content_filter=levels)) == [
        Safety("user", "block", 0),
        Safety("assistant", "warn", 2),
        Safety("content_filter", "warn"),
        Citations([Citation("u", "T", text="words")]),
    ]
    assert decode(chunk({"content": "a"}), chunk({}, reason="sensitive"), "[DONE]") == [
        TextDelta("a"),
        Safety("sensitive", "block"),
        FinishStep(1),
        Finish("content_filter", None, "sensitive"),
        Done(),
    ]


def test_a_cumulative_message_beside_the_delta_is_ignored() -> None:
    choice = {"index": 0, "delta": {"content": ""}, "message": {"content": "all of it"}, "finish_reason": "stop"}
    assert decode({"id": "c", "object": "chat.completion.done", "choices": [choice]}) == []


def test_the_provider_behind_a_router_is_told() -> None:
    assert OpenAIDecoder().feed(chunk({}, model="m", provider="Groq")) == [Start("m", "Groq", "c")]
    assert OpenAIDecoder().feed(chunk({}, model="m", provider={"odd": 1})) == [Start("m", None, "c")]


def test_an_id_that_changes_per_chunk_starts_once() -> None:
    assert decode(chunk({"content": "a"}), {**chunk({"content": "b"}), "id": "d"}) == [TextDelta("a"), TextDelta("b")]


@pytest.mark.parametrize(
    ("extra", "usage"),
    [
        ({"usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}, Usage(3, 2, 5)),
        ({"usage": {"prompt_tokens": 3.0, "completion_tokens": 2.0}}, Usage(3, 2, 5)),
        ({"usage": {"prompt_tokens": 3}}, Usage(3)),
        ({"usage": {"total_tokens": 3}}, Usage(None, None, 3)),
        ({"usage": {}}, None),
        ({"usage": {"prompt_tokens": float("inf"), "completion_tokens": float("nan")}}, None),
        ({"usage": None}, None),
        ({"x_groq": {"id": "r"}}, None),
        ({"x_groq": {"id": "r", "usage": {"prompt_tokens": 3, "queue_time": 0.1}}}, Usage(3)),
        ({"x_groq": {"usage": {"prompt_tokens": 9}}, "usage": {"prompt_tokens": 3}}, Usage(3)),
        ({"choices": [{"delta": {}, "usage": {"prompt_tokens": 3}}]}, Usage(3)),
        (
            {"usage": {"prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2}}},
            Usage(None, None, None, None, 1, 2),
        ),
        ({"usage": {"completion_tokens_details": {"reasoning_tokens": 0}}}, Usage(None, None, None, 0)),
        (
            {"usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}},
            Usage(9, cache_read_tokens=4),
        ),
        ({"usage": {"cached_tokens": 4}}, Usage(cache_read_tokens=4)),
        (
            {"usage": {"cache_read_input_tokens": 4, "cache_creation_input_tokens": 5}},
            Usage(None, None, None, None, 4, 5),
        ),
        ({"usage": {"reasoning_tokens": 4}}, Usage(reasoning_tokens=4)),
        # xAI leaves reasoning out of the completion: 496 + 77 + 121 = 694.
        (
            {
                "usage": {
                    "prompt_tokens": 496,
                    "completion_tokens": 77,
                    "total_tokens": 694,
                    "completion_tokens_details": {"reasoning_tokens": 121},
                }
            },
            Usage(496, 198, 694, 121),
        ),
        (
            {
                "usage": {
                    "prompt_tokens": 6,
                    "completion_tokens": 212,
                    "total_tokens": 218,
                    "completion_tokens_details": {"reasoning_tokens": 198},
                }
            },
            Usage(6, 212, 218, 198),
        ),
    ],
)
def test_usage_is_found_wherever_it_is(extra: dict[str, Any], usage: Usage | None) -> None:
    assert usage_of(chunk({}, **extra)) == usage


def test_the_last_usage_counts_and_is_never_added_up() -> None:
    counts: list[dict[str, Any]] = [{"usage": {"prompt_tokens": 8, "completion_tokens": n}} for n in (1, 2, 5)]
    assert usage_of(*(chunk({}, **count) for count in counts), chunk({}, usage={})) == Usage(8, 5, 13)
