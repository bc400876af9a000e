"""The command line: `gai-stream serve` shows streams at work in a browser."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from gai_stream import __version__

if TYPE_CHECKING:
    from gai_stream.gateway.config import Settings

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
        return _serve(arguments)
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
        help="serve the gateway and the demo: four APIs for any client, and a chat page",
        description=(
            "Serve the gateway: OpenAI's, Claude's, Gemini's and Ollama's clients, in front of any provider. "
            "Beside it stands a chat page, unless GAI_STREAM_TOKEN is set."
        ),
        epilog=(
            "Who answers is said by the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY ...; "
            "LLM_PROVIDER names the default) or by a TOML file; without a key a script does. GAI_STREAM_TOKEN is what "
            "clients must show."
        ),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on")
    serve.add_argument(
        "--port", type=_port, default=argparse.SUPPRESS, help="port to listen on (default: 8000 or the next free one)"
    )
    who = serve.add_mutually_exclusive_group()
    who.add_argument(
        "--provider",
        default=argparse.SUPPRESS,
        metavar="NAME",
        help="who answers for models that nobody else has (default: LLM_PROVIDER, or the first with a key)",
    )
    who.add_argument(
        "--config", default=argparse.SUPPRESS, metavar="FILE", help="providers, models and limits, as TOML"
    )
    serve.add_argument("--log-level", choices=_LOG_LEVELS, default="info", help="what to log")
    parser.set_defaults(port=None, provider=None, config=None)
    return parser


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 0 (any free one) to 65535, not {text!r}")


def _serve(arguments: argparse.Namespace) -> int:
    if find_spec("uvicorn") is None:
        return _fail("serve needs a server: pip install 'gai-stream[serve]'")
    from gai_stream.demo import app as demo
    from gai_stream.demo.server import Server, listen, url_of
    from gai_stream.demo.shutdown import Shutdown
    from gai_stream.gateway import config

    host, log_level = arguments.host, arguments.log_level
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        if arguments.config is not None:
            settings = config.load(arguments.config)
        else:
            settings = config.from_env(default=arguments.provider)
    except ImportError:
        return _fail("a provider needs an HTTP client: pip install 'gai-stream[providers]'")
    except ValueError as exc:
        return _fail(str(exc))
    try:
        listener = listen(host, arguments.port)
    except OSError as exc:
        return _fail(exc.strerror or str(exc))
    banner = _banner(settings, url_of(host, listener))
    shutdown = Shutdown()
    with listener:
        Server(
            demo.app(settings=settings, cors=None if demo.has_key() else "*", shutdown=shutdown),
            shutdown,
            # At "info" uvicorn says what the banner says better.
            log_level="warning" if log_level == "info" else log_level,
            on_ready=lambda: print(banner, flush=True),
        ).run(sockets=[listener])
    return 0


def _banner(settings: Settings, url: str) -> str:
    from gai_stream.gateway.clients import CLIENTS
    from gai_stream.gateway.config import TOKEN_VARIABLE

    first, *others = settings.providers.values()
    real = [each.name for each in others if each.name != "scripted"]
    model = getattr(first, "model", None)
    if host := getattr(first, "host", None):
        rows = [("provider", f"{first.name} at {host}"), ("model", model or "left to the server")]
    else:
        without = (
            "none; the page offers a real one"
            if real
            else "none: no key is set (OPENAI_API_KEY, ANTHROPIC_API_KEY ...)"
        )
        rows = [("provider", "scripted: offline, the same answer every time"), ("model", without)]
    if real:
        rows.append(("also", ", ".join(real)))
    if settings.token is not None:
        rows.append(("token", f"{TOKEN_VARIABLE} is asked of every client, so there is no chat page"))
    rows.append(("speaks", ", ".join(client.path.replace("{call:path}", "...") for client in CLIENTS)))
    rows.append(("listening", f"{url}  (Ctrl-C stops)"))
    return "\n".join([f"gai-stream {__version__}", *(f"  {name:<9}  {value}" for name, value in rows)])


def _fail(reason: str) -> int:
    print(f"gai-stream: {reason}", file=sys.stderr)
    return 1
