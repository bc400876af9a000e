"""Streams as ASGI responses: a plain ASGI application each, and a `Response` in Starlette and FastAPI routes."""

from .endpoint import Endpoint
from .handlers import ndjson_handler, sse_handler, stream_handler
from .negotiation import last_event_id
from .report import Summary
from .response import StreamResponse
from .streams import framed_response, ndjson_response, sse_response, stream_response

__all__ = [
    "Endpoint",
    "StreamResponse",
    "Summary",
    "framed_response",
    "last_event_id",
    "ndjson_handler",
    "ndjson_response",
    "sse_handler",
    "sse_response",
    "stream_handler",
    "stream_response",
]
