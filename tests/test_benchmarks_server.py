"""The server benchmarks: the same events from everybody, servers that end, suites that work. How fast, no test asks."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The installed package need not be the checkout, and only the checkout has benchmarks.
sys.path.append(str(ROOT))

from benchmarks import burst, latency, memory, paced, scale  # noqa: E402
from benchmarks.load.clients import Connection, Crowd  # noqa: E402
from benchmarks.load.contest import OURS, own, ratios  # noqa: E402
from benchmarks.load.served import SERVERS  # noqa: E402
from benchmarks.load.servers import Server, serving  # noqa: E402
from benchmarks.load.source import PIECE  # noqa: E402
from benchmarks.peers import CONTESTANTS, build  # noqa: E402
from benchmarks.result import Aim, Figure, Outcome, Tell  # noqa: E402
from gai_stream.sse import SSEDecoder  # noqa: E402

tell: Tell = len
"""The suites tell how far they are: here, nobody listens."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A real uvicorn with every contestant."""
    with serving([*CONTESTANTS]) as running:
        yield running


def body(response: bytes) -> bytes:
    """The body of a chunked event stream, as it stood on the wire."""
    head, _, rest = response.partition(b"\r\n\r\n")
    assert b"content-type: text/event-stream" in head.lower()
    data = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if size == b"0":
            assert rest == b"\r\n"
            return data
        length = int(size, 16)
        data, rest = data + rest[:length], rest[length + 2 :]


def texts(stream: bytes) -> list[str]:
    """What the events say: the text is in `content`, and in our dialect in `text`, with a `done` event at the end."""
    said = [json.loads(event.data) for event in SSEDecoder().feed(stream)]
    if said[-1] == {"finished": True}:
        said.pop()
    assert all(set(data) == {"text"} or (set(data) == {"type", "content"} and data["type"] == "text") for data in said)
    return [data["text"] if "text" in data else data["content"] for data in said]


def figures(outcome: Outcome) -> dict[str, Figure]:
    """Every figure by its key, which no other has; and nothing that no reader could use."""
    found = [figure for table in outcome.tables for figure in table.figures]
    assert all(table.title and table.about and "{" not in table.about for table in outcome.tables)
    assert {key: times for key, times in Counter(figure.key for figure in found).items() if times > 1} == {}
    return {figure.key: figure for figure in found}


# The contestants


@pytest.mark.parametrize("contestant", CONTESTANTS)
def test_every_contestant_sends_the_same_events(server: Server, contestant: str) -> None:
    server.burst(50)
    with Connection(server.port, f"/{contestant}") as connection:
        streams = [body(connection.get()) for _ in range(2)]
    with Connection(server.port, "/raw") as connection:
        by_hand = body(connection.get())
    assert [texts(stream) for stream in streams] == [[PIECE] * 50] * 2
    # Nobody has notably more to send than anybody else.
    assert len(streams[0]) == pytest.approx(len(by_hand), rel=0.1)


@pytest.mark.parametrize("contestant", CONTESTANTS)
def test_every_contestant_sends_what_its_source_yields_when_it_does(server: Server, contestant: str) -> None:
    server.burst(3, wait=1e-3, gap=1e-3)
    with Connection(server.port, f"/{contestant}") as connection:
        assert texts(body(connection.get())) == [PIECE] * 3


def test_paced_streams_have_one_event_and_then_as_many_as_their_rate_says(server: Server) -> None:
    server.paced(0)
    with Crowd() as crowd:
        for contestant in CONTESTANTS:
            crowd.grow(contestant, server.port, 2)
        before = server.used().yielded
        crowd.listen(0.01)
        assert server.used().yielded == before
        delays: dict[str, list[int]] = {contestant: [] for contestant in CONTESTANTS}
        server.paced(200)
        while not all(delays.values()):
            crowd.listen(0.05, delays)
        server.paced(0)
    assert server.used().yielded > before
    assert all(delay > 0 for waits in delays.values() for delay in waits)


def test_only_those_that_have_an_option_take_it() -> None:
    with serving([OURS, "sse_starlette"], heartbeat=1.0) as running:
        running.burst(1)
        with Connection(running.port, f"/{OURS}") as connection:
            assert texts(body(connection.get())) == [PIECE]
    with pytest.raises(TypeError, match="heartbeat"):
        build("raw", nothing, heartbeat=1.0)


async def nothing() -> AsyncIterator[str]:
    """A source without events."""
    return
    yield


# The servers


def test_the_cpu_time_of_a_server_is_its_own(server: Server) -> None:
    server.burst(100)
    with Connection(server.port, "/raw") as connection:
        used = [server.used().cpu_ns]
        for _ in range(3):
            connection.get()
            used.append(server.used().cpu_ns)
    assert all(earlier < later for earlier, later in pairwise(used))
    assert server.used().resident > 10_000_000


