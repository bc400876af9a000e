"""Places in a text: Google counts UTF-8 bytes, we count characters."""

from __future__ import annotations

from bisect import bisect_right

__all__ = ["Offsets"]


class Offsets:
    """Translate between byte and character offsets of a text that is told piece by piece.

    Only pieces beyond ASCII are kept: elsewhere both offsets run alike.
    """

    def __init__(self) -> None:
        self._bytes = 0
        self._characters = 0
        self._pieces: list[str] = []
        self._byte_starts: list[int] = []
        self._character_starts: list[int] = []

    def add(self, text: str) -> None:
        """Take the next piece of the text."""
        if text.isascii():
            self._bytes += len(text)
        else:
            self._pieces.append(text)
            self._byte_starts.append(self._bytes)
            self._character_starts.append(self._characters)
            self._bytes += len(_utf8(text))
        self._characters += len(text)

    def to_characters(self, offset: int) -> int:
        """Return the character at which the byte `offset` stands, at most the text's end."""
        offset = min(offset, self._bytes)
        place = bisect_right(self._byte_starts, offset) - 1
        if place < 0:
            return offset
        piece, within = self._pieces[place], offset - self._byte_starts[place]
        encoded = _utf8(piece)
        passed = len(encoded[:within].decode("utf-8", "ignore")) if within < len(encoded) else len(piece)
        return self._character_starts[place] + passed + max(0, within - len(encoded))

    def to_bytes(self, offset: int) -> int:
        """Return the byte at which the character `offset` stands, at most the text's end."""
        offset = min(offset, self._characters)
        place = bisect_right(self._character_starts, offset) - 1
        if place < 0:
            return offset
        piece, within = self._pieces[place], offset - self._character_starts[place]
        return self._byte_starts[place] + len(_utf8(piece[:within])) + max(0, within - len(piece))


def _utf8(text: str) -> bytes:
    # Half an emoji is written as U+FFFD, which takes as many bytes.
    return text.encode("utf-8", "surrogatepass")
