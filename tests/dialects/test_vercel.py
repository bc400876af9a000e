"""UI message stream chunks, written: what comes in which order, and what is never left out or null."""

from __future__ import annotations

import base64
import io
import json
import wave
from typing import Any

import pytest

from gai_stream.dialects.vercel import VercelDecoder, VercelEncoder
from gai_stream.dialects.vercel.audio import audio_of
from gai_stream.dialects.vercel.passed import passed
from gai_stream.dialects.vercel.wire import FINISH_REASONS
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
from gai_stream.exceptions import EncodeError
from gai_stream.sse import ServerSentEvent

START = Start("m", "p", "c1")
FIELDS: dict[str, tuple[set[str], set[str]]] = {
    # The chunks of ai 5.0.0, which refuses whatever else it finds: required fields, optional fields.
    "start": (set(), {"messageId", "messageMetadata"}),
    "start-step": (set(), set()),
    "finish-step": (set(), set()),
    "finish": (set(), {"messageMetadata"}),
    "abort": (set(), set()),
    "error": ({"errorText"}, set()),
    **{f"{kind}-{end}": ({"id"}, {"providerMetadata"}) for kind in ("text", "reasoning") for end in ("start", "end")},
    **{f"{kind}-delta": ({"id", "delta"}, {"providerMetadata"}) for kind in ("text", "reasoning")},
    "tool-input-start": ({"toolCallId", "toolName"}, {"providerExecuted"}),
    "tool-input-delta": ({"toolCallId", "inputTextDelta"}, set()),
    "tool-input-available": ({"toolCallId", "toolName", "input"}, {"providerExecuted", "providerMetadata"}),
    "tool-output-available": ({"toolCallId", "output"}, {"providerExecuted"}),
    "tool-output-error": ({"toolCallId", "errorText"}, {"providerExecuted"}),
    "source-url": ({"sourceId", "url"}, {"title", "providerMetadata"}),
    "source-document": ({"sourceId", "mediaType", "title"}, {"providerMetadata"}),
    "file": ({"url", "mediaType"}, set()),
    "data-safety": ({"data"}, set()),
    "data-transcript": ({"data"}, set()),
}


def chunks(*events: Event, **options: Any) -> list[dict[str, Any]]:
    """The chunks that the events become, all of them but the start's two and the steps'."""
    return [chunk for chunk in everything(*events, **options) if chunk["type"] not in OUTSIDE]


OUTSIDE = ("start", "start-step", "finish-step", "finish")


def everything(*events: Event, **options: Any) -> list[dict[str, Any]]:
    encoder = VercelEncoder(framing="ndjson", **options)
    return [chunk for event in events for chunk in encoder.feed(event)] + encoder.finish()


ANSWER: list[Event] = [
    START,
    ReasoningDelta("hm", "seal"),
    ReasoningDelta("", redacted="opaque"),
    TextDelta("a"),
    TextDelta("no", refusal=True),
    Citations([Citation("u"), Citation("v", "V", 0, 1, "x"), Citation(None, "Book")]),
    ToolCallDelta(0, "x", "f", "{}"),
    ToolCall("x", "f", None, "null", signature="s"),
    ToolCall("y", "g", {}, kind="server"),
    ToolResult("x", "f", None),
    ToolResult("y", "g", None, "no"),
    AudioDelta(b"a", "mp3", "words"),
    Safety("hate", "warn"),
    FinishStep(1),
    Finish("stop", Usage(1)),
    Done(),
]


@pytest.mark.parametrize("ending", [[], [Failure("internal", "no")], [Finish("aborted", None, "enough")]])
def test_profile_5_sends_what_the_first_release_knows_and_never_null(ending: list[Event]) -> None:
    for chunk in everything(*(ANSWER[:-2] + ending if ending else ANSWER)):
        required, optional = FIELDS[chunk["type"]]
        assert required <= chunk.keys() - {"type"} <= required | optional, chunk
        nullable = {"input", "output"}
        assert all(value is not None for key, value in chunk.items() if key not in nullable)


