"""One message of an event stream: what decoders make and encoders take."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from gai_stream.exceptions import DecodeError, EncodeError

__all__ = ["LONGEST_RETRY", "ServerSentEvent", "check_line", "from_wire"]

LONGEST_RETRY: Final = 10**300
"""The longest reconnection time in ms: far beyond any use, and in seconds still a number that a float can hold."""

# What would end the field early, or make a client drop or garble it.
_BREAKS_FIELD = re.compile("[\r\n\0\ud800-\udfff]")


class _Data(msgspec.Struct, frozen=True, gc=False):
    data: str = ""


class ServerSentEvent(_Data, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One message of an event stream.

    `data` may have several lines; `event` is the type that listeners register for; `id` becomes the client's last
    event ID ("" resets it, None leaves it); `retry` is the reconnection time in ms. A message that has nothing but a
    `comment` is a lone comment line, which clients never see. A decoded message's `id` is the last event ID at
    that point, as a browser's `lastEventId`: carried over, and None while none was ever seen.

    Raises EncodeError for a field that could break out of its line, naming it.
    """

    event: str = "message"
    id: str | None = None
    retry: int | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        # Printable text, which almost every value is, holds nothing that would have to be searched for.
        if type(self.data) is not str:
            _make_plain(self, "data", self.data)
        if self.event != "message" and (type(self.event) is not str or not self.event.isprintable()):
            _check(self, "event", self.event)
        if self.id is not None and (type(self.id) is not str or not self.id.isprintable()):
            _check(self, "id", self.id)
        if self.retry is not None:
            _check_retry(self.retry)
        if self.comment is not None:
            _check(self, "comment", self.comment)

    def json(self) -> Any:
        """Return the value of `data`, read as JSON. Raises DecodeError if it is not JSON."""
        try:
            return msgspec.json.decode(self.data)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as exc:
            raise DecodeError(f"data is not JSON: {exc}", line=self.data.encode(errors="replace")) from exc


def check_line(name: str, value: str) -> None:
    """Raise EncodeError, naming the field, if `value` could not stand in one line."""
    if found := _BREAKS_FIELD.search(value):
        raise EncodeError(f"ServerSentEvent: {name} must not contain {found[0]!r}: {value[:80]!r}")


def from_wire(
    data: str = "",
    *,
    event: str = "message",
    id: str | None = None,
    retry: int | None = None,
    comment: str | None = None,
) -> ServerSentEvent:
    """Return a message as it was read: the standard lets NUL into a type and a comment, which nobody should send."""
    try:
        return ServerSentEvent(data, event=event, id=id, retry=retry, comment=comment)
    except EncodeError:
        message = ServerSentEvent(data, id=id, retry=retry)
        msgspec.structs.force_setattr(message, "event", event)
        msgspec.structs.force_setattr(message, "comment", comment)
        return message


def _check(message: ServerSentEvent, name: str, value: object) -> None:
    check_line(name, value if type(value) is str else _make_plain(message, name, value))


def _make_plain(message: ServerSentEvent, name: str, value: object) -> str:
    """Replace a `str` subclass, such as a StrEnum's member, by its text; refuse anything else."""
    if not isinstance(value, str):
        fix = "; use json.dumps for other values" if name == "data" else ""
        raise EncodeError(f"ServerSentEvent: {name} must be str, not {type(value).__name__}{fix}")
    text = str.__str__(value)
    msgspec.structs.force_setattr(message, name, text)
    return text


def _check_retry(value: object) -> None:
    if type(value) is not int:
        raise EncodeError(f"ServerSentEvent: retry must be a whole number of ms, not {type(value).__name__}")
    if not 0 <= value <= LONGEST_RETRY:
        raise EncodeError("ServerSentEvent: retry must be 0 ms or more, and less than any wait that makes sense")
