"""How long a client waits: from `yield` to its socket, and from its request to the first event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from statistics import quantiles
from typing import Any, TypeAlias

from benchmarks.load.clients import Connection, Crowd
from benchmarks.load.contest import own, ratios
from benchmarks.load.servers import FIRST, serving
from benchmarks.peers import CONTESTANTS
from benchmarks.result import Outcome, Table, Tell

__all__ = ["added", "first_event", "run"]

Waits: TypeAlias = dict[str, list[list[int]]]
"""By contestant, for each round, how many ns each event or request waited."""

_PACES = {1: 200.0, 100: 5.0}
"""Streams, and the events per second of each."""

_SOURCES: dict[str, tuple[str, dict[str, Any]]] = {
    "ready": ("the first event is ready at once, the next 1 ms later", {"events": 2, "gap": 0.001}),
    "waits": ("the source waits 1 ms for its first event", {"events": 2, "wait": 0.001, "gap": 0.001}),
    "burst": ("1,000 events are ready at once", {"events": 1000}),
}

_ADDED = """\
{streams}, {rate:g} events a second in each. The source puts the clock's reading into each event as it yields it; the
client, another process, reads the same clock when the event's bytes have come. Each contestant has a server of its own
({server}), and they take turns of {seconds:g} s. Shown are the medians over the rounds of p50 and of its ratio, and the
p99 of all rounds together.
"""
_FIRST_EVENT = """\
From sending a request to having received the first event, on connections that are kept alive, one request at a time, to
each contestant in turn; all of them are in one server ({server}). Here {source}. Shown are the medians over the rounds
of p50 and of its ratio.
"""


def run(
    rounds: int | None, tell: Tell, *, paces: Mapping[int, float] = _PACES, seconds: float = 0.06, requests: int = 30
) -> Outcome:
    """Measure every contestant's added latency, and its time to the first event."""
    tables = []
    for streams, waits in added([*CONTESTANTS], paces, rounds or 20, seconds, tell).items():
        key, title = f"added/{streams}/", "1 stream" if streams == 1 else f"{streams:,} streams"
        p50 = _percentile(waits, 50)
        p99 = _percentile({name: [[*chain(*found)]] for name, found in waits.items()}, 99)
        figures = (
            *own(p50, "us", key=f"{key}p50/", name="{}, p50"),
            *own(p99, "us", key=f"{key}p99/", name="{}, p99"),
            *ratios(p50, {"raw": 1.3}, key=key, name="{}, p50"),
        )
        about = _ADDED.format(streams=title, rate=paces[streams], server=FIRST, seconds=seconds)
        tables.append(Table(f"Added latency: {title}", about, figures))
    for source, (title, options) in _SOURCES.items():
        # A stream of a thousand events takes longer than one of two.
        number = requests if options["events"] == 2 else max(2, requests // 6)
        p50 = _percentile(first_event([*CONTESTANTS], options, rounds or 8, number), 50)
        tell(f"first event: {title}")
        figures = own(p50, "us", key=f"first/{source}/") + ratios(p50, {"raw": 1.1}, key=f"first/{source}/")
        about = _FIRST_EVENT.format(server=FIRST, source=title)
        tables.append(Table(f"Time to the first event: {title}", about, figures))
    return Outcome(tuple(tables))


def _percentile(waits: Waits, percent: int) -> dict[str, list[float]]:
    """Return that percentile of each round, in us."""
    return {
        name: [quantiles(found, n=100, method="inclusive")[percent - 1] / 1e3 for found in rounds]
        for name, rounds in waits.items()
    }


def added(
    contestants: Sequence[str], paces: Mapping[int, float], rounds: int, seconds: float, tell: Tell
) -> dict[int, Waits]:
    """Return how long each event was on its way, by the number of streams; `paces` has the pace of each."""
    waits: dict[int, Waits] = {}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving([name])) for name in contestants}
        crowd = stack.enter_context(Crowd())
        for server in servers.values():
            server.paced(0)
        for streams, rate in sorted(paces.items()):
            waits[streams] = {name: [] for name in contestants}
            for name, server in servers.items():
                crowd.grow(name, server.port, streams)
            for _ in range(rounds):
                for name, server in servers.items():
                    found: list[int] = []
                    server.collect()
                    server.paced(rate)
                    crowd.listen(seconds / 4)
                    crowd.listen(seconds, {name: found})
                    server.paced(0)
                    waits[streams][name].append(found)
            tell(f"added latency, {streams:,} open streams")
    return waits


def first_event(contestants: Sequence[str], source: Mapping[str, Any], rounds: int, requests: int) -> Waits:
    """Return how long each request waited for its first event; `source` is what `Server.burst` takes."""
    waits: Waits = {name: [] for name in contestants}
    with ExitStack() as stack:
        server = stack.enter_context(serving(contestants))
        server.burst(**source)
        connections = {name: stack.enter_context(Connection(server.port, f"/{name}")) for name in contestants}
        for connection in connections.values():
            connection.get()
        for _ in range(rounds):
            server.collect()
            for found in waits.values():
                found.append([])
            for _ in range(requests):
                for name, connection in connections.items():
                    waits[name][-1].append(connection.first_event())
    return waits
