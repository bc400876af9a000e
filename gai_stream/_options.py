"""Options are checked when something is built: a meaningless one is a ValueError that names it, never ignored."""

from __future__ import annotations

import math

__all__ = ["check_bytes", "check_seconds"]


def check_seconds(option: str, value: float | None) -> None:
    """Raise ValueError unless `value` is None or a finite number of seconds above 0."""
    if value is None:
        return
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise ValueError(f"{option} must be a number of seconds above 0, or None for none, not {value!r}")


def check_bytes(option: str, value: int | None, *, optional: bool = False) -> None:
    """Raise ValueError unless `value` is a number of bytes above 0, or, where it is `optional`, None."""
    if value is None and optional:
        return
    if type(value) is not int or value < 1:
        none = ", or None for no limit" if optional else ""
        raise ValueError(f"{option} must be a whole number of bytes, 1 or more{none}, not {value!r}")
