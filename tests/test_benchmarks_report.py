"""What the benchmarks make of their numbers: figures, tables, a page, charts, and the command that writes them."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import orjson
import pytest

ROOT = Path(__file__).resolve().parents[1]
# The installed package need not be the checkout, and only the checkout has benchmarks.
sys.path.append(str(ROOT))

from benchmarks import __main__ as command  # noqa: E402
from benchmarks import charts, original, report, runner, suites  # noqa: E402
from benchmarks.result import Aim, Chart, Figure, Outcome, Table, figure  # noqa: E402


def test_an_aim_is_a_limit_from_above_or_below() -> None:
    assert [Aim(1.0).met(value) for value in (0.9, 1.0, 1.1)] == [True, True, False]
    assert [Aim(3.0, at_least=True).met(value) for value in (2.9, 3.0, 3.1)] == [False, True, True]


def test_a_figure_is_the_median_of_its_samples_between_their_quartiles() -> None:
    made = figure("key", "name", [4.0, 5.0, 20.0], "units")
    assert (made.value, made.low, made.high, made.samples) == (5.0, 4.5, 12.5, (4.0, 5.0, 20.0))
    assert (lone := figure("key", "name", [7.0], "units")).low == lone.high == 7.0


def test_a_table_has_a_cell_for_each_column() -> None:
    with pytest.raises(ValueError, match="good: 1 cells for 0 columns"):
        Table("A table", "", (GOOD,))


def test_the_original_s_rows_are_told_as_ratios_to_its_figures() -> None:
    rows = {row.key: row for row in original.ROWS}
    measurement = runner.Measurement(rows["sse_stream"], [2.5e5] * 3, [3350.0] * 3)
    made = original._figure(rows["sse_stream"], measurement)
    assert (made.value, made.aim) == (2.0, Aim(1.0))
    assert made.more == ("3,350", "1,675", "250 us")
    assert original._figure(rows["normalise"], measurement).aim == Aim(5.0)
    assert original._figure(rows["parse"], measurement, aimed=False).aim is None


def a_suite(*figures: Figure, columns: tuple[str, ...] = ("time",), chart: Chart | None = None) -> report.MeasuredSuite:
    """A suite called `micro` that gave these figures."""
    outcome = Outcome((Table("A table", "How it was done.", figures, columns),), (chart,) if chart else ())
    return report.MeasuredSuite("micro", "What it measures.", 12.4, outcome)


GOOD = Figure("good", "a good row", 1.0, 0.9, 1.1, "units", Aim(2.0), more=("60 ns",))
BAD = Figure("bad", "a bad row", 3350.0, 3000.0, 4000.0, "units", Aim(2.0), more=("9 us",))


def test_the_terminal_s_table_has_every_column_that_says_something() -> None:
    lines = report.as_text(a_suite(GOOD, BAD)).splitlines()
    assert [re.split(" {2,}", line) for line in lines[4:7]] == [
        ["row", "time", "units", "middle half", "aim", "met"],
        ["a good row", "60 ns", "1.00", "0.900 to 1.10", "<= 2", "yes"],
        ["a bad row", "9 us", "3,350", "3,000 to 4,000", "<= 2", "NO"],
    ]
    assert lines[-1] == "micro took 12 s"
    plain = Figure("a", "a", 1.0, 1.0, 1.0, "ms"), Figure("b", "b", 0.0, 0.0, 0.0, "KB", note="why")
    lines = report.as_text(a_suite(*plain, columns=())).splitlines()
    assert [re.split(" {2,}", line) for line in lines[4:7]] == [
        ["row", "value", "note"],
        ["a", "1.00 ms"],
        ["b", "0.00 KB", "why"],
    ]


def a_run(*measured: report.MeasuredSuite) -> report.FullRun:
    """A run of some suites."""
    return report.FullRun(report.circumstances(), measured)


def test_the_page_says_which_aims_are_met_and_explains_those_that_are_not() -> None:
    page = report.as_markdown(a_run(a_suite(GOOD, BAD)), {"micro/bad": "Because *so*."})
    assert "1 of 2 aims are met. Not met:\n\n- [micro](#micro), A table: a bad row\n" in page
    assert "| a bad row | 9 us | 3,350 | 3,000 to 4,000 | <= 2 | NO |" in page
    assert "**a bad row.** Because *so*." in page
    assert "Not explained yet" not in page
    unexplained = report.as_markdown(a_run(a_suite(GOOD, BAD)), {})
    assert "**Not explained yet, though the aim is missed:** a bad row." in unexplained
    assert "1 of 1 aims are met.\n" in report.as_markdown(a_run(a_suite(GOOD)), {})


def test_the_page_names_no_host_and_no_path_but_what_was_measured_with() -> None:
    page = report.as_markdown(a_run(a_suite(GOOD)), {})
    assert str(ROOT) not in page
    assert platform.node() not in page
    assert f"orjson {orjson.__version__}" in page
    assert "(missing)" not in page


def test_notes_are_sections_by_suite_and_row() -> None:
    text = "# Notes\n\nfor readers\n\n## original/parse\n\nOne.\n\n### more\n\n## decode/line/gai_stream\nTwo.\n"
    assert report.read_notes(text) == {"original/parse": "One.\n\n### more", "decode/line/gai_stream": "Two."}


def test_every_note_is_about_a_suite_that_is_there() -> None:
    notes = report.read_notes(report.NOTES.read_text(encoding="utf-8"))
    assert {key.partition("/")[0] for key in notes} <= set(suites.SUITES)


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the report writes, instead of into the repository."""
    for name, place in (("RESULTS", "RESULTS.md"), ("CHARTS", "charts"), ("NOTES", "notes.md"), ("RAW", "raw/r.json")):
        monkeypatch.setattr(report, name, tmp_path / place)
    return tmp_path


