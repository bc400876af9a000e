"""The original's table: its rows and its figures, and what each row does there and here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks import rows
from benchmarks.rows import Run

__all__ = ["ROWS", "VARIANTS", "Row"]


@dataclass(frozen=True)
class Row:
    """One row: `original` is what the original took, in units; `repeats` fills one slice of some ms.

    `waits` is for work that another process has a part in: the clock on the wall measures it, and CPU time all else.
    """

    key: str
    name: str
    original: float
    repeats: int
    open: Callable[..., AbstractContextManager[Run]]
    there: str
    here: str
    waits: bool = False


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
        1.67,
        30_000,
        rows.sse_writer,
        '`writer.WriteEvent("message", data)` to `io.Discard`, `data` a ready string: two formatted writes under a '
        "mutex.",
        "`await writer.write(data)` on an open `Writer`, defaults (heartbeat, time limit and back-pressure at work), "
        "into an async `send` that drops the bytes. `message` is the type of an event without a name, so no name is "
        "written. Opening and closing the Writer once in 30,000 events is in it, and so is what its sending task does.",
    ),
    Row(
        "ndjson_writer",
        "NDJSON Writer, one value",
        8.1,
        20_000,
        rows.ndjson_writer,
        "`writer.Write(map)` to `io.Discard`, through `encoding/json`.",
        "`await writer.write(dict)` on an open `Writer` with `NDJSONEncoder()`; otherwise as the row above.",
    ),
    Row(
        "sse_stream",
        "SSE stream of 100 events",
        1675,
        20,
        rows.sse_stream,
        _THERE_STREAM.format("SSE"),
        _HERE_STREAM.format("sse_response"),
    ),
    Row(
        "ndjson_stream",
        "NDJSON stream of 100 events",
        1770,
        20,
        rows.ndjson_stream,
        _THERE_STREAM.format("NDJSON"),
        _HERE_STREAM.format("ndjson_response"),
    ),
    Row(
        "compact_form",
        "compact form of one event",
        14.7,
        5_000,
        rows.compact_form,
        "`event.CompactJSON()`: from the event's full form to its compact JSON.",
        "`compact(full)` and its JSON: from the event's full form to bytes. Theirs drops `ts`, ours keeps it.",
    ),
    Row(
        "reader",
        "NDJSON Reader, 1,000 lines",
        13_800,
        20,
        rows.reader,
        "`reader.Read(&map)` a thousand times, over a string.",
        "`async for value in Reader(chunks)`, defaults, the same lines in the chunks of 4 KiB that the original's "
        "scanner takes.",
    ),
    Row(
        "http_sse",
        "HTTP SSE, 100 events, kept-alive client",
        4_700,
        20,
        rows.http_sse,
        _THERE_HTTP.format("SSEHandler"),
        _HERE_HTTP.format("sse_handler"),
        waits=True,
    ),
    Row(
        "http_ndjson",
        "HTTP NDJSON, 100 events",
        4_900,
        20,
        rows.http_ndjson,
        _THERE_HTTP.format("NDJSONHandler"),
        _HERE_HTTP.format("ndjson_handler"),
        waits=True,
    ),
    Row(
        "normalise",
        "normalise one event",
        0.34,
        100_000,
        rows.normalise,
        "`normalizer.Normalize(event)`: fills one struct from another, with the next number; no JSON.",
        "`TextDelta(text)`, as `sse_response` does it with each piece of text that a provider yields: here the typed "
        "event *is* the normalised one, and its numbered form is made when it is written (as in the rows of the "
        "streams). The second table has two other readings.",
    ),
    Row(
        "parse",
        "parse one normalised event",
        16.8,
        5_000,
        rows.parse,
        "`ParseNormalizedEvent(line)`: JSON to a struct.",
        "`parse(line)`: JSON to the typed event, its schema, type and fields checked (theirs checks nothing).",
    ),
)
"""The ten rows of the original's table."""

VARIANTS = (
    Row(
        "sse_writer_named",
        "SSE Writer, one event with a name",
        1.67,
        30_000,
        rows.sse_writer_named,
        "the same.",
        '`await writer.write(ServerSentEvent(data, event="text_delta"))`: the message is built each time, which checks '
        "that no field can break out of its line (theirs writes what it is given).",
    ),
    Row(
        "sse_stream_waiting",
        "SSE stream of 100 events, whose source waits once",
        1675,
        20,
        rows.sse_stream_waiting,
        "the same.",
        "the same, but behind its first event the generator lets the event loop turn: the disconnect watch, the "
        "heartbeat timer and the sending task are started and ended.",
    ),
    Row(
        "normalise_lift",
        "normalise one event, through `Lift`",
        0.34,
        50_000,
        rows.normalise_lift,
        "the same.",
        "`lift.feed(text)`: the transform that takes whatever a source yields, and finds out what it is.",
    ),
    Row(
        "normalise_wire",
        "normalise one event, to the full form",
        0.34,
        20_000,
        rows.normalise_wire,
        "the same.",
        "`normalize(event, ts=..., seq=..., trace_id=..., request_id=...)`: to the dict of `gai.events.v1`.",
    ),
)
"""Other readings of a row, for those who would have chosen them."""
