"""How each cost grows with what it is paid for: at n, 2n, 4n ... 64n, and the exponent of the line through these."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from statistics import linear_regression, median
from time import process_time_ns

from benchmarks.costs import Cost, Pay, costs
from benchmarks.result import Aim, Figure, Outcome, Table, Tell, quartiles
from benchmarks.runner import as_time, quiet_collector, time_slice, unit

__all__ = ["FACTORS", "exponent", "run"]

FACTORS = (1, 2, 4, 8, 16, 32, 64)
_SLICE_NS = 6_000_000
_UNIT_REPEATS = 5_000

_ABOUT = (
    "Time is taken to grow as constant + factor * n^exponent. The constant is what it takes at n = 0 (the transform, "
    "the response or the gathering with nothing in it), measured beside the others and subtracted from them; the "
    "exponent is the slope of the least-squares line through the logarithms of the seven sizes' medians. The middle "
    "half is that of the exponents fitted to each round alone. Times are CPU times divided by the unit's right before "
    "and after; in each round every size is paid for as often as makes the same sum, so that each is measured for as "
    "long as the others. Above 1 is worse than linear. Long lines are kept so short that little of a slice goes to the "
    "kernel: beyond 128 KiB the C library asks it for each piece of memory anew, and a byte costs twice as much, "
    "whoever copies it."
)


@dataclass(frozen=True)
class _Sized:
    """One size of a cost, and how often a slice pays for it."""

    pay: Pay
    times: int

    async def take(self) -> float:
        """Return the ns of one payment."""
        pay = self.pay
        began = process_time_ns()
        for _ in range(self.times):
            await pay()
        return (process_time_ns() - began) / self.times

    def take_in_units(self, loop: asyncio.Runner) -> tuple[float, float]:
        """Return the units of one payment, and the ns of the unit beside it."""
        gc.collect()
        before = time_slice(unit, _UNIT_REPEATS)
        nanoseconds = loop.run(self.take())
        beside = (before + time_slice(unit, _UNIT_REPEATS)) / 2
        return nanoseconds / beside, beside


def run(rounds: int | None, tell: Tell) -> Outcome:
    """Measure every cost at every size, in 7 rounds unless told otherwise."""
    rounds = rounds or 7
    figures = []
    with quiet_collector(), asyncio.Runner() as loop:
        for cost in costs():
            tell(cost.name)
            figures.append(_figure(cost, rounds, loop))
    columns = ("n, ... 64n", "of", "at n", "at 64n", "constant")
    return Outcome((Table("Exponents", f"{_ABOUT} {rounds} rounds.", tuple(figures), columns),))


def _figure(cost: Cost, rounds: int, loop: asyncio.Runner) -> Figure:
    times_of_largest = _times(cost, loop)
    sizes = (0, *(cost.smallest * factor for factor in FACTORS))
    sized = [
        _Sized(cost.prepare(size), times_of_largest * FACTORS[-1] * cost.smallest // max(size, cost.smallest))
        for size in sizes
    ]
    taken: list[list[float]] = []
    units: list[float] = []
    for one in sized:
        loop.run(one.take())
    # What is fed is not what a slice's collections should have to look through.
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        round_, beside = zip(*(one.take_in_units(loop) for one in sized), strict=True)
        taken.append([*round_])
        units += beside
    constant, *medians = (median(times) for times in zip(*taken, strict=True))
    value = exponent(sizes[1:], medians, constant)
    # A round that something else disturbed may have nothing above the constant.
    alone = [exponent(sizes[1:], times, constant) for _, *times in taken if min(times) > constant]
    low, high = quartiles(alone or [value])
    shown = (as_time(times * median(units)) for times in (medians[0], medians[-1], constant))
    more = (f"{sizes[1]:,} ... {sizes[-1]:,}", cost.what, *shown)
    return Figure(
        cost.key, cost.name, value, low, high, "exponent", Aim(1.05), better="", more=more, samples=tuple(alone)
    )


def _times(cost: Cost, loop: asyncio.Runner) -> int:
    """Return how often a slice pays for the largest size."""
    largest = _Sized(cost.prepare(cost.smallest * FACTORS[-1]), 1)
    loop.run(largest.take())
    return max(1, round(_SLICE_NS / loop.run(largest.take())))


def exponent(sizes: Sequence[float], times: Sequence[float], constant: float) -> float:
    """Return k of times = constant + a * sizes^k. Raises ValueError if a time is no longer than the constant."""
    above = [time - constant for time in times]
    if min(above) <= 0:
        raise ValueError(f"nothing grows here: {times} with a constant of {constant}")
    return linear_regression([log(size) for size in sizes], [log(time) for time in above]).slope
