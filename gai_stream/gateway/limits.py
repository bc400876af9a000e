"""How many streams may be open at once: for one client, and for the whole process."""

from __future__ import annotations

from collections import Counter

from gai_stream.exceptions import ProviderError

__all__ = ["Limits"]


class Limits:
    """Count open streams. `per_process` and `per_key` are how many there may be, None for any number.

    A client over its own limit is told 429, one that comes when the process is full 503, both with `retry_after`
    seconds to wait.
    """

    def __init__(self, *, per_process: int | None = None, per_key: int | None = None, retry_after: float = 1.0) -> None:
        for option, value in (("per_process", per_process), ("per_key", per_key)):
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"{option} must be a number of streams of at least 1, or None for any, not {value!r}")
        if isinstance(retry_after, bool) or not isinstance(retry_after, int | float) or not 0 <= retry_after <= 86400:
            raise ValueError(f"retry_after must be a number of seconds from 0 to a day, not {retry_after!r}")
        self._per_process = per_process
        self._per_key = per_key
        self._retry_after = float(retry_after)
        self._open: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """How many streams are open now."""
        return self._open.total()

    def enter(self, key: str) -> None:
        """Count one more stream of `key`'s. Raises ProviderError if that is one too many."""
        if self._per_key is not None and self._open[key] >= self._per_key:
            message = f"you have {self._per_key} streams open already, and may not have more at once"
            raise ProviderError("rate_limited", message, retry_after=self._retry_after)
        if self._per_process is not None and self.open >= self._per_process:
            raise ProviderError("overloaded", "too many streams are open", retry_after=self._retry_after)
        self._open[key] += 1

    def leave(self, key: str) -> None:
        """Count one stream of `key`'s less."""
        self._open[key] -= 1
        if self._open[key] <= 0:
            del self._open[key]
