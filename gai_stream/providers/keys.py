"""Keys: they go into a request's headers, and are taken out of whatever is said about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import httpx2

from gai_stream.exceptions import ProviderError
from gai_stream.providers.presets import KeyHeader

__all__ = ["Redaction", "check_value", "request_headers"]

_NAME: Final = re.compile("[0-9A-Za-z_-]+")
_VALUE: Final = re.compile("[!-~](?:[ -~]*[!-~])?")
_SECRET_NAME: Final = re.compile("auth|key|token|secret|cookie", re.IGNORECASE)
# A shorter one is a dummy, such as "none" or "ollama", and a word of its own.
_SHORTEST: Final = 8


class Redaction:
    """Replace `secrets` in texts by `***`. Servers do quote the key that they refuse."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first: one key may be the beginning of another.
        self._secrets = sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True)

    def __repr__(self) -> str:
        return f"<Redaction of {len(self._secrets)} secrets>"

    def text(self, text: str) -> str:
        """Return `text` without them."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def error(self, error: ProviderError) -> ProviderError:
        """Take them out of `error`, and return it."""
        error.message = self.text(error.message)
        error.args = (error.message,)
        if error.request_id is not None:
            error.request_id = self.text(error.request_id)
        return error


def request_headers(
    api_key: str | None, key_header: KeyHeader, *given: Mapping[str, str]
) -> tuple[httpx2.Headers, Redaction]:
    """Return the headers of a request, and the redaction of what is secret in them. Later ones of `given` win.

    Raises ValueError, which does not show it, for a key or header that no request can carry.
    """
    headers = httpx2.Headers(
        # What compresses a stream on its way tends to collect it first.
        {"accept-encoding": "identity", "content-type": "application/json"}
    )
    secrets: list[str] = []
    if api_key is not None:
        check_value("api_key", api_key)
        headers[key_header] = f"Bearer {api_key}" if key_header == "authorization" else api_key
        secrets.append(api_key)
    for name, value in (item for each in given for item in each.items()):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"headers must be named by ASCII letters, digits and hyphens, not {name!r}")
        check_value(f"headers[{name!r}]", value)
        headers[name] = value
        if _SECRET_NAME.search(name):
            secrets.append(value.removeprefix("Bearer "))
    return headers, Redaction(secrets)


def check_value(option: str, value: str) -> None:
    """Raise ValueError, which does not show it, unless a header can carry `value`."""
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise ValueError(f"{option} must be printable ASCII without spaces around it; check for a stray line end")
