"""A chat model of LangChain's that says what it is told to say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult


class Model(BaseChatModel):
    """Streams `script`: chunks, texts, and exceptions, which it raises."""

    script: list[Any]
    streaming: bool = False

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, *args: Any, **options: Any) -> ChatResult:
        raise NotImplementedError

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **options: Any
    ) -> Iterator[ChatGenerationChunk]:
        for item in self.script:
            if isinstance(item, BaseException):
                raise item
            chunk = AIMessageChunk(item) if isinstance(item, str) else item.model_copy(deep=True)
            yield ChatGenerationChunk(message=chunk)


@pytest.fixture
def model() -> Any:
    """Make a model of what it streams."""

    def make(*script: Any, **options: Any) -> Model:
        return Model(script=list(script), streaming=True, **options)

    return make
