"""How it is measured: work beside the unit, slice by slice, round after round.

The unit runs right before and right after each slice of a work, and the work's ratio is to the mean of the two: a
machine that changes its speed changes both. Rounds go over all works, so that each is spread over the whole run, and
works that are compared stand next to each other in every round. CPU time keeps the machine's other work out, and is the
same as time for works that wait for nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter_ns, process_time_ns
from typing import Any, TypeAlias

import orjson

from benchmarks.result import Tell

__all__ = [
    "CONDITIONS",
    "LEFT_OUT",
    "Measurement",
    "Measurements",
    "Run",
    "Work",
    "as_time",
    "clock_of",
    "measure",
    "quiet_collector",
    "time_slice",
    "unit",
]

Run: TypeAlias = Callable[[int], Any]

_UNIT_REPEATS = 20_000
_WARM_UP = 3
_SLICE_NS = 5_000_000

CONDITIONS = (
    'One unit is one `orjson.dumps({"type": "text", "content": "benchmark"})`, the dict made beforehand, in a loop. '
    'Figures are medians of the rounds; the middle half of the rounds lies between the two under "middle half". In '
    "each round every row runs for a slice of some milliseconds with the unit right before and right after it, and its "
    "units are to the mean of those two. Rows that wait for nothing are measured in CPU time, so that what else the "
    "machine does stays out. Warmed up before; garbage collector on with Python's own thresholds, each slice starting "
    "with nothing to collect."
)

LEFT_OUT: ContextVar[dict[str, str] | None] = ContextVar("LEFT_OUT", default=None)
"""Set to a dict, it takes the error of each work that cannot run, by key, where `measure` would raise it.

Only a comparison does so: a version of the package may be older than a row.
"""


def unit(times: int) -> None:
    """Do what everything is measured in, `times` times: write one small dict as JSON, in a tight loop."""
    dumps = orjson.dumps
    value = {"type": "text", "content": "benchmark"}
    for _ in range(times):
        dumps(value)


@dataclass(frozen=True)
class Work:
    """Something to measure: `open` gives a function that does it so many times and returns the last result.

    `repeats` fills one slice of some ms; None finds out how many do. `waits` is for work that another process has a
    part in: the clock on the wall measures it, and CPU time all else. What is measured is one of the `per` events that
    it deals with each time.
    """

    key: str
    name: str
    repeats: int | None
    open: Callable[[], AbstractContextManager[Run]]
    waits: bool = field(default=False, kw_only=True)
    per: int = field(default=1, kw_only=True)


@dataclass
class Measurement:
    """What the rounds gave for one event of a work: ns, and their ratios to the unit beside it."""

    work: Work
    nanoseconds: list[float] = field(default_factory=list)
    units: list[float] = field(default_factory=list)

    def ratios(self, other: Measurement) -> list[float]:
        """Return how many times as long as `other` it took, round by round."""
        return [mine / theirs for mine, theirs in zip(self.nanoseconds, other.nanoseconds, strict=True)]


@dataclass
class Measurements:
    """The measurement of each work by its key, and the ns that each of the units took."""

    of: dict[str, Measurement] = field(default_factory=dict)
    unit_ns: list[float] = field(default_factory=list)

    @property
    def unit_text(self) -> str:
        """What one unit took, in words."""
        return f"One unit took {as_time(median(self.unit_ns))}."


def time_slice(run: Run, repeats: int, clock: Callable[[], int] = process_time_ns) -> float:
    """Return the ns that one of `repeats` times took, in one slice."""
    began = clock()
    run(repeats)
    return (clock() - began) / repeats


def clock_of(work: Work) -> Callable[[], int]:
    """Return the clock that measures `work`, in ns."""
    return perf_counter_ns if work.waits else process_time_ns


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Let the garbage collector overlook what is there already: no slice's collections have to look through it."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def measure(works: Sequence[Work], rounds: int, tell: Tell) -> Measurements:
    """Measure each of `works` in that many rounds, and tell how far it is.

    The garbage collector is on, as it is in any program, and starts each slice of a work with nothing to collect.
    """
    measurements = Measurements()
    with ExitStack() as stack:
        ready: list[tuple[Run, int, Measurement]] = []
        for work in works:
            try:
                run = stack.enter_context(work.open())
                repeats = work.repeats or _fitting(run, clock_of(work))
                for _ in range(_WARM_UP if rounds > 1 else 1):
                    run(repeats if rounds > 1 else 1)
            except Exception as error:
                if (left_out := LEFT_OUT.get()) is None:
                    raise
                left_out[work.key] = f"{type(error).__name__}: {error}"
            else:
                measurements.of[work.key] = measurement = Measurement(work)
                ready.append((run, repeats, measurement))
        stack.enter_context(quiet_collector())
        for number in range(1, rounds + 1):
            for run, repeats, measurement in ready:
                gc.collect()
                clock = clock_of(measurement.work)
                before = time_slice(unit, _UNIT_REPEATS, clock)
                nanoseconds = time_slice(run, repeats, clock) / measurement.work.per
                after = time_slice(unit, _UNIT_REPEATS, clock)
                measurements.unit_ns += before, after
                measurement.nanoseconds.append(nanoseconds)
                measurement.units.append(2 * nanoseconds / (before + after))
            tell(f"round {number} of {rounds}")
    return measurements


def _fitting(run: Run, clock: Callable[[], int]) -> int:
    """Return how many times fill a slice."""
    run(1)
    times = 1
    while (took := time_slice(run, times, clock) * times) < _SLICE_NS / 8:
        times *= 2
    return max(1, round(times * _SLICE_NS / took))


def as_time(nanoseconds: float) -> str:
    """Write a time in the unit that suits it, with three digits."""
    for name, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {name}"
    return f"{nanoseconds:.3g} ns"
