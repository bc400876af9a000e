"""Carry a language model's stream to whoever wants it: Server-Sent Events and NDJSON for any ASGI app.

The everyday names stand here; everything else is found in the room it belongs to, such as
`gai_stream.dialects.registry` or `gai_stream.testing`. A name is loaded when it is first used, so that importing
`gai_stream` costs next to nothing and never brings in a web framework.
"""

from __future__ import annotations

# Not typing's, which takes ten times as long to load as this module.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from .asgi import (
        StreamResponse,
        last_event_id,
        ndjson_handler,
        ndjson_response,
        sse_handler,
        sse_response,
        stream_handler,
        stream_response,
    )
    from .events import (
        AudioDelta,
        Citation,
        Citations,
        Done,
        Event,
        Failure,
        Finish,
        FinishStep,
        Raw,
        ReasoningDelta,
        Safety,
        Start,
        TextDelta,
        ToolCall,
        ToolCallDelta,
        ToolResult,
        Usage,
    )
    from .exceptions import (
        DecodeError,
        EncodeError,
        LimitExceeded,
        ProviderError,
        ReconnectError,
        StreamError,
        StreamTimeout,
        TruncatedStream,
        UnknownEventID,
    )
    from .ndjson import NDJSONDecoder, NDJSONEncoder
    from .reader import Reader, stream_to_channel
    from .sse import ServerSentEvent, SSEDecoder, SSEEncoder
    from .transform import Transform, pipe
    from .writer import Writer

__version__ = "0.1.0"

__all__ = [
    "AudioDelta",
    "Citation",
    "Citations",
    "DecodeError",
    "Done",
    "EncodeError",
    "Event",
    "Failure",
    "Finish",
    "FinishStep",
    "LimitExceeded",
    "NDJSONDecoder",
    "NDJSONEncoder",
    "ProviderError",
    "Raw",
    "Reader",
    "ReasoningDelta",
    "ReconnectError",
    "SSEDecoder",
    "SSEEncoder",
    "Safety",
    "ServerSentEvent",
    "Start",
    "StreamError",
    "StreamResponse",
    "StreamTimeout",
    "TextDelta",
    "ToolCall",
    "ToolCallDelta",
    "ToolResult",
    "Transform",
    "TruncatedStream",
    "UnknownEventID",
    "Usage",
    "Writer",
    "__version__",
    "last_event_id",
    "ndjson_handler",
    "ndjson_response",
    "pipe",
    "sse_handler",
    "sse_response",
    "stream_handler",
    "stream_response",
    "stream_to_channel",
]

# Where a public name lives. A name that is missing here is an event's.
_ROOMS = {
    "asgi": (
        "StreamResponse",
        "last_event_id",
        "ndjson_handler",
        "ndjson_response",
        "sse_handler",
        "sse_response",
        "stream_handler",
        "stream_response",
    ),
    "exceptions": (
        "DecodeError",
        "EncodeError",
        "LimitExceeded",
        "ProviderError",
        "ReconnectError",
        "StreamError",
        "StreamTimeout",
        "TruncatedStream",
        "UnknownEventID",
    ),
    "ndjson": ("NDJSONDecoder", "NDJSONEncoder"),
    "reader": ("Reader", "stream_to_channel"),
    "sse": ("SSEDecoder", "SSEEncoder", "ServerSentEvent"),
    "transform": ("Transform", "pipe"),
    "writer": ("Writer",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name from its room, once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_ROOM_OF.get(name, 'events')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name everything public, loaded or not."""
    return sorted({*globals(), *__all__})
