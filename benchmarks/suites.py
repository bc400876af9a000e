"""The suites, in the order in which they run and are reported."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from benchmarks.result import Suite

__all__ = ["SUITES", "about", "load"]

SUITES = (
    "original",
    "micro",
    "decode",
    "burst",
    "paced",
    "latency",
    "memory",
    "scale",
    "pipeline",
    "growth",
    "imports",
)


def load(name: str) -> Suite:
    """Return the suite of that name: a module is imported when its suite is asked for."""
    return cast("Suite", import_module(f"benchmarks.{name}"))


def about(name: str) -> str:
    """Return what a suite measures, in one line."""
    return (load(name).__doc__ or "").partition("\n")[0]
