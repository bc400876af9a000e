"""The content of messages, in the form of every provider's package."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from gai_stream.events import AudioDelta, Citation, Citations, Raw, ReasoningDelta, TextDelta
from gai_stream.langchain import LangChainDecoder


def said(content: Any, **beside: Any) -> list[Any]:
    return LangChainDecoder().feed(AIMessageChunk(content, additional_kwargs=beside))[1:]


ANTHROPIC = {"type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "c"}
CITATION = {"type": "citation", "url": "u", "title": "t", "start_index": 1, "end_index": 2, "cited_text": "c"}


@pytest.mark.parametrize(
    ("block", "events"),
    [
        ("plain", [TextDelta("plain")]),
        ("", []),
        ({"type": "text", "text": "Hi", "index": 0}, [TextDelta("Hi")]),
        ({"type": "text", "text": ""}, []),
        ({"type": "text", "text": None}, []),
        ({"type": "text", "text": "Hi", "extras": {"signature": "s"}}, [TextDelta("Hi"), ReasoningDelta("", "s")]),
        ({"type": "text", "text": "", "citations": [ANTHROPIC]}, [Citations([Citation("u", "t", None, None, "c")])]),
        ({"type": "text", "annotations": [CITATION, 7]}, [Citations([Citation("u", "t", 1, 2, "c")])]),
        ({"type": "text", "annotations": [{"document_title": "d"}]}, [Citations([Citation(None, "d")])]),
        ({"type": "thinking", "thinking": "Hm"}, [ReasoningDelta("Hm")]),
        ({"type": "thinking", "thinking": "", "signature": "s"}, [ReasoningDelta("", "s")]),
        ({"type": "thinking"}, []),
        ({"type": "redacted_thinking", "data": "x"}, [ReasoningDelta("", redacted="x")]),
        ({"type": "redacted_thinking"}, []),
        ({"type": "reasoning", "reasoning": "Hm", "extras": {"signature": "s"}}, [ReasoningDelta("Hm", "s")]),
        (
            {"type": "reasoning", "summary": [{"text": "a"}, 7, {"text": "b"}], "encrypted_content": "e"},
            [ReasoningDelta("ab"), ReasoningDelta("", "e")],
        ),
        ({"type": "reasoning", "extras": {"encrypted_content": "e"}}, [ReasoningDelta("", "e")]),
        ({"type": "reasoning_content", "reasoning_content": {"text": "Hm"}}, [ReasoningDelta("Hm")]),
        ({"type": "reasoning_content", "reasoning_content": {"signature": "s"}}, [ReasoningDelta("", "s")]),
        ({"type": "refusal", "refusal": "No."}, [TextDelta("No.", refusal=True)]),
        ({"type": "refusal"}, []),
        ({"type": "audio", "base64": "AP8=", "mime_type": "audio/wav"}, [AudioDelta(b"\0\xff", "wav")]),
        ({"type": "audio", "data": "nope!"}, []),
        ({"type": "audio", "data": "\u00e4"}, []),
        ({"type": "audio", "url": "u"}, [Raw("langchain", {"type": "audio", "url": "u"})]),
        ({"type": "tool_use", "id": "c", "name": "f", "input": {}}, []),
        ({"type": "input_json_delta", "partial_json": "{"}, []),
        ({"type": "image", "url": "u"}, [Raw("langchain", {"type": "image", "url": "u"})]),
        ({"no": "type"}, [Raw("langchain", {"no": "type"})]),
        ({"type": ["x"], "extras": [1]}, [Raw("langchain", {"type": ["x"], "extras": [1]})]),
    ],
)
def test_every_block_is_read(block: Any, events: list[Any]) -> None:
    assert said([block]) == events


def test_reasoning_may_stand_beside_the_text() -> None:
    assert said("Hi", reasoning_content="Hm") == [ReasoningDelta("Hm"), TextDelta("Hi")]
    assert said("", reasoning={"summary": [{"type": "summary_text", "text": "Hm"}]}) == [ReasoningDelta("Hm")]


def test_reasoning_that_stands_in_both_places_is_told_once() -> None:
    assert said([{"type": "reasoning", "reasoning": "Hm"}], reasoning_content="Hm") == [ReasoningDelta("Hm")]


def test_audio_beside_the_text_is_openais() -> None:
    assert said("", audio={"data": "AP8=", "transcript": "hum"}) == [AudioDelta(b"\0\xff", "pcm16", "hum")]
    assert said("", audio={"transcript": "hum"}) == [AudioDelta(b"", None, "hum")]
    assert said("", audio={"id": "a"}) == []
