"""What surrounds the answer: ratings, sources, counts. Whatever is strange in them is left out, and never raises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gai_stream.events import Citation, Safety, Usage

from .offsets import Offsets
from .wire import UsageMetadata

__all__ = ["Sources", "ratings", "usage_of"]

_LIKELY: Final = ("MEDIUM", "HIGH")


def ratings(value: object, *, blocked: bool = False) -> Iterator[Safety]:
    """Yield the verdicts in `safetyRatings`. `blocked` says that the answer ended for safety."""
    for rating in _entries(value):
        category = _text(rating.get("category"))
        if category is None:
            continue
        probability, score = _text(rating.get("probability")), rating.get("probabilityScore")
        likely = probability in _LIKELY
        action = "block" if rating.get("blocked") is True or (blocked and likely) else "warn" if likely else "pass"
        yield Safety(category, action, score if type(score) in (float, int) else None, probability)


def usage_of(usage: UsageMetadata) -> Usage | None:
    """Return `usage` in our terms, or None if it has no count at all."""
    input, output, thought = (
        _count(n) for n in (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count)
    )
    total, tools = _count(usage.total_token_count), _count(usage.tool_use_prompt_token_count)
    if input is not None:
        input += tools or 0
    if output is not None:
        output += thought or 0
    elif total is not None and input is not None and total > input:
        output = total - input
    else:
        output = thought
    if total is None and input is not None and output is not None:
        total = input + output
    result = Usage(input, output, total, thought, _count(usage.cached_content_token_count))
    return None if result == Usage() else result


class Sources:
    """Collect the sources of one candidate. Google counts bytes in its text, so the text must be told as well."""

    def __init__(self) -> None:
        self.text = Offsets()
        self._cited: dict[tuple[Any, ...], None] = {}
        self._chunks: list[dict[str, Any]] = []
        self._supports: list[dict[str, Any]] = []

    def add(self, citations: object, grounding: object) -> None:
        """Take `citationMetadata` and `groundingMetadata`. The latter grows from chunk to chunk: the last is whole."""
        if isinstance(citations, dict):
            # Vertex says `citations`, AI Studio `citationSources`.
            for entry in _entries(citations.get("citations") or citations.get("citationSources")):
                places = _whole(entry.get("startIndex")), _whole(entry.get("endIndex"))
                self._cited[_text(entry.get("uri")), _text(entry.get("title")), *places] = None
        if isinstance(grounding, dict):
            self._chunks = [*_entries(grounding.get("groundingChunks"), keep=True)] or self._chunks
            self._supports = [*_entries(grounding.get("groundingSupports"))] or self._supports

    def citations(self) -> list[Citation]:
        """Return all sources, with their places in characters."""
        found = [self._placed(uri, title, start, end, None) for uri, title, start, end in self._cited]
        used = set()
        for support in self._supports:
            segment = support.get("segment")
            segment = segment if isinstance(segment, dict) else {}
            start, end = _whole(segment.get("startIndex")), _whole(segment.get("endIndex"))
            indexes = support.get("groundingChunkIndices")
            for index in indexes if isinstance(indexes, list) else ():
                if type(index) is int and 0 <= index < len(self._chunks):
                    used.add(index)
                    uri, title, _ = _source(self._chunks[index])
                    found.append(self._placed(uri, title, start, end, _text(segment.get("text"))))
        for index, chunk in enumerate(self._chunks):
            if index not in used and any(source := _source(chunk)):
                found.append(Citation(source[0], source[1], None, None, source[2]))
        return found

    def _placed(
        self, uri: str | None, title: str | None, start: int | None, end: int | None, text: str | None
    ) -> Citation:
        if end is not None:
            # Google leaves out a 0.
            start, end = self.text.to_characters(start or 0), self.text.to_characters(end)
        elif start is not None:
            start = self.text.to_characters(start)
        return Citation(uri, title, start, end, text)


def _source(chunk: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Return a grounding chunk's address, title and text, whatever kind it is of: web, retrievedContext, maps."""
    inner = next((value for value in chunk.values() if isinstance(value, dict)), {})
    uri = _text(inner.get("uri")) or _text(inner.get("sourceUri"))
    return uri, _text(inner.get("title")), _text(inner.get("text"))


def _entries(value: object, *, keep: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the objects in a list that should hold nothing else; `keep` has an empty one for what is none."""
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, dict):
            yield entry
        elif keep:
            yield {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _count(value: float | None) -> int | None:
    return None if value is None else int(value)
