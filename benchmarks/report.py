"""What is written down: the table for the terminal, `RESULTS.md` for readers, and the raw numbers for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.runner import Measurement

__all__ = ["RAW", "RESULTS", "as_markdown", "as_raw", "as_text", "circumstances"]

RESULTS = Path(__file__).parent / "RESULTS.md"
RAW = Path(__file__).parents[1] / ".benchmarks" / "results.json"

_LIBRARIES = ("anyio", "httptools", "msgspec", "orjson", "starlette", "uvicorn", "uvloop")
_HEADS = ("row", "ours, units", "middle half", "original, units", "ours / original", "ours, time")


def circumstances() -> dict[str, str]:
    """Return where and with what it was measured: no names of hosts or paths."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} logical cores, {platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or "unknown processor"


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "(missing)"


def _cells(measurement: Measurement) -> tuple[str, ...]:
    low, high = measurement.quartiles_units
    return (
        measurement.row.name,
        _figure(measurement.median_units),
        f"{_figure(low)} to {_figure(high)}",
        _figure(measurement.row.original),
        f"{measurement.ratio:.2f}",
        _time(median(measurement.nanoseconds)),
    )


def _figure(value: float) -> str:
    """Write three digits that mean something."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _time(nanoseconds: float) -> str:
    for unit, size in (("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def as_text(measurements: Sequence[Measurement], units: Sequence[float]) -> str:
    """Return the table for a terminal."""
    lines = [_HEADS, *map(_cells, measurements)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    text = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join([*text, "", f"one unit took {_time(median(units))} (median of {len(units)})"])


def as_markdown(
    measurements: Sequence[Measurement], variants: Sequence[Measurement], units: Sequence[float], rounds: int
) -> str:
    """Return the text of RESULTS.md."""
    facts = circumstances()
    rows = [*measurements, *variants]
    return f"""# Benchmarks

Written by `make bench`; run it again, and this page says what your machine says.

## The original's table

One unit is one `orjson.dumps({{"type": "text", "content": "benchmark"}})`, the dict made beforehand, in a tight loop:
here {_time(median(units))}. The original is written in Go; its figures were taken beside the same unit. At 1.00 and
below we are as fast.

{_table(measurements)}

Other readings of a row:

{_table(variants)}

Figures are medians of {rounds} rounds, and the middle half of the rounds lies between the two under "middle half". In
each round every row runs for a slice of some milliseconds with the unit right before and right after it, and its ratio
is to the mean of those two. The clock on the wall measures the HTTP rows and the units beside them; all others, which
wait for nothing, are measured in CPU time, so that what else the machine does stays out. Warmed up before; garbage
collector on with Python's own thresholds, each slice starting with nothing to collect; rows without HTTP run on
asyncio's own event loop.

## What each row measures

{"".join(f"- **{row.row.name}.** There: {row.row.there} Here: {row.row.here}" + chr(10) for row in rows)}
## Where and with what

| | |
|---|---|
| date | {facts["date"]} |
| machine | {facts["machine"]} |
| Python | {facts["python"]} |
| libraries | {facts["libraries"]} |
"""


def _table(measurements: Sequence[Measurement]) -> str:
    lines = [_HEADS, ("---", *["---:"] * (len(_HEADS) - 1)), *map(_cells, measurements)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_raw(measurements: Sequence[Measurement], units: Sequence[float]) -> str:
    """Return every number, as JSON."""
    raw: dict[str, Any] = {
        **circumstances(),
        "unit_ns": [round(value, 2) for value in units],
        "rows": {
            measurement.row.key: {
                "name": measurement.row.name,
                "original_units": measurement.row.original,
                "units": [round(value, 4) for value in measurement.units],
                "ns": [round(value, 1) for value in measurement.nanoseconds],
            }
            for measurement in measurements
        },
    }
    return json.dumps(raw) + "\n"
