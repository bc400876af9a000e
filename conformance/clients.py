"""The real clients, each asked for one answer and told what it saw."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import anthropic
import httpx2
import ollama
import openai
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from gai_stream.dialects import registry
from gai_stream.events import Failure, Finish, ReasoningDelta, TextDelta, ToolCall
from gai_stream.sse import SSEDecoder

from .expectations import Seen

__all__ = ["CLIENTS"]

_KEY: Final = "none"


def read_openai(url: str) -> Seen:
    text = reasoning = ""
    reason: str | None = None
    usage: tuple[int, int] | None = None
    calls: dict[int, list[str]] = {}
    error = None
    with openai.OpenAI(base_url=url, api_key=_KEY, max_retries=0) as client:
        try:
            for chunk in client.chat.completions.create(model="m", messages=[], stream=True):
                if chunk.usage:
                    usage = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
                for choice in chunk.choices:
                    if choice.index:
                        continue
                    delta = choice.delta
                    text += (delta.content or "") + (delta.refusal or "")
                    reasoning += (delta.model_extra or {}).get("reasoning_content") or ""
                    for call in delta.tool_calls or ():
                        told = call.to_dict()
                        part: Any = told.get("function") or told.get("custom")
                        seen = calls.setdefault(call.index, [str(told.get("type")), part.get("name"), ""])
                        seen[2] += part.get("arguments") or part.get("input") or ""
                    reason = choice.finish_reason or reason
        except openai.APIError as exc:
            error = str(exc)
    told_calls = [
        (name, arguments if kind == "custom" else _parsed(arguments)) for kind, name, arguments in calls.values()
    ]
    return Seen(text, reasoning, told_calls, reason, usage, error)


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def read_responses(url: str) -> Seen:
    text = reasoning = ""
    final: Any = None
    calls: list[tuple[str, Any]] = []
    error = None
    with openai.OpenAI(base_url=url, api_key=_KEY, max_retries=0) as client:
        try:
            for event in client.responses.create(model="m", input="hi", stream=True):
                match event.type:
                    case "response.output_text.delta" | "response.refusal.delta":
                        text += event.delta
                    case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                        reasoning += event.delta
                    case "response.output_item.done" if event.item.type == "function_call":
                        calls.append((event.item.name, _parsed(event.item.arguments)))
                    case "response.output_item.done" if event.item.type == "custom_tool_call":
                        calls.append((event.item.name, event.item.input))
                    case "response.completed" | "response.incomplete" | "response.failed":
                        final = event.response
        except openai.APIError as exc:
            error = str(exc)
    if final is None or final.status == "failed":
        return Seen(text, reasoning, calls, error=error)
    incomplete = final.incomplete_details
    usage = (final.usage.input_tokens, final.usage.output_tokens) if final.usage else None
    return Seen(text, reasoning, calls, incomplete.reason if incomplete else final.status, usage, error)


def read_anthropic(url: str) -> Seen:
    error = None
    with (
        anthropic.Anthropic(base_url=url, api_key=_KEY, max_retries=0) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream,
    ):
        try:
            for _ in stream:
                pass
        except anthropic.APIError as exc:
            error = str(exc)
        message = stream.current_message_snapshot
    usage = message.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return Seen(
        "".join(block.text for block in message.content if block.type == "text"),
        "".join(block.thinking for block in message.content if block.type == "thinking"),
        [(block.name, block.input) for block in message.content if block.type == "tool_use"],
        message.stop_reason,
        (usage.input_tokens + read + written, usage.output_tokens),
        error,
    )


def read_gemini(url: str) -> Seen:
    text = reasoning = ""
    calls: list[tuple[str, Any]] = []
    reason: str | None = None
    usage: tuple[int, int] | None = None
    error = None
    client = genai.Client(api_key=_KEY, http_options=genai_types.HttpOptions(base_url=url))
    try:
        for chunk in client.models.generate_content_stream(model="m", contents="hi"):
            if told := chunk.usage_metadata:
                input = (told.prompt_token_count or 0) + (told.tool_use_prompt_token_count or 0)
                usage = input, (told.candidates_token_count or 0) + (told.thoughts_token_count or 0)
            if chunk.prompt_feedback and chunk.prompt_feedback.block_reason:
                reason = "SAFETY"
            for candidate in chunk.candidates or ():
                if candidate.index:
                    continue
                for part in (candidate.content.parts if candidate.content else None) or ():
                    if part.function_call:
                        calls.append((part.function_call.name or "", part.function_call.args))
                    elif part.text and part.thought:
                        reasoning += part.text
                    else:
                        text += part.text or ""
                if candidate.finish_reason:
                    reason = str(candidate.finish_reason.value)
    except genai_errors.APIError as exc:
        error = str(exc)
    finally:
        client.close()
    return Seen(text, reasoning, calls, reason, usage, error)


def read_ollama(url: str) -> Seen:
    text = reasoning = ""
    calls: list[tuple[str, Any]] = []
    reason: str | None = None
    usage: tuple[int, int] | None = None
    error = None
    client = ollama.Client(host=url)
    try:
        for line in client.chat(model="m", messages=[], stream=True):
            text += line.message.content or ""
            reasoning += line.message.thinking or ""
            calls += [(call.function.name, dict(call.function.arguments)) for call in line.message.tool_calls or ()]
            if line.done:
                reason = line.done_reason
                usage = line.prompt_eval_count or 0, line.eval_count or 0
    except ollama.ResponseError as exc:
        error = exc.error
    finally:
        # It has no way to close it of its own.
        client._client.close()
    return Seen(text, reasoning, calls, reason, usage, error)


def _read_gai(dialect: str, url: str) -> Seen:
    make: Any = registry.dialect(dialect).decoder
    framing, decoder = SSEDecoder(), make()
    events = [
        event for message in framing.feed(httpx2.get(f"{url}/").content) for event in decoder.feed(message)
    ] + decoder.finish()
    finish = next((event for event in events if isinstance(event, Finish)), None)
    usage = finish.usage if finish else None
    return Seen(
        "".join(event.text for event in events if isinstance(event, TextDelta) and not event.index),
        "".join(event.text for event in events if isinstance(event, ReasoningDelta) and not event.index),
        [(e.name, e.input) for e in events if isinstance(e, ToolCall) and e.kind != "server" and not e.choice],
        finish.raw_reason if finish else None,
        (usage.input_tokens or 0, usage.output_tokens or 0) if usage else None,
        next((event.message for event in events if isinstance(event, Failure)), None),
    )


def read_gai(url: str) -> Seen:
    return _read_gai("gai", url)


def read_gai_v1(url: str) -> Seen:
    return _read_gai("gai_v1", url)


CLIENTS: Final[dict[str, Callable[[str], Seen]]] = {
    "openai": read_openai,
    "openai_responses": read_responses,
    "anthropic": read_anthropic,
    "gemini": read_gemini,
    "ollama": read_ollama,
    "gai": read_gai,
    "gai_v1": read_gai_v1,
}
"""How each target is read; those that are missing here are read by Node."""
