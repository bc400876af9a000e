"""Decoding event streams and NDJSON, beside the decoders of other libraries, on the same bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any

import orjson

from benchmarks.decoders import (
    BY_HAND,
    BY_HAND_ASYNC,
    HTTPX_SSE,
    HTTPX_SSE_ALONE,
    LINE_DECODERS,
    LONG_LINE_DECODERS,
    OURS,
    SSE_DECODERS,
    as_plain,
    by_hand,
    by_hand_async,
    drain,
    everything,
)
from benchmarks.inputs import chunks_of
from benchmarks.result import Aim, Chart, Figure, Outcome, Table, Tell, figure
from benchmarks.runner import Measurement, Measurements, Run, Work, measure
from gai_stream.reader import Reader

__all__ = ["CUTS", "LINES", "SHAPES", "check_agreement", "long_line", "run"]

EVENTS = 1000
_JSON = '{"id":"chatcmpl-0123456789","choices":[{"index":0,"delta":{"content":"Benchmark text"},"finish_reason":null}]}'
_CHINESE = '{"choices":[{"delta":{"content":"流式传输：你好，世界 👋🌍 速度测试 🚀"}}]}'

SHAPES: dict[str, tuple[str, list[bytes]]] = {
    "data": ("`data:`", [f"data: {_JSON}\n\n".encode()] * EVENTS),
    "event": ("`event:` + `data:`", [f"event: text_delta\ndata: {_JSON}\n\n".encode()] * EVENTS),
    "id": ("`id:` + `data:`", [f"id: {number}\ndata: {_JSON}\n\n".encode() for number in range(EVENTS)]),
    "crlf": ("`event:` + `data:`, CRLF", [f"event: text_delta\r\ndata: {_JSON}\r\n\r\n".encode()] * EVENTS),
    "utf8": ("`data:`, Chinese and emoji", [f"data: {_CHINESE}\n\n".encode()] * EVENTS),
}
"""The blocks of each event stream."""

CUTS: dict[str, tuple[str, Callable[[list[bytes]], list[bytes]]]] = {
    "16k": ("16 KiB chunks", lambda blocks: chunks_of(b"".join(blocks))),
    "each": ("one event a chunk", list),
}

LINES = b"".join(b'{"type":"text","content":"Line %d"}\n' % number for number in range(EVENTS))
_LINE_CUTS = {"whole": ("one chunk", [LINES]), "16k": ("16 KiB chunks", chunks_of(LINES))}

_AIMS = {"data/16k": 3.0, "event/16k": 2.5, "data/each": 2.5, "event/each": 2.5}
_LINE_ROWS = (
    (BY_HAND, BY_HAND, BY_HAND),
    (OURS, BY_HAND, "gai_stream, NDJSONDecoder"),
    ("msgspec", BY_HAND, "msgspec"),
    ("jsonlines", BY_HAND, "jsonlines"),
    (BY_HAND_ASYNC, BY_HAND, BY_HAND_ASYNC),
    ("Reader", BY_HAND, "gai_stream, Reader"),
    ("Reader", BY_HAND_ASYNC, "gai_stream, Reader"),
)
"""Who reads lines, which loop it is compared with, and what it is called."""

_MIB = 1 << 20
_LONG_ROUNDS = 7


def long_line(size: int) -> list[bytes]:
    """Return one event of that many bytes in chunks of 64."""
    return chunks_of(b"data: " + b"0123456789abcdef" * (size // 16) + b"\n\n", 64)


def check_agreement() -> None:
    """Raise RuntimeError unless everyone decodes the same bytes to the same events."""
    for shape, (_, blocks) in SHAPES.items():
        for cut, (_, cutting) in CUTS.items():
            chunks = cutting(blocks)
            _all_equal(
                f"{shape}/{cut}",
                {name: [*map(as_plain, everything(decode, chunks))] for name, decode in SSE_DECODERS.items()},
            )
    line = long_line(_MIB // 16)
    _all_equal("line", {name: [*map(as_plain, everything(d, line))] for name, d in LONG_LINE_DECODERS.items()})
    for cut, (_, chunks) in _LINE_CUTS.items():
        values: dict[str, list[Any]] = {name: everything(d, chunks) for name, d in LINE_DECODERS.items()}
        values[BY_HAND] = _read_by_hand(chunks)
        _all_equal(f"lines/{cut}", values)


def _read_by_hand(chunks: list[bytes]) -> list[Any]:
    values: list[Any] = []

    def loads(line: bytes) -> None:
        values.append(orjson.loads(line))

    by_hand(chunks, loads)
    return values


def _all_equal(what: str, events: dict[str, list[Any]]) -> None:
    for name, found in events.items():
        if not found or found != events[OURS]:
            raise RuntimeError(f"{what}: {name} does not decode this as {OURS} does: nothing to compare")


def _work(
    key: str, name: str, drain_it: Callable[[], object], *, per: int = EVENTS, repeats: int | None = None
) -> Work:
    @contextmanager
    def opened() -> Iterator[Run]:
        def run(times: int) -> None:
            for _ in range(times):
                drain_it()

        yield run

    return Work(key, name, repeats, opened, per=per)


@contextmanager
def _reading(read: Callable[[list[bytes]], AsyncIterable[Any]], chunks: list[bytes]) -> Iterator[Run]:
    async def work(times: int) -> None:
        for _ in range(times):
            async for _ in read(chunks):
                pass

    with asyncio.Runner() as runner:
        yield lambda times: runner.run(work(times))


def _sse_works() -> Iterator[Work]:
    for shape, (_, blocks) in SHAPES.items():
        for cut, (_, cutting) in CUTS.items():
            chunks = cutting(blocks)
            for name, decode in SSE_DECODERS.items():
                yield _work(f"{shape}/{cut}/{name}", name, partial(drain, decode, chunks))


def _line_works() -> Iterator[Work]:
    for cut, (_, chunks) in _LINE_CUTS.items():
        yield _work(f"lines/{cut}/{BY_HAND}", BY_HAND, partial(by_hand, chunks))
        for name, decode in LINE_DECODERS.items():
            yield _work(f"lines/{cut}/{name}", name, partial(drain, decode, chunks))
        yield Work(
            f"lines/{cut}/{BY_HAND_ASYNC}", BY_HAND_ASYNC, None, partial(_reading, by_hand_async, chunks), per=EVENTS
        )
        yield Work(f"lines/{cut}/Reader", "Reader", None, partial(_reading, Reader, chunks), per=EVENTS)


def _long_works() -> Iterator[Work]:
    for name, decode in LONG_LINE_DECODERS.items():
        yield _work(f"line/{name}", name, partial(drain, decode, long_line(_MIB)), per=1, repeats=1)
    yield _work(
        "line4/gai_stream", OURS, partial(drain, LONG_LINE_DECODERS[OURS], long_line(4 * _MIB)), per=1, repeats=1
    )


def run(rounds: int | None, tell: Tell) -> Outcome:
    """Measure everyone on everything, in 20 rounds unless told otherwise; a long line in 7 at most."""
    rounds = rounds or 20
    check_agreement()
    measured = measure([*_sse_works(), *_line_works()], rounds, tell)
    long = measure([*_long_works()], min(rounds, _LONG_ROUNDS), lambda text: tell(f"long line, {text}"))
    size = len(SHAPES["data"][1][0])
    about = (
        f"{measured.unit_text} {EVENTS} events, the first kind of {size} bytes each, the same bytes to everyone; "
        "before anything is timed, everyone must have decoded them to the same events. httpx-sse and httpx2 read a "
        'response of their own library\'s that holds the chunks, as their documents have it; "decoder alone" is '
        f"httpx-sse over a response that only decodes text. {rounds} rounds."
    )
    costs, speed = [*_costs(measured)], [*_speed(measured)]
    peers = tuple(name for name in SSE_DECODERS if name != OURS)
    return Outcome(
        (
            Table("Event streams: one event, in units", about, tuple(costs), peers),
            Table(
                "Event streams: how many times as fast as httpx-sse",
                "The same measurements: httpx-sse's time divided by ours, round by round.",
                tuple(speed),
            ),
            Table(
                "A line of 1 MiB in chunks of 64 bytes",
                f"CPU time for the whole line, {min(rounds, _LONG_ROUNDS)} rounds; without the limits that two of them "
                "have. x4 is a line of 4 MiB.",
                tuple(_long_figures(long)),
            ),
            Table(
                "NDJSON: 1,000 lines, beside a loop over orjson",
                'The loop is `for line in chunk.split(b"\\n"): loads(line)`, with what is left of a line carried over: '
                "no limit, no care for blank or bad lines. The asynchronous one yields each value to an `async for`, "
                "as `Reader` does. Ratios are taken round by round.",
                tuple(_line_figures(measured)),
                ("units a line", "beside the loop"),
            ),
        ),
        (_chart(measured),),
    )


def _workloads() -> Iterator[tuple[str, str]]:
    for shape, (blocks, _) in SHAPES.items():
        for cut, (cutting, _) in CUTS.items():
            yield f"{shape}/{cut}", f"{blocks}, {cutting}"


def _costs(measured: Measurements) -> Iterator[Figure]:
    for key, name in _workloads():
        if ours := measured.of.get(f"{key}/{OURS}"):
            others = (measured.of[f"{key}/{peer}"] for peer in SSE_DECODERS if peer != OURS)
            yield figure(key, name, ours.units, OURS, more=tuple(_units(other) for other in others))


def _speed(measured: Measurements) -> Iterator[Figure]:
    for peer in (HTTPX_SSE, HTTPX_SSE_ALONE):
        for key, name in _workloads():
            if ours := measured.of.get(f"{key}/{OURS}"):
                ratios = measured.of[f"{key}/{peer}"].ratios(ours)
                aim = Aim(_AIMS[key], at_least=True) if key in _AIMS else None
                yield figure(f"{key}/{peer}", f"{peer}: {name}", ratios, "x", aim=aim, better="")


def _long_figures(long: Measurements) -> Iterator[Figure]:
    for name in LONG_LINE_DECODERS:
        if measurement := long.of.get(f"line/{name}"):
            times = [nanoseconds / 1e6 for nanoseconds in measurement.nanoseconds]
            ours = name == OURS
            aim = Aim(15.0) if ours else None
            yield figure(f"line/{name}", name, times, "ms", aim=aim, better="less" if ours else "")
    if four := long.of.get("line4/gai_stream"):
        ratios = four.ratios(long.of[f"line/{OURS}"])
        yield figure("line4", f"{OURS}, x4 the bytes", ratios, "x the time", aim=Aim(4.5), better="")


def _line_figures(measured: Measurements) -> Iterator[Figure]:
    for cut, (cutting, _) in _LINE_CUTS.items():
        for name, loop, shown in _LINE_ROWS:
            measurement, of = (measured.of.get(f"lines/{cut}/{who}") for who in (name, loop))
            if measurement is None or of is None:
                continue
            aimed = (name, loop) in ((OURS, BY_HAND), ("Reader", BY_HAND_ASYNC))
            yield figure(
                f"lines/{cut}/{name}" + "/sync" * (name == "Reader" and not aimed),
                f"{shown}, {cutting}",
                measurement.ratios(of),
                "x the loop",
                aim=Aim(1.15) if aimed else None,
                better="less" if aimed else "",
                more=(_units(measurement), "async" if loop == BY_HAND_ASYNC else "plain"),
            )


def _units(measurement: Measurement) -> str:
    return f"{median(measurement.units):.3g}"


def _chart(measured: Measurements) -> Chart:
    shown: Sequence[tuple[str, str]] = [(key, name.replace("`", "")) for key, name in _workloads() if key in _AIMS]
    return Chart(
        "decode",
        "SSE decoding: one event, in units (less is better)",
        "bars",
        "stream",
        "units per event",
        tuple(
            (
                decoder,
                tuple(
                    (name, median(measurement.units))
                    for key, name in shown
                    if (measurement := measured.of.get(f"{key}/{decoder}"))
                ),
            )
            for decoder in SSE_DECODERS
        ),
    )
