"""What an event looks like on the wire: the fields we read, checked for type; all others are ignored.

Fields whose shape depends on a `type` of their own are `Any`, and are read by that type: an item or a part of a kind
that we do not know costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from gai_stream import _json

__all__ = [
    "CALLS",
    "PROVIDER",
    "SERVER_CALLS",
    "Audio",
    "Item",
    "Part",
    "Response",
    "Transcript",
    "Update",
    "Usage",
    "read",
    "read_item",
    "read_part",
    "text_of",
]

PROVIDER: Final = "openai_responses"
"""What Raw says of events of this dialect."""

CALLS: Final[dict[str, str]] = {"function_call": "function", "custom_tool_call": "custom"}
"""Items that are calls for the client to run, and the kind of each."""

SERVER_CALLS: Final[dict[str, tuple[str, ...]]] = {
    "mcp_call": (),
    "web_search_call": ("action",),
    "file_search_call": ("queries",),
    "code_interpreter_call": ("code", "container_id"),
    "image_generation_call": ("revised_prompt",),
}
"""Items that are calls which the provider runs by itself, and the fields that are their input."""

_T = TypeVar("_T")


class _Struct(msgspec.Struct):
    pass


class Update(_Struct):
    """Any event that concerns one output item."""

    output_index: int
    content_index: int | None = None
    summary_index: int | None = None
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | dict[str, Any] | None = None
    input: str | None = None
    name: str | None = None
    part: Any = None
    item: Any = None
    annotation: Any = None


class Audio(_Struct):
    """A piece of sound, in base64."""

    delta: bytes


class Transcript(_Struct):
    """A piece of the words that are spoken."""

    delta: str


class _InputDetails(_Struct):
    cached_tokens: float | None = None
    cache_write_tokens: float | None = None


class _OutputDetails(_Struct):
    reasoning_tokens: float | None = None


class Usage(_Struct):
    """Token counts. Servers written in Lua or JavaScript send 12.0 for 12."""

    input_tokens: float | None = None
    output_tokens: float | None = None
    total_tokens: float | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class Response(_Struct):
    """The answer as a whole, which the events of its beginning and its end carry."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[Any] | None = None
    usage: Usage | None = None
    error: Any = None
    incomplete_details: Any = None

    @property
    def incomplete_reason(self) -> str | None:
        """Return why the answer was cut, if that is said."""
        details = self.incomplete_details
        reason = details.get("reason") if isinstance(details, dict) else None
        return reason if isinstance(reason, str) else None


class Item(_Struct):
    """One output item. `data` is all of it, as it came; of a type that we do not know, nothing else is read."""

    type: str
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    input: str | None = None
    status: str | None = None
    encrypted_content: str | None = None
    summary: list[Any] | None = None
    content: list[Any] | None = None
    data: Any = None
    parts: Any = ()

    @property
    def call_text(self) -> str:
        """Return a call's arguments, or a custom tool's input, as text."""
        return text_of(self.arguments) or self.input or ""


_READ: Final = {"message", "reasoning", *CALLS, *SERVER_CALLS}


class Part(NamedTuple):
    """A text inside an item. `kind` is its type on the wire."""

    kind: str
    text: str
    annotations: Any


class _Part(_Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    annotations: Any = None


_PARTS: Final = {"output_text", "refusal", "summary_text", "reasoning_text"}


def read(value: Any, kind: type[_T]) -> _T:
    """Return `value` as a `kind`. Raises DecodeError for a field that is missing or of the wrong type."""
    return _json.convert(value, kind, what="a Responses event")


def text_of(arguments: str | dict[str, Any] | None) -> str:
    """Return arguments as text: some servers send the object itself."""
    return _json.dumps(arguments).decode() if isinstance(arguments, dict) else arguments or ""


def read_item(value: Any) -> Item:
    """Return an output item; its type is "" where it has none. Raises DecodeError, as `read` does."""
    kind = value.get("type") if isinstance(value, dict) else None
    item = read(value, Item) if isinstance(kind, str) and kind in _READ else Item(kind if isinstance(kind, str) else "")
    item.data = value
    item.parts = [*_parts(item.summary), *_parts(item.content)]
    return item


def read_part(value: Any) -> Part | None:
    """Return a part that is a text; None for any other. Raises DecodeError, as `read` does."""
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _PARTS:
        return None
    part = read(value, _Part)
    return Part(kind, part.text or part.refusal or "", part.annotations)


def _parts(values: list[Any] | None) -> Iterator[tuple[int, Part]]:
    """Yield the texts in a list of parts, each with its place there."""
    for place, value in enumerate(values or ()):
        if (part := read_part(value)) is not None:
            yield place, part
