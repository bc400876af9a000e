"""The ten rows of the original's table: what each took in Go, and what the same takes here, in one unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

from benchmarks import rows
from benchmarks.compiled import compiled_writer
from benchmarks.result import Aim, Chart, Figure, Outcome, Table, Tell, figure
from benchmarks.runner import Measurement, Work, as_time, measure

__all__ = ["ROWS", "VARIANTS", "Row", "compiled_rows", "run"]


@dataclass(frozen=True)
class Row(Work):
    """One row: `original` is what the original took, in units; `there` and `here` say what each of the two does."""

    original: float
    there: str
    here: str


_THERE_STREAM = (
    "`{0}(recorder, stream)`: a goroutine sends 100 text events into the stream's channel; the whole response with its "
    "`done` is written to an `httptest.ResponseRecorder`, with a flush after each event."
)
_HERE_STREAM = (
    "`await {0}(stream)(scope, receive, send)`, all options at their defaults: the stream is an async generator of 100 "
    "`TextDelta`, made as it runs; `send` appends the bodies to a `bytearray`. Building the response, its headers and "
    "`done` are in it. What is ready at once leaves together, so there are fewer sends than flushes there; and the "
    "tasks that watch for a disconnect and send heartbeats are started only for a stream that outlives one turn of the "
    "event loop, which this one does not."
)
_THERE_HTTP = (
    "`{0}(provider, prepare)` under `httptest.NewServer`; `http.Get` on a kept-alive connection in the same process, "
    "the body copied to `io.Discard`."
)
_HERE_HTTP = (
    "`{0}(provider, prepare)`, defaults, under uvicorn (httptools, uvloop) in a process of its own; a blocking socket "
    "on a kept-alive connection that reads to the last chunk of the body."
)

ROWS = (
    Row(
        "sse_writer",
        "SSE Writer, one event",
        30_000,
        rows.sse_writer,
        1.67,
        '`writer.WriteEvent("message", data)` to `io.Discard`, `data` a ready string: two formatted writes under a '
        "mutex.",
        "`await writer.write(data)` on an open `Writer`, defaults (heartbeat, time limit and back-pressure at work), "
        "into an async `send` that drops the bytes. `message` is the type of an event without a name, so no name is "
        "written. Opening and closing the Writer once in 30,000 events is in it, and so is what its sending task does.",
    ),
    Row(
        "ndjson_writer",
        "NDJSON Writer, one value",
        20_000,
        rows.ndjson_writer,
        8.1,
        "`writer.Write(map)` to `io.Discard`, through `encoding/json`.",
        "`await writer.write(dict)` on an open `Writer` with `NDJSONEncoder()`; otherwise as the row above.",
    ),
    Row(
        "sse_stream",
        "SSE stream of 100 events",
        20,
        rows.sse_stream,
        1675,
        _THERE_STREAM.format("SSE"),
        _HERE_STREAM.format("sse_response"),
    ),
    Row(
        "ndjson_stream",
        "NDJSON stream of 100 events",
        20,
        rows.ndjson_stream,
        1770,
        _THERE_STREAM.format("NDJSON"),
        _HERE_STREAM.format("ndjson_response"),
    ),
    Row(
        "compact_form",
        "compact form of one event",
        5_000,
        rows.compact_form,
        14.7,
        "`event.CompactJSON()`: from the event's full form to its compact JSON.",
        "`compact(full)` and its JSON: from the event's full form to bytes. Theirs drops `ts`, ours keeps it.",
    ),
    Row(
        "reader",
        "NDJSON Reader, 1,000 lines",
        20,
        rows.reader,
        13_800,
        "`reader.Read(&map)` a thousand times, over a string.",
        "`async for value in Reader(chunks)`, defaults, the same lines in the chunks of 4 KiB that the original's "
        "scanner takes.",
    ),
    Row(
        "http_sse",
        "HTTP SSE, 100 events, kept-alive client",
        20,
        rows.http_sse,
        4_700,
        _THERE_HTTP.format("SSEHandler"),
        _HERE_HTTP.format("sse_handler"),
        waits=True,
    ),
    Row(
        "http_ndjson",
        "HTTP NDJSON, 100 events",
        20,
        rows.http_ndjson,
        4_900,
        _THERE_HTTP.format("NDJSONHandler"),
        _HERE_HTTP.format("ndjson_handler"),
        waits=True,
    ),
    Row(
        "normalise",
        "normalise one event",
        100_000,
        rows.normalise,
        0.34,
        "`normalizer.Normalize(event)`: fills one struct from another, with the next number; no JSON.",
        "`TextDelta(text)`, as `sse_response` does it with each piece of text that a provider yields: here the typed "
        "event *is* the normalised one, and its numbered form is made when it is written (as in the rows of the "
        "streams). The second table has two other readings.",
    ),
    Row(
        "parse",
        "parse one normalised event",
        5_000,
        rows.parse,
        16.8,
        "`ParseNormalizedEvent(line)`: JSON to a struct.",
        "`parse(line)`: JSON to the typed event, its schema, type and fields checked (theirs checks nothing).",
    ),
)
"""The ten rows of the original's table."""

