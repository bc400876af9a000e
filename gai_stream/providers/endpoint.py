"""What an endpoint of your own is asked: a question, or a conversation as OpenAI writes it."""

from __future__ import annotations

from typing import Any, Final

from gai_stream import _json
from gai_stream.exceptions import DecodeError
from gai_stream.providers.provider import ChatRequest
from gai_stream.providers.requests import openai
from gai_stream.providers.requests._checks import need, present

__all__ = ["parse_chat_request"]

_EXAMPLE: Final = '{"query": "..."} or {"messages": [{"role": "user", "content": "..."}]}'


def parse_chat_request(data: bytes) -> ChatRequest:
    """Return the request in a JSON body, of either form:

    - `{"query": "...", "conversation_id"?, "provider"?, "model"?, "context"?}`: one user turn;
    - OpenAI's `{"messages": [...], "model"?, "temperature"?, "tools"?, ...}`.

    Keys that are not known land in `extra`. Who says nothing about `stream` wants one. Raises DecodeError that names
    the field and says what it should be.
    """
    body = present(_read(data), _EXAMPLE)
    if "query" in body and "messages" in body:
        raise DecodeError("query and messages say the same thing twice; send one of them")
    if "query" in body:
        query = need(body, "query", str)
        if not query.strip():
            raise DecodeError("query must not be empty; send the user's question")
        body["messages"] = [{"role": "user", "content": query}]
    elif "messages" not in body:
        raise DecodeError(f"messages is missing; send {_EXAMPLE}")
    return openai.parse({"stream": True, **body})


def _read(data: bytes) -> Any:
    try:
        return _json.loads(data, what="JSON")
    except DecodeError as exc:
        raise DecodeError(f"body is {exc}; send {_EXAMPLE}") from exc
