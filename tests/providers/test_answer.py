"""The body of an answer: whatever the bytes, events and ProviderErrors."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects import registry
from gai_stream.dialects.registry import Dialect
from gai_stream.events import Done, Event, Failure, Finish, Raw, Start, TextDelta
from gai_stream.exceptions import ProviderError
from gai_stream.providers.answer import Answer

HI = b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
STOP = b'data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
LINE = b'{"model":"m","message":{"role":"assistant","content":"Hi"},"done":false}\n'
LAST = b'{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}\n'
CONTENT = b'{"candidates":[{"content":{"parts":[{"text":"Hi"}],"role":"model"}}],"modelVersion":"m"}'
END = b'{"candidates":[{"finishReason":"STOP"}]}'
UNREADABLE = Failure("invalid_response", "up sent a message that cannot be read")

STREAMS = {
    "openai": HI + b"data: {\n\n" + STOP + DONE,
    "anthropic": (
        b'data: {"type":"message_start","message":{"id":"c1","model":"m","content":[],"usage":{"input_tokens":1}}}\n\n'
        b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\ndata: {\n\n'
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\n'
        b'data: {"type":"content_block_stop","index":0}\n\n'
        b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}\n\n'
        b'data: {"type":"message_stop"}\n\n'
    ),
    "gemini": b"data: " + CONTENT + b"\r\n\r\ndata: {\r\n\r\ndata: " + END + b"\r\n\r\n",
    "ollama": LINE + b"{\n" + b'{"message":7}\n' + LAST,
}


def read(
    name: str, *chunks: bytes, strict: bool = False, limit: int = 1 << 20
) -> tuple[list[Event], ProviderError | None, int]:
    """Return the events of a body, the error behind them, and how much could not be read."""
    answer = Answer(registry.dialect(name), name="up", max_event_size=limit, strict=strict)
    events: list[Event] = []
    try:
        for chunk in chunks:
            for event in answer.feed(chunk):
                events.append(event)
                if isinstance(event, Done):
                    return events, None, answer.malformed
        for event in answer.finish():
            events.append(event)
    except ProviderError as error:
        return events, error, answer.malformed
    return events, None, answer.malformed


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted(place % (len(data) + 1) for place in places)
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


@pytest.mark.parametrize("name", STREAMS)
def test_what_cannot_be_read_costs_nothing_but_itself(name: str) -> None:
    events, error, malformed = read(name, STREAMS[name])
    assert (error, malformed) == (None, 2 if name == "ollama" else 1)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["Hi"]
    assert [event.reason for event in events if isinstance(event, Finish)] == ["stop"]
    assert events[-1] == Done()


@pytest.mark.parametrize("name", STREAMS)
def test_what_cannot_be_read_is_the_end_of_a_strict_answer(name: str) -> None:
    events, error, malformed = read(name, STREAMS[name], strict=True)
    assert (error, malformed) == (None, 1)
    assert events[-2:] == [UNREADABLE, Done(finished=False)]


@pytest.mark.parametrize("name", STREAMS)
@given(places=st.lists(st.integers(0, 10_000), max_size=8))
def test_the_cuts_make_no_difference(name: str, places: list[int]) -> None:
    for body in (STREAMS[name], b"\xef\xbb\xbf \r\n" + STREAMS[name]):
        assert read(name, *cut(body, places)) == read(name, STREAMS[name])


@pytest.mark.parametrize("name", [name for name in registry.names() if registry.dialect(name).decoder])
@given(
    chunks=st.lists(st.binary() | st.sampled_from([HI, LINE, CONTENT, b"[", b"{", b"data: ", b"\n\n", b"null", b"]"])),
    strict=st.booleans(),
)
def test_no_bytes_raise_anything_else(name: str, chunks: list[bytes], strict: bool) -> None:
    events, error, _ = read(name, *chunks, strict=strict)
    if error is not None:
        assert error.message.startswith("up ") or error.code == "internal"
    else:
        assert events[-1] in (Done(), Done(finished=False))


@pytest.mark.parametrize("secret", ["hunter2"])
@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("strict", [True, False])
def test_no_word_of_what_cannot_be_read_is_told(name: str, secret: str, strict: bool) -> None:
    bad = [
        f"data: {secret}\n\n",
        f"{secret}\n",
        f"<p>{secret}",
        f'{{"x":"{secret}',
        f'["{secret}"]',
        f'{{"x":"{secret}"}}',
    ]
    for body in bad:
        events, error, _ = read(name, body.encode(), strict=strict)
        told = [event for event in events if not isinstance(event, Raw)]
        assert secret not in f"{told!r} {error!r}"


@pytest.mark.parametrize("name", ["gemini", "antigravity"])
@given(places=st.lists(st.integers(0, 10_000), max_size=8))
def test_an_array_is_a_stream_of_googles(name: str, places: list[int]) -> None:
    values = (
        [CONTENT, CONTENT, END] if name == "gemini" else [b'{"response":%s}' % each for each in (CONTENT, CONTENT, END)]
    )
    events, error, _ = read(name, *cut(b"[%s\n,\r\n%s\n,\r\n%s\n]\n" % tuple(values), places))
    assert error is None
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["Hi", "Hi"]
    assert events[-1] == Done()


def test_an_array_of_googles_leaves_as_it_comes() -> None:
    answer = Answer(registry.dialect("gemini"), name="up", max_event_size=200, strict=False)
    assert [*answer.feed(b"[" + CONTENT)] == [Start("m", "gemini"), TextDelta("Hi")]
    # Only one value has to fit, not the whole.
    for _ in range(10):
        assert [*answer.feed(b"," + CONTENT)] == [TextDelta("Hi")]
    assert [*answer.feed(b"," + END + b"]"), *answer.finish()][-1] == Done()


@pytest.mark.parametrize("name", STREAMS)
def test_what_is_too_large_comes_behind_the_good_events(name: str) -> None:
    text = b"x" * 2000
    good, large = {
        "openai": (HI, b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n'),
        "anthropic": (STREAMS["anthropic"].partition(b"data: {\n\n")[0], b'data: {"type":"%s"}\n\n'),
        "gemini": (b"data: " + CONTENT + b"\n\n", b'data: {"x":"%s"}\n\n'),
        "ollama": (LINE, b'{"message":{"content":"%s"}}\n'),
    }[name]
    for chunks in ((good + large % text,), (good, large % text, b"\n")):
        events, error, malformed = read(name, *chunks, limit=1000)
        assert isinstance(events[0], Start)
        assert error is not None
        assert (error.code, error.status, malformed) == ("invalid_response", 502, 0)
        assert str(error) == "up sent more than 1000 bytes in one piece (max_event_size)"


def test_one_value_is_no_larger_than_an_event() -> None:
    _, error, _ = read("openai", b'{"choices":"', b"x" * 1000, limit=1000)
    assert str(error) == "up sent more than 1000 bytes in one piece (max_event_size)"


def test_tool_calls_that_are_too_long_are_an_error() -> None:
    fragment = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "x" * 600_000}}
    chunk = b"data: %s\n\n" % json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": [fragment]}}]}).encode()
    events, error, _ = read("openai", chunk, chunk)
    assert events
    assert error is not None
    assert error.code == "invalid_response"
    assert str(error).startswith("up sent too much: ")
    assert "xxx" not in str(error)


@pytest.mark.parametrize("body", [b"", b" \r\n", b": hello\n\n", b"hello\n\n", HI, HI + b"data: {", LINE])
def test_an_answer_that_does_not_end_is_truncated(body: bytes) -> None:
    events, error, malformed = read("ollama" if body == LINE else "openai", body)
    assert error is not None
    assert (error.code, error.status, str(error)) == ("truncated", 502, "up did not finish its answer")
    # A cut is no bad message.
    assert malformed == 0
    assert bool(events) == body.startswith((HI, LINE))


@pytest.mark.parametrize(
    "body", [b'{"status":"ok"}', b"{", b"[]", b"[1]", b'["x"]', b"{}", b'{"choices":[]}', b'{"id":7}']
)
@pytest.mark.parametrize("name", ["openai", "anthropic", "glm"])
def test_json_that_is_no_answer_is_an_error(name: str, body: bytes) -> None:
    events, error, _ = read(name, body)
    assert (events, str(error)) == ([], "up answered with JSON that is no answer")


@pytest.mark.parametrize("body", [b'{"error":"boom"}', b'[{"detail":"boom"}]', b'{"message":"boom"}'])
def test_an_error_of_any_shape_is_told(body: bytes) -> None:
    events, error, _ = read("openai", body)
    told = error.message if error is not None else next(event.message for event in events if isinstance(event, Failure))
    assert told == "boom"


def test_a_whole_answer_that_was_cut_is_told_as_far_as_it_came() -> None:
    body = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":null}]}'
    events, error, _ = read("gemini", CONTENT)
    assert events == [Start("m", "gemini"), TextDelta("Hi")]
    assert str(error) == "up did not finish its answer"
    events, error, _ = read("openai", body)
    assert (error, events[-1]) == (None, Done())


def test_the_rest_of_a_broken_answer_is_its_end_or_nothing() -> None:
    def rest(*chunks: bytes) -> list[Event]:
        answer = Answer(registry.dialect("openai"), name="up", max_event_size=1000, strict=False)
        for chunk in chunks:
            list(answer.feed(chunk))
        return answer.rest()

    assert rest(HI, STOP)[-1] == Done()
    assert rest(HI) == rest() == rest(b'{"choices":') == []


def test_a_dialect_without_a_decoder_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^dialect 'x' is only written, not read$"):
        Answer(Dialect("x", "sse", None, None), name="up", max_event_size=1, strict=False)
