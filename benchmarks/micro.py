"""Every encoder and decoder alone: each framing, each dialect, reading NDJSON, and inputs that are hard on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from statistics import median
from typing import Any

from benchmarks.inputs import MIXED_EVENTS, TEXT_EVENTS, TEXTS, chunks_of, recorded_messages
from benchmarks.result import Outcome, Table, Tell, figure
from benchmarks.runner import Measurements, Run, Work, as_time, measure
from gai_stream.dialects import registry
from gai_stream.ndjson import NDJSONDecoder, NDJSONEncoder
from gai_stream.reader import Reader
from gai_stream.sse import ServerSentEvent, SSEDecoder, SSEEncoder
from gai_stream.transform import Transform

__all__ = ["Case", "cases", "dialects", "framings", "reading", "run"]


@dataclass(frozen=True)
class Case:
    """A transform, made anew each time, and what goes through it; `events` is what its cost is divided by."""

    key: str
    name: str
    make: Callable[[], Transform[Any, Any]]
    items: Callable[[], Sequence[Any]]
    events: int

    def outputs(self) -> list[Any]:
        """Return what comes out."""
        transform = self.make()
        return [out for item in self.items() for out in transform.feed(item)] + transform.finish()

    def work(self) -> Work:
        """Return what is measured."""
        return Work(self.key, self.name, None, self._open, per=self.events)

    @contextmanager
    def _open(self) -> Iterator[Run]:
        items = self.items()

        def run(times: int) -> None:
            for _ in range(times):
                transform = self.make()
                feed = transform.feed
                for item in items:
                    feed(item)
                transform.finish()

        yield run


def _framing(
    framing: str, key: str, name: str, encoder: Callable[[], Transform[Any, Any]], messages: Sequence[Any]
) -> Iterator[Case]:
    """Yield the three cases of some messages: encoding them, and decoding them in large chunks and one by one."""
    decoder = SSEDecoder if framing == "SSE" else NDJSONDecoder
    count = len(messages)
    encode = Case(f"{framing.lower()}/encode/{key}", f"{framing} encode: {name}", encoder, lambda: messages, count)
    yield encode
    cuts = (
        ("16k", "16 KiB chunks", lambda: chunks_of(b"".join(encode.outputs()))),
        ("each", "one a chunk", encode.outputs),
    )
    for cut, how, chunks in cuts:
        decode = f"{framing.lower()}/decode-{cut}/{key}"
        yield Case(decode, f"{framing} decode: {name}, {how}", decoder, chunks, count)


def framings() -> Iterator[Case]:
    """Yield the cases of both framings."""
    for key, (name, text) in TEXTS.items():
        yield from _framing("SSE", key, f"str, {name}", SSEEncoder, [text] * 100)
    named = [ServerSentEvent("Benchmark text", event="text_delta")] * 100
    yield from _framing("SSE", "named", "ServerSentEvent with a name", SSEEncoder, named)
    yield from _framing("SSE", "dict", "dict", SSEEncoder, [{"text": "Benchmark text"}] * 100)
    yield from _framing("SSE", "ids", "str with ids", _numbered, ["Benchmark text"] * 100)
    for key, (name, text) in TEXTS.items():
        yield from _framing("NDJSON", key, f"dict, {name}", NDJSONEncoder, [{"text": text}] * 100)


def _numbered() -> SSEEncoder:
    return SSEEncoder(ids=count(1))


def dialects() -> Iterator[Case]:
    """Yield the cases of every dialect that the registry knows."""
    for name in registry.names():
        dialect = registry.dialect(name)
        if dialect.encoder is None:
            yield from _recorded(dialect)
            continue
        for key, what, events in (("text", "text", TEXT_EVENTS), ("mixed", "with a tool call", MIXED_EVENTS)):
            encode = Case(
                f"{name}/encode/{key}", f"{name} encode: {what}", dialect.encoder, partial(tuple, events), len(events)
            )
            yield encode
            if dialect.decoder is not None:
                title = f"{name} decode: {what}"
                yield Case(f"{name}/decode/{key}", title, dialect.decoder, encode.outputs, len(events))


def _recorded(dialect: registry.Dialect) -> Iterator[Case]:
    """Yield the case of a dialect that is only read: a recorded stream, where there is one."""
    messages = recorded_messages(dialect)
    if dialect.decoder is not None and messages:
        key, title = f"{dialect.name}/decode/recorded", f"{dialect.name} decode: a recorded stream"
        yield Case(key, title, dialect.decoder, lambda: messages, len(messages))


def reading() -> Iterator[Work]:
    """Yield what reads NDJSON asynchronously."""
    for key, (name, text) in TEXTS.items():
        data = b"".join(NDJSONEncoder().feed({"text": text})[0] for _ in range(100))
        yield Work(f"ndjson/read/{key}", f"NDJSON Reader: {name}", None, partial(_reader, chunks_of(data)), per=100)


@contextmanager
def _reader(chunks: list[bytes]) -> Iterator[Run]:
    async def work(times: int) -> list[Any]:
        values: list[Any] = []
        for _ in range(times):
            values.clear()
            async for value in Reader(chunks):
                values.append(value)
        return values

    with asyncio.Runner() as runner:
        yield lambda times: runner.run(work(times))


def cases() -> list[Case]:
    """Return every transform that is measured."""
    return [*framings(), *dialects()]


def run(rounds: int | None, tell: Tell) -> Outcome:
    """Measure every case, in 30 rounds unless told otherwise."""
    rounds = rounds or 30
    of_framings, of_dialects = ([case.work() for case in cases] for cases in (framings(), dialects()))
    of_readers = [*reading()]
    measured = measure([*of_framings, *of_readers, *of_dialects], rounds, tell)
    about = (
        f"{measured.unit_text} A row is one event of a stream of 100 equal ones that goes through a transform made for "
        f"it, with its `finish`. {rounds} rounds."
    )
    mixed = (
        "One event of a whole answer through an encoder or decoder made for it, with its `finish`: 100 pieces of text, "
        "or reasoning, text, a tool call in fragments and a source. What is decoded is what the dialect's own encoder "
        "wrote; a dialect without one reads a recorded stream, where the recordings are."
    )
    return Outcome(
        (
            _table("Framings", about, [*of_framings, *of_readers], measured),
            _table("Dialects", mixed, of_dialects, measured),
        )
    )


def _table(title: str, about: str, works: Sequence[Work], measured: Measurements) -> Table:
    figures = []
    for work in works:
        if work.key in measured.of:
            measurement = measured.of[work.key]
            time = as_time(median(measurement.nanoseconds))
            figures.append(figure(work.key, work.name, measurement.units, "units", more=(time,)))
    return Table(title, about, tuple(figures), ("time",))
