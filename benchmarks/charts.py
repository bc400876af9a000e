"""Charts as plain SVG: lying bars with their values beside them, and lines; either axis may be logarithmic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from benchmarks.result import Chart

__all__ = ["draw"]

_WIDTH = 860
_PLOT_RIGHT = 780
_BAR = 16
_COLOURS = ("#2563a8", "#c2571a", "#2f7d4f", "#8a4f9e", "#b03a48", "#6b6b6b", "#a58a1c", "#2a8f9c")
_INK, _FAINT = "#222222", "#d8d8d8"
_MARK = "#b00020"


@dataclass(frozen=True)
class _Scale:
    """Where a value stands between two pixels."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def __call__(self, value: float) -> float:
        low, high = (log10(self.low), log10(self.high)) if self.log else (self.low, self.high)
        at = log10(max(value, self.low)) if self.log else value
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round values between the ends."""
        if not self.log:
            step = _round_step(self.high - self.low)
            first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
            return [number * step for number in range(first, last + 1)]
        decades = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        inner = (1, 2, 5) if len(decades) <= 4 else (1,)
        values = (digit * 10.0**decade for decade in decades for digit in inner)
        return [value for value in values if self.low * 0.999 <= value <= self.high * 1.001]


def _round_step(span: float) -> float:
    rough = span / 5
    size = 10.0 ** floor(log10(rough))
    return next(step * size for step in (1, 2, 5, 10) if step * size >= rough * 0.999)


def _scale(values: Sequence[float], start: float, end: float, *, log: bool) -> _Scale:
    """Return a scale that holds `values`: from 0, or logarithmic between round values."""
    positive = [value for value in values if value > 0]
    if log and positive:
        return _Scale(_round_down(min(positive)), _round_up(max(positive)), start, end, log=True)
    highest = max([0.0, *values]) or 1.0
    return _Scale(min([0.0, *values]), highest * 1.02, start, end, log=False)


def _round_down(value: float) -> float:
    size = 10.0 ** floor(log10(value))
    return max(step * size for step in (0.5, 1, 2, 5) if step * size < value)


def _round_up(value: float) -> float:
    size = 10.0 ** floor(log10(value))
    return min(step * size for step in (2, 5, 10, 20) if step * size > value)


def draw(chart: Chart) -> str:
    """Return the SVG of a chart, on a white ground."""
    marks, top = _legend([name for name, _ in chart.series] if len(chart.series) > 1 else [])
    body, height = _bars(chart, top) if chart.kind == "bars" else _lines(chart, top)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{_INK}" role="img">\n'
        f"<title>{escape(chart.title)}</title>\n"
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n'
        f"{_text(16, 24, chart.title, size=16, weight=600)}{''.join(marks)}{''.join(body)}</svg>\n"
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 13, weight: int = 400) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}">'
        f"{escape(text)}</text>\n"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, extra: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {extra}/>\n'


def _legend(names: Sequence[str]) -> tuple[list[str], float]:
    """Return the names beside their colours, and where the plot below them begins."""
    marks = []
    x, y = 16.0, 48.0
    for name, colour in zip(names, _cycle(len(names)), strict=True):
        if x > 16 and x + 17 + _width(name) > _WIDTH - 16:
            x, y = 16.0, y + 18
        marks.append(f'<rect x="{x:.1f}" y="{y - 11:.1f}" width="12" height="12" fill="{colour}"/>\n')
        marks.append(_text(x + 17, y, name))
        x += 17 + _width(name) + 22
    return marks, y + 16


def _cycle(number: int) -> list[str]:
    return [_COLOURS[index % len(_COLOURS)] for index in range(number)]


def _width(text: str, size: int = 13) -> float:
    """Return about how wide `text` is."""
    return len(text) * size * 0.56


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _bars(chart: Chart, top: float) -> tuple[list[str], float]:
    """Draw each category's bars below one another, a series each."""
    categories = list(dict.fromkeys(str(x) for _, points in chart.series for x, _ in points))
    values = [value for _, points in chart.series for _, value in points]
    left = 28 + min(330.0, max(_width(name) for name in categories))
    group = _BAR * len(chart.series) + 10
    bottom = top + group * len(categories)
    marked = values if chart.line is None else [*values, chart.line]
    scale = _scale(marked, left, _PLOT_RIGHT, log=chart.log_y)
    body = []
    for tick in scale.ticks():
        body.append(_line(scale(tick), top - 4, scale(tick), bottom, _FAINT))
        body.append(_text(scale(tick), bottom + 16, _number(tick), anchor="middle"))
    labels = []
    colours = _cycle(len(chart.series))
    for number, (_, points) in enumerate(chart.series):
        for x, value in points:
            y = top + group * categories.index(str(x)) + _BAR * number + 5
            width = max(scale(value) - left, 1)
            body.append(
                f'<rect x="{left:.1f}" y="{y + 1:.1f}" width="{width:.1f}" height="{_BAR - 2}" '
                f'fill="{colours[number]}"/>\n'
            )
            labels.append(_text(left + width + 5, y + 12.5, _number(value)))
    for index, name in enumerate(categories):
        body.append(_text(left - 10, top + group * (index + 0.5) + 4.5, name, anchor="end"))
    body.append(_line(left, top - 4, left, bottom, _INK))
    if chart.line is not None:
        body.append(_line(scale(chart.line), top - 8, scale(chart.line), bottom, _MARK, 'stroke-dasharray="5 4"'))
    # Over everything else, each with a white rim.
    body.append(f'<g paint-order="stroke" stroke="#ffffff" stroke-width="3">\n{"".join(labels)}</g>\n')
    body.append(_text((left + _PLOT_RIGHT) / 2, bottom + 36, chart.y_label, anchor="middle"))
    return body, bottom + 50


def _lines(chart: Chart, top: float) -> tuple[list[str], float]:
    """Draw each series as a line with its points."""
    bottom = top + 340.0
    left = 76.0
    xs = [float(x) for _, points in chart.series for x, _ in points]
    ys = [value for _, points in chart.series for _, value in points]
    marked = ys if chart.line is None else [*ys, chart.line]
    across = _scale(xs, left, _PLOT_RIGHT, log=chart.log_x)
    up = _scale(marked, bottom, top, log=chart.log_y)
    body = []
    for tick in up.ticks():
        body.append(_line(left, up(tick), _PLOT_RIGHT, up(tick), _FAINT))
        body.append(_text(left - 8, up(tick) + 4.5, _number(tick), anchor="end"))
    for tick in sorted(set(xs)) if len(set(xs)) <= 9 else across.ticks():
        body.append(_line(across(tick), bottom, across(tick), bottom + 5, _INK))
        body.append(_text(across(tick), bottom + 20, _number(tick), anchor="middle"))
    body += (_line(left, bottom, _PLOT_RIGHT, bottom, _INK), _line(left, top, left, bottom, _INK))
    if chart.line is not None:
        body.append(_line(left, up(chart.line), _PLOT_RIGHT, up(chart.line), _MARK, 'stroke-dasharray="5 4"'))
    for (_, points), colour in zip(chart.series, _cycle(len(chart.series)), strict=True):
        places = [(across(float(x)), up(value)) for x, value in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>\n')
        body += (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>\n' for x, y in places)
    body.append(_text((left + _PLOT_RIGHT) / 2, bottom + 42, chart.x_label, anchor="middle"))
    middle = (top + bottom) / 2
    body.append(f'<g transform="rotate(-90 20 {middle:.1f})">{_text(20, middle, chart.y_label, anchor="middle")}</g>\n')
    return body, bottom + 58
