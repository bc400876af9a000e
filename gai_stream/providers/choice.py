"""Which provider to ask: by name, or by what the environment says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from gai_stream.providers.address import base_address, ollama_url
from gai_stream.providers.http import HTTPProvider
from gai_stream.providers.presets import Preset, preset

__all__ = ["create", "from_env"]


def create(*, provider: str, model: str | None = None, api_key: str | None = None, **options: Any) -> HTTPProvider:
    """Return the provider called `provider`, one of `PRESETS`. `options` are those of HTTPProvider.

    Raises ValueError for an unknown name, and for a missing key, which the provider's own address wants.
    """
    chosen = preset(provider)
    if not api_key and _wants_key(chosen, options.get("base_url")):
        raise ValueError(
            f"{provider} needs a key; give it as api_key, or call from_env() to take it from the environment"
        )
    return HTTPProvider(chosen, model=model, api_key=api_key or None, **options)


def from_env(env: Mapping[str, str] | None = None, *, provider: str | None = None, **options: Any) -> HTTPProvider:
    """Return the provider that the environment names, with further `options`, which win over it.

    LLM_PROVIDER is its name ("openai" unless set; `provider` wins), and for each NAME there are NAME_API_KEY,
    NAME_MODEL and NAME_BASE_URL. GOOGLE_API_KEY does for Gemini, ZAI_API_KEY for GLM, and OLLAMA_HOST says where Ollama
    is. A variable that is blank is not set. `env` is os.environ unless given.

    Raises ValueError for an unknown provider, and without a key, unless the base URL leads elsewhere than to the
    provider, where a key may not be needed.
    """
    env = os.environ if env is None else env
    found = {name: stripped for name, value in env.items() if (stripped := value.strip())}
    name = provider or found.get("LLM_PROVIDER", "openai").lower()
    try:
        chosen = preset(name)
    except ValueError as exc:
        raise ValueError(str(exc).replace("provider", "LLM_PROVIDER", 1)) if provider is None else exc from None
    options = {**_settings(chosen, found), **options}
    if not options.get("api_key") and _wants_key(chosen, options.get("base_url")):
        wanted = " (or ".join(chosen.key_variables) + ")" * (len(chosen.key_variables) - 1)
        base_url = chosen.variable("BASE_URL")
        raise ValueError(f"{wanted} is not set; set it, or set {base_url} to a server that needs no key")
    return HTTPProvider(chosen, **options)


def _settings(chosen: Preset, env: Mapping[str, str]) -> dict[str, str]:
    """Return what the environment says of a provider, as options."""
    settings: dict[str, str | None] = {
        "api_key": next((env[name] for name in chosen.key_variables if name in env), None),
        "model": env.get(chosen.variable("MODEL")),
        "base_url": env.get(chosen.variable("BASE_URL")),
    }
    if chosen.name == "ollama" and settings["base_url"] is None and (host := env.get("OLLAMA_HOST")):
        settings["base_url"] = ollama_url(host)
    return {option: value for option, value in settings.items() if value is not None}


def _wants_key(chosen: Preset, base_url: str | None) -> bool:
    if not chosen.needs_key or base_url is None:
        return chosen.needs_key
    return base_address(base_url).host in {base_address(url).host for url in chosen.base_urls}
