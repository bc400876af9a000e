"""One publisher, many listeners: what is posted to /publish reaches every open `EventSource` of /events.

Run it with `uvicorn examples.broadcast:app`, listen in two terminals with `curl -N http://127.0.0.1:8000/events`, and
publish in a third one:

    curl http://127.0.0.1:8000/publish -d 'Hello, all of you!'

A listener that falls behind is dropped and comes back by itself; it never holds up the others.
"""

from __future__ import annotations

from itertools import count

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gai_stream import ServerSentEvent, sse_response
from gai_stream.asgi import Summary

BEHIND = 100
"""How many messages a listener may be behind."""


class Room:
    """Everybody who listens."""

    def __init__(self) -> None:
        self._listeners: set[MemoryObjectSendStream[ServerSentEvent]] = set()
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._listeners)

    def publish(self, text: str) -> None:
        """Give one message to everybody, at once."""
        message = ServerSentEvent(text, event="news", id=str(next(self._numbers)))
        for listener in tuple(self._listeners):
            try:
                listener.send_nowait(message)
            except anyio.WouldBlock:
                self._drop(listener)

    def listen(self) -> Response:
        """Return a response that sends what is published from now on."""
        listener, stream = anyio.create_memory_object_stream[ServerSentEvent](BEHIND)
        self._listeners.add(listener)

        def left(_summary: Summary) -> None:
            self._drop(listener)

        # The stream may stay silent for long: headers at once, so that the client knows it is connected.
        return sse_response(stream, encoder=None, hold=0, retry=1000, on_end=left)

    def _drop(self, listener: MemoryObjectSendStream[ServerSentEvent]) -> None:
        self._listeners.discard(listener)
        listener.close()


room = Room()


async def events(_request: Request) -> Response:
    """Listen."""
    return room.listen()


async def publish(request: Request) -> Response:
    """Publish the body."""
    room.publish((await request.body()).decode("utf-8", "replace"))
    return JSONResponse({"listeners": len(room)})


app = Starlette(routes=[Route("/events", events), Route("/publish", publish, methods=["POST"])])
