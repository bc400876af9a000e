"""The pushing side: messages in, bytes out, in order, each whole.

The transport is one coroutine function that takes bytes: an ASGI `send`, a socket, a queue. Nothing here knows which.
`COMPILED` says whether the part of this that may be compiled is.
"""

from .framing import Framing, stream_headers
from .outbox import COMPILED
from .texts import Texts, texts_of_events
from .writer import Writer

__all__ = ["COMPILED", "Framing", "Texts", "Writer", "stream_headers", "texts_of_events"]
