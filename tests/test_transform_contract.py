"""The contract of every transform, stated in `transform.Transform` and tested here over all of them.

Dialects are taken from the registry: a new one is tested as soon as it is there.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import pkgutil
import re
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gai_stream
from gai_stream.dialects import registry
from gai_stream.dialects.gemini import JSONArrayDecoder, JSONArrayEncoder
from gai_stream.events import (
    AudioDelta,
    Citation,
    Citations,
    Done,
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
from gai_stream.exceptions import DecodeError, EncodeError, LimitExceeded, TruncatedStream
from gai_stream.langchain import LangChainDecoder
from gai_stream.lift import Lift
from gai_stream.ndjson import NDJSONDecoder, NDJSONEncoder
from gai_stream.sse import ServerSentEvent, SSEDecoder, SSEEncoder

# A digest, a UUID, a time in s or ms or as text, or a duration.
MADE_UP = re.compile(
    r"[0-9a-f]{20,32}|[0-9a-f-]{36}|\b1[0-9]{9}([0-9]{3})?\b|[0-9-]{10}T[0-9:.]+Z|(?<=_duration)\W+[0-9]+"
)

REFUSED = (DecodeError, LimitExceeded)

ANSWER: list[Any] = [
    Start("model", "provider", "id"),
    ReasoningDelta("think", "seal"),
    TextDelta("Hello, "),
    TextDelta("\u4f60\u597d\u2028\n"),
    AudioDelta(b"\0\xff", "pcm16", "words"),
    ToolCallDelta(0, "call_1", "search", '{"q":'),
    ToolCallDelta(0, arguments='"x"}'),
    ToolCall("call_1", "search", {"q": "x"}, '{"q":"x"}'),
    ToolResult("call_1", "search", [1, None]),
    Citations([Citation("https://a.example", "A", 0, 5, "Hello")]),
    Safety("violence", "pass", 0.1),
    Raw("other", {"a": [1]}),
    FinishStep(1),
    Finish("stop", Usage(1, 2, 3)),
    Done(),
]


CHUNK: dict[str, Any] = {"type": "AIMessageChunk", "content": "Hi", "id": "lc_run--1"}
FRAGMENT = {"name": "f", "args": '{"x":1}', "id": "c", "index": 0}
LANGCHAIN: list[Any] = [
    CHUNK,
    {**CHUNK, "content": [{"type": "thinking", "thinking": "Hm"}], "additional_kwargs": {"reasoning_content": "x"}},
    {**CHUNK, "content": "", "tool_call_chunks": [FRAGMENT], "usage_metadata": {"input_tokens": 1}},
    [{**CHUNK, "chunk_position": "last", "response_metadata": {"finish_reason": "stop"}}, {"ls_provider": "openai"}],
    {"event": "on_tool_end", "run_id": "t", "name": "f", "data": {"output": {"type": "tool", "content": "1"}}},
    {"event": "on_chat_model_end", "run_id": "r", "data": {"output": {"type": "ai", "content": "x", "tool_calls": []}}},
]


class Case(NamedTuple):
    """One transform: how it is made, a stream that it takes whole, and what makes up its junk."""

    name: str
    make: Callable[[], Any]
    stream: list[Any]
    junk: st.SearchStrategy[Any]
    refused: tuple[type[Exception], ...] = REFUSED


def written(make: Callable[..., Any], framing: str) -> list[Any]:
    encoder = make(framing=framing)
    return [message for event in ANSWER for message in encoder.feed(event)] + encoder.finish()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
BYTES = st.binary(max_size=40) | st.lists(
    st.sampled_from(
        [b"data:", b"id:", b"event: x", b"retry", b":", b"\n", b"\r", b"\xef\xbb\xbf", b"{}", b"1", b'"\xff']
    ),
    max_size=12,
).map(b"".join)
ARRAY_BYTES = BYTES | st.lists(
    st.sampled_from([b"[", b"]", b"{", b"}", b'"', b"\\", b",", b":", b"1", b" ", b"\xef\xbb\xbf", b"\xff"]),
    max_size=12,
).map(b"".join)
FIELDS: dict[str, Any] = {
    "text": st.text(max_size=8),
    "index": st.integers(-1, 9),
    "data": JSON,
}
ODD_EVENTS = st.one_of(
    st.builds(TextDelta, FIELDS["text"], st.integers(-1, 1 << 20), st.booleans()),
    st.builds(ToolCallDelta, FIELDS["index"], FIELDS["text"], FIELDS["text"], FIELDS["text"], FIELDS["index"]),
    st.builds(ToolCall, FIELDS["text"], FIELDS["text"], JSON, FIELDS["text"]),
    st.builds(Finish, FIELDS["text"]),
    st.builds(Failure, FIELDS["text"], FIELDS["text"], st.booleans(), st.floats()),
    st.builds(Safety, FIELDS["text"], FIELDS["text"], st.floats()),
    st.builds(Raw, FIELDS["text"], JSON | st.builds(object)),
    st.sampled_from([*ANSWER, Done(False), None, 1, "text", b"bytes", object(), {"type": "text_delta"}]),
)


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """Put junk into one place of `value`."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: draw(mutated(value[key]))}
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(mutated(value[place])), *value[place + 1 :]]
    return draw(JSON)


