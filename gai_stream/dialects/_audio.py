"""The audio format object of the `gai` dialect, and the one spelling that an AudioDelta gives it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

__all__ = ["join_format", "split_format"]

# "audio/wav;rate=44100;channels=2;bits=16": the one spelling that becomes the documented format object and comes back.
_FORMAT = re.compile("([^;]*)(?:;rate=([1-9][0-9]{0,8}))?(?:;channels=([1-9][0-9]{0,8}))?(?:;bits=([1-9][0-9]{0,8}))?")


class _Format(msgspec.Struct):
    mime: str
    sample_rate: int = 0
    channels: int = 0
    bit_depth: int = 0


def split_format(format: str | None) -> dict[str, Any] | None:
    """Return the format object of an AudioDelta's `format`; any other spelling becomes its mime as it is."""
    if format is None:
        return None
    if (found := _FORMAT.fullmatch(format)) is None:
        return {"mime": format}
    numbers = zip(("sample_rate", "channels", "bit_depth"), found.groups()[1:], strict=True)
    return {"mime": found[1]} | {key: int(number) for key, number in numbers if number}


def join_format(value: Any) -> str | None:
    """Return the spelling of a format object. Raises msgspec.ValidationError for anything else."""
    if value is None:
        return None
    format = msgspec.convert(value, _Format)
    numbers = (("rate", format.sample_rate), ("channels", format.channels), ("bits", format.bit_depth))
    return format.mime + "".join(f";{name}={number}" for name, number in numbers if number)
