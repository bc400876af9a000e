"""How much of an answer's tool calls is kept: a bound that every decoder has, under one name."""

from __future__ import annotations

from gai_stream.exceptions import LimitExceeded

__all__ = ["Budget"]


class Budget:
    """Count what the tool calls of one answer bring together: `max_arguments_size` characters, and no more."""

    def __init__(self, max_arguments_size: int) -> None:
        if type(max_arguments_size) is not int or max_arguments_size < 1:
            raise ValueError(f"max_arguments_size must be a whole number of at least 1, not {max_arguments_size!r}")
        self._limit = max_arguments_size
        self._spent = 0

    def spend(self, size: int) -> None:
        """Count `size` characters more. Raises LimitExceeded, and counts nothing."""
        if self._spent + size > self._limit:
            raise LimitExceeded(
                f"tool calls are longer than {self._limit} characters: raise max_arguments_size if that is right",
                option="max_arguments_size",
                limit=self._limit,
            )
        self._spent += size
