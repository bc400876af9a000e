"""Everything that can go wrong upstream, at every provider, as every client sees it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import struct
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any, NamedTuple

import anthropic
import httpx2
import ollama
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from gai_stream.gateway import Limits, Outcome, Routes, gateway
from gai_stream.providers import HTTPProvider, Preset

MARK = "UPSTREAM-SECRET"
"""Stands in whatever the upstream sends that is no answer: nobody may ever see it."""

KEY = "sk-of-the-gateway-0123456789"

# Providers


class Wire(NamedTuple):
    """How one provider writes: the messages of an answer that says BEFORE and AFTER, and some that it never should.

    `wrong` has a field of another type than it must be; `unknown` is of a kind that we have no name for; `error` is its
    way to fail.
    """

    before: list[Any]
    after: list[Any]
    wrong: Any
    unknown: Any
    error: Any
    lines: bool = False

    def framed(self, *messages: Any) -> bytes:
        """Return values, and bytes in the place of JSON text, as messages."""
        texts = (message if isinstance(message, bytes) else json.dumps(message).encode() for message in messages)
        return b"".join(text + b"\n" if self.lines else b"data: " + text + b"\n\n" for text in texts)


def openai_chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def gemini_chunk(text: Any, **more: Any) -> dict[str, Any]:
    content = {"parts": [{"text": text}], "role": "model"}
    return {"candidates": [{"content": content, "index": 0, **more}], "modelVersion": "m", "responseId": "r"}


def ollama_line(text: Any, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": False, **more}


def text_delta(text: Any) -> dict[str, Any]:
    return {
        "type": "response.output_text.delta",
        "item_id": "msg_1",
        "output_index": 0,
        "content_index": 0,
        "delta": text,
    }


def block_delta(text: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


NO_TEXT = {MARK: 5}
NO = f"no credit for {KEY}"
RESPONSE = {"id": "resp_1", "object": "response", "model": "m", "status": "in_progress", "output": []}
ITEM = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
WIRES = {
    "openai": Wire(
        before=[openai_chunk({"role": "assistant", "content": ""}), openai_chunk({"content": "BEFORE"})],
        after=[openai_chunk({"content": "AFTER"}), openai_chunk({}, "stop"), b"[DONE]"],
        wrong=openai_chunk({"content": NO_TEXT}),
        unknown={"object": "chat.mystery", "mystery": {"role": "ghost"}},
        error={"error": {"message": NO, "type": "server_error", "code": None}},
    ),
    "openai_responses": Wire(
        before=[
            {"type": "response.created", "response": RESPONSE},
            {"type": "response.output_item.added", "output_index": 0, "item": ITEM},
            text_delta("BEFORE"),
        ],
        after=[
            text_delta("AFTER"),
            {"type": "response.completed", "response": {**RESPONSE, "status": "completed"}},
        ],
        wrong=text_delta(NO_TEXT),
        unknown={"type": "response.mystery.delta", "delta": 5},
        error={"type": "error", "code": "server_error", "message": NO, "param": None},
    ),
    "anthropic": Wire(
        before=[
            {
                "type": "message_start",
                "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}},
            },
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            block_delta("BEFORE"),
        ],
        after=[
            block_delta("AFTER"),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
        ],
        wrong=block_delta(NO_TEXT),
        unknown={"type": "mystery", "index": 0},
        error={"type": "error", "error": {"type": "api_error", "message": NO}},
    ),
    "gemini": Wire(
        before=[gemini_chunk("BEFORE")],
        after=[gemini_chunk("AFTER"), gemini_chunk("", finishReason="STOP")],
        wrong=gemini_chunk(NO_TEXT),
        unknown={"mystery": {"parts": 5}},
        error={"error": {"code": 500, "message": NO, "status": "INTERNAL"}},
    ),
    "ollama": Wire(
        before=[ollama_line("BEFORE")],
        after=[ollama_line("AFTER"), ollama_line("", done=True, done_reason="stop")],
        wrong=ollama_line(NO_TEXT),
        unknown={"mystery": True},
        error={"error": NO},
        lines=True,
    ),
}

# The API at OpenAI's other address, which no preset stands for.
RESPONSES = Preset(
    name="openai_responses", dialect="openai_responses", base_urls=("https://api.openai.com/v1",), path="/responses"
)

# What goes wrong

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
HUGE = 10_000_000


def chunked(data: bytes) -> bytes:
    return HEAD + b"%x\r\n%b\r\n" % (len(data), data)


def whole(body: bytes, status: int = 200, *, missing: int = 0) -> bytes:
    """Return a response of known length, of which `missing` bytes never come."""
    head = f"HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {len(body) + missing}\r\n\r\n"
    return head.encode() + body


def huge(wire: Wire) -> bytes:
    """Return a message of 10 MB."""
    return wire.framed(b'{"x":"' + MARK.encode() + b"x" * HUGE + b'"}')


def broken(wire: Wire) -> bytes:
    return wire.framed(b'{"x": ' + MARK.encode())


def stray(wire: Wire) -> bytes:
    return wire.framed(b"\xff\xfe" + MARK.encode())


def begun(wire: Wire, data: bytes = b"", end: bytes = b"") -> bytes:
    return chunked(wire.framed(*wire.before) + data) + end


def complete(wire: Wire, data: bytes) -> bytes:
    return begun(wire, data + wire.framed(*wire.after), LAST)


class Case(NamedTuple):
    """What the upstream sends, and what clients are told: an HTTP status and words.

    Then the upstream stays, unless it resets the connection, or `leaves`. `kind` is the provider's, of `KINDS`.
    """

    send: Callable[[Wire], bytes]
    status: int
    told: str
    kind: str = "usual"
    then: str = "stays"


PAGE = f"<!doctype html><title>{MARK}</title>".encode()
KINDS: dict[str, dict[str, Any]] = {
    "usual": {},
    "strict": {"on_malformed": "error"},
    "deaf": {"first_byte_timeout": 0.05},
    "impatient": {"idle_timeout": 0.05},
}
UNFINISHED = "did not finish its answer"
UNREADABLE = "sent a message that cannot be read"
NO_KEY = r"^no credit for \*\*\*$"

AT_ONCE = {
    "silence": Case(lambda _: b"", 504, "did not begin to answer within 0.05 s", "deaf"),
    "a reset": Case(lambda _: b"", 502, "the connection to .* broke", then="resets"),
    "a hang-up": Case(lambda _: b"", 502, "the connection to .* broke", then="leaves"),
    "no HTTP": Case(lambda _: f"{MARK}\r\n\r\n".encode(), 502, "the connection to .* broke"),
    "a page": Case(lambda _: whole(PAGE, missing=9), 502, "answered with a page instead of a stream"),
    "a page of an error": Case(lambda _: whole(PAGE, 503), 503, "^the provider answered with status 503$"),
    "half an error": Case(
        lambda _: whole(b'{"error": {"message": "' + MARK.encode(), 500), 500, "^the provider answered with status 500$"
    ),
    "an error object": Case(lambda _: whole(json.dumps({"error": {"message": NO, "code": 429}}).encode()), 429, NO_KEY),
    "an error as a message": Case(lambda wire: chunked(wire.framed(wire.error)), 500, NO_KEY),
    "JSON that is no answer": Case(
        # One object would be a line of NDJSON like any other.
        lambda wire: whole(json.dumps([{"hello": MARK}] if wire.lines else {"hello": MARK}).encode()),
        502,
        "answered with JSON that is no answer",
    ),
    "nothing": Case(lambda _: HEAD + LAST, 502, UNFINISHED),
    "malformed JSON alone": Case(lambda wire: chunked(broken(wire)) + LAST, 502, UNFINISHED),
    "malformed JSON": Case(lambda wire: chunked(broken(wire)), 502, UNREADABLE, "strict"),
    "wrong types": Case(lambda wire: chunked(wire.framed(wire.wrong)), 502, UNREADABLE, "strict"),
    "10 MB": Case(lambda wire: chunked(huge(wire)), 502, "sent more than 1048576 bytes in one piece"),
}
BEHIND = {
    "silence": Case(begun, 504, r"sent nothing for 0.05 s \(idle_timeout\)", "impatient"),
    "silence inside a message": Case(
        lambda wire: begun(wire, broken(wire)[:-2]), 504, "sent nothing for 0.05 s", "impatient"
    ),
    "a reset inside a message": Case(
        lambda wire: begun(wire, broken(wire)[:-2]), 502, "the connection to .* broke", then="resets"
    ),
    "a chunk that was cut": Case(
        lambda wire: begun(wire, broken(wire))[:-9], 502, "the connection to .* broke", then="leaves"
    ),
    "no end": Case(lambda wire: begun(wire, end=LAST), 502, UNFINISHED),
    "a page": Case(lambda wire: begun(wire, PAGE + b"\n\n", LAST), 502, UNFINISHED),
    "an error": Case(lambda wire: begun(wire, wire.framed(wire.error)), 500, NO_KEY),
    "malformed JSON": Case(lambda wire: begun(wire, broken(wire)), 502, UNREADABLE, "strict"),
    "wrong types": Case(lambda wire: begun(wire, wire.framed(wire.wrong)), 502, UNREADABLE, "strict"),
    "wrong bytes": Case(lambda wire: begun(wire, stray(wire)), 502, UNREADABLE, "strict"),
    "10 MB": Case(lambda wire: begun(wire, huge(wire)), 502, "sent more than 1048576 bytes in one piece"),
}
SKIPPED = {
    "malformed JSON": Case(lambda wire: complete(wire, broken(wire)), 200, ""),
    "wrong types": Case(lambda wire: complete(wire, wire.framed(wire.wrong)), 200, ""),
    "wrong bytes": Case(lambda wire: complete(wire, stray(wire)), 200, ""),
}

# Clients


class Client(NamedTuple):
    """What one client asks, and how it reads: `form` is "sse", "lines", "array" or "whole"."""

    dialect: str
    form: str
    path: str
    body: dict[str, Any]

    def frames(self, body: bytes) -> list[Any]:
        """Return what came, as a client of the least refinement reads it."""
        text = body.decode()
        if self.form == "array":
            values: list[Any] = json.loads(text)
            return values
        if self.form == "lines":
            return [json.loads(line) for line in text.splitlines()]
        assert re.fullmatch(r"(?:(?:event: .+\n)?data: .+\n\n)+", text), text
        return [
            data if data == "[DONE]" else json.loads(data) for data in re.findall("^data: (.+)$", text, re.MULTILINE)
        ]


TURN = [{"role": "user", "content": "hi"}]
GOOGLES: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
CLIENTS = {
    **{
        f"{name} {form}": Client(dialect, form, path, {**body, "stream": form != "whole"})
        for name, dialect, path, streams, body in (
            ("chat", "openai", "/v1/chat/completions", "sse", {"messages": TURN}),
            ("responses", "openai_responses", "/v1/responses", "sse", {"input": "hi"}),
            ("claude", "anthropic", "/v1/messages", "sse", {"messages": TURN, "max_tokens": 9}),
            ("ollama", "ollama", "/api/chat", "lines", {"messages": TURN}),
        )
        for form in (streams, "whole")
    },
    "gemini sse": Client("gemini", "sse", "/v1beta/models/{}:streamGenerateContent?alt=sse", GOOGLES),
    "gemini array": Client("gemini", "array", "/v1beta/models/{}:streamGenerateContent", GOOGLES),
    "gemini whole": Client("gemini", "whole", "/v1beta/models/{}:generateContent", GOOGLES),
}


def words_of_body(dialect: str, body: Any, status: int) -> str:
    """Return the message of an HTTP error's body, whose shape is checked."""
    if dialect == "ollama":
        assert list(body) == ["error"]
        message: str = body["error"]
        return message
    error = body["error"]
    if dialect == "gemini":
        assert error["code"] == status
        assert re.fullmatch("[A-Z_]+", error["status"])
    else:
        assert isinstance(error["type"], str)
        assert (body.get("type") == "error") == (dialect == "anthropic")
    return str(error["message"])


