"""UTF-8 that stops inside of a character."""

from __future__ import annotations

import re

__all__ = ["without_cut_character"]

# Python's own incremental decoder waits for more after ED A0, which for the standard is broken already.
_CUT_CHARACTER = re.compile(
    rb"(?:[\xc2-\xf4]|\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f]"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]?|[\xf1-\xf3][\x80-\xbf]{1,2}|\xf4[\x80-\x8f][\x80-\xbf]?)\Z"
)


def without_cut_character(data: bytes) -> bytes:
    """Return `data` without a character at its end of which more bytes should follow."""
    found = _CUT_CHARACTER.search(data, max(0, len(data) - 3))
    return data if found is None else data[: found.start()]
