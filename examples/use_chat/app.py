"""A chat page made with the AI SDK's `useChat`, which reads the Vercel dialect.

    npm install --prefix examples/use_chat
    npm run build --prefix examples/use_chat
    uvicorn examples.use_chat.app:app

LLM_PROVIDER and its key choose a real model, such as openai and OPENAI_API_KEY; without them a script answers. Needs
Node, and the extra `serve`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from gai_stream import sse_handler
from gai_stream.providers import ChatRequest, Message, Provider, ScriptedProvider, from_env

HERE = Path(__file__).parent


async def asked(request: Request) -> ChatRequest:
    """Return the conversation that `useChat` posts: what was said in it, without reasoning and tools."""
    turns = []
    for message in (await request.json())["messages"]:
        text = "".join(part["text"] for part in message["parts"] if part["type"] == "text")
        if text:
            turns.append(Message(message["role"], text))
    return ChatRequest(messages=turns)


async def page(_request: Request) -> Response:
    """Answer with the page."""
    return FileResponse(HERE / "page.html")


async def script(_request: Request) -> Response:
    """Answer with what `npm run build` made of page.jsx."""
    return FileResponse(HERE / "dist" / "page.js")


def chat(provider: Provider) -> Starlette:
    """Return the application, with `provider` to answer what the page posts."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await provider.aclose()

    answer = sse_handler(provider, asked, encoder="vercel", methods=["POST"], cors=None)
    routes = [Route("/", page), Route("/page.js", script), Route("/api/chat", answer)]
    return Starlette(routes=routes, lifespan=lifespan)


provider: Provider = from_env() if os.environ.get("LLM_PROVIDER") else ScriptedProvider()
app = chat(provider)
