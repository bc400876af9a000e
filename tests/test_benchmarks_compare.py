"""Two versions are told apart: by the rule that is stated, on numbers that were made up, and once on real runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The installed package need not be the checkout, and only the checkout has benchmarks.
sys.path.append(str(ROOT))

from benchmarks import compare, side, suites  # noqa: E402
from benchmarks.compare import as_text, changes, judge, missing  # noqa: E402
from benchmarks.result import Better, Figure, Outcome, Table  # noqa: E402
from benchmarks.runner import LEFT_OUT  # noqa: E402
from benchmarks.side import Measured, Side, measure_side  # noqa: E402

STEADY = [10.0, 10.1, 9.9, 10.0, 10.2]


def times(factor: float) -> list[float]:
    """Steady numbers, that many times as large."""
    return [value * factor for value in STEADY]


@pytest.mark.parametrize(
    ("factor", "less_is_better", "verdict"),
    [
        (1.0, True, "same"),
        (1.09, True, "same"),
        (1.12, True, "lost"),
        (3.0, True, "lost"),
        (0.8, True, "won"),
        (0.8, False, "lost"),
        (1.3, False, "won"),
    ],
)
def test_a_row_lost_that_is_worse_by_more_than_the_limit(factor: float, less_is_better: bool, verdict: str) -> None:
    loss, low, high, found = judge(STEADY, times(factor), 10.0, less_is_better=less_is_better)
    assert found == verdict
    assert low <= loss <= high
    assert loss == pytest.approx(((factor if less_is_better else 1 / factor) - 1) * 100)


def test_a_loss_within_the_noise_is_none() -> None:
    noisy = [10.0, 16.0, 11.0, 17.0, 12.0]
    slower = [value * 1.2 for value in reversed(noisy)]
    loss, *_, verdict = judge(noisy, slower, 10.0, less_is_better=True)
    assert loss > 10
    assert verdict == "same"


def a_side(**values: float) -> Side:
    """A side that measured these rows of one suite, in units."""
    return Side({f"micro/{key}": Measured(f"row {key}", value, "units", "less") for key, value in values.items()})


def test_changes_are_those_of_the_rows_that_both_sides_have_every_time() -> None:
    bases = [a_side(slow=10.0, gone=1.0, zero=0.0), a_side(slow=10.0, gone=1.0, zero=0.0)]
    heres = [a_side(slow=15.0, new=1.0, zero=0.0), a_side(slow=15.0, new=1.0, zero=0.0)]
    (change,) = changes(bases, heres, 10.0)
    assert (change.key, change.base, change.here, change.verdict) == ("micro/slow", 10.0, 15.0, "lost")
    assert change.loss == pytest.approx(50.0)
    left_out = missing(bases, heres)
    assert left_out == {
        "micro/gone": "only the base has it", "micro/new": "only the working tree has it"
    }  # fmt: skip
    _, line, *rest = as_text([change], left_out).splitlines()
    assert line.split() == [
        "micro:",
        "row",
        "slow",
        "10",
        "units",
        "15",
        "units",
        "+50.0",
        "%",
        "+50.0",
        "to",
        "+50.0",
        "%",
        "LOST",
    ]
    assert rest == ["left out: micro/gone (only the base has it)", "left out: micro/new (only the working tree has it)"]


def test_a_suite_that_a_side_could_not_run_is_named_once() -> None:
    base, here = Side(left_out={"micro": "ImportError: nothing"}), a_side(a=1.0, b=1.0)
    assert missing([base, base], [here, here]) == {"micro": "the base: ImportError: nothing"}


class GivenSuite:
    """A suite with a row that cannot run, one that is compared and one that is not."""

    def run(self, rounds: int | None, tell: object) -> Outcome:
        """Give them."""
        left_out = LEFT_OUT.get()
        assert left_out is not None
        left_out["old"] = "AttributeError: too old"
        kinds: tuple[tuple[str, Better], ...] = (("ours", "more"), ("peer", ""))
        figures = (Figure(key, f"row {key}", 2.0, 1.0, 3.0, "events/s", better=better) for key, better in kinds)
        return Outcome((Table("A table", "", tuple(figures)),))


def test_a_side_measures_what_it_can_and_says_what_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> GivenSuite:
        if name == "decode":
            raise ImportError("nothing of that name")
        return GivenSuite()

    monkeypatch.setattr(side, "load", load)
    assert measure_side(["micro", "decode"], 1) == Side(
        {"micro/ours": Measured("row ours", 2.0, "events/s", "more")},
        {"micro/old": "AttributeError: too old", "decode": "ImportError: nothing of that name"},
    )
    assert LEFT_OUT.get() is None


def test_options_that_mean_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["HEAD", "--pairs", "0"], ["HEAD", "--loss", "-1"], ["HEAD", "--suites", "nothing"]):
        with pytest.raises(SystemExit):
            compare.main(arguments)
    assert set(compare._SUITES) <= set(suites.SUITES)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose only commit has an older package: one dialect is called otherwise, SSEEncoder takes no ids."""
    for name in ("benchmarks", "gai_stream"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    registry, encoder = tmp_path / "gai_stream/dialects/registry.py", tmp_path / "gai_stream/sse/encoder.py"
    now = {path: path.read_text(encoding="utf-8") for path in (registry, encoder)}
    registry.write_text(now[registry].replace('"gai_v1": (', '"other_v1": ('), encoding="utf-8")
    checks = "        if ids is not None"
    assert checks in now[encoder]
    older = now[encoder].replace(checks, f"{checks}:\n            raise TypeError('no ids yet')\n{checks}", 1)
    encoder.write_text(older, encoding="utf-8")
    for arguments in (
        ["init", "--quiet"],
        ["add", "gai_stream"],
        ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--message", "An older package"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    for path, text in now.items():
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_two_real_packages_are_compared_and_what_the_older_cannot_do_is_named(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = compare.main(["HEAD", "--suites", "micro", "--pairs", "1", "--rounds", "1"], root=repository)
    shown = capsys.readouterr().out
    assert code in (0, 1)
    assert ("LOST" in shown) == bool(code)
    assert "micro: SSE encode: str, a small text" in shown
    assert "left out: micro/sse/encode/ids (the base: TypeError: no ids yet)" in shown
    assert "left out: micro/gai_v1/encode/text (only the working tree has it)" in shown
    assert "left out: micro/other_v1/encode/text (only the base has it)" in shown
    assert "micro: str with ids" not in shown


def test_a_revision_that_is_none_is_refused(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        compare.main(["nothing"], root=repository)
    assert "git has no package at 'nothing'" in capsys.readouterr().err


def test_a_side_that_would_measure_another_package_refuses(repository: Path) -> None:
    shutil.rmtree(repository / "gai_stream")
    command = [sys.executable, "-m", "benchmarks.side", "1", "imports"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "this side would measure the package in" in done.stderr
