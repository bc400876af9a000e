"""Run the matrix, write docs/conformance.md, and fail where a cell does not hold."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path

from .matrix import run
from .recordings import CORPUS
from .report import page

PAGE = Path(__file__).resolve().parents[1] / "docs" / "conformance.md"


def main() -> int:
    """Return 0 where everything holds."""
    if not CORPUS.is_dir():
        print(f"conformance: needs the recorded streams in {CORPUS}", file=sys.stderr)
        return 2
    # What an SDK says of a value that it does not know, and what we log of a recording's error.
    warnings.filterwarnings("ignore", ".* is not a valid")
    logging.getLogger("gai_stream").addHandler(logging.NullHandler())
    cells = run()
    PAGE.write_text(page(cells), encoding="utf-8")
    wrong = [cell for cell in cells if cell.wrong]
    for cell in wrong:
        print(f"{cell.recording.name} for {cell.target.name}: {'; '.join(cell.wrong)}")
    print(f"{len(cells) - len(wrong)} of {len(cells)} cells hold; see docs/{PAGE.name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