def words_of_frames(dialect: str, frames: list[Any]) -> str:
    """Return the message of the error at the end of a stream, whose shape is checked, with what has to follow it."""
    match dialect, frames:
        case "openai", [*good, {"error": {"message": str(message), "type": str()}}, "[DONE]"]:
            pass
        case "openai_responses", [
            *good,
            {"type": "error", "message": str(message)},
            {"type": "response.failed", "response": {"status": "failed", "error": {"message": again}}},
        ]:
            assert again == message
        case "anthropic", [*good, {"type": "error", "error": {"type": str(), "message": str(message)}}]:
            pass
        case "gemini", [*good, {"error": {"code": int(), "status": str(), "message": str(message)}}]:
            pass
        case "ollama", [*good, {"error": str(message)}]:
            pass
        case _:
            pytest.fail(f"no error at the end of {frames}")
    assert not any(isinstance(frame, dict) and (frame.get("error") or frame.get("type") == "error") for frame in good)
    return message


def ends_well(dialect: str, frames: list[Any]) -> bool:
    """Say whether a stream ends as a complete answer does."""
    match dialect, frames[-1]:
        case "openai", "[DONE]":
            return "error" not in frames[-2]
        case "openai_responses", {"type": "response.completed"}:
            return True
        case "anthropic", {"type": "message_stop"}:
            return True
        case "gemini", {"candidates": [{"finishReason": "STOP"}]}:
            return True
        case "ollama", {"done": True, "done_reason": "stop"}:
            return True
    return False