def ended(port: int) -> bool:
    """Whether nobody listens on `port`, at once or soon: a process that is killed closes one socket after the other."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) != 0:
                return True
    return False


def test_a_server_ends_with_its_block_and_its_open_streams_with_it() -> None:
    with pytest.raises(RuntimeError, match="on purpose"), serving(["raw"]) as running, Crowd() as crowd:
        running.paced(0)
        crowd.grow("raw", running.port, 1)
        raise RuntimeError("on purpose")
    assert ended(running.port)


def test_a_server_that_cannot_start_says_so() -> None:
    with pytest.raises(RuntimeError, match="the server ended with status 1"), serving(["nobody"]):
        pass


@pytest.mark.parametrize("name", ["uvicorn-asyncio-h11", "granian"])
def test_a_server_ends_when_the_benchmark_is_killed(name: str) -> None:
    program = (
        "import sys\n"
        "from benchmarks.load.servers import serving\n"
        f"with serving(['raw'], {name!r}) as server:\n"
        "    print(server.port, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            process.send_signal(signal.SIGKILL)
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
    assert ended(port)


# The suites, with next to nothing to measure


def test_burst() -> None:
    outcome = burst.run(1, tell, events=5, slice_ms=0.1)
    found = figures(outcome)
    assert {key for key in found if "/" not in key} == set(CONTESTANTS)
    assert {key: figure.aim for key, figure in found.items() if figure.aim} == {
        "gai_stream/raw": Aim(1 / 3),
        "gai_stream/sse_starlette": Aim(1 / 12),
        "gai_stream/fastapi": Aim(1 / 60),
    }
    assert {key.partition("/")[0] for key in found if key.endswith(f"{OURS}/raw")} == {*SERVERS, OURS} - {
        "uvicorn-uvloop-httptools"
    }
    assert all(figure.value > 0 for figure in found.values())
    assert [(chart.name, len(chart.series[0][1])) for chart in outcome.charts] == [("burst", len(CONTESTANTS))]


def test_paced() -> None:
    outcome = paced.run(1, tell, paces={1: 100.0, 3: 50.0}, seconds=0.05)
    found = figures(outcome)
    assert {f"{streams}/{contestant}" for streams in (1, 3) for contestant in CONTESTANTS} <= set(found)
    assert found["3/gai_stream/raw"].aim is None
    assert all(figure.value > 0 for figure in found.values())
    assert [name for name, _ in outcome.charts[0].series] == ["1 streams", "3 streams"]


def test_paced_says_of_a_server_that_it_did_not_keep_up() -> None:
    assert paced.said_of([paced.Slice(1.0, 1.0), paced.Slice(1.0, 0.98), paced.Slice(1.0, 0.5)]) == ""
    assert paced.said_of([paced.Slice(1.0, 0.6)]) == "only 60% of the events came"


def test_latency() -> None:
    found = figures(latency.run(1, tell, paces={2: 100.0}, seconds=0.1, requests=2))
    assert {f"added/2/{percentile}/{OURS}" for percentile in ("p50", "p99")} <= set(found)
    assert {key: figure.aim for key, figure in found.items() if figure.aim} == {
        "added/2/gai_stream/raw": Aim(1.3),
        "first/ready/gai_stream/raw": Aim(1.1),
        "first/waits/gai_stream/raw": Aim(1.1),
        "first/burst/gai_stream/raw": Aim(1.1),
    }
    assert all(figure.value > 0 for figure in found.values())


def test_memory() -> None:
    outcome = memory.run(1, tell, streams=10, after=20)
    found = figures(outcome)
    assert {f"open/{contestant}" for contestant in CONTESTANTS} <= set(found)
    assert found["open/gai_stream-raw"].value == found["open/gai_stream"].value - found["open/raw"].value
    assert found["open/gai_stream-raw"].aim == Aim(12.0)
    assert found["finished/gai_stream"].aim == Aim(0.01)
    assert outcome.charts[0].line == found["open/raw"].value + 12.0


def test_scale() -> None:
    outcome = scale.run(1, tell, counts=(1, 3), idling=3, seconds=0.05)
    found = figures(outcome)
    assert {"1/raw", "3/gai_stream", "3/sse_starlette", "heartbeats/gai_stream"} <= set(found)
    assert all(figure.value > 0 for figure in found.values())
    assert [[x for x, _ in points] for _, points in outcome.charts[0].series] == [[1.0, 3.0]] * 3


# What is made of the samples


def test_memory_s_slope_is_that_of_the_readings_behind_the_warm_up() -> None:
    assert memory.slope([5.0, *[100.0] * 9], 1000) == 0
    assert memory.slope([5.0, *range(50, 95, 5)], 1000) == pytest.approx(0.05)


def test_ratios_are_taken_round_by_round() -> None:
    samples = {OURS: [1.0, 4.0, 3.0], "raw": [2.0, 4.0, 12.0]}
    (ratio,) = ratios(samples, {"raw": 0.75}, key="here/")
    assert (ratio.key, ratio.name) == ("here/gai_stream/raw", "gai_stream / hand-written ASGI")
    assert (ratio.value, ratio.aim) == (0.5, Aim(0.75))


def test_only_our_figures_are_compared_between_versions() -> None:
    ours, raw = own({OURS: [1.0], "raw": [2.0]}, "us", notes={"raw": "slow"})
    assert (ours.better, raw.better) == ("less", "")
    assert (ours.note, raw.note) == ("", "slow")
