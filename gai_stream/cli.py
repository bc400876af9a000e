"""The command line: `gai-stream serve` shows streams at work in a browser."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

from gai_stream import __version__

__all__ = ["main"]

_LOG_LEVELS: Final = ("critical", "error", "warning", "info", "debug")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` (sys.argv unless given) and return its exit status.

    Raises SystemExit, with status 2, for arguments that cannot be understood.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 0
    try:
        return _serve(arguments.host, arguments.port, arguments.provider, arguments.log_level)
    except KeyboardInterrupt:
        # While it was still starting: nothing is open yet, and nothing to be said.
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gai-stream", description="Carry a language model's stream over SSE and NDJSON.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"gai-stream {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    serve = commands.add_parser(
        "serve",
        help="serve the demo: a chat page, and streams to read by curl",
        description="Serve the demo: a chat page that reads one answer over SSE and NDJSON side by side.",
        epilog="OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL choose a real model; without them a script answers.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on")
    serve.add_argument(
        "--port", type=_port, default=argparse.SUPPRESS, help="port to listen on (default: 8000 or the next free one)"
    )
    serve.add_argument(
        "--provider",
        choices=("scripted", "openai"),
        default=argparse.SUPPRESS,
        help="who answers (default: openai where OPENAI_API_KEY or OPENAI_BASE_URL is set, else scripted)",
    )
    serve.add_argument("--log-level", choices=_LOG_LEVELS, default="info", help="what to log")
    parser.set_defaults(port=None, provider=None)
    return parser


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 0 (any free one) to 65535, not {text!r}")


def _serve(host: str, port: int | None, provider: str | None, log_level: str) -> int:
    if find_spec("uvicorn") is None:
        return _fail("serve needs a server: pip install 'gai-stream[serve]'")
    from gai_stream.demo import app as demo
    from gai_stream.demo.server import Server, listen, url_of
    from gai_stream.demo.shutdown import Shutdown

    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        first, *others = demo.configured(provider)
    except ImportError:
        return _fail("a provider needs an HTTP client: pip install 'gai-stream[providers]'")
    except ValueError as exc:
        return _fail(str(exc))
    try:
        listener = listen(host, port)
    except OSError as exc:
        return _fail(exc.strerror or str(exc))
    banner = _banner(first.name, getattr(first, "model", None), url_of(host, listener), has_key=demo.has_key())
    shutdown = Shutdown()
    with listener:
        Server(
            demo.app(first, others=others, cors=None if demo.has_key() else "*", shutdown=shutdown),
            shutdown,
            # At "info" uvicorn says what the banner says better.
            log_level="warning" if log_level == "info" else log_level,
            on_ready=lambda: print(banner, flush=True),
        ).run(sockets=[listener])
    return 0


def _banner(provider: str, model: str | None, url: str, *, has_key: bool) -> str:
    if provider == "scripted":
        provider = "scripted: offline, the same answer every time"
        model = "none; the page offers a real one" if has_key else "none: no OPENAI_API_KEY or OPENAI_BASE_URL is set"
    else:
        host = urlsplit(os.environ.get("OPENAI_BASE_URL", "").strip() or "https://api.openai.com").netloc
        provider = f"{provider} at {host}"
        model = model or "left to the server (OPENAI_MODEL chooses one)"
    return (
        f"gai-stream {__version__}\n  provider   {provider}\n  model      {model}\n  listening  {url}  (Ctrl-C stops)"
    )


def _fail(reason: str) -> int:
    print(f"gai-stream: {reason}", file=sys.stderr)
    return 1
