"""Where a request goes: a base URL, checked, and what a provider's path makes of it."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

import httpx2

__all__ = ["base_address", "ollama_url", "target"]

_SECRET: Final = re.compile("auth|key|token|secret|password", re.IGNORECASE)
_ANY_ADDRESS: Final = re.compile(r"(?<![\d.])0\.0\.0\.0(?![\d.])")


def base_address(url: str) -> httpx2.URL:
    """Return `url`, checked. Raises ValueError, which shows no secret, for one that cannot work as a base URL."""
    try:
        base = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as exc:
        raise ValueError(f"base_url must be a URL such as 'https://api.openai.com/v1': {exc}") from exc
    # An address is shown in logs.
    if base.userinfo:
        raise ValueError("base_url must not hold a user name or password; give them as api_key or headers")
    if any(_SECRET.search(name) for name in base.params):
        raise ValueError("base_url must not hold a key in its query; give it as api_key or headers")
    if base.scheme not in ("http", "https") or not base.host:
        raise ValueError(f"base_url must begin with http:// or https:// and name a host, not {url!r}")
    return base


def target(base: httpx2.URL, path: str, model: str | None) -> httpx2.URL:
    """Return `base` with `path` behind its own, and both queries. `{model}` in `path` becomes the model's name."""
    if "{model}" in path:
        # The name may come from a client: it must stay one segment of the path.
        name = quote((model or "").removeprefix("models/"), safe="")
        path = path.replace("{model}", name)
    own, _, query = path.partition("?")
    prefix, _, given = base.raw_path.decode("ascii").partition("?")
    queries = "&".join(filter(None, (query, given)))
    place = prefix.rstrip("/") + own + (f"?{queries}" if queries else "")
    return base.copy_with(raw_path=place.encode("ascii"), fragment=None)


def ollama_url(host: str) -> str:
    """Return the base URL for a value of OLLAMA_HOST: `host`, `host:port`, `:port` or a URL.

    The port is 11434 unless given; for a URL it is that of its scheme.
    """
    # Where a server of this machine listens is not where it is asked.
    host = _ANY_ADDRESS.sub("127.0.0.1", host)
    if "://" in host:
        return host.rstrip("/")
    authority, slash, path = host.partition("/")
    name, colon, port = authority.rpartition(":")
    if not colon or not port.isdigit():
        name, port = authority, "11434"
    return f"http://{name or '127.0.0.1'}:{port}{slash}{path}".rstrip("/")
