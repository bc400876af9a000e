"""The documents do what they say: their Python runs, their commands exist, their links lead somewhere.

A block is run by itself, in a fresh module; `await` and `async for` may stand at its top level. One that needs a
server, a key or a network says so in its first line, "```python no-run", and is only compiled.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import sys
from pathlib import Path
from textwrap import dedent
from types import CodeType, ModuleType
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("**/*.md"))]
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: where it stands, its language and marks, and its text."""

    document: Path
    line: int
    language: str
    marks: list[str]
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    def compile(self) -> CodeType:
        """Compile the block so that a traceback names the document and its line."""
        source = "\n" * self.line + self.text
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code: CodeType = compile(source, str(self.document), "exec", flags=flags, dont_inherit=True)
        return code


def blocks(*languages: str) -> list[Block]:
    """Every fenced block of the documents in one of `languages`."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for fence in FENCE.finditer(text):
            language, *marks = fence["info"].split() or [""]
            line = text.count("\n", 0, fence.start()) + 1
            found.append(Block(document, line, language, marks, dedent(fence["text"])))
    return [block for block in found if block.language in languages]


PYTHON = blocks("python", "py")
RUN = [block for block in PYTHON if "no-run" not in block.marks]
SHELL = blocks("console", "sh", "shell", "bash")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("block", RUN, ids=str)
def test_python_block_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for key in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(key, raising=False)
    module = ModuleType("block")
    # Struct and pydantic annotations are looked up in the module by its name.
    monkeypatch.setitem(sys.modules, "block", module)
    code = block.compile()
    result = eval(code, vars(module))
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(result)


def test_every_python_block_compiles() -> None:
    for block in PYTHON:
        block.compile()


def test_nearly_every_python_block_runs() -> None:
    assert len(RUN) > 0
    assert len(PYTHON) - len(RUN) <= max(1, len(PYTHON) // 4)


def test_marks_are_known() -> None:
    assert {mark for block in PYTHON for mark in block.marks} <= {"no-run"}


def test_every_fence_is_closed() -> None:
    for document in DOCUMENTS:
        rest = FENCE.sub("", document.read_text(encoding="utf-8"))
        assert "```" not in rest, f"{document.relative_to(ROOT)}: a fenced block that does not end"


def test_make_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    shown = {
        (str(block), target)
        for block in SHELL
        for target in re.findall(r"^\s*(?:\$ +)?make +([a-z]+)", block.text, re.MULTILINE)
    }
    inline = {
        (document.name, target)
        for document in DOCUMENTS
        for target in re.findall(r"`make ([a-z]+)[^`]*`", document.read_text(encoding="utf-8"))
    }
    assert shown, "no document shows a make command"
    assert sorted(where for where in shown | inline if where[1] not in targets) == []


def test_links_to_files_lead_somewhere() -> None:
    missing = []
    for document in DOCUMENTS:
        text = FENCE.sub("", document.read_text(encoding="utf-8"))
        for link in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text):
            target = "".join(link).partition("#")[0]
            if target and not re.match(r"[a-z]+:", target) and not (document.parent / target).exists():
                missing.append(f"{document.relative_to(ROOT)}: {target}")
    assert missing == []
