"""A Writer on the compiled outbox, beside the one that is installed, in the same process.

`make bench` builds the package compiled into .venv/compiled, if there is a C compiler. Only its outbox is used.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from gai_stream.writer import Writer

__all__ = ["BUILT", "compiled_writer"]

BUILT = Path(sys.prefix, "compiled", "gai_stream", "writer")
_NAME = "gai_stream.writer.outbox"


@cache
def compiled_writer(built: Path = BUILT) -> type[Writer] | None:
    """Return Writer on top of the compiled outbox in folder `built`.

    None if there is none, or if it was compiled from another source; and if the installed one is compiled itself, or is
    of a version that had none.
    """
    try:
        from gai_stream.writer import outbox, writer
    except ImportError:
        return None
    source = built / "outbox.py"
    spec = PathFinder.find_spec(_NAME, [str(built)])
    if outbox.COMPILED or spec is None or spec.origin == str(source):
        return None
    if source.read_bytes() != Path(outbox.__file__).read_bytes():
        return None
    sys.modules[_NAME] = _load(spec)
    try:
        made: type[Writer] = _load(spec_from_file_location(writer.__name__, writer.__file__)).Writer
    finally:
        sys.modules[_NAME] = outbox
    return made


def _load(spec: ModuleSpec | None) -> ModuleType:
    if spec is None or spec.loader is None:
        raise ImportError("nothing to load")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
