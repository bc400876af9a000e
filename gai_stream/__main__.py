"""Run the command line as `python -m gai_stream`."""

from __future__ import annotations

import sys

from gai_stream.cli import main

if __name__ == "__main__":
    sys.exit(main())
