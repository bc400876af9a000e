"""What an import costs in a fresh interpreter: CPU time of the whole process, and how many modules come with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.result import Aim, Better, Figure, Outcome, Table, Tell, figure

__all__ = ["STATEMENTS", "modules", "run", "start"]

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Statement:
    """What a fresh interpreter runs, and what is asked of it, in ms."""

    key: str
    code: str
    aim: float | None = None


STATEMENTS = (
    Statement("bare", "pass"),
    Statement("gai_stream", "import gai_stream", 60.0),
    Statement("gai_stream.sse", "import gai_stream.sse", 25.0),
    # The module alone says little: it loads each of its names when that is first asked for.
    Statement("sse_names", "from gai_stream.sse import ServerSentEvent, SSEDecoder, SSEEncoder", 25.0),
    Statement("SSEDecoder", "from gai_stream.sse import SSEDecoder"),
    Statement("gai_stream.ndjson", "from gai_stream.ndjson import NDJSONDecoder, NDJSONEncoder"),
    Statement("gai_stream.events", "import gai_stream.events"),
    Statement("Reader", "from gai_stream import Reader"),
    Statement("Writer", "from gai_stream import Writer"),
    Statement("sse_response", "from gai_stream import sse_response"),
)

_ABOUT = (
    "A fresh interpreter runs the one statement and ends; its CPU time is counted from its start to its end, the "
    "interpreter's own start among it, which the first row shows and which is subtracted nowhere. The files are in the "
    'page cache and compiled. "Alone" is the difference to the first row, and so the time of the import itself; "wall" '
    "is the clock on the wall. Modules are those that the statement loads beyond the bare interpreter's."
)


def start(code: str) -> tuple[float, float]:
    """Run `code` in a fresh interpreter; return its CPU time and the time on the wall, in ms."""
    began = perf_counter()
    with subprocess.Popen([sys.executable, "-c", code], cwd=_ROOT) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{code!r} failed in a fresh interpreter, with {process.returncode}")
    return (used.ru_utime + used.ru_stime) * 1000, (perf_counter() - began) * 1000


def modules(code: str) -> list[str]:
    """Return the modules that `code` loads beyond those of a bare interpreter."""
    program = f"import sys; before = set(sys.modules); {code}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


def run(rounds: int | None, tell: Tell) -> Outcome:
    """Start each interpreter in turn, 20 times unless told otherwise."""
    rounds = rounds or 20
    loaded = {statement.key: modules(statement.code) for statement in STATEMENTS}
    cpu: dict[str, list[float]] = {statement.key: [] for statement in STATEMENTS}
    wall: dict[str, list[float]] = {statement.key: [] for statement in STATEMENTS}
    for number in range(1, rounds + 1):
        for statement in STATEMENTS:
            used, took = start(statement.code)
            cpu[statement.key].append(used)
            wall[statement.key].append(took)
        tell(f"round {number} of {rounds}")
    figures = [_figure(statement, cpu, wall, loaded) for statement in STATEMENTS]
    about = f"{_ABOUT} {rounds} rounds, each statement once in each.\n\n{_listed(loaded)}"
    return Outcome((Table("Imports", about, tuple(figures), ("modules", "alone, ms", "wall, ms")),))


def _figure(
    statement: Statement, cpu: dict[str, list[float]], wall: dict[str, list[float]], loaded: dict[str, list[str]]
) -> Figure:
    mine = cpu[statement.key]
    alone = median(whole - bare for whole, bare in zip(mine, cpu["bare"], strict=True))
    more = (str(len(loaded[statement.key])), f"{alone:.1f}", f"{median(wall[statement.key]):.1f}")
    aim = None if statement.aim is None else Aim(statement.aim)
    better: Better = "" if statement.key == "bare" else "less"
    return figure(statement.key, f"`{statement.code}`", mine, "ms", aim=aim, better=better, more=more)


def _listed(loaded: dict[str, list[str]]) -> str:
    """Say which libraries and which of our own rooms each statement loads."""
    return "\n".join(f"- `{statement.code}`: {_names(loaded[statement.key])}" for statement in STATEMENTS[1:])


def _names(names: Sequence[str]) -> str:
    ours = [name for name in names if name.partition(".")[0] == "gai_stream"]
    roots = {name.partition(".")[0] for name in names} - {"gai_stream"}
    others = sorted(root for root in roots if root not in sys.stdlib_module_names)
    return f"{', '.join(ours)}; libraries: {', '.join(others) or 'none'}"
