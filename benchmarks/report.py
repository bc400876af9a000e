"""What is written down: tables for the terminal, RESULTS.md and its charts for readers, every number for programs."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from benchmarks import charts
from benchmarks.result import Figure, Outcome, Table, Tell
from benchmarks.runner import CONDITIONS
from gai_stream.writer import COMPILED

__all__ = [
    "CHARTS",
    "NOTES",
    "RAW",
    "RESULTS",
    "FullRun",
    "MeasuredSuite",
    "Tell",
    "as_markdown",
    "as_text",
    "circumstances",
    "load_run",
    "read_notes",
    "save_run",
    "write",
]

_HERE = Path(__file__).parent
RESULTS = _HERE / "RESULTS.md"
CHARTS = _HERE / "charts"
NOTES = _HERE / "notes.md"
RAW = _HERE.parent / ".benchmarks" / "results.json"

_LIBRARIES = (
    *("anyio", "anthropic", "fastapi", "granian", "h11", "httptools", "httpx", "httpx-sse", "httpx2", "hypercorn"),
    *("jsonlines", "litestar", "msgspec", "openai", "orjson", "sse-starlette", "sseclient-py", "starlette", "uvicorn"),
    "uvloop",
)


@dataclass(frozen=True)
class MeasuredSuite:
    """One suite's outcome, and the seconds that it took."""

    name: str
    about: str
    seconds: float
    outcome: Outcome

    def aimed(self) -> Iterator[tuple[Table, Figure]]:
        """Yield the figures that have an aim, each with its table."""
        return ((table, figure) for table in self.outcome.tables for figure in table.figures if figure.aim)


@dataclass(frozen=True)
class FullRun:
    """A run of all suites, and where and with what it was made."""

    circumstances: dict[str, str]
    suites: tuple[MeasuredSuite, ...]


def circumstances() -> dict[str, str]:
    """Return where and with what it was measured: no names of hosts or paths."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} logical cores, {platform.system()} {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "gai_stream": "compiled" if COMPILED else "interpreted, but for the rows that say so",
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


def save_run(run: FullRun) -> None:
    """Keep every number of a run, as JSON."""
    RAW.parent.mkdir(exist_ok=True)
    RAW.write_bytes(msgspec.json.encode(run) + b"\n")


def load_run() -> FullRun:
    """Return the last run that was kept."""
    return msgspec.json.decode(RAW.read_bytes(), type=FullRun)


def write(run: FullRun) -> None:
    """Write RESULTS.md and its charts."""
    CHARTS.mkdir(exist_ok=True)
    drawn = {chart.name: charts.draw(chart) for suite in run.suites for chart in suite.outcome.charts}
    for old in CHARTS.glob("*.svg"):
        if old.stem not in drawn:
            old.unlink()
    for name, picture in drawn.items():
        (CHARTS / f"{name}.svg").write_text(picture, encoding="utf-8")
    notes = read_notes(NOTES.read_text(encoding="utf-8")) if NOTES.exists() else {}
    RESULTS.write_text(as_markdown(run, notes), encoding="utf-8")


def read_notes(text: str) -> dict[str, str]:
    """Return the sections of notes.md: what stands below each `## suite/key`."""
    parts = re.split(r"^## +(\S+) *$", text, flags=re.MULTILINE)
    return {key: body.strip() for key, body in zip(parts[1::2], parts[2::2], strict=True)}


# Tables


def _grid(table: Table) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return a table's heads and rows, without the columns that nobody needs."""
    units = {figure.unit for figure in table.figures}
    unit = units.pop() if len(units) == 1 else None
    spread = any(figure.low != figure.high for figure in table.figures)
    aims = any(figure.aim for figure in table.figures)
    notes = any(figure.note for figure in table.figures)
    heads = ["row", *table.columns, "value" if unit is None else unit or "value"]
    heads += ["middle half"] * spread + ["aim", "met"] * aims + ["note"] * notes
    rows = []
    for figure in table.figures:
        value = _number(figure.value)
        cells = [figure.name, *figure.more, f"{value} {figure.unit}".strip() if unit is None else value]
        if spread:
            cells.append(f"{_number(figure.low)} to {_number(figure.high)}" if figure.low != figure.high else "")
        if aims:
            sign = "" if figure.aim is None else ">=" if figure.aim.at_least else "<="
            cells.append(f"{sign} {figure.aim.limit:,g}" if figure.aim else "")
            cells.append(("yes" if figure.aim.met(figure.value) else "NO") if figure.aim else "")
        rows.append((*cells, *([figure.note] if notes else [])))
    return tuple(heads), rows


