"""The real Google SDK, over loopback HTTP: what we send must please it, streamed and at once."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from gai_stream.dialects.gemini import GeminiDecoder, GeminiEncoder
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
from gai_stream.sse import SSEEncoder

Serve = Callable[[list[Event]], str]
START = Start("m", "gemini", "r1")
USAGE = Usage(10, 5, 15, 2, 3)
SEAL = base64.b64encode(b"\xfb\xff\xbf seal").decode()


def messages_of(events: list[Event], framing: Any) -> list[Any]:
    encoder = GeminiEncoder(framing=framing)
    return [message for event in events for message in encoder.feed(event)] + encoder.finish()


def wire(events: list[Event]) -> bytes:
    """The bytes that a client gets, with a heartbeat before and behind every message."""
    sse = SSEEncoder()
    blocks = [block for message in messages_of(events, "sse") for block in sse.feed(message)]
    assert GeminiEncoder.heartbeat is not None
    return GeminiEncoder.heartbeat.join([b"", *blocks, b""])


@pytest.fixture
def serve(loopback: Any) -> Serve:
    """Give events a base URL, from which the SDK reads them: as a stream, or whole."""

    def base_url(events: list[Event]) -> str:
        def answer(path: str, asked: bytes) -> tuple[int, dict[str, str], bytes]:
            if ":streamGenerateContent?alt=sse" in path:
                return 200, {"content-type": "text/event-stream"}, wire(events)
            assert path.endswith(":generateContent")
            whole = GeminiEncoder.whole(messages_of(events, "ndjson"))
            status = whole.get("error", {}).get("code", 200)
            return status, {"content-type": "application/json"}, json.dumps(whole).encode()

        return str(loopback(answer))

    return base_url


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The SDK warns of every word that it does not know, which is how Google adds words."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* is not a valid ", category=UserWarning)
        yield


class Seen:
    """What a client makes of the SDK's chunks."""

    def __init__(self) -> None:
        self.text: dict[int, str] = {}
        self.reasoning = self.transcript = ""
        self.audio = b""
        self.calls: list[tuple[Any, ...]] = []
        self.seals: list[bytes] = []
        self.images = 0
        self.code: list[Any] = []
        self.finish: dict[int, list[str]] = {}
        self.ratings: list[Any] = []
        self.grounding: Any = None
        self.feedback: Any = None
        self.usage: Any = None
        self.alike: set[Any] = set()

    def take(self, chunk: types.GenerateContentResponse) -> Seen:
        self.alike.add((chunk.response_id, chunk.model_version))
        assert self.usage is None, "nothing comes after the usage"
        self.usage, self.feedback = chunk.usage_metadata, chunk.prompt_feedback
        for candidate in chunk.candidates or ():
            index = candidate.index or 0
            assert candidate.content is not None
            assert candidate.content.role == "model"
            for part in candidate.content.parts or ():
                self._part(part, index)
            self.ratings += candidate.safety_ratings or []
            self.grounding = candidate.grounding_metadata or self.grounding
            if candidate.finish_reason:
                self.finish.setdefault(index, []).append(candidate.finish_reason.value)
        return self

    def _part(self, part: types.Part, index: int) -> None:
        if part.text and part.thought:
            self.reasoning += part.text
        elif part.text is not None:
            self.text[index] = self.text.get(index, "") + part.text
        if part.thought_signature:
            self.seals.append(part.thought_signature)
        if part.function_call:
            self.calls.append((index, part.function_call.id, part.function_call.name, part.function_call.args))
        if part.executable_code or part.code_execution_result:
            self.code.append(part.executable_code or part.code_execution_result)
        if part.inline_data:
            assert part.inline_data.mime_type
            if part.inline_data.mime_type.startswith("audio/"):
                self.audio += part.inline_data.data or b""
            else:
                self.images += 1
        if part.audio_transcription:
            self.transcript += part.audio_transcription.text or ""


def client(base_url: str) -> genai.Client:
    options = types.HttpOptions(base_url=base_url, retry_options=types.HttpRetryOptions(attempts=1))
    return genai.Client(api_key="none", http_options=options)


def read(base_url: str) -> Seen:
    seen = Seen()
    with client(base_url) as sdk:
        for chunk in sdk.models.generate_content_stream(model="m", contents="hi"):
            seen.take(chunk)
    return seen


def read_whole(base_url: str) -> Seen:
    with client(base_url) as sdk:
        return Seen().take(sdk.models.generate_content(model="m", contents="hi"))


def calls_of(events: list[Event]) -> list[tuple[Any, ...]]:
    """The calls that a client must see: those that are its own to run."""
    return [
        (e.choice, e.id, e.name, {"input": e.input} if e.kind == "custom" else e.input)
        for e in events
        if isinstance(e, ToolCall) and e.kind != "server"
    ]


def usage_as_reported(usage: Usage | None) -> tuple[int, int, int | None]:
    usage = usage or Usage(0, 0, 0)
    output = (usage.output_tokens or 0) - (usage.reasoning_tokens or 0)
    return usage.input_tokens or 0, output, usage.total_tokens