def test_a_text_is_a_start_a_step_a_part_and_their_ends() -> None:
    encoder = VercelEncoder(model="mine", id="msg_1")
    messages = [m for event in [START, TextDelta("a"), TextDelta("b"), *ANSWER[-3:]] for m in encoder.feed(event)]
    messages += encoder.finish()
    assert all(type(message) is ServerSentEvent and message.event == "message" for message in messages)
    assert messages.pop().data == "[DONE]"
    assert [json.loads(message.data) for message in messages] == [
        {"type": "start", "messageId": "msg_1", "messageMetadata": {"model": "mine", "provider": "p"}},
        {"type": "start-step"},
        {"type": "text-start", "id": "text-1"},
        {"type": "text-delta", "id": "text-1", "delta": "a"},
        {"type": "text-delta", "id": "text-1", "delta": "b"},
        {"type": "text-end", "id": "text-1"},
        {"type": "finish-step"},
        {"type": "finish", "messageMetadata": {"usage": {"inputTokens": 1}, "finishReason": "stop"}},
    ]


def test_the_message_has_the_id_that_is_given_or_the_answers_or_one_of_its_own() -> None:
    def id_of(*events: Event, **options: Any) -> str:
        id: str = everything(*events, **options)[0]["messageId"]
        return id

    assert id_of(START) == "c1"
    assert id_of(START, id="mine") == "mine"
    assert id_of(Start()).startswith("msg_")
    assert "messageMetadata" not in everything(Start())[0]
    assert everything(START, Start("n", None, "other"))[0]["messageId"] == "c1"


def test_the_reason_is_one_of_the_words_that_clients_know() -> None:
    def reason(word: str, *events: Event, profile: int = 6) -> Any:
        finish = everything(START, *events, Finish(word), profile=profile)[-1]
        return finish["finishReason"] if profile > 5 else finish["messageMetadata"]["finishReason"]

    call = ToolCall("x", "f", {})
    assert {word: reason(word) for word in FINISH_REASONS if word != "error"} == {
        "stop": "stop",
        "length": "length",
        "tool_calls": "stop",
        "content_filter": "content-filter",
        "refusal": "content-filter",
        "unknown": "other",
    }
    assert reason("anything", call) == "other"
    assert reason("stop", call) == reason("tool_calls", call) == "tool-calls"
    assert reason("stop", ToolCall("x", "f", {}, kind="server")) == "stop"
    assert reason("length", call, profile=5) == "length"
    assert everything(START, Finish("error", None, "abort"))[-1] == {
        "type": "error",
        "errorText": "the provider ended its answer with 'abort'",
    }


def test_an_abort_tells_its_reason_to_those_who_know_the_field() -> None:
    end: list[Event] = [START, TextDelta("a"), Finish("aborted", None, "enough"), Done(finished=False)]
    assert everything(*end, profile=7)[-2:] == [{"type": "finish-step"}, {"type": "abort", "reason": "enough"}]
    assert everything(*end, profile=6)[-1] == {"type": "abort"}


def test_usage_is_the_messages_metadata_and_the_total_is_the_sum() -> None:
    usage = Usage(10, 5, None, 2, 3, 4)
    assert everything(START, Finish("stop", usage), profile=6)[-1]["messageMetadata"] == {
        "usage": {
            "inputTokens": 10,
            "outputTokens": 5,
            "totalTokens": 15,
            "reasoningTokens": 2,
            "cachedInputTokens": 3,
            "cacheWriteInputTokens": 4,
        }
    }
    assert everything(START, Finish("stop"), profile=6)[-1] == {"type": "finish", "finishReason": "stop"}


