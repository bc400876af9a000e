"""A chat in FastAPI: one path that answers with SSE or NDJSON, as the client asks, and a log line for every stream.

Run it with `uvicorn examples.fastapi_chat:app`, then:

    curl -N 'http://127.0.0.1:8000/chat?q=hello'
    curl -N 'http://127.0.0.1:8000/chat?q=hello' -H 'accept: application/x-ndjson'

A real model answers where OPENAI_API_KEY or OPENAI_BASE_URL is set, which needs the extra `providers`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response

from gai_stream import stream_response
from gai_stream.asgi import Summary
from gai_stream.providers import ChatRequest, Provider, ScriptedProvider

logger = logging.getLogger(__name__)


def choose_provider() -> Provider:
    """Return the provider that the environment names, or one that needs no key and no network."""
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        from gai_stream.providers import from_env

        return from_env()
    return ScriptedProvider()


provider = choose_provider()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Let go of the provider's connections when the server stops."""
    yield
    await provider.aclose()


app = FastAPI(lifespan=lifespan)


@app.get("/chat")
async def chat(request: Request, q: str) -> Response:
    """Answer the question `q`."""
    stream = provider.stream(ChatRequest.from_text(q, system="Answer in three sentences."))
    return stream_response(request, stream, ids=True, on_end=log)


def log(summary: Summary) -> None:
    """Log what a stream did; here an answer would be stored, too: it is in `summary.text`, whole or not."""
    first = summary.metrics.time_to_first_token
    logger.info("%s (%s), first token after %s s", summary.metrics.log_line(), summary.reason, first)
