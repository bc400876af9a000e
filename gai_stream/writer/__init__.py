"""The pushing side: messages in, bytes out, in order, each whole.

The transport is one coroutine function that takes bytes: an ASGI `send`, a socket, a queue. Nothing here knows which.
"""

from .framing import Framing, stream_headers
from .texts import Texts, texts_of_events
from .writer import Writer

__all__ = ["Framing", "Texts", "Writer", "stream_headers", "texts_of_events"]