def odd_messages(stream: list[Any]) -> st.SearchStrategy[Any]:
    """Messages of a dialect with something wrong in them, and messages of no dialect at all."""

    @st.composite
    def near(draw: st.DrawFn) -> Any:
        message = draw(st.sampled_from(stream))
        if not isinstance(message, ServerSentEvent):
            return draw(mutated(message))
        try:
            data = json.dumps(draw(mutated(json.loads(message.data))))
        except ValueError:
            data = message.data
        return ServerSentEvent(data[: (draw(st.integers(0, 3)) and len(data) - 1) or None], event=message.event)

    names = st.sampled_from(sorted({m.event for m in stream if isinstance(m, ServerSentEvent)} | {"message", "x"}))
    data = st.text(max_size=12) | JSON.map(json.dumps) | st.just("[DONE]")
    far = st.builds(ServerSentEvent, data, event=names) | st.dictionaries(st.text(max_size=8), JSON, max_size=3)
    return st.one_of(near(), near(), far)


def cases() -> Iterator[Case]:
    sse = b": hi\nid: 1\nevent: x\nretry: 5\ndata: a\r\ndata: \xe4\xbd\xa0\r\n\r\n"
    sse += b"data: b\n\n\r\rid\ndata\n\ndata: c\r\rdata: cut"
    yield Case("SSEDecoder", SSEDecoder, [b"\xef\xbb\xbf" + sse], BYTES)
    yield Case("SSEDecoder-small", lambda: SSEDecoder(max_event_size=12, comments=True), [b"data: a\n\n" * 3], BYTES)
    values = b'{"a":1}\r\n\n[1,\t2]\n  \nnull\n"\xe4\xbd\xa0"'
    yield Case("NDJSONDecoder", NDJSONDecoder, [b"\xef\xbb\xbf" + values], BYTES)
    yield Case("NDJSONDecoder-small", lambda: NDJSONDecoder(max_line_size=8), [b"1\n" * 3], BYTES)
    array = b' [{"a":"]\\""}\n,\r\n[1,\t2] ,null,"\xe4\xbd\xa0"\n]\n'
    yield Case("JSONArrayDecoder", JSONArrayDecoder, [b"\xef\xbb\xbf" + array], ARRAY_BYTES)
    yield Case("JSONArrayDecoder-small", lambda: JSONArrayDecoder(max_value_size=8), [b"[1,[2],3]"], ARRAY_BYTES)
    junk = JSON | ODD_EVENTS | st.builds(object)
    messages = [ServerSentEvent("a\nb", event="x", id="1"), "text", {"a": 1}, ServerSentEvent(comment="c"), None]
    yield Case("SSEEncoder", SSEEncoder, messages, junk, (EncodeError,))
    yield Case("NDJSONEncoder", NDJSONEncoder, ["text", {"a": 1}, [1], None], junk, (EncodeError,))
    yield Case("JSONArrayEncoder", JSONArrayEncoder, ["text", {"a": 1}, [1], None], junk, (EncodeError,))
    yield Case("Lift", Lift, ["text", {"a": 1}, TextDelta("x"), ServerSentEvent("x")], junk)
    yield Case("langchain-decoder", LangChainDecoder, LANGCHAIN, odd_messages(LANGCHAIN))
    for name in registry.names():
        dialect = registry.dialect(name)
        for framing in ("sse", "ndjson"):
            if dialect.encoder is not None:
                make = dialect.encoder
                yield Case(
                    f"{name}-encoder-{framing}",
                    lambda make=make, framing=framing: make(framing=framing),  # type: ignore[misc]
                    ANSWER,
                    ODD_EVENTS,
                    (EncodeError,),
                )
            if dialect.decoder is not None:
                stream = written(dialect.encoder, framing) if dialect.encoder is not None else []
                yield Case(
                    f"{name}-decoder-{framing}",
                    dialect.decoder,
                    stream,
                    odd_messages(stream or [ServerSentEvent('{"choices":[{"delta":{"content":"a"}}]}')]),
                )


