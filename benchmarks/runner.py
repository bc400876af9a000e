"""How it is measured: every row beside the unit, slice by slice, round after round.

The unit runs right before and right after each slice of a row, and the row's ratio is to the mean of the two: a machine
that changes its speed changes both. Rounds go over all rows, so that each is spread over the whole run. CPU time keeps
the machine's other work out, and is the same as time for rows that wait for nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter_ns, process_time_ns

from benchmarks.original import Row
from benchmarks.rows import Run, unit

__all__ = ["Measurement", "clock_of", "measure", "time_slice"]

_UNIT_REPEATS = 20_000
_WARM_UP = 3


@dataclass
class Measurement:
    """What the rounds gave for one row, in ns for one time, and as ratios to the unit beside it."""

    row: Row
    nanoseconds: list[float] = field(default_factory=list)
    units: list[float] = field(default_factory=list)

    @property
    def median_units(self) -> float:
        """The row's figure."""
        return median(self.units)

    @property
    def quartiles_units(self) -> tuple[float, float]:
        """What the middle half of the rounds lies between."""
        if len(self.units) < 2:
            return self.units[0], self.units[0]
        low, _, high = quantiles(self.units, n=4, method="inclusive")
        return low, high

    @property
    def ratio(self) -> float:
        """How many times the original's figure."""
        return self.median_units / self.row.original


def time_slice(run: Run, repeats: int, clock: Callable[[], int] = process_time_ns) -> float:
    """Return the ns that one of `repeats` times took, in one slice."""
    began = clock()
    run(repeats)
    return (clock() - began) / repeats


def clock_of(row: Row) -> Callable[[], int]:
    """Return the clock that measures `row`, in ns."""
    return perf_counter_ns if row.waits else process_time_ns


def measure(
    rows: Sequence[Row], rounds: int, tell: Callable[[int], object] = lambda _: None
) -> tuple[list[Measurement], list[float]]:
    """Return the measurement of each row, and the ns that each of the units took.

    The garbage collector is on, as it is in any program, and starts each slice of a row with nothing to collect.
    `tell` is called with the number of each round that is over.
    """
    units: list[float] = []
    measurements = [Measurement(row) for row in rows]
    with ExitStack() as stack:
        runs = [stack.enter_context(row.open()) for row in rows]
        for run, row in zip(runs, rows, strict=True):
            for _ in range(_WARM_UP):
                run(row.repeats)
        gc.collect()
        # What was imported and opened so far is not what a slice's collections should have to look through.
        gc.freeze()
        stack.callback(gc.unfreeze)
        for number in range(1, rounds + 1):
            for run, measurement in zip(runs, measurements, strict=True):
                gc.collect()
                clock = clock_of(measurement.row)
                before = time_slice(unit, _UNIT_REPEATS, clock)
                nanoseconds = time_slice(run, measurement.row.repeats, clock)
                after = time_slice(unit, _UNIT_REPEATS, clock)
                units += before, after
                measurement.nanoseconds.append(nanoseconds)
                measurement.units.append(2 * nanoseconds / (before + after))
            tell(number)
    return measurements, units
