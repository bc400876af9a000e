"""Events of the usual shape, read without a look at each line; `SSEDecoder` reads all others."""

from __future__ import annotations

from .message import ServerSentEvent

__all__ = ["read_shape"]


def read_shape(block: str, last_id: str | None) -> ServerSentEvent | None:
    """Return the message of a whole event if it is an id, a type and data, in this order and only data required.

    `block` has LF between its lines and no blank one; `last_id` is the last event ID before it. None says nothing of
    what the event is, only that it has another shape.
    """
    if "\0" in block:
        return None
    event, rest = "message", block
    if rest[:4] == "id: ":
        last_id, _, rest = rest[4:].partition("\n")
    if rest[:7] == "event: ":
        event, _, rest = rest[7:].partition("\n")
    if rest[:6] == "data: ":
        data = rest[6:]
    elif rest[:5] == "data:":
        data = rest[5:]
    else:
        return None
    if "\n" in data:
        if data.count("\n") != data.count("\ndata: "):
            return None
        data = data.replace("\ndata: ", "\n")
    return ServerSentEvent(data, event=event or "message", id=last_id)
