"""A streaming agent: a server that logs each chunk of an answer as it passes, and a terminal client that shows it live.

    python examples/chat_agent.py                          # serve at http://127.0.0.1:8080
    python examples/chat_agent.py --ask 'Why is the sky blue?'

LLM_PROVIDER chooses who answers (openai, anthropic, gemini ...), with its key in OPENAI_API_KEY, ANTHROPIC_API_KEY,
GEMINI_API_KEY ..., and its model in OPENAI_MODEL ...; without LLM_PROVIDER a script does, offline. Needs the extra
`serve`.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import AsyncIterator

import anyio
import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gai_stream import Event, ProviderError, Reader, StreamError, TextDelta, ndjson_response
from gai_stream.providers import ChatRequest, Provider, ScriptedProvider, from_env, parse_chat_request

logger = logging.getLogger("chat_agent")

TIMEOUT = float(os.environ.get("STREAM_TIMEOUT", "30"))
"""Seconds that a whole answer may take."""

PROGRESS_INTERVAL = 0.5
"""Seconds between two progress lines, at least."""


async def logged(stream: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """Yield what the provider says, and log it: the first chunk, each chunk, and the whole."""
    said: list[str] = []
    logger.info("Streaming response...")
    try:
        # One scope for each item: it may not be open while a generator yields.
        deadline = anyio.current_time() + TIMEOUT
        while True:
            with anyio.CancelScope(deadline=deadline) as scope:
                event = await anext(stream, None)
            if scope.cancelled_caught:
                raise ProviderError("timeout", f"streaming timeout after {TIMEOUT:g}s")
            if event is None:
                break
            if isinstance(event, TextDelta):
                said.append(event.text)
                if len(said) == 1:
                    logger.info("First chunk: %r", event.text)
                logger.info("Chunk %d: %s", len(said), event.text)
            yield event
        whole = "".join(said)
        logger.info("Streaming complete - Total chunks: %d, Total length: %d characters", len(said), len(whole))
        logger.info("Full response: %s", whole)
    finally:
        await stream.aclose()  # type: ignore[attr-defined]


def app(provider: Provider) -> Starlette:
    """Return the agent: POST a message to `/`, and read the answer as NDJSON."""

    async def answer(request: Request) -> Response:
        try:
            asked: ChatRequest = parse_chat_request(await request.body())
        except StreamError as exc:
            return Response(f"{exc}\n", 400)
        logger.info("Received message: %s", asked.query)
        return ndjson_response(logged(provider.stream(asked)))

    return Starlette(routes=[Route("/", answer, methods=["POST"])])


async def ask(url: str, question: str) -> int:
    """Print the answer as it comes, and on stderr how far it is. Return 0 when it came whole."""
    chunks = characters = 0
    shown = time.monotonic()
    async with (
        httpx2.AsyncClient(timeout=None) as client,
        client.stream("POST", url, json={"query": question}) as response,
    ):
        if response.status_code != 200:
            print((await response.aread()).decode(), file=sys.stderr)
            return 1
        async with Reader(response.aiter_bytes()) as lines:
            async for line in lines:
                match line:
                    case {"type": "text_delta", "text": str(text)}:
                        chunks += 1
                        characters += len(text)
                        print(text, end="", flush=True)
                        if time.monotonic() - shown >= PROGRESS_INTERVAL:
                            shown = time.monotonic()
                            print(f"\rReceived {chunks} chunks, {characters} chars...", file=sys.stderr)
                    case {"type": "error", "error": str(reason)}:
                        print(f"\n[Error: Stream interrupted] {reason}", file=sys.stderr)
                        return 1
                    case {"type": "done"}:
                        print(f"\nComplete: {chunks} chunks, {characters} chars", file=sys.stderr)
                        return 0
    print("\n[Error: Stream interrupted]", file=sys.stderr)
    return 1


def main() -> int:
    """Run the server, or the client where there is a question."""
    parser = argparse.ArgumentParser(description="A streaming agent.")
    parser.add_argument("--port", type=int, default=8080, help="port of the server")
    parser.add_argument("--ask", metavar="QUESTION", help="ask the server instead of being it")
    arguments = parser.parse_args()
    url = f"http://127.0.0.1:{arguments.port}"
    if arguments.ask is not None:
        try:
            return anyio.run(ask, url, arguments.ask)
        except httpx2.HTTPError as exc:
            print(f"chat_agent: {url}: {exc}", file=sys.stderr)
            return 1
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")
    try:
        provider = from_env() if os.environ.get("LLM_PROVIDER") else ScriptedProvider()
    except ValueError as exc:
        print(f"chat_agent: {exc}", file=sys.stderr)
        return 1
    print(f"provider {provider.name}, model {getattr(provider, 'model', None)}, listening at {url}", flush=True)
    uvicorn.run(app(provider), host="127.0.0.1", port=arguments.port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main())