# The house


class House:
    """A gateway in front of every provider, each of which is at the upstream's mercy."""

    def __init__(self, upstream: Any) -> None:
        self.upstream = upstream
        self.limits = Limits()
        self.outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self.providers = {
            f"{name}-{kind}": self._provider(name, options) for name in WIRES for kind, options in KINDS.items()
        }
        self.address = ""
        self.client = httpx2.Client(timeout=10)

    def _provider(self, name: str, options: dict[str, Any]) -> HTTPProvider:
        preset = RESPONSES if name == RESPONSES.name else name
        return HTTPProvider(preset, model="m", base_url=f"{self.upstream.address}/v1", api_key=KEY, **options)

    def plays(self, provider: str, case: Case) -> str:
        """Have the upstream do `case`. Returns the model to ask for."""

        async def script(writer: asyncio.StreamWriter) -> None:
            writer.write(case.send(WIRES[provider]))
            await writer.drain()
            if case.then == "resets":
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            elif case.then == "leaves":
                writer.close()

        self.upstream.script = script
        return f"{provider}-{case.kind}/m"

    def ask(self, client: Client, model: str) -> tuple[int, bytes]:
        """Return the status and the body, whose end must be a proper one."""
        url = self.address + client.path.format(model)
        with self.client.stream("POST", url, json={"model": model, **client.body}) as response:
            return response.status_code, response.read()

    def settled(self) -> Outcome:
        """Wait until nothing is left of the last request, upstream and here. Returns what became of it."""
        outcome = self.outcomes.get(timeout=5)
        self.upstream.left.get(timeout=5)
        assert (self.upstream.open, self.limits.open) == (0, 0)
        assert self.outcomes.empty()
        return outcome


