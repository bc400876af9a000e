"""Tools that the server ran by itself: what it says of them, whole and often repeatedly, as a call and a result."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from gai_stream import _json
from gai_stream.dialects._calls import made_up_id
from gai_stream.events import Event, ToolCall, ToolResult
from gai_stream.exceptions import DecodeError, EncodeError

__all__ = ["ServerTools"]


class ServerTools:
    """Tell each call once, when its arguments are there, and its result once, when that is."""

    def __init__(self) -> None:
        self._ids: dict[Hashable, str] = {}
        self._ended: set[Hashable] = set()

    def tell(
        self,
        key: Hashable,
        name: str,
        arguments: Any,
        result: Any = None,
        *,
        error: str | None = None,
        id: str | None = None,
        choice: int = 0,
        stream_id: str | None = None,
    ) -> list[Event]:
        """Return the events of what is new about the call that `key` stands for. None is what is not known yet."""
        events: list[Event] = []
        ended = result is not None or error is not None
        if key not in self._ids and (ended or arguments is not None):
            self._ids[key] = id or (made_up_id(stream_id, key) if stream_id else made_up_id())
            input, text = _arguments(arguments)
            events.append(ToolCall(self._ids[key], name, input, text, choice, "server"))
        if ended and key not in self._ended:
            self._ended.add(key)
            events.append(ToolResult(self._ids[key], name, result, error))
        return events


def _arguments(arguments: Any) -> tuple[Any, str]:
    """Return arguments as a value and as text. The call was made already: what is no JSON is its own value."""
    try:
        if not isinstance(arguments, str):
            return arguments, "" if arguments is None else _json.dumps(arguments).decode()
        return _json.loads(arguments) if arguments.strip() else {}, arguments
    except (DecodeError, EncodeError):
        return arguments, str(arguments)