def test_a_seal_ends_its_part_and_is_under_its_providers_name() -> None:
    seal = {"p": {"signature": "seal"}}
    assert chunks(START, ReasoningDelta("a"), ReasoningDelta("", "seal"), ReasoningDelta("b"))[:4] == [
        {"type": "reasoning-start", "id": "reasoning-1"},
        {"type": "reasoning-delta", "id": "reasoning-1", "delta": "a"},
        {"type": "reasoning-end", "id": "reasoning-1", "providerMetadata": seal},
        {"type": "reasoning-start", "id": "reasoning-2"},
    ]
    assert chunks(ReasoningDelta("", redacted="opaque"), Done())[-1]["providerMetadata"] == {
        "gai": {"redactedData": "opaque"}
    }


def test_a_refusal_is_a_part_of_its_own() -> None:
    found = chunks(START, TextDelta("a"), TextDelta("no", refusal=True), Done())
    assert [chunk["type"] for chunk in found[:4]] == ["text-start", "text-delta", "text-end", "text-start"]
    assert found[3] == {"type": "text-start", "id": "text-2", "providerMetadata": {"gai": {"refusal": True}}}


def test_sources_are_told_once_and_do_not_cut_the_text() -> None:
    sources = Citations([Citation("u", "U"), Citation("u"), Citation(None, "U"), Citation(), Citation("")])
    found = chunks(START, TextDelta("a"), sources, sources, TextDelta("b"), Citations([]), Done())
    assert [chunk["type"] for chunk in found] == [
        *("text-start", "text-delta", "source-url", "source-document", "text-delta", "text-end")
    ]
    assert found[2:4] == [
        {"sourceId": "source-1", "type": "source-url", "url": "u", "title": "U"},
        {"sourceId": "source-2", "type": "source-document", "mediaType": "text/plain", "title": "U"},
    ]


def test_steps_begin_when_there_is_something_in_them() -> None:
    kinds = [c["type"] for c in everything(START, TextDelta("a"), FinishStep(1), FinishStep(2), Finish("stop"))]
    assert kinds == ["start", "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish"]
    kinds = [chunk["type"] for chunk in everything(TextDelta("a"), FinishStep(1), Safety("hate", "warn"), Done())]
    assert kinds[-5:] == ["finish-step", "start-step", "data-safety", "finish-step", "finish"]


def test_a_call_left_open_ends_with_its_step_if_it_can_be_read_and_else_with_the_answer() -> None:
    left = [
        ToolCallDelta(0, "x", "f", "{}"),
        ToolCallDelta(1, "y", "g", "{"),
        ToolCallDelta(2, "z", "h", kind="custom"),
    ]
    found = everything(START, *left, FinishStep(1), TextDelta("b"), Done(), profile=6)
    assert [(chunk["type"], chunk.get("toolCallId")) for chunk in found[7:10]] == [
        ("tool-input-available", "x"),
        ("finish-step", None),
        ("start-step", None),
    ]
    wrong = chunks(START, *left[1:], Done(), profile=6)[-2:]
    assert [(chunk["type"], chunk["toolCallId"], chunk["input"]) for chunk in wrong] == [
        ("tool-input-error", "y", "{"),
        ("tool-input-error", "z", ""),
    ]
    assert wrong[0]["errorText"] == "the tool call has no end, and its arguments are not JSON"
    assert chunks(START, *left[1:], Done(), profile=5)[-1]["type"] == "tool-input-start"


def test_a_call_may_be_the_first_of_its_step() -> None:
    call = [ToolCallDelta(0, "x", "f", "{"), ToolCallDelta(0, arguments="}"), ToolCall("x", "f", {}, "{}")]
    assert [chunk["type"] for chunk in everything(START, FinishStep(1), *call, Done())[3:]] == [
        *("start-step", "tool-input-start", "tool-input-delta", "tool-input-delta", "tool-input-available"),
        *("finish-step", "finish"),
    ]


def test_a_result_ends_its_call_and_one_without_a_call_gets_one_that_the_client_does_not_run() -> None:
    found = chunks(START, ToolCallDelta(0, "x", "f", "{}"), ToolResult("x", "f", 5), Done())
    assert [chunk["type"] for chunk in found[2:]] == ["tool-input-available", "tool-output-available"]
    found = chunks(START, ToolResult("", "f", None), Done())
    id = found[0]["toolCallId"]
    assert found == [
        {
            "type": "tool-input-available",
            "toolCallId": id,
            "toolName": "f",
            "input": None,
            "providerExecuted": True,
        },
        {"type": "tool-output-available", "toolCallId": id, "output": None, "providerExecuted": True},
    ]


