"""A LangChain chain behind HTTP: as a stream of run events, and, for code that is only invoked, by a callback.

Run it with `uvicorn examples.langchain_chat:app`, then:

    curl -N 'http://127.0.0.1:8000/chat?q=hello'
    curl -N 'http://127.0.0.1:8000/invoke?q=hello'
    curl -N 'http://127.0.0.1:8000/chat?q=hello' -H 'accept: application/x-ndjson'

It needs langchain-core. A real model answers where OPENAI_API_KEY is set, which needs langchain-openai, too.
"""

from __future__ import annotations

import os
import threading
from itertools import repeat
from typing import Any

from fastapi import FastAPI, Request, Response
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.prompts import ChatPromptTemplate

from gai_stream import sse_response, stream_response
from gai_stream.langchain import LangChainCallback


def choose_model() -> BaseChatModel:
    """Return the model that the environment names, or one that needs no key and no network."""
    if os.environ.get("OPENAI_API_KEY"):
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"), stream_usage=True)
    return GenericFakeChatModel(messages=repeat("The answer is in the question."))


prompt = ChatPromptTemplate.from_messages([("system", "Answer in three sentences."), ("human", "{question}")])
# A model that is only invoked calls back for each token where it is told to stream.
chain: Any = prompt | choose_model().bind(stream=True)
app = FastAPI()


@app.get("/chat")
async def chat(request: Request, q: str) -> Response:
    """Answer the question `q` with what the chain streams; a chain's or a model's `astream` would do as well."""
    return stream_response(request, chain.astream_events({"question": q}, version="v2"))


@app.get("/invoke")
async def invoke(q: str) -> Response:
    """Answer the question `q` with what a callback hears of a chain that is invoked, in a thread of its own."""
    callback = LangChainCallback()
    work = threading.Thread(target=chain.invoke, args=({"question": q}, {"callbacks": [callback]}), daemon=True)
    work.start()
    return sse_response(callback)
