"""How hard to think, between OpenAI's words and the tokens or levels of others."""

from __future__ import annotations

from typing import Final

__all__ = ["BUDGETS", "budget_of", "effort_of", "level_of"]

# In tokens. Google's own OpenAI-compatible endpoint reads the words much the same way.
BUDGETS: Final = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24576}


def budget_of(effort: str) -> int:
    """Return the tokens that an effort other than "none" stands for; words beyond "high" stand for as many."""
    return BUDGETS.get(effort, BUDGETS["high"])


def effort_of(budget: int) -> str:
    """Return the effort that a budget of tokens comes closest to without falling short of it; "none" for 0."""
    if budget <= 0:
        return "none"
    return next((effort for effort, tokens in BUDGETS.items() if budget <= tokens), "high")


def level_of(effort: str) -> str:
    """Return an effort other than "none" as "low", "medium" or "high"."""
    return {"minimal": "low", "low": "low", "medium": "medium"}.get(effort, "high")
