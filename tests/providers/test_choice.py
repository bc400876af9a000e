"""Which provider the environment names."""

from __future__ import annotations

import os
from typing import Any

import pytest

from gai_stream.providers import PRESETS, HTTPProvider, create, from_env

KEY = "sk-very-secret-0123456789"


def key_of(provider: HTTPProvider) -> str | None:
    headers = provider._headers
    names = ("authorization", "x-api-key", "x-goog-api-key")
    return next((headers[name].removeprefix("Bearer ") for name in names if name in headers), None)


@pytest.fixture
def empty_env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in os.environ:
        if name.startswith(("LLM_", "OLLAMA_", *(f"{name.upper()}_" for name in PRESETS))):
            monkeypatch.delenv(name)
    return monkeypatch


# --- from_env ---


def test_openai_is_the_default(empty_env: pytest.MonkeyPatch) -> None:
    empty_env.setenv("OPENAI_API_KEY", f" {KEY}\n")
    provider = from_env()
    assert repr(provider) == "<HTTPProvider 'openai' at api.openai.com, model 'gpt-5.4-mini'>"
    assert key_of(provider) == KEY


@pytest.mark.parametrize("name", PRESETS)
def test_every_provider_has_its_key_model_and_base_url(name: str) -> None:
    env = {
        "LLM_PROVIDER": name.upper(),
        f"{name.upper()}_API_KEY": KEY,
        f"{name.upper()}_MODEL": "m",
        f"{name.upper()}_BASE_URL": "http://x.test/v1",
    }
    provider = from_env(env)
    assert repr(provider) == f"<HTTPProvider {name!r} at x.test, model 'm'>"
    assert key_of(provider) == KEY
    del env[f"{name.upper()}_MODEL"], env[f"{name.upper()}_BASE_URL"]
    assert from_env(env).model == PRESETS[name].model


@pytest.mark.parametrize(
    ("name", "first", "second"), [("gemini", "GEMINI_API_KEY", "GOOGLE_API_KEY"), ("glm", "GLM_API_KEY", "ZAI_API_KEY")]
)
def test_a_second_name_of_the_key_does_where_the_first_is_not_set(name: str, first: str, second: str) -> None:
    assert key_of(from_env({"LLM_PROVIDER": name, first: " ", second: KEY})) == KEY
    assert key_of(from_env({"LLM_PROVIDER": name, first: "first-key", second: KEY})) == "first-key"


def test_ollama_needs_no_key_and_is_where_its_host_says() -> None:
    provider = from_env({"LLM_PROVIDER": "ollama"})
    assert repr(provider) == "<HTTPProvider 'ollama' at localhost:11434, model 'qwen3:4b'>"
    assert key_of(provider) is None
    assert from_env({"LLM_PROVIDER": "ollama", "OLLAMA_HOST": "gpu:1"})._bases[0] == "http://gpu:1"
    env = {"LLM_PROVIDER": "ollama", "OLLAMA_HOST": "gpu:1", "OLLAMA_BASE_URL": "http://other"}
    assert from_env(env)._bases[0] == "http://other"
    assert from_env({"OLLAMA_HOST": "gpu:1", "OPENAI_API_KEY": KEY})._bases[0].host == "api.openai.com"


def test_antigravity_has_a_project() -> None:
    env = {"LLM_PROVIDER": "antigravity", "ANTIGRAVITY_API_KEY": KEY, "ANTIGRAVITY_PROJECT": "p"}
    assert from_env(env)._options == {"project": "p"}
    assert from_env(env, options={"project": "q"})._options == {"project": "q"}


@pytest.mark.parametrize("name", ["parrot", "scripted"])
def test_an_unknown_provider_is_one_clear_sentence(name: str) -> None:
    text = f"LLM_PROVIDER must be one of {', '.join(sorted(PRESETS))}, not {name!r}"
    with pytest.raises(ValueError, match=r"^LLM_PROVIDER must be one of ") as caught:
        from_env({"LLM_PROVIDER": name})
    assert str(caught.value) == text


@pytest.mark.parametrize("env", [{}, {"OPENAI_API_KEY": " "}, {"OPENAI_BASE_URL": "https://api.openai.com/v1"}])
def test_a_missing_key_is_one_clear_sentence(env: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^OPENAI_API_KEY is not set; ") as caught:
        from_env(env)
    assert str(caught.value) == (
        "OPENAI_API_KEY is not set; set it, give api_key, or set OPENAI_BASE_URL to a server that needs no key"
    )
    with pytest.raises(ValueError, match=r"^GEMINI_API_KEY and GOOGLE_API_KEY are not set; set one of them, give api_"):
        from_env({"LLM_PROVIDER": "gemini"})


def test_another_server_needs_no_key_and_chooses_its_model() -> None:
    provider = from_env({"OPENAI_BASE_URL": "http://localhost:11434/v1"})
    assert provider.model is None
    assert key_of(provider) is None


def test_options_win_over_the_environment() -> None:
    env = {"OPENAI_MODEL": "m", "OPENAI_API_KEY": "other", "OPENAI_BASE_URL": "http://x"}
    provider = from_env(env, api_key=KEY, model="n", base_url="http://y", name="mine")
    assert repr(provider) == "<HTTPProvider 'mine' at y, model 'n'>"
    assert key_of(provider) == KEY


# --- create ---


def test_a_provider_by_name_model_and_key() -> None:
    provider = create(provider="anthropic", model="claude", api_key=KEY, env={})
    assert repr(provider) == "<HTTPProvider 'anthropic' at api.anthropic.com, model 'claude'>"
    assert key_of(provider) == KEY


def test_what_is_not_given_comes_from_the_environment(empty_env: pytest.MonkeyPatch) -> None:
    empty_env.setenv("GROQ_API_KEY", KEY)
    empty_env.setenv("GROQ_MODEL", "m")
    provider = create(provider="groq")
    assert (key_of(provider), provider.model) == (KEY, "m")
    assert create(provider="groq", model="n").model == "n"


@pytest.mark.parametrize("key", [None, ""])
def test_create_needs_a_key_too(key: str | None) -> None:
    with pytest.raises(ValueError, match=r"^XAI_API_KEY is not set; set it, give api_key, or set XAI_BASE_URL to a "):
        create(provider="xai", api_key=key, env={})
    assert key_of(create(provider="xai", base_url="http://proxy", env={})) is None


@pytest.mark.parametrize("name", ["parrot", None])
def test_create_knows_the_presets_only(name: Any) -> None:
    with pytest.raises(ValueError, match=r"^provider must be one of anthropic, antigravity, "):
        create(provider=name, api_key=KEY)


def test_an_option_that_nobody_knows_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        create(provider="openai", api_key=KEY, colour="red")
