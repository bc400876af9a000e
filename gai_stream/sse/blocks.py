"""Events that lie whole in a chunk, read by their shape: what most servers send most of the time.

Each function gives what `LineReader` would, which reads whatever has no shape of its own here.
"""

from __future__ import annotations

from .lines import LineReader
from .message import ServerSentEvent

__all__ = ["read_events", "whole_events"]


def whole_events(chunk: bytes) -> str:
    """Return the text of a chunk that is whole events and nothing else, LF between its lines, without the last blank
    line. Of any other chunk return nothing.
    """
    try:
        text = chunk.decode()
    except UnicodeDecodeError:
        return ""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
        if "\r" in text:
            return ""
    events = text.removesuffix("\n\n")
    return events if events != text else ""


def read_events(text: str, lines: LineReader, out: list[ServerSentEvent]) -> None:
    """Read whole events, without the last blank line. Most streams repeat one shape, and cutting where it begins
    again is the quickest.
    """
    if "\0" in text:
        lines.read(text.encode() + b"\n\n", out)
    elif text[:6] == "data: ":
        for rest in text[6:].split("\n\ndata: "):
            data = _joined(rest) if "\n" in rest else rest
            if data is None:
                _read_blocks("data: " + rest, lines, out)
            else:
                out.append(ServerSentEvent(data, id=lines.last_id))
    elif text[:7] == "event: ":
        for rest in text[7:].split("\n\nevent: "):
            event, found, after = rest.partition("\ndata: ")
            data = _joined(after) if "\n" in after else after
            if data is None or not found or "\n" in event:
                _read_blocks("event: " + rest, lines, out)
            else:
                out.append(ServerSentEvent(data, event=event or "message", id=lines.last_id))
    elif text[:4] == "id: ":
        for rest in text[4:].split("\n\nid: "):
            head, found, after = rest.partition("\ndata: ")
            data = _joined(after) if "\n" in after else after
            id, _, event = head.partition("\nevent: ")
            if data is None or not found or "\n" in id or "\n" in event:
                _read_blocks("id: " + rest, lines, out)
            else:
                lines.last_id = id
                out.append(ServerSentEvent(data, event=event or "message", id=id))
    else:
        _read_blocks(text, lines, out)


def _joined(lines: str) -> str | None:
    """Return data of several lines, given without the first line's name; None if there is anything else among them."""
    return lines.replace("\ndata: ", "\n") if lines.count("\n") == lines.count("\ndata: ") else None


def _read_blocks(text: str, lines: LineReader, out: list[ServerSentEvent]) -> None:
    """Read whole events of any shape, without a NUL."""
    for block in text.split("\n\n"):
        event, id = "", lines.last_id
        data: list[str] = []
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "event":
                event = value
            elif name == "id":
                id = value
            elif name or lines.comments:
                lines.read(block.encode() + b"\n\n", out)
                break
        else:
            lines.last_id = id
            if data:
                out.append(ServerSentEvent("\n".join(data), event=event or "message", id=id))
