"""What every dialect's decoder does alike: reading a message of any kind, and the life of one stream."""

from __future__ import annotations

from typing import Any, Final

from gai_stream import _json
from gai_stream.events import Done, Event, Failure
from gai_stream.exceptions import TruncatedStream
from gai_stream.sse import ServerSentEvent

__all__ = ["DONE", "Decoder", "read_message"]

DONE: Final = object()
"""What `read_message` gives for `[DONE]`."""


class Decoder:
    """Turn the messages of one stream into events; a dialect says how by `_decode` and `_end_of_input`.

    A message is a ServerSentEvent, JSON text or bytes, a dict, or an SDK's object (anything with `model_dump`). A
    message of the wrong shape is a DecodeError that costs that message alone, so nothing may change before it is
    raised.
    """

    def __init__(self) -> None:
        self._done = False
        self._finished = False

    def feed(self, message: Any, /) -> list[Event]:
        """Take one message and return its events; none once the answer is over."""
        if self._finished:
            raise RuntimeError(f"{type(self).__name__}: feed after finish")
        return [] if self._done else self._decode(message)

    def finish(self) -> list[Event]:
        """Say that the input ended. Raises TruncatedStream if the answer had not."""
        if self._finished:
            raise RuntimeError(f"{type(self).__name__}: finish after finish")
        self._finished = True
        return [] if self._done else self._end_of_input()

    def _decode(self, message: Any) -> list[Event]:
        raise NotImplementedError

    def _end_of_input(self) -> list[Event]:
        raise TruncatedStream("the stream ended before the answer did")

    def _fail(self, failure: Failure) -> list[Event]:
        """End the answer with `failure`."""
        self._done = True
        return [failure, Done(finished=False)]


def read_message(message: Any, decoder: object, *, by_alias: bool = False) -> Any:
    """Return a message as plain JSON data: `DONE` for `[DONE]`, None for an empty one.

    `by_alias` has an SDK's object named as on the wire. Raises DecodeError for what is not JSON, TypeError for what is
    no message.
    """
    if isinstance(message, ServerSentEvent):
        message = message.data
    if isinstance(message, bytearray | memoryview):
        message = bytes(message)
    if isinstance(message, str | bytes):
        stripped = message.strip()
        if not stripped:
            return None
        return DONE if stripped in ("[DONE]", b"[DONE]") else _json.loads(message)
    if (dump := getattr(message, "model_dump", None)) is not None and not isinstance(message, type):
        # What the server did not send must stay absent; values outside the SDK's types are no news to us.
        return dump(mode="json", by_alias=by_alias, exclude_unset=True, warnings=False)
    if message is None or isinstance(message, dict | list | int | float):
        return message
    raise TypeError(
        f"{type(decoder).__name__}: a message is a ServerSentEvent, a dict, JSON text or an SDK object, "
        f"not {type(message).__name__}"
    )
