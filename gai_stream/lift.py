"""What sources yield as what can be written: text, and the objects of every SDK, become events.

An SDK is told by the module that its objects come from, and never imported: nobody needs one to stream another's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias

from .events import EVENT_TYPES, TextDelta
from .transform import Transform

__all__ = ["Lift"]

Pick: TypeAlias = Callable[[Any], Any]


class Lift:
    """The transform from what sources yield to what can be written.

    `str` becomes TextDelta. The objects that SDKs stream become events: OpenAI's chat chunks and responses (those of
    the servers' SDKs that follow it, too), Anthropic's, Gemini's, Ollama's, and LangChain's and LangGraph's messages
    and run events. Events, ServerSentEvents and other JSON values stay as they are.
    """

    def __init__(self) -> None:
        self._vocabulary: str | None = None
        self._decoder: Transform[Any, Any] | None = None
        self._finished = False

    def feed(self, item: Any, /) -> list[Any]:
        """Return the events that `item` stands for, or `item`."""
        if self._finished:
            raise RuntimeError("Lift: feed after finish")
        if type(item) is str:
            return [TextDelta(item)]
        if isinstance(item, str):
            # A subclass, such as an enum's member: the text itself, whatever it makes of `str(item)`.
            return [TextDelta(str.__str__(item))]
        kind: Any = type(item)
        if kind in EVENT_TYPES:
            return [item]
        vocabulary, pick = _by_shape(item) if kind in _SHAPED else _by_module(kind)
        if vocabulary is None:
            if getattr(item, "object", None) != "chat.completion.chunk" or not hasattr(item, "model_dump"):
                return [item]
            vocabulary = "openai"
        if pick is not None and (item := pick(item)) is None:
            return []
        before: list[Any] = []
        if self._decoder is None or vocabulary != self._vocabulary:
            before = self._decoder.finish() if self._decoder is not None else []
            self._vocabulary, self._decoder = vocabulary, _decoder_of(vocabulary)
        return [*before, *self._decoder.feed(item)]

    def finish(self) -> list[Any]:
        """Return what an SDK's stream still owes. Raises TruncatedStream if it was cut."""
        if self._finished:
            raise RuntimeError("Lift: finish after finish")
        self._finished = True
        return self._decoder.finish() if self._decoder is not None else []


def _decoder_of(vocabulary: str) -> Transform[Any, Any]:
    if vocabulary == "langchain":
        from .langchain.decoder import LangChainDecoder

        return LangChainDecoder()
    from .dialects import registry

    make = registry.dialect(vocabulary).decoder
    assert make is not None  # noqa: S101 - no SDK speaks a dialect that cannot be read
    return make()


def _chunk_of(event: Any) -> Any:
    """Return the chunk in an event of OpenAI's `chat.completions.stream()`; the other events repeat what it says."""
    return event.chunk if event.type == "chunk" else None


def _sent(event: Any) -> Any:
    """Return an event of Anthropic's `messages.stream()` if the API sent it; the others repeat what those say."""
    return event if event.type.startswith(("message_", "content_block_")) else None


# The module that an SDK's objects come from: the dialect that they speak, and what to take of them.
_MODULES: Final[tuple[tuple[str, str, Pick | None], ...]] = (
    ("openai.types.chat.", "openai", None),
    ("openai.lib.streaming.chat.", "openai", _chunk_of),
    ("openai.types.responses.", "openai_responses", None),
    ("openai.lib.streaming.responses.", "openai_responses", None),
    ("anthropic.types.", "anthropic", None),
    ("anthropic.lib.streaming.", "anthropic", _sent),
    ("google.genai.types", "gemini", None),
    ("ollama._types", "ollama", None),
    ("langchain_core.messages.", "langchain", None),
)

_NEITHER: Final = (None, None)
_LANGCHAIN: Final = ("langchain", None)


@lru_cache(256)
def _by_module(kind: type) -> tuple[str | None, Pick | None]:
    for base in kind.__mro__:
        for module, vocabulary, pick in _MODULES:
            if base.__module__.startswith(module):
                return vocabulary, pick
    return _NEITHER


def _is_langchains(kind: Any) -> bool:
    return _by_module(kind) == _LANGCHAIN


_SHAPED: Final = (dict, tuple)
_MODES: Final = ("messages", "updates", "values", "custom", "checkpoints", "tasks", "debug")


def _by_shape(item: Any) -> tuple[str | None, Pick | None]:
    """Tell LangChain's run events, and LangGraph's tuples and dicts, from other dicts and tuples."""
    match item:
        case {"event": str(event), "run_id": _, "data": _, "parent_ids": _} if event.startswith("on_"):
            return _LANGCHAIN
        case {"type": str(mode), "ns": tuple(), "data": _} if mode in _MODES:
            return _LANGCHAIN
        case (message, dict()) if _is_langchains(type(message)):
            return _LANGCHAIN
        case (str(mode), _) | (tuple(), str(mode), _) if mode in _MODES:
            return _LANGCHAIN
    return _NEITHER
