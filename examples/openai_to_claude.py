"""Ten lines that let Claude's clients stream from OpenAI: the `anthropic` SDK with this as its `base_url`.

    uvicorn examples.openai_to_claude:app

OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL say who answers. Needs the extra `serve`. `gateway.py` answers requests
that want no stream as well, and every other client.
"""

from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from gai_stream import sse_handler
from gai_stream.providers import ChatRequest, create
from gai_stream.providers.requests import codec, portable


async def asked(request: Request) -> ChatRequest:
    """Read a request to the Messages API. The model it names is Claude's: OPENAI_MODEL answers instead."""
    wanted = codec("anthropic").parse(await request.json())
    if not wanted.stream:
        raise ValueError('stream must be true: answers here only come as streams; send "stream": true')
    return replace(portable(wanted), model=None)


messages = sse_handler(create(provider="openai"), asked, encoder="anthropic", methods=["POST"])
app = Starlette(routes=[Route("/v1/messages", messages)])