def _number(value: float) -> str:
    """Write three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def as_text(suite: MeasuredSuite) -> str:
    """Return a suite's tables for a terminal."""
    lines = [f"== {suite.name}: {suite.about}"]
    for table in suite.outcome.tables:
        heads, rows = _grid(table)
        widths = [max(len(line[column]) for line in (heads, *rows)) for column in range(len(heads))]
        lines += ["", table.title, ""]
        lines += [_justified(line, widths, "note" in heads) for line in (heads, *rows)]
    return "\n".join([*lines, "", f"{suite.name} took {suite.seconds:.0f} s", ""])


def _justified(line: tuple[str, ...], widths: list[int], has_note: bool) -> str:
    left = {0, len(line) - 1} if has_note else {0}
    cells = zip(line, widths, strict=True)
    return "  ".join(
        text.ljust(width) if column in left else text.rjust(width) for column, (text, width) in enumerate(cells)
    ).rstrip()


def _markdown_table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    rule = ("---", *("---" if head == "note" else "---:" for head in heads[1:]))
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in (heads, rule, *rows)
    )


# RESULTS.md


def as_markdown(run: FullRun, notes: Mapping[str, str]) -> str:
    """Return the text of RESULTS.md. `notes` is what their writers have to say about rows, by `suite/key`."""
    parts = [
        "# Benchmarks",
        "Written by `make bench`; run it again, and this page says what your machine says. What is said about rows "
        "that miss their aim is kept in [notes.md](notes.md).",
        _summary(run),
        "## How it is measured",
        f"{CONDITIONS} Where a suite measures in another way, it says so.",
        *(_section(suite, notes) for suite in run.suites),
        "## Where and with what",
        _markdown_table(("", ""), run.circumstances.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _misses(figure: Figure) -> bool:
    return figure.aim is not None and not figure.aim.met(figure.value)


def _summary(run: FullRun) -> str:
    aimed = [(suite, table, figure) for suite in run.suites for table, figure in suite.aimed()]
    missed = [
        f"- [{suite.name}](#{suite.name}), {table.title}: {figure.name}"
        for suite, table, figure in aimed
        if _misses(figure)
    ]
    said = f"{len(aimed) - len(missed)} of {len(aimed)} aims are met."
    return "\n".join([f"{said} Not met:", "", *missed]) if missed else said


def _section(suite: MeasuredSuite, notes: Mapping[str, str]) -> str:
    parts = [f"## {suite.name}", suite.about]
    parts += (f"![{chart.title}](charts/{chart.name}.svg)" for chart in suite.outcome.charts)
    for table in suite.outcome.tables:
        parts += (
            f"### {table.title}",
            _markdown_table(*_grid(table)),
            *_explained(suite.name, table, notes),
            table.about,
        )
    return "\n\n".join(part for part in parts if part)


def _explained(suite: str, table: Table, notes: Mapping[str, str]) -> Iterator[str]:
    """Yield what is said about the rows of a table, and which of those that miss their aim nobody has explained."""
    unexplained = []
    for figure in table.figures:
        if (note := notes.get(f"{suite}/{figure.key}")) is not None:
            yield f"**{figure.name}.** {note}"
        elif _misses(figure):
            unexplained.append(figure.name)
    if unexplained:
        yield f"**Not explained yet, though the aim is missed:** {'; '.join(unexplained)}."
