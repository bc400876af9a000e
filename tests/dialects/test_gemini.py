"""Gemini chunks to events, rule by rule."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gai_stream.dialects._calls import made_up_id
from gai_stream.dialects.gemini import GeminiDecoder
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
from gai_stream.exceptions import DecodeError, LimitExceeded, TruncatedStream
from gai_stream.sse import ServerSentEvent, SSEDecoder

STOP: dict[str, Any] = {"candidates": [{"finishReason": "STOP"}]}


def chunk(*parts: Any, index: int | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk of one candidate; `fields` are the candidate's."""
    candidate = {"content": {"parts": [*parts], "role": "model"}, **fields}
    return {"candidates": [candidate if index is None else candidate | {"index": index}]}


def events(*messages: Any) -> list[Event]:
    """Everything that the messages become, without Start and the end."""
    decoder = GeminiDecoder()
    found = [event for message in messages for event in decoder.feed(message)] + decoder.finish()
    assert isinstance(found[0], Start)
    assert isinstance(found[-1], Done)
    return [event for event in found if not isinstance(event, Start | FinishStep | Finish | Done)]


def end(*messages: Any) -> Finish:
    decoder = GeminiDecoder()
    found = [event for message in messages for event in decoder.feed(message)] + decoder.finish()
    assert isinstance(found[-2], Finish)
    assert found[-3] == FinishStep(1)
    assert found[-1] == Done(finished=found[-2].reason != "error")
    return found[-2]


class TestText:
    def test_a_message_may_be_of_any_kind(self) -> None:
        value = chunk({"text": "a"})
        text = json.dumps(value)
        for message in (value, text, text.encode(), bytearray(text.encode()), ServerSentEvent(text), [value]):
            assert events(message, STOP) == [TextDelta("a")]

    def test_a_whole_answer_is_one_message(self) -> None:
        body = {
            **chunk({"text": "hm", "thought": True}, {"text": "a"}, finishReason="STOP", index=0),
            "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3},
            "modelVersion": "m",
            "responseId": "r",
        }
        decoder = GeminiDecoder()
        assert decoder.feed(body) == [Start("m", "gemini", "r"), ReasoningDelta("hm"), TextDelta("a")]
        assert decoder.finish() == [FinishStep(1), Finish("stop", Usage(1, 2, 3), "STOP"), Done()]

    def test_a_list_is_the_whole_array_at_once(self) -> None:
        assert events([chunk({"text": "a"}), chunk({"text": "b"}), STOP]) == [TextDelta("a"), TextDelta("b")]

    def test_start_has_what_the_first_chunk_says(self) -> None:
        decoder = GeminiDecoder()
        assert decoder.feed({"usageMetadata": {}, "responseId": "", "modelVersion": ""}) == [Start(None, "gemini")]
        assert decoder.feed({**chunk({"text": "a"}), "responseId": "late"}) == [TextDelta("a")]

    @pytest.mark.parametrize(
        "content",
        [
            None,
            {},
            {"role": "model"},
            {"parts": None},
            {"parts": []},
            {"parts": [{}]},
            {"parts": [{"text": ""}]},
            {"parts": [{"text": "", "thought": True}]},
            {"parts": [{"thought": True, "text": None}]},
        ],
    )
    def test_content_that_is_empty_is_no_event(self, content: Any) -> None:
        assert events({"candidates": [{"content": content, "finishReason": "STOP"}]}) == []

    @pytest.mark.parametrize("message", ["", " ", None, "null", {}, "[]", [], [{}]])
    def test_an_empty_message_is_no_event(self, message: Any) -> None:
        assert GeminiDecoder().feed(message) == []

    def test_candidates_are_told_apart(self) -> None:
        decoder = GeminiDecoder()
        both = {"candidates": [*chunk({"text": "a"})["candidates"], *chunk({"text": "b"}, index=1)["candidates"]]}
        assert decoder.feed(both)[1:] == [TextDelta("a"), TextDelta("b", 1)]
        decoder.feed({"candidates": [{"index": 1, "finishReason": "MAX_TOKENS"}]})
        decoder.feed(STOP)
        assert decoder.finish()[1] == Finish("stop", None, "STOP")

    def test_what_is_no_message_is_refused(self) -> None:
        with pytest.raises(TypeError, match=r"^GeminiDecoder: a message is a ServerSentEvent, a dict"):
            GeminiDecoder().feed(object())