@pytest.mark.parametrize("reader", [read, read_whole])
def test_every_recording_served_again_is_read_whole(
    recorded: dict[str, list[Event]], expected: dict[str, Any], serve: Serve, reader: Callable[[str], Seen]
) -> None:
    for name, events in recorded.items():
        wanted, end = expected[name], events[-2]
        if isinstance(end, Failure):
            with pytest.raises(errors.APIError) as caught:
                reader(serve(events))
            assert caught.value.message == end.message, name
            continue
        assert isinstance(end, Finish)
        seen = reader(serve(events))
        assert len(seen.alike) == 1
        texts: dict[int, str] = {}
        for event in events:
            if isinstance(event, TextDelta):
                texts[event.index] = texts.get(event.index, "") + event.text
        assert {index: text for index, text in seen.text.items() if text} == texts, name
        assert seen.reasoning == "".join(e.text for e in events if isinstance(e, ReasoningDelta) and e.index == 0)
        assert seen.calls == calls_of(events), name
        told = [(call[2], call[3]) for call in seen.calls]
        if end.reason != "length" and not any(isinstance(e, ToolCall) and e.kind != "function" for e in events):
            assert told == [(call["name"], call["arguments"]) for call in wanted["tool_calls"]], name
        assert seen.audio == b"".join(e.data for e in events if isinstance(e, AudioDelta))
        assert seen.transcript == wanted.get("audio_transcript", "")
        assert (seen.usage.prompt_token_count, seen.usage.candidates_token_count, seen.usage.total_token_count) == (
            usage_as_reported(end.usage)
        ), name
        if seen.feedback is not None:
            assert (wanted["prompt_feedback"]["blockReason"], seen.finish) == (seen.feedback.block_reason.value, {})
            continue
        words = {"length": "MAX_TOKENS", "content_filter": "SAFETY", "refusal": "SAFETY", "unknown": "OTHER"}
        word = end.raw_reason if wanted["dialect"] in ("gemini", "antigravity") else words.get(end.reason, "STOP")
        if word == "STOP" and any(isinstance(e, TextDelta) and e.refusal for e in events):
            word = "SAFETY"
        assert set(map(tuple, seen.finish.values())) == {(word,)}, name


