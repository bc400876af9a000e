"""The rows under pytest-benchmark: `pytest benchmarks`. Each carries its ratio to the unit, taken round by round."""

from __future__ import annotations

from statistics import median
from typing import Any

import pytest

from benchmarks.original import ROWS, VARIANTS, Row
from benchmarks.runner import time_slice, unit

ROUNDS = 30
UNIT_REPEATS = 20_000


@pytest.mark.benchmark(group="unit", disable_gc=False)
def test_unit(benchmark: Any) -> None:
    benchmark.extra_info["times_in_a_round"] = UNIT_REPEATS
    benchmark.pedantic(unit, args=(UNIT_REPEATS,), rounds=ROUNDS, warmup_rounds=3)


@pytest.mark.benchmark(group="rows", disable_gc=False)
@pytest.mark.parametrize("row", [*ROWS, *VARIANTS], ids=lambda row: row.key)
def test_row(benchmark: Any, row: Row) -> None:
    units: list[float] = []

    def the_unit_first() -> tuple[tuple[int], dict[str, Any]]:
        units.append(time_slice(unit, UNIT_REPEATS))
        return (row.repeats,), {}

    benchmark.extra_info["times_in_a_round"] = row.repeats
    with row.open() as run:
        assert row.repeats is not None
        run(row.repeats)
        benchmark.pedantic(run, setup=the_unit_first, rounds=ROUNDS)
    # Nothing was timed under --benchmark-disable.
    if benchmark.stats is not None:
        seconds = benchmark.stats.stats.data
        ratio = median(time / row.repeats * 1e9 / of for time, of in zip(seconds, units, strict=True))
        benchmark.extra_info["units"] = round(ratio, 3)
        benchmark.extra_info["ours_by_original"] = round(ratio / row.original, 3)
