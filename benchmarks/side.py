"""One side of a comparison: run suites on whatever `gai_stream` stands beside this folder, and print their numbers.

`python -m benchmarks.side ROUNDS NAME ...` is what `compare` starts, in turn for each side.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

import gai_stream
from benchmarks.result import Better
from benchmarks.runner import LEFT_OUT
from benchmarks.suites import load

__all__ = ["Measured", "Side", "measure_side"]


@dataclass(frozen=True)
class Measured:
    """One number: what it is called, its median and unit, and which way is better."""

    name: str
    value: float
    unit: str
    better: Better


@dataclass
class Side:
    """Every number by `suite/key`, and why those that are missing could not be measured."""

    numbers: dict[str, Measured] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def measure_side(names: Sequence[str], rounds: int) -> Side:
    """Run each suite. A row that the package is too old for is left out, and so is a suite that cannot even begin."""
    side = Side()
    for name in names:
        rows: dict[str, str] = {}
        token = LEFT_OUT.set(rows)
        try:
            outcome = load(name).run(rounds, lambda text: None)
        except Exception as error:  # noqa: BLE001 - whatever an old package lacks
            side.left_out[name] = f"{type(error).__name__}: {error}"
            continue
        finally:
            LEFT_OUT.reset(token)
        side.left_out.update((f"{name}/{key}", why) for key, why in rows.items())
        for table in outcome.tables:
            for figure in table.figures:
                if figure.better:
                    shown = Measured(figure.name, figure.value, figure.unit, figure.better)
                    side.numbers[f"{name}/{figure.key}"] = shown
    return side


def _check_package() -> None:
    """Raise RuntimeError unless what is measured is the package of this side."""
    home = Path(gai_stream.__file__).resolve().parents[1]
    if home != Path(__file__).resolve().parents[1]:
        raise RuntimeError(f"this side would measure the package in {home}")


if __name__ == "__main__":
    _check_package()
    sys.stdout.buffer.write(msgspec.json.encode(measure_side(sys.argv[2:], int(sys.argv[1]))))