class TestReasoning:
    def test_a_seal_stands_with_the_thought_or_behind_whatever_else_it_came_with(self) -> None:
        assert events(
            chunk({"text": "hm", "thought": True, "thoughtSignature": "A"}),
            chunk({"text": "", "thoughtSignature": "B"}),
            chunk({"text": "a", "thoughtSignature": "C"}),
            chunk({"thoughtSignature": "D"}, {"text": "b", "thoughtSignature": ""}),
            chunk({"codeExecutionResult": {"id": "x", "outcome": "OUTCOME_OK"}, "thoughtSignature": "E"}),
            STOP,
        ) == [
            ReasoningDelta("hm", "A"),
            ReasoningDelta("", "B"),
            TextDelta("a"),
            ReasoningDelta("", "C"),
            ReasoningDelta("", "D"),
            TextDelta("b"),
            ToolResult("x", "code_execution", {"outcome": "OUTCOME_OK"}),
            ReasoningDelta("", "E"),
        ]


class TestCalls:
    def test_a_whole_call_is_a_delta_and_a_call(self) -> None:
        given = {"functionCall": {"name": "f", "args": {"b": 1, "a": 2**70}, "id": "x"}, "thoughtSignature": "A"}
        arguments = '{"b":1,"a":1180591620717411303424}'
        assert events(chunk(given), STOP) == [
            ToolCallDelta(0, "x", "f", arguments),
            ToolCall("x", "f", {"b": 1, "a": 2**70}, arguments, signature="A"),
        ]

    @pytest.mark.parametrize("args", [{}, None, "absent"])
    def test_missing_arguments_are_an_empty_object(self, args: Any) -> None:
        call = {"name": "f"} | ({} if args == "absent" else {"args": args})
        assert events(chunk({"functionCall": call}), STOP)[-1].input == {}  # type: ignore[union-attr]

    def test_several_calls_in_one_chunk_and_in_several_are_numbered_through(self) -> None:
        found = events(
            chunk({"functionCall": {"name": "f"}}, {"functionCall": {"name": "f"}}),
            {"candidates": [{"index": 1, "content": {"parts": [{"functionCall": {"name": "g"}}]}}]},
            {"candidates": [{"index": 0, "finishReason": "STOP"}, {"index": 1, "finishReason": "STOP"}]},
        )
        deltas = [(e.index, e.name, e.choice) for e in found if isinstance(e, ToolCallDelta)]
        assert deltas == [(0, "f", 0), (1, "f", 0), (2, "g", 1)]
        assert len({e.id for e in found if isinstance(e, ToolCall)}) == 3

    def test_an_id_that_is_missing_is_made_up_the_same_for_the_same_stream(self) -> None:
        message = {**chunk({"functionCall": {"name": "f"}}), "responseId": "r"}
        ids = [e.id for e in events(message, message, STOP) if isinstance(e, ToolCall)]
        assert ids == [made_up_id("r", 0), made_up_id("r", 1)]
        (call,) = [e for e in events(chunk({"functionCall": {"name": "f"}}), STOP) if isinstance(e, ToolCall)]
        assert call.id.startswith("call_")

    def test_a_call_in_a_part_with_text_is_not_lost(self) -> None:
        found = events(chunk({"text": "a", "functionCall": {"name": "f", "id": "x"}}), STOP)
        assert found == [TextDelta("a"), ToolCallDelta(0, "x", "f", "{}"), ToolCall("x", "f", {}, "{}")]

    @pytest.mark.parametrize(
        ("word", "reason"), [("STOP", "tool_calls"), ("OTHER", "tool_calls"), ("MAX_TOKENS", "length")]
    )
    def test_an_answer_that_calls_ends_with_tool_calls(self, word: str, reason: str) -> None:
        call = chunk({"functionCall": {"name": "f"}})
        assert end(call, {"candidates": [{"finishReason": word}]}) == Finish(reason, None, word)

    def test_calls_beyond_the_limit_are_refused_and_cost_their_message_alone(self) -> None:
        decoder = GeminiDecoder(max_arguments_size=20)
        with pytest.raises(LimitExceeded, match="longer than 20 characters: raise max_arguments_size") as caught:
            decoder.feed(chunk({"text": "a"}, {"functionCall": {"name": "f", "args": {"a": "b" * 20}}}))
        assert (caught.value.option, caught.value.limit) == ("max_arguments_size", 20)
        assert len(decoder.feed(chunk({"functionCall": {"name": "f", "args": {"a": 1}}}))) == 3
        with pytest.raises(LimitExceeded):
            decoder.feed(chunk({"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "b" * 9}]}}))
        with pytest.raises(LimitExceeded):
            decoder.feed(chunk({"executableCode": {"code": "b" * 13}}))

    @pytest.mark.parametrize("limit", [0, -1, 1.5, "1", True, None])
    def test_a_meaningless_limit_is_refused(self, limit: Any) -> None:
        with pytest.raises(ValueError, match="max_arguments_size must be a whole number of at least 1"):
            GeminiDecoder(max_arguments_size=limit)

    def test_arguments_that_have_no_json_form_are_refused(self) -> None:
        with pytest.raises(DecodeError, match="not a Gemini chunk: value cannot be written as JSON"):
            GeminiDecoder().feed(chunk({"functionCall": {"name": "f", "args": {"a": object()}}}))


def partial(*args: tuple[str, Any], name: str | None = None, more: bool = True) -> dict[str, Any]:
    """A piece of a streamed call."""
    keys = {str: "stringValue", int: "numberValue", float: "numberValue", bool: "boolValue", type(None): "nullValue"}
    call: dict[str, Any] = {"name": name} if name else {}
    if args:
        call["partialArgs"] = [{"jsonPath": path, keys[type(value)]: value} for path, value in args]
    if more:
        call["willContinue"] = True
    return chunk({"functionCall": call})


class TestPartialArguments:
    def test_a_call_is_told_once_when_its_arguments_are_together(self) -> None:
        decoder = GeminiDecoder()
        begin = partial(name="f")
        begin["candidates"][0]["content"]["parts"][0]["thoughtSignature"] = "A"
        begin["responseId"] = "r"
        assert decoder.feed(begin) == [Start(None, "gemini", "r")]
        assert decoder.feed(partial(("$.steps[0].text", "Pre"), ("$.steps[0].text", "heat"))) == []
        assert decoder.feed(partial(("$.steps[0].text", ""), ("$.steps[1].text", "Bake"))) == []
        assert decoder.feed(partial(("$.count", 1), ("$.ok", True), ('$[\'a.b\']["c]\\""]', None), ("$.x", 1.5))) == []
        input = {
            "steps": [{"text": "Preheat"}, {"text": "Bake"}],
            "count": 1,
            "ok": True,
            "a.b": {'c]"': None},
            "x": 1.5,
        }
        delta, call = decoder.feed(partial(more=False))
        assert delta == ToolCallDelta(0, made_up_id("r", 0), "f", json.dumps(input, separators=(",", ":")))
        assert call == ToolCall(made_up_id("r", 0), "f", input, delta.arguments, signature="A")  # type: ignore[union-attr]
        assert decoder.feed(partial(more=False)) == []

    def test_the_piece_that_ends_it_may_be_missing(self) -> None:
        inputs = [
            call.input
            for call in events(partial(("$.a", "x"), name="f"), partial(("$.b", "y"), name="g"), STOP)
            if isinstance(call, ToolCall)
        ]
        assert inputs == [{"a": "x"}, {"b": "y"}]

    def test_values_that_come_whole_stand_beside_those_that_come_in_pieces(self) -> None:
        whole = {"functionCall": {"name": "f", "args": {"a": {"b": 1}}, "willContinue": True}}
        found = events(chunk(whole), partial(("$.c", "x"), more=False), STOP)
        assert isinstance(found[-1], ToolCall)
        assert found[-1].input == {"a": {"b": 1}, "c": "x"}
        assert whole["functionCall"]["args"] == {"a": {"b": 1}}

    def test_a_value_may_be_said_again_and_a_place_without_a_value_is_none(self) -> None:
        again = partial(
            ("$.a", 1), ("$.a", 2), ("$.b", "x"), ("$.b", False), ("$.c", 1), ("$.c", "y"), name="f", more=False
        )
        again["candidates"][0]["content"]["parts"][0]["functionCall"]["partialArgs"].append({"jsonPath": "$.d"})
        (_, call) = events(again, STOP)
        assert isinstance(call, ToolCall)
        assert call.input == {"a": 2, "b": False, "c": "y"}

    def test_a_call_that_was_cut_off_is_no_call(self) -> None:
        cut = {"candidates": [{"finishReason": "MAX_TOKENS"}]}
        assert events(partial(("$.a", "x"), name="f"), cut) == []
        assert events(partial(("$.a[7]", "x"), name="f", more=False), cut) == []
        assert end(partial(name="f"), cut) == Finish("length", None, "MAX_TOKENS")

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "a",
            "$",
            "$.",
            "$.a.",
            "$..a",
            "$[0]",
            "$.a[9999999]",
            "$.a[99999999999]",
            "$.a[-1]",
            "$.a[x]",
            "$.a['b]",
            "$.text.b",
            "$.text.b.c",
            "$.text[0]",
            "$.list.b",
            "$.list",
            "$.list[0].b",
            "$.list[1]x",
            "$" + ".a" * 101,
        ],
    )
    def test_a_path_that_leads_nowhere_is_a_failure_at_the_end_that_tells_what_came(self, path: str) -> None:
        decoder = GeminiDecoder()
        decoder.feed(partial(("$.text", "x"), ("$.list[0]", "y"), name="f"))
        decoder.feed(partial((path, "z"), ("$[1]", "z"), more=False))
        decoder.feed(chunk({"text": "a"}))
        decoder.feed(STOP)
        failure, done = decoder.finish()
        assert isinstance(failure, Failure)
        assert failure.code == "invalid_response"
        wanted = f"the arguments of tool call 'f' do not fit together at {path!r}: "
        assert failure.message.startswith(wanted + '{"text":"x","list":["y"]')
        assert done == Done(finished=False)

    def test_a_missing_path_leads_nowhere(self) -> None:
        decoder = GeminiDecoder()
        decoder.feed(chunk({"functionCall": {"name": "f", "partialArgs": [{"stringValue": "x"}]}}, finishReason="STOP"))
        assert isinstance(decoder.finish()[0], Failure)

    @pytest.mark.parametrize("call", [{"args": {"a": 1}}, {"partialArgs": [{"jsonPath": "$.a"}]}])
    def test_a_call_without_a_name_is_a_failure_at_the_end(self, call: Any) -> None:
        decoder = GeminiDecoder()
        decoder.feed(chunk({"functionCall": call}, {"functionCall": call}, {"text": "a"}, finishReason="STOP"))
        wanted = Failure("invalid_response", "a tool call came without a name")
        assert decoder.finish() == [wanted, Done(finished=False)]


class TestCode:
    def test_code_and_its_result_are_a_call_that_the_provider_runs(self) -> None:
        code = {"language": "PYTHON", "code": "1/0"}
        found = events(
            {**chunk({"executableCode": code, "thoughtSignature": "A"}), "responseId": "r"},
            chunk({"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "oh"}}),
            chunk({"codeExecutionResult": {"outcome": "OUTCOME_OK", "id": "other"}}, finishReason="STOP"),
        )
        id = made_up_id("r", 0)
        text = '{"language":"PYTHON","code":"1/0"}'
        assert found == [
            ToolCallDelta(0, id, "code_execution", text, 0, "server"),
            ToolCall(id, "code_execution", code, text, 0, "server", "A"),
            ToolResult(id, "code_execution", {"outcome": "OUTCOME_FAILED", "output": "oh"}, "oh"),
            ToolResult("other", "code_execution", {"outcome": "OUTCOME_OK"}),
        ]
        assert end(chunk({"executableCode": code}), STOP).reason == "stop"

    def test_a_result_without_its_code_gets_an_id(self) -> None:
        (result,) = events(chunk({"codeExecutionResult": {"outcome": "OUTCOME_DEADLINE_EXCEEDED"}}), STOP)
        assert isinstance(result, ToolResult)
        assert result.id.startswith("call_")
        assert result.error == "OUTCOME_DEADLINE_EXCEEDED"


class TestOtherParts:
    def test_audio_has_its_format(self) -> None:
        assert events(
            chunk({"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": "AP8="}}),
            chunk({"inlineData": {"mimeType": "audio/*", "data": "AP8="}, "thoughtSignature": "A"}),
            chunk({"inlineData": {"mimeType": "audio/mp3"}}),
            chunk({"audioTranscription": {"text": "hi"}}, {"audioTranscription": {}}),
            STOP,
        ) == [
            AudioDelta(b"\0\xff", "audio/L16;codec=pcm;rate=24000"),
            AudioDelta(b"\0\xff"),
            ReasoningDelta("", "A"),
            AudioDelta(b"", None, "hi"),
        ]

    @pytest.mark.parametrize(
        "part",
        [
            {"inlineData": {"mimeType": "image/png", "data": "AP8="}, "thoughtSignature": "A"},
            {"inlineData": {"data": "AP8="}},
            {"fileData": {"fileUri": "x"}},
            {"toolCall": {"toolType": "X"}, "thought": True},
            {"new": 1},
        ],
    )
    def test_a_part_without_an_event_of_its_own_is_a_chunk_that_holds_nothing_else(self, part: Any) -> None:
        found = events({"candidates": [{"index": 1, "finishReason": "STOP", "content": {"parts": [part]}}]})
        content = {"parts": [part], "role": "model"}
        assert found == [Raw("gemini", {"candidates": [{"content": content, "index": 1}]})]

    def test_a_message_of_no_known_kind_is_raw(self) -> None:
        decoder = GeminiDecoder()
        assert decoder.feed({"new": 1}) == [Start(None, "gemini"), Raw("gemini", {"new": 1})]
        assert decoder.feed("[1]") == [Raw("gemini", 1)]


class TestSources:
    def test_sources_come_once_at_the_end_with_their_places_in_characters(self) -> None:
        # 4 + 3 + 1 bytes are 3 characters.
        supports = [
            {"segment": {"endIndex": 4, "text": "\U0001f600"}, "groundingChunkIndices": [1, 0, 9, -1, "x"]},
            {"segment": {"startIndex": 5, "endIndex": 7}, "groundingChunkIndices": [0]},
            {"segment": {"startIndex": 7}, "groundingChunkIndices": [0]},
        ]
        chunks = [
            {"web": {"uri": "u", "title": "t", "domain": "d"}},
            {"retrievedContext": {"uri": "v", "text": "w"}},
            {"maps": {"title": "unused", "text": "z"}},
            {},
        ]
        found = events(
            chunk({"text": "hm", "thought": True}, groundingMetadata={}),
            chunk({"text": "\U0001f600"}, groundingMetadata={"groundingChunks": chunks[:1], "groundingSupports": []}),
            chunk({"text": "\u20acx"}, groundingMetadata={"groundingChunks": chunks, "groundingSupports": supports}),
            chunk({"text": "abc"}, finishReason="STOP", groundingMetadata={}),
        )
        assert found[-1] == Citations(
            [
                Citation("v", None, 0, 1, "\U0001f600"),
                Citation("u", "t", 0, 1, "\U0001f600"),
                Citation("u", "t", 1, 2),
                Citation("u", "t", 2),
                Citation(None, "unused", None, None, "z"),
            ]
        )
        assert sum(isinstance(event, Citations) for event in found) == 1

    def test_a_source_may_stand_in_either_form_and_be_said_again(self) -> None:
        first = {"startIndex": 1, "endIndex": 99, "uri": "u", "license": "mit"}
        found = events(
            chunk({"text": "\u20ac"}, citationMetadata={"citationSources": [first]}),
            chunk(citationMetadata={"citations": [first, {"endIndex": 3, "title": "t"}, {"uri": "v"}, 5]}),
            chunk({"text": "ab"}, finishReason="STOP"),
        )
        assert found[-1] == Citations(
            [Citation("u", None, 0, 3), Citation(None, "t", 0, 1), Citation("v", None, None, None)]
        )

    @pytest.mark.parametrize(
        "strange",
        [
            {"citationMetadata": 5, "groundingMetadata": [1]},
            {"citationMetadata": {"citations": {"a": 1}}, "groundingMetadata": {"groundingChunks": "x"}},
            {"groundingMetadata": {"groundingChunks": [5, {"web": 1}], "groundingSupports": [5, {"segment": 1}]}},
            {"groundingMetadata": {"groundingSupports": [{"groundingChunkIndices": 1}]}},
            {"safetyRatings": {"category": 1}},
            {"safetyRatings": [5, {}, {"category": 1}]},
            {"finishMessage": 1},
        ],
    )
    def test_strange_extras_cost_nothing(self, strange: dict[str, Any]) -> None:
        assert events(chunk({"text": "a"}, finishReason="STOP", **strange)) == [TextDelta("a")]


def rating(category: str = "HARM_CATEGORY_HARASSMENT", **fields: Any) -> dict[str, Any]:
    return {"category": category, **fields}


class TestSafety:
    def test_a_verdict_is_told_when_it_changes(self) -> None:
        name = "HARM_CATEGORY_HARASSMENT"
        low, lower = rating(probability="LOW", probabilityScore=0.2), rating(probability="LOW", probabilityScore=0.1)
        high = rating(probability="HIGH")
        found = events(
            *(chunk(safetyRatings=ratings) for ratings in ([low], [lower], [high], [high], [low])),
            {"candidates": [{"index": 1, "safetyRatings": [low], "finishReason": "STOP"}]},
            STOP,
        )
        assert found == [
            Safety(name, "pass", 0.2, "LOW"),
            Safety(name, "warn", None, "HIGH"),
            Safety(name, "pass", 0.2, "LOW"),
            Safety(name, "pass", 0.2, "LOW"),
        ]

    def test_what_was_blocked_is_said_so(self) -> None:
        found = events(
            chunk(
                safetyRatings=[
                    rating("a", blocked=True),
                    rating("b", probability="MEDIUM"),
                    rating("c", probability="LOW"),
                ],
                finishReason="SAFETY",
            )
        )
        assert found == [Safety("a", "block"), Safety("b", "block", None, "MEDIUM"), Safety("c", "pass", None, "LOW")]

    def test_a_blocked_prompt_is_an_answer_that_was_filtered(self) -> None:
        decoder = GeminiDecoder()
        feedback = {"blockReason": "OTHER", "blockReasonMessage": "no", "safetyRatings": [rating(probability="HIGH")]}
        assert decoder.feed({"promptFeedback": feedback}) == [
            Start(None, "gemini"),
            Safety("HARM_CATEGORY_HARASSMENT", "block", None, "HIGH"),
            Safety("OTHER", "block", None, "no"),
        ]
        decoder.feed({"usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}})
        assert decoder.finish() == [FinishStep(1), Finish("content_filter", Usage(5, None, 5), "OTHER"), Done()]

    def test_feedback_that_blocks_nothing_ends_nothing(self) -> None:
        decoder = GeminiDecoder()
        decoder.feed({"promptFeedback": {"safetyRatings": [rating(probability="LOW")], "blockReasonMessage": 5}})
        with pytest.raises(TruncatedStream):
            decoder.finish()


class TestEnd:
    @pytest.mark.parametrize(
        ("word", "reason"),
        [("STOP", "stop"), ("CONTINUATION", "stop"), ("MAX_TOKENS", "length"), ("OTHER", "unknown"), ("NEW", "unknown")]
        + [("FINISH_REASON_UNSPECIFIED", "unknown"), ("NO_IMAGE", "unknown"), ("IMAGE_OTHER", "unknown")]
        + [(word, "content_filter") for word in ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "SPII")]
        + [(word, "content_filter") for word in ("PROHIBITED_CONTENT", "IMAGE_SAFETY", "IMAGE_RECITATION")]
        + [(word, "content_filter") for word in ("IMAGE_PROHIBITED_CONTENT", "MODEL_ARMOR")]
        + [(word, "error") for word in ("MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL")]
        + [(word, "error") for word in ("TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE")],
    )
    def test_each_word_has_its_reason(self, word: str, reason: str) -> None:
        assert end({"candidates": [{"finishReason": word}]}) == Finish(reason, None, word)

    def test_content_may_follow_a_reason_and_the_last_one_counts(self) -> None:
        early = chunk({"text": "a"}, finishReason="MAX_TOKENS")
        assert events(early, chunk({"text": "b"}), STOP) == [TextDelta("a"), TextDelta("b")]
        assert end(early, chunk({"text": "b"}), STOP).raw_reason == "STOP"

    @pytest.mark.parametrize("messages", [[], [{}], [chunk({"text": "a"})], [{"usageMetadata": {}}]])
    def test_input_that_ends_without_a_reason_is_truncated(self, messages: list[Any]) -> None:
        decoder = GeminiDecoder()
        for message in messages:
            decoder.feed(message)
        with pytest.raises(TruncatedStream, match=r"^the stream ended without a finish reason$"):
            decoder.finish()

    def test_every_candidate_needs_its_reason(self) -> None:
        decoder = GeminiDecoder()
        decoder.feed(chunk({"text": "a"}, index=1))
        decoder.feed(STOP)
        with pytest.raises(TruncatedStream):
            decoder.finish()

    def test_a_proxys_done_is_an_end_as_well(self) -> None:
        decoder = GeminiDecoder()
        decoder.feed(STOP)
        assert decoder.feed("[DONE]") == [FinishStep(1), Finish("stop", None, "STOP"), Done()]
        assert decoder.feed(STOP) == []
        assert decoder.finish() == []
        assert GeminiDecoder().feed(ServerSentEvent("[DONE]")) == [
            Start(None, "gemini"),
            FinishStep(1),
            Finish("unknown"),
            Done(),
        ]

    def test_nothing_is_taken_after_finish(self) -> None:
        decoder = GeminiDecoder()
        decoder.feed(STOP)
        decoder.finish()
        with pytest.raises(RuntimeError, match=r"^GeminiDecoder: feed after finish$"):
            decoder.feed(STOP)
        with pytest.raises(RuntimeError, match=r"^GeminiDecoder: finish after finish$"):
            decoder.finish()


class TestUsage:
    @pytest.mark.parametrize(
        ("given", "usage"),
        [
            (
                {
                    "promptTokenCount": 44,
                    "candidatesTokenCount": 608,
                    "thoughtsTokenCount": 902,
                    "totalTokenCount": 1554,
                },
                Usage(44, 1510, 1554, 902),
            ),
            (
                {
                    "promptTokenCount": 91,
                    "toolUsePromptTokenCount": 574,
                    "candidatesTokenCount": 93,
                    "thoughtsTokenCount": 211,
                    "totalTokenCount": 969,
                },
                Usage(665, 304, 969, 211),
            ),
            (
                {"promptTokenCount": 9, "cachedContentTokenCount": 4, "candidatesTokenCount": 2.0},
                Usage(9, 2, 11, None, 4),
            ),
            ({"promptTokenCount": 15, "totalTokenCount": 15}, Usage(15, None, 15)),
            ({"promptTokenCount": 15, "totalTokenCount": 20}, Usage(15, 5, 20)),
            ({"promptTokenCount": 15, "thoughtsTokenCount": 3}, Usage(15, 3, 18, 3)),
            ({"toolUsePromptTokenCount": 3, "candidatesTokenCount": 1}, Usage(None, 1)),
            ({"candidatesTokenCount": 0}, Usage(None, 0)),
            ({}, None),
            ({"trafficType": "ON_DEMAND"}, None),
        ],
    )
    def test_counts_are_put_together_and_never_made_up(self, given: dict[str, Any], usage: Usage | None) -> None:
        assert end({**STOP, "usageMetadata": given}).usage == usage

    def test_the_last_counts_win_and_do_not_add_up(self) -> None:
        first, second, none = (
            {"usageMetadata": given} for given in ({"promptTokenCount": 211}, {"promptTokenCount": 646}, {})
        )
        assert end(first, second, none, STOP).usage == Usage(646)


class TestErrors:
    @pytest.mark.parametrize(
        ("message", "failure"),
        [
            (
                {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}},
                Failure("provider_unavailable", "busy", True, 30.0),
            ),
            (
                [{"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}],
                Failure("invalid_request", "bad"),
            ),
            (
                {
                    "error": {
                        "code": 429,
                        "message": "slow",
                        "status": "RESOURCE_EXHAUSTED",
                        "details": [{"retryDelay": "3.5s"}],
                    }
                },
                Failure("rate_limited", "slow", True, 3.5),
            ),
            ({"error": "text"}, Failure("internal", "text", True)),
            ({"code": 404, "message": "none"}, Failure("not_found", "none")),
            ({"detail": "why"}, Failure("internal", "why", True)),
            ({**STOP, "error": {"message": "late"}}, Failure("internal", "late", True)),
        ],
    )
    def test_an_error_ends_the_answer(self, message: Any, failure: Failure) -> None:
        decoder = GeminiDecoder()
        assert decoder.feed(chunk({"text": "a"}))[1:] == [TextDelta("a")]
        assert decoder.feed(message) == [failure, Done(finished=False)]
        assert decoder.feed(STOP) == []
        assert decoder.finish() == []

    def test_an_error_in_an_array_comes_behind_what_stood_before_it(self) -> None:
        found = GeminiDecoder().feed([chunk({"text": "a"}), {"error": {"message": "no"}}, chunk({"text": "b"})])
        assert found[1:] == [TextDelta("a"), Failure("internal", "no", True), Done(finished=False)]

    BODY = b'{\n  "error": {\n    "code": 499,\n    "message": "off",\n    "status": "CANCELLED"\n  }\n}\n'

    @pytest.mark.parametrize(
        "body",
        [
            BODY,
            BODY.replace(b"\n", b"\r\n"),
            b"[" + BODY + b"]\n",
            b'{"error":{"code":499,"message":"off"}}\n',
            b'[{"error":{"code":499,"message":"off"}}]\n',
        ],
    )
    def test_an_error_outside_of_any_event_ends_the_answer_behind_the_events_before_it(self, body: bytes) -> None:
        decoder = GeminiDecoder()
        sse = SSEDecoder(on_ignored=decoder.ignored)
        good = b"data: " + json.dumps(chunk({"text": "a"}, finishReason="STOP")).encode() + b"\r\n\r\n"
        messages = sse.feed(b"strange: x\n}\n" + good + body + b"\n")
        found = [event for message in messages for event in decoder.feed(message)]
        assert found[1:] == [TextDelta("a")]
        decoder.ignored(b'{"error":{"message":"another"}}')
        assert decoder.finish() == [Failure("internal", "off", True), Done(finished=False)]

    def test_it_counts_at_a_proxys_done_as_well(self) -> None:
        decoder = GeminiDecoder()
        decoder.ignored(b'{"error":{"code":400,"message":"bad"}}')
        assert decoder.feed("[DONE]") == [Failure("invalid_request", "bad"), Done(finished=False)]

    @pytest.mark.parametrize(
        "lines",
        [[b"{}"], [b"{", b"}"], [b"{", b"x", b"}"], [b'{"error":0}'], [b"[]"], [b"[1]"], [b"}"], [b'"error": {']],
    )
    def test_other_lines_outside_of_events_mean_nothing(self, lines: list[bytes]) -> None:
        decoder = GeminiDecoder()
        for line in lines:
            decoder.ignored(line)
        decoder.feed(STOP)
        assert isinstance(decoder.finish()[-2], Finish)

    def test_an_error_without_end_is_not_kept(self) -> None:
        decoder = GeminiDecoder()
        decoder.ignored(b"{")
        for _ in range(3):
            decoder.ignored(b" " * 30_000)
        decoder.feed(STOP)
        assert isinstance(decoder.finish()[-2], Finish)


class TestWrongTypes:
    @pytest.mark.parametrize(
        "message",
        [
            "{",
            "x",
            {"candidates": 5},
            {"candidates": [5]},
            {"candidates": [{"index": -1}]},
            {"candidates": [{"index": 128}]},
            {"candidates": [{"content": "x"}]},
            {"candidates": [{"finishReason": 1}]},
            chunk(5),
            chunk(None),
            chunk({"text": 1}),
            chunk({"text": "a", "thought": "b"}),
            chunk({"text": "a"}, {"thoughtSignature": 1}),
            chunk({"functionCall": {"name": 1}}),
            chunk({"functionCall": {"name": "f", "args": []}}),
            chunk({"functionCall": {"name": "f", "args": "{}"}}),
            chunk({"functionCall": {"partialArgs": [{"jsonPath": 1}]}}),
            chunk({"inlineData": {"mimeType": "audio/x", "data": "?"}}),
            {"usageMetadata": {"promptTokenCount": "1"}},
            {"usageMetadata": {"promptTokenCount": -1}},
            {"usageMetadata": {"promptTokenCount": float("inf")}},
            {"promptFeedback": {"blockReason": 1}},
            {"modelVersion": 1},
            [chunk({"text": "lost"}), {"responseId": 1}],
        ],
    )
    def test_a_field_of_the_wrong_type_costs_its_message_alone(self, message: Any) -> None:
        decoder, twin = GeminiDecoder(), GeminiDecoder()
        assert decoder.feed(chunk({"text": "a"})) == twin.feed(chunk({"text": "a"}))
        with pytest.raises(DecodeError, match=r"^not (JSON|a Gemini chunk): "):
            decoder.feed(message)
        assert decoder.feed(STOP) == twin.feed(STOP)
        assert decoder.finish() == twin.finish()

    def test_an_sdks_object_with_strange_insides_raises_nothing_else(self) -> None:
        class Strange:
            def __init__(self, dump: Any) -> None:
                self.dump = dump

            def model_dump(self, **options: Any) -> Any:
                return self.dump

        for dump in (
            {"candidates": 5},
            {"candidates": [5]},
            {"candidates": [{"content": 5}]},
            {"candidates": [{"content": {"parts": [5]}}]},
        ):
            with pytest.raises(DecodeError):
                GeminiDecoder().feed(Strange(dump))
        part = {"inlineData": {"mimeType": "audio/x", "data": "-_-_"}, "thoughtSignature": "-_=="}
        assert GeminiDecoder().feed(Strange(chunk(part)))[1:] == [
            AudioDelta(b"\xfb\xff\xbf", "audio/x"),
            ReasoningDelta("", "+/=="),
        ]


class TestWhatTheOriginalGotWrong:
    """seeds.md 5.1, the rows on Antigravity and Gemini: what its translators made of it stands in the comments."""

    def test_text_and_the_reason_in_one_chunk(self) -> None:
        # The stop was lost: Gemini's normal last chunk.
        message = chunk({"text": "end"}, finishReason="STOP")
        assert events(message) == [TextDelta("end")]
        assert end(message).reason == "stop"

    def test_every_part_of_a_chunk(self) -> None:
        # Only parts[0] was read.
        parts = [{"text": "a"}, {"text": "b"}, {"functionCall": {"name": "f", "id": "x"}}]
        assert events(chunk(*parts), STOP)[:2] == [TextDelta("a"), TextDelta("b")]
        assert events(chunk(*parts), STOP)[-1] == ToolCall("x", "f", {}, "{}")

    def test_a_call_alone_and_with_the_reason(self) -> None:
        # A message_start, or a bare message_stop.
        assert end(chunk({"functionCall": {"name": "f"}}, finishReason="STOP")).reason == "tool_calls"

    def test_a_thought(self) -> None:
        # It leaked as visible text.
        assert events(chunk({"text": "secret", "thought": True}), STOP) == [ReasoningDelta("secret")]

    @pytest.mark.parametrize(
        "message",
        [{"candidates": [{"finishReason": "SAFETY"}]}, {"promptFeedback": {"blockReason": "SAFETY"}}],
    )
    def test_what_was_filtered(self, message: Any) -> None:
        # An empty delta, or a message_start.
        assert end(message) == Finish("content_filter", None, "SAFETY")
