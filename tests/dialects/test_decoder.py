"""What every decoder does alike: reading a message of any kind, and the life of one stream."""

from __future__ import annotations

from typing import Any

import pytest
from ollama import ChatResponse
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel, Field

from gai_stream.dialects._decoder import DONE, Decoder, read_message
from gai_stream.events import Done, Event, Failure, TextDelta
from gai_stream.exceptions import DecodeError, TruncatedStream
from gai_stream.sse import ServerSentEvent


class Words(Decoder):
    """A dialect of strings: each is a text, "." ends the answer, and "!" is an error."""

    def _decode(self, message: Any) -> list[Event]:
        value = read_message(message, self)
        if value == "!":
            return self._fail(Failure("internal", "no"))
        if value == ".":
            self._done = True
            return [Done()]
        return [TextDelta(value)]


def test_messages_become_events_until_the_answer_is_over() -> None:
    decoder = Words()
    assert decoder.feed('"a"') == [TextDelta("a")]
    assert decoder.feed('"."') == [Done()]
    assert decoder.feed('"late"') == []
    assert decoder.feed("not JSON") == []
    assert decoder.finish() == []


def test_input_that_ends_before_the_answer_does_is_a_truncated_stream() -> None:
    decoder = Words()
    decoder.feed('"a"')
    with pytest.raises(TruncatedStream, match=r"^the stream ended before the answer did$"):
        decoder.finish()
    with pytest.raises(RuntimeError, match=r"^Words: finish after finish$"):
        decoder.finish()


def test_a_failure_ends_the_answer() -> None:
    decoder = Words()
    assert decoder.feed('"!"') == [Failure("internal", "no"), Done(finished=False)]
    assert decoder.feed('"late"') == []
    assert decoder.finish() == []


@pytest.mark.parametrize("ended", [True, False])
def test_nothing_is_taken_after_finish(ended: bool) -> None:
    decoder = Words()
    decoder.feed('"."' if ended else '"a"')
    if ended:
        decoder.finish()
    else:
        with pytest.raises(TruncatedStream):
            decoder.finish()
    with pytest.raises(RuntimeError, match=r"^Words: feed after finish$"):
        decoder.feed('"a"')
    with pytest.raises(RuntimeError, match=r"^Words: finish after finish$"):
        decoder.finish()


def test_a_dialect_says_how_a_message_is_read() -> None:
    with pytest.raises(NotImplementedError):
        Decoder().feed("{}")


TEXT = '{"a": [1, 18446744073709551616, 1.0]}'
VALUE = {"a": [1, 18446744073709551616, 1.0]}


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (TEXT, VALUE),
        (TEXT.encode(), VALUE),
        (bytearray(TEXT.encode()), VALUE),
        (memoryview(TEXT.encode()), VALUE),
        (ServerSentEvent(TEXT, event="x"), VALUE),
        (VALUE, VALUE),
        ([1], [1]),
        (5, 5),
        (1.5, 1.5),
        (None, None),
        ("", None),
        (b" \n", None),
        (ServerSentEvent(""), None),
        ("null", None),
        ('"text"', "text"),
        ('"\\ud83d"', "\ufffd"),
        ("[DONE]", DONE),
        (b" [DONE]\n", DONE),
        (ServerSentEvent("[DONE]"), DONE),
    ],
)
def test_a_message_of_any_kind_is_read_as_plain_data(message: Any, value: Any) -> None:
    assert read_message(message, None) == value


def test_an_sdks_object_is_read_as_what_the_server_sent() -> None:
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": "a", "new": [1]}, "finish_reason": "eos"}]}
    assert read_message(ChatCompletionChunk.construct(**chunk), None) == chunk
    line = {"model": "m", "message": {"role": "assistant", "content": "a"}, "done": False}
    assert read_message(ChatResponse.model_validate(line), None) == line


def test_names_may_be_those_of_the_wire() -> None:
    class Part(BaseModel):
        finish_reason: str = Field(alias="finishReason")

    part = Part(finishReason="STOP")
    assert read_message(part, None) == {"finish_reason": "STOP"}
    assert read_message(part, None, by_alias=True) == {"finishReason": "STOP"}


@pytest.mark.parametrize("message", ["{", b"\xff", "[" * 100_000, ServerSentEvent("nonsense")])
def test_what_is_not_json_is_a_decode_error(message: Any) -> None:
    with pytest.raises(DecodeError, match=r"^not JSON: "):
        read_message(message, None)


@pytest.mark.parametrize("message", [object(), ChatResponse, {1}])
def test_what_is_no_message_is_a_type_error_that_names_the_decoder(message: Any) -> None:
    with pytest.raises(
        TypeError, match=r"^Words: a message is a ServerSentEvent, a dict, JSON text or an SDK object, not "
    ):
        Words().feed(message)