EVERYTHING: list[Event] = [
    START,
    ReasoningDelta("hm"),
    ReasoningDelta("so", SEAL),
    TextDelta("The \u2028 s\u00e9a"),
    TextDelta("Das", 1),
    Citations([Citation("u", "t", 0, 8, "The \u2028 s\u00e9")]),
    Raw(
        "gemini", {"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}}]}
    ),
    Raw("gemini", {"x": 1}),
    Raw("openai", {"candidates": []}),
    Safety("HARM_CATEGORY_HARASSMENT", "block", 0.5, "HIGH"),
    Safety("hate", "warn"),
    AudioDelta(b"\0\1\2\xfb\xff", "pcm16"),
    AudioDelta(b"", transcript="sea"),
    Citations([Citation("v")]),
    ToolCallDelta(5, "x", "f"),
    ToolCallDelta(5, arguments='{"a"'),
    ToolCallDelta(6, "y", "g", "{}"),
    ToolCallDelta(5, arguments=":1}"),
    ToolCall("x", "f", {"a": 1}, '{"a":1}', signature=SEAL),
    ToolCall("y", "g", {}, "{}"),
    ToolCall("z", "h", {}, "{}", choice=1),
    ToolCall("w", "i", {"b": [1, 2**70]}),
    ToolCall("v", "free", "text", "text", kind="custom"),
    ToolCall("s", "code_execution", {"language": "PYTHON", "code": "1"}, kind="server", signature=SEAL),
    ToolResult("s", "code_execution", {"outcome": "OUTCOME_OK", "output": "1"}),
    ToolCall("q", "web_search", {"q": "1"}, kind="server"),
    ToolResult("q", "web_search", {"outcome": "x"}),
    ReasoningDelta("", SEAL),
    FinishStep(1),
    Finish("stop", USAGE),
    Done(),
]
CALLS = [
    (0, "x", "f", {"a": 1}),
    (0, "y", "g", {}),
    (1, "z", "h", {}),
    (0, "w", "i", {"b": [1, 2**70]}),
    (0, "v", "free", {"input": "text"}),
]


def check_everything(seen: Seen) -> None:
    assert seen.alike == {("r1", "m")}
    assert (seen.text, seen.reasoning, seen.transcript) == ({0: "The \u2028 s\u00e9a", 1: "Das"}, "hmso", "sea")
    assert (seen.audio, seen.images) == (b"\0\1\2\xfb\xff", 1)
    assert sorted(seen.calls) == sorted(CALLS)
    assert seen.seals == [b"\xfb\xff\xbf seal"] * 4
    code, result = seen.code
    assert (code.code, code.language.value, code.id) == ("1", "PYTHON", "s")
    assert (result.output, result.outcome.value, result.id) == ("1", "OUTCOME_OK", "s")
    assert seen.finish == {0: ["STOP"], 1: ["STOP"]}
    (rating,) = seen.ratings
    assert (rating.category.value, rating.probability.value, rating.blocked) == (
        "HARM_CATEGORY_HARASSMENT",
        "HIGH",
        True,
    )
    assert [chunk.web.uri for chunk in seen.grounding.grounding_chunks] == ["u", "v"]
    (support,) = seen.grounding.grounding_supports
    assert (support.segment.start_index, support.segment.end_index, support.grounding_chunk_indices) == (0, 11, [0])
    usage = seen.usage
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (10, 3, 15)
    assert (usage.thoughts_token_count, usage.cached_content_token_count) == (2, 3)


@pytest.mark.parametrize("reader", [read, read_whole])
def test_one_answer_with_everything_in_it_is_read_whole(serve: Serve, reader: Callable[[str], Seen]) -> None:
    check_everything(reader(serve(EVERYTHING)))


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_async_client_reads_the_same(serve: Serve) -> None:
    seen = Seen()
    async with client(serve(EVERYTHING)).aio as sdk:
        async for chunk in await sdk.models.generate_content_stream(model="m", contents="hi"):
            seen.take(chunk)
        check_everything(seen)
        check_everything(Seen().take(await sdk.models.generate_content(model="m", contents="hi")))


def test_the_sdks_own_properties_work_on_every_chunk(serve: Serve) -> None:
    with client(serve([*EVERYTHING[:2], TextDelta("a"), Finish("stop"), Done()])) as sdk:
        chunks = list(sdk.models.generate_content_stream(model="m", contents="hi"))
        whole = sdk.models.generate_content(model="m", contents="hi")
    assert [chunk.text for chunk in chunks][-2:] == ["a", ""]
    assert whole.text == "a"
    assert not whole.function_calls


def test_the_sdks_own_objects_decode_to_the_same_events(serve: Serve) -> None:
    streamed, at_once, from_wire = GeminiDecoder(), GeminiDecoder(), GeminiDecoder()
    with client(serve(EVERYTHING)) as sdk:
        events = [
            event
            for chunk in sdk.models.generate_content_stream(model="m", contents="hi")
            for event in streamed.feed(chunk)
        ]
        whole = at_once.feed(sdk.models.generate_content(model="m", contents="hi"))
    events += streamed.finish()
    assert events == [e for m in messages_of(EVERYTHING, "sse") for e in from_wire.feed(m)] + from_wire.finish()
    # Bytes that the SDK has decoded come back as the API wrote them.
    assert [e.signature for e in events if isinstance(e, ToolCall | ReasoningDelta) and e.signature] == [SEAL] * 4
    assert [e for e in events if isinstance(e, AudioDelta)] == [
        AudioDelta(b"\0\1\2\xfb\xff", "audio/L16;codec=pcm;rate=24000"),
        AudioDelta(b"", None, "sea"),
    ]
    whole += at_once.finish()
    key = repr
    for kind in (ToolCall, ToolResult, Citations, AudioDelta, Safety, Finish):
        assert sorted((e for e in whole if isinstance(e, kind)), key=key) == sorted(
            (e for e in events if isinstance(e, kind)), key=key
        )


@pytest.mark.parametrize("reader", [read, read_whole])
@pytest.mark.parametrize(
    ("events", "code", "status", "kind"),
    [
        ([START, TextDelta("a"), Failure("overloaded", "try later", True)], 503, "UNAVAILABLE", errors.ServerError),
        ([Failure("rate_limited", "too many", True, 2.5)], 429, "RESOURCE_EXHAUSTED", errors.ClientError),
        ([START, TextDelta("a")], 502, "INTERNAL", errors.ServerError),
        ([START, Finish("error", None, "abort")], 500, "INTERNAL", errors.ServerError),
        ([START, ToolCall("x", "f", [1], "[1]"), Finish("stop")], 502, "INTERNAL", errors.ServerError),
    ],
)
def test_a_failure_raises_in_the_sdk(
    events: list[Event], code: int, status: str, kind: type[errors.APIError], reader: Any, serve: Serve
) -> None:
    with pytest.raises(kind) as caught:
        reader(serve(events))
    assert (caught.value.code, caught.value.status) == (code, status)


@pytest.mark.parametrize("reader", [read, read_whole])
@pytest.mark.parametrize("events", [[], [TextDelta("a")], [START, Finish("stop")], [Done()]])
def test_the_shortest_answers_please_it(events: list[Event], reader: Any, serve: Serve) -> None:
    seen = reader(serve(events))
    assert seen.text == {0: "a" if TextDelta("a") in events else ""}
    assert seen.finish == {0: ["STOP"]}


@pytest.mark.parametrize("reader", [read, read_whole])
def test_a_prompt_that_was_blocked_has_feedback_and_no_candidates(reader: Any, serve: Serve) -> None:
    rating = Safety("HARM_CATEGORY_HATE_SPEECH", "block", None, "HIGH")
    seen = reader(serve([START, rating, Finish("content_filter", USAGE, "JAILBREAK"), Done()]))
    assert (seen.feedback.block_reason.value, seen.finish, seen.usage.total_token_count) == ("JAILBREAK", {}, 15)
    assert seen.feedback.safety_ratings[0].category.value == "HARM_CATEGORY_HATE_SPEECH"
