"""The provider over HTTP: one class for all of them, told apart by their presets."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from math import inf
from random import Random
from typing import Any, Final, Literal, Self

import anyio
import httpx2
import msgspec

from gai_stream import _json
from gai_stream._options import check_bytes, check_seconds
from gai_stream.dialects import registry
from gai_stream.events import Done, Event, Failure
from gai_stream.exceptions import EncodeError, ProviderError
from gai_stream.providers.address import base_address, target
from gai_stream.providers.answer import Answer
from gai_stream.providers.exchange import Exchange, Timeouts
from gai_stream.providers.keys import check_value, request_headers
from gai_stream.providers.presets import Preset, preset
from gai_stream.providers.provider import ChatRequest
from gai_stream.providers.reply import Reply, collect
from gai_stream.providers.requests import codec
from gai_stream.providers.retries import NO_RETRIES, Retries

__all__ = ["HTTPProvider"]

_log = logging.getLogger(__name__)

# How long to wait, in seconds, for the end of a body whose last event came: a connection read to its end is used again.
# Behind an error nobody knows what a server would still send.
_LINGER: Final = 0.25
_ACCEPT: Final = {"sse": "text/event-stream", "ndjson": "application/x-ndjson"}


class HTTPProvider:
    """Ask a provider by its `preset`, a name or a Preset, and decode the stream of its answer.

    `model` answers requests that name none; None is the preset's (for OpenAI's API at another `base_url`, None lets the
    server choose). `base_url` replaces the preset's address; `headers` are sent along and win over ours. `options` are
    those of the dialect's request body, such as `{"usage": False}` for old servers that refuse `stream_options`, and
    win over the preset's. `name` is what logs and messages call it, the preset's name unless given.

    Timeouts are in seconds, None for none: `connect_timeout` until there is a connection, `first_byte_timeout` from
    then until the first byte of the answer, `idle_timeout` for every silence after that, `total_timeout` for the whole
    answer, with the time that your code takes over it. `retries` ask again while no byte of an answer has come.

    `max_event_size` is in bytes. `on_malformed` says what a message does that cannot be read: "skip" drops it, logs
    how many there were at the end, and counts it in `malformed`; "error" ends the answer with a Failure.

    A `client` of your own is used as it is and stays yours to close. Otherwise one is made that opens as many
    connections as there are streams, keeps them for reuse, and is closed by `aclose`.

    Raises ValueError for an option that cannot work, naming it; no message ever shows the key.
    """

    supports_streaming: Final = True

    def __init__(
        self,
        preset: Preset | str = "openai",
        *,
        model: str | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        connect_timeout: float | None = 10.0,
        first_byte_timeout: float | None = 120.0,
        idle_timeout: float | None = 60.0,
        total_timeout: float | None = None,
        retries: Retries = NO_RETRIES,
        max_event_size: int = 1 << 20,
        on_malformed: Literal["skip", "error"] = "skip",
        client: httpx2.AsyncClient | None = None,
        name: str | None = None,
    ) -> None:
        self._preset = chosen = _preset(preset)
        self._bases = [base_address(url) for url in ([base_url] if base_url is not None else chosen.base_urls)]
        at_home = self._bases[0].host in {base_address(url).host for url in chosen.base_urls}
        self.name = name or chosen.name
        self.dialect = chosen.dialect
        self.host = self._bases[0].netloc.decode()
        as_is = at_home or not chosen.portable
        self.model = model or (chosen.model if as_is else None)
        self._options = {**(chosen.options if as_is else {}), **(options or {})}
        for option, seconds in (
            ("connect_timeout", connect_timeout),
            ("first_byte_timeout", first_byte_timeout),
            ("idle_timeout", idle_timeout),
            ("total_timeout", total_timeout),
        ):
            check_seconds(option, seconds)
        self._timeouts = Timeouts(connect_timeout, first_byte_timeout, idle_timeout, total_timeout)
        if not isinstance(retries, Retries):
            raise TypeError(f"retries must be a Retries, not {type(retries).__name__}")
        self._retries = retries
        check_bytes("max_event_size", max_event_size)
        self._max_event_size = max_event_size
        if on_malformed not in ("skip", "error"):
            raise ValueError(f'on_malformed must be "skip" or "error", not {on_malformed!r}')
        self._strict = on_malformed == "error"
        self._dialect = registry.dialect(chosen.dialect)
        self._codec = codec(chosen.dialect)
        self._headers, self._redaction = request_headers(
            api_key, chosen.key_header, {"accept": _ACCEPT[self._dialect.framing]}, chosen.headers, headers or {}
        )
        self.malformed = 0
        self._random = Random()
        self._own_client = client is None
        self._client = client or httpx2.AsyncClient(
            # httpx2 stops at 100 connections unless told otherwise: stream 101 would wait for another one's end.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=30.0)
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} at {self.host}, model {self.model!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, unless the client is yours."""
        if self._own_client:
            await self._client.aclose()

    async def complete(self, request: ChatRequest) -> Reply:
        """Return the whole answer, once it is there. Raises ProviderError, also for one that failed on its way."""
        return await collect(self.stream(request))

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Yield the answer's events as they come. Closing the generator closes the connection at once.

        Raises ProviderError for a request that the API has no words for (400), a refusal (with its status), a timeout
        (504), a broken connection (502), an answer that cannot be read or was cut (502), and an error that comes
        instead of the first event. All of them come behind every event that arrived whole. What comes behind `Done` is
        ignored.
        """
        last: Event | None = None
        exchange = await self._ask(request)
        answer = Answer(self._dialect, name=self.name, max_event_size=self._max_event_size, strict=self._strict)
        try:
            more = True
            while more:
                events: Iterable[Event]
                try:
                    chunk = await exchange.read()
                    more = chunk is not None
                    events = answer.feed(chunk) if chunk is not None else answer.finish()
                except ProviderError:
                    # An answer that lacks only its terminator is whole, however the connection ended.
                    if not (events := answer.rest()):
                        raise
                for event in events:
                    last = self._told(event, first=last is None) if isinstance(event, Failure) else event
                    yield last
                    if isinstance(last, Done):
                        return
        except ProviderError as error:
            error.request_id = error.request_id or exchange.request_id
            self._redaction.error(error)
            raise
        finally:
            self._count(answer.malformed, exchange.request_id)
            await exchange.close(linger=_LINGER if last == Done() else 0.0)

    async def _ask(self, request: ChatRequest) -> Exchange:
        """Return the exchange whose answer has begun: at the first address that gives one, after so many retries."""
        model = request.model or self.model
        if model is None and "{model}" in self._preset.path:
            raise ProviderError("invalid_request", f"model is missing; name one that {self.name} has")
        try:
            content = _json.dumps(self._codec.body(request, model=self.model, **self._options))
        except EncodeError as exc:
            # It tells of what was asked, in words meant for who asked.
            raise ProviderError("invalid_request", str(exc)) from exc
        headers = self._headers.copy()
        for name, value in (("idempotency-key", request.idempotency_key), ("x-trace-id", request.trace_id)):
            if value is not None:
                try:
                    check_value(name, value)
                except ValueError as exc:
                    raise ProviderError("invalid_request", str(exc)) from exc
                headers[name] = value
        total = self._timeouts.total
        deadline = inf if total is None else anyio.current_time() + total
        retry = 0
        while True:
            retry += 1
            for base in self._bases:
                url = target(base, self._preset.path, model)
                exchange = Exchange(self._client, self._timeouts, self.name, deadline=deadline)
                post = self._client.build_request("POST", url, headers=headers, content=content)
                try:
                    await exchange.begin(post)
                except ProviderError as exc:
                    error = exc
                    error.request_id = error.request_id or exchange.request_id
                else:
                    return exchange
                # A key that is refused at one address is not shown to the next.
                if error.status == 401 or anyio.current_time() >= deadline:
                    break
            pause = self._retries.wait(error, retry=retry, told=exchange.retry_after, random=self._random)
            if pause is None or anyio.current_time() + pause >= deadline:
                raise self._redaction.error(error)
            _log.info("%s: asking again in %.1f s (retry %d): %s", self.name, pause, retry, error.code)
            await anyio.sleep(pause)

    def _told(self, failure: Failure, *, first: bool) -> Failure:
        """Return `failure` without secrets; raise it where nothing came before it."""
        message = self._redaction.text(failure.message)
        if first:
            raise ProviderError(failure.code, message, None, failure.temporary, failure.retry_after)
        return msgspec.structs.replace(failure, message=message)

    def _count(self, malformed: int, request_id: str | None) -> None:
        if malformed:
            self.malformed += malformed
            _log.warning("%s sent %d messages that cannot be read (request %s)", self.name, malformed, request_id)


def _preset(chosen: Preset | str) -> Preset:
    return chosen if isinstance(chosen, Preset) else preset(chosen)
