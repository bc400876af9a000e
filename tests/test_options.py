"""Options: a meaningless one is a ValueError that names it and says what would do."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gai_stream._options import check_bytes, check_seconds


@pytest.mark.parametrize("value", [None, 1, 0.001, 15.0, 10**9])
def test_seconds_above_0_and_none_pass(value: Any) -> None:
    check_seconds("heartbeat", value)


@pytest.mark.parametrize("value", [0, -1, 0.0, math.nan, math.inf, -math.inf, True, "15", [], 1j])
def test_other_seconds_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^heartbeat must be a number of seconds above 0, or None for none, not "):
        check_seconds("heartbeat", value)


@pytest.mark.parametrize("optional", [True, False])
def test_numbers_of_bytes_from_1_pass(optional: bool) -> None:
    check_bytes("flush_size", 1, optional=optional)
    check_bytes("flush_size", 1 << 40, optional=optional)


@pytest.mark.parametrize("optional", [True, False])
@pytest.mark.parametrize("value", [0, -1, 1.0, True, "1", math.inf])
def test_other_numbers_of_bytes_are_refused(value: Any, optional: bool) -> None:
    with pytest.raises(ValueError, match=r"^flush_size must be a whole number of bytes, 1 or more"):
        check_bytes("flush_size", value, optional=optional)


def test_no_limit_is_for_limits_only() -> None:
    check_bytes("max_line_size", None, optional=True)
    with pytest.raises(ValueError, match=r"1 or more, not None$"):
        check_bytes("flush_size", None)
