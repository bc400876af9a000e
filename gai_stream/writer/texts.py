"""Runs of text: messages that differ in nothing but their text, and so are framed in one go instead of one by one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from gai_stream import _json

__all__ = ["Texts", "texts_of_events", "texts_of_messages"]

# A text to find again in the message made of it. The bracket shows whether the dialect escapes markup.
_SAMPLE = "\ue000sample<"
_MARKUP = re.compile(b"[<>&]")


class Texts(NamedTuple):
    """How a run of texts is framed: `join` returns what framing each by itself would give, for any texts.

    Around each text stand at least `overhead` bytes.
    """

    join: Callable[[list[str]], bytes]
    overhead: int


def texts_of_messages(framing: Any) -> Texts | None:
    """Return how `framing` frames `str` messages; None while it must see each."""
    feed = getattr(framing, "feed_texts", None)
    return Texts(feed, framing.text_overhead) if feed is not None and framing.plain else None


def texts_of_events(encoder: Any, framing: Any) -> Texts | None:
    """Return how `encoder` and `framing` write a TextDelta of nothing but text; None while they must see each."""
    example = getattr(encoder, "text_message", None)
    if example is None or not getattr(framing, "plain", False) or (message := example(_SAMPLE)) is None:
        return None
    (block,) = framing.feed(message)
    as_it_is = orjson.dumps(_SAMPLE)
    for sample, markup in ((as_it_is, None), (_escape_markup(as_it_is), _escape_markup)):
        lead, found, tail = block.partition(sample)
        if found and sample not in tail:
            return Texts(_JSONTexts(lead, tail, markup).join, len(lead) + len(tail) + 2)
    return None


class _JSONTexts:
    """Texts as JSON strings between the same bytes."""

    def __init__(self, lead: bytes, tail: bytes, escape: Callable[[bytes], bytes] | None) -> None:
        self._lead = lead
        self._tail = tail
        self._between = tail + lead
        self._escape = escape

    def join(self, texts: list[str]) -> bytes:
        try:
            body = orjson.dumps(texts[0]) if len(texts) == 1 else self._between.join(map(orjson.dumps, texts))
        except TypeError:
            # A lone surrogate, which only the long way replaces.
            body = self._between.join(map(_json.dumps, texts))
        if not body.isascii():
            body = _json.escape_separators(body)
        if self._escape is not None and (b"<" in body or b">" in body or b"&" in body):
            body = self._escape(body)
        return b"%b%b%b" % (self._lead, body, self._tail)


def _escape_markup(text: bytes) -> bytes:
    return _MARKUP.sub(lambda found: b"\\u%04x" % ord(found[0]), text)
