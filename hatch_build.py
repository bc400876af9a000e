"""Compile what may be compiled, for a wheel that is asked for it by HATCH_BUILD_HOOK_ENABLE_CUSTOM=1."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# An annotation stays a promise to readers and type checkers; only outbox.pxd makes C types.
_DIRECTIVES = {"language_level": 3, "annotation_typing": False}


class CompiledOutbox(BuildHookInterface[Any]):
    """Put the compiled outbox beside its source. Python imports the compiled one where it finds both."""

    _made: TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, outside the source tree: there it would hide every later change of the source."""
        if version == "editable":
            self.app.display_warning("An editable install uses the source: nothing is compiled.")
            return
        from Cython.Build import cythonize
        from setuptools import Distribution, Extension
        from setuptools.command.build_ext import build_ext

        self._made = TemporaryDirectory()
        extension = Extension("gai_stream.writer.outbox", ["gai_stream/writer/outbox.py"], extra_compile_args=["-g0"])
        modules = cythonize([extension], build_dir=self._made.name, compiler_directives=_DIRECTIVES, force=True)
        command = build_ext(Distribution({"name": "gai-stream", "ext_modules": modules}))
        command.build_lib = command.build_temp = self._made.name
        command.ensure_finalized()
        command.run()
        (compiled,) = map(Path, command.get_outputs())
        build_data["force_include"][str(compiled)] = f"gai_stream/writer/{compiled.name}"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, *_wheel: object) -> None:
        """Delete what the wheel has by now."""
        if self._made is not None:
            self._made.cleanup()
