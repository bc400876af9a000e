"""Which provider answers for a model's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from gai_stream.exceptions import ProviderError
from gai_stream.providers import Provider

__all__ = ["Route", "Routes"]

# What people call a provider, beside its own name.
_ALIASES: Final = {"claude": "anthropic", "google": "gemini", "zai": "glm", "grok": "xai"}

# Whose models begin so. A provider's own name before a slash, and your mapping, come first.
_FAMILIES: Final = {
    **dict.fromkeys(("gpt-", "chatgpt-", "o1", "o3", "o4"), "openai"),
    "claude-": "anthropic",
    "gemini-": "gemini",
    "glm-": "glm",
    "deepseek-": "deepseek",
    "grok-": "xai",
    **dict.fromkeys(("mistral-", "ministral-", "magistral-", "codestral-"), "mistral"),
}


class Route(NamedTuple):
    """Who answers, and by which model: None is the provider's own choice."""

    provider: Provider
    model: str | None


class Routes:
    """Find the provider for a model's name.

    `models` maps names to "provider" or "provider/model"; a name that ends with `*` stands for all that begin so, and
    the longest one that fits counts. Then "provider/model" itself is understood, then the well-known families ("gpt-4"
    is OpenAI's where OpenAI is among the providers), and whatever is left goes to `default`, if there is one.

    Raises ValueError for a target that names no provider, naming it.
    """

    def __init__(
        self, providers: Mapping[str, Provider], *, models: Mapping[str, str] | None = None, default: str | None = None
    ) -> None:
        if not providers:
            raise ValueError("providers must not be empty: a gateway needs somebody to ask")
        self.providers = dict(providers)
        self._models = dict(models or {})
        for name, target in self._models.items():
            if not isinstance(target, str) or self._provider(target.partition("/")[0]) is None:
                raise ValueError(
                    f"models[{name!r}] must be one of {self._names()}, or one of them with /model behind it"
                )
        if default is not None and self._provider(default) is None:
            raise ValueError(f"default must be one of {self._names()}, not {default!r}")
        self._default = default
        self._patterns = sorted((name for name in self._models if name.endswith("*")), key=len, reverse=True)

    def find(self, model: str) -> Route:
        """Return who answers for `model`. Raises ProviderError (404) for a name that nobody has."""
        target = self._models.get(model)
        if target is None:
            target = next((self._models[name] for name in self._patterns if model.startswith(name[:-1])), None)
            if target is not None and "/" not in target:
                return self._route(target, model)
        if target is not None:
            name, _, rest = target.partition("/")
            return self._route(name, rest or None)
        name, _, rest = model.partition("/")
        if self._provider(name) is not None:
            return self._route(name, rest or None)
        family = next((owner for prefix, owner in _FAMILIES.items() if model.startswith(prefix)), None)
        if family in self.providers:
            return Route(self.providers[family], model)
        if self._default is not None:
            return self._route(self._default, model)
        raise ProviderError(
            "not_found", f"the model {model[:80]!r} is not served here; GET /v1/models lists those that are"
        )

    def models(self) -> dict[str, str]:
        """Return the names that can be asked for as they are, each with its provider's name."""
        found = {name: target.partition("/")[0] for name, target in self._models.items() if not name.endswith("*")}
        for name, provider in self.providers.items():
            model = getattr(provider, "model", None)
            found.setdefault(f"{name}/{model}" if model else name, name)
        return found

    def _route(self, name: str, model: str | None) -> Route:
        provider = self._provider(name)
        assert provider is not None  # noqa: S101 (checked when built, or by the caller)
        return Route(provider, model)

    def _provider(self, name: str) -> Provider | None:
        return self.providers.get(name) or self.providers.get(_ALIASES.get(name, ""))

    def _names(self) -> str:
        return ", ".join(sorted(self.providers))
