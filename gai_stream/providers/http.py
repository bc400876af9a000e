"""The HTTP provider for OpenAI and for every server that speaks its Chat Completions API."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any, Final, Self

import httpx2
import msgspec

from gai_stream import _json
from gai_stream._options import check_bytes, check_seconds
from gai_stream.dialects.openai import OpenAIDecoder, completion_as_chunk, provider_error
from gai_stream.events import Done, Event, Failure
from gai_stream.exceptions import DecodeError, LimitExceeded, ProviderError, StreamError
from gai_stream.providers.errors import refusal
from gai_stream.providers.exchange import Exchange, Timeouts
from gai_stream.providers.provider import ChatRequest
from gai_stream.providers.requests import openai
from gai_stream.sse import SSEDecoder

__all__ = ["DEFAULT_MODEL", "OPENAI_URL", "OpenAICompatible"]

OPENAI_URL: Final = "https://api.openai.com/v1"
DEFAULT_MODEL: Final = "gpt-5.4-mini"
"""The model asked for at OpenAI's own address when nobody names one: small, quick, and able to call tools."""

_OPENAI: Final = "api.openai.com"
_ERROR_BODY_SIZE: Final = 64 * 1024
_TEXT_SIZE: Final = 500
_ERROR_KEYS: Final = frozenset({"error", "message", "detail", "errors"})
# How long to wait, in seconds, for the end of a body whose last event came: a connection read to its end is used again.
_LINGER: Final = 0.25
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"
_HEADER_NAME = re.compile("[0-9A-Za-z_-]+")
_HEADER_VALUE = re.compile("[!-~](?:[ -~]*[!-~])?")
_SECRET_NAME = re.compile("auth|key|token|secret|cookie", re.IGNORECASE)


