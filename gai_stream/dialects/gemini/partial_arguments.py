"""Arguments that come value by value: `{"jsonPath": "$.recipe.steps[0]", "stringValue": "Preheat"}`."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, Final, TypeAlias

import msgspec

from .wire import PartialArg

__all__ = ["PartialArguments"]

_STEP = re.compile(r"""\.([^.\[\]]+)|\[([0-9]{1,9})\]|\[(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\]""", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
# As deep as Google's own `Struct` may be.
_DEEPEST: Final = 100

_Path: TypeAlias = "list[str | int]"


class _Text:
    """A text that may go on."""

    __slots__ = ("pieces",)

    def __init__(self) -> None:
        self.pieces: list[str] = []


class PartialArguments:
    """Put the arguments of one call together. `problem` is the first path that leads nowhere, None if all is well."""

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}
        self.problem: str | None = None

    def add(self, arg: PartialArg) -> None:
        """Take one value, or the next piece of a text."""
        path = _steps(arg.json_path or "")
        if (path is None or not self._put(path, arg)) and self.problem is None:
            self.problem = arg.json_path or ""

    def value(self) -> dict[str, Any]:
        """Return the arguments so far."""
        built: dict[str, Any] = _built(self._root)
        return built

    def _put(self, path: _Path, arg: PartialArg) -> bool:
        """Put the value of `arg` where `path` leads; False where something else is in the way."""
        node: Any = self._root
        for step, following in pairwise(path):
            if not _has_room(node, step):
                return False
            if _is_new(node, step):
                _set(node, step, {} if isinstance(following, str) else [])
            node = node[step]
        last = path[-1]
        if not _has_room(node, last):
            return False
        old = None if _is_new(node, last) else node[last]
        if isinstance(old, dict | list):
            return False
        if arg.string_value is not None:
            if not isinstance(old, _Text):
                old = _Text()
                _set(node, last, old)
            old.pieces.append(arg.string_value)
        elif arg.number_value is not None or arg.bool_value is not None:
            _set(node, last, arg.bool_value if arg.number_value is None else arg.number_value)
        elif arg.null_value is not msgspec.UNSET:
            _set(node, last, None)
        return True


def _steps(path: str) -> _Path | None:
    """Return the keys and indexes of a JSONPath such as `$.a[0]["b c"]`, or None if it is none."""
    if path[:1] != "$":
        return None
    steps: _Path = []
    place = 1
    while place < len(path) and len(steps) < _DEEPEST:
        if (found := _STEP.match(path, place)) is None:
            return None
        plain, index, double, single = found.groups()
        quoted = double if double is not None else single
        if index is not None:
            steps.append(int(index))
        else:
            steps.append(plain if quoted is None else _ESCAPE.sub(r"\1", quoted))
        place = found.end()
    return steps if steps and place == len(path) else None


def _has_room(node: Any, step: str | int) -> bool:
    """Tell whether `node` can have `step`: a list grows at its end only, whatever the index says."""
    if isinstance(step, str):
        return isinstance(node, dict)
    return isinstance(node, list) and step <= len(node)


def _is_new(node: Any, step: Any) -> bool:
    return step not in node if isinstance(node, dict) else step == len(node)


def _set(node: Any, step: Any, value: Any) -> None:
    if isinstance(node, list) and step == len(node):
        node.append(value)
    else:
        node[step] = value


def _built(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _built(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_built(value) for value in node]
    return "".join(node.pieces) if isinstance(node, _Text) else node
