"""One address that answers requests with streams: methods, body size, preflight, and what bad requests get."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gai_stream._options import check_bytes
from gai_stream.exceptions import ProviderError, StreamError

from .errors import ErrorAnswer, ErrorBody, answer, refuse
from .headers import CORS, CORSRule, header

__all__ = ["Endpoint", "Prepare"]

Asked = TypeVar("Asked")
Prepare: TypeAlias = Callable[[Request], Asked | Awaitable[Asked]]


class _BodyTooLarge(Exception):
    pass


class Endpoint:
    """Answer what `prepare` makes of a request by `respond(scope, asked)`, an ASGI application for that request.

    `prepare(request)`, which may be async, refuses by raising: a ValueError, LookupError, TypeError or StreamError is
    the client's fault and becomes 400 with the reason, an HTTPException or ProviderError its own status, anything else
    a masked 500. Other methods than `methods` get 405, a body of more than `max_body_size` bytes 413. `error_body`
    words the refusals as the clients' dialect does. `head(scope)`, where GET is among the methods, answers HEAD.
    """

    def __init__(
        self,
        prepare: Prepare[Any],
        respond: Callable[[Scope, Any], ASGIApp],
        *,
        methods: Iterable[str],
        max_body_size: int,
        cors: CORS,
        error_body: ErrorBody | None = None,
        head: Callable[[Scope], ASGIApp] | None = None,
    ) -> None:
        if not callable(prepare):
            raise TypeError(f"prepare must be callable, not {type(prepare).__name__}")
        methods = [] if isinstance(methods, str) else [method.upper() for method in methods]
        if not methods:
            raise ValueError('methods must be one or more, such as ("GET", "POST"), not a string or none')
        check_bytes("max_body_size", max_body_size)
        self._prepare = prepare
        self._respond = respond
        self._methods = methods
        self._head = head if head is not None and "GET" in methods else None
        self._allowed = ", ".join([*methods, *(["HEAD"] if self._head else ()), "OPTIONS"]).encode()
        self._max_body_size = max_body_size
        self._cors = CORSRule(cors)
        self._body = error_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"this endpoint answers http requests, not {scope['type']!r}")
        method = scope["method"]
        if method not in self._methods and not (method == "OPTIONS" or (method == "HEAD" and self._head)):
            refusal = refuse(
                405,
                f"use {' or '.join(self._methods)} here",
                headers={"allow": self._allowed.decode()},
                body=self._body,
            )
            await self._refuse(refusal, scope, receive, send)
            return
        if method == "OPTIONS":
            preflight = Response(status_code=204)
            preflight.raw_headers += self._cors.preflight(scope, self._allowed).items()
            await preflight(scope, receive, send)
            return
        if method == "HEAD" and self._head:
            # It may not start a generation.
            await self._head(scope)(scope, receive, send)
            return
        try:
            asked = await self._ask(scope, receive)
        except _BodyTooLarge:
            refusal = refuse(413, f"the body is larger than {self._max_body_size} bytes", body=self._body)
            await self._refuse(refusal, scope, receive, send)
        except ClientDisconnect:
            return
        except Exception as exc:  # noqa: BLE001 (answered, and logged)
            await self._refuse(_bad_request(exc, self._body), scope, receive, send)
        else:
            try:
                response = self._respond(scope, asked)
            except Exception as exc:  # noqa: BLE001 (answered, and logged)
                await self._refuse(answer(exc, self._body), scope, receive, send)
            else:
                await response(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive) -> Any:
        size = 0
        declared = header(scope, b"content-length") or b""
        if declared.isdigit() and int(declared) > self._max_body_size:
            raise _BodyTooLarge

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._max_body_size:
                raise _BodyTooLarge
            return message

        request = self._prepare(Request(scope, limited))
        return await request if inspect.isawaitable(request) else request

    async def _refuse(self, refusal: ErrorAnswer, scope: Scope, receive: Receive, send: Send) -> None:
        response = Response(refusal.body, refusal.status)
        response.raw_headers += [*refusal.headers.items(), *self._cors.headers(scope).items()]
        await response(scope, receive, send)


def _bad_request(exc: Exception, body: ErrorBody | None) -> ErrorAnswer:
    known = isinstance(exc, HTTPException | ProviderError)
    # The last two are what a list in place of an object, and brackets a thousand deep, make of a parser's code.
    if not known and isinstance(
        exc, StreamError | ValueError | LookupError | TypeError | AttributeError | RecursionError
    ):
        # A KeyError's text is its key, which says nothing by itself.
        reason = f"{exc.args[0]} is missing" if type(exc) is KeyError and exc.args else str(exc)
        return refuse(400, reason or type(exc).__name__, body=body)
    return answer(exc, body)
