"""Server-Sent Events: all that is known here of `text/event-stream`.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html (WHATWG HTML, 9.2).
"""

from __future__ import annotations

from .decoder import OnOversize, SSEDecoder
from .encoder import SSEEncoder
from .message import ServerSentEvent

__all__ = ["OnOversize", "SSEDecoder", "SSEEncoder", "ServerSentEvent"]
