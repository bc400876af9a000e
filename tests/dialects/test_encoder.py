"""What every encoder does alike: the life of one answer, and its end, which is never silent."""

from __future__ import annotations

from typing import Any

import pytest

from gai_stream.dialects._encoder import TRUNCATED, Content, Encoder, known
from gai_stream.events import Done, Event, Failure, Finish, Start, TextDelta
from gai_stream.exceptions import EncodeError
from gai_stream.sse import ServerSentEvent


class Words(Encoder):
    """A dialect that says what it was asked to tell."""

    def __init__(self, framing: Any = "ndjson") -> None:
        super().__init__(framing)

    def _content(self, event: Content) -> list[Any]:
        return [self._message({"text": event.text}, "text")] if isinstance(event, TextDelta) else []

    def _close(self, event: Finish) -> list[Any]:
        return [self._message({"reason": event.reason})]

    def _terminator(self) -> list[Any]:
        return [self._message({"end": True})]

    def _error(self, failure: Failure) -> list[Any]:
        return [self._message({"error": failure.code, "message": failure.message})]


END = {"end": True}
CUT = {"error": "truncated", "message": "the answer was cut off before its end"}
START = Start("m")


def encode(*events: Event) -> list[Any]:
    encoder = Words()
    return [message for event in events for message in encoder.feed(event)] + encoder.finish()


@pytest.mark.parametrize(
    ("events", "messages"),
    [
        # A source of bare text ends with its last text.
        ([], [{"reason": "stop"}, END]),
        ([TextDelta("a")], [{"text": "a"}, {"reason": "stop"}, END]),
        ([TextDelta("a"), Done()], [{"text": "a"}, {"reason": "stop"}, END]),
        ([START, Finish("length"), Done()], [{"reason": "length"}, END]),
        ([START, Finish("length")], [{"reason": "length"}, END]),
        ([START, Done()], [{"reason": "stop"}, END]),
        ([START, Finish("stop"), Done(finished=False)], [{"reason": "stop"}, END]),
        # An answer that began and never finished was cut.
        ([START], [CUT]),
        ([START, TextDelta("a")], [{"text": "a"}, CUT]),
        ([START, Done(finished=False)], [CUT]),
        ([TextDelta("a"), Done(finished=False)], [{"text": "a"}, CUT]),
        # Nothing follows an end, and behind a finish there is room for an error or the end alone.
        ([Done(), TextDelta("late"), Failure("internal", "late")], [{"reason": "stop"}, END]),
        ([Finish("stop"), TextDelta("late"), Finish("length"), Done()], [{"reason": "stop"}, END]),
        ([Finish("stop"), Failure("timeout", "no")], [{"reason": "stop"}, {"error": "timeout", "message": "no"}]),
        ([START, Failure("timeout", "no"), Done(False), TextDelta("late")], [{"error": "timeout", "message": "no"}]),
        # "error" is no way to finish.
        (
            [START, Finish("error", None, "abort"), Done(False)],
            [{"error": "internal", "message": "the provider ended its answer with 'abort'"}],
        ),
        ([Finish("error")], [{"error": "internal", "message": "the provider ended its answer with 'error'"}]),
    ],
)
def test_every_answer_ends_once_and_says_how(events: list[Event], messages: list[Any]) -> None:
    assert encode(*events) == messages


def test_the_failure_of_an_answer_that_was_cut_is_worth_another_try() -> None:
    assert Failure("truncated", "the answer was cut off before its end", True) == TRUNCATED


@pytest.mark.parametrize("event", ["text", None, {"type": "text_delta"}, TextDelta, object()])
def test_what_is_no_event_is_refused_and_forgotten(event: Any) -> None:
    encoder = Words()
    with pytest.raises(EncodeError, match=r"^Words: takes events, such as TextDelta\(text\), not \w+$"):
        encoder.feed(event)
    assert encoder.feed(TextDelta("a")) == [{"text": "a"}]


@pytest.mark.parametrize("events", [[], [Done()], [Failure("internal", "no")]])
def test_nothing_is_taken_after_finish(events: list[Event]) -> None:
    encoder = Words()
    for event in events:
        encoder.feed(event)
    encoder.finish()
    with pytest.raises(RuntimeError, match=r"^Words: feed after finish$"):
        encoder.feed(TextDelta("late"))
    with pytest.raises(RuntimeError, match=r"^Words: finish after finish$"):
        encoder.finish()


