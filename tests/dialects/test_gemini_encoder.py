"""Events to Gemini chunks, rule by rule."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

import pytest

from gai_stream.dialects.gemini import GeminiEncoder
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
from gai_stream.exceptions import CODES, EncodeError
from gai_stream.sse import ServerSentEvent

OWN = Start("m", "gemini", "r")
FOREIGN = Start("m", "anthropic", "r")
HEAD = {"modelVersion": "m", "responseId": "r"}
NOTHING = {"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0}


def messages(*events: Event, **options: Any) -> list[Any]:
    encoder = GeminiEncoder(framing="ndjson", **options)
    return [message for event in events for message in encoder.feed(event)] + encoder.finish()


def parts(*events: Event) -> list[dict[str, Any]]:
    """The parts of candidate 0 that the events become, without the empty one of the last chunk."""
    found = messages(*events, Finish("stop"), Done())
    assert all(message.items() >= {"responseId": "r"}.items() for message in found)
    told = [candidate["content"] for message in found for candidate in message["candidates"] if candidate["index"] == 0]
    assert all(content["role"] == "model" for content in told)
    return [part for content in told for part in content["parts"]][:-1]


def finished(*events: Event) -> dict[str, Any]:
    """The last candidate."""
    last: dict[str, Any] = messages(*events)[-1]["candidates"][0]
    return last


def test_a_chunk_is_as_the_api_sends_it() -> None:
    assert messages(OWN, TextDelta("a"), Finish("stop", Usage(1, 2, 3)), Done()) == [
        {"candidates": [{"content": {"parts": [{"text": "a"}], "role": "model"}, "index": 0}], **HEAD},
        {
            "candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3},
            **HEAD,
        },
    ]


def test_under_sse_it_is_nothing_but_data() -> None:
    encoder = GeminiEncoder(model="m", id="r")
    found = encoder.feed(TextDelta("\u2028")) + encoder.finish()
    assert all(message == ServerSentEvent(message.data) for message in found)
    assert "\\u2028" in found[0].data
    assert [json.loads(message.data) for message in found] == messages(TextDelta("\u2028"), model="m", id="r")
    assert GeminiEncoder.heartbeat == b"\r\n"


def test_model_and_id_may_be_replaced_or_unknown() -> None:
    start = Start("theirs", None, "their-id")
    told = messages(start, TextDelta("a"), Finish("stop"), model="mine", id="my-id")
    assert {(m["modelVersion"], m["responseId"]) for m in told} == {("mine", "my-id")}
    (first, last) = messages(TextDelta("a"))
    assert "modelVersion" not in first
    assert re.fullmatch("[0-9a-f]{32}", first["responseId"])
    assert first["responseId"] == last["responseId"]
    assert messages(OWN, Start("other", "other", "other"), Finish("stop"))[-1].items() >= HEAD.items()


def test_a_framing_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="framing must be"):
        GeminiEncoder(framing="array")  # type: ignore[arg-type]


def test_empty_deltas_are_no_chunk() -> None:
    assert parts(OWN, TextDelta(""), ReasoningDelta(""), FinishStep(1), AudioDelta(b"")) == []


@pytest.mark.parametrize(
    ("start", "signature", "seal"),
    [
        (OWN, "QUI=", {"thoughtSignature": "QUI="}),
        (Start("m", None, "r"), "-_A", {"thoughtSignature": "-_A"}),
        (FOREIGN, "QUI=", {}),
        (OWN, "not base64", {}),
        (OWN, "QUI=\n", {}),
        (OWN, "abcde", {}),
        (OWN, "", {}),
    ],
)
def test_a_signature_goes_to_its_own_provider_alone(start: Start, signature: str, seal: dict[str, str]) -> None:
    assert parts(
        start,
        ReasoningDelta("hm", signature),
        ReasoningDelta("", signature),
        ReasoningDelta("", None, redacted="x"),
        ToolCall("x", "f", {}, "{}", signature=signature),
    ) == [
        {"text": "hm", "thought": True, **seal},
        *([{"text": "", **seal}] if seal else []),
        {"functionCall": {"id": "x", "name": "f", "args": {}}, **seal},
    ]


class TestCalls:
    def test_a_call_leaves_whole_whatever_its_fragments(self) -> None:
        encoder = GeminiEncoder(framing="ndjson")
        assert encoder.feed(ToolCallDelta(0, "x", "f", '{"a":')) == []
        assert encoder.feed(ToolCallDelta(0, arguments="1}")) == []
        (message,) = encoder.feed(ToolCall("x", "f", {"a": 1}, '{"a":1}'))
        call = {"id": "x", "name": "f", "args": {"a": 1}}
        assert message["candidates"][0]["content"]["parts"] == [{"functionCall": call}]

    def test_an_id_that_is_missing_is_made_up(self) -> None:
        (part,) = parts(OWN, ToolCall("", "f", {}, ""))
        assert re.fullmatch("call_[0-9a-f]{24}", part["functionCall"]["id"])

    def test_a_custom_tools_text_becomes_an_object(self) -> None:
        assert parts(OWN, ToolCall("x", "f", "free", "free", kind="custom")) == [
            {"functionCall": {"id": "x", "name": "f", "args": {"input": "free"}}}
        ]
        assert parts(OWN, ToolCallDelta(0, "x", "f", "{fr", kind="custom"), ToolCallDelta(0, arguments="ee")) == [
            {"functionCall": {"id": "x", "name": "f", "args": {"input": "{free"}}}
        ]

    def test_fragments_that_no_call_closed_are_one_if_they_are_an_object(self) -> None:
        assert parts(OWN, ToolCallDelta(0, "x", "f", '{"a":1}'), ToolCallDelta(1, "y", "g"), ToolCallDelta(2, "z")) == [
            {"functionCall": {"id": "x", "name": "f", "args": {"a": 1}}},
            {"functionCall": {"id": "y", "name": "g", "args": {}}},
        ]

    @pytest.mark.parametrize("reason", ["length", "content_filter", "refusal"])
    def test_a_call_that_was_cut_is_dropped(self, reason: str) -> None:
        found = messages(OWN, TextDelta("a"), ToolCallDelta(0, "x", "f", '{"a'), Finish(reason), Done())
        assert len(found) == 2
        assert found[-1]["candidates"][0]["finishReason"] in ("MAX_TOKENS", "SAFETY")

    @pytest.mark.parametrize(
        ("event", "text"),
        [
            (ToolCall("x", "f", [1], "[1]"), "[1]"),
            (ToolCall("x", "f", None, "null"), "null"),
            (ToolCall("x", "f", "a", ""), '"a"'),
            (ToolCallDelta(0, "x", "f", '{"a'), '{"a'),
            (ToolCallDelta(0, "x", "f", "[1]"), "[1]"),
        ],
    )
    def test_arguments_that_are_no_object_are_an_error(self, event: Event, text: str) -> None:
        found = messages(OWN, TextDelta("a"), event, Finish("tool_calls"), Done())
        assert [*found[-1]] == ["error"]
        assert found[-1]["error"]["message"] == f"the arguments of tool call 'f' are not a JSON object: {text}"
        assert len(found) == 2

    def test_an_error_at_the_end_keeps_the_calls_before_it(self) -> None:
        good, bad = ToolCallDelta(0, "x", "f", "{}"), ToolCallDelta(1, "y", "g", "[")
        found = messages(OWN, good, bad, Finish("stop"), Done())
        assert ["error" in message for message in found] == [False, True]

    def test_data_without_a_json_form_is_refused_before_it_counts(self) -> None:
        encoder = GeminiEncoder()
        encoder.feed(ToolCallDelta(0, "x", "f", "{}"))
        with pytest.raises(EncodeError, match="cannot be written as JSON"):
            encoder.feed(ToolCall("x", "f", {"a": object()}))
        (message,) = encoder.feed(ToolCall("x", "f", {}))
        assert '"name":"f"' in message.data

    @pytest.mark.parametrize("choice", [-1, 128])
    @pytest.mark.parametrize("kind", [TextDelta, ReasoningDelta, ToolCall, ToolCallDelta])
    def test_a_choice_out_of_range_is_refused(self, kind: Any, choice: int) -> None:
        event = {
            TextDelta: TextDelta("a", choice),
            ReasoningDelta: ReasoningDelta("a", index=choice),
            ToolCall: ToolCall("x", "f", {}, choice=choice),
            ToolCallDelta: ToolCallDelta(0, "x", "f", choice=choice),
        }[kind]
        with pytest.raises(EncodeError, match=rf"^the choice must be from 0 to 127, not {choice}$"):
            GeminiEncoder().feed(event)


class TestServerTools:
    CODE = ToolCall("s", "code_execution", {"language": "PYTHON", "code": "1"}, kind="server", signature="QUI=")
    RESULT = ToolResult("s", "code_execution", {"outcome": "OUTCOME_OK", "output": "1"})

    def test_geminis_own_code_goes_back_as_it_came(self) -> None:
        delta = ToolCallDelta(0, "s", "code_execution", "{}", kind="server")
        assert parts(OWN, delta, self.CODE, self.RESULT) == [
            {"executableCode": {"language": "PYTHON", "code": "1", "id": "s"}, "thoughtSignature": "QUI="},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1", "id": "s"}},
        ]

    def test_any_other_is_left_out(self) -> None:
        search = ToolCall("q", "web_search", {}, kind="server"), ToolResult("q", "web_search", {})
        assert parts(FOREIGN, self.CODE, self.RESULT, *search) == []
        assert parts(OWN, *search, ToolResult("s", "code_execution", "text")) == []
        strange = ToolCall("s", "code_execution", "text", kind="server")
        assert parts(OWN, strange, ToolCallDelta(0, "s", "code_execution", "[", kind="server")) == []


class TestSafety:
    RATING = Safety("HARM_CATEGORY_HARASSMENT", "block", 0.5, "HIGH")

    def test_geminis_own_ratings_ride_on_the_next_chunk(self) -> None:
        wanted = {
            "category": "HARM_CATEGORY_HARASSMENT",
            "probability": "HIGH",
            "blocked": True,
            "probabilityScore": 0.5,
        }
        found = messages(OWN, self.RATING, TextDelta("b", 1), TextDelta("a"), TextDelta("a"), Finish("stop"), Done())
        rated = [c.get("safetyRatings") for message in found for c in message["candidates"]]
        assert rated == [None, [wanted], None, None, None]
        assert finished(OWN, TextDelta("a"), self.RATING, Finish("stop"))["safetyRatings"] == [wanted]
        passed = finished(OWN, Safety("HARM_CATEGORY_X", "pass"), Finish("stop"))
        assert passed["safetyRatings"] == [{"category": "HARM_CATEGORY_X"}]

    def test_others_verdicts_are_left_out(self) -> None:
        assert "safetyRatings" not in finished(FOREIGN, self.RATING, Finish("stop"))
        assert "safetyRatings" not in finished(OWN, Safety("hate", "block"), Finish("stop"))

    @pytest.mark.parametrize(
        ("start", "finish", "reason"),
        [
            (OWN, Finish("content_filter", None, "JAILBREAK"), "JAILBREAK"),
            (OWN, Finish("content_filter", None, "OTHER"), "OTHER"),
            (FOREIGN, Finish("content_filter", None, "OTHER"), "SAFETY"),
            (FOREIGN, Finish("refusal"), "SAFETY"),
            (OWN, Finish("content_filter"), "SAFETY"),
        ],
    )
    def test_an_answer_that_was_filtered_before_it_began_is_a_blocked_prompt(
        self, start: Start, finish: Finish, reason: str
    ) -> None:
        assert messages(start, finish, Done()) == [
            {"promptFeedback": {"blockReason": reason}, "usageMetadata": NOTHING, **HEAD}
        ]

    def test_its_ratings_are_the_prompts(self) -> None:
        (message,) = messages(OWN, self.RATING, Finish("content_filter"), Done())
        assert len(message["promptFeedback"]["safetyRatings"]) == 1

    def test_an_answer_that_only_a_candidate_can_have_ended_is_none(self) -> None:
        assert finished(OWN, Finish("content_filter", None, "RECITATION"))["finishReason"] == "RECITATION"
        said = finished(OWN, TextDelta("a"), Finish("content_filter", None, "JAILBREAK"))
        assert said["finishReason"] == "SAFETY"


class TestSources:
    def test_they_come_last_with_their_places_in_bytes(self) -> None:
        cited = [
            Citation("u", "t", 0, 1, "\U0001f600"),
            Citation("v"),
            Citation("u", "t", 1, 99),
            Citation("w", None, -5),
            Citation(text="x"),
        ]
        last = finished(
            OWN, Citations(cited[:1]), TextDelta("\U0001f600"), TextDelta("ab"), Citations(cited[1:]), Finish("stop")
        )
        assert last["groundingMetadata"] == {
            "groundingChunks": [
                {"web": {"uri": "u", "title": "t"}},
                {"web": {"uri": "v"}},
                {"web": {"uri": "w"}},
                {"web": {}},
            ],
            "groundingSupports": [
                {"segment": {"startIndex": 0, "endIndex": 4, "text": "\U0001f600"}, "groundingChunkIndices": [0]},
                {"segment": {"startIndex": 4, "endIndex": 6}, "groundingChunkIndices": [0]},
                {"segment": {"startIndex": 0}, "groundingChunkIndices": [2]},
                {"segment": {"text": "x"}, "groundingChunkIndices": [3]},
            ],
        }


@pytest.mark.parametrize(
    ("format", "mime"),
    [
        (None, "audio/*"),
        ("pcm16", "audio/L16;codec=pcm;rate=24000"),
        ("mp3", "audio/mp3"),
        ("audio/wav", "audio/wav"),
        ("", "audio/*"),
    ],
)
def test_audio_has_a_mime_type(format: str | None, mime: str) -> None:
    assert parts(OWN, AudioDelta(b"\0\xff", format, "hi")) == [
        {"inlineData": {"mimeType": mime, "data": "AP8="}},
        {"audioTranscription": {"text": "hi"}},
    ]


class TestRaw:
    PART: ClassVar = {"inlineData": {"mimeType": "image/png", "data": "AP8="}}

    def test_geminis_own_parts_go_back_as_they_came(self) -> None:
        data = {"candidates": [{"content": {"parts": [self.PART]}, "index": 1, "safetyRatings": 5}, {"content": {}}]}
        first, last = messages(OWN, Raw("gemini", data))[:1], messages(Raw("gemini", data))[-1]
        content = {"parts": [self.PART], "role": "model"}
        assert first == [{"candidates": [{"content": content, "index": 1}], **HEAD}]
        assert [candidate["index"] for candidate in last["candidates"]] == [0, 1]

    @pytest.mark.parametrize(
        "raw",
        [
            Raw("openai", {"candidates": []}),
            Raw("gemini", [1]),
            Raw("gemini", {"x": 1}),
            Raw("gemini", {"candidates": 5}),
            Raw("gemini", {"candidates": []}),
            Raw("gemini", {"candidates": [{"content": {"parts": [5]}}]}),
        ],
    )
    def test_any_other_is_left_out(self, raw: Raw) -> None:
        assert parts(OWN, raw) == []


class TestEnd:
    @pytest.mark.parametrize(
        ("start", "finish", "word"),
        [
            (FOREIGN, Finish("stop", None, "end_turn"), "STOP"),
            (FOREIGN, Finish("tool_calls", None, "tool_use"), "STOP"),
            (FOREIGN, Finish("length"), "MAX_TOKENS"),
            (FOREIGN, Finish("content_filter"), "SAFETY"),
            (FOREIGN, Finish("refusal"), "SAFETY"),
            (FOREIGN, Finish("unknown", None, "NEW"), "OTHER"),
            (FOREIGN, Finish("aborted"), "STOP"),
            (OWN, Finish("content_filter", None, "RECITATION"), "RECITATION"),
            (OWN, Finish("unknown", None, "NEW"), "NEW"),
            (OWN, Finish("tool_calls", None, "OTHER"), "OTHER"),
            (OWN, Finish("tool_calls", None, "STOP"), "STOP"),
            (OWN, Finish("stop", None, "MAX_TOKENS"), "STOP"),
            (OWN, Finish("error", None, "MALFORMED_FUNCTION_CALL"), "MALFORMED_FUNCTION_CALL"),
        ],
    )
    def test_each_reason_has_its_word(self, start: Start, finish: Finish, word: str) -> None:
        assert finished(start, TextDelta("a"), finish, Done(finished=finish.reason != "error"))["finishReason"] == word

    def test_an_error_as_reason_is_an_error_to_all_others(self) -> None:
        assert "error" in messages(FOREIGN, Finish("error", None, "MALFORMED_FUNCTION_CALL"))[-1]
        assert "error" in messages(OWN, Finish("error", None, "abort"))[-1]
        encoder = GeminiEncoder(framing="ndjson")
        encoder.feed(OWN)
        own = Finish("error", None, "MALFORMED_RESPONSE")
        assert len(encoder.feed(own)) == 1
        assert encoder.feed(own) == []
        assert encoder.feed(Done(False)) == []
        assert encoder.feed(own) == []
        encoder.finish()
        with pytest.raises(RuntimeError, match=r"^GeminiEncoder: feed after finish$"):
            encoder.feed(own)

    def test_a_refusal_is_text_that_ended_for_safety(self) -> None:
        found = messages(OWN, TextDelta("no", refusal=True), TextDelta("yes", 1), Finish("stop"), Done())
        assert found[0]["candidates"][0]["content"]["parts"] == [{"text": "no"}]
        assert [candidate["finishReason"] for candidate in found[-1]["candidates"]] == ["SAFETY", "STOP"]

    def test_all_candidates_end_in_one_chunk(self) -> None:
        (*_, last) = messages(OWN, TextDelta("a", 2), Finish("length"), Done())
        assert [(c["index"], c["finishReason"]) for c in last["candidates"]] == [(0, "MAX_TOKENS"), (2, "MAX_TOKENS")]

    @pytest.mark.parametrize(
        ("usage", "wanted"),
        [
            (None, NOTHING),
            (
                Usage(10, 5, 15, 2, 3, 4),
                {
                    "promptTokenCount": 10,
                    "candidatesTokenCount": 3,
                    "totalTokenCount": 15,
                    "thoughtsTokenCount": 2,
                    "cachedContentTokenCount": 3,
                },
            ),
            (Usage(10, 5), {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}),
            (
                Usage(None, 1, None, 2),
                {"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 1, "thoughtsTokenCount": 2},
            ),
        ],
    )
    def test_counts_are_numbers(self, usage: Usage | None, wanted: dict[str, int]) -> None:
        assert messages(OWN, Finish("stop", usage), Done())[-1]["usageMetadata"] == wanted

    def test_an_answer_that_never_finished_is_an_error(self) -> None:
        error = {"code": 502, "message": "the answer was cut off before its end", "status": "INTERNAL"}
        assert messages(OWN, TextDelta("a"))[-1] == {"error": error}

    def test_bare_text_is_a_whole_answer(self) -> None:
        assert finished(TextDelta("a"))["finishReason"] == "STOP"


class TestErrors:
    @pytest.mark.parametrize("code", [*CODES, "strange"])
    def test_each_code_is_a_number_and_a_word_of_googles(self, code: str) -> None:
        (message,) = messages(Failure(code, "why"))
        number = CODES.get(code, CODES["internal"]).status
        assert message["error"].keys() == {"code", "message", "status"}
        assert (message["error"]["code"], message["error"]["message"]) == (number, "why")
        assert re.fullmatch("[A-Z_]+", message["error"]["status"])

    @pytest.mark.parametrize(
        ("seconds", "delay"), [(3.5, "3.5s"), (60.0, "60s"), (0.0, "0s"), (1e-9, "0s"), (100.0, "100s")]
    )
    def test_when_to_try_again_is_told(self, seconds: float, delay: str) -> None:
        error = GeminiEncoder.error_body(Failure("rate_limited", "why", True, seconds), 429)["error"]
        assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
        assert error["details"] == [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]

    def test_a_body_has_the_status_of_its_response(self) -> None:
        assert GeminiEncoder.error_body(Failure("internal", "why"), 502) == {
            "error": {"code": 502, "message": "why", "status": "INTERNAL"}
        }


class TestWhole:
    def test_pieces_of_one_kind_are_joined_and_what_has_a_seal_stands_alone(self) -> None:
        found = messages(
            OWN,
            Safety("HARM_CATEGORY_A", "pass", None, "LOW"),
            ReasoningDelta("h"),
            ReasoningDelta("m"),
            ReasoningDelta("!", "QUI="),
            ReasoningDelta("?"),
            TextDelta("a"),
            Safety("HARM_CATEGORY_A", "warn", None, "HIGH"),
            TextDelta("b"),
            ToolCall("x", "f", {}),
            TextDelta("c"),
            ReasoningDelta("", "QUI="),
            TextDelta("d"),
            TextDelta("e", 1),
            Raw("gemini", {"candidates": [{"content": {"parts": [{"text": None}, {"new": 1}]}}]}),
            Finish("stop", Usage(1, 2, 3)),
            Done(),
        )
        whole = GeminiEncoder.whole(found)
        assert whole["candidates"][0]["content"] == {
            "parts": [
                {"text": "hm", "thought": True},
                {"text": "!", "thought": True, "thoughtSignature": "QUI="},
                {"text": "?", "thought": True},
                {"text": "ab"},
                {"functionCall": {"id": "x", "name": "f", "args": {}}},
                {"text": "c"},
                {"text": "", "thoughtSignature": "QUI="},
                {"text": "d"},
                {"text": None},
                {"new": 1},
            ],
            "role": "model",
        }
        assert whole["candidates"][0]["safetyRatings"] == [{"category": "HARM_CATEGORY_A", "probability": "HIGH"}]
        assert whole["candidates"][1]["content"]["parts"] == [{"text": "e"}]
        assert [candidate["finishReason"] for candidate in whole["candidates"]] == ["STOP", "STOP"]
        assert whole.items() >= HEAD.items()
        assert whole["usageMetadata"]["totalTokenCount"] == 3

    def test_an_answer_without_content_has_an_empty_text(self) -> None:
        whole = GeminiEncoder.whole(messages(OWN, Finish("stop"), Done()))
        assert whole["candidates"][0]["content"]["parts"] == [{"text": ""}]

    def test_an_error_or_a_blocked_prompt_stays_what_it_is(self) -> None:
        error = messages(OWN, TextDelta("a"), Failure("internal", "why"))
        assert GeminiEncoder.whole(error) == error[-1]
        blocked = messages(OWN, Finish("content_filter"), Done())
        assert GeminiEncoder.whole(blocked) == blocked[0]
        assert GeminiEncoder.whole([]) == {}
