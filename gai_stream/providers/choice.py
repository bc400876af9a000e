"""Which provider to ask: by name, or by what the environment says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from gai_stream.providers.address import base_address, ollama_url
from gai_stream.providers.http import HTTPProvider
from gai_stream.providers.presets import PRESETS, Preset, preset

__all__ = ["create", "from_env"]


def create(
    *,
    provider: str,
    model: str | None = None,
    api_key: str | None = None,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> HTTPProvider:
    """Return the provider called `provider`, a name of `PRESETS`. `options` are those of HTTPProvider.

    What is not given comes from the environment (`env` is os.environ unless given): NAME_API_KEY, NAME_MODEL and
    NAME_BASE_URL. GOOGLE_API_KEY does for Gemini, ZAI_API_KEY for GLM, OLLAMA_HOST says where Ollama is, and
    ANTIGRAVITY_PROJECT is the account's. A variable that is blank is not set.

    Raises ValueError for an unknown name, and without a key, unless the base URL leads elsewhere than to the provider,
    where none may be needed.
    """
    chosen = preset(provider)
    env = os.environ if env is None else env
    found = {name: stripped for name, value in env.items() if (stripped := value.strip())}
    base_url = options.pop("base_url", None) or _base_url(chosen, found)
    api_key = api_key or next((found[name] for name in chosen.key_variables if name in found), None)
    if api_key is None and _wants_key(chosen, base_url):
        raise ValueError(
            f"{' and '.join(chosen.key_variables)} {'are' if len(chosen.key_variables) > 1 else 'is'} not set; "
            f"set {'one of them' if len(chosen.key_variables) > 1 else 'it'}, give api_key, "
            f"or set {chosen.variable('BASE_URL')} to a server that needs no key"
        )
    if (project := found.get(chosen.variable("PROJECT"))) and chosen.dialect == "antigravity":
        options["options"] = {"project": project, **(options.get("options") or {})}
    model = model or found.get(chosen.variable("MODEL"))
    return HTTPProvider(chosen, model=model, api_key=api_key, base_url=base_url, **options)


def from_env(env: Mapping[str, str] | None = None, **options: Any) -> HTTPProvider:
    """Return the provider that LLM_PROVIDER names, "openai" unless set, as `create` makes it. `options` win.

    Raises ValueError for an unknown provider, and as `create` does.
    """
    env = os.environ if env is None else env
    name = env.get("LLM_PROVIDER", "").strip().lower() or "openai"
    if name not in PRESETS:
        raise ValueError(f"LLM_PROVIDER must be one of {', '.join(sorted(PRESETS))}, not {name!r}")
    return create(provider=name, env=env, **options)


def _base_url(chosen: Preset, env: Mapping[str, str]) -> str | None:
    if (url := env.get(chosen.variable("BASE_URL"))) is not None:
        return url
    return ollama_url(env["OLLAMA_HOST"]) if chosen.name == "ollama" and "OLLAMA_HOST" in env else None


def _wants_key(chosen: Preset, base_url: str | None) -> bool:
    if not chosen.needs_key or base_url is None:
        return chosen.needs_key
    return base_address(base_url).host in {base_address(url).host for url in chosen.base_urls}