@pytest.mark.parametrize("end", [[], [Done()], [Finish("stop"), Done()]])
def test_a_failure_while_open_parts_are_closed_is_the_end(end: list[Event]) -> None:
    class Stumbling(Words):
        def _close(self, event: Finish) -> list[Any]:
            return self._fail(Failure("invalid_response", "no"))

    encoder = Stumbling()
    messages = [message for event in end for message in encoder.feed(event)] + encoder.finish()
    assert messages == [{"error": "invalid_response", "message": "no"}]


def test_sse_says_the_same_and_may_name_it() -> None:
    encoder = Words("sse")
    assert encoder.feed(TextDelta("\u2028é")) == [ServerSentEvent('{"text":"\\u2028é"}', event="text")]
    assert encoder.finish() == [ServerSentEvent('{"reason":"stop"}'), ServerSentEvent('{"end":true}')]


def test_data_without_a_json_form_is_refused_under_sse() -> None:
    with pytest.raises(EncodeError, match="value cannot be written as JSON"):
        Words("sse")._message({"a": object()})


@pytest.mark.parametrize("framing", ["SSE", "json", None])
def test_an_unknown_framing_is_refused(framing: Any) -> None:
    with pytest.raises(ValueError, match=f'^framing must be "sse" or "ndjson", not {framing!r}$'):
        Words(framing)


def test_a_dialect_says_how_events_are_told() -> None:
    encoder = Encoder("sse")
    for call in (
        lambda: encoder.feed(TextDelta("a")),
        lambda: encoder.feed(Finish("stop")),
        lambda: encoder.feed(Failure("internal", "no")),
        lambda: Encoder.error_body(Failure("internal", "no"), 500),
    ):
        with pytest.raises(NotImplementedError):
            call()
    assert encoder._terminator() == []
    assert (Encoder.heartbeat, Encoder.headers) == (None, {})


def test_only_what_is_known_is_told() -> None:
    assert known(a=0, b=None, c="", d=False) == {"a": 0, "c": "", "d": False}


class Lines(Words):
    """A dialect whose texts, once the answer has begun, are nothing but texts."""

    def _content(self, event: Content) -> list[Any]:
        for choice in (0, 2) if isinstance(event, Start) else ():
            self._shorten_texts(f'{{"n":{choice},"text":', "}", choice=choice, event="line")
        return super()._content(event)


def test_texts_go_the_short_way_where_the_dialect_says_so_and_no_others() -> None:
    encoder = Lines("sse")
    assert encoder.text_message("a") is None
    encoder.feed(START)
    line = ServerSentEvent('{"n":0,"text":"\\u2028é�"}', event="line")
    assert encoder.feed(TextDelta("\u2028é\ud800")) == [encoder.text_message("\u2028é\ud800")] == [line]
    assert encoder.feed(TextDelta("a", index=2)) == [ServerSentEvent('{"n":2,"text":"a"}', event="line")]
    assert encoder.text_message("") is None
    for event in (TextDelta(""), TextDelta("a", index=1), TextDelta("a", refusal=True)):
        assert [message.event for message in encoder.feed(event)] == ["text"]


@pytest.mark.parametrize("end", [Finish("stop"), Finish("error"), Failure("internal", "no"), Done(), None])
def test_no_text_goes_the_short_way_behind_the_end(end: Event | None) -> None:
    encoder = Lines("sse")
    encoder.feed(START)
    if end is None:
        encoder.finish()
        with pytest.raises(RuntimeError, match=r"^Lines: feed after finish$"):
            encoder.feed(TextDelta("a"))
    else:
        encoder.feed(end)
        assert encoder.feed(TextDelta("a")) == []
    assert encoder.text_message("a") is None


def test_no_text_goes_the_short_way_as_ndjson() -> None:
    encoder = Lines("ndjson")
    encoder.feed(START)
    assert encoder.text_message("a") is None
    assert encoder.feed(TextDelta("a")) == [{"text": "a"}]
