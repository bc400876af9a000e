"""When to ask a provider again that has not begun to answer."""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from gai_stream._options import check_seconds
from gai_stream.exceptions import ProviderError

__all__ = ["NO_RETRIES", "Retries"]

# Past this many, doubling would leave the numbers that a float can hold.
_MOST_DOUBLINGS: Final = 60


class Retries(msgspec.Struct, frozen=True):
    """Ask up to `most` times more, while no byte of an answer has come and the error is temporary.

    The waits begin at `delay` seconds and double up to `longest`; each is shortened at random by up to half, so that
    those who failed together do not come back together. A provider that says when to come back (Retry-After) is never
    asked earlier, and one that says later than `longest` not at all: its error is raised at once.

    A request that seemed to fail may have been worked on, and paid for: 0, the default, asks once.
    """

    most: int = 0
    delay: float = 0.5
    longest: float = 30.0

    def __post_init__(self) -> None:
        if type(self.most) is not int or self.most < 0:
            raise ValueError(f"most must be a number of retries, 0 or more, not {self.most!r}")
        for option in ("delay", "longest"):
            if (value := getattr(self, option)) is None:
                raise ValueError(f"{option} must be a number of seconds above 0, not None")
            check_seconds(option, value)
        if self.longest < self.delay:
            raise ValueError(f"longest must be at least delay, {self.delay!r}, not {self.longest!r}")

    def wait(self, error: ProviderError, *, retry: int, told: float | None, random: Random) -> float | None:
        """Return the seconds to wait before retry number `retry`, from 1 on; None to give up.

        `told` is what the provider asked for, in seconds.
        """
        if retry > self.most or not error.temporary or (told or 0.0) > self.longest:
            return None
        pause: float = min(self.delay * 2.0 ** min(retry - 1, _MOST_DOUBLINGS), self.longest) * random.uniform(0.5, 1.0)
        return pause if told is None else told + pause


NO_RETRIES: Final = Retries()
