"""Compare two versions of the package with these benchmarks: what a change did, row by row.

`python -m benchmarks.compare BASE` takes the package of the revision BASE and the one of the working tree, puts each
beside a copy of the working tree's benchmarks, and runs the suites on them in turn, each run a process of its own. It
ends with 1 if a row lost.

A row lost if its median loss, over the pairs of runs, is more than LOSS percent, and the middle halves of the two
sides' numbers do not overlap: less than that is noise. It won by the same rule.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias

import msgspec

from benchmarks.result import quartiles
from benchmarks.side import Side
from benchmarks.suites import SUITES

__all__ = ["Change", "changes", "compare", "export", "judge", "main"]

_ROOT = Path(__file__).resolve().parents[1]
_SUITES = ("original", "micro", "decode")

Verdict: TypeAlias = Literal["lost", "won", "same"]


@dataclass(frozen=True)
class Change:
    """What became of one row: `loss` is how much worse it is in percent, between its quartiles `low` and `high`."""

    key: str
    name: str
    unit: str
    base: float
    here: float
    loss: float
    low: float
    high: float
    verdict: Verdict


def judge(
    base: Sequence[float], here: Sequence[float], limit: float, *, less_is_better: bool
) -> tuple[float, float, float, Verdict]:
    """Return the loss in percent, its quartiles, and the verdict on numbers that were taken in pairs."""
    pairs = zip(base, here, strict=True)
    losses = [((new / old if less_is_better else old / new) - 1) * 100 for old, new in pairs]
    loss = median(losses)
    (base_low, base_high), (here_low, here_high) = quartiles(base), quartiles(here)
    apart = here_low > base_high or here_high < base_low
    verdict: Verdict = "lost" if apart and loss > limit else "won" if apart and loss < -limit else "same"
    return loss, *quartiles(losses), verdict


def changes(bases: Sequence[Side], heres: Sequence[Side], limit: float) -> list[Change]:
    """Return what became of each row that both sides could run every time."""
    found = []
    for key, first in heres[-1].numbers.items():
        if not all(key in side.numbers for side in (*bases, *heres)):
            continue
        base, here = ([side.numbers[key].value for side in sides] for sides in (bases, heres))
        if min(*base, *here) <= 0:
            continue
        loss, low, high, verdict = judge(base, here, limit, less_is_better=first.better == "less")
        found.append(Change(key, first.name, first.unit, median(base), median(here), loss, low, high, verdict))
    return found


def missing(bases: Sequence[Side], heres: Sequence[Side]) -> dict[str, str]:
    """Return the rows and suites that a side could not run, and why."""
    sides = (("the base", bases), ("the working tree", heres))
    reasons = {key: f"{who}: {why}" for who, runs in sides for side in runs for key, why in side.left_out.items()}
    base, here = ({key for side in runs for key in side.numbers} for _, runs in sides)
    for key in sorted(base ^ here):
        if key not in reasons and key.partition("/")[0] not in reasons:
            reasons[key] = f"only {'the base' if key in base else 'the working tree'} has it"
    return reasons


def export(revision: str, root: Path, into: Path) -> None:
    """Put the package as it was at `revision` into the folder `into`. Raises CalledProcessError if git has no such."""
    command = ["git", "archive", "--format=tar", revision, "--", "gai_stream"]
    archive = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(into, filter="data")


def compare(base: Path, here: Path, suites: Sequence[str], *, pairs: int, rounds: int) -> tuple[list[Side], list[Side]]:
    """Run the suites on the packages in two folders, in turn, and return each side's numbers, run by run."""
    bases: list[Side] = []
    heres: list[Side] = []
    for number in range(pairs):
        # Whoever runs second may find the machine warmer: each is first as often as the other.
        sides = [(base, bases), (here, heres)]
        for folder, runs in sides if number % 2 == 0 else reversed(sides):
            runs.append(_run(folder, suites, rounds))
        print(f"pair {number + 1} of {pairs}", file=sys.stderr, flush=True)
    return bases, heres


def _run(folder: Path, suites: Sequence[str], rounds: int) -> Side:
    command = [sys.executable, "-m", "benchmarks.side", str(rounds), *suites]
    done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE)
    return msgspec.json.decode(done.stdout, type=Side)


def _copy(folder: Path, root: Path, names: Iterable[str]) -> None:
    for name in names:
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def as_text(found: Sequence[Change], left_out: Mapping[str, str]) -> str:
    """Return the table of changes for a terminal, the worst first."""
    heads = ("row", "base", "here", "loss", "middle half", "")
    rows = [
        (
            f"{change.key.partition('/')[0]}: {change.name}",
            f"{change.base:.4g} {change.unit}",
            f"{change.here:.4g} {change.unit}",
            f"{change.loss:+.1f} %",
            f"{change.low:+.1f} to {change.high:+.1f} %",
            "" if change.verdict == "same" else change.verdict.upper(),
        )
        for change in sorted(found, key=lambda change: -change.loss)
    ]
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    lines = [
        "  ".join(
            cell.rjust(width) if 0 < column < 5 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (heads, *rows)
    ]
    lines += (f"left out: {key} ({why})" for key, why in left_out.items())
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None, *, root: Path = _ROOT) -> int:
    """Compare, print, and return 1 if a row lost, or none could be compared."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.partition("\n")[0])
    parser.add_argument("base", metavar="BASE", help="the revision to compare the working tree with")
    parser.add_argument("--suites", nargs="+", default=_SUITES, choices=SUITES, metavar="NAME")
    parser.add_argument("--loss", type=float, default=10.0, help="percent that a row may lose (default: 10)")
    parser.add_argument("--pairs", type=int, default=7, help="how often each side is run (default: 7)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds in each run (default: 5)")
    options = parser.parse_args(arguments)
    if options.pairs < 1 or options.rounds < 1 or options.loss < 0:
        parser.error("--pairs and --rounds must be 1 or more, --loss 0 or more")
    with TemporaryDirectory() as folder:
        base, here = Path(folder, "base"), Path(folder, "here")
        try:
            export(options.base, root, base)
        except subprocess.CalledProcessError as error:
            parser.error(f"git has no package at {options.base!r}: {error.stderr.decode().strip()}")
        _copy(base, root, ["benchmarks"])
        _copy(here, root, ["benchmarks", "gai_stream"])
        bases, heres = compare(base, here, options.suites, pairs=options.pairs, rounds=options.rounds)
    found = changes(bases, heres, options.loss)
    lost = [change for change in found if change.verdict == "lost"]
    print(as_text(found, missing(bases, heres)))
    print(f"\n{len(found)} rows, {len(lost)} lost more than {options.loss:g} % beyond noise")
    # A comparison of nothing has not shown that nothing was lost.
    return int(bool(lost) or not found)


if __name__ == "__main__":
    sys.exit(main())
