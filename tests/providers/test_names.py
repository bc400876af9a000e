"""The names of the providers' room, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gai_stream import providers


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_every_public_name_is_there() -> None:
    assert all(getattr(providers, name) is not None for name in providers.__all__)
    assert len(set(providers.__all__)) == len(providers.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'gai_stream.providers' has no attribute 'Parrot'$"):
        _ = providers.Parrot


def test_the_scripted_provider_needs_no_http_client() -> None:
    code = "import sys; from gai_stream.providers import ScriptedProvider; print('httpx2' in sys.modules)"
    assert run(code) == "False"


@pytest.mark.parametrize("name", ["HTTPProvider", "create", "from_env"])
def test_without_the_extra_the_error_says_what_to_install(name: str) -> None:
    code = f"""
import sys
sys.modules["httpx2"] = None
from gai_stream.providers import PRESETS, ScriptedProvider
try:
    from gai_stream.providers import {name}
except ImportError as exc:
    print(exc)
"""
    assert run(code) == f"{name} needs httpx2; pip install 'gai-stream[providers]'"


def test_another_missing_module_is_not_blamed_on_the_extra() -> None:
    code = """
import sys
sys.modules["gai_stream.providers.exchange"] = None
try:
    from gai_stream.providers import HTTPProvider
except ModuleNotFoundError as exc:
    print(exc.name)
"""
    assert run(code) == "gai_stream.providers.exchange"
