"""Contestants' samples as figures: each one's own, and ours against the others', round by round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.peers import CONTESTANTS
from benchmarks.result import Aim, Figure, figure

__all__ = ["OURS", "Samples", "own", "ratios"]

OURS = "gai_stream"

Samples = Mapping[str, Sequence[float]]
"""By contestant, one sample for each round."""


def own(
    samples: Samples,
    unit: str,
    *,
    key: str = "",
    name: str = "{}",
    notes: Mapping[str, str] | None = None,
) -> tuple[Figure, ...]:
    """Return each contestant's figure: `name` with what readers call it, and `key` with its own name."""
    return tuple(
        figure(
            f"{key}{contestant}",
            name.format(CONTESTANTS[contestant]),
            values,
            unit,
            note=(notes or {}).get(contestant, ""),
            better="less" if contestant == OURS else "",
        )
        for contestant, values in samples.items()
    )


def ratios(
    samples: Samples, aims: Mapping[str, float | None], *, key: str = "", name: str = "{}"
) -> tuple[Figure, ...]:
    """Return ours as a multiple of each contestant of `aims`: at most that, or anything where there is no aim."""
    return tuple(
        figure(
            f"{key}{OURS}/{contestant}",
            name.format(f"{OURS} / {CONTESTANTS[contestant]}"),
            [mine / theirs for mine, theirs in zip(samples[OURS], samples[contestant], strict=True)],
            "x",
            aim=None if limit is None else Aim(limit),
        )
        for contestant, limit in aims.items()
    )
