"""Chat Completions to events: OpenAI's own wire."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from gai_stream.dialects.openai import OpenAIDecoder
from gai_stream.events import (
    AudioDelta,
    Citation,
    Citations,
    Done,
    Event,
    Finish,
    FinishStep,
    Raw,
    ReasoningDelta,
    Safety,
    Start,
    TextDelta,
    Usage,
)
from gai_stream.exceptions import TruncatedStream
from gai_stream.sse import ServerSentEvent

START = Start("m", None, "c1")
STOP = [FinishStep(1), Finish("stop", None, "stop"), Done()]


def chunk(delta: dict[str, Any] | None = None, *, reason: str | None = None, index: int = 0, **extra: Any) -> Any:
    """One chunk of one choice; without a delta or a reason, of none."""
    choices = [] if delta is None and reason is None else [{"index": index, "delta": delta, "finish_reason": reason}]
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **extra}


def call(arguments: str | None = None, *, index: int | None = 0, id: Any = None, name: Any = None, **more: Any) -> Any:
    """One fragment of a tool call, as a delta."""
    function = {"name": name, "arguments": arguments}
    entry = {"index": index, "id": id, "function": {key: value for key, value in function.items() if value is not None}}
    return {"tool_calls": [{key: value for key, value in {**entry, **more}.items() if value is not None}]}


def decode(*messages: Any, finish: bool = True) -> list[Event]:
    """What the decoder makes of the messages; text and bytes go in as they are."""
    decoder = OpenAIDecoder()
    events = [event for message in messages for event in decoder.feed(message)]
    return events + decoder.finish() if finish else events


def test_text_comes_between_start_and_finish() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert decode(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "He"}),
        chunk({"content": "y"}),
        chunk({}, reason="stop"),
        chunk(usage=usage),
        "[DONE]",
    ) == [START, TextDelta("He"), TextDelta("y"), FinishStep(1), Finish("stop", Usage(3, 2, 5), "stop"), Done()]


def test_every_form_of_a_message_says_the_same() -> None:
    message = chunk({"content": "é"}, reason="stop")
    text = json.dumps(message)
    sdk = ChatCompletionChunk.model_validate(message)
    forms = [message, text, text.encode(), bytearray(text.encode()), memoryview(text.encode()), ServerSentEvent(text)]
    for form in [*forms, f" \n{text} ", sdk]:
        assert decode(form) == [START, TextDelta("é"), *STOP]


def test_an_sdk_object_with_values_outside_its_types_is_read_without_a_warning() -> None:
    sdk = ChatCompletionChunk.construct(
        **chunk(
            None, choices=[{"index": 0, "delta": {"reasoning_content": "hm", "content": "a"}, "finish_reason": "eos"}]
        )
    )
    assert decode(sdk) == [
        START,
        ReasoningDelta("hm"),
        TextDelta("a"),
        FinishStep(1),
        Finish("stop", None, "eos"),
        Done(),
    ]


@pytest.mark.parametrize(
    "terminator", ["[DONE]", b"[DONE]", " [DONE]\n", ServerSentEvent("[DONE]"), {"object": "done"}]
)
def test_the_terminator_ends_the_answer_and_nothing_follows(terminator: Any) -> None:
    decoder = OpenAIDecoder()
    decoder.feed(chunk({"content": "a"}, reason="stop"))
    assert decoder.feed(terminator) == STOP
    assert decoder.feed(chunk({"content": "late"})) == []
    assert decoder.feed("not JSON") == []
    assert decoder.finish() == []


def test_the_terminal_line_of_ndjson_is_read_as_text_too() -> None:
    assert decode(chunk({"content": "a"}, reason="stop"), b'{"object":"done"}', finish=False)[-3:] == STOP


def test_the_end_of_input_after_a_finish_reason_is_an_end() -> None:
    assert decode(chunk({"content": "a"}, reason="stop")) == [START, TextDelta("a"), *STOP]


def test_nothing_ends_at_the_first_finish_reason() -> None:
    assert decode(
        chunk({"content": "a"}, reason="length"),
        chunk({"content": "b"}, reason="stop"),
        chunk({}, reason=""),
        finish=False,
    ) == [START, TextDelta("a"), TextDelta("b")]


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [chunk({"role": "assistant"})],
        [chunk({"content": "a"})],
        [chunk({"content": "a"}), chunk({"content": "b"}, reason="stop", index=1)],
    ],
)
def test_the_end_of_input_before_a_finish_reason_is_a_truncated_stream(messages: list[Any]) -> None:
    decoder = OpenAIDecoder()
    for message in messages:
        decoder.feed(message)
    with pytest.raises(TruncatedStream, match="without a finish reason"):
        decoder.finish()


def test_the_terminator_without_a_finish_reason_ends_for_an_unknown_reason() -> None:
    assert decode(chunk({"content": "a"}), "[DONE]")[-2:] == [Finish("unknown"), Done()]
    assert decode("[DONE]") == [Start(), FinishStep(1), Finish("unknown"), Done()]


def test_feeding_or_finishing_a_finished_decoder_is_refused() -> None:
    decoder = OpenAIDecoder()
    decoder.feed("[DONE]")
    decoder.finish()
    with pytest.raises(RuntimeError, match="OpenAIDecoder: feed after finish"):
        decoder.feed("[DONE]")
    with pytest.raises(RuntimeError, match="OpenAIDecoder: finish after finish"):
        decoder.finish()


@pytest.mark.parametrize(
    ("raw", "reason", "finished"),
    [
        *((word, "stop", True) for word in ("stop", "eos", "eos_token", "stop_sequence", "end_turn")),
        *((word, "length", True) for word in ("length", "model_length", "max_tokens", "model_context_window_exceeded")),
        *((word, "tool_calls", True) for word in ("tool_calls", "function_call", "tool_use")),
        *((word, "content_filter", True) for word in ("content_filter", "refusal")),
        *((word, "error", False) for word in ("error", "insufficient_system_resource", "network_error", "abort")),
        ("of its own making", "unknown", True),
    ],
)
def test_finish_reasons_are_mapped_and_the_word_is_kept(raw: str, reason: str, finished: bool) -> None:
    assert decode(chunk({}, reason=raw))[-2:] == [Finish(reason, None, raw), Done(finished)]


def test_choices_keep_their_index_and_choice_0_gives_the_reason() -> None:
    assert decode(
        chunk({"content": "a"}),
        chunk({"content": "b"}, index=1),
        chunk({}, reason="length", index=1),
        chunk({}, reason="stop"),
    ) == [START, TextDelta("a"), TextDelta("b", 1), *STOP]


def test_start_waits_for_the_chunk_that_has_an_id() -> None:
    verdict = {"jailbreak": {"filtered": True, "detected": True}}
    nameless = {"id": "", "model": "", "object": "", "choices": []}
    decoder = OpenAIDecoder()
    assert decoder.feed({**nameless, "prompt_filter_results": [{"content_filter_results": verdict}]}) == []
    assert decoder.feed(chunk({"role": "assistant"})) == [START, Safety("jailbreak", "block")]
    assert decoder.feed(chunk({"content": "a"})) == [TextDelta("a")]


def test_start_is_made_up_when_content_comes_without_an_id() -> None:
    assert decode({"choices": [{"delta": {"content": "a"}}], "model": "m", "id": ""}, finish=False) == [
        Start("m"),
        TextDelta("a"),
    ]


def test_start_does_not_wait_for_ever() -> None:
    decoder = OpenAIDecoder()
    events = [event for number in range(100) for event in decoder.feed({"ping": number})]
    assert events == [Start(), *(Raw("openai", {"ping": number}) for number in range(100))]


def test_an_empty_delta_is_no_event() -> None:
    assert decode(
        chunk({"content": "", "refusal": "", "reasoning_content": ""}), chunk({"content": None}), finish=False
    ) == [START]


def test_a_refusal_is_marked_and_judged_at_the_end() -> None:
    assert decode(chunk({"refusal": "I ca"}), chunk({"refusal": "n't"}), chunk({}, reason="stop")) == [
        START,
        TextDelta("I ca", refusal=True),
        TextDelta("n't", refusal=True),
        Safety("refusal", "block"),
        *STOP,
    ]


def test_audio_comes_as_bytes_and_words() -> None:
    data = base64.b64encode(b"\0\1\2").decode()
    assert decode(
        chunk({"audio": {"id": "audio_1", "transcript": "Hel"}}),
        chunk({"audio": {"data": data}}),
        chunk({"audio": {"data": data, "transcript": "lo"}}),
        chunk({"audio": {"expires_at": 5}}),
        finish=False,
    ) == [
        START,
        AudioDelta(b"", transcript="Hel"),
        AudioDelta(b"\0\1\2", "pcm16"),
        AudioDelta(b"\0\1\2", "pcm16", "lo"),
    ]


def test_annotations_are_citations() -> None:
    nested = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 1, "end_index": 2}}
    flat = {"type": "url_citation", "url": "v", "content": "words"}
    file = {"type": "file_citation", "file_citation": {"file_id": "f", "filename": "f.txt"}}
    assert decode(chunk({"annotations": [nested, flat, file, {"type": "x"}, "junk"]}), finish=False) == [
        START,
        Citations([Citation("u", "t", 1, 2), Citation("v", text="words"), Citation("f", "f.txt")]),
    ]
    assert decode(chunk({"annotations": {"not": "a list"}}), finish=False) == [START]


def test_filters_are_told_once_and_only_when_they_found_something() -> None:
    results = {
        "hate": {"filtered": False, "severity": "safe"},
        "violence": {"filtered": False, "severity": "medium"},
        "sexual": {"filtered": True, "severity": "high"},
        "protected_material_code": {"filtered": False, "detected": True},
        "error": "not an object",
    }
    judged = chunk(None, choices=[{"index": 0, "delta": {"content": "a"}, "content_filter_results": results}])
    assert decode(judged, judged, finish=False) == [
        START,
        TextDelta("a"),
        Safety("violence", "warn", None, "medium"),
        Safety("sexual", "block", None, "high"),
        Safety("protected_material_code", "warn"),
        TextDelta("a"),
    ]


def test_moderation_is_told_where_it_flagged() -> None:
    result = {"categories": {"violence": True, "hate": False, "self-harm": True}, "category_scores": {"violence": 0.9}}
    unscored = {"categories": {"hate": True}}
    moderation = {"input": {"results": [result, {"categories": None}]}, "output": {"results": [unscored]}, "x": None}
    assert decode(chunk(moderation=moderation), finish=False) == [
        START,
        Safety("violence", "warn", 0.9, "input"),
        Safety("self-harm", "warn", None, "input"),
        Safety("hate", "warn", None, "output"),
    ]


def test_unknown_keys_are_ignored_and_unknown_payloads_are_raw() -> None:
    assert decode(chunk({"content": "a", "new": 1}, new={"x": []}), finish=False) == [START, TextDelta("a")]
    for value in ({"type": "ping"}, [1, 2], 5, None):
        text = json.dumps(value)
        assert decode(chunk({}), text, finish=False) == [START, Raw("openai", value)]
        assert decode(chunk({}), value, finish=False) == [START, Raw("openai", value)]
    assert decode(chunk({}), 18446744073709551616, finish=False) == [START, Raw("openai", 18446744073709551616)]


def test_empty_messages_are_nothing() -> None:
    assert decode(
        chunk({}), "", b" \n", ServerSentEvent(""), ServerSentEvent(comment="hi"), "{}", {}, finish=False
    ) == [START]


def test_a_chunk_without_choices_is_a_chunk() -> None:
    assert decode({"id": "c1", "object": "chat.completion.chunk", "model": "m"}, finish=False) == [START]
    assert decode(chunk(choices=None), finish=False) == [START]
