"""Ten lines that let Claude's clients talk to OpenAI: the `anthropic` SDK with this as its `base_url` cannot tell.

    uvicorn examples.openai_to_claude:app

OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL say who answers. Needs the extra `serve`.
"""

from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from gai_stream import StreamResponse, sse_response
from gai_stream.dialects.anthropic import AnthropicEncoder
from gai_stream.providers import create
from gai_stream.providers.requests import codec, portable

provider = create(provider="openai")


async def messages(request: Request) -> StreamResponse:
    """Answer a request to the Messages API."""
    asked = portable(codec("anthropic").parse(await request.json()))
    stream = provider.stream(replace(asked, model=None))
    return sse_response(stream, encoder=AnthropicEncoder(model=asked.model))


app = Starlette(routes=[Route("/v1/messages", messages, methods=["POST"])])
