"""The app's lifespan, as a server runs it."""

from __future__ import annotations

from typing import Any

import anyio

from .response import ASGIApp, Message

__all__ = ["Lifespan"]


class Lifespan:
    """Start an app up and shut it down. An app that knows nothing of it is left in peace."""

    def __init__(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._scope = {"type": "lifespan", "state": self.state, **scope}
        self._asked = False
        self._reply: Message = {"type": ""}
        self._replied = anyio.Event()
        self._leaving = anyio.Event()
        self._ended = anyio.Event()
        self._error: Exception | None = None

    async def run(self) -> None:
        """Run the app on the lifespan's scope."""
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception as exc:  # noqa: BLE001 - raised again where it matters
            self._error = exc
        finally:
            self._replied.set()
            self._ended.set()

    async def start(self, timeout: float) -> bool:
        """Wait for the startup, and say whether the app has a lifespan. Raises what made the startup fail."""
        await self._replied.wait()
        if self._reply["type"] == "lifespan.startup.failed":
            with anyio.move_on_after(timeout):
                await self._ended.wait()
            self._raise("startup")
        # "If an exception is raised when calling the application callable with a lifespan.startup message or a scope
        # of type lifespan, the server must continue but not send any lifespan events."
        # https://asgi.readthedocs.io/en/latest/specs/lifespan.html
        return str(self._reply["type"]) == "lifespan.startup.complete"

    async def stop(self, timeout: float) -> None:
        """Ask for the shutdown and wait for the app's end. Raises what made it fail."""
        self._leaving.set()
        with anyio.move_on_after(timeout):
            await self._ended.wait()
        if not self._ended.is_set():
            raise AssertionError(f"the app's lifespan did not end within {timeout:g} s of lifespan.shutdown")
        if self._error is not None or self._reply["type"] == "lifespan.shutdown.failed":
            self._raise("shutdown")

    def _raise(self, what: str) -> None:
        raise self._error or RuntimeError(f"the app's {what} failed: {self._reply.get('message', '')}")

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await self._leaving.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        if message["type"] not in {
            f"lifespan.{when}.{how}" for when in ("startup", "shutdown") for how in ("complete", "failed")
        }:
            raise RuntimeError(f"ASGI: the app sent {message['type']!r} in its lifespan")
        self._reply = message
        self._replied.set()
