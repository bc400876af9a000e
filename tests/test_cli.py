"""The command line: what it says, what it refuses, and how it stops."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

import gai_stream
from gai_stream import SSEDecoder
from gai_stream.cli import main

PYTHON = [sys.executable, "-W", "error", "-m", "gai_stream"]


def environment(**extra: str) -> dict[str, str]:
    """Return this environment without anything that would choose a provider."""
    chosen = re.compile("LLM_PROVIDER|GAI_STREAM_TOKEN|OLLAMA_HOST|.*_API_KEY|.*_BASE_URL|.*_MODEL")
    clean = {name: value for name, value in os.environ.items() if not chosen.fullmatch(name)}
    return {**clean, "PYTHONUNBUFFERED": "1", **extra}


class Serving(NamedTuple):
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    banner: str
    url: str

    def open(self, method: str, path: str, body: str | None = None) -> tuple[HTTPConnection, HTTPResponse]:
        """Send a request and return once its response has started."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        connection = HTTPConnection(parts.hostname, parts.port, timeout=20)
        connection.request(method, path, body, {"content-type": "application/json"})
        return connection, connection.getresponse()

    def end(self) -> tuple[int, str]:
        """Wait for the process, which must not take long. Returns its status and what it said on stderr."""
        _, said = self.process.communicate(timeout=10)
        return self.process.returncode, said


@contextmanager
def serving(*arguments: str, **extra: str) -> Iterator[Serving]:
    """Run `gai-stream serve` on a free port until the block ends."""
    process = subprocess.Popen(
        [*PYTHON, "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**extra),
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        banner = ""
        while "listening" not in banner:
            line = process.stdout.readline()
            assert line, f"no banner: {process.stderr.read()}"
            banner += line
        found = re.search(r"http://\S+", banner)
        assert found
        yield Serving(process, banner, found[0])
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


# Arguments


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"gai-stream {gai_stream.__version__}\n"


def test_no_command_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: gai-stream")
    assert "serve the gateway and the demo" in said


def test_help_of_serve_names_every_option_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        "--host HOST address to listen on (default: 127.0.0.1)",
        "--port PORT port to listen on (default: 8000 or the next free one)",
        "--provider NAME who answers for models that nobody else has",
        "(default: LLM_PROVIDER, or the first with a key)",
        "--config FILE providers, models and limits, as TOML",
        "GAI_STREAM_TOKEN is what clients must show",
        "what to log (default: info)",
    ):
        assert part in said
    assert "SUPPRESS" not in said


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nothing"], "invalid choice: 'nothing'"),
        (["serve", "--port", "none"], "a port is a number from 0 (any free one) to 65535, not 'none'"),
        (["serve", "--port", "65536"], "a port is a number from 0 (any free one) to 65535, not '65536'"),
        (["serve", "--port", "-1"], "a port is a number"),
        (["serve", "--port", "８０"], "a port is a number"),
        (["serve", "--provider", "openai", "--config", "x"], "argument --config: not allowed with argument --provider"),
        (["serve", "--log-level", "loud"], "invalid choice: 'loud'"),
        (["serve", "--prot", "8000"], "unrecognized arguments: --prot"),
    ],
)
def test_wrong_argument_is_one_line_and_the_usage(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: gai-stream")
    assert reason in said.splitlines()[-1]


# What keeps it from starting


def test_missing_server_is_one_sentence_with_the_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve"]) == 1
    assert capsys.readouterr().err == "gai-stream: serve needs a server: pip install 'gai-stream[serve]'\n"


def test_missing_client_is_one_sentence_with_the_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(**_: object) -> None:
        raise ImportError

    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setattr("gai_stream.gateway.config.create", create)
    assert main(["serve", "--port", "0"]) == 1
    assert "pip install 'gai-stream[providers]'" in capsys.readouterr().err


def test_provider_without_its_key_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert main(["serve", "--provider", "openai"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("gai-stream: OPENAI_API_KEY is not set")
    assert said.count("\n") == 1


def test_unknown_provider_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--provider", "claude"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("gai-stream: provider must be one of anthropic, antigravity, ")
    assert "scripted, xai, not 'claude'" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file or directory"),
        ("[", "not TOML: "),
        ("", "names no provider; add one, such as"),
        ("[providers.x]", "providers.x: provider must be one of"),
        ("[limits]\nper_key = 0\n[providers.scripted]", "per_key must be a number of streams"),
    ],
)
def test_wrong_config_is_named_with_what_is_wrong_in_it(
    text: str | None, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gateway.toml"
    if text is not None:
        file.write_text(text)
    assert main(["serve", "--config", str(file)]) == 1
    assert capsys.readouterr().err.startswith(f"gai-stream: {file}: {reason}")


def test_given_port_in_use_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
    assert (
        capsys.readouterr().err
        == f"gai-stream: port {port} is in use; choose another one, or leave out --port for a free one\n"
    )


def test_unknown_host_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--host", "256.0.0.1"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("gai-stream: cannot listen on 256.0.0.1 port 8000: ")
    assert said.count("\n") == 1


# Serving


def test_without_a_key_the_banner_says_so_and_a_script_answers() -> None:
    with serving("--port", "0") as server:
        assert f"gai-stream {gai_stream.__version__}\n" in server.banner
        assert "provider   scripted: offline" in server.banner
        assert "none: no key is set (OPENAI_API_KEY, ANTHROPIC_API_KEY ...)" in server.banner
        connection, response = server.open("GET", "/chat?q=hi")
        with closing(connection):
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert response.readline() == b"event: start\n"


def test_with_a_base_url_the_banner_names_the_host_and_the_model() -> None:
    extra = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "sk-secret", "OPENAI_MODEL": "small-1"}
    with serving("--port", "0", **extra) as server:
        assert "provider   openai at 127.0.0.1:9\n" in server.banner
        assert "model      small-1\n" in server.banner
        assert "secret" not in server.banner
        connection, response = server.open("GET", "/api/info")
        with closing(connection):
            assert b'"default":"openai"' in response.read()


def test_script_can_be_chosen_although_there_is_a_key() -> None:
    with serving("--port", "0", "--provider", "scripted", OPENAI_API_KEY="sk-1") as server:
        assert "provider   scripted: offline" in server.banner
        assert "model      none; the page offers a real one" in server.banner


def test_other_providers_with_a_key_are_named() -> None:
    with serving("--port", "0", LLM_PROVIDER="anthropic", ANTHROPIC_API_KEY="sk-1", GROQ_API_KEY="sk-2") as server:
        assert "provider   anthropic at api.anthropic.com\n" in server.banner
        assert "also       groq\n" in server.banner
        assert "sk-" not in server.banner


def test_with_a_token_there_is_no_page_and_nobody_is_let_in_without_it() -> None:
    with serving("--port", "0", GAI_STREAM_TOKEN="s3cret") as server:
        assert "token      GAI_STREAM_TOKEN is asked of every client, so there is no chat page\n" in server.banner
        for path, status in (("/", 404), ("/chat?q=hi", 404), ("/v1/models", 401), ("/v1/models?key=s3cret", 200)):
            connection, response = server.open("GET", path)
            with closing(connection):
                assert response.status == status


def test_a_config_says_who_answers(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[providers.house]\npreset = "scripted"\n[models]\nfast = "house"\n')
    with serving("--port", "0", "--config", str(file)) as server:
        for model, status in (("fast", 200), ("house", 200), ("gpt-4", 404)):
            body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "hi"}]})
            connection, response = server.open("POST", "/v1/chat/completions", body)
            with closing(connection):
                assert response.status == status


