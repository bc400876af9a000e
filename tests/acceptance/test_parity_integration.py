"""What the original's integration_test.go shows, line by line, on a real server and through bare sockets."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

both_forms = pytest.mark.parametrize("form", ["sse", "ndjson"])


def read(connection: Any, form: str) -> list[dict[str, Any]]:
    """Return what either form says to the end, each with its type."""
    if form == "sse":
        return [{"type": event.event, **event.json()} for event in connection.events()]
    return list(connection.values())


def test_sse_over_http_rebuilds_the_answer(uvicorn: Any) -> None:
    """SSEWithHTTPServer."""
    with uvicorn.open(f"/sse/answer?id={uvicorn.new_id()}", "Accept: text/event-stream") as connection:
        assert connection.start().status == 200
        assert connection.headers["content-type"] == "text/event-stream; charset=utf-8"
        values = read(connection, "sse")
    assert "".join(value.get("text", "") for value in values) == "The capital of France is Paris."
    assert values[-1] == {"type": "done", "finished": True}


def test_ndjson_over_http_has_the_tool_call_and_its_result(uvicorn: Any) -> None:
    """NDJSONWithHTTPServer."""
    with uvicorn.open(f"/ndjson/tools?id={uvicorn.new_id()}", method="POST", body=b"{}") as connection:
        assert connection.start().status == 200
        assert connection.headers["content-type"] == "application/x-ndjson"
        values = {value["type"]: value for value in read(connection, "ndjson")}
    call = values["tool_call"]["tool_call"]
    assert (call["id"], call["name"], call["input"]) == ("c1", "calc", {"expression": "2+2"})
    assert values["tool_result"]["tool_result"] == {"id": "c1", "name": "calc", "result": 4}


@both_forms
def test_ten_clients_at_once_all_get_everything(uvicorn: Any, form: str) -> None:
    """ConcurrentClients: all ten are connected and have begun before any may go on."""
    ids = [uvicorn.new_id() for _ in range(10)]
    texts: dict[str, str] = {}
    begun = threading.Barrier(11)

    def be_a_client(id: str) -> None:
        with uvicorn.open(f"/{form}/held?id={id}") as connection:
            connection.start()
            begun.wait(20)
            texts[id] = "".join(value.get("text", "") for value in read(connection, form))

    clients = [threading.Thread(target=be_a_client, args=(id,)) for id in ids]
    for client in clients:
        client.start()
    begun.wait(20)
    entries = {entry["name"] for entry in uvicorn.entries()}
    assert {f"{id}.started" for id in ids} <= entries
    assert not {f"{id}.second" for id in ids} & entries
    for id in reversed(ids):
        uvicorn.note(f"{id}.go")
    for client in clients:
        client.join(20)
    assert texts == dict.fromkeys(ids, "firstsecond")


@both_forms
def test_a_slow_client_loses_nothing(uvicorn: Any, form: str) -> None:
    """SlowClient: 100 bytes a read, out of a receive buffer that is far smaller than what is sent."""
    id = uvicorn.new_id()
    with uvicorn.open(f"/{form}/large?id={id}", receive_buffer=4096, read_size=100) as connection:
        # It reads nothing at first: the server is held up, and so is the source.
        uvicorn.wait(f"{id}.held_up")
        assert not uvicorn.recorded(f"{id}.closed"), "the whole answer was taken at once, by whom?"
        connection.start()
        values = read(connection, form)
    assert [value["text"] for value in values[:-1]] == [f"{number:04}{'x' * 20000}" for number in range(400)]
    assert values[-1] == {"type": "done", "finished": True}


@both_forms
def test_a_client_that_disconnects_closes_the_source_within_a_second(uvicorn: Any, form: str) -> None:
    """ClientDisconnect."""
    id = uvicorn.new_id()
    with uvicorn.open(f"/{form}/idle?id={id}") as connection:
        connection.start()
        assert next(connection.chunks())
        hung_up = connection.hang_up()
    assert 0 <= uvicorn.wait(f"{id}.closed")["time"] - hung_up <= 1.0
    assert uvicorn.wait(f"{id}.end")["reason"] == "disconnect"


@both_forms
def test_an_error_during_the_stream_is_told_behind_what_came_before(uvicorn: Any, form: str) -> None:
    """ErrorDuringStream, in both forms."""
    with uvicorn.open(f"/{form}/one_then_raise?id={uvicorn.new_id()}") as connection:
        connection.start()
        text, error, done = read(connection, form)
    assert text == {"type": "text_delta", "text": "one"}
    assert error["type"] == "error"
    assert re.fullmatch(r"internal error \(reference [0-9a-f]+\)", error["error"])
    assert done == {"type": "done", "finished": False}


@both_forms
def test_another_origin_may_read(uvicorn: Any, form: str) -> None:
    """CrossOriginRequest: the request."""
    answer, body = uvicorn.fetch(f"/{form}/answer?id={uvicorn.new_id()}", "Origin: https://example.com")
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert b"Paris" in body


@both_forms
def test_another_origins_preflight_is_allowed_and_starts_nothing(uvicorn: Any, form: str) -> None:
    """CrossOriginRequest: the preflight."""
    id = uvicorn.new_id()
    answer, body = uvicorn.fetch(
        f"/{form}/answer?id={id}",
        "Origin: https://example.com",
        "Access-Control-Request-Method: GET",
        "Access-Control-Request-Headers: last-event-id",
        method="OPTIONS",
    )
    assert answer.status == 204
    assert body == b""
    assert answer.headers["access-control-allow-origin"] == "*"
    assert {"GET", "POST"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert "last-event-id" in answer.headers["access-control-allow-headers"].lower()
    uvicorn.wait(f"{id}.end")
    assert not uvicorn.recorded(f"{id}.started")


@both_forms
def test_a_hundred_messages_come_in_order(uvicorn: Any, form: str) -> None:
    """MessageOrdering."""
    with uvicorn.open(f"/{form}/hundred?id={uvicorn.new_id()}&ids") as connection:
        connection.start()
        if form == "sse":
            events = list(connection.events())
            assert [event.id for event in events] == [str(number) for number in range(1, 102)]
            texts = [event.json()["text"] for event in events[:-1]]
        else:
            texts = [value["text"] for value in list(connection.values())[:-1]]
    assert texts == [f"{number:03} " for number in range(100)]
