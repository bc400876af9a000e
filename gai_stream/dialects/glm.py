"""GLM (Zhipu, z.ai): Chat Completions, with words of its own for errors, tools and sound. It is read, never written."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from gai_stream.dialects.openai import OpenAIDecoder, provider_error
from gai_stream.dialects.openai.wire import Fragment
from gai_stream.events import Event, Raw
from gai_stream.exceptions import ProviderError

__all__ = ["GLMDecoder", "glm_error"]

# The business codes of docs.z.ai/api-reference/api-code, which know more than the HTTP status.
_ALIASES: Final[dict[str, str]] = {
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004"), "unauthorized"),
    **dict.fromkeys(("1110", "1111", "1112", "1120", "1121", "1220"), "forbidden"),
    **dict.fromkeys(("1210", "1212", "1213", "1214", "1215"), "invalid_request"),
    "1211": "not_found",
    "1234": "network",
    "1261": "context_length_exceeded",
    "1301": "safety_blocked",
    **dict.fromkeys(("1302", "1303", "1305", "1312"), "rate_limited"),
    # A spent balance (1113) or quota: trying again helps no sooner than somebody pays, or the period is over.
    **dict.fromkeys(("1113", "1304", "1308", "1310"), "insufficient_quota"),
}


def glm_error(payload: Any, *, status: int | None = None, retry_after: float | None = None) -> ProviderError:
    """Return the error that `payload` tells of, as `provider_error` does, by GLM's own codes where it has one."""
    return provider_error(payload, status=status, retry_after=retry_after, aliases=_ALIASES)


class GLMDecoder(OpenAIDecoder):
    """Turn the messages of one answer of GLM's into events, as OpenAIDecoder does.

    Tools that GLM runs by itself (`mcp`, `web_search`, `retrieval`) are calls of kind "server", with their results;
    lists of an MCP server's tools become Raw. Sound comes in pieces that are WAV files of their own.
    """

    _name: ClassVar[str] = "glm"
    _audio_format: ClassVar[str] = "wav"

    def _error_of(self, payload: Any) -> ProviderError:
        return glm_error(payload)

    def _server_call(self, fragment: Fragment, index: int) -> list[Event]:
        kind = fragment.type or ""
        told: Any = {"mcp": fragment.mcp, "web_search": fragment.web_search, "retrieval": fragment.retrieval}.get(kind)
        if not isinstance(told, dict):
            return []
        name, arguments = (told.get("name"), told.get("arguments")) if kind == "mcp" else (kind, told)
        if not isinstance(name, str) or not name:
            return [Raw(self._name, {kind: told})]
        id = next((id for id in (told.get("id"), fragment.id) if isinstance(id, str) and id), None)
        return self._tools.tell(
            (index, kind, id or fragment.index),
            name,
            arguments,
            told.get("output", told.get("outputs")),
            error=glm_error(error).message if (error := told.get("error")) else None,
            id=id,
            choice=index,
            stream_id=self._id,
        )
