"""What the README shows is what happens: its apps are asked, and its tables are held against the code.

Its Python is also run by `test_docs.py`, block by block, and its browser clients in Chromium by
`browser/test_readme_clients.py`.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from ast import literal_eval
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import msgspec
import pytest
from starlette.exceptions import HTTPException

from gai_stream import (
    DecodeError,
    Event,
    LimitExceeded,
    NDJSONDecoder,
    NDJSONEncoder,
    ProviderError,
    Reader,
    ServerSentEvent,
    SSEDecoder,
    SSEEncoder,
    StreamResponse,
    TruncatedStream,
    Writer,
    ndjson_response,
    sse_response,
    stream_response,
)
from gai_stream.asgi.streams import StreamOptions
from gai_stream.dialects import registry
from gai_stream.dialects.gai import GaiDecoder, GaiEncoder
from gai_stream.testing import ASGIClient, failing_source

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOOLKIT = (ROOT / "docs" / "toolkit.md").read_text(encoding="utf-8")

QUESTION = "why is the sky blue? Grüße, 🚀"


def python_block(*parts: str) -> str:
    """Return the first Python block of the README that holds all `parts`."""
    for block in re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        if all(part in block for part in parts):
            return str(block)
    raise AssertionError(f"the README has no Python block with {', '.join(parts)}")


def load(source: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Run a block as a module."""
    module = ModuleType("readme_block")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, "README.md", "exec", dont_inherit=True), vars(module))
    return module


def table(document: str, head: str) -> list[list[str]]:
    """Return the cells of the table whose head row begins with `head`, but for that row."""
    lines = document.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {head} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    assert rows, head
    return rows


def code(cell: str) -> list[str]:
    """Return what stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def options_of(function: Callable[..., Any], *without: str) -> dict[str, Any]:
    """Return the options of a function or class, each with its default."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD and name not in without
    }


def shown_options(document: str, head: str) -> dict[str, Any]:
    """Return the options of a table, each with the default that it shows."""
    shown = {}
    for name, default, *_ in table(document, head):
        [option], [text] = code(name), code(default)
        shown[option] = text if re.fullmatch(r"orjson\.\w+", text) else literal_eval(text)
    return shown


# The first screen


def test_readme_can_be_read_in_one_sitting() -> None:
    assert README.count("\n") <= 450


def test_first_screen_has_the_two_commands_and_three_programs() -> None:
    first = README.splitlines()[:65]
    assert "$ make demo " in "\n".join(first)
    assert "$ make test " in "\n".join(first)
    assert first.count("```python") == 3
    for function in ("sse_response(", "ndjson_response(", "SSEDecoder("):
        assert any(function in line for line in first), function


@pytest.mark.parametrize("function", ["sse_response", "ndjson_response"])
def test_an_endpoint_takes_ten_lines(function: str) -> None:
    lines = [line for line in python_block(f"{function}(", "app = ").splitlines() if line.strip()]
    assert len(lines) <= 10


async def test_sse_app_sends_these_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(python_block("sse_response", "app = Starlette"), monkeypatch)
    async with ASGIClient(module.app) as client:
        response = await client.get("/chat?q=why+not%3F")
    assert response.status == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.content == (
        b'event: text_delta\ndata: {"text":"You "}\n\n'
        b'event: text_delta\ndata: {"text":"asked: "}\n\n'
        b'event: text_delta\ndata: {"text":"why not?"}\n\n'
        b'event: finish\ndata: {"usage":{"input_tokens":4,"output_tokens":3,"total_tokens":7}}\n\n'
        b'event: done\ndata: {"finished":true}\n\n'
    )


async def test_ndjson_app_sends_these_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(python_block("ndjson_response", "app = FastAPI"), monkeypatch)
    async with ASGIClient(module.app) as client:
        response = await client.post("/api/chat", json={"query": QUESTION})
        refused = await client.post("/api/chat", json={"question": QUESTION})
    assert response.status == 200
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.content == (
        b'{"text":"You ","type":"text_delta"}\n'
        b'{"text":"asked: ","type":"text_delta"}\n'
        b'{"text":"' + QUESTION.encode() + b'","type":"text_delta"}\n'
        b'{"finished":true,"type":"finish","usage":{"input_tokens":4,"output_tokens":3,"total_tokens":7}}\n'
        b'{"finished":true,"type":"done"}\n'
    )
    assert refused.status == 422


