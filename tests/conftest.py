"""What every test shares: both event loops, the corpus, and the rule that CI skips nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import trio.testing

from gai_stream.writer.tasks import GroupTasks

SHARED = Path(__file__).resolve().parents[2] / "shared"
IN_CI = os.environ.get("CI", "") not in ("", "0", "false")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Run every asynchronous test on both event loops, or on a clock that jumps to the next deadline.

    For the latter: `@pytest.mark.parametrize("anyio_backend", ["trio-clock"], indirect=True)`.
    """
    if request.param == "trio-clock":
        return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}
    return request.param


@pytest.fixture(params=["plain tasks", "task group"])
def tasks_of_either_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a test hold with a Writer's tasks that suit the event loop, and with their slow twin, which suits any."""
    if request.param == "task group":
        monkeypatch.setattr("gai_stream.writer.writer.tasks_of_this_loop", GroupTasks)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The recorded provider streams, which are not part of this repository."""
    if not (SHARED / "corpus").is_dir():
        pytest.skip("needs the recorded streams in ../shared/corpus")
    return SHARED / "corpus"


@pytest.fixture(scope="session")
def expected(corpus: Path) -> dict[str, Any]:
    """What the real SDKs make of each recorded stream, by its path in the corpus."""
    files: dict[str, Any] = json.loads((corpus / "expected.json").read_text(encoding="utf-8"))["files"]
    return files


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Turn a skip into a failure in CI: whatever a test needs, `.ci/run` installs."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report
