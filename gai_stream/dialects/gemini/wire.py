"""What a chunk looks like on the wire: the fields we read, checked for type; all others are ignored.

Google's own fields are strict. What only adds to an answer (ratings, sources) is `Any` and is read with care in
`extras`: it must not cost the text beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec

from gai_stream import _json

__all__ = [
    "MAX_CANDIDATES",
    "Blob",
    "Candidate",
    "Chunk",
    "CodeExecutionResult",
    "ExecutableCode",
    "FunctionCall",
    "Part",
    "PartialArg",
    "PromptFeedback",
    "UsageMetadata",
    "is_chunk",
    "read",
    "with_plain_base64",
]

MAX_CANDIDATES: Final = 128
"""More than any `candidateCount` that the API takes. A wild index must not make us, or a client, fill a list."""

_Index = Annotated[int, msgspec.Meta(ge=0, lt=MAX_CANDIDATES)]
# Proxies written in Lua or JavaScript send 12.0 for 12.
_Count = Annotated[float, msgspec.Meta(ge=0, le=2**53)]
_PLAIN: Final = str.maketrans("-_", "+/")


class _Struct(msgspec.Struct, rename="camel", gc=False):
    pass


class PartialArg(_Struct):
    """One value of a call's arguments and its place; texts for the same place follow each other."""

    json_path: str | None = None
    string_value: str | None = None
    number_value: int | float | None = None
    bool_value: bool | None = None
    null_value: Any = msgspec.UNSET


class FunctionCall(_Struct):
    """A whole call; or, with `will_continue`, the beginning or a further piece of one."""

    id: str | None = None
    name: str | None = None
    args: dict[str, Any] | None = None
    partial_args: list[PartialArg] | None = None
    will_continue: bool | None = None


class Blob(_Struct):
    mime_type: str | None = None
    data: bytes | None = None


class ExecutableCode(_Struct):
    id: str | None = None
    language: str | None = None
    code: str | None = None


class CodeExecutionResult(_Struct):
    id: str | None = None
    outcome: str | None = None
    output: str | None = None


class Transcription(_Struct):
    text: str | None = None


class Part(_Struct):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeExecutionResult | None = None
    audio_transcription: Transcription | None = None


class Content(_Struct):
    parts: list[Part] | None = None


class Candidate(_Struct):
    index: _Index | None = None
    content: Content | None = None
    finish_reason: str | None = None
    finish_message: Any = None
    safety_ratings: Any = None
    citation_metadata: Any = None
    grounding_metadata: Any = None

    @property
    def parts(self) -> list[Part]:
        """Return the parts; `content` is often empty, or absent."""
        return (self.content.parts if self.content else None) or []


class PromptFeedback(_Struct):
    block_reason: str | None = None
    block_reason_message: Any = None
    safety_ratings: Any = None


class UsageMetadata(_Struct):
    prompt_token_count: _Count | None = None
    tool_use_prompt_token_count: _Count | None = None
    candidates_token_count: _Count | None = None
    thoughts_token_count: _Count | None = None
    cached_content_token_count: _Count | None = None
    total_token_count: _Count | None = None


class Chunk(_Struct):
    """One message, or a whole answer: they have the same shape."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None

    @property
    def parts(self) -> list[Part]:
        """Return the parts of all candidates."""
        return [part for candidate in self.candidates or () for part in candidate.parts]


_KEYS: Final = frozenset(("candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId"))


def is_chunk(value: object) -> bool:
    """Tell a chunk from what we have no name for."""
    return isinstance(value, dict) and not _KEYS.isdisjoint(value)


def read(value: Any) -> Chunk:
    """Return `value` as a chunk. Raises DecodeError for a field of the wrong type."""
    return _json.convert(value, Chunk, what="a Gemini chunk")


def with_plain_base64(value: dict[str, Any]) -> dict[str, Any]:
    """Return what an SDK's object was dumped to with its bytes as the API writes them.

    The SDK reads both alphabets of base64 and writes the one for URLs; signatures are to be sent back as they came.
    """
    for candidate in _objects(value.get("candidates")):
        for content in _objects([candidate.get("content")]):
            for part in _objects(content.get("parts")):
                for owner in _objects([part, part.get("inlineData")]):
                    for key in ("thoughtSignature", "data"):
                        if isinstance(text := owner.get(key), str):
                            owner[key] = text.translate(_PLAIN)
    return value


def _objects(value: object) -> Iterator[dict[str, Any]]:
    yield from (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else ()