@pytest.mark.parametrize("anyio_backend", ["trio-clock"], indirect=True)
async def test_handlers_answer_and_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(python_block("sse_handler(", "ndjson_handler("), monkeypatch)
    async with ASGIClient(module.app) as client:
        sse = await client.get("/chat?q=hello")
        ndjson = await client.post("/api/chat", json={"messages": [{"role": "user", "content": "hello"}]})
        nothing_asked = await client.get("/chat")
        not_json = await client.post("/api/chat", content=b"{")
        wrong_method = await client.get("/api/chat")
        too_large = await client.post("/api/chat", json={"query": "x" * 70000})
    messages = SSEDecoder().feed(sse.content)
    assert (messages[0].event, messages[0].id, messages[-1].event) == ("start", "1", "done")
    assert "You asked: hello" in "".join(m.json()["text"] for m in messages if m.event == "text_delta")
    assert NDJSONDecoder().feed(ndjson.content)[-1] == {"finished": True, "type": "done"}
    assert (nothing_asked.status, not_json.status) == (400, 400)
    assert "body is not JSON" in not_json.json()["error"]["message"]
    assert (wrong_method.status, too_large.status) == (405, 413)


# From a hand-written loop


async def test_the_hand_written_loop_and_its_successor_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    before = load(python_block("data: %s"), monkeypatch)
    after = load(python_block("def chat_later"), monkeypatch)
    tokens = ["You ", "asked: ", QUESTION]
    async with ASGIClient(before.chat(tokens)) as client:
        old = SSEDecoder().feed((await client.get("/")).content)
    async with ASGIClient(after.chat(tokens)) as client:
        new = SSEDecoder().feed((await client.get("/")).content)
    assert [message.json() for message in old] == [message.json() for message in new]
    assert {message.event for message in old} == {message.event for message in new} == {"message"}
    assert [message.json() for message in new] == [{"text": token} for token in tokens]
    async with ASGIClient(after.chat_later(tokens)) as client:
        later = SSEDecoder().feed((await client.get("/")).content)
    assert [message.event for message in later] == ["text_delta"] * 3 + ["done"]


# Options


def test_options_table_names_every_option_with_its_default() -> None:
    built = options_of(StreamResponse)
    expected = {
        **{name: built[name] for name in StreamOptions.__annotations__},
        **options_of(sse_response, "stream"),
        **options_of(ndjson_response, "stream"),
    }
    assert shown_options(README, "option") == expected


def test_options_table_says_what_each_option_is_for() -> None:
    sse, ndjson = options_of(sse_response, "stream"), options_of(ndjson_response, "stream")
    for name, _, kind, *_ in table(README, "option"):
        [option] = code(name)
        alone = {"SSE": option in sse, "NDJSON": option in ndjson, "both": option in StreamOptions.__annotations__}
        if option in sse and option in ndjson:
            alone = {"SSE": False, "NDJSON": False, "both": True}
        assert alone[kind], option


def test_negotiated_response_has_the_options_of_both() -> None:
    both = options_of(sse_response) | options_of(ndjson_response)
    assert options_of(stream_response, "request") == both


@pytest.mark.parametrize(
    ("head", "function", "without"),
    [
        ("option of `SSEDecoder`", SSEDecoder, ()),
        ("option of `NDJSONDecoder`, `Reader`", NDJSONDecoder, ()),
        ("option of `NDJSONDecoder`, `Reader`", Reader, ("chunks",)),
        ("option of `SSEEncoder`", SSEEncoder, ()),
        ("option of `NDJSONEncoder`", NDJSONEncoder, ()),
        ("option of `Writer`", Writer, ("send",)),
    ],
)
def test_toolkit_tables_name_every_option_with_its_default(
    head: str, function: Callable[..., Any], without: tuple[str, ...]
) -> None:
    expected = {
        name: f"orjson.{default.__name__}" if getattr(default, "__module__", "") == "orjson" else default
        for name, default in options_of(function, *without).items()
    }
    assert shown_options(TOOLKIT, head) == expected


# Headers


