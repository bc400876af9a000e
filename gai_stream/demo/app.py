"""The demo's application: the page, and an endpoint for every way to ask."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

import gai_stream
from gai_stream.asgi import Endpoint, StreamResponse, Summary, ndjson_response, sse_response, stream_handler
from gai_stream.asgi.errors import answer
from gai_stream.asgi.headers import CORS
from gai_stream.demo.shutdown import Shutdown, WatchedProvider
from gai_stream.events import Event
from gai_stream.gateway import Routes, gateway_routes
from gai_stream.gateway.config import Settings, from_env
from gai_stream.providers import ChatRequest, Message, Provider, parse_chat_request
from gai_stream.providers.presets import PRESETS

__all__ = ["app", "has_key"]

logger = logging.getLogger("gai_stream.demo")

_ASSETS: Final = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/panel.css": ("panel.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/client.js": ("client.js", "text/javascript; charset=utf-8"),
    "/favicon.svg": ("favicon.svg", "image/svg+xml"),
    # Asked for by whoever does not read the page's own link.
    "/favicon.ico": ("favicon.svg", "image/svg+xml"),
}
_ASSET_HEADERS: Final = {
    "cache-control": "no-cache",
    # Nothing inline and nothing from elsewhere: a model's text cannot become a script, nor an image that calls home.
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def has_key(env: Mapping[str, str] | None = None) -> bool:
    """Tell whether the environment names a model to ask, which somebody pays for."""
    env = os.environ if env is None else env
    return any(preset.is_set(env) for preset in PRESETS.values())


def app(
    provider: Provider | None = None,
    *,
    others: Iterable[Provider] = (),
    settings: Settings | None = None,
    cors: CORS = "*",
    shutdown: Shutdown | None = None,
) -> Starlette:
    """Return the demo: a chat page at `/`, the endpoints that it and others read, and the gateway beside them.

    `provider` answers unless a request names one of `others`. Instead of both, `settings` are those of a gateway; with
    neither they are the environment's, and a request of another site is refused if it could spend your key. `cors` is
    that of `sse_response`; None refuses other sites altogether. Settings with a token leave the gateway alone: a page
    has none to show. `shutdown` ends open streams when the server goes away.
    All providers are closed with the application. Raises ValueError for two providers of one name.
    """
    if provider is not None:
        providers = _by_name(provider, *others)
        settings = Settings(providers, default=provider.name)
    elif settings is None:
        settings = from_env()
        cors = None if has_key() else cors
    shutdown = shutdown or Shutdown()
    providers = {name: WatchedProvider(each, shutdown) for name, each in settings.providers.items()}
    default = next(iter(providers))
    routes = Routes(providers, models=settings.models, default=settings.default)

    async def info(_request: Request) -> Response:
        offered = [{"name": name, "model": getattr(each, "model", None)} for name, each in providers.items()]
        return JSONResponse({"providers": offered, "default": default, "version": gai_stream.__version__})

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        for each in providers.values():
            await each.aclose()

    chosen = _Chosen(providers, default)

    def by_method(scope: Scope, asked: ChatRequest) -> StreamResponse:
        """Answer GET with SSE, for an EventSource, and POST with NDJSON, for `fetch`."""
        respond = ndjson_response if scope["method"] == "POST" else sse_response
        return respond(chosen.stream(asked), cors=cors, on_end=_log(f"{scope['method']} /chat"))

    both = ("GET", "POST")
    endpoints: dict[str, ASGIApp] = {
        "/chat": Endpoint(
            chosen.asked_by("q"),
            by_method,
            methods=both,
            max_body_size=1 << 20,
            cors=cors,
            head=lambda _scope: sse_response([], cors=cors),
        ),
        "/api/v1/stream": stream_handler(
            chosen, chosen.asked_by("query"), methods=both, cors=cors, on_end=_log("/api/v1/stream")
        ),
    }
    gateway = gateway_routes(routes, token=settings.token, limits=settings.limits, cors=cors)
    if settings.token is not None:
        return Starlette(routes=gateway, exception_handlers={HTTPException: _as_json}, lifespan=lifespan)
    return Starlette(
        routes=[
            *(Route(at, _asset(name, media_type)) for at, (name, media_type) in _ASSETS.items()),
            Route("/api/info", info),
            *(Route(at, answers if cors is not None else _OwnSite(answers)) for at, answers in endpoints.items()),
            *gateway,
        ],
        exception_handlers={HTTPException: _as_json},
        lifespan=lifespan,
    )


def _by_name(*providers: Provider) -> dict[str, Provider]:
    named: dict[str, Provider] = {}
    for each in providers:
        if named.setdefault(each.name, each) is not each:
            raise ValueError(f"others: two providers are called {each.name!r}")
    return named


class _Chosen:
    """The provider that a request names, and the requests that name one."""

    def __init__(self, providers: Mapping[str, Provider], default: str) -> None:
        self._providers = providers
        self._default = default

    def stream(self, request: ChatRequest) -> AsyncIterator[Event]:
        return self._providers[request.provider or self._default].stream(request)

    def asked_by(self, field: str) -> Callable[[Request], Any]:
        """Return a parser of requests: a JSON body, or for GET the question in the parameter `field`."""

        async def prepare(request: Request) -> ChatRequest:
            asked = await _from_body(request) if request.method == "POST" else _from_query(request, field)
            if asked.provider and asked.provider not in self._providers:
                raise ValueError(f"provider must be one of {', '.join(self._providers)}, not {asked.provider[:40]!r}")
            return asked

        return prepare


async def _from_body(request: Request) -> ChatRequest:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(
            415, f"the body must be application/json; its content-type is {media_type[:80] or 'missing'}"
        )
    return parse_chat_request(await request.body())


def _from_query(request: Request, field: str) -> ChatRequest:
    params = request.query_params
    question = params.get(field, "")
    if not question.strip():
        raise ValueError(f"{field} must not be empty; ask as {request.url.path}?{field}=hello")
    message = Message("user", question)
    return ChatRequest(messages=[message], model=params.get("model") or None, provider=params.get("provider") or None)


class _OwnSite:
    """Refuse the pages of other sites: nobody shall spend your key by a link.

    A browser says by Sec-Fetch-Site where a request comes from; who is no browser says nothing, and may ask.
    """

    def __init__(self, endpoint: ASGIApp) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if Request(scope).headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise HTTPException(403, "only the demo's own page may ask: a real model answers here")
        await self._endpoint(scope, receive, send)


def _asset(name: str, media_type: str) -> Callable[[Request], Any]:
    content = files("gai_stream.demo").joinpath(name).read_bytes()

    async def asset(_request: Request) -> Response:
        return Response(content, media_type=media_type, headers=_ASSET_HEADERS)

    return asset


async def _as_json(_request: Request, exc: Exception) -> Response:
    refusal = answer(exc)
    headers = {name.decode(): value.decode() for name, value in refusal.headers.items()}
    return Response(refusal.body, refusal.status, headers)


def _log(label: str) -> Callable[[Summary], None]:
    def log(summary: Summary) -> None:
        if summary.reason == "not_started":
            return
        first = summary.metrics.time_to_first_token
        waited = "" if first is None else f", first token after {first * 1000:.0f} ms"
        logger.info("%s: %s%s", label, summary.metrics.log_line(), waited)

    return log
