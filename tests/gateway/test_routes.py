"""Which provider answers for a name."""

from __future__ import annotations

import pytest

from gai_stream.exceptions import ProviderError
from gai_stream.gateway import Routes
from gai_stream.providers import ScriptedProvider

OPENAI, CLAUDE, HOUSE = (ScriptedProvider(name=name, model=f"{name}-1") for name in ("openai", "anthropic", "house"))
PROVIDERS = {"openai": OPENAI, "anthropic": CLAUDE, "house": HOUSE}


def routes(**options: object) -> Routes:
    return Routes(PROVIDERS, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "provider", "model"),
    [
        ("openai/gpt-5", OPENAI, "gpt-5"),
        ("house/a/b", HOUSE, "a/b"),
        ("house", HOUSE, None),
        ("house/", HOUSE, None),
        ("claude/claude-opus-4-8", CLAUDE, "claude-opus-4-8"),
        ("claude", CLAUDE, None),
        ("gpt-4", OPENAI, "gpt-4"),
        ("o3-mini", OPENAI, "o3-mini"),
        ("claude-sonnet-4-6", CLAUDE, "claude-sonnet-4-6"),
        ("fast", HOUSE, None),
        ("slow", CLAUDE, "claude-opus-4-8"),
        ("mine-3", HOUSE, "mine-3"),
        ("mine-large-3", CLAUDE, "big"),
    ],
)
def test_a_name_finds_its_provider_and_the_model_to_ask_for(
    asked: str, provider: ScriptedProvider, model: str | None
) -> None:
    models = {"fast": "house", "slow": "claude/claude-opus-4-8", "mine-*": "house", "mine-large-*": "anthropic/big"}
    assert routes(models=models).find(asked) == (provider, model)


def test_your_mapping_comes_before_a_providers_own_name_and_the_families() -> None:
    models = {"gpt-4": "house/x", "openai/gpt-5": "house/y", "claude-*": "house"}
    mapped = routes(models=models)
    assert mapped.find("gpt-4") == (HOUSE, "x")
    assert mapped.find("openai/gpt-5") == (HOUSE, "y")
    assert mapped.find("claude-3") == (HOUSE, "claude-3")


def test_what_is_left_goes_to_the_default_under_its_own_name() -> None:
    assert routes(default="house").find("nobody/knows") == (HOUSE, "nobody/knows")
    assert routes(default="claude").find("glm-4") == (CLAUDE, "glm-4")


def test_a_name_that_nobody_has_is_not_found() -> None:
    with pytest.raises(
        ProviderError, match=r"^the model 'glm-4' is not served here; GET /v1/models lists those"
    ) as raised:
        routes().find("glm-4")
    assert (raised.value.code, raised.value.status) == ("not_found", 404)


def test_the_list_has_your_names_and_each_providers_model() -> None:
    listed = routes(models={"fast": "house", "gpt-*": "openai"}).models()
    assert listed == {
        "fast": "house",
        "openai/openai-1": "openai",
        "anthropic/anthropic-1": "anthropic",
        "house/house-1": "house",
    }


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"models": {"x": "nobody/y"}}, r"models\['x'\] must be one of anthropic, house, openai, or one of them with"),
        ({"models": {"x": 1}}, r"models\['x'\] must be one of"),
        ({"default": "nobody"}, "default must be one of anthropic, house, openai, not 'nobody'"),
    ],
)
def test_a_target_that_names_no_provider_is_refused(options: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        routes(**options)


def test_nobody_to_ask_is_refused() -> None:
    with pytest.raises(ValueError, match="providers must not be empty"):
        Routes({})
