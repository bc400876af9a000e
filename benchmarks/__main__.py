"""Run the benchmarks: all of them, or those named. A run of all writes RESULTS.md, its charts and every number."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from time import perf_counter

from benchmarks import report
from benchmarks.result import Outcome
from benchmarks.suites import SUITES, about, load

__all__ = ["main", "progress"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites asked for and print their tables; return 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="NAME", help=f"one of: {', '.join(SUITES)}")
    parser.add_argument("--rounds", type=int, help="how often each row is measured (default: each suite's own)")
    parser.add_argument(
        "--report", action="store_true", help="measure nothing: write RESULTS.md anew from the last run's numbers"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.suites) - set(SUITES):
        parser.error(f"no such suite: {', '.join(sorted(unknown))} (there are: {', '.join(SUITES)})")
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be 1 or more")
    if options.report:
        if options.suites or options.rounds:
            parser.error("--report goes alone")
        if not report.RAW.exists():
            parser.error("there are no numbers yet: run all suites first")
        report.write(report.load_run())
        return 0
    chosen = [name for name in SUITES if not options.suites or name in options.suites]
    measured = [suite for name in chosen if (suite := _measured(name, options.rounds)) is not None]
    if len(measured) == len(SUITES):
        run = report.FullRun(report.circumstances(), tuple(measured))
        report.save_run(run)
        report.write(run)
        print(f"written: {report.RESULTS.relative_to(report.RESULTS.parents[1])}")
    return int(len(measured) < len(chosen))


def _measured(name: str, rounds: int | None) -> report.MeasuredSuite | None:
    """Run one suite and print it; None, with the error told, if it failed: the others are still worth their time."""
    began = perf_counter()
    try:
        outcome: Outcome = load(name).run(rounds, progress(name))
    except Exception:  # noqa: BLE001 - what failed is told, and the run goes on
        traceback.print_exc()
        print(f"\n== {name}: failed\n")
        return None
    suite = report.MeasuredSuite(name, about(name), perf_counter() - began, outcome)
    print(report.as_text(suite), flush=True)
    return suite


def progress(name: str) -> report.Tell:
    """Return a function that shows on a terminal how far suite `name` is, and nothing elsewhere."""

    def tell(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{name}: {text}\r", end="", file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    sys.exit(main())
