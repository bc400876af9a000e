"""The gateway's application: every API that clients speak, in front of any provider."""

from __future__ import annotations

import hmac
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeAlias, Unpack

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.routing import Route as HTTPRoute
from starlette.types import Scope

from gai_stream.asgi import Endpoint, StreamResponse, Summary, sse_response
from gai_stream.asgi.errors import refuse
from gai_stream.asgi.streams import StreamOptions
from gai_stream.dialects.gai_v1 import make_request_id
from gai_stream.exceptions import ProviderError
from gai_stream.providers import ChatRequest
from gai_stream.providers.requests import codec, names, portable

from .answers import answer
from .clients import CLIENTS, Asked, Client, read_body
from .limits import Limits
from .lists import anthropic_models, gemini_models, ollama_tags, ollama_version, openai_models, single
from .routes import Routes

__all__ = ["OnOutcome", "Outcome", "gateway", "gateway_routes"]

logger = logging.getLogger("gai_stream.gateway")

_MAX_BODY_SIZE: Final = 32 << 20
"""Requests bring images and whole conversations along."""

_TRACE_ID_LENGTH: Final = 200


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one request, told once its stream is over.

    `path` and `dialect` are the client's, `model` is what it asked for, `provider` and `provider_model` who answered
    (None is the provider's own choice), `streamed` whether the answer came in pieces. `key` stands for the credential
    that the client showed, or for its address: the same for the same client, and of no use to anybody else. Usage,
    text, failure and timings are in `summary`.
    """

    path: str
    dialect: str
    model: str
    provider: str
    provider_model: str | None
    streamed: bool
    key: str
    request_id: str
    trace_id: str | None
    idempotency_key: str | None
    summary: Summary


OnOutcome: TypeAlias = Callable[[Outcome], Awaitable[object] | object]


class _Caller(NamedTuple):
    key: str
    request_id: str
    trace_id: str | None
    idempotency_key: str | None


def gateway(
    routes: Routes,
    *,
    token: str | None = None,
    limits: Limits | None = None,
    on_outcome: OnOutcome | None = None,
    max_body_size: int = _MAX_BODY_SIZE,
    **options: Unpack[StreamOptions],
) -> Starlette:
    """Return an ASGI application that answers OpenAI's, Claude's, Gemini's and Ollama's clients by `routes`.

    `token` is what clients must show, as the API key of their SDK; None lets everybody in. `limits` bounds the open
    streams. `on_outcome` is called once for each request that reached a provider, with its `Outcome`; by default a line
    is logged. The other options are those of `sse_response`, for all answers, with `cors` and `hold` None by default.
    The providers are closed with the application.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        for provider in routes.providers.values():
            await provider.aclose()

    http_routes = gateway_routes(
        routes, token=token, limits=limits, on_outcome=on_outcome, max_body_size=max_body_size, **options
    )
    return Starlette(routes=http_routes, exception_handlers={HTTPException: _as_json}, lifespan=lifespan)


def gateway_routes(
    routes: Routes,
    *,
    token: str | None = None,
    limits: Limits | None = None,
    on_outcome: OnOutcome | None = None,
    max_body_size: int = _MAX_BODY_SIZE,
    **options: Unpack[StreamOptions],
) -> list[BaseRoute]:
    """Return the gateway's addresses, for an application of your own. The options are those of `gateway`."""
    if token is not None and (not isinstance(token, str) or not token.strip()):
        raise ValueError("token must be a text that is not blank, or None to let everybody in")
    if on_outcome is not None and not callable(on_outcome):
        raise TypeError(f"on_outcome must be callable, not {type(on_outcome).__name__}")
    for ours in ("status", "on_end", "background"):
        if ours in options:
            raise ValueError(f"{ours} is not for a gateway's caller to set")
    # Pages of other sites may ask only where they are told so. A provider may think for long before it refuses, and an
    # SDK wants the status: only a heartbeat sends headers early.
    checked: StreamOptions = {"cors": None, "hold": None, **options}
    # Wrong options are found here, not at the first request.
    sse_response([], **checked)
    doors = _Gateway(routes, token, limits or Limits(), on_outcome or _log, checked)
    versions = ("/v1", "/v1beta")
    return [
        *(HTTPRoute(f"{version}/models", doors.models, methods=["GET"]) for version in versions),
        *(HTTPRoute(f"{version}/models/{{id:path}}", doors.model, methods=["GET"]) for version in versions),
        HTTPRoute("/api/tags", partial(doors.listed, ollama_tags), methods=["GET"]),
        HTTPRoute("/api/version", partial(doors.listed, ollama_version), methods=["GET"]),
        *(HTTPRoute(client.path, doors.endpoint(client, max_body_size)) for client in CLIENTS),
    ]


class _Gateway:
    def __init__(
        self, routes: Routes, token: str | None, limits: Limits, on_outcome: OnOutcome, options: StreamOptions
    ) -> None:
        self._routes = routes
        self._token = None if token is None else sha256(token.encode()).digest()
        self._limits = limits
        self._on_outcome = on_outcome
        self._options = options

    def endpoint(self, client: Client, max_body_size: int) -> Endpoint:
        """Return the application for one API."""

        async def prepare(request: Request) -> tuple[Asked, _Caller]:
            caller = self._admitted(request)
            return client.read(await read_body(request), request), caller

        return Endpoint(
            prepare,
            partial(self._respond, client),
            methods=["POST"],
            max_body_size=max_body_size,
            cors=self._options["cors"],
            error_body=client.error_body,
        )

    def _respond(self, client: Client, _scope: Scope, prepared: tuple[Asked, _Caller]) -> StreamResponse:
        asked, caller = prepared
        model = asked.request.model or ""
        provider, provider_model = self._routes.find(model)
        if asked.form != "whole" and not getattr(provider, "supports_streaming", True):
            raise ProviderError("unsupported", f"provider {provider.name} does not support streaming")
        theirs = getattr(provider, "dialect", None)
        own = theirs in names() and codec(theirs) is codec(client.dialect)
        request = msgspec.structs.replace(
            asked.request if own else _without_its_own_words(asked.request),
            model=provider_model,
            trace_id=caller.trace_id,
            idempotency_key=caller.idempotency_key,
        )

        async def ended(summary: Summary) -> None:
            self._limits.leave(caller.key)
            outcome = Outcome(
                path=client.path,
                dialect=client.dialect,
                model=model,
                provider=provider.name,
                provider_model=provider_model,
                streamed=asked.form != "whole",
                summary=summary,
                **caller._asdict(),
            )
            told = self._on_outcome(outcome)
            if inspect.isawaitable(told):
                await told

        headers = {"x-request-id": caller.request_id, **(self._options.get("headers") or {})}
        if caller.trace_id is not None:
            headers["x-trace-id"] = caller.trace_id
        self._limits.enter(caller.key)
        try:
            stream = provider.stream(request)
            return answer(asked, stream, {**self._options, "headers": headers, "on_end": ended})
        except BaseException:
            self._limits.leave(caller.key)
            raise

    def _admitted(self, request: Request) -> _Caller:
        """Return who asks. Raises HTTPException for somebody without the token, or from another site's page."""
        headers = request.headers
        if self._options["cors"] is None and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise HTTPException(403, "pages of other sites may not ask here")
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        shown = (
            (bearer.strip() if scheme.lower() == "bearer" else "")
            or headers.get("x-api-key")
            or headers.get("x-goog-api-key")
            or request.query_params.get("key")
            or ""
        )
        digest = sha256(shown.encode()).digest()
        if self._token is not None and not hmac.compare_digest(digest, self._token):
            message = "the token is missing or wrong; send it as your client's API key"
            raise HTTPException(401, message, {"www-authenticate": "Bearer"})
        address = request.client.host if request.client else "unknown"
        return _Caller(
            f"key:{digest.hex()[:16]}" if shown else f"address:{address}",
            make_request_id(),
            _header(request, "x-trace-id"),
            _header(request, "x-idempotency-key", "idempotency-key"),
        )

    async def models(self, request: Request) -> Response:
        """Answer GET /v1/models and /v1beta/models, in the words of the client that asks."""
        return await self.listed(_list_for(request), request)

    async def model(self, request: Request) -> Response:
        """Answer a request for one model of the list."""
        self._admitted(request)
        id = request.path_params["id"]
        found = single(_list_for(request)(self._routes), id)
        if found is None:
            raise HTTPException(404, f"the model {id[:80]!r} is not listed; GET /v1/models lists those that are")
        return JSONResponse(found)

    async def listed(self, made: Callable[[Routes], dict[str, Any]], request: Request) -> Response:
        """Answer a request for a list of models."""
        self._admitted(request)
        return JSONResponse(made(self._routes))


def _without_its_own_words(request: ChatRequest) -> ChatRequest:
    """Return what any provider understands. Raises ProviderError where the answer would be to another question."""
    for key in ("previous_response_id", "conversation"):
        if request.extra.get(key) is not None:
            raise ProviderError("unsupported", f"{key} cannot be followed here; send the whole conversation as input")
    if request.extra.get("n", 1) not in (1, None):
        raise ProviderError("unsupported", "n must be 1: the provider behind this model gives one answer")
    return portable(request)


def _list_for(request: Request) -> Callable[[Routes], dict[str, Any]]:
    """Return who lists the models: one address is asked by three kinds of clients."""
    if "anthropic-version" in request.headers:
        return anthropic_models
    google = request.url.path.startswith("/v1beta/") or "x-goog-api-key" in request.headers
    return gemini_models if google else openai_models


def _header(request: Request, *names: str) -> str | None:
    """Return the first of the headers `names` that can be passed on: printable, and no longer than ids are."""
    for name in names:
        value = request.headers.get(name, "").strip()
        if value and len(value) <= _TRACE_ID_LENGTH and value.isascii() and value.isprintable():
            return value
    return None


def _log(outcome: Outcome) -> None:
    summary = outcome.summary
    logger.info(
        "%s %s by %s: %s, %s", outcome.path, outcome.model, outcome.provider, summary.reason, summary.metrics.log_line()
    )


async def _as_json(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101
    refusal = refuse(exc.status_code, exc.detail, headers=exc.headers, body=CLIENTS[0].error_body)
    response = Response(refusal.body, refusal.status)
    response.raw_headers += refusal.headers.items()
    return response
