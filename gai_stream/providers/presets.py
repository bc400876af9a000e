"""What has to be known of a provider to ask it: one table, data only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

__all__ = ["PRESETS", "KeyHeader", "Preset", "preset"]

KeyHeader: TypeAlias = Literal["authorization", "x-api-key", "x-goog-api-key"]


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach one provider, and how to speak with it.

    `dialect` is a name of the registry: it gives the decoder, the framing and the request's body, to which `options`
    are passed. `base_urls` are tried in this order, each when the one before it failed; `path` goes behind them and may
    hold `{model}` and a query. `key_header` carries the key ("authorization" as a Bearer token), `needs_key` says
    whether these addresses want one. `headers` are sent along.

    `model` answers requests that name none. Where `portable`, other servers speak the same API in an older form and
    under models of their own, so that `model` and `options` hold for `base_urls` only.

    `key_variables` of the environment hold the key, the first that is set; NAME_MODEL and NAME_BASE_URL the rest.
    """

    name: str
    dialect: str
    base_urls: tuple[str, ...]
    path: str
    model: str | None = None
    portable: bool = False
    key_header: KeyHeader = "authorization"
    needs_key: bool = True
    key_variables: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    options: dict[str, Any] = {}

    def variable(self, what: str) -> str:
        """Return the name of the environment variable for `what`, such as "MODEL"."""
        return f"{self.name.upper()}_{what}"

    def is_set(self, env: Mapping[str, str]) -> bool:
        """Tell whether the environment `env` names this provider's key, or a place where it is."""
        names = (*self.key_variables, self.variable("BASE_URL"), self.variable("HOST"))
        return any(env.get(name, "").strip() for name in names)


def _chat(name: str, base_url: str, model: str, **more: Any) -> Preset:
    """Return the preset of a server that speaks OpenAI's Chat Completions."""
    fields = {"dialect": "openai", "key_variables": (f"{name.upper()}_API_KEY",), **more}
    return Preset(name=name, base_urls=(base_url,), path="/chat/completions", model=model, **fields)


_PRESETS: Final = (
    _chat("openai", "https://api.openai.com/v1", "gpt-5.4-mini", portable=True, options={"newest": True}),
    Preset(
        name="anthropic",
        dialect="anthropic",
        base_urls=("https://api.anthropic.com/v1",),
        path="/messages",
        model="claude-sonnet-4-6",
        key_header="x-api-key",
        key_variables=("ANTHROPIC_API_KEY",),
        headers={"anthropic-version": "2023-06-01"},
    ),
    Preset(
        name="gemini",
        dialect="gemini",
        base_urls=("https://generativelanguage.googleapis.com/v1beta",),
        path="/models/{model}:streamGenerateContent?alt=sse",
        model="gemini-2.5-flash",
        key_header="x-goog-api-key",
        key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    ),
    _chat(
        "glm",
        "https://api.z.ai/api/paas/v4",
        "glm-4.7-flash",
        dialect="glm",
        key_variables=("GLM_API_KEY", "ZAI_API_KEY"),
        # It tells the usage unasked.
        options={"usage": False},
    ),
    Preset(
        name="antigravity",
        dialect="antigravity",
        base_urls=(
            "https://daily-cloudcode-pa.googleapis.com",
            "https://daily-cloudcode-pa.sandbox.googleapis.com",
            "https://cloudcode-pa.googleapis.com",
        ),
        path="/v1internal:streamGenerateContent?alt=sse",
        model="gemini-3-flash-preview",
        key_variables=("ANTIGRAVITY_API_KEY",),
    ),
    Preset(
        name="ollama",
        dialect="ollama",
        base_urls=("http://localhost:11434",),
        path="/api/chat",
        model="qwen3:4b",
        needs_key=False,
        key_variables=("OLLAMA_API_KEY",),
    ),
    _chat("deepseek", "https://api.deepseek.com", "deepseek-chat"),
    _chat("groq", "https://api.groq.com/openai/v1", "openai/gpt-oss-120b"),
    _chat("openrouter", "https://openrouter.ai/api/v1", "openai/gpt-oss-120b"),
    # It refuses `stream_options` with 422, and tells the usage unasked; its tool ids are of nine characters.
    _chat(
        "mistral", "https://api.mistral.ai/v1", "mistral-medium-latest", options={"usage": False, "tool_id_length": 9}
    ),
    _chat("xai", "https://api.x.ai/v1", "grok-4"),
)

PRESETS: Final[dict[str, Preset]] = {each.name: each for each in _PRESETS}
"""Every provider that is known by name."""


def preset(name: str) -> Preset:
    """Return the preset called `name`. Raises ValueError, which lists the known names, for any other."""
    if not isinstance(name, str) or name not in PRESETS:
        raise ValueError(f"provider must be one of {', '.join(sorted(PRESETS))}, not {name!r}")
    return PRESETS[name]
