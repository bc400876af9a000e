"""A chat page made with the AI SDK's `useChat`, which reads the Vercel dialect.

    npm install --prefix examples/use_chat && npm run build --prefix examples/use_chat
    uvicorn examples.use_chat.app:app

LLM_PROVIDER and its key choose a real model; without them a script answers. Needs the extra `serve`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from gai_stream import sse_response
from gai_stream.dialects.vercel import VercelEncoder
from gai_stream.providers import ChatRequest, Message, Provider, ScriptedProvider, from_env

HERE = Path(__file__).parent

provider: Provider = from_env() if os.environ.get("LLM_PROVIDER") else ScriptedProvider()


def asked_by(messages: list[Any]) -> ChatRequest:
    """Return the conversation that `useChat` posts: what was said in it, without reasoning and tools."""
    turns = []
    for message in messages:
        text = "".join(part.get("text", "") for part in message["parts"] if part["type"] == "text")
        if text:
            turns.append(Message(message["role"], text))
    return ChatRequest(messages=turns)


async def chat(request: Request) -> Response:
    """Answer what the page posts."""
    try:
        asked = asked_by((await request.json())["messages"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return Response("messages must be a list of UI messages, with at least one text", 400)
    return sse_response(provider.stream(asked), encoder=VercelEncoder(profile=7))


async def page(_request: Request) -> Response:
    """Answer with the page."""
    return FileResponse(HERE / "page.html")


async def script(_request: Request) -> Response:
    """Answer with what `npm run build` made of page.jsx."""
    return FileResponse(HERE / "dist" / "page.js")


app = Starlette(
    routes=[Route("/", page), Route("/page.js", script), Route("/api/chat", chat, methods=["POST"])],
)
