"""The benchmarks measure what they say, and something that works. How fast it is, no test asks."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import orjson
import pytest

ROOT = Path(__file__).resolve().parents[1]
# The installed package need not be the checkout, and only the checkout has benchmarks.
sys.path.append(str(ROOT))

from benchmarks import runner  # noqa: E402
from benchmarks.compiled import compiled_writer  # noqa: E402
from benchmarks.original import ROWS, VARIANTS, Row, compiled_rows  # noqa: E402
from gai_stream.dialects.gai import GaiDecoder  # noqa: E402
from gai_stream.dialects.gai_v1 import parse  # noqa: E402
from gai_stream.events import Done, TextDelta  # noqa: E402
from gai_stream.ndjson import NDJSONDecoder  # noqa: E402
from gai_stream.sse import ServerSentEvent, SSEDecoder  # noqa: E402
from gai_stream.writer import outbox  # noqa: E402

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
    return next(row for row in (*ROWS, *VARIANTS, *compiled_rows()) if row.key == key)


def result(key: str, times: int = 1) -> Any:
    """What a row's work gives."""
    with row(key).open() as run:
        return run(times)


def written(key: str, times: int) -> bytes:
    """What a row's Writer sends."""
    chunks: list[bytes] = []
    opened: Callable[..., AbstractContextManager[runner.Run]] = row(key).open
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
    runner.unit(3)
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


def test_the_compiled_writers_write_the_same() -> None:
    """Where they were built, as `.ci/run` does before."""
    for row in compiled_rows():
        assert written(row.key, 2000) == written(row.key.removesuffix("_compiled"), 2000)


def test_a_writer_that_is_not_compiled_from_this_source_is_left_out(tmp_path: Path) -> None:
    source, older = tmp_path / "source", tmp_path / "older"
    source.mkdir()
    older.mkdir()
    source.joinpath("outbox.py").write_bytes(Path(outbox.__file__).read_bytes())
    older.joinpath("outbox.py").write_bytes(b"# older")
    older.joinpath(f"outbox{EXTENSION_SUFFIXES[0]}").write_bytes(b"")
    assert [*map(compiled_writer, (tmp_path, source, older))] == [None] * 3


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


# How it is measured


def work(key: str, run: Callable[[int], Any], **options: Any) -> runner.Work:
    """Work that is done by `run`."""
    return runner.Work(key, key, 3, lambda: nullcontext(run), **options)


def test_each_slice_of_a_work_stands_between_two_of_the_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(runner, "unit", lambda times: done.append("unit"))
    works = [work("a", lambda times: done.append(f"a {times}")), work("b", lambda times: done.append(f"b {times}"))]
    told: list[str] = []
    measured = runner.measure(works, 2, told.append)
    assert done[-12:] == ["unit", "a 3", "unit", "unit", "b 3", "unit"] * 2
    assert [*measured.of] == ["a", "b"]
    assert all(len(one.units) == len(one.nanoseconds) == 2 for one in measured.of.values())
    assert len(measured.unit_ns) == 8
    assert told == ["round 1 of 2", "round 2 of 2"]


def test_a_work_s_units_are_to_the_mean_of_the_two_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    slices = iter([2.0, 300.0, 4.0])
    monkeypatch.setattr(runner, "time_slice", lambda *arguments: next(slices))
    measured = runner.measure([work("a", lambda times: None, per=10)], 1, lambda text: None)
    assert (measured.of["a"].nanoseconds, measured.of["a"].units) == ([30.0], [10.0])
    assert measured.unit_ns == [2.0, 4.0]
    assert measured.unit_text == "One unit took 3 ns."


def test_two_works_are_compared_round_by_round() -> None:
    ours = runner.Measurement(work("a", len), [1.0, 2.0, 8.0])
    assert runner.Measurement(work("b", len), [2.0, 6.0, 32.0]).ratios(ours) == [2.0, 3.0, 4.0]


def test_a_work_without_repeats_is_done_as_often_as_fills_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    slices: list[int] = []

    def time_slice(run: runner.Run, repeats: int, clock: Callable[[], int]) -> float:
        slices.append(repeats)
        return 1000.0

    monkeypatch.setattr(runner, "time_slice", time_slice)
    runner.measure([runner.Work("a", "a", None, lambda: nullcontext(lambda times: None))], 1, lambda text: None)
    # 5 ms of 1 us each, between two units.
    assert slices[-2] == 5000


def test_a_work_that_fails_is_an_error_and_in_a_comparison_left_out() -> None:
    def fail(times: int) -> None:
        raise LookupError("no such thing")

    works = [work("bad", fail), work("good", lambda times: None)]
    with pytest.raises(LookupError):
        runner.measure(works, 1, lambda text: None)
    left_out: dict[str, str] = {}
    token = runner.LEFT_OUT.set(left_out)
    try:
        assert [*runner.measure(works, 1, lambda text: None).of] == ["good"]
    finally:
        runner.LEFT_OUT.reset(token)
    assert left_out == {"bad": "LookupError: no such thing"}


@pytest.mark.parametrize(
    ("nanoseconds", "text"), [(59.94, "59.9 ns"), (1_234.0, "1.23 us"), (5_000_000, "5 ms"), (2.5e9, "2.5 s")]
)
def test_a_time_is_written_in_the_unit_that_suits_it(nanoseconds: float, text: str) -> None:
    assert runner.as_time(nanoseconds) == text


def test_a_version_of_the_package_without_an_outbox_has_no_compiled_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one that `bench-compare` compares with."""
    monkeypatch.delattr("gai_stream.writer.outbox")
    monkeypatch.setitem(sys.modules, "gai_stream.writer.outbox", None)
    assert compiled_writer.__wrapped__() is None
