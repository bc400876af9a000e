"""The benchmarks measure what they say, and something that works. How fast it is, no test asks."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import orjson
import pytest

ROOT = Path(__file__).resolve().parents[1]
# The installed package need not be the checkout, and only the checkout has benchmarks.
sys.path.append(str(ROOT))

from benchmarks import report, rows, runner, table  # noqa: E402
from benchmarks.original import ROWS, VARIANTS, Row  # noqa: E402
from gai_stream.dialects.gai import GaiDecoder  # noqa: E402
from gai_stream.dialects.gai_v1 import parse  # noqa: E402
from gai_stream.events import Done, TextDelta  # noqa: E402
from gai_stream.ndjson import NDJSONDecoder  # noqa: E402
from gai_stream.sse import ServerSentEvent, SSEDecoder  # noqa: E402

ORIGINAL = {
    "SSE Writer, one event": 1.67,
    "NDJSON Writer, one value": 8.1,
    "SSE stream of 100 events": 1675,
    "NDJSON stream of 100 events": 1770,
    "compact form of one event": 14.7,
    "NDJSON Reader, 1,000 lines": 13_800,
    "HTTP SSE, 100 events, kept-alive client": 4_700,
    "HTTP NDJSON, 100 events": 4_900,
    "normalise one event": 0.34,
    "parse one normalised event": 16.8,
}
HUNDRED = [*[TextDelta("Benchmark text")] * 100, Done()]


def row(key: str) -> Row:
    """The row of that key."""
    return next(row for row in (*ROWS, *VARIANTS) if row.key == key)


def result(key: str, times: int = 1) -> Any:
    """What a row's work gives."""
    with row(key).open() as run:
        return run(times)


def written(key: str, times: int) -> bytes:
    """What a row's Writer sends."""
    chunks: list[bytes] = []
    opened: Callable[..., AbstractContextManager[rows.Run]] = row(key).open
    with opened(chunks.append) as run:
        run(times)
    return b"".join(chunks)


def body(response: bytes) -> bytes:
    """The body of a chunked response, as it stood on the wire."""
    head, _, rest = response.partition(b"\r\n\r\n")
    assert b"HTTP/1.1 200" in head
    assert b"transfer-encoding: chunked" in head.lower()
    data = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if size == b"0":
            assert rest == b"\r\n"
            return data
        length = int(size, 16)
        data, rest = data + rest[:length], rest[length + 2 :]


def sse_events(data: bytes) -> list[Any]:
    """The events in the gai dialect's event stream."""
    decoder = GaiDecoder()
    return [event for message in SSEDecoder().feed(data) for event in decoder.feed(message)]


def ndjson_events(data: bytes) -> list[Any]:
    """The events in the gai dialect's lines."""
    decoder = GaiDecoder()
    return [event for value in NDJSONDecoder().feed(data) for event in decoder.feed(value)]


def test_the_rows_are_those_of_the_original_s_table() -> None:
    assert {row.name: row.original for row in ROWS} == ORIGINAL


def test_every_row_says_what_it_measures() -> None:
    everything = [*ROWS, *VARIANTS]
    assert len({row.key for row in everything}) == len(everything)
    assert all(row.there and row.here and row.repeats > 0 for row in everything)


def test_the_unit_is_the_one_of_the_design(monkeypatch: pytest.MonkeyPatch) -> None:
    values: list[object] = []
    monkeypatch.setattr(orjson, "dumps", values.append)
    rows.unit(3)
    assert values == [{"type": "text", "content": "benchmark"}] * 3


@pytest.mark.parametrize("times", [1, 2000], ids=["one", "many"])
def test_the_sse_writers_write_every_event(times: int) -> None:
    data = '{"text":"benchmark"}'
    assert SSEDecoder().feed(written("sse_writer", times)) == [ServerSentEvent(data)] * times
    named = [ServerSentEvent(data, event="text_delta")] * times
    assert SSEDecoder().feed(written("sse_writer_named", times)) == named


