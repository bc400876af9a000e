"""A recorded OpenAI stream into another dialect and to its client, all the way, beside glue written by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from statistics import median, quantiles
from time import perf_counter_ns
from typing import Any, TypeAlias

from benchmarks.glue import TARGETS, carry, read_text
from benchmarks.inputs import CORPUS, SCOPE
from benchmarks.result import Better, Figure, Outcome, Table, Tell, figure
from benchmarks.runner import Measurements, Run, Work, measure
from gai_stream import sse_response
from gai_stream.dialects import registry
from gai_stream.dialects.openai import OpenAIDecoder
from gai_stream.events import TextDelta
from gai_stream.sse import SSEDecoder, SSEEncoder
from gai_stream.transform import pipe

__all__ = ["OURS", "carried_by_glue", "carried_by_us", "carried_through_a_response", "run", "source", "targets"]

OURS, GLUE, RESPONSE = "gai_stream", "glue by hand", "gai_stream, through sse_response"
_RECORDING = CORPUS / "openai" / "text_usage.sse"

Carry: TypeAlias = Callable[[list[bytes], str], Iterator[list[str]]]


def source() -> list[bytes]:
    """Return the stream, each event a chunk of its own as a provider sends them: recorded, or built like it."""
    data = _RECORDING.read_bytes() if _RECORDING.exists() else _built()
    return [block + b"\n\n" for block in data.split(b"\n\n")[:-1]]


def _built() -> bytes:
    head = {
        "id": "chatcmpl-ABfw031mOJeYCSHe4yI2ZjOA6kMJL",
        "object": "chat.completion.chunk",
        "created": 1727346168,
        "model": "gpt-4o-2024-08-06",
        "system_fingerprint": "fp_5050236cbd",
    }

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}

    words = ("I'm", " unable", " to", " provide", " real", "-time", " weather", " updates", ".", " To") * 3
    usage = {"prompt_tokens": 14, "completion_tokens": 30, "total_tokens": 44}
    chunks = [
        chunk({"role": "assistant", "content": "", "refusal": None}),
        *(chunk({"content": word}) for word in words),
        chunk({}, "stop"),
        {**head, "choices": [], "usage": usage},
    ]
    lines = [json.dumps(chunk, separators=(",", ":")) for chunk in chunks]
    return "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()


def targets() -> list[str]:
    """Return the dialects that there is both glue and an encoder and a decoder for."""
    known = (name for name in TARGETS if name in registry.names())
    return [name for name in known if registry.dialect(name).encoder and registry.dialect(name).decoder]


def carried_by_us(chunks: list[bytes], target: str) -> Iterator[list[str]]:
    """Yield the pieces of text that the client has of each chunk, through our transforms."""
    dialect = registry.dialect(target)
    assert dialect.encoder is not None
    assert dialect.decoder is not None
    framed, decoder, encoder, frames = SSEDecoder(), OpenAIDecoder(), dialect.encoder(), SSEEncoder()
    client_frames, client = SSEDecoder(), dialect.decoder()
    for chunk in chunks:
        sent = b""
        for message in framed.feed(chunk):
            for event in decoder.feed(message):
                for answer in encoder.feed(event):
                    sent += b"".join(frames.feed(answer))
        yield _texts(client_frames, client, sent)
    sent = b""
    framed.finish()
    for event in decoder.finish():
        for answer in encoder.feed(event):
            sent += b"".join(frames.feed(answer))
    for answer in encoder.finish():
        sent += b"".join(frames.feed(answer))
    yield _texts(client_frames, client, sent)


def _texts(frames: SSEDecoder, client: Any, sent: bytes) -> list[str]:
    return [
        event.text
        for message in frames.feed(sent)
        for event in client.feed(message)
        if type(event) is TextDelta and event.text
    ]


def carried_by_glue(chunks: list[bytes], target: str) -> Iterator[list[str]]:
    """Yield the same, through the glue."""
    how = TARGETS[target]
    for sent in carry(chunks, how):
        yield read_text(sent, how)


async def _arriving(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def carried_through_a_response(chunks: list[bytes], target: str) -> list[str]:
    """Return the pieces of text that the client has in the end, through `pipe` and `sse_response`."""
    dialect = registry.dialect(target)
    assert dialect.decoder is not None
    frames, client, pieces = SSEDecoder(), dialect.decoder(), list[str]()
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if body := message.get("body"):
            pieces.extend(_texts(frames, client, body))

    events = pipe(_arriving(chunks), SSEDecoder(), OpenAIDecoder())
    await sse_response(events, encoder=target)(SCOPE.copy(), receive, send)
    return pieces


@contextmanager
def _drained(way: Carry, chunks: list[bytes], target: str) -> Iterator[Run]:
    def run(times: int) -> None:
        for _ in range(times):
            for _ in way(chunks, target):
                pass

    yield run


@contextmanager
def _responding(chunks: list[bytes], target: str) -> Iterator[Run]:
    async def work(times: int) -> None:
        for _ in range(times):
            await carried_through_a_response(chunks, target)

    with asyncio.Runner() as runner:
        yield lambda times: runner.run(work(times))


_CARRIERS: dict[str, Carry] = {OURS: carried_by_us, GLUE: carried_by_glue}


def _works(chunks: list[bytes]) -> Iterator[Work]:
    for target in targets():
        for name, way in _CARRIERS.items():
            yield Work(f"{target}/{name}", name, None, partial(_drained, way, chunks, target), per=len(chunks))
        opened = partial(_responding, chunks, target)
        yield Work(f"{target}/{RESPONSE}", RESPONSE, None, opened, per=len(chunks))


def run(rounds: int | None, tell: Tell) -> Outcome:
    """Carry the stream into every dialect that can be, in 30 rounds unless told otherwise."""
    rounds = rounds or 30
    chunks = source()
    _check(chunks)
    measured = measure([*_works(chunks)], rounds, tell)
    delays = _delays(chunks, rounds)
    what = "recorded" if _RECORDING.exists() else "built like a recorded one"
    about = (
        f"{measured.unit_text} The stream is {what}: {len(chunks)} events, each a chunk of its own. It is decoded, its "
        "events encoded in the other dialect and framed, and that is decoded again as its client does, in one process "
        "on one core. The glue is plain `json` and string formatting in one pass and knows nothing but text, finish "
        "reason and token counts; what the client reads is the same. Through `sse_response` the whole answer leaves "
        f"together, since all chunks are there at once. {rounds} rounds."
    )
    latency = (
        "The time from a chunk of the provider's to the client's event, on the clock on the wall, event by event. Each "
        "round's median (the value) and its 99th percentile, over all its events."
    )
    return Outcome(
        (
            Table("Events per second on one core", about, tuple(_rates(measured)), ("us/event", "x glue's time")),
            Table("Added latency", latency, tuple(_latencies(delays)), ("p99, us",)),
        )
    )


def _check(chunks: list[bytes]) -> None:
    """Raise RuntimeError unless every way gives the client the same text."""
    for target in targets():
        texts = {name: "".join(chain.from_iterable(way(chunks, target))) for name, way in _CARRIERS.items()}
        texts[RESPONSE] = "".join(asyncio.run(carried_through_a_response(chunks, target)))
        if not texts[OURS] or len(set(texts.values())) > 1:
            raise RuntimeError(f"{target}: clients read different texts: {texts}")


def _rates(measured: Measurements) -> Iterator[Figure]:
    for target in targets():
        glue = measured.of[f"{target}/{GLUE}"]
        for name in (OURS, RESPONSE, GLUE):
            if measurement := measured.of.get(f"{target}/{name}"):
                rates = [1e9 / nanoseconds for nanoseconds in measurement.nanoseconds]
                more = (
                    f"{median(measurement.nanoseconds) / 1000:.3g}", f"{median(measurement.ratios(glue)):.2f}"
                )  # fmt: skip
                better: Better = "" if name == GLUE else "more"
                key = f"{target}/{name}"
                yield figure(key, f"openai to {target}: {name}", rates, "events/s", better=better, more=more)


def _delays(chunks: list[bytes], rounds: int) -> dict[tuple[str, str], list[list[float]]]:
    """Return the us of every event: a list a round, by target and carrier."""
    delays: dict[tuple[str, str], list[list[float]]] = {
        (target, name): [] for target in targets() for name in _CARRIERS
    }
    for _ in range(rounds):
        for (target, name), all_rounds in delays.items():
            all_rounds.append([])
            for _ in range(20):
                carried = _CARRIERS[name](chunks, target)
                before = perf_counter_ns()
                for _ in carried:
                    now = perf_counter_ns()
                    all_rounds[-1].append((now - before) / 1000)
                    before = perf_counter_ns()
    return delays


def _latencies(delays: dict[tuple[str, str], list[list[float]]]) -> Iterator[Figure]:
    for (target, name), all_rounds in delays.items():
        middles = [median(one) for one in all_rounds]
        slowest = median(quantiles(one, n=100)[-1] for one in all_rounds)
        better: Better = "" if name == GLUE else "less"
        key = f"latency/{target}/{name}"
        yield figure(key, f"openai to {target}: {name}", middles, "p50, us", better=better, more=(f"{slowest:.3g}",))
