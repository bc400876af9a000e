"""A streaming agent: a server that logs each chunk of an answer as it passes, and a terminal client that shows it live.

    python examples/chat_agent.py                          # serve at http://127.0.0.1:8080
    python examples/chat_agent.py --ask 'Why is the sky blue?'

LLM_PROVIDER chooses who answers (openai, anthropic, gemini ...), with its key in OPENAI_API_KEY, ANTHROPIC_API_KEY,
GEMINI_API_KEY ... and its model in OPENAI_MODEL ...; where nothing is set a script does, offline. STREAM_TIMEOUT is how
many seconds an answer may take. Needs the extra `serve`.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

import anyio
import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from gai_stream import (
    Done,
    Event,
    Failure,
    ProviderError,
    Reader,
    ReasoningDelta,
    StreamError,
    TextDelta,
    ndjson_handler,
    pipe,
)
from gai_stream.asgi import Summary
from gai_stream.dialects.gai import GaiDecoder
from gai_stream.metrics import Meter
from gai_stream.providers import ChatRequest, Provider, ScriptedProvider, from_env, parse_chat_request

logger = logging.getLogger("chat_agent")

PROGRESS_INTERVAL = 0.5
"""Seconds between two progress lines, at least."""


# The server. What others say is quoted in its log: a line of theirs cannot pass for one of ours.


class Agent:
    """Answer as `provider` does, within `timeout` seconds, and log each chunk on its way."""

    def __init__(self, provider: Provider, timeout: float) -> None:
        self.provider = provider
        self.timeout = timeout

    async def stream(self, asked: ChatRequest) -> AsyncIterator[Event]:
        """Yield the answer. Raises ProviderError when it takes too long, behind what came in time."""
        logger.info("Received message: %r", asked.query)
        logger.info("Streaming response...")
        deadline = anyio.current_time() + self.timeout
        chunks, words = 0, Words()
        async with aclosing(self.provider.stream(asked)) as events:
            while True:
                # A scope for each event: one may not be open while a generator yields.
                with anyio.CancelScope(deadline=deadline) as scope:
                    event = await anext(events, None)
                if scope.cancelled_caught:
                    raise ProviderError("timeout", f"streaming timeout after {self.timeout:g}s")
                match event:
                    case None:
                        return
                    case TextDelta(text=text) | ReasoningDelta(text=text) if text:
                        chunks += 1
                        if chunks == 1:
                            logger.info("First chunk: %r", text)
                        logger.info("Chunk %d: %r", chunks, text)
                        if words.add(text):
                            logger.info("Progress: %d words", words.count)
                yield event


class Words:
    """Count the words of a text that comes in pieces, cut anywhere."""

    def __init__(self) -> None:
        self.count = 0
        self._inside = False

    def add(self, text: str) -> bool:
        """Count those that begin in `text`, and tell whether another ten are full."""
        before = self.count
        self.count += len(text.split()) - (self._inside and not text[0].isspace())
        self._inside = not text[-1].isspace()
        return self.count // 10 > before // 10


def ended(summary: Summary) -> None:
    """Log what became of an answer. Here it would be stored: `summary.text` is what there is of it."""
    metrics = summary.metrics
    first = metrics.time_to_first_token
    latency = "none came" if first is None else f"{first:.3f} s"
    logger.info(metrics.log_line())
    logger.info("First chunk latency: %s, duration: %.3f s", latency, metrics.duration)
    logger.info("Full response: %r", summary.text)


def app(agent: Agent) -> Starlette:
    """Return the application: POST `{"query": "..."}` to `/`, and read the answer as NDJSON."""

    async def asked(request: Request) -> ChatRequest:
        return parse_chat_request(await request.body())

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await agent.provider.aclose()

    answer = ndjson_handler(agent, asked, methods=["POST"], on_end=ended, cors=None)
    return Starlette(routes=[Route("/", answer)], lifespan=lifespan)


def choose_provider() -> Provider:
    """Return the provider that the environment names, or one that needs no key and no network."""
    named = any(os.environ.get(name) for name in ("LLM_PROVIDER", "OPENAI_API_KEY", "OPENAI_BASE_URL"))
    return from_env() if named else ScriptedProvider()


def serve(port: int, timeout: float) -> int:
    """Serve until Ctrl-C."""
    logging.basicConfig(format="%(asctime)s %(message)s")
    logger.setLevel(logging.INFO)
    try:
        provider = choose_provider()
    except ValueError as exc:
        return fail(str(exc))
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as exc:
        return fail(f"port {port}: {exc.strerror or exc}")
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    print(f"provider {provider.name}, model {provider.model}, listening at {url}", flush=True)
    server = uvicorn.Server(uvicorn.Config(app(Agent(provider, timeout)), log_level="warning"))
    with listener, suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return 0


# The client


async def ask(url: str, question: str) -> int:
    """Print the answer as it comes, and beside it how far it is. Return 0 when it came whole."""
    meter, shown, trouble = Meter(), time.monotonic(), ""
    async with (
        httpx2.AsyncClient(timeout=None, trust_env=False) as client,
        client.stream("POST", url, json={"query": question}) as response,
    ):
        if response.status_code != 200:
            return fail(f"{url} answered {response.status_code}: {(await response.aread()).decode(errors='replace')}")
        try:
            async with aclosing(meter.watch(pipe(Reader(response.aiter_bytes()), GaiDecoder()))) as events:
                async for event in events:
                    match event:
                        case TextDelta(text=text):
                            print(text, end="", flush=True)
                        case Failure(message=message):
                            trouble = message
                        case Done(finished=False):
                            trouble = trouble or "the answer is not complete"
                    if time.monotonic() - shown >= PROGRESS_INTERVAL:
                        shown = time.monotonic()
                        sofar = meter.summary()
                        show(f"Received {sofar.chunks} chunks, {sofar.characters} chars...")
        except (StreamError, httpx2.HTTPError) as exc:
            trouble = str(exc) or type(exc).__name__
    if trouble:
        print("\n[Error: Stream interrupted]", flush=True)
        return fail(trouble)
    print(flush=True)
    whole = meter.summary()
    print(f"Complete: {whole.chunks} chunks, {whole.characters} chars", file=sys.stderr)
    return 0


def show(progress: str) -> None:
    """Show how far the answer is, where that does not disturb it."""
    if sys.stdout.isatty() and sys.stderr.isatty():
        # Both share a screen, where a line of progress would fall into the text. The window's title has room for it.
        print(f"\x1b]0;{progress}\x07", end="", file=sys.stderr, flush=True)
    else:
        print(progress, file=sys.stderr)


def fail(reason: str) -> int:
    """Say why, and return the exit status."""
    print(f"chat_agent: {reason}", file=sys.stderr)
    return 1


def main() -> int:
    """Run the server, or the client where there is a question."""
    parser = argparse.ArgumentParser(description="A streaming agent.")
    parser.add_argument("--ask", metavar="QUESTION", help="ask the server instead of being it")
    parser.add_argument("--port", type=int, default=8080, help="the server's port (default: 8080; 0 takes a free one)")
    parser.add_argument(
        "--timeout",
        type=float,
        default=os.environ.get("STREAM_TIMEOUT") or "30",
        help="seconds that an answer may take (default: STREAM_TIMEOUT, or 30)",
    )
    arguments = parser.parse_args()
    if arguments.ask is None:
        return serve(arguments.port, arguments.timeout)
    url = f"http://127.0.0.1:{arguments.port}"
    try:
        return anyio.run(ask, url, arguments.ask)
    except httpx2.ConnectError:
        return fail(f"nobody answers at {url}; start the server with: python examples/chat_agent.py")
    except httpx2.HTTPError as exc:
        return fail(f"{url}: {exc or type(exc).__name__}")
    except KeyboardInterrupt:
        # Leaving stops the model as well: nobody pays for what nobody reads.
        print("\n[stopped]", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
