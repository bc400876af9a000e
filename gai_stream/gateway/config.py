"""A gateway's settings: from a TOML file, or from the environment alone."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from gai_stream.providers import Provider, ScriptedProvider, create, presets

from .limits import Limits
from .routes import Routes

__all__ = ["TOKEN_VARIABLE", "Settings", "from_env", "load"]

TOKEN_VARIABLE: Final = "GAI_STREAM_TOKEN"  # noqa: S105 (the name of a variable)

_EXAMPLE: Final = """[providers.claude]
preset = "anthropic"
api_key_env = "ANTHROPIC_API_KEY\""""


class _Provider(msgspec.Struct, forbid_unknown_fields=True):
    preset: str | None = None
    model: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None


class _Limits(msgspec.Struct, forbid_unknown_fields=True):
    per_process: int | None = None
    per_key: int | None = None
    retry_after: float = 1.0


class _File(msgspec.Struct, forbid_unknown_fields=True):
    providers: dict[str, _Provider] = {}
    models: dict[str, str] = {}
    default: str | None = None
    limits: _Limits = msgspec.field(default_factory=_Limits)


class Settings(msgspec.Struct, frozen=True):
    """What a gateway is made of: `providers` by name, the first of which is a page's choice.

    `models` and `default` are those of `Routes`. `token` is None where everybody may ask.
    """

    providers: dict[str, Provider]
    models: dict[str, str] = {}
    default: str | None = None
    limits: Limits = msgspec.field(default_factory=Limits)
    token: str | None = None

    def routes(self) -> Routes:
        """Return the way from a model's name to its provider."""
        return Routes(self.providers, models=self.models, default=self.default)


def load(path: str | os.PathLike[str], env: Mapping[str, str] | None = None) -> Settings:
    """Return the settings in the TOML file at `path`:

        default = "claude"                  # who answers for names that fit nothing else

        [providers.claude]
        preset = "anthropic"                # its own name unless given
        api_key_env = "ANTHROPIC_API_KEY"   # the variable that holds its key; the preset's own unless given
        model = "claude-sonnet-4-6"         # base_url = "..." too

        [models]
        "gpt-4*" = "claude"                 # a name, or its beginning: a provider, which is asked for that name,
        fast = "claude/claude-haiku-4-5"    # or a provider and the model to ask for

        [limits]
        per_process = 100                   # open streams
        per_key = 10

    A provider that [models] or `default` name, and [providers] does not, is the preset of that name. The token comes
    from GAI_STREAM_TOKEN. Raises ValueError that names the file, the setting and the fix.
    """
    env = os.environ if env is None else env
    try:
        file = msgspec.convert(tomllib.loads(Path(path).read_text(encoding="utf-8")), _File)
    except OSError as exc:
        raise ValueError(f"{path}: {exc.strerror or exc}") from exc
    except (tomllib.TOMLDecodeError, UnicodeError) as exc:
        raise ValueError(f"{path}: not TOML: {exc}") from exc
    except msgspec.ValidationError as exc:
        raise ValueError(f"{path}: {exc}") from exc
    wanted = dict(file.providers)
    for target in (*file.models.values(), *([file.default] if file.default else ())):
        if (name := target.partition("/")[0]) in presets.PRESETS or name == "scripted":
            wanted.setdefault(name, _Provider())
    if not wanted:
        raise ValueError(f"{path}: names no provider; add one, such as\n{_EXAMPLE}")
    try:
        providers = {name: _configured(name, asked, env) for name, asked in wanted.items()}
        limits = Limits(**msgspec.structs.asdict(file.limits))
        settings = Settings(providers, file.models, file.default, limits, _token(env))
        settings.routes()
    except ValueError as exc:
        raise ValueError(f"{path}: {exc}") from exc
    return settings


def from_env(env: Mapping[str, str] | None = None, *, default: str | None = None) -> Settings:
    """Return the settings of the environment: a provider for each preset whose key is set, and the scripted one.

    `default` answers for names that fit nothing else; None is the one that LLM_PROVIDER names, else the first that has
    a key, else the scripted one. Raises ValueError for a default that lacks its key, or that nobody knows.
    """
    env = os.environ if env is None else env
    found: dict[str, Provider] = {
        name: create(provider=name, env=env) for name, preset in presets.PRESETS.items() if preset.is_set(env)
    }
    found["scripted"] = ScriptedProvider()
    chosen = default or env.get("LLM_PROVIDER", "").strip() or next(iter(found))
    if chosen not in found and chosen not in presets.PRESETS:
        raise ValueError(f"provider must be one of {', '.join(sorted({*found, *presets.PRESETS}))}, not {chosen!r}")
    first = found.pop(chosen, None) or create(provider=chosen, env=env)
    return Settings({chosen: first, **found}, default=chosen, token=_token(env))


def _configured(name: str, asked: _Provider, env: Mapping[str, str]) -> Provider:
    """Return the provider that a file asks for under `name`."""
    preset = asked.preset or name
    if preset == "scripted":
        return ScriptedProvider(name=name, model=asked.model or "scripted")
    options: dict[str, Any] = {
        key: value for key in ("model", "base_url") if (value := getattr(asked, key)) is not None
    }
    if asked.api_key_env is not None:
        options["api_key"] = env.get(asked.api_key_env, "").strip()
        if not options["api_key"]:
            raise ValueError(f"providers.{name}: the variable {asked.api_key_env} (api_key_env) is not set")
    try:
        return create(provider=preset, name=name, env=env, **options)
    except ValueError as exc:
        raise ValueError(f"providers.{name}: {exc}") from exc


def _token(env: Mapping[str, str]) -> str | None:
    return env.get(TOKEN_VARIABLE, "").strip() or None
