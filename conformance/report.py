"""The matrix as a page of documentation."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from .matrix import Cell
from .node import versions
from .server import TARGETS

__all__ = ["page"]

_READERS: Final = {
    "openai": ("openai",),
    "openai_responses": ("openai",),
    "anthropic": ("anthropic",),
    "gemini": ("google-genai",),
    "ollama": ("ollama",),
}

_HEAD: Final = """\
# Conformance

Every recorded stream, decoded, served in every dialect over loopback HTTP, and read by that dialect's real client.
`make conformance` writes this page, and CI fails where it would differ.

A cell counts the recordings that the client read without an exception and with everything that must survive: the
text, the reasoning and the tool calls (names, inputs, order), the finish reason and the token counts (where the
protocol has a place for them); for a recording that ends in an error, all that came before it, and the error in its
words. What must be seen is computed from the corpus's own expectations, which the providers' SDKs made, not from our
decoders.
"""


def page(cells: Sequence[Cell]) -> str:
    """Return the page, as Markdown."""
    folders = list(dict.fromkeys(cell.recording.name.partition("/")[0] for cell in cells))
    targets = [target for target in TARGETS if any(cell.target is target for cell in cells)]
    lines = [_HEAD, "| recordings | " + " | ".join(target.name for target in targets) + " |"]
    lines.append("|---" * (len(targets) + 1) + "|")
    for folder in [*folders, ""]:
        row = [f"{folder}" or "**all**"]
        for target in targets:
            mine = [
                cell
                for cell in cells
                if cell.target is target and (not folder or cell.recording.name.startswith(f"{folder}/"))
            ]
            row.append(f"{sum(not cell.wrong for cell in mine)}/{len(mine)}")
        lines.append("| " + " | ".join(row) + " |")
    good = sum(not cell.wrong for cell in cells)
    lines += ["", f"{good} of {len(cells)} cells hold.", ""]
    failures = [cell for cell in cells if cell.wrong]
    if failures:
        lines += ["## What does not hold", ""]
        lines += [f"- {cell.recording.name} for {cell.target.name}: {'; '.join(cell.wrong)}" for cell in failures]
        lines.append("")
    lines += ["## Readers", "", "| column | read by |", "|---|---|"]
    node = versions()
    for target in targets:
        if target.name in _READERS:
            reader = ", ".join(f"{name} (Python), {version(name).split('.')[0]}.x" for name in _READERS[target.name])
        else:
            reader = node.get(target.name, "our own decoder: the dialect has no other client")
        lines.append(f"| {target.name} | {reader} |")
    return "\n".join(lines) + "\n"
