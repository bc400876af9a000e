"""The command behind `make bench`: measure, print the table, and write RESULTS.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks import report
from benchmarks.original import ROWS, VARIANTS
from benchmarks.runner import measure

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all rows, or those asked for; only a run of all of them writes RESULTS.md and the raw numbers."""
    all_rows = (*ROWS, *VARIANTS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one of: {', '.join(row.key for row in all_rows)}")
    parser.add_argument("--rounds", type=int, default=100, help="how often each row is measured (default: 100)")
    options = parser.parse_args(arguments)
    if unknown := set(options.rows) - {row.key for row in all_rows}:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    if options.rounds < 1:
        parser.error("--rounds must be 1 or more")
    chosen = [row for row in all_rows if not options.rows or row.key in options.rows]

    def tell(number: int) -> None:
        if sys.stderr.isatty():
            print(f"\rround {number} of {options.rounds}", end="", file=sys.stderr, flush=True)
            if number == options.rounds:
                print(file=sys.stderr)

    measurements, units = measure(chosen, options.rounds, tell)
    print(report.as_text(measurements, units))
    if not options.rows:
        markdown = report.as_markdown(measurements[: len(ROWS)], measurements[len(ROWS) :], units, options.rounds)
        report.RESULTS.write_text(markdown, encoding="utf-8")
        report.RAW.parent.mkdir(exist_ok=True)
        report.RAW.write_text(report.as_raw(measurements, units), encoding="utf-8")


if __name__ == "__main__":
    main()
