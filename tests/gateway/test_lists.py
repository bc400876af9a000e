"""The models that can be asked for, as each API lists them."""

from __future__ import annotations

from typing import Any

from gai_stream.gateway import Routes
from gai_stream.gateway.lists import (
    anthropic_models,
    gemini_models,
    ollama_tags,
    ollama_version,
    openai_models,
    single,
)
from gai_stream.providers import ScriptedProvider

ROUTES = Routes({"house": ScriptedProvider(model="big")}, models={"fast": "house"})


def test_every_list_names_every_model() -> None:
    names = ["fast", "house/big"]
    assert [model["id"] for model in openai_models(ROUTES)["data"]] == names
    claude = anthropic_models(ROUTES)
    assert [model["id"] for model in claude["data"]] == names
    assert (claude["first_id"], claude["last_id"], claude["has_more"]) == ("fast", "house/big", False)
    assert [model["name"] for model in gemini_models(ROUTES)["models"]] == [f"models/{name}" for name in names]
    assert [model["name"] for model in ollama_tags(ROUTES)["models"]] == names
    assert ollama_version(ROUTES)["version"]


def test_one_model_is_found_in_a_list_by_its_id_or_its_resource_name() -> None:
    found: Any = single(openai_models(ROUTES), "fast")
    assert found["owned_by"] == "house"
    assert single(gemini_models(ROUTES), "house/big") == single(gemini_models(ROUTES), "models/house/big") is not None
    assert single(anthropic_models(ROUTES), "nobody") is None
