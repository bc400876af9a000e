"""Every recording in every dialect, as its real client sees it: the matrix holds, and so does the page about it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from conformance import __main__ as command
from conformance.clients import CLIENTS
from conformance.expectations import Seen, differences, expected
from conformance.matrix import Cell, run
from conformance.node import HERE, versions
from conformance.recordings import Recording
from conformance.report import page
from conformance.server import TARGETS

ENTRY: dict[str, Any] = {
    "text": "Hi",
    "reasoning": "",
    "tool_calls": [],
    "finish_reason": "stop",
    "usage": {"input_tokens": 3, "output_tokens": 4},
}
RECORDING = Recording("openai/x.sse", "openai", ENTRY)
CALL = {"name": "f", "arguments": {"a": 1}}


@pytest.fixture(scope="module")
def cells(corpus: Path) -> list[Cell]:
    """The whole matrix."""
    if not (HERE / "node_modules").is_dir():
        pytest.skip("needs tests/node/node_modules: `make test` installs it with npm")
    return run()


# What an SDK says of a value that it does not know: it is the recording's.
@pytest.mark.filterwarnings("ignore:.* is not a valid")
@pytest.mark.timeout(600)
def test_every_cell_holds(cells: list[Cell], expected: dict[str, Any]) -> None:
    assert {cell.recording.name for cell in cells} == set(expected)
    assert Counter(cell.target.name for cell in cells) == {target.name: len(expected) for target in TARGETS}
    assert [(cell.recording.name, cell.target.name, cell.wrong) for cell in cells if cell.wrong] == []


def test_the_page_is_what_the_matrix_says(cells: list[Cell]) -> None:
    assert command.PAGE.read_text(encoding="utf-8") == page(cells), "run `make conformance`"


def test_every_target_has_a_reader() -> None:
    assert {target.name for target in TARGETS} == CLIENTS.keys() | versions().keys()


@pytest.mark.parametrize(
    ("seen", "wrong"),
    [
        ({}, []),
        ({"text": "H"}, ["text: 'H' instead of 'Hi'"]),
        ({"calls": [("f", {})]}, ["tool calls: \"[('f', {})]\" instead of '[]'"]),
        ({"reasoning": "x"}, ["reasoning: 'x' instead of ''"]),
        ({"reason": None}, ["finish reason: 'None' instead of 'stop'"]),
        ({"usage": (1, 2)}, ["usage: '(1, 2)' instead of '(3, 4)'"]),
        ({"usage": None}, ["usage: 'None' instead of '(3, 4)'"]),
        ({"error": "boom"}, ["error: 'boom' instead of None"]),
    ],
)
def test_a_difference_is_seen(seen: dict[str, Any], wrong: list[str]) -> None:
    wanted = expected_of(ENTRY)
    assert differences(Seen(**{"text": "Hi", "reason": "stop", "usage": (3, 4), **seen}), wanted, RECORDING) == wrong


def expected_of(entry: dict[str, Any], target: str = "openai") -> Seen:
    return expected(RECORDING._replace(wanted=entry), target)


def test_a_call_that_was_cut_is_not_asked_for_and_an_error_is() -> None:
    cut = {**ENTRY, "tool_calls": [{**CALL, "arguments_invalid_json": True}], "finish_reason": "length"}
    seen = Seen("Hi", calls=[("f", {"a": 1})], reason="length", usage=(3, 4))
    assert differences(seen, expected_of(cut), RECORDING._replace(wanted=cut)) == []
    failed = {**ENTRY, "error": {"message": "boom"}, "finish_reason": None}
    assert differences(Seen("Hi", error="status: boom"), expected_of(failed), RECORDING._replace(wanted=failed)) == []
    assert differences(Seen("Hi", error="bang"), expected_of(failed), RECORDING._replace(wanted=failed)) == [
        "error: 'bang' instead of 'boom'"
    ]
    assert differences(Seen("Hi"), expected_of(failed), RECORDING._replace(wanted=failed)) == [
        "error: None instead of 'boom'"
    ]


def test_what_does_not_hold_is_on_the_page() -> None:
    text = page([Cell(RECORDING, TARGETS[0], []), Cell(RECORDING, TARGETS[0], ["text: 'a' instead of 'b'"])])
    assert "| openai | 1/2 |" in text
    assert "1 of 2 cells hold." in text
    assert "- openai/x.sse for openai: text: 'a' instead of 'b'" in text


def test_without_the_corpus_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "CORPUS", tmp_path / "nothing")
    assert command.main() == 2
    assert "needs the recorded streams" in capsys.readouterr().err
