"""The body of Antigravity and Gemini Code Assist: Gemini's, in an envelope that names the model."""

from __future__ import annotations

from typing import Any, Final

from gai_stream.exceptions import DecodeError
from gai_stream.providers.provider import ChatRequest
from gai_stream.providers.requests import gemini
from gai_stream.providers.requests._checks import need, present, take

__all__ = ["body", "parse"]

_EXAMPLE: Final = '{"model": "...", "request": {"contents": [...]}}'
_ENVELOPE: Final = "antigravity"


def body(request: ChatRequest, *, model: str | None = None, project: str | None = None) -> dict[str, Any]:
    """Return `request` as Gemini's body in its envelope. `model` is for a request that names none.

    `project` is that of the account. The object `extra["antigravity"]` holds further keys of the envelope; the rest of
    `extra` is Gemini's. Raises EncodeError for a `data:` URL that is none.
    """
    made: dict[str, Any] = {}
    if name := request.model or model:
        made["model"] = name
    if project is not None:
        made["project"] = project
    inner = gemini.body(request, model=model)
    envelope = inner.pop(_ENVELOPE, {})
    return {**made, **envelope, "request": inner}


def parse(body: dict[str, Any], *, stream: bool = True) -> ChatRequest:
    """Return the request in a body. `stream` is what its URL says; the envelope's other keys land in `extra`.

    Raises DecodeError that names the field, without the envelope's `request.`, and says what it should be.
    """
    envelope = present(body, _EXAMPLE)
    if "request" not in envelope:
        raise DecodeError(f"request is missing; send {_EXAMPLE}")
    inner = need(envelope, "request", dict[str, Any])
    model = take(envelope, "model", str)
    return gemini.parse({**inner, _ENVELOPE: envelope or None}, model=model, stream=stream)
