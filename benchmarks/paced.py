"""Many streams at a steady pace: the server's CPU time for each event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from benchmarks.load.clients import Crowd
from benchmarks.load.contest import own, ratios
from benchmarks.load.servers import FIRST, Server, serving
from benchmarks.peers import CONTESTANTS
from benchmarks.result import Chart, Outcome, Series, Table, Tell

__all__ = ["Slice", "measure", "run", "said_of"]

_PACES = {200: 20.0, 1000: 5.0}
"""Streams, and the events per second of each: together what one core can do for every contestant."""

_AIMS: dict[int, dict[str, float | None]] = {1000: {"raw": 1.25, "sse_starlette": 0.65}}
_NO_AIMS: dict[str, float | None] = {"raw": None, "sse_starlette": None}

_ABOUT = """\
{streams:,} open streams with {rate:g} events a second in each, for which its source waits with `asyncio.sleep`; they
are spread evenly over time. Heartbeats are at each contestant's default. Each contestant has a server of its own
({server}), and they take turns: in each round the streams of one are paced for {seconds:g} s, and those of the others
wait. The figure is the CPU time of the server's process for each event, the kernel's part and the source's waiting in
it; that of the client, one process that reads all sockets, is not.
"""


@dataclass(frozen=True)
class Slice:
    """What one contestant took in one round.

    `cpu_us` is the CPU time per event, and `kept` how many of the events came that the pace asks for: 1 is all.
    """

    cpu_us: float
    kept: float


def run(rounds: int | None, tell: Tell, *, paces: Mapping[int, float] = _PACES, seconds: float = 0.8) -> Outcome:
    """Measure every contestant with each number of streams."""
    tables: list[Table] = []
    series: list[Series] = []
    for streams, taken in measure([*CONTESTANTS], paces, rounds or 5, seconds, tell).items():
        samples = {name: [each.cpu_us for each in slices] for name, slices in taken.items()}
        notes = {name: said_of(slices) for name, slices in taken.items()}
        times = own(samples, "us/event", key=f"{streams}/", notes=notes)
        against = ratios(samples, _AIMS.get(streams, _NO_AIMS), key=f"{streams}/")
        about = _ABOUT.format(streams=streams, rate=paces[streams], server=FIRST, seconds=seconds)
        tables.append(Table(f"Paced: {streams:,} streams", about, times + against))
        series.append((f"{streams:,} streams", tuple((each.name, each.value) for each in times)))
    chart = Chart("paced", f"Streams at a steady pace ({FIRST})", "bars", "", "CPU time per event, us", tuple(series))
    return Outcome(tuple(tables), (chart,))


def said_of(slices: Sequence[Slice]) -> str:
    """Say so where a server did not keep up: then it was at its limit, which is another measurement."""
    kept = median(each.kept for each in slices)
    return "" if kept > 0.95 else f"only {kept:.0%} of the events came"


def measure(
    contestants: Sequence[str], paces: Mapping[int, float], rounds: int, seconds: float, tell: Tell
) -> dict[int, dict[str, list[Slice]]]:
    """Return what each contestant took, by the number of streams; `paces` has the events per second of each."""
    taken: dict[int, dict[str, list[Slice]]] = {}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving([name])) for name in contestants}
        crowd = stack.enter_context(Crowd())
        for server in servers.values():
            server.paced(0)
        for streams, rate in sorted(paces.items()):
            for name, server in servers.items():
                crowd.grow(name, server.port, streams)
            taken[streams] = {name: [] for name in contestants}
            for _ in range(rounds):
                for name, server in servers.items():
                    taken[streams][name].append(_take(server, crowd, streams, rate, seconds))
            tell(f"{streams:,} open streams")
    return taken


def _take(server: Server, crowd: Crowd, streams: int, rate: float, seconds: float) -> Slice:
    """Pace the streams of `server` for so long."""
    server.collect()
    server.paced(rate)
    # Until those that were all woken at once are spread over time.
    crowd.listen(seconds / 5)
    before, began = server.used(), perf_counter()
    crowd.listen(seconds)
    after, ended = server.used(), perf_counter()
    server.paced(0)
    crowd.listen(seconds / 20)
    events = after.yielded - before.yielded
    return Slice((after.cpu_ns - before.cpu_ns) / events / 1e3, events / (streams * rate * (ended - began)))