CASES = {case.name: case for case in cases()}
ALL = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
ITEMWISE = {name: case for name, case in CASES.items() if case.stream and case.junk not in (BYTES, ARRAY_BYTES)}
DECODERS_OF_BYTES = pytest.mark.parametrize("make", [SSEDecoder, NDJSONDecoder, JSONArrayDecoder])


def alike(items: list[Any]) -> list[Any]:
    """Leave out what is made up anew for each stream: ids and times."""
    return [MADE_UP.sub("", repr(item)) for item in items]


def test_every_transform_of_the_toolkit_is_here() -> None:
    missing = []
    for module in pkgutil.walk_packages(gai_stream.__path__, "gai_stream."):
        if module.name.endswith("__main__") or "._" in module.name:
            continue
        room = importlib.import_module(module.name)
        for name in getattr(room, "__all__", ()):
            kind = getattr(room, name)
            if isinstance(kind, type) and hasattr(kind, "feed") and hasattr(kind, "finish"):
                made = {type(case.make()) for case in CASES.values()}
                # Whoever answers with a generator is no transform.
                lazy = kind.feed.__annotations__.get("return", "").startswith("Iterator")
                if kind not in made and not lazy and not getattr(kind, "_is_protocol", False):
                    missing.append(f"{module.name}.{name}")
    assert missing == []


@ALL
def test_feed_and_finish_return_lists(case: Case) -> None:
    transform = case.make()
    for item in case.stream:
        assert type(transform.feed(item)) is list
    with contextlib.suppress(TruncatedStream):
        assert type(transform.finish()) is list


@ALL
@pytest.mark.parametrize("fed", [False, True])
def test_nothing_is_taken_after_finish(case: Case, fed: bool) -> None:
    transform = case.make()
    for item in case.stream if fed else ():
        transform.feed(item)
    with contextlib.suppress(TruncatedStream):
        transform.finish()
    name = type(transform).__name__
    for item in [*case.stream, *case.stream]:
        with pytest.raises(RuntimeError, match=rf"^{name}: feed after finish$"):
            transform.feed(item)
    with pytest.raises(RuntimeError, match=rf"^{name}: finish after finish$"):
        transform.finish()


@ALL
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_junk_raises_only_documented_errors(case: Case, data: st.DataObject) -> None:
    transform = case.make()
    items = data.draw(
        st.lists(case.junk | st.sampled_from(case.stream or [None]) if case.stream else case.junk, max_size=6)
    )
    for item in items:
        with contextlib.suppress(*case.refused):
            assert type(transform.feed(item)) is list
    with contextlib.suppress(TruncatedStream, *case.refused):
        assert type(transform.finish()) is list


@pytest.mark.parametrize("case", ITEMWISE.values(), ids=ITEMWISE.keys())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_refused_item_costs_itself_alone(case: Case, data: st.DataObject) -> None:
    """What is given for the other items is what is given without the refused one."""
    place = data.draw(st.integers(0, len(case.stream)))
    transform, twin = case.make(), case.make()
    for item in case.stream[:place]:
        assert alike(transform.feed(item)) == alike(twin.feed(item))
    try:
        transform.feed(data.draw(case.junk))
    except (DecodeError, EncodeError):
        pass
    else:
        return
    for item in case.stream[place:]:
        assert alike(transform.feed(item)) == alike(twin.feed(item))
    assert alike(transform.finish()) == alike(twin.finish())