def test_a_run_is_kept_with_every_number_and_written_anew_with_later_notes(pages: Path) -> None:
    samples = figure("bad", "a bad row", [3.0, 4.0, 5.0], "units", aim=Aim(2.0))
    run = a_run(a_suite(samples, columns=(), chart=BARS))
    report.save_run(run)
    assert json.loads(report.RAW.read_bytes())["suites"][0]["outcome"]["tables"][0]["figures"][0]["samples"] == [
        3,
        4,
        5,
    ]
    assert report.load_run() == run
    report.CHARTS.mkdir()
    (report.CHARTS / "gone.svg").write_text("", encoding="utf-8")
    report.write(run)
    assert [path.name for path in report.CHARTS.iterdir()] == ["bars.svg"]
    assert "](charts/bars.svg)" in report.RESULTS.read_text(encoding="utf-8")
    report.NOTES.write_text("## micro/bad\nExplained.\n", encoding="utf-8")
    assert command.main(["--report"]) == 0
    assert "**a bad row.** Explained." in report.RESULTS.read_text(encoding="utf-8")


BARS = Chart(
    "bars", "Bars & more", "bars", "who", "us", (("<ours>", (("one", 1.0), ("two", 10.0))),), log_y=True, line=5.0
)
LINES = Chart(
    "lines", "Lines", "lines", "n", "us", (("a", ((1, 2.0), (10, 4.0))), ("b", ((1, 0.0), (10, 8.0)))), log_x=True
)


def svg(chart: Chart) -> ET.Element:
    """A chart's picture."""
    return ET.fromstring(charts.draw(chart))


def numbers(element: ET.Element, *names: str) -> list[float]:
    """Some attributes, as numbers."""
    return [float(element.attrib[name]) for name in names]


def test_bars_are_as_long_as_their_values_and_named() -> None:
    picture = svg(BARS)
    words = {element.text for element in picture.findall(".//{*}text")}
    assert {"Bars & more", "one", "two", "1", "10", "us"} <= words
    _, one, two = (numbers(bar, "width")[0] for bar in picture.findall(".//{*}rect"))
    ticks = {
        element.text: float(element.attrib["x"])
        for element in picture.findall(".//{*}text")
        if element.text in ("1", "2")
    }
    assert two > one > 0
    assert len(ticks) == 2
    linear = svg(replace(BARS, log_y=False, line=None))
    _, one, two = (numbers(bar, "width")[0] for bar in linear.findall(".//{*}rect"))
    assert two == pytest.approx(10 * one, rel=0.01)


