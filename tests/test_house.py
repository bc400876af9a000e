"""The house itself: what is public, what an import costs, and the habits that a machine can see."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.resources
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

import gai_stream
from gai_stream import events, exceptions

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "gai_stream"
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

TOOLKIT = {
    *("Transform", "pipe"),
    *("ServerSentEvent", "SSEDecoder", "SSEEncoder", "NDJSONDecoder", "NDJSONEncoder"),
    *("Reader", "stream_to_channel", "Writer"),
    *("StreamResponse", "sse_response", "ndjson_response", "stream_response", "last_event_id"),
    *("sse_handler", "ndjson_handler", "stream_handler"),
}
EVENTS = {"Event", "Citation", "Usage", *(event.__name__ for event in get_args(events.Event))}
ERRORS = {name for name, value in vars(exceptions).items() if inspect.isclass(value) and issubclass(value, Exception)}


def rooms() -> list[Path]:
    """Every module of the package, as a path below it."""
    return sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def our_files() -> Iterator[Path]:
    """Every file that a clone has and a tool has not made."""
    made = re.compile(r"\.(?!ci$|gitignore$).*|__pycache__|build|dist|node_modules|.*\.egg-info")
    for path in sorted(ROOT.iterdir()):
        if not made.fullmatch(path.name):
            inner = path.rglob("*") if path.is_dir() else [path]
            made_inside = {"__pycache__", "dist", "node_modules"}
            yield from (file for file in inner if file.is_file() and not made_inside & {*file.parts})


def python(code: str) -> None:
    """Run `code` in an interpreter of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def homes_of_tests(room: Path) -> Iterator[Path]:
    """Where the tests of `room` may stand: in a file of its name, or of the folder's that it is a part of."""
    tests = ROOT / "tests"
    yield tests / room.parent / f"test_{room.name}"
    if room.parent.name not in ("", "dialects", "providers", "replay"):
        yield tests / room.parent.with_name(f"test_{room.parent.name}.py")


def floor(requirement: str) -> tuple[str, str]:
    """Return the name and the lowest version of a requirement."""
    found = re.match(r"([\w.-]+)(?:\[[\w,]+\])?>=([\w.]+)", requirement)
    assert found, f"{requirement}: give a lowest version"
    return found[1], found[2]


# What is public


def test_public_names_are_the_toolkit_the_events_and_the_errors() -> None:
    assert set(gai_stream.__all__) == TOOLKIT | EVENTS | ERRORS | {"__version__"}
    assert len(gai_stream.__all__) == len(set(gai_stream.__all__))


@pytest.mark.parametrize("name", sorted(set(gai_stream.__all__) - {"__version__"}))
def test_public_name_is_the_one_its_room_exports(name: str) -> None:
    imported = {
        alias.name: node.module
        for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    room = importlib.import_module(f"gai_stream.{imported[name]}")
    assert name in room.__all__
    assert getattr(gai_stream, name) is getattr(room, name)
    assert name in dir(gai_stream)


@pytest.mark.parametrize("name", sorted(set(gai_stream.__all__) - {"__version__", "Event"}))
def test_public_name_says_what_it_is_for(name: str) -> None:
    assert inspect.getdoc(getattr(gai_stream, name))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'gai_stream' has no attribute 'nothing'"):
        gai_stream.nothing  # noqa: B018


def test_version_is_the_one_that_is_packaged() -> None:
    assert gai_stream.__version__ == PYPROJECT["project"]["version"]
    assert gai_stream.__version__ == importlib.metadata.version("gai-stream")


def test_types_are_shipped() -> None:
    assert importlib.resources.files("gai_stream").joinpath("py.typed").is_file()


# What an import costs


def test_importing_the_package_loads_no_room_and_no_library() -> None:
    python(
        "import sys, gai_stream\n"
        "assert not [name for name in sys.modules if name.startswith('gai_stream.')]\n"
        "assert not {'anyio', 'asyncio', 'httpx2', 'msgspec', 'orjson', 'starlette'} & set(sys.modules)"
    )


@pytest.mark.parametrize("name", ["Event", "NDJSONDecoder", "NDJSONEncoder", "SSEDecoder", "SSEEncoder", "pipe"])
def test_pure_names_load_no_event_loop_and_no_framework(name: str) -> None:
    python(
        f"import sys; from gai_stream import {name}\n"
        "assert not {'anyio', 'asyncio', 'trio', 'starlette', 'httpx2'} & set(sys.modules)"
    )


@pytest.mark.parametrize("name", ["Reader", "stream_to_channel", "Writer"])
def test_streams_load_no_framework(name: str) -> None:
    python(f"import sys; from gai_stream import {name}\nassert not {{'starlette', 'httpx2'}} & set(sys.modules)")


# How rooms look


@pytest.mark.parametrize("room", rooms(), ids=str)
def test_room_holds_one_idea(room: Path) -> None:
    lines = (PACKAGE / room).read_text(encoding="utf-8").count("\n")
    assert lines <= 350, f"{room}: {lines} lines; two ideas in one file, or a folder of that name?"


@pytest.mark.parametrize("room", rooms(), ids=str)
def test_room_has_a_name_that_says_something(room: Path) -> None:
    empty = re.compile(r"_*(utils?|helpers?|common|base|managers?|core|misc)", re.IGNORECASE)
    assert not [part for part in room.with_suffix("").parts if empty.fullmatch(part)]


@pytest.mark.parametrize("room", [room for room in rooms() if not room.name.startswith("_")], ids=str)
def test_room_has_a_test_file_of_its_name(room: Path) -> None:
    homes = [*homes_of_tests(room)]
    assert any(home.is_file() for home in homes), [str(home.relative_to(ROOT)) for home in homes]


# Habits


def test_tests_never_sleep_real_time() -> None:
    sleep = re.compile(r"(time|asyncio|anyio|trio)\.sleep\((0?\.[0-9]+|[1-9])")
    assert [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if sleep.search(line)
    ] == []


def test_nothing_names_a_machine_or_a_registry() -> None:
    place = re.compile(
        r"(?<![\w.~/-])/(?:work|root|home|Users)/"
        r"|(?:pypi|npmjs|crates|rubygems)\.(?:org|com|io)\b|pythonhosted\.org|\b(?:ghcr|quay)\.io\b|proxy\.golang\.org"
    )
    assert [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in our_files()
        if (found := place.search(path.read_text(encoding="utf-8", errors="replace")))
    ] == []


def test_lowest_versions_are_the_ones_that_are_promised() -> None:
    project = PYPROJECT["project"]
    promised = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    pins = dict(
        line.split("==")
        for line in (ROOT / ".ci" / "lowest.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    for requirement in promised:
        if not requirement.startswith("gai-stream["):
            name, version = floor(requirement)
            assert pins.get(name) == version, f"{name}: {version} in pyproject.toml, {pins.get(name)} in .ci/lowest.txt"
