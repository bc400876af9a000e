"""What an open stream occupies in the server's memory, and what finished streams leave there."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import linear_regression, median

from benchmarks.load.clients import Connection, Crowd
from benchmarks.load.contest import OURS, own
from benchmarks.load.servers import FIRST, Server, serving
from benchmarks.peers import CONTESTANTS
from benchmarks.result import Aim, Chart, Outcome, Table, Tell, figure

__all__ = ["finished", "open_streams", "run", "slope"]

_WARM_UP = 100
_EVENTS = 3
_OVER_RAW = 12.0
_LEFT = 0.01

_OPEN = """\
Each contestant in a fresh server process ({server}): its resident memory with {warm_up} streams open, and with
{streams:,} more, each of which has sent one event and waits for the next. The figure is the difference for each of
them; garbage is collected before both readings. What the server itself needs for a connection and its tasks is in it;
in the last row, which is ours without that of hand-written ASGI, it is not.
"""
_AFTER = """\
{streams:,} streams of {events} events, whose source lets the event loop turn once, one after the other over one
kept-alive connection. The server's resident memory is read ten times on the way, its garbage collected, and a line is
fitted through the readings from the second on: the figure is by how much each stream makes it grow. Memory comes in
pages of 4 KiB, of which a single one more is {page:.4f} KiB a stream; what an object left by each would add, be it an
empty one, is more than the {left:g} KiB of the aim, which stands for 0.
"""


def run(rounds: int | None, tell: Tell, *, streams: int = 2000, after: int = 10_000) -> Outcome:
    """Measure `streams` open streams of every contestant, and `after` finished ones of the three of the aims."""
    samples: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for _ in range(rounds or 2):
        for name, occupied in samples.items():
            occupied.append(open_streams(name, streams))
            tell(f"open streams, {name}")
    each = own(samples, "KiB", key="open/")
    over = [mine - theirs for mine, theirs in zip(samples[OURS], samples["raw"], strict=True)]
    aimed = figure(f"open/{OURS}-raw", f"{OURS} - {CONTESTANTS['raw']}", over, "KiB", aim=Aim(_OVER_RAW))
    left = []
    for name, aim in {"raw": None, OURS: Aim(_LEFT), "sse_starlette": None}.items():
        grown = slope(finished(name, after), after)
        # Not to be compared between versions: twice nothing is nothing.
        left.append(figure(f"finished/{name}", CONTESTANTS[name], [grown], "KiB/stream", aim=aim, better=""))
        tell(f"finished streams, {name}")
    about = _OPEN.format(server=FIRST, warm_up=_WARM_UP, streams=streams)
    about_after = _AFTER.format(streams=after, events=_EVENTS, left=_LEFT, page=4 / (after * 0.8))
    bars = tuple((one.name, one.value) for one in each)
    limit = median(samples["raw"]) + _OVER_RAW
    chart = Chart("memory", f"Memory of an open stream ({FIRST})", "bars", "", "KiB", ((FIRST, bars),), line=limit)
    tables = (
        Table("Memory: open streams", about, (*each, aimed)),
        Table("Memory: finished streams", about_after, tuple(left)),
    )
    return Outcome(tables, (chart,))


def open_streams(contestant: str, streams: int) -> float:
    """Return the KiB of resident memory that one of `streams` open streams occupies."""
    with serving([contestant]) as server, Crowd() as crowd:
        server.paced(0)
        crowd.grow(contestant, server.port, _WARM_UP)
        before = _resident(server)
        crowd.grow(contestant, server.port, _WARM_UP + streams)
        return (_resident(server) - before) / streams


def finished(contestant: str, streams: int) -> list[float]:
    """Return the KiB of resident memory after each tenth of `streams` finished streams."""
    readings = []
    with serving([contestant]) as server, Connection(server.port, f"/{contestant}") as connection:
        # The shortest wait, a turn of the event loop: so that what a stream needs only once it waits is used too.
        server.burst(_EVENTS, gap=1e-6)
        for _ in range(10):
            for _ in range(streams // 10):
                connection.get()
            readings.append(_resident(server))
    return readings


def slope(readings: Sequence[float], streams: int) -> float:
    """Return by how much each of `streams` makes the ten `readings` grow, from the second on: the first is warm-up."""
    return linear_regression(range(1, 10), readings[1:]).slope / (streams / 10)


def _resident(server: Server) -> float:
    server.collect()
    return server.used().resident / 1024
