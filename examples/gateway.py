"""A gateway: one address for OpenAI's, Claude's, Gemini's and Ollama's clients, whoever answers behind it.

    uvicorn examples.gateway:app --port 8088

Every provider whose key is in the environment is there, and a scripted one that needs none. Then, for instance:

    curl -N http://127.0.0.1:8088/v1/chat/completions -H 'content-type: application/json' \\
        -d '{"model": "scripted", "stream": true, "messages": [{"role": "user", "content": "数到5"}]}'

GAI_STREAM_TOKEN, where set, is what clients must show as their API key. `gai-stream serve --config gateway.toml` is the
same without a program of your own. Needs the extra `serve`.
"""

from __future__ import annotations

from gai_stream.gateway import Limits, Outcome, gateway
from gai_stream.gateway.config import from_env


def account(outcome: Outcome) -> None:
    """Write down who used what: here a bill would be made of it."""
    usage = outcome.summary.usage
    tokens = "tokens unknown" if usage is None else f"{usage.input_tokens} + {usage.output_tokens} tokens"
    who = f"{outcome.key} asked {outcome.provider} for {outcome.model}"
    print(f"{who}: {outcome.summary.reason}, {tokens}", flush=True)


settings = from_env()
app = gateway(settings.routes(), token=settings.token, limits=Limits(per_process=200, per_key=20), on_outcome=account)