VARIANTS = (
    Row(
        "sse_writer_named",
        "SSE Writer, one event with a name",
        30_000,
        rows.sse_writer_named,
        1.67,
        "the same.",
        '`await writer.write(ServerSentEvent(data, event="text_delta"))`: the message is built each time, which checks '
        "that no field can break out of its line (theirs writes what it is given).",
    ),
    Row(
        "sse_stream_waiting",
        "SSE stream of 100 events, whose source waits once",
        20,
        rows.sse_stream_waiting,
        1675,
        "the same.",
        "the same, but behind its first event the generator lets the event loop turn: the disconnect watch, the "
        "heartbeat timer and the sending task are started and ended.",
    ),
    Row(
        "normalise_lift",
        "normalise one event, through `Lift`",
        50_000,
        rows.normalise_lift,
        0.34,
        "the same.",
        "`lift.feed(text)`: the transform that takes whatever a source yields, and finds out what it is.",
    ),
    Row(
        "normalise_wire",
        "normalise one event, to the full form",
        20_000,
        rows.normalise_wire,
        0.34,
        "the same.",
        "`normalize(event, ts=..., seq=..., trace_id=..., request_id=...)`: to the dict of `gai.events.v1`.",
    ),
)
"""Other readings of a row, for those who would have chosen them."""

_GO_CALL = 5.0
"""What is asked of "normalise one event", a Go call of 24 ns; of every other row it is 1."""

_ABOUT = (
    "The original is written in Go; its figures were taken beside the same unit. At 1.00 and below we are as fast. "
    "The clock on the wall measures the HTTP rows and the units beside them. Rows without HTTP run on asyncio's own "
    "event loop."
)


_WRITER_ROWS = (rows.sse_writer, rows.ndjson_writer)

_COMPILED = (
    "The rows of the Writer with its outbox compiled, as a wheel has it that was built with "
    "`HATCH_BUILD_HOOK_ENABLE_CUSTOM=1`; all other rows, and all other tables, are without."
)


def compiled_rows() -> list[Row]:
    """Return the rows of the Writer once more, for the compiled one; none where nobody compiled it."""
    writer_type = compiled_writer()
    if writer_type is None:
        return []
    return [
        replace(
            row,
            key=f"{row.key}_compiled",
            name=f"{row.name} (compiled)",
            open=partial(row.open, writer_type=writer_type),
        )
        for row in ROWS
        if row.open in _WRITER_ROWS
    ]


def run(rounds: int | None, tell: Tell) -> Outcome:
    """Measure all rows, in 100 rounds unless told otherwise."""
    rounds = rounds or 100
    compiled = compiled_rows()
    measured = measure([*compiled, *ROWS, *VARIANTS], rounds, tell)
    with_compiled = [_figure(row, measured.of[row.key]) for row in compiled if row.key in measured.of]
    figures = [_figure(row, measured.of[row.key]) for row in ROWS if row.key in measured.of]
    variants = [_figure(row, measured.of[row.key], aimed=False) for row in VARIANTS if row.key in measured.of]
    about = f"{measured.unit_text} {rounds} rounds. {_ABOUT}"
    columns = ("ours, units", "original, units", "ours, time")
    return Outcome(
        (
            Table("The original's table", f"{about}\n\n{_explained(ROWS)}", tuple(figures), columns),
            *([Table("With the compiled part", _COMPILED, tuple(with_compiled), columns)] if with_compiled else []),
            Table("Other readings of a row", _explained(VARIANTS), tuple(variants), columns),
        ),
        (
            Chart(
                "original",
                "The original's table: how many times the original's units",
                "bars",
                "row",
                "ours / original",
                (("ours / original", tuple((figure.name, figure.value) for figure in figures)),),
                log_y=True,
                line=1.0,
            ),
        ),
    )


def _figure(row: Row, measurement: Measurement, *, aimed: bool = True) -> Figure:
    aim = Aim(_GO_CALL if row.key == "normalise" else 1.0) if aimed else None
    ours = (
        f"{median(measurement.units):.3g}" if median(measurement.units) < 1000 else f"{median(measurement.units):,.0f}"
    )
    return figure(
        row.key,
        row.name,
        [units / row.original for units in measurement.units],
        "ours / original",
        aim=aim,
        more=(ours, f"{row.original:,g}", as_time(median(measurement.nanoseconds))),
    )


def _explained(rows: Sequence[Row]) -> str:
    return "\n".join(f"- **{row.name}.** There: {row.there} Here: {row.here}" for row in rows)