@pytest.mark.parametrize("times", [1, 2000], ids=["one", "many"])
def test_the_ndjson_writer_writes_every_value(times: int) -> None:
    values = NDJSONDecoder().feed(written("ndjson_writer", times))
    assert values == [{"type": "text", "content": "benchmark"}] * times


def test_the_streams_have_a_hundred_events_and_their_end() -> None:
    assert sse_events(bytes(result("sse_stream", 2))) == HUNDRED
    assert sse_events(bytes(result("sse_stream_waiting", 2))) == HUNDRED
    assert ndjson_events(bytes(result("ndjson_stream", 2))) == HUNDRED


def test_the_http_rows_get_the_same_over_a_connection_that_stays_open() -> None:
    assert sse_events(body(result("http_sse", 3))) == HUNDRED
    assert ndjson_events(body(result("http_ndjson", 3))) == HUNDRED


def test_the_compact_form_is_the_documented_one() -> None:
    compact = json.loads(result("compact_form"))
    assert compact == {"seq": 100, "text": "Benchmark text content", "ts": 1705314600000, "type": "text.delta"}


def test_the_reader_reads_to_the_last_line() -> None:
    assert result("reader", 2) == {"type": "text", "content": "Line 999"}


def test_normalising_gives_the_event() -> None:
    event = TextDelta("Benchmark text content")
    assert result("normalise") == event
    assert result("normalise_lift") == [event]
    full = result("normalise_wire", 7)
    assert parse(full) == event
    assert (full["seq"], full["trace_id"], full["request_id"]) == (7, "trace_bench", "req_bench")


def test_parsing_gives_the_event() -> None:
    assert result("parse") == TextDelta("Hello")


def a_row(name: str, original: float) -> Row:
    """A row without work."""
    return Row(name, name, original, 1, rows.parse, "there", "here")


def test_a_row_s_figure_is_the_median_of_its_ratios_to_the_unit() -> None:
    measurement = runner.Measurement(a_row("x", 2.0), [100.0, 120.0, 500.0], [4.0, 5.0, 20.0])
    assert (measurement.median_units, measurement.quartiles_units, measurement.ratio) == (5.0, (4.5, 12.5), 2.5)


def test_each_slice_of_a_row_stands_between_two_of_the_unit() -> None:
    told: list[int] = []
    measurements, units = runner.measure([row("parse"), row("compact_form")], 2, told.append)
    assert [measurement.row.key for measurement in measurements] == ["parse", "compact_form"]
    assert all(len(measurement.units) == len(measurement.nanoseconds) == 2 for measurement in measurements)
    assert len(units) == 8
    assert told == [1, 2]


def test_the_table_has_our_units_the_original_s_and_their_ratio() -> None:
    measurement = runner.Measurement(a_row("a row", 1675.0), [2.5e5, 2.5e5], [3350.0, 3350.0])
    head, line, _, last = report.as_text([measurement], [60.0]).splitlines()
    assert re.split(" {2,}", head)[0] == "row"
    assert re.split(" {2,}", line) == ["a row", "3,350", "3,350 to 3,350", "1,675", "2.00", "250 us"]
    assert last == "one unit took 60 ns (median of 1)"


def test_the_page_names_no_host_and_no_path() -> None:
    measurement = runner.Measurement(a_row("a row", 1.0), [60.0], [1.0])
    page = report.as_markdown([measurement], [measurement], [60.0], 1)
    assert "| a row | 1 | 1 to 1 | 1 | 1.00 | 60 ns |" in page
    assert str(ROOT) not in page
    assert platform.node() not in page


def test_a_row_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        table.main(["nothing"])
    assert "no such row: nothing" in capsys.readouterr().err


def test_the_command_measures_the_rows_that_are_asked_for_and_writes_no_page() -> None:
    before = report.RESULTS.read_bytes()
    command = [sys.executable, "-m", "benchmarks.table", "parse", "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "parse one normalised event" in done.stdout
    assert "compact form" not in done.stdout
    assert report.RESULTS.read_bytes() == before
