"""One answer from its chunks: what the API returns to those who do not stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

__all__ = ["merged"]

_TEXT_KEYS: Final = ({"text"}, {"text", "thought"})


class _Candidate:
    """A candidate that grows by its chunks."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.parts: list[dict[str, Any]] = []
        self._texts: list[list[str]] = []
        self._ratings: dict[str, dict[str, Any]] = {}

    def add(self, candidate: dict[str, Any]) -> None:
        """Take what a chunk tells of the candidate."""
        for part in candidate["content"]["parts"] if candidate.get("content") else ():
            self._add_part(part)
        for rating in candidate.get("safetyRatings", ()):
            self._ratings[rating["category"]] = rating
        self.fields |= {key: value for key, value in candidate.items() if key not in ("content", "safetyRatings")}

    def whole(self) -> dict[str, Any]:
        """Return the candidate."""
        parts = [
            part | {"text": "".join(texts)} if texts else part
            for part, texts in zip(self.parts, self._texts, strict=True)
        ]
        candidate = {"content": {"parts": parts or [{"text": ""}], "role": "model"}, **self.fields}
        return candidate | ({"safetyRatings": [*self._ratings.values()]} if self._ratings else {})

    def _add_part(self, part: dict[str, Any]) -> None:
        if part == {"text": ""}:
            return
        joins = part.keys() in _TEXT_KEYS and isinstance(part["text"], str)
        if joins and self.parts and self._texts[-1] and self.parts[-1].keys() == part.keys():
            self._texts[-1].append(part["text"])
            return
        self.parts.append(part)
        self._texts.append([part["text"]] if joins else [])


def merged(messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the GenerateContentResponse that chunks of one answer amount to; if they end in an error, the error."""
    body: dict[str, Any] = {}
    candidates: dict[int, _Candidate] = {}
    for message in messages:
        if "error" in message:
            return message
        body |= message
        for candidate in message.get("candidates", ()):
            candidates.setdefault(candidate.get("index") or 0, _Candidate()).add(candidate)
    if candidates:
        body["candidates"] = [candidates[index].whole() for index in sorted(candidates)]
    return body