def test_the_gateways_curl_lines_work_as_written() -> None:
    """C17: the model of any vendor, a Chinese prompt, and `-N` so that curl does not buffer."""
    models = ("gpt-4", "glm-4", "gemini-2.0-flash-exp")
    with serving("--port", "0") as server, ExitStack() as stack:
        running = []
        for model in models:
            asked = {"model": model, "stream": True, "messages": [{"role": "user", "content": "数到5"}]}
            json_body = ["-H", "Content-Type: application/json", "-d", json.dumps(asked, ensure_ascii=False)]
            command = ["curl", "-sN", f"{server.url}v1/chat/completions", *json_body]
            running.append(stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE)))
        answers = [process.communicate(timeout=60)[0] for process in running]
    for model, answer in zip(models, answers, strict=True):
        messages = SSEDecoder().feed(answer)
        assert messages.pop().data == "[DONE]"
        chunks = [message.json() for message in messages]
        text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
        assert "You asked: 数到5" in text
        assert "流式传输" in text
        assert {chunk["model"] for chunk in chunks} == {model}


def test_model_that_nobody_named_is_left_to_the_server() -> None:
    with serving("--port", "0", OPENAI_BASE_URL="http://127.0.0.1:9/v1") as server:
        assert "model      left to the server\n" in server.banner


def test_without_a_port_a_busy_one_is_passed_by() -> None:
    with ExitStack() as held:
        with suppress(OSError):  # Somebody else holding it is as good.
            held.enter_context(socket.create_server(("127.0.0.1", 8000)))
        with serving() as server:
            port = urlsplit(server.url).port
            assert port is not None
            assert 8000 < port < 8100
            connection, response = server.open("GET", "/")
            with closing(connection):
                assert response.status == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_stops_cleanly_with_streams_open(number: signal.Signals) -> None:
    question = '{"query":"hi"}'
    with serving("--port", "0") as server, ExitStack() as clients:
        streams = []
        for method, path, body in (
            ("GET", "/chat?q=hi", None),
            ("POST", "/chat", question),
            ("POST", "/api/v1/stream", question),
        ):
            connection, response = server.open(method, path, body)
            clients.enter_context(closing(connection))
            assert b"start" in response.readline()
            streams.append(response)
        # A connection that asked for nothing, as browsers keep some.
        idle = urlsplit(server.url)
        clients.enter_context(socket.create_connection((idle.hostname, idle.port), timeout=10))
        server.process.send_signal(number)
        ends = [stream.read() for stream in streams]
        status, said = server.end()
    assert status == 0
    assert "Traceback" not in said
    assert "without completing" not in said
    assert " ERROR " not in said
    for end in ends:
        assert b"the server is shutting down" in end
    assert ends[0].endswith(b'event: done\ndata: {"finished":false}\n\n')
    assert ends[1].endswith(b'{"finished":false,"type":"done"}\n')
    assert ends[2].endswith(b'event: done\ndata: {"finished":false}\n\n')


def test_stops_cleanly_while_nobody_is_there() -> None:
    with serving("--port", "0", "--log-level", "debug") as server:
        server.process.send_signal(signal.SIGINT)
        status, said = server.end()
    assert status == 0
    assert "Traceback" not in said


def test_second_interrupt_waits_for_nobody() -> None:
    with serving("--port", "0") as server:
        connection, response = server.open("GET", "/chat?q=hi")
        with closing(connection):
            assert response.readline() == b"event: start\n"
            server.process.send_signal(signal.SIGINT)
            server.process.send_signal(signal.SIGINT)
            status, said = server.end()
    assert status == 0
    assert "Traceback" not in said
