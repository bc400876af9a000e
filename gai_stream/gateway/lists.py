"""The models that can be asked for, as each API lists them."""

from __future__ import annotations

from typing import Any

import gai_stream

from .routes import Routes

__all__ = ["anthropic_models", "gemini_models", "ollama_tags", "ollama_version", "openai_models", "single"]

# Nobody knows when a model of somebody else's was made; clients want a date all the same.
_EPOCH = "1970-01-01T00:00:00Z"


def openai_models(routes: Routes) -> dict[str, Any]:
    """Return the body of GET /v1/models."""
    data = [{"id": id, "object": "model", "created": 0, "owned_by": owner} for id, owner in routes.models().items()]
    return {"object": "list", "data": data}


def anthropic_models(routes: Routes) -> dict[str, Any]:
    """Return the body of GET /v1/models for a client that sends `anthropic-version`."""
    data = [{"type": "model", "id": id, "display_name": id, "created_at": _EPOCH} for id in routes.models()]
    ids = [model["id"] for model in data]
    return {"data": data, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}


def gemini_models(routes: Routes) -> dict[str, Any]:
    """Return the body of GET /v1beta/models."""
    methods = ["generateContent", "streamGenerateContent"]
    return {
        "models": [
            {"name": f"models/{id}", "displayName": id, "supportedGenerationMethods": methods} for id in routes.models()
        ]
    }


def ollama_tags(routes: Routes) -> dict[str, Any]:
    """Return the body of GET /api/tags."""
    return {
        "models": [
            {"name": id, "model": id, "modified_at": _EPOCH, "size": 0, "digest": "", "details": {"family": owner}}
            for id, owner in routes.models().items()
        ]
    }


def ollama_version(_routes: Routes) -> dict[str, Any]:
    """Return the body of GET /api/version."""
    return {"version": gai_stream.__version__}


def single(listed: dict[str, Any], id: str) -> dict[str, Any] | None:
    """Return the model called `id` in a list of OpenAI's, Anthropic's or Gemini's, or None."""
    models = listed.get("data") or listed.get("models") or []
    return next((model for model in models if model.get("id", model.get("name")) in (id, f"models/{id}")), None)
