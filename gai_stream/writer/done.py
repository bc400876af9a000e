"""What a `write` that has nothing to wait for returns."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, NoReturn

__all__ = ["DONE"]


class _Done(Coroutine[Any, Any, None]):
    """A coroutine that is over before it began: one for all, awaited any number of times, in half a coroutine's time.

    Being a Coroutine, it can be given to whatever starts tasks.
    """

    __slots__ = ()

    # The iterator of an empty tuple ends at once, and no Python code runs for it.
    __await__ = staticmethod(().__iter__)  # type: ignore[assignment]

    def send(self, _value: Any, /) -> NoReturn:
        raise StopIteration

    def throw(self, exc: Any, _value: Any = None, _traceback: Any = None, /) -> NoReturn:
        raise exc

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


DONE = _Done()
