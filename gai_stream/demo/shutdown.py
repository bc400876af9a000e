"""End open streams with their terminal frame when the server goes away, rather than cut them."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Generic, Self, TypeVar

import anyio

from gai_stream.events import Event
from gai_stream.exceptions import ProviderError
from gai_stream.providers import ChatRequest, Provider

__all__ = ["Shutdown", "WatchedProvider"]

T = TypeVar("T")


class Shutdown:
    """Watch streams, and make each of them fail with a ProviderError once `begin` is called.

    A response turns that error into its dialect's error event and terminal frame, or into 503 before the first byte.
    """

    def __init__(self) -> None:
        self.begun = False
        self.waiting: set[anyio.CancelScope] = set()

    def begin(self) -> None:
        """Wake every stream that waits for its next item. Call it in the event loop that runs them."""
        self.begun = True
        for scope in tuple(self.waiting):
            scope.cancel()

    def watch(self, stream: AsyncIterable[T]) -> AsyncIterator[T]:
        """Return `stream` until `begin`; what is returned is closed like it."""
        return _Watched(self, stream)


class _Watched(Generic[T]):
    def __init__(self, shutdown: Shutdown, stream: AsyncIterable[T]) -> None:
        self._shutdown = shutdown
        self._items = aiter(stream)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        # The scope begins and ends with one item, so it never straddles a `yield`; a task per item would cost more,
        # and run a generator's clean-up in another task than its body.
        with anyio.CancelScope() as scope:
            self._shutdown.waiting.add(scope)
            try:
                if not self._shutdown.begun:
                    return await anext(self._items)
            finally:
                self._shutdown.waiting.discard(scope)
        raise ProviderError("provider_unavailable", "the server is shutting down")

    async def aclose(self) -> None:
        """Close the stream that is watched."""
        aclose: Any = getattr(self._items, "aclose", None)
        if aclose is not None:
            await aclose()


class WatchedProvider:
    """A provider whose streams end with the server: everything else about it is `provider`'s own."""

    def __init__(self, provider: Provider, shutdown: Shutdown) -> None:
        self._provider = provider
        self._shutdown = shutdown

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    def stream(self, request: ChatRequest) -> AsyncIterator[Event]:
        """Return the provider's stream, watched."""
        return self._shutdown.watch(self._provider.stream(request))