def test_a_failure_closes_what_is_open_and_comes_last() -> None:
    events = [START, TextDelta("a"), ToolCallDelta(0, "x", "f", "{"), AudioDelta(b"a"), Failure("overloaded", "later")]
    encoder = VercelEncoder(profile=7)
    messages = [message for event in events for message in encoder.feed(event)]
    assert messages.pop().data == "[DONE]"
    assert [json.loads(message.data) for message in messages[-3:]] == [
        {
            "type": "tool-input-error",
            "toolCallId": "x",
            "toolName": "f",
            "input": "{",
            "errorText": "later",
        },
        {"type": "file", "mediaType": "application/octet-stream", "url": "data:application/octet-stream;base64,YQ=="},
        {"type": "error", "errorText": "later"},
    ]
    assert encoder.feed(TextDelta("late")) == encoder.finish() == []
    assert everything(Failure("internal", "no")) == [{"type": "error", "errorText": "no"}]


def test_other_choices_and_other_providers_events_are_left_out() -> None:
    others: list[Event] = [
        *(TextDelta("b", 1), ReasoningDelta("b", index=1), ToolCallDelta(0, "x", "f", choice=1)),
        *(ToolCall("x", "f", {}, choice=1), TextDelta(""), ReasoningDelta(""), AudioDelta(b"")),
        *(Raw("openai", {"type": "text-start"}), Raw("vercel", {"type": "text-start", "id": "1"}), Raw("vercel", 1)),
    ]
    assert chunks(START, *others, Done()) == []


@pytest.mark.parametrize(
    "event",
    [
        ToolCall("x", "f", object(), "{}"),
        ToolResult("x", "f", object()),
        Raw("vercel", {"type": "data-x", "data": object()}),
    ],
)
def test_what_has_no_json_form_costs_itself_alone(event: Event) -> None:
    encoder = VercelEncoder(framing="ndjson")
    encoder.feed(START)
    with pytest.raises(EncodeError, match="cannot be written as JSON"):
        encoder.feed(event)
    assert [chunk["type"] for chunk in encoder.feed(TextDelta("a"))] == ["text-start", "text-delta"]


def test_text_goes_the_short_way_only_while_its_part_is_open() -> None:
    encoder = VercelEncoder()
    assert encoder.text_message("a") is None
    encoder.feed(TextDelta("a"))
    message = encoder.text_message('"\u2028')
    assert message == encoder.feed(TextDelta('"\u2028'))[0]
    assert message is not None
    assert json.loads(message.data) == {"type": "text-delta", "id": "text-1", "delta": '"\u2028'}
    assert encoder.text_message("") is None
    encoder.feed(ReasoningDelta("hm"))
    assert encoder.text_message("a") is None
    assert VercelEncoder(framing="ndjson").feed(TextDelta("a"))[-1]["delta"] == "a"


def test_options_are_checked_and_a_refused_request_is_plain_text() -> None:
    with pytest.raises(ValueError, match=r"^profile must be 5, 6 or 7, not 4$"):
        VercelEncoder(profile=4)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^max_arguments_size must be a whole number of at least 1, not 0$"):
        VercelDecoder(max_arguments_size=0)
    assert VercelEncoder.error_body(Failure("rate_limited", "too many"), 429) == "too many"
    assert VercelEncoder.headers == {"x-vercel-ai-ui-message-stream": "v1"}
    with pytest.raises(EncodeError, match=r"^this dialect has streams only"):
        VercelEncoder.whole([])


# Chunks of the protocol's own


