"""What a suite gives: figures, with the issue's aims, in tables and charts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Literal, Protocol, TypeAlias

__all__ = ["Aim", "Better", "Chart", "Figure", "Outcome", "Series", "Suite", "Table", "Tell", "figure", "quartiles"]

Better: TypeAlias = Literal["less", "more", ""]
Series: TypeAlias = tuple[str, tuple[tuple[str | float, float], ...]]
Tell: TypeAlias = Callable[[str], object]


@dataclass(frozen=True)
class Aim:
    """What is asked of a figure: at most `limit`, or at least."""

    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Say whether `value` is what was asked."""
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True)
class Figure:
    """One measured number: a median, in `unit`, and the quartiles around it.

    `key` is stable within its suite: JSON, notes and comparisons find the figure by it. `better` says which way is
    better for the comparison of two versions of this package; "" is a figure that it does not look at, a peer's.
    `samples` are what the median is of, for the record.
    """

    key: str
    name: str
    value: float
    low: float
    high: float
    unit: str
    aim: Aim | None = None
    note: str = ""
    better: Better = "less"
    more: tuple[str, ...] = ()
    samples: tuple[float, ...] = ()


@dataclass(frozen=True)
class Table:
    """Figures that are read together; `about` says, in Markdown, how they were measured.

    `columns` are the heads of the figures' `more`, which stand between name and value. Raises ValueError for a figure
    that has more or fewer.
    """

    title: str
    about: str
    figures: tuple[Figure, ...]
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for figure in self.figures:
            if len(figure.more) != len(self.columns):
                raise ValueError(f"{figure.key}: {len(figure.more)} cells for {len(self.columns)} columns")


@dataclass(frozen=True)
class Chart:
    """A picture of figures. `name` is its file's stem; bars have words on x and lines numbers; `line` marks the aim."""

    name: str
    title: str
    kind: Literal["bars", "lines"]
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    log_x: bool = False
    log_y: bool = False
    line: float | None = None


@dataclass(frozen=True)
class Outcome:
    """Everything that one run of a suite gives."""

    tables: tuple[Table, ...]
    charts: tuple[Chart, ...] = ()


class Suite(Protocol):
    """A module of `benchmarks` that measures one thing; the first line of its docstring says which."""

    def run(self, rounds: int | None, tell: Tell) -> Outcome:
        """Measure, in that many rounds (None: as many as the suite needs), and tell how far it is."""
        ...


def quartiles(samples: Sequence[float]) -> tuple[float, float]:
    """Return what the middle half of `samples` lies between."""
    if len(samples) < 2:
        return samples[0], samples[0]
    low, _, high = quantiles(samples, n=4, method="inclusive")
    return low, high


def figure(
    key: str,
    name: str,
    samples: Sequence[float],
    unit: str,
    *,
    aim: Aim | None = None,
    note: str = "",
    better: Better = "less",
    more: tuple[str, ...] = (),
) -> Figure:
    """Return the figure of one or more samples, one per round."""
    return Figure(key, name, median(samples), *quartiles(samples), unit, aim, note, better, more, tuple(samples))
