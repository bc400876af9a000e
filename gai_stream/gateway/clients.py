"""The APIs that clients speak: what each asks for, and how it wants to be answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from starlette.requests import Request

from gai_stream import _json
from gai_stream.dialects import registry
from gai_stream.dialects._encoder import Encoder
from gai_stream.exceptions import DecodeError, ProviderError
from gai_stream.providers import ChatRequest
from gai_stream.providers.requests import codec

__all__ = ["CLIENTS", "Asked", "Client"]

Form: TypeAlias = Literal["sse", "ndjson", "array", "whole"]
"""How an answer comes: as SSE, as NDJSON, as one streamed JSON array, or in one piece."""

_GEMINI_METHODS: Final[dict[str, Form]] = {"generateContent": "whole", "streamGenerateContent": "array"}


class Asked(NamedTuple):
    """What a client asked for, and how it wants the answer: `encoder` is made for a framing."""

    request: ChatRequest
    form: Form
    encoder: Callable[..., Encoder]


class Client(NamedTuple):
    """One address: its path, the dialect that is spoken there, and what reads a request's body."""

    path: str
    dialect: str
    read: Callable[[dict[str, Any], Request], Asked]

    def error_body(self, failure: Any, status: int) -> Any:
        """Return the dialect's JSON body for an HTTP error."""
        return _encoder(self.dialect).error_body(failure, status)


def _encoder(dialect: str) -> Any:
    return registry.dialect(dialect).encoder


def _streams(body: dict[str, Any], request: Request, *, default: bool = False) -> bool:
    """Return whether the answer is wanted in pieces: the body says so by `stream`, or the address by `?stream=true`."""
    wanted = body.get("stream")
    if wanted is not None and not isinstance(wanted, bool):
        raise DecodeError("stream must be true or false")
    said = request.query_params.get("stream")
    if said not in (None, "true", "false", "1", "0"):
        raise DecodeError(f"?stream must be true or false, not {said[:20]!r}")
    if wanted is None and said is not None:
        return said in ("true", "1")
    return default if wanted is None else wanted


def _named(request: ChatRequest) -> str:
    """Return the model that is asked for. Raises DecodeError without one."""
    if not request.model:
        raise DecodeError("model is required; GET /v1/models lists the models that are served here")
    return request.model


def _posted(dialect: str, body: dict[str, Any], request: Request) -> Asked:
    """Read a request of an API that names the model and asks for a stream in its body."""
    asked: ChatRequest = codec(dialect).parse(body)
    model = _named(asked)
    return Asked(asked, "sse" if _streams(body, request) else "whole", partial(_encoder(dialect), model=model))


def _chat_completions(body: dict[str, Any], request: Request) -> Asked:
    options = body.get("stream_options")
    asked = _posted("openai", body, request)
    usage = asked.form == "whole" or (isinstance(options, dict) and options.get("include_usage") is True)
    return asked._replace(encoder=partial(asked.encoder, include_usage=usage))


def _ollama(mode: str, body: dict[str, Any], request: Request) -> Asked:
    asked: ChatRequest = codec("ollama").parse(body, generate=mode == "generate")
    form: Form = "ndjson" if _streams(body, request, default=True) else "whole"
    return Asked(asked, form, partial(_encoder("ollama"), model=_named(asked), mode=mode))


def _gemini(body: dict[str, Any], request: Request) -> Asked:
    model, _, method = request.path_params["call"].rpartition(":")
    if method not in _GEMINI_METHODS:
        methods = " or ".join(f"{{model}}:{method}" for method in _GEMINI_METHODS)
        raise ProviderError("not_found", f"ask as models/{methods}")
    form = _GEMINI_METHODS[method]
    alt = request.query_params.get("alt", "json")
    if alt not in ("json", "sse"):
        raise DecodeError(f"?alt must be sse or json, not {alt[:20]!r}")
    if form == "array" and alt == "sse":
        form = "sse"
    asked: ChatRequest = codec("gemini").parse(body, model=model, stream=form != "whole")
    return Asked(asked, form, partial(_encoder("gemini"), model=_named(asked)))


CLIENTS: Final = (
    Client("/v1/chat/completions", "openai", _chat_completions),
    Client("/v1/responses", "openai_responses", partial(_posted, "openai_responses")),
    Client("/v1/messages", "anthropic", partial(_posted, "anthropic")),
    Client("/api/chat", "ollama", partial(_ollama, "chat")),
    Client("/api/generate", "ollama", partial(_ollama, "generate")),
    Client("/v1beta/models/{call:path}", "gemini", _gemini),
    # Where Google's own SDK asks since its third version.
    Client("/v1/models/{call:path}", "gemini", _gemini),
)


async def read_body(request: Request) -> dict[str, Any]:
    """Return a request's JSON object. Raises DecodeError for anything else."""
    body = _json.loads(await request.body(), what="JSON: the body must be a JSON object")
    if not isinstance(body, dict):
        raise DecodeError("the body must be a JSON object")
    return body
