"""From one open stream to thousands: what each event costs, and what a stream costs in which only heartbeats flow."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median

from benchmarks.load.clients import Crowd
from benchmarks.load.contest import OURS, Samples, own, ratios
from benchmarks.load.servers import FIRST, serving
from benchmarks.paced import measure
from benchmarks.peers import CONTESTANTS
from benchmarks.result import Chart, Outcome, Table, Tell

__all__ = ["idle", "run"]

_STREAMS = (1, 10, 100, 1000, 2000)
_EVENTS = 1000.0
"""Events per second of all streams together: as many, however many streams they are spread over."""

_CONTESTANTS = ("raw", OURS, "sse_starlette")

_ABOUT = """\
{events:,.0f} events a second in all, spread evenly over the open streams, with heartbeats at their default; otherwise
as in the tables of `paced`, where more events share what the event loop does between them.
"""
_ABOUT_IDLE = """\
{streams:,} open streams whose sources wait, and a heartbeat every second in each: the CPU time of the server's process
for each heartbeat that came. Hand-written ASGI sends none, and the interval of FastAPI's cannot be set.
"""


def run(
    rounds: int | None, tell: Tell, *, counts: Sequence[int] = _STREAMS, idling: int = 1000, seconds: float = 0.6
) -> Outcome:
    """Measure ours, hand-written ASGI and sse-starlette with each number of streams, and with heartbeats alone."""
    rounds = rounds or 3
    paces = {streams: _EVENTS / streams for streams in counts}
    samples: dict[int, dict[str, list[float]]] = {streams: {name: [] for name in _CONTESTANTS} for streams in counts}
    for _ in range(rounds):
        # New servers each time: streams are only ever added, and a round is to see all numbers of them.
        for streams, taken in measure(_CONTESTANTS, paces, 1, seconds, tell).items():
            for name, slices in taken.items():
                samples[streams][name] += [each.cpu_us for each in slices]
    beats = idle((OURS, "sse_starlette"), idling, rounds)
    tell("heartbeats alone")
    times = [
        figure
        for streams, found in samples.items()
        for figure in (
            *own(found, "us/event", key=f"{streams}/", name=f"{streams:,} open: {{}}"),
            *ratios(found, {"raw": None}, key=f"{streams}/", name=f"{streams:,} open: {{}}"),
        )
    ]
    lines = tuple(
        (CONTESTANTS[name], tuple((float(streams), median(found[name])) for streams, found in samples.items()))
        for name in _CONTESTANTS
    )
    title = f"{_EVENTS:,.0f} events a second, over so many open streams ({FIRST})"
    chart = Chart("scale", title, "lines", "open streams", "CPU time per event, us", lines, log_x=True)
    tables = (
        Table("Scale: open streams", _ABOUT.format(events=_EVENTS), tuple(times)),
        Table(
            "Scale: heartbeats alone",
            _ABOUT_IDLE.format(streams=idling),
            own(beats, "us/heartbeat", key="heartbeats/"),
        ),
    )
    return Outcome(tables, (chart,))


def idle(
    contestants: Sequence[str], streams: int, rounds: int, *, heartbeat: float = 1.0, seconds: float = 2.0
) -> Samples:
    """Return the us of CPU time that each heartbeat takes, in each round, where nothing else is sent."""
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving([name], heartbeat=heartbeat)) for name in contestants}
        crowd = stack.enter_context(Crowd())
        for name, server in servers.items():
            server.paced(0)
            crowd.grow(name, server.port, streams)
        for _ in range(rounds):
            # All at the same time: each has its own server, and nobody can stop a heartbeat for another's turn.
            before = {name: server.used().cpu_ns for name, server in servers.items()}
            heartbeats = crowd.listen(seconds)
            for name, server in servers.items():
                samples[name].append((server.used().cpu_ns - before[name]) / heartbeats[name] / 1e3)
    return samples