def test_a_raw_chunk_passes_in_the_shape_that_its_client_knows() -> None:
    assert passed({"type": "data-x", "data": None, "id": "1", "transient": True, "k": 1}, 5) == {
        "type": "data-x",
        "id": "1",
        "transient": True,
        "data": None,
    }
    assert passed({"type": "data-x", "data": 1, "id": None, "transient": 1}, 5) == {"type": "data-x", "data": 1}
    custom = {"type": "custom", "kind": "p.q"}
    assert [passed(custom, profile) for profile in (5, 6, 7)] == [None, None, custom]
    refused: list[Any] = [
        *(None, 1, {}, {"type": 1}, {"type": "data-x"}, {"type": "finish"}, {"type": "file", "url": "u"}),
        {"type": "tool-approval-response", "approvalId": "a", "approved": 1},
    ]
    assert [passed(data, 7) for data in refused] == [None] * len(refused)
    approval = {"type": "tool-approval-request", "approvalId": "a", "toolCallId": "x"}
    assert chunks(START, Raw("vercel", approval), Done(), profile=6) == []
    assert chunks(START, ToolCall("x", "f", {}), Raw("vercel", approval), Done(), profile=6)[-1] == approval


# Audio


def files(*events: AudioDelta) -> list[tuple[str, bytes]]:
    """Media type and bytes of the files that the pieces become."""
    found = []
    for chunk in chunks(START, *events, Done()):
        lead, _, data = chunk["url"].partition(",")
        assert lead == f"data:{chunk['mediaType']};base64"
        found.append((chunk["mediaType"], base64.b64decode(data)))
    return found


@pytest.mark.parametrize(
    ("format", "media_type"),
    [
        ("mp3", "audio/mpeg"),
        ("opus", "audio/opus"),
        ("g711_ulaw", "audio/PCMU"),
        ("audio/Ogg; codecs=opus", "audio/ogg"),
        (None, "application/octet-stream"),
        ("strange, format", "application/octet-stream"),
        ("audio/pcm;bits=12", "application/octet-stream"),
        ("audio/pcm;rate=999999999;channels=99", "application/octet-stream"),
        ("audio/pcm;channels=99999;rate=1", "application/octet-stream"),
    ],
)
def test_audio_is_a_file_of_its_type(format: str | None, media_type: str) -> None:
    assert files(AudioDelta(b"ab", format), AudioDelta(b"c")) == [(media_type, b"abc")]


@pytest.mark.parametrize(
    ("format", "shape"),
    [
        ("pcm16", (24_000, 1, 2)),
        ("audio/L16;codec=pcm;rate=16000", (16_000, 1, 2)),
        ("audio/pcm;rate=48000;channels=2;bits=8", (48_000, 2, 1)),
    ],
)
def test_bare_samples_get_a_header(format: str, shape: tuple[int, int, int]) -> None:
    ((media_type, data),) = files(AudioDelta(b"\1\2", format), AudioDelta(b"\3\4", format))
    assert media_type == "audio/wav"
    with wave.open(io.BytesIO(data)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == shape
        assert sound.readframes(9) == b"\1\2\3\4"


def test_another_format_and_another_step_begin_another_file() -> None:
    assert files(AudioDelta(b"a"), AudioDelta(b"b", "mp3"), AudioDelta(b"c", "aac")) == [
        ("audio/mpeg", b"ab"),
        ("audio/aac", b"c"),
    ]
    found = chunks(START, AudioDelta(b"a", "mp3"), FinishStep(1), AudioDelta(b"b", "mp3", "words"), Done())
    assert [chunk["type"] for chunk in found] == ["file", "file", "data-transcript"]


def test_audio_is_read_from_data_urls_alone() -> None:
    assert audio_of("data:audio/wav;base64,YWI=") == AudioDelta(b"ab", "audio/wav")
    assert audio_of("data:audio/ogg;codecs=opus;base64,YWI=") == AudioDelta(b"ab", "audio/ogg")
    others = (
        "https://a.example/a.wav",
        "data:image/png;base64,YWI=",
        "data:audio/wav;base64,?",
        "data:audio/wav;base64,",
    )
    assert [audio_of(url) for url in others] == [None] * 4