@pytest.mark.parametrize("name", [name for name in CASES if "Decoder" in name])
def test_every_cut_of_the_bytes_gives_the_same(name: str) -> None:
    case = CASES[name]
    [data] = case.stream

    def run(chunks: list[bytes]) -> list[Any]:
        transform = case.make()
        return [item for chunk in chunks for item in transform.feed(chunk)] + transform.finish()

    whole = run([data])
    assert len(whole) >= 3
    assert run([data[i : i + 1] for i in range(len(data))]) == whole
    for i in range(len(data) + 1):
        assert run([data[:i], b"", data[i:]]) == whole
        for j in range(i, len(data) + 1, 7):
            assert run([data[:i], data[i:j], data[j:]]) == whole


@pytest.mark.parametrize(
    ("make", "data"),
    [
        (lambda: NDJSONDecoder(max_line_size=8), b"1\n1\nx\n"),
        (lambda: NDJSONDecoder(max_line_size=8), b"1\n1\n123456789\n"),
        (lambda: SSEDecoder(max_event_size=12), b"data: 1\n\ndata: 1\n\ndata: 123456789\n\n"),
        (JSONArrayDecoder, b"[1,1,x,"),
        (JSONArrayDecoder, b"[1,1 }"),
        (lambda: JSONArrayDecoder(max_value_size=8), b'[1,1,"12345678",'),
    ],
    ids=["NDJSON", "NDJSON-limit", "SSE-limit", "JSONArray-value", "JSONArray", "JSONArray-limit"],
)
@given(cut=st.integers(0, 40))
def test_an_error_behind_good_items_is_raised_by_the_next_call(make: Any, data: bytes, cut: int) -> None:
    for finishing in (False, True):
        transform = make()
        found: list[Any] = []
        with pytest.raises(REFUSED):
            for chunk in (data[:cut], data[cut:]):
                found += transform.feed(chunk)
            transform.finish() if finishing else transform.feed(b"")
        assert len(found) == 2


@pytest.mark.parametrize("framing", ["sse", "ndjson"])
@pytest.mark.parametrize("name", [name for name in registry.names() if registry.dialect(name).encoder is not None])
def test_a_dialects_messages_can_be_framed_and_read_back(name: str, framing: str) -> None:
    dialect = registry.dialect(name)
    assert dialect.encoder is not None
    messages = written(dialect.encoder, framing)
    to_bytes: Any = SSEEncoder() if framing == "sse" else NDJSONEncoder()
    from_bytes: Any = SSEDecoder() if framing == "sse" else NDJSONDecoder()
    data = b"".join(chunk for message in messages for chunk in to_bytes.feed(message))
    assert len(data.decode().splitlines()) == data.count(b"\n")
    read = from_bytes.feed(data) + from_bytes.finish()
    assert len(read) == len(messages)
    if dialect.decoder is not None:
        decoder = dialect.decoder()
        events = [event for message in read for event in decoder.feed(message)] + decoder.finish()
        text = "".join(event.text for event in events if isinstance(event, TextDelta))
        assert text == "Hello, \u4f60\u597d\u2028\n"
        assert any(isinstance(event, Finish) for event in events)


class TestDecoderMemory:
    @DECODERS_OF_BYTES
    def test_what_was_given_is_not_kept(self, make: Any) -> None:
        transform = make()
        first, unit = {
            SSEDecoder: (b"data: 1\n\n", b"data: %s\n\n"),
            NDJSONDecoder: (b"1\n", b'"%s"\n'),
            JSONArrayDecoder: (b"[1 ", b',"%s"'),
        }[make]
        transform.feed(first)
        tracemalloc.start()
        try:
            for _ in range(300):
                assert len(transform.feed(unit % (b"a" * 1000))) == 1
            assert tracemalloc.get_traced_memory()[0] < 30_000
        finally:
            tracemalloc.stop()
