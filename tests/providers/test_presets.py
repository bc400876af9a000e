"""Every provider that is known by name, each asked over a fake wire: the path, the headers, the body, the answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from gai_stream.dialects import registry
from gai_stream.events import Event, Failure, Finish, TextDelta, ToolCall
from gai_stream.exceptions import ProviderError
from gai_stream.providers import PRESETS, ChatRequest, HTTPProvider, Message, Preset, Reply
from gai_stream.providers.presets import preset
from gai_stream.providers.requests import codec

pytestmark = pytest.mark.anyio

KEY = "sk-very-secret-0123456789"
ASK = ChatRequest(messages=[Message("user", "数到5")], system="Count.", max_tokens=9, temperature=0.5)
CHAT = (
    b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"\xe4\xb8\x80"}}]}\n\n'
    b'data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}\n\ndata: [DONE]\n\n'
)
MESSAGES = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"c1","type":"message","role":"assistant",'
    b'"model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":3,"output_tokens":0}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\nevent: ping\ndata: {"type": "ping"}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"\xe4\xb8\x80"}}\n\n'
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
    b'"usage":{"output_tokens":1}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
)
CONTENT = (
    b'{"candidates":[{"content":{"parts":[{"text":"\xe4\xb8\x80"}],"role":"model"},"finishReason":"STOP"}],'
    b'"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1,"totalTokenCount":4},'
    b'"modelVersion":"m","responseId":"c1"}'
)
LINES = (
    b'{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"\xe4\xb8\x80"},'
    b'"done":false}\n{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":""},'
    b'"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":1}\n'
)
ANSWERS = {
    "openai": CHAT,
    "glm": CHAT,
    "anthropic": MESSAGES,
    "gemini": b"data: %s\r\n\r\n" % CONTENT,
    "antigravity": b'data: {"response":%s,"traceId":"t"}\n\n' % CONTENT,
    "ollama": LINES,
}
TOLD = {
    "temperature": 0.5,
    "messages": [{"role": "system", "content": "Count."}, {"role": "user", "content": "数到5"}],
    "stream": True,
}
GEMINI = {
    "contents": [{"role": "user", "parts": [{"text": "数到5"}]}],
    "systemInstruction": {"parts": [{"text": "Count."}]},
    "generationConfig": {"maxOutputTokens": 9, "temperature": 0.5},
}
USAGE = {"stream_options": {"include_usage": True}}

# provider: the address, the header with the key, the body.
ASKED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "openai": (
        "https://api.openai.com/v1/chat/completions",
        "authorization",
        {**TOLD, **USAGE, "model": "gpt-5.4-mini", "max_completion_tokens": 9},
    ),
    "anthropic": (
        "https://api.anthropic.com/v1/messages",
        "x-api-key",
        {
            "model": "claude-sonnet-4-6",
            "max_tokens": 9,
            "temperature": 0.5,
            "stream": True,
            "system": "Count.",
            "messages": [{"role": "user", "content": "数到5"}],
        },
    ),
    "gemini": (
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        "x-goog-api-key",
        GEMINI,
    ),
    "glm": (
        "https://api.z.ai/api/paas/v4/chat/completions",
        "authorization",
        {**TOLD, "model": "glm-4.7-flash", "max_tokens": 9},
    ),
    "antigravity": (
        "https://daily-cloudcode-pa.googleapis.com/v1internal:streamGenerateContent?alt=sse",
        "authorization",
        {"model": "gemini-3-flash-preview", "request": GEMINI},
    ),
    "ollama": (
        "http://localhost:11434/api/chat",
        "authorization",
        {
            "model": "qwen3:4b",
            "stream": True,
            "messages": TOLD["messages"],
            "options": {"num_predict": 9, "temperature": 0.5},
        },
    ),
    "deepseek": (
        "https://api.deepseek.com/chat/completions",
        "authorization",
        {**TOLD, **USAGE, "model": "deepseek-chat", "max_tokens": 9},
    ),
    "groq": (
        "https://api.groq.com/openai/v1/chat/completions",
        "authorization",
        {**TOLD, **USAGE, "model": "openai/gpt-oss-120b", "max_tokens": 9},
    ),
    "openrouter": (
        "https://openrouter.ai/api/v1/chat/completions",
        "authorization",
        {**TOLD, **USAGE, "model": "openai/gpt-oss-120b", "max_tokens": 9},
    ),
    "mistral": (
        "https://api.mistral.ai/v1/chat/completions",
        "authorization",
        {**TOLD, "model": "mistral-medium-latest", "max_tokens": 9},
    ),
    "xai": (
        "https://api.x.ai/v1/chat/completions",
        "authorization",
        {**TOLD, **USAGE, "model": "grok-4", "max_tokens": 9},
    ),
}


def provider(
    chosen: str | Preset, answer: bytes | Callable[[httpx2.Request], httpx2.Response], **options: Any
) -> tuple[HTTPProvider, list[httpx2.Request]]:
    """Return a provider whose wire ends here, and the requests that will come."""
    received: list[httpx2.Request] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        received.append(request)
        return answer(request) if callable(answer) else httpx2.Response(200, content=answer)

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(respond))
    return HTTPProvider(chosen, client=client, **{"api_key": KEY, **options}), received


def test_the_presets_are_the_ones_that_are_promised() -> None:
    promised = "openai anthropic gemini glm antigravity ollama deepseek groq openrouter mistral xai"
    assert list(PRESETS) == promised.split() == list(ASKED)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_can_be_spoken_with(name: str) -> None:
    chosen = preset(name)
    assert chosen.name == name
    assert registry.dialect(chosen.dialect).decoder is not None
    assert codec(chosen.dialect) is not None
    assert chosen.model
    assert chosen.key_variables


@pytest.mark.parametrize("name", PRESETS)
async def test_a_preset_on_the_wire(name: str) -> None:
    asked, received = provider(name, ANSWERS[PRESETS[name].dialect])
    assert (asked.name, asked.dialect, asked.supports_streaming) == (name, PRESETS[name].dialect, True)
    events = [event async for event in asked.stream(ASK)]
    reply = await asked.complete(ASK)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["一"]
    assert (reply.text, reply.finish_reason, reply.model) == ("一", "stop", "m")
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (3, 1)
    url, header, body = ASKED[name]
    request = received[0]
    assert (request.method, str(request.url)) == ("POST", url)
    assert request.headers[header] == (f"Bearer {KEY}" if header == "authorization" else KEY)
    assert [value for value in request.headers.values() if KEY in value] == [request.headers[header]]
    accept = "application/x-ndjson" if name == "ollama" else "text/event-stream"
    assert (request.headers["accept"], request.headers["content-type"]) == (accept, "application/json")
    assert request.headers.get("anthropic-version") == ("2023-06-01" if name == "anthropic" else None)
    assert json.loads(request.content) == body


@pytest.mark.parametrize("name", PRESETS)
async def test_a_model_of_the_requests_own_wins(name: str) -> None:
    asked, received = provider(name, ANSWERS[PRESETS[name].dialect], model="mine")
    await asked.complete(msgspec.structs.replace(ASK, model="theirs"))
    await asked.complete(ASK)
    for request, model in zip(received, ("theirs", "mine"), strict=True):
        assert json.loads(request.content).get("model", model) == model
        assert f"/models/{model}:" in str(request.url) or name != "gemini"


async def test_a_model_named_by_a_client_stays_one_segment_of_the_path() -> None:
    asked, received = provider("gemini", ANSWERS["gemini"])
    await asked.complete(msgspec.structs.replace(ASK, model="../../v1/files?x=#y"))
    assert received[0].url.raw_path == (b"/v1beta/models/..%2F..%2Fv1%2Ffiles%3Fx%3D%23y:streamGenerateContent?alt=sse")


async def test_a_path_with_a_model_needs_one() -> None:
    chosen = msgspec.structs.replace(PRESETS["gemini"], model=None)
    asked, received = provider(chosen, b"")
    with pytest.raises(ProviderError, match=r"^model is missing; name one that gemini has$") as caught:
        await asked.complete(ASK)
    assert (caught.value.status, received) == (400, [])


async def test_another_server_of_openais_api_gets_the_older_form_and_chooses_its_model() -> None:
    asked, received = provider("openai", CHAT, base_url="http://localhost:8000/v1")
    await asked.complete(ASK)
    assert json.loads(received[0].content) == {**TOLD, **USAGE, "max_tokens": 9}


async def test_options_are_those_of_the_body_and_win() -> None:
    asked, received = provider("antigravity", ANSWERS["antigravity"], options={"project": "p"})
    await asked.complete(ASK)
    assert json.loads(received[0].content)["project"] == "p"
    asked, received = provider("mistral", CHAT, options={"usage": True})
    await asked.complete(ASK)
    assert "stream_options" in json.loads(received[0].content)


async def test_a_preset_of_ones_own_is_as_good() -> None:
    responses = Preset(
        name="responses",
        dialect="openai_responses",
        base_urls=("https://api.openai.com/v1",),
        path="/responses",
        model="m",
    )
    answer = (
        b'data: {"type":"response.created","sequence_number":0,"response":{"id":"r1","model":"m","status":"queued"}}'
        b'\n\ndata: {"type":"response.completed","sequence_number":1,"response":{"id":"r1","model":"m",'
        b'"status":"completed","output":[],"usage":{"input_tokens":3,"output_tokens":1,"total_tokens":4}}}\n\n'
    )
    asked, received = provider(responses, answer)
    reply = await asked.complete(ASK)
    assert (reply.id, reply.finish_reason) == ("r1", "stop")
    assert str(received[0].url) == "https://api.openai.com/v1/responses"


@pytest.mark.parametrize("name", ["", "gpt", None, ["openai"]])
def test_an_unknown_provider_is_one_clear_sentence(name: Any) -> None:
    known = ", ".join(sorted(PRESETS))
    with pytest.raises(ValueError, match=r"^provider must be one of ") as caught:
        preset(name)
    assert str(caught.value) == f"provider must be one of {known}, not {name!r}"


def test_a_preset_is_set_by_its_key_or_its_place() -> None:
    def found(env: dict[str, str]) -> list[str]:
        return [name for name, each in PRESETS.items() if each.is_set(env)]

    assert found({}) == found({"OPENAI_API_KEY": " "}) == []
    assert found({"OPENAI_API_KEY": "k", "GOOGLE_API_KEY": "k"}) == ["openai", "gemini"]
    assert found({"OPENAI_BASE_URL": "http://x", "OLLAMA_HOST": "x", "ZAI_API_KEY": "k"}) == ["openai", "glm", "ollama"]


# --- addresses one after another ---

PLACES = list(PRESETS["antigravity"].base_urls)


def failing(*statuses: int) -> Callable[[httpx2.Request], httpx2.Response]:
    left = list(statuses)

    def respond(_request: httpx2.Request) -> httpx2.Response:
        status = left.pop(0)
        if not status:
            raise httpx2.ConnectError("x")
        return httpx2.Response(
            status, content=ANSWERS["antigravity"] if status == 200 else b'{"error":{"message":"no"}}'
        )

    return respond


@pytest.mark.parametrize("statuses", [(200,), (503, 200), (429, 404, 200), (0, 500, 200), (403, 0, 200)])
async def test_antigravity_goes_on_to_its_next_address(statuses: tuple[int, ...]) -> None:
    asked, received = provider("antigravity", failing(*statuses))
    assert (await asked.complete(ASK)).text == "一"
    assert [f"https://{request.url.host}" for request in received] == PLACES[: len(statuses)]


async def test_when_all_addresses_fail_the_last_ones_error_is_told() -> None:
    asked, received = provider("antigravity", failing(503, 500, 429))
    with pytest.raises(ProviderError, match=r"^no$") as caught:
        await asked.complete(ASK)
    assert (caught.value.status, len(received)) == (429, 3)


async def test_a_key_that_is_refused_is_not_shown_to_the_next_address() -> None:
    asked, received = provider("antigravity", failing(503, 401))
    with pytest.raises(ProviderError) as caught:
        await asked.complete(ASK)
    assert (caught.value.status, len(received)) == (401, 2)


async def test_an_address_of_ones_own_is_the_only_one() -> None:
    asked, received = provider("antigravity", failing(503), base_url="https://mine.example")
    with pytest.raises(ProviderError):
        await asked.complete(ASK)
    assert [request.url.host for request in received] == ["mine.example"]


# --- recordings ---


def recordings(corpus: Path, folder: str) -> list[Path]:
    return sorted(path for path in (corpus / folder).iterdir() if path.suffix in (".sse", ".ndjson", ".json"))


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "openai"])
async def test_every_recording_of_a_provider_arrives(name: str, corpus: Path, expected: dict[str, Any]) -> None:
    for path in recordings(corpus, name):
        want = expected[f"{name}/{path.name}"]
        asked, _ = provider(name, path.read_bytes(), on_malformed="error")
        events: list[Event] = []
        try:
            events += [event async for event in asked.stream(ASK)]
        except ProviderError:
            assert want.get("error"), path.name
            continue
        text = "".join(event.text for event in events if isinstance(event, TextDelta) and event.index == 0)
        assert text == want["text"] + want.get("refusal", ""), path.name
        calls = [event.name for event in events if isinstance(event, ToolCall) and event.kind == "function"]
        if not any(call.get("arguments_invalid_json") for call in want["tool_calls"]) and name != "anthropic":
            assert calls == [call["name"] for call in want["tool_calls"]], path.name
        assert any(isinstance(event, Failure if want.get("error") else Finish) for event in events), path.name


async def test_a_whole_answer_in_place_of_a_stream_is_understood_in_every_dialect() -> None:
    message = {
        "id": "c1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "一"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }
    completion = {
        "id": "c1",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "一"}, "finish_reason": "stop"}],
    }
    line = {"model": "m", "message": {"role": "assistant", "content": "一"}, "done": True, "done_reason": "stop"}
    whole = {
        "openai": json.dumps(completion, indent=1).encode(),
        "glm": json.dumps(completion).encode(),
        "anthropic": json.dumps(message, indent=1).encode(),
        "gemini": b"[" + CONTENT + b"]",
        "antigravity": b'{"response":%s}' % CONTENT,
        "ollama": json.dumps(line).encode(),
    }
    for name, content in whole.items():
        asked, _ = provider(name, content)
        reply: Reply = await asked.complete(ASK)
        assert (reply.text, reply.finish_reason) == ("一", "stop"), name


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini", "antigravity", "glm"])
@pytest.mark.parametrize("text", [b'{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}'])
async def test_an_error_with_status_200_is_an_error_in_every_dialect(name: str, text: bytes) -> None:
    for content in (text, b"[" + text + b"]"):
        asked, _ = provider(name, content)
        with pytest.raises(ProviderError, match=r"^slow down$") as caught:
            await asked.complete(ASK)
        assert (caught.value.status, caught.value.code) == (429, "rate_limited")


async def test_an_error_line_of_ollama_is_an_error() -> None:
    asked, _ = provider("ollama", b'{"error":"model not found"}\n')
    with pytest.raises(ProviderError, match=r"^model not found$"):
        await asked.complete(ASK)


@pytest.mark.parametrize("name", PRESETS)
async def test_a_page_is_an_error_in_every_dialect(name: str) -> None:
    asked, _ = provider(name, b"<!doctype html><p>Log in")
    with pytest.raises(ProviderError, match=rf"^{name} answered with a page instead of a stream$"):
        await asked.complete(ASK)


def test_the_documents_table_is_the_one_in_the_code() -> None:
    page = Path(__file__).resolve().parents[2].joinpath("docs", "providers.md").read_text(encoding="utf-8")
    for each in PRESETS.values():
        keys = " or ".join(f"`{name}`" for name in each.key_variables) + ("" if each.needs_key else " (needs none)")
        assert f"| `{each.name}` | {keys} | `{each.model}` | `{each.base_urls[0]}` |\n" in page
