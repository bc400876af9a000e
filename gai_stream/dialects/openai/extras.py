"""What servers add to a chunk in shapes of their own: sources, verdicts, seals on reasoning. Never raises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from gai_stream.events import Citation, Safety

from .wire import Chunk, Delta

__all__ = ["Verdicts", "annotated", "executed", "filtered", "reasoning", "sources", "verdicts"]


Verdicts: TypeAlias = Iterator[Safety]


def _entries(value: object) -> Iterator[dict[str, Any]]:
    """Yield the objects in a list that should hold nothing else."""
    if isinstance(value, list):
        yield from (entry for entry in value if isinstance(entry, dict))


def _text(*values: object) -> str | None:
    """Return the first of `values` that is a text and not empty."""
    return next((value for value in values if isinstance(value, str) and value), None)


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def reasoning(delta: Delta) -> tuple[str, list[str], list[str]]:
    """Return a delta's reasoning, the provider's seals on it, and what only the provider can read.

    Servers send the same words under several names at once: only the first name that has any counts.
    """
    text = delta.reasoning_content or delta.reasoning or ""
    seals: list[str] = []
    redacted: list[str] = []
    for entries, words in ((delta.reasoning_details, ("text", "summary")), (delta.thinking_blocks, ("thinking",))):
        found = ""
        for entry in _entries(entries):
            found += _text(*(entry.get(word) for word in words)) or ""
            for secret, secrets in ((entry.get("signature"), seals), (entry.get("data"), redacted)):
                if isinstance(secret, str) and secret and secret not in secrets:
                    secrets.append(secret)
        text = text or found
    return text, seals, redacted


def executed(value: object) -> Iterator[tuple[Any, str, Any, Any]]:
    """Yield place, name, arguments and result of the tools that Groq's compound models ran by themselves."""
    for place, entry in enumerate(_entries(value)):
        index = _whole(entry.get("index"))
        results = (entry.get(key) for key in ("output", "search_results", "code_results", "browser_results"))
        result = next((found for found in results if found), None)
        yield place if index is None else index, _text(entry.get("type")) or "tool", entry.get("arguments"), result


def annotated(value: object) -> list[Citation]:
    """Return the sources in `delta.annotations`, nested (`url_citation`) or flat."""
    found = []
    for entry in _entries(value):
        inner = entry.get(str(entry.get("type")))
        if citation := _source(inner if isinstance(inner, dict) else entry):
            found.append(citation)
    return found


def _source(entry: dict[str, Any]) -> Citation | None:
    uri = _text(entry.get("url"), entry.get("uri"), entry.get("link"), entry.get("file_id"))
    title = _text(entry.get("title"), entry.get("filename"))
    if uri is None and title is None:
        return None
    text = _text(entry.get("content"), entry.get("snippet"), entry.get("cited_text"), entry.get("text"))
    start, end = _whole(entry.get("start_index")), _whole(entry.get("end_index"))
    if start == end == 0:
        # Where the schema demands numbers, this is what servers say when they have none.
        start = end = None
    return Citation(uri, title, start, end, text)


def sources(chunk: Chunk) -> list[Citation]:
    """Return the answer's sources, in the order that its `[1]` refers to.

    `citations` has the order, `search_results` (Perplexity) and `web_search` (GLM) know more about each.
    """
    known = {}
    for value in (chunk.search_results, chunk.web_search):
        for entry in _entries(value):
            if citation := _source(entry):
                known[citation.uri or citation.title] = citation
    found: list[Citation] = []
    for item in chunk.citations if isinstance(chunk.citations, list) else ():
        listed = Citation(item) if isinstance(item, str) else _source(item) if isinstance(item, dict) else None
        if listed:
            found.append(known.pop(listed.uri, listed))
    return [*found, *known.values()]


def filtered(results: object) -> Verdicts:
    """Yield what Azure's content filter found: `{"hate": {"filtered": false, "severity": "safe"}, ...}`."""
    for category, verdict in results.items() if isinstance(results, dict) else ():
        if not isinstance(verdict, dict):
            continue
        severity = _text(verdict.get("severity"))
        if verdict.get("filtered") is True:
            yield Safety(str(category), "block", None, severity)
        elif verdict.get("detected") is True or severity not in (None, "safe"):
            yield Safety(str(category), "warn", None, severity)


def verdicts(chunk: Chunk) -> Verdicts:
    """Yield what is said of the request or the whole answer, beside the choices."""
    for entry in _entries(chunk.prompt_filter_results):
        yield from filtered(entry.get("content_filter_results"))
    if isinstance(chunk.moderation, dict):
        for side, moderation in chunk.moderation.items():
            for result in _entries(moderation.get("results") if isinstance(moderation, dict) else None):
                yield from _moderated(side, result)
    for entry in _entries(chunk.content_filter):
        # GLM: 0 is the most severe level, 3 the slightest.
        level = _whole(entry.get("level"))
        action = "block" if level == 0 else "warn"
        yield Safety(_text(entry.get("role")) or "content_filter", action, level)


def _moderated(side: str, result: dict[str, Any]) -> Verdicts:
    categories, scores = result.get("categories"), result.get("category_scores")
    if isinstance(categories, dict):
        for category, hit in categories.items():
            if hit is True:
                score = scores.get(category) if isinstance(scores, dict) else None
                yield Safety(str(category), "warn", score if isinstance(score, float | int) else None, str(side))