@pytest.fixture(scope="module")
def house(upstream: Any, serving: Any) -> Iterator[House]:
    async def nothing(_: asyncio.StreamWriter) -> None:
        pass

    with upstream(nothing) as fake:
        made = House(fake)
        app = gateway(Routes(made.providers), limits=made.limits, on_outcome=made.outcomes.put)
        with serving(app) as made.address, made.client:
            yield made


@pytest.fixture(autouse=True)
def nothing_leaks_into_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG, "gai_stream")
    yield
    logged = "\n".join(caplog.handler.format(record) for record in caplog.get_records("call"))
    assert MARK not in logged
    assert KEY not in logged


def of(cases: dict[str, Any], name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(name, cases.values(), ids=cases.keys())


every_client = of(CLIENTS, "client")
every_provider = pytest.mark.parametrize("provider", WIRES)


@of(AT_ONCE, "case")
@every_provider
@every_client
def test_what_fails_before_the_first_byte_has_a_status_and_the_clients_words(
    house: House, provider: str, client: Client, case: Case
) -> None:
    status, body = house.ask(client, house.plays(provider, case))
    outcome = house.settled()
    message = words_of_body(client.dialect, json.loads(body), status)
    assert re.search(case.told, message), message
    assert status == case.status
    assert MARK.encode() not in body
    assert KEY.encode() not in body
    assert (outcome.summary.reason, outcome.summary.status) == ("refused", status)


@of(BEHIND, "case")
@every_provider
@every_client
def test_what_fails_behind_the_first_byte_ends_the_stream_with_the_clients_error(
    house: House, provider: str, client: Client, case: Case
) -> None:
    status, body = house.ask(client, house.plays(provider, case))
    outcome = house.settled()
    if client.form == "whole":
        assert status == case.status
        message = words_of_body(client.dialect, json.loads(body), status)
    else:
        assert status == 200
        assert b"BEFORE" in body
        message = words_of_frames(client.dialect, client.frames(body))
        assert outcome.summary.reason == "error"
    assert re.search(case.told, message), message
    assert MARK.encode() not in body
    assert KEY.encode() not in body
    assert outcome.summary.text == "BEFORE"


@of(SKIPPED, "case")
@every_provider
@every_client
def test_what_cannot_be_read_is_skipped_and_counted(house: House, provider: str, client: Client, case: Case) -> None:
    asked = house.providers[f"{provider}-usual"]
    counted = asked.malformed
    status, body = house.ask(client, house.plays(provider, case))
    assert house.settled().summary.text == "BEFOREAFTER"
    assert asked.malformed == counted + 1
    assert status == 200
    assert MARK.encode() not in body
    if client.form == "whole":
        assert b"BEFOREAFTER" in body
    else:
        assert ends_well(client.dialect, client.frames(body))


@every_provider
@every_client
def test_what_nobody_knows_is_no_error(house: House, provider: str, client: Client) -> None:
    case = Case(lambda wire: complete(wire, wire.framed(wire.unknown)), 200, "")
    asked = house.providers[f"{provider}-usual"]
    counted = asked.malformed
    status, body = house.ask(client, house.plays(provider, case))
    assert house.settled().summary.text == "BEFOREAFTER"
    assert (status, asked.malformed) == (200, counted)
    if client.form == "whole":
        assert b"BEFOREAFTER" in body
    else:
        assert ends_well(client.dialect, client.frames(body))


# The real SDKs

BROKEN_OFF = BEHIND["a reset inside a message"]
REFUSED = AT_ONCE["a page"]
QUESTION: Any = TURN


def test_openais_sdk_raises_its_own_error(house: House) -> None:
    with openai.OpenAI(base_url=f"{house.address}/v1", api_key="x", max_retries=0) as client:
        model = house.plays("anthropic", BROKEN_OFF)
        with pytest.raises(openai.APIError, match="the connection to anthropic broke"):
            list(client.chat.completions.create(model=model, messages=QUESTION, stream=True))
        house.settled()
        with pytest.raises(openai.APIError, match="the connection to anthropic broke"):
            list(client.responses.create(model=model, input="hi", stream=True))
        house.settled()
        with pytest.raises(openai.InternalServerError, match="the connection to anthropic broke"):
            client.responses.create(model=model, input="hi")
        house.settled()
        model = house.plays("gemini", REFUSED)
        with pytest.raises(openai.InternalServerError, match="gemini answered with a page"):
            client.chat.completions.create(model=model, messages=QUESTION, stream=True)
        house.settled()


def test_claudes_sdk_raises_its_own_error(house: House) -> None:
    asked: Any = {"max_tokens": 9, "messages": QUESTION}
    with anthropic.Anthropic(base_url=house.address, api_key="x", max_retries=0) as client:
        model = house.plays("openai", BROKEN_OFF)
        with (
            pytest.raises(anthropic.APIStatusError, match="the connection to openai broke"),
            client.messages.stream(model=model, **asked) as stream,
        ):
            stream.until_done()
        house.settled()
        with pytest.raises(anthropic.InternalServerError, match="the connection to openai broke"):
            client.messages.create(model=model, **asked)
        house.settled()
        model = house.plays("ollama", REFUSED)
        with pytest.raises(anthropic.InternalServerError, match="ollama answered with a page"):
            client.messages.create(model=model, stream=True, **asked)
        house.settled()


def test_geminis_sdk_raises_its_own_error(house: House) -> None:
    client = genai.Client(api_key="x", http_options=genai_types.HttpOptions(base_url=house.address))
    model = house.plays("ollama", BROKEN_OFF)
    with pytest.raises(genai_errors.APIError, match="the connection to ollama broke"):
        list(client.models.generate_content_stream(model=model, contents="hi"))
    house.settled()
    with pytest.raises(genai_errors.ServerError, match="the connection to ollama broke"):
        client.models.generate_content(model=model, contents="hi")
    house.settled()
    model = house.plays("openai", REFUSED)
    with pytest.raises(genai_errors.ServerError, match="openai answered with a page"):
        list(client.models.generate_content_stream(model=model, contents="hi"))
    house.settled()
    client.close()


def test_ollamas_sdk_raises_its_own_error(house: House) -> None:
    client = ollama.Client(host=house.address)
    model = house.plays("gemini", BROKEN_OFF)
    with pytest.raises(ollama.ResponseError, match="the connection to gemini broke"):
        list(client.chat(model=model, messages=QUESTION, stream=True))
    house.settled()
    with pytest.raises(ollama.ResponseError, match="the connection to gemini broke") as raised:
        client.chat(model=model, messages=QUESTION)
    assert raised.value.status_code == 502
    house.settled()
    model = house.plays("openai_responses", REFUSED)
    with pytest.raises(ollama.ResponseError, match="openai_responses answered with a page"):
        list(client.chat(model=model, messages=QUESTION, stream=True))
    house.settled()
    client._client.close()