class OpenAICompatible:
    """Ask `base_url` + "/chat/completions", and decode the stream of its answer.

    `model` answers requests that name none (at OpenAI's own address `DEFAULT_MODEL`; elsewhere None lets the server
    choose). `headers` are sent along and win over ours, for servers that want their key under another name.
    `include_usage=False` leaves out `stream_options`, which a few old servers refuse.

    Timeouts are in seconds, None for none: `connect_timeout` until there is a connection, `read_timeout` for every
    silence after that, `total_timeout` for the whole answer, with the time that your code takes over it.
    `max_event_size` is in bytes. A `client` of your own is used as it is and stays yours to close. Otherwise one is
    made that opens as many connections as there are streams, keeps them for reuse, and is closed by `aclose`.

    Raises ValueError for an option that cannot work, naming it.
    """

    def __init__(
        self,
        *,
        base_url: str = OPENAI_URL,
        api_key: str | None = None,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        connect_timeout: float | None = 10.0,
        read_timeout: float | None = 60.0,
        total_timeout: float | None = None,
        max_event_size: int = 1 << 20,
        include_usage: bool = True,
        client: httpx2.AsyncClient | None = None,
        name: str = "openai",
    ) -> None:
        base = _base(base_url)
        self.name = name
        self._host = base.host
        self._url = base.copy_with(path=base.path.rstrip("/") + "/chat/completions", fragment=None)
        self.model = model or (DEFAULT_MODEL if base.host == _OPENAI else None)
        check_seconds("connect_timeout", connect_timeout)
        check_seconds("read_timeout", read_timeout)
        check_seconds("total_timeout", total_timeout)
        self._timeouts = Timeouts(connect_timeout, read_timeout, total_timeout)
        check_bytes("max_event_size", max_event_size)
        self._max_event_size = max_event_size
        self._include_usage = include_usage
        self._headers = httpx2.Headers(
            # What compresses a stream on its way tends to collect it first.
            {"accept": "text/event-stream", "accept-encoding": "identity", "content-type": "application/json"}
        )
        secrets: list[str] = []
        if api_key is not None:
            self._headers["authorization"] = f"Bearer {_header_value('api_key', api_key)}"
            secrets.append(api_key)
        for key, value in (headers or {}).items():
            if not isinstance(key, str) or not _HEADER_NAME.fullmatch(key):
                raise ValueError(f"headers must be named by ASCII letters, digits and hyphens, not {key!r}")
            self._headers[key] = _header_value(f"headers[{key!r}]", value)
            if _SECRET_NAME.search(key):
                secrets.append(value.removeprefix("Bearer "))
        # A short one is a dummy, such as "none", and a word of its own.
        self._secrets = [secret for secret in secrets if len(secret) >= 8]
        self._own_client = client is None
        self._client = client or httpx2.AsyncClient(
            # httpx2 stops at 100 connections unless told otherwise: stream 101 would wait for another one's end.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=30.0)
        )

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None, **options: Any) -> Self:
        """Return a provider by OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL, with further `options`.

        `env` is os.environ unless given. Raises ValueError without a key, unless OPENAI_BASE_URL leads elsewhere than
        to OpenAI.
        """
        env = os.environ if env is None else env
        variables = {"api_key": "OPENAI_API_KEY", "base_url": "OPENAI_BASE_URL", "model": "OPENAI_MODEL"}
        found = {option: value for option, name in variables.items() if (value := env.get(name, "").strip())}
        options = {**found, **options}
        if not options.get("api_key") and _base(options.get("base_url", OPENAI_URL)).host == _OPENAI:
            raise ValueError("OPENAI_API_KEY is not set; set it, or set OPENAI_BASE_URL to a server that needs no key")
        return cls(**options)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} at {self._host}, model {self.model!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, unless the client is yours."""
        if self._own_client:
            await self._client.aclose()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Yield the answer's events as they come. Closing the generator closes the connection at once.

        Raises ProviderError for a refusal (with its status), a timeout (504), a broken connection (502) and an error
        that comes instead of the first event; and what the decoders raise for an answer that cannot be read. All of
        them come behind every event that arrived whole. What comes behind `Done` is ignored.
        """
        body = openai.body(request, model=self.model, usage=self._include_usage, newest=self._host == _OPENAI)
        post = self._client.build_request("POST", self._url, headers=self._headers, content=_json.dumps(body))
        exchange = Exchange(self._client, self._timeouts, self.name)
        response = await exchange.send(post)
        last: Event | None = None
        try:
            if not response.is_success:
                raise refusal(response.status_code, response.headers, await self._error_body(exchange))
            async with aclosing(self._batches(exchange)) as batches:
                async for events in batches:
                    for event in events:
                        if last is None and isinstance(event, Failure):
                            raise ProviderError(event.code, event.message, None, event.temporary, event.retry_after)
                        last = self._cleaned(event) if isinstance(event, Failure) else event
                        yield last
                    if isinstance(last, Done):
                        return
        except ProviderError as error:
            error.message = self._without_secrets(error.message)
            error.args = (error.message,)
            raise
        finally:
            await exchange.close(linger=_LINGER if isinstance(last, Done) else 0.0)

    async def _batches(self, exchange: Exchange) -> AsyncGenerator[list[Event], None]:
        """Yield the events of each message."""
        decoder = OpenAIDecoder()
        chunk = await exchange.read()
        # Servers send errors, pages and whole answers as event streams, and streams as JSON: the first byte decides.
        while chunk is not None and not (chunk := chunk.lstrip(_BLANK)):
            chunk = await exchange.read()
        if chunk is not None and chunk.startswith((b"{", b"[", b"<")):
            yield decoder.feed(await self._completion(exchange, chunk))
            yield decoder.feed("[DONE]")
            return
        framing = SSEDecoder(max_event_size=self._max_event_size, on_ignored=decoder.ignored)
        while chunk is not None:
            for message in framing.feed(chunk):
                yield decoder.feed(message)
            try:
                chunk = await exchange.read()
            except ProviderError:
                # An answer that lacks only its terminator is whole, however the connection ended.
                if not (tail := _tail(decoder)):
                    raise
                yield tail
                return
        # Some servers forget the last blank line. A browser would drop the event; here the answer's end may be in it.
        for message in framing.feed(b"\n\n"):
            with suppress(DecodeError):
                yield decoder.feed(message)
        yield decoder.finish()

    async def _completion(self, exchange: Exchange, start: bytes) -> dict[str, Any]:
        """Return the answer in one piece of a server that does not stream, as one chunk. Raises its error."""
        body = start + await exchange.read_up_to(self._max_event_size + 1 - len(start))
        if len(body) > self._max_event_size:
            raise LimitExceeded(
                f"{self.name} sent one answer of more than {self._max_event_size} bytes (max_event_size)",
                option="max_event_size",
                limit=self._max_event_size,
            )
        value: Any = None
        with suppress(msgspec.MsgspecError, LookupError, TypeError, ValueError, RecursionError):
            value = msgspec.json.decode(body)
            return completion_as_chunk(value)
        told = value[0] if isinstance(value, list) and value else value
        if isinstance(told, dict) and told.keys() & _ERROR_KEYS:
            raise provider_error(value)
        text = body.decode(errors="replace").strip()[:_TEXT_SIZE]
        raise ProviderError("invalid_response", f"{self.name} did not answer with a stream: {text}")

    async def _error_body(self, exchange: Exchange) -> bytes:
        body = bytearray()
        # A part of an error is better than none.
        with suppress(ProviderError):
            while len(body) < _ERROR_BODY_SIZE and (chunk := await exchange.read()) is not None:
                body += chunk
        return bytes(body[:_ERROR_BODY_SIZE])

    def _cleaned(self, failure: Failure) -> Failure:
        return msgspec.structs.replace(failure, message=self._without_secrets(failure.message))

    def _without_secrets(self, text: str) -> str:
        # Servers do quote the key that they refuse.
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _tail(decoder: OpenAIDecoder) -> list[Event]:
    """Return what ends an answer that was finished, or nothing."""
    try:
        return decoder.finish()
    except StreamError:
        return []


def _base(url: str) -> httpx2.URL:
    try:
        base = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as exc:
        raise ValueError(f"base_url must be a URL such as {OPENAI_URL!r}: {exc}") from exc
    if base.scheme not in ("http", "https") or not base.host:
        raise ValueError(f"base_url must begin with http:// or https:// and name a host, not {url!r}")
    if base.userinfo:
        raise ValueError("base_url must not hold a user name or password; give them as api_key or headers")
    return base


def _header_value(option: str, value: str) -> str:
    # The value may be a secret, so the message must not show it.
    if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"{option} must be printable ASCII without spaces around it; check for a stray line end")
    return value
