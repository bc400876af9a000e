"""Where a request goes."""

from __future__ import annotations

from typing import Any

import pytest

from gai_stream.providers.address import base_address, ollama_url, target


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://x.test/v1", "/messages", "https://x.test/v1/messages"),
        ("https://x.test/v1/", "/messages", "https://x.test/v1/messages"),
        ("http://localhost:11434", "/api/chat", "http://localhost:11434/api/chat"),
        ("https://x.test/a%2Fb", "/c", "https://x.test/a%2Fb/c"),
        ("https://x.test/v1?api-version=1#x", "/c", "https://x.test/v1/c?api-version=1"),
        ("https://x.test/v1?api-version=1", "/c?alt=sse", "https://x.test/v1/c?alt=sse&api-version=1"),
        ("https://x.test", "/models/{model}:go?alt=sse", "https://x.test/models/m-1.5:go?alt=sse"),
    ],
)
def test_a_path_goes_behind_the_bases_own(base: str, path: str, url: str) -> None:
    assert str(target(base_address(base), path, "m-1.5")) == url


@pytest.mark.parametrize(
    ("model", "segment"),
    [
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("../../x", "..%2F..%2Fx"),
        ("a:b?c#d", "a%3Ab%3Fc%23d"),
        ("ü%2F", "%C3%BC%252F"),
        ("a\r\nb", "a%0D%0Ab"),
    ],
)
def test_a_model_is_one_segment(model: str, segment: str) -> None:
    url = target(base_address("https://x.test/v1"), "/models/{model}:go", model)
    assert url.raw_path.decode() == f"/v1/models/{segment}:go"
    assert url.host == "x.test"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (
            "https://me:hunter2@x.test",
            "base_url must not hold a user name or password; give them as api_key or headers",
        ),
        ("ftp://me:hunter2@x.test", "base_url must not hold a user name or password; give them as api_key or headers"),
        ("https://x.test/?key=hunter2", "base_url must not hold a key in its query; give it as api_key or headers"),
        ("https://x.test/?access_token=hunter2", "base_url must not hold a key in its query; "),
    ],
)
def test_a_base_url_with_a_secret_is_refused_unseen(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^base_url must not hold ") as caught:
        base_address(url)
    assert str(caught.value).startswith(says)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "x.test", "ftp://x.test", "http://", "http://[::1", "http://x:y/", 5, None])
def test_a_base_url_must_be_one(url: Any) -> None:
    with pytest.raises(ValueError, match=r"^base_url must be"):
        base_address(url)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost", "http://localhost:11434"),
        ("localhost:5", "http://localhost:5"),
        (":5", "http://127.0.0.1:5"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:5", "http://127.0.0.1:5"),
        ("http://0.0.0.0:5/", "http://127.0.0.1:5"),
        ("10.0.0.0", "http://10.0.0.0:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:5", "http://[::1]:5"),
        ("https://ollama.example/x/", "https://ollama.example/x"),
        ("gpu/x", "http://gpu:11434/x"),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(host: str, url: str) -> None:
    assert ollama_url(host) == url
    base_address(url)
