"""The bound on what is kept of an answer's tool calls."""

from __future__ import annotations

from typing import Any

import pytest

from gai_stream.dialects._budget import Budget
from gai_stream.exceptions import LimitExceeded


def test_what_is_spent_adds_up_and_what_is_too_much_costs_nothing() -> None:
    budget = Budget(10)
    budget.spend(6)
    with pytest.raises(LimitExceeded, match=r"^tool calls are longer than 10 characters: raise max_arg") as caught:
        budget.spend(5)
    assert (caught.value.option, caught.value.limit) == ("max_arguments_size", 10)
    budget.spend(4)


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, None])
def test_a_meaningless_bound_is_refused(limit: Any) -> None:
    with pytest.raises(ValueError, match=r"^max_arguments_size must be a whole number of at least 1, not "):
        Budget(limit)
