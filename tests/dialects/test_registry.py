"""Dialects by name."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from gai_stream.dialects.ag_ui import AGUIDecoder, AGUIEncoder
from gai_stream.dialects.anthropic import AnthropicDecoder, AnthropicEncoder
from gai_stream.dialects.antigravity import AntigravityDecoder, AntigravityEncoder
from gai_stream.dialects.gai import GaiDecoder, GaiEncoder
from gai_stream.dialects.gai_v1 import GaiV1Decoder, GaiV1Encoder
from gai_stream.dialects.gemini import GeminiDecoder, GeminiEncoder
from gai_stream.dialects.glm import GLMDecoder
from gai_stream.dialects.ollama import OllamaDecoder, OllamaEncoder
from gai_stream.dialects.openai import OpenAIDecoder, OpenAIEncoder
from gai_stream.dialects.openai_responses import OpenAIResponsesDecoder, OpenAIResponsesEncoder
from gai_stream.dialects.registry import _DIALECTS, Dialect, dialect, names
from gai_stream.dialects.vercel import VercelDecoder, VercelEncoder
from gai_stream.events import TextDelta


def test_names_are_listed_in_order() -> None:
    assert names() == [
        *("ag_ui", "anthropic", "antigravity", "gai", "gai_v1", "gemini"),
        *("glm", "ollama", "openai", "openai_responses", "vercel"),
    ]


@pytest.mark.parametrize(
    "expected",
    [
        Dialect("ag_ui", "sse", AGUIDecoder, AGUIEncoder),
        Dialect("anthropic", "sse", AnthropicDecoder, AnthropicEncoder),
        Dialect("antigravity", "sse", AntigravityDecoder, AntigravityEncoder),
        Dialect("gai", "sse", GaiDecoder, GaiEncoder),
        Dialect("gai_v1", "sse", GaiV1Decoder, GaiV1Encoder),
        Dialect("gemini", "sse", GeminiDecoder, GeminiEncoder),
        Dialect("glm", "sse", GLMDecoder, None),
        Dialect("ollama", "ndjson", OllamaDecoder, OllamaEncoder),
        Dialect("openai", "sse", OpenAIDecoder, OpenAIEncoder),
        Dialect("openai_responses", "sse", OpenAIResponsesDecoder, OpenAIResponsesEncoder),
        Dialect("vercel", "sse", VercelDecoder, VercelEncoder),
    ],
)
def test_a_dialect_is_its_framing_and_its_two_transforms(expected: Dialect) -> None:
    assert dialect(expected.name) == expected


@pytest.mark.parametrize("name", [name for name in names() if dialect(name).encoder is not None])
def test_every_encoder_is_made_without_options_and_has_a_heartbeat(name: str) -> None:
    encoder = dialect(name).encoder
    assert encoder is not None
    made: Any = encoder()
    heartbeat = made.heartbeat() if callable(made.heartbeat) else made.heartbeat
    assert heartbeat is None or isinstance(heartbeat, bytes)
    assert made.feed(TextDelta("x"))
    assert made.finish()


def test_a_dialect_may_go_one_way_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_DIALECTS, "one_way", ("ndjson", "gai", None, "GaiEncoder"))
    monkeypatch.setitem(_DIALECTS, "other_way", ("ndjson", "gai", "GaiDecoder", None))
    assert dialect("one_way") == Dialect("one_way", "ndjson", None, GaiEncoder)
    assert dialect("other_way") == Dialect("other_way", "ndjson", GaiDecoder, None)


@pytest.mark.parametrize("name", ["", "GAI", "gai-v1", None, ["gai"]])
def test_an_unknown_name_is_refused_with_the_known_ones(name: Any) -> None:
    with pytest.raises(ValueError, match=rf"^dialect must be one of {', '.join(names())}, not "):
        dialect(name)


def test_asking_for_one_dialect_imports_no_other() -> None:
    code = (
        "import sys; from gai_stream.dialects.registry import dialect; dialect('gai'); "
        "print([name for name in sorted(sys.modules) if name.startswith('gai_stream.dialects.') and '._' not in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['gai_stream.dialects.gai', 'gai_stream.dialects.registry']"
