"""The matrix: every recording times every encoder, each read by its real client."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import NamedTuple

from .clients import CLIENTS
from .expectations import differences, expected
from .node import Node
from .recordings import Recording, events_of, recordings
from .server import TARGETS, Target, serving

__all__ = ["Cell", "run"]

_AT_ONCE = 4


class Cell(NamedTuple):
    """One recording as one client read it; `wrong` is what it saw that it must not see, in words."""

    recording: Recording
    target: Target
    wrong: list[str]


def run(targets: Sequence[Target] = TARGETS) -> list[Cell]:
    """Return every cell of the matrix, for `targets`."""
    found = list(recordings())
    cases = [(number, target) for target in targets for number in range(len(found))]
    with ExitStack() as stack:
        address = stack.enter_context(serving([events_of(recording) for recording in found]))
        node = stack.enter_context(Node()) if any(target.name not in CLIENTS for target in targets) else None

        def read(case: tuple[int, Target]) -> Cell:
            number, target = case
            recording = found[number]
            wanted = expected(recording, target.dialect)
            if not target.tells_reason:
                wanted = wanted._replace(reason=None)
            if not target.tells_usage:
                wanted = wanted._replace(usage=None)
            try:
                url = address(target, number)
                if target.name in CLIENTS:
                    seen = CLIENTS[target.name](url)
                else:
                    assert node is not None
                    seen = node.read(target.name, url)
            except Exception as exc:  # noqa: BLE001 (that a client raises is what the matrix is to find out)
                return Cell(recording, target, [f"the client raised {type(exc).__name__}: {exc}"])
            return Cell(recording, target, differences(seen, wanted, recording))

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(read, cases))
