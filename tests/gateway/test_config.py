"""Settings out of a TOML file, or out of the environment alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gai_stream.gateway.config import from_env, load

KEYS = {"ANTHROPIC_API_KEY": "sk-claude", "GROQ_API_KEY": "sk-groq", "MY_KEY": "sk-mine"}
FILE = """
default = "claude"

[providers.claude]
preset = "anthropic"
model = "claude-haiku-4-5"

[providers.inner]
preset = "openai"
base_url = "http://127.0.0.1:9/v1"
api_key_env = "MY_KEY"

[providers.house]
preset = "scripted"
model = "big"

[models]
"gpt-4*" = "inner"
fast = "groq/openai/gpt-oss-20b"
demo = "scripted"

[limits]
per_process = 2
per_key = 1
retry_after = 2.5
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "gateway.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_says_who_answers_for_what(tmp_path: Path) -> None:
    settings = load(written(tmp_path, FILE), {**KEYS, "GAI_STREAM_TOKEN": " s3cret "})
    told = {name: (each.name, getattr(each, "model", None)) for name, each in settings.providers.items()}
    assert told == {
        "claude": ("claude", "claude-haiku-4-5"),
        "inner": ("inner", None),
        "house": ("house", "big"),
        "groq": ("groq", "openai/gpt-oss-120b"),
        "scripted": ("scripted", "scripted"),
    }
    routes = settings.routes()
    for model, provider, asked in (
        ("gpt-4o", "inner", "gpt-4o"),
        ("fast", "groq", "openai/gpt-oss-20b"),
        ("demo", "scripted", None),
        ("nobody-knows", "claude", "nobody-knows"),
    ):
        route = routes.find(model)
        assert (route.provider.name, route.model) == (provider, asked)
    assert settings.token == "s3cret"
    settings.limits.enter("a")
    with pytest.raises(Exception, match="1 streams open already") as raised:
        settings.limits.enter("a")
    assert raised.value.retry_after == 2.5  # type: ignore[attr-defined]


def test_a_file_without_a_default_answers_for_what_it_names_alone(tmp_path: Path) -> None:
    settings = load(written(tmp_path, "[providers.scripted]"), {})
    assert (settings.default, settings.token) == (None, None)
    with pytest.raises(Exception, match="'x' is not served here"):
        settings.routes().find("x")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", "not TOML: "),
        ("", "names no provider; add one, such as"),
        ("[providers]\nx = 1", r"Expected `object`, got `int` - at `\$.providers\[...\]`"),
        ('[providers.x]\napi_key = "sk-1"', "Object contains unknown field `api_key`"),
        ("[limits]\nper_minute = 1", "Object contains unknown field `per_minute`"),
        ("[providers.x]", "providers.x: provider must be one of anthropic, "),
        ("[providers.xai]", "providers.xai: XAI_API_KEY is not set"),
        ('[providers.xai]\napi_key_env = "NONE"', r"providers.xai: the variable NONE \(api_key_env\) is not set"),
        ('[providers.xai]\nbase_url = "nowhere"', "providers.xai: base_url must"),
        ('default = "nobody"\n[providers.scripted]', "default must be one of scripted, not 'nobody'"),
        ('[providers.scripted]\n[models]\nx = "y"', r"models\['x'\] must be one of scripted"),
        ("[providers.scripted]\n[limits]\nper_key = 0", "per_key must be a number of streams"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_name(text: str, reason: str, tmp_path: Path) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ValueError, match=rf"gateway\.toml: {reason}"):
        load(file, KEYS)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing: No such file or directory"):
        load(tmp_path / "nothing", {})
    file = tmp_path / "binary"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="binary: not TOML: "):
        load(file, {})


@pytest.mark.parametrize(
    ("env", "options", "names"),
    [
        ({}, {}, ["scripted"]),
        ({"OPENAI_API_KEY": "  "}, {}, ["scripted"]),
        ({"OPENAI_API_KEY": "sk-1"}, {}, ["openai", "scripted"]),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, {}, ["openai", "scripted"]),
        (KEYS, {}, ["anthropic", "groq", "scripted"]),
        ({**KEYS, "LLM_PROVIDER": "groq"}, {}, ["groq", "anthropic", "scripted"]),
        ({**KEYS, "LLM_PROVIDER": "groq"}, {"default": "scripted"}, ["scripted", "anthropic", "groq"]),
        ({"LLM_PROVIDER": "ollama"}, {}, ["ollama", "scripted"]),
    ],
)
def test_the_environment_has_a_provider_for_each_key_and_the_default_comes_first(
    env: dict[str, str], options: dict[str, Any], names: list[str]
) -> None:
    settings = from_env(env, **options)
    assert list(settings.providers) == names
    assert settings.default == names[0]
    assert settings.token is None


@pytest.mark.parametrize(
    ("name", "reason"), [("xai", "^XAI_API_KEY is not set"), ("claude", "^provider must be one of anthropic, ")]
)
def test_a_default_that_cannot_answer_is_told(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        from_env({}, default=name)
    with pytest.raises(ValueError, match=reason):
        from_env({"LLM_PROVIDER": name})
