"""What an import loads, by name: nothing heavy comes with what did not ask for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import gai_stream
from gai_stream import ndjson, sse

# Slow to load, and nothing that reads or writes a stream of bytes needs them.
HEAVY = {
    *("asyncio", "concurrent", "ctypes", "email", "html", "http", "logging", "multiprocessing", "selectors", "socket"),
    *("sqlite3", "ssl", "subprocess", "tempfile", "threading", "unittest", "urllib", "xml"),
}

READS_SSE = {"sse", "sse.blocks", "sse.decoder", "sse.lines", "sse.message", "exceptions", "_options"}
READS_NDJSON = {"ndjson", "ndjson.decoder", "exceptions", "_options"}
WRITES_SSE = {"sse", "sse.encoder", "sse.message", "exceptions", "_json"}
WRITES_NDJSON = {"ndjson", "ndjson.encoder", "exceptions", "_json"}


def loaded(code: str) -> set[str]:
    """Return the modules that `code` loads in a fresh interpreter, beyond those that any has."""
    program = f"import sys; before = set(sys.modules); {code}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("code", "rooms", "libraries"),
    [
        ("import gai_stream", set(), set()),
        ("import gai_stream.sse", {"sse"}, set()),
        ("import gai_stream.ndjson", {"ndjson"}, set()),
        ("from gai_stream.sse import ServerSentEvent", {"sse", "sse.message", "exceptions"}, {"msgspec"}),
        ("from gai_stream.sse import SSEDecoder", READS_SSE, {"msgspec"}),
        ("from gai_stream.sse import SSEEncoder", WRITES_SSE, {"msgspec", "orjson"}),
        ("from gai_stream.ndjson import NDJSONDecoder", READS_NDJSON, {"orjson"}),
        ("from gai_stream.ndjson import NDJSONEncoder", WRITES_NDJSON, {"msgspec", "orjson"}),
        ("from gai_stream import pipe", {"transform"}, set()),
        ("from gai_stream import TextDelta", {"events", "exceptions", "_json"}, {"msgspec", "orjson"}),
    ],
)
def test_statement_loads_only_what_it_asks_for(code: str, rooms: set[str], libraries: set[str]) -> None:
    names = loaded(code)
    roots = {name.partition(".")[0] for name in names}
    # msgspec takes typing_extensions where there is one.
    assert roots - sys.stdlib_module_names - {"gai_stream", "typing_extensions"} == libraries
    assert {name for name in names if name.startswith("gai_stream.")} == {f"gai_stream.{room}" for room in rooms}
    assert not roots & HEAVY


@pytest.mark.parametrize("package", ["gai_stream", "gai_stream.sse", "gai_stream.ndjson"])
def test_package_loads_no_module_but_itself(package: str) -> None:
    assert loaded(f"import {package}") <= {"__future__", "gai_stream", package}


@pytest.mark.parametrize("code", ["from gai_stream.sse import SSEDecoder", "from gai_stream import TextDelta"])
def test_program_pays_for_json_only_where_it_writes_some(code: str) -> None:
    assert ("json" in loaded(code)) == ("TextDelta" in code)


@pytest.mark.parametrize("package", [gai_stream, sse, ndjson])
def test_package_names_what_it_has_and_nothing_else(package: object) -> None:
    names = set(package.__all__)  # type: ignore[attr-defined]
    assert names <= set(dir(package))
    for name in names:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match=r"module 'gai_stream[.\w]*' has no attribute 'nothing'"):
        package.nothing  # type: ignore[attr-defined] # noqa: B018
