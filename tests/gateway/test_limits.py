"""Open streams are counted: for each client, and for the process."""

from __future__ import annotations

from typing import Any

import pytest

from gai_stream.exceptions import ProviderError
from gai_stream.gateway import Limits


def test_a_client_may_have_so_many_and_another_as_many() -> None:
    limits = Limits(per_key=2, retry_after=3)
    for key in ("a", "a", "b"):
        limits.enter(key)
    with pytest.raises(ProviderError, match=r"^you have 2 streams open already") as raised:
        limits.enter("a")
    assert (raised.value.status, raised.value.retry_after, limits.open) == (429, 3.0, 3)
    limits.leave("a")
    limits.enter("a")


def test_a_full_process_refuses_everybody() -> None:
    limits = Limits(per_process=1)
    limits.enter("a")
    with pytest.raises(ProviderError, match=r"^too many streams are open$") as raised:
        limits.enter("b")
    assert (raised.value.status, raised.value.retry_after, raised.value.temporary) == (503, 1.0, True)
    limits.leave("a")
    assert limits.open == 0
    limits.enter("b")


def test_without_limits_nobody_is_refused() -> None:
    limits = Limits()
    for _ in range(1000):
        limits.enter("a")
    assert limits.open == 1000


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"per_key": 0}, "per_key must be a number of streams of at least 1, or None for any, not 0"),
        ({"per_process": True}, "per_process must be a number of streams"),
        ({"per_process": "9"}, "per_process must be a number of streams"),
        ({"retry_after": -1}, "retry_after must be a number of seconds from 0 to a day, not -1"),
        ({"retry_after": float("nan")}, "retry_after must be"),
        ({"retry_after": True}, "retry_after must be"),
    ],
)
def test_a_meaningless_limit_is_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Limits(**options)