async def test_headers_table_is_what_is_sent() -> None:
    shown = [header for row in table(README, "header") for header in code(row[0])]
    types = {"text/event-stream; charset=utf-8": sse_response, "application/x-ndjson": ndjson_response}
    for media_type, respond in types.items():
        async with ASGIClient(respond(["Hi"])) as client:
            headers = (await client.get("/")).headers
        lines = [f"{name}: {value}" for name, value in headers.items() if name != "content-type"]
        assert sorted(lines) == sorted(line for line in shown if ": " in line and not line.startswith("content-type"))
        assert headers["content-type"] == media_type
        assert any(media_type in line for line in shown)


# Events


EVENTS: dict[str, Any] = {event.__struct_config__.tag: event for event in get_args(Event)}


def test_events_table_has_every_event_with_its_fields() -> None:
    rows = table(README, "tag")
    tags = [code(row[0])[0] for row in rows]
    assert sorted(tags) == sorted(EVENTS)
    assert tags[-1] == "done"
    for row in rows:
        event = EVENTS[code(row[0])[0]]
        fields = [field.name for field in msgspec.structs.fields(event)]
        assert code(row[1])[0] == f"{event.__name__}({', '.join(fields)})"


@pytest.mark.parametrize("row", table(README, "tag"), ids=lambda row: code(row[0])[0])
def test_events_table_shows_the_wire(row: list[str]) -> None:
    [tag], [payload] = code(row[0]), code(row[2])
    event = GaiDecoder().feed(ServerSentEvent(payload, event=tag))[0]
    assert type(event) is EVENTS[tag]
    sse, ndjson = GaiEncoder(), GaiEncoder(framing="ndjson")
    if tag == "done":
        [message], [value] = sse.finish(), ndjson.finish()
    else:
        [message], [value] = sse.feed(event), ndjson.feed(event)
    assert (message.event, message.data) == (tag, payload)
    expected = json.loads(payload) if row[3] == "the same" else json.loads("{" + code(row[3])[0] + "}")
    assert value == {**expected, "type": tag}


def test_dialects_table_names_every_dialect() -> None:
    assert [code(row[0])[0] for row in table(README, "name")] == registry.names()


# Errors


class SDKError(Exception):
    """As the SDKs raise it."""

    status_code = 429


ERRORS = [
    (ProviderError("rate_limited", "slow down"), 429, "rate_limited", "slow down"),
    (ProviderError("overloaded", "busy"), 503, "overloaded", "busy"),
    (
        SDKError("key sk-123 is over its quota"),
        429,
        "rate_limited",
        "the provider refused the request: too many of them",
    ),
    (HTTPException(418, "a teapot"), 418, "invalid_request", "a teapot"),
    (TimeoutError(), 504, "timeout", "the answer did not come in time"),
    (TruncatedStream("cut"), 502, "truncated", "the answer was cut off before its end"),
    (DecodeError("bad"), 502, "invalid_response", "the provider's answer could not be read"),
    (LimitExceeded("big", option="x", limit=1), 502, "invalid_response", "the provider's answer could not be read"),
    (RuntimeError("password=hunter2"), 500, "internal", r"internal error \(reference [0-9a-f]{12}\)"),
]


@pytest.mark.parametrize(("error", "status", "kind", "words"), ERRORS, ids=lambda value: type(value).__name__)
async def test_errors_table_is_what_happens(error: Exception, status: int, kind: str, words: str) -> None:
    async with ASGIClient(sse_response(failing_source([], error))) as client:
        refused = await client.get("/")
    assert refused.status == status
    told = refused.json()["error"]
    assert told["code"] == kind
    assert re.fullmatch(words, told["message"])
    async with ASGIClient(sse_response(failing_source(["Hi"], error))) as client:
        failed = await client.get("/")
    assert failed.status == 200
    text, message, done = SSEDecoder().feed(failed.content)
    assert (text.event, message.event, done.json()) == ("text_delta", "error", {"finished": False})
    assert re.fullmatch(words, message.json()["error"])
    shown = table(README, "the source raises")
    [row] = [row for row in shown if type(error).__name__ in row[0]] or [
        shown[1] if isinstance(error, SDKError) else shown[-1]
    ]
    if not isinstance(error, SDKError | HTTPException):
        assert str(status) in row[1]
