"""Silence and the end: what each dialect's clients take for a heartbeat, for the end, and for an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gai_stream.dialects.registry import dialect, names
from gai_stream.events import Event, Failure, Finish, Start, TextDelta
from gai_stream.ndjson import NDJSONEncoder
from gai_stream.sse import ServerSentEvent, SSEEncoder

WRITTEN = [name for name in names() if dialect(name).encoder is not None]
COMMENT = b": keep-alive\n"
FAILURE = Failure("overloaded", "busy", True, 10.0)


def encoder_of(name: str, **options: Any) -> Any:
    make = dialect(name).encoder
    assert make is not None
    return make(**options)


def heartbeat(encoder: Any, framing: Any) -> bytes:
    """What a Writer sends for silence: the encoder's own, or else the framing's."""
    own = encoder.heartbeat() if callable(encoder.heartbeat) else encoder.heartbeat
    told = framing.heartbeat if own is None else own
    return told if isinstance(told, bytes) else told()


def told(encoder: Any, *events: Event) -> list[Any]:
    return [message for event in events for message in encoder.feed(event)] + encoder.finish()


# The table of section 14.7: name -> heartbeat, the last message of an answer, the last messages of an error. Messages
# are `(event, type)`, or `(event, data)` where the data has no type.
DONE = ("message", "[DONE]")
ENDS: dict[str, tuple[bytes, tuple[str, Any], list[tuple[str, Any]]]] = {
    "gai": (
        COMMENT,
        ("done", {"finished": True}),
        [("error", {"error", "code", "temporary", "retry_after"}), ("done", {"finished": False})],
    ),
    "gai_v1": (COMMENT, ("done", "done"), [("error", "error"), ("done", "done")]),
    "openai": (COMMENT, DONE, [("message", {"error"}), DONE]),
    "openai_responses": (
        COMMENT,
        ("response.completed", "response.completed"),
        [("error", "error"), ("response.failed", "response.failed")],
    ),
    "anthropic": (
        b'event: ping\ndata: {"type": "ping"}\n\n',
        ("message_stop", "message_stop"),
        [("error", "error")],
    ),
    "gemini": (
        b"\r\n",
        ("message", {"candidates", "usageMetadata", "modelVersion", "responseId"}),
        [("message", {"error"})],
    ),
    "antigravity": (b"\r\n", ("message", {"response", "traceId", "metadata"}), [("message", {"error"})]),
    "vercel": (COMMENT, DONE, [("message", "error"), DONE]),
    "ag_ui": (COMMENT, ("message", "RUN_FINISHED"), [("message", "RUN_ERROR")]),
}


def said(message: ServerSentEvent, like: Any) -> tuple[str, Any]:
    """A message as `(event, type)`, or with what `like` asks for: the names of its keys, or all of its data."""
    if message.data == "[DONE]":
        return message.event, message.data
    data = json.loads(message.data)
    return message.event, set(data) if isinstance(like, set) else data if isinstance(like, dict) else data["type"]


def test_the_table_has_every_dialect() -> None:
    assert sorted((*ENDS, "ollama")) == WRITTEN


@pytest.mark.parametrize("name", ENDS)
def test_silence(name: str) -> None:
    encoder = encoder_of(name)
    encoder.feed(Start("m"))
    encoder.feed(TextDelta("a"))
    assert heartbeat(encoder, SSEEncoder()) == ENDS[name][0]


@pytest.mark.parametrize("name", ENDS)
def test_the_end(name: str) -> None:
    wanted = ENDS[name][1]
    messages = told(encoder_of(name), Start("m"), TextDelta("a"), Finish("stop"))
    assert said(messages[-1], wanted[1]) == wanted


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("before", [[], [Start("m")], [Start("m"), TextDelta("a")]])
def test_an_error_is_the_end(name: str, before: list[Event]) -> None:
    wanted = ENDS[name][2]
    messages = told(encoder_of(name), *before, FAILURE, TextDelta("late"), Finish("stop"))
    assert [said(m, like) for m, (_, like) in zip(messages[-len(wanted) :], wanted, strict=True)] == wanted
    assert len(messages) >= len(wanted)


@pytest.mark.parametrize("name", ENDS)
def test_an_answer_that_was_cut_ends_as_an_error(name: str) -> None:
    wanted = ENDS[name][2] if name not in ("gai", "gai_v1") else ENDS[name][2][1:]
    messages = told(encoder_of(name), Start("m"), TextDelta("a"))
    assert [said(m, like) for m, (_, like) in zip(messages[-len(wanted) :], wanted, strict=True)] == wanted


def test_ollamas_silence_is_a_line_without_content() -> None:
    # Its clients fail over anything that is no such line.
    for mode, where in (("chat", "message"), ("generate", "response")):
        encoder = encoder_of("ollama", mode=mode)
        encoder.feed(Start("m"))
        line = json.loads(heartbeat(encoder, NDJSONEncoder()))
        assert (line["model"], line["done"]) == ("m", False)
        assert line[where] == ({"role": "assistant", "content": ""} if mode == "chat" else "")


def test_ollamas_end_is_a_line_that_is_done_and_its_error_a_text() -> None:
    assert told(encoder_of("ollama"), Start("m"), TextDelta("a"), Finish("stop"))[-1]["done"] is True
    assert told(encoder_of("ollama"), Start("m"), TextDelta("a"), FAILURE)[-1] == {"error": "busy"}


@pytest.mark.parametrize("name", [name for name in WRITTEN if name not in ("gemini", "antigravity", "ollama")])
def test_silence_in_ndjson_is_an_empty_line(name: str) -> None:
    assert heartbeat(encoder_of(name, framing="ndjson"), NDJSONEncoder()) == b"\n"


def test_claudes_clients_get_no_ping_before_the_message_begins_or_behind_its_end() -> None:
    encoder = encoder_of("anthropic")
    assert encoder.heartbeat() == COMMENT
    told(encoder, Start("m"), Finish("stop"))
    assert encoder.heartbeat() == COMMENT


@pytest.mark.parametrize("name", ["ag_ui", "ollama", "openai_responses"])
def test_an_error_behind_the_finish_comes_too_late_where_the_finish_is_the_last_word(name: str) -> None:
    whole = told(encoder_of(name), Start("m", None, "i"), TextDelta("a"), Finish("stop"))
    late = told(encoder_of(name), Start("m", None, "i"), TextDelta("a"), Finish("stop"), FAILURE)
    assert len(late) == len(whole)
    assert "busy" not in str(late)
