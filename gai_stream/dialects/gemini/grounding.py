"""Sources on their way out, in the one form that AI Studio's and Vertex's clients read alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gai_stream.dialects._encoder import known
from gai_stream.events import Citation

from .offsets import Offsets

__all__ = ["grounding_metadata"]


def grounding_metadata(citations: Sequence[Citation], text: Offsets) -> dict[str, Any]:
    """Return `citations` of `text` as `groundingMetadata`: sources, and the places that they support, in bytes."""
    chunks: list[dict[str, Any]] = []
    supports: list[dict[str, Any]] = []
    places: dict[tuple[str | None, str | None], int] = {}
    for citation in citations:
        source = citation.uri, citation.title
        start, end = (None if n is None else text.to_bytes(max(0, n)) for n in (citation.start, citation.end))
        segment = known(startIndex=start, endIndex=end, text=citation.text)
        if not segment:
            chunks.append({"web": known(uri=citation.uri, title=citation.title)})
            continue
        if source not in places:
            places[source] = len(chunks)
            chunks.append({"web": known(uri=citation.uri, title=citation.title)})
        supports.append({"segment": segment, "groundingChunkIndices": [places[source]]})
    return {"groundingChunks": chunks, "groundingSupports": supports}
