"""Texts, put together from deltas and from the whole texts that repeat them: each character is told once."""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from zlib import crc32

import msgspec

from gai_stream.dialects.openai.extras import annotated
from gai_stream.events import Citation, Citations, Event, ReasoningDelta, TextDelta

__all__ = ["Key", "Parts"]

_THOUGHTS: Final = ("summary_text", "reasoning_text")
_BETWEEN_THOUGHTS: Final = "\n\n"


class Key(NamedTuple):
    """A text's place in the answer: the item's index, the part's type, and its index in the item.

    Never the item's id: some servers send another one with every event.
    """

    output: int
    kind: str
    place: int


class _Part:
    __slots__ = ("check", "cited", "size", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.size = 0
        # Enough to know whether a longer text begins with this one, without keeping it.
        self.check = 0
        self.cited: set[Citation] = set()


class Parts:
    """Remember how much of each text was told."""

    def __init__(self) -> None:
        self.refused = False
        self._length = 0
        self._parts: dict[Key, _Part] = {}
        self._thought: dict[int, Key] = {}

    def delta(self, key: Key, text: str) -> list[Event]:
        """Return what a piece of text tells."""
        part = self._part(key)
        if not text:
            return []
        part.size += len(text)
        part.check = crc32(_bytes(text), part.check)
        if key.kind in _THOUGHTS:
            before = self._thought.get(key.output, key)
            self._thought[key.output] = key
            events: list[Event] = [] if before == key else [ReasoningDelta(_BETWEEN_THOUGHTS)]
            return [*events, ReasoningDelta(text)]
        if key.kind == "refusal":
            self.refused = True
            return [TextDelta(text, refusal=True)]
        self._length += len(text)
        return [TextDelta(text)]

    def whole(self, key: Key, text: str) -> list[Event]:
        """Return what of a whole text is still to be told: what follows the deltas, if it begins with them."""
        thought = self._thought.get(key.output, key)
        if key.kind in _THOUGHTS and thought.kind != key.kind:
            # The same thoughts, told in short before or at length.
            return []
        part = self._part(key)
        is_longer = len(text) > part.size and crc32(_bytes(text[: part.size])) == part.check
        return self.delta(key, text[part.size :]) if is_longer else []

    def cite(self, key: Key, annotations: Any) -> list[Event]:
        """Return the sources that were not told yet; their places are counted from the answer's beginning."""
        part = self._part(key)
        found = []
        for citation in annotated(annotations):
            if citation not in part.cited:
                part.cited.add(citation)
                start, end = (None if n is None else n + part.start for n in (citation.start, citation.end))
                found.append(msgspec.structs.replace(citation, start=start, end=end))
        return [Citations(found)] if found else []

    def _part(self, key: Key) -> _Part:
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = _Part(self._length)
        return part


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
