"""A stream whose events come as fast as they are taken: the server's CPU time for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.load.clients import Connection
from benchmarks.load.contest import Samples, own, ratios
from benchmarks.load.served import SERVERS
from benchmarks.load.servers import FIRST, Server, serving
from benchmarks.peers import ABOUT, CONTESTANTS
from benchmarks.result import Chart, Figure, Outcome, Table, Tell

__all__ = ["measure", "run"]

_AIMS = {"raw": 1 / 3, "sse_starlette": 1 / 12, "fastapi": 1 / 60}
_ELSEWHERE = ("raw", "gai_stream", "sse_starlette", "fastapi")

_ABOUT = """\
One stream at a time, over one kept-alive connection; its source yields {events:,} small pieces of text and never waits.
The figure is the CPU time of the server's process, all its threads and the kernel's part, for each event; the client's
is not in it. All contestants are in one process and take turns: in each round each answers requests for about
{slice_ms:g} ms of CPU time, with the garbage collected before. Ratios are taken in each round; their median is shown.
"""


def run(rounds: int | None, tell: Tell, *, events: int = 1000, slice_ms: float = 60.0) -> Outcome:
    """Measure every contestant on uvicorn with uvloop and httptools, and those of the aims on the other servers too."""
    samples = measure(FIRST, [*CONTESTANTS], rounds or 15, events, slice_ms)
    tell(FIRST)
    times = own(samples, "us/event")
    first = Table(
        f"Burst: {FIRST}",
        f"{ABOUT}\n{_ABOUT.format(events=events, slice_ms=slice_ms)}",
        times + ratios(samples, {**_AIMS}),
    )
    elsewhere: list[Figure] = []
    for server in SERVERS:
        if server != FIRST:
            samples = measure(server, _ELSEWHERE, rounds or 7, events, slice_ms)
            tell(server)
            elsewhere += own(samples, "us/event", key=f"{server}/", name=f"{server}: {{}}")
            elsewhere += ratios(samples, dict.fromkeys(_AIMS), key=f"{server}/", name=f"{server}: {{}}")
    others = Table("Burst: other servers", "As above; granian and hypercorn run on uvloop.", tuple(elsewhere))
    bars = tuple((each.name, each.value) for each in times)
    title = f"A stream of {events:,} events at once"
    chart = Chart("burst", title, "bars", "", "CPU time per event, us", ((FIRST, bars),), log_y=True)
    return Outcome((first, others), (chart,))


def measure(
    server: str, contestants: Sequence[str], rounds: int, events: int = 1000, slice_ms: float = 60.0
) -> Samples:
    """Return each contestant's us of CPU time per event, a sample for each round."""
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    with ExitStack() as stack:
        running = stack.enter_context(serving(contestants, server))
        running.burst(events)
        connections = {name: stack.enter_context(Connection(running.port, f"/{name}")) for name in contestants}
        repeats = {}
        for name, connection in connections.items():
            # The first requests warm up, the next say how many fill a slice.
            _cpu_ms(running, connection, 3)
            repeats[name] = max(1, round(slice_ms / _cpu_ms(running, connection, 3)))
        for _ in range(rounds):
            for name, connection in connections.items():
                running.collect()
                samples[name].append(_cpu_ms(running, connection, repeats[name]) / events * 1e3)
    return samples


def _cpu_ms(server: Server, connection: Connection, repeats: int) -> float:
    """Return the ms of CPU time that the server takes for one of `repeats` requests."""
    before = server.used().cpu_ns
    for _ in range(repeats):
        connection.get()
    return (server.used().cpu_ns - before) / repeats / 1e6
