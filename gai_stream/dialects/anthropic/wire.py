"""What a message looks like on the wire: read whole and checked for type, before a decoder changes anything.

Official fields are strict. What differs from tool to tool (`input`, `content`, `citation`) is `Any` and read with
care: a strange extra must not cost the text beside it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec

from gai_stream import _json
from gai_stream.exceptions import DecodeError, EncodeError

__all__ = [
    "REASONS",
    "Block",
    "BlockDelta",
    "BlockStart",
    "BlockStop",
    "Delta",
    "Ending",
    "Error",
    "MessageDelta",
    "MessageStart",
    "MessageStop",
    "Step",
    "Unknown",
    "Usage",
    "is_known_block",
    "steps",
]

# Why the model stopped; what is not here is "unknown".
REASONS: Final[dict[str, str]] = {
    **dict.fromkeys(("end_turn", "stop_sequence", "pause_turn"), "stop"),
    **dict.fromkeys(("max_tokens", "model_context_window_exceeded"), "length"),
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "compaction": "unknown",
}

_BLOCKS: Final = {"text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "mcp_tool_use"}
_DELTAS: Final = {"text_delta", "thinking_delta", "signature_delta", "input_json_delta", "citations_delta"}

# What `client.messages.stream()` of the SDK tells in addition, of each delta that it has just told.
_TOLD_TWICE: Final = {"text", "thinking", "signature", "input_json", "citation", "compaction"}

_Count = Annotated[float, msgspec.Meta(ge=0, lt=1 << 63)]
_Index = Annotated[int, msgspec.Meta(ge=0)]

_T = TypeVar("_T")


class _Struct(msgspec.Struct, gc=False):
    pass


class _OutputDetails(_Struct):
    thinking_tokens: _Count | None = None


class Usage(_Struct):
    """Token counts, each of the whole answer so far; one that is not told stays as it was."""

    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    output_tokens_details: _OutputDetails | None = None


class Block(_Struct):
    """A content block: empty where a stream begins one, whole in an answer that was not streamed."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Any = None
    tool_use_id: str | None = None
    content: Any = None
    is_error: Any = None
    citations: Any = None
    arguments: str = ""
    """`input` as JSON text; "" for none."""


class Delta(_Struct):
    """A piece of a content block."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: Any = None


class Ending(_Struct):
    """Why the answer ended."""

    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Any = None


class MessageStart(_Struct):
    id: str | None = None
    model: str | None = None
    usage: Usage | None = None


class BlockStart(_Struct):
    """`block` is None for one of a type that we have no name for."""

    index: int
    block: Block | None
    data: Any


class BlockDelta(_Struct):
    """`delta` is None for one of a type that we have no name for."""

    index: int
    delta: Delta | None
    data: Any


class BlockStop(_Struct):
    index: int


class MessageDelta(_Struct):
    ending: Ending
    usage: Usage | None = None


class MessageStop(_Struct):
    """Some servers tell here what the API tells before."""

    usage: Usage | None = None


class Error(_Struct):
    data: Any


class Unknown(_Struct):
    data: Any


Step: TypeAlias = MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop | Error | Unknown
"""What one message tells; an answer that was not streamed tells all of it at once."""


class _Message(MessageStart):
    content: list[dict[str, Any]] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Any = None


class _OfBlock(_Struct):
    index: _Index
    content_block: dict[str, Any] = {}
    delta: dict[str, Any] = {}


class _MessageStart(_Struct):
    message: MessageStart | None = None


class _MessageDelta(_Struct):
    delta: Ending | None = None
    usage: Usage | None = None


def steps(value: Any, *, is_error: bool = False) -> list[Step]:
    """Return what the message `value` tells, by its `type`. `is_error` is said by whoever sent it.

    Raises DecodeError for a field of the wrong type.
    """
    if not isinstance(value, dict):
        return [Error(value) if is_error else Unknown(value)]
    match value.get("type"):
        case "content_block_delta":
            head = _read(value, _OfBlock)
            kind = head.delta.get("type")
            delta = _read(head.delta, Delta) if isinstance(kind, str) and kind in _DELTAS else None
            return [BlockDelta(head.index, delta, value)]
        case "content_block_start":
            head = _read(value, _OfBlock)
            return [BlockStart(head.index, _block(head.content_block), value)]
        case "content_block_stop":
            return [BlockStop(_read(value, _OfBlock).index)]
        case "message_start":
            return [_read(value, _MessageStart).message or MessageStart()]
        case "message_delta":
            told = _read(value, _MessageDelta)
            return [MessageDelta(told.delta or Ending(), told.usage)]
        case "message_stop":
            return [_read(value, MessageStop)]
        case "message":
            return _whole(_read(value, _Message))
        case "ping":
            return []
        case str(kind) if kind in _TOLD_TWICE:
            return []
        case "error":
            return [Error(value)]
        case None if is_error or value.get("error"):
            return [Error(value)]
        case _:
            return [Unknown(value)] if value else []


def is_known_block(kind: object) -> bool:
    """Return whether events tell of blocks of this type."""
    return isinstance(kind, str) and (kind in _BLOCKS or kind.endswith("_tool_result"))


def _block(data: dict[str, Any]) -> Block | None:
    if not is_known_block(data.get("type")):
        return None
    block = _read(data, Block)
    try:
        # A stream begins every call with {}, and then tells its input in pieces.
        block.arguments = _json.dumps(block.input).decode() if block.input else ""
    except EncodeError as exc:
        raise DecodeError(f"not a Messages event: {exc}") from exc
    return block


def _whole(message: _Message) -> list[Step]:
    """Return the steps of an answer that was not streamed."""
    told: list[Step] = [MessageStart(message.id, message.model, message.usage)]
    for index, data in enumerate(message.content or ()):
        told += [
            BlockStart(index, _block(data), {"type": "content_block_start", "index": index, "content_block": data}),
            BlockStop(index),
        ]
    ending = Ending(message.stop_reason, message.stop_sequence, message.stop_details)
    return [*told, MessageDelta(ending), MessageStop()]


def _read(value: dict[str, Any], kind: type[_T]) -> _T:
    return _json.convert(value, kind, what="a Messages event")