def test_lines_go_through_their_points() -> None:
    picture = svg(LINES)
    first, second = (line.attrib["points"].split() for line in picture.findall(".//{*}polyline"))
    (left, low), (right, high) = (map(float, point.split(",")) for point in first)
    assert (left, low) < (right, low)
    assert low > high
    assert float(second[0].split(",")[1]) > low
    assert len(picture.findall(".//{*}circle")) == 4
    assert {"a", "b"} <= {element.text for element in picture.findall(".//{*}text")}


@pytest.mark.parametrize("value", [0.0, 0.004, 1.0, 99_999.0])
@pytest.mark.parametrize("log", [True, False], ids=["log", "linear"])
def test_a_chart_can_show_any_number(value: float, *, log: bool) -> None:
    svg(Chart("x", "x", "bars", "x", "y", (("s", (("a", value), ("b", 1.0))),), log_y=log))
    svg(Chart("x", "x", "lines", "x", "y", (("s", ((1, value), (2, 1.0))),), log_x=log, log_y=log))


# The command


def test_a_suite_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["nothing"])
    assert "no such suite: nothing" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--report", "micro"], ["--report"]])
def test_options_that_mean_nothing_are_refused(arguments: list[str], pages: Path) -> None:
    with pytest.raises(SystemExit):
        command.main(arguments)


class GivenSuite:
    """A suite that gives one figure, or fails."""

    __doc__ = "What it measures.\n\nAt length."

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.asked: list[int | None] = []

    def run(self, rounds: int | None, tell: Callable[[str], object]) -> Outcome:
        """Give it."""
        self.asked.append(rounds)
        if self.fails:
            raise RuntimeError("no luck")
        return a_suite(GOOD, chart=BARS).outcome


def test_a_run_of_all_writes_the_page_and_a_run_of_some_does_not(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = GivenSuite()
    monkeypatch.setattr(suites, "import_module", lambda name: given)
    assert command.main(["micro", "original", "--rounds", "3"]) == 0
    assert given.asked == [3, 3]
    assert not [*pages.iterdir()]
    assert command.main([]) == 0
    assert given.asked[2:] == [None] * len(suites.SUITES)
    assert {path.name for path in pages.iterdir()} == {"RESULTS.md", "charts", "raw"}


def test_a_suite_that_fails_does_not_stop_the_others(
    pages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(suites, "import_module", lambda name: GivenSuite(fails=name.endswith("micro")))
    assert command.main([]) == 1
    shown = capsys.readouterr()
    assert "no luck" in shown.err
    assert "== micro: failed" in shown.out
    assert "== imports: What it measures." in shown.out
    assert not [*pages.iterdir()]


def test_the_command_prints_the_suite_that_is_asked_for_and_writes_no_page() -> None:
    before = report.RESULTS.read_bytes()
    command = [sys.executable, "-m", "benchmarks", "pipeline", "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.findall("^== (.*):", done.stdout, re.MULTILINE) == ["pipeline"]
    assert "openai to openai: gai_stream" in done.stdout
    assert report.RESULTS.read_bytes() == before


def test_every_suite_is_there_and_says_what_it_measures() -> None:
    assert all(suites.about(name).endswith(".") and callable(suites.load(name).run) for name in suites.SUITES)


def test_make_has_a_target_for_every_suite() -> None:
    targets = [f"bench-{name}" for name in suites.SUITES]
    done = subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.findall(r"-m benchmarks (\w+)", done.stdout) == [*suites.SUITES]
    done = subprocess.run(
        ["make", "-n", "bench-compare", "BASE=v1", "SUITES=micro decode", "LOSS=5"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert re.search(r"-m benchmarks\.compare v1 +--suites micro decode +--loss 5", done.stdout)
