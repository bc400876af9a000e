"""A provider that needs no network: answers of its own, recorded streams, and failures on cue."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from math import isfinite
from pathlib import Path
from random import Random
from typing import Any, Final, Self, TypeAlias

import anyio

from gai_stream.dialects import registry
from gai_stream.events import (
    EVENT_TYPES,
    AudioDelta,
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from gai_stream.exceptions import ProviderError
from gai_stream.ndjson import NDJSONDecoder
from gai_stream.providers.provider import ChatRequest
from gai_stream.providers.reply import Reply, collect
from gai_stream.sse import SSEDecoder
from gai_stream.transform import Transform

__all__ = ["ANSWER", "ScriptedProvider"]

ANSWER: Final = """\
You asked: {question}

I am a scripted provider: no model, no network, no key. I read from a page, but I read the way a model speaks, one \
token at a time, so that you can watch a stream at work.

A language model does not know its answer before it has said it. Each token is drawn from what came before, and could \
be on your screen a moment later. Waiting for the last one before showing the first is a choice, and seldom a good \
one: what feels slow is not the whole answer but the silence in front of it.

So the pieces travel alone. On a Server-Sent Events stream each one is a line that starts with "data:" and a blank \
line behind it; as NDJSON it is one JSON object on one line. Both survive being cut anywhere, even in the middle of a \
character: "Grüße aus Köln", "流式传输", "ストリーム" and "👩\u200d🚀 🎉" arrive whole, or somebody counted \
bytes as letters.

What a model says is text, whatever it looks like:
<b>not markup</b>
If that line stands there in angle brackets, your page shows text as text. If it is bold, it has a hole.

That is the end of the script. Ask again and I will say the same, at the same pace.
"""
"""What the provider says when it is given no script. `{question}` becomes the last user turn."""

_SPOKEN = (TextDelta, ReasoningDelta, AudioDelta, ToolCallDelta)
# About what a tokenizer makes of text: a short run of letters with the space before it, or one other character.
_TOKEN = re.compile(r"\s*(?:[^\W\d_]{1,6}|\S)|\s+")

_Script: TypeAlias = Callable[[ChatRequest, Random], Iterator[Event]]


class ScriptedProvider:
    """Answer offline, always the same for the same request and `seed`, and at a model's pace.

    It says `text` in pieces the size of a token (by default a page about streaming that repeats the question), or plays
    `events` as they are. `pace` is the mean number of seconds between two pieces, each wait being half to one and a
    half of it; 0 or None is as fast as possible. `first_token_delay` comes before the first event, ten times `pace`
    unless given.

    `fail_after` is how many events come before it fails, 0 for none at all; it does so with `error`: an exception is
    raised, a Failure is yielded and the stream ended. A script that is shorter ends as it is.
    """

    supports_streaming: Final = True

    def __init__(
        self,
        *,
        text: str | None = None,
        events: Iterable[Event] | None = None,
        pace: float | None = 0.03,
        first_token_delay: float | None = None,
        seed: int = 0,
        model: str = "scripted",
        name: str = "scripted",
        fail_after: int | None = None,
        error: Exception | Failure | None = None,
    ) -> None:
        if text is not None and events is not None:
            raise ValueError("text and events are two scripts; give one of them")
        if fail_after is not None and (type(fail_after) is not int or fail_after < 0):
            raise ValueError(f"fail_after must be a number of events, 0 or more, not {fail_after!r}")
        if error is not None and fail_after is None:
            raise ValueError("error needs fail_after, the number of events before it")
        if error is not None and not isinstance(error, Exception | Failure):
            raise TypeError(f"error must be an exception or a Failure, not {type(error).__name__}")
        self._pace = _seconds("pace", pace or 0.0)
        self._delay = 10 * self._pace if first_token_delay is None else _seconds("first_token_delay", first_token_delay)
        self.name = name
        self.model = model
        self.dialect = "gai"
        self._seed = seed
        self._fail_after = fail_after
        self._error = error or ProviderError("provider_unavailable", "the scripted provider failed on cue")
        self._text = text
        self._script: _Script = self._speak if events is None else _play(events)

    @classmethod
    def replay(
        cls, data: bytes | str | os.PathLike[str], *, decoder: str = "openai", cuts: int | None = None, **options: Any
    ) -> Self:
        """Return a provider that answers with a recorded stream: its bytes, or the path of the file with them.

        `decoder` names the dialect that was recorded. `cuts` is a seed: with one, the bytes reach the decoder cut at
        random places, as a network would cut them. `options` are those of the class, but for the script. Raises
        ValueError for an unknown dialect; a recording that is broken fails behind its good part, as it would live.
        """
        for option in {"text", "events"} & options.keys():
            raise ValueError(f"{option} and the recording are two scripts; give one of them")
        recorded = data if isinstance(data, bytes) else Path(data).read_bytes()
        dialect = registry.dialect(decoder)
        make_decoder = dialect.decoder
        if make_decoder is None:
            raise ValueError(f"decoder {decoder!r} names a dialect that is only written, not read")

        def script(_request: ChatRequest, _random: Random) -> Iterator[Event]:
            events = make_decoder()
            framing: Transform[bytes, Any] = (
                SSEDecoder(on_ignored=getattr(events, "ignored", None)) if dialect.framing == "sse" else NDJSONDecoder()
            )
            # As from a server: some forget the last blank line, and the answer's end may be in that event.
            for chunk in (*_cut(recorded, cuts), b"\n\n"):
                for message in framing.feed(chunk):
                    yield from events.feed(message)
            for message in framing.finish():
                yield from events.feed(message)
            yield from events.finish()

        provider = cls(**options)
        provider._script = script
        provider.dialect = decoder
        return provider

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Yield the script, then stop or fail."""
        # A text is a seed that is the same in every process, unlike a hash.
        random = Random(f"{self._seed}\n{request.model}\n{request.query}")
        first = True
        for event in self._until_cue(self._script(request, random)):
            mean = self._delay if first else self._pace if isinstance(event, _SPOKEN) else 0.0
            if mean:
                await anyio.sleep(mean * random.uniform(0.5, 1.5))
            yield event
            first = False

    async def complete(self, request: ChatRequest) -> Reply:
        """Return the whole answer. Raises ProviderError for a script that ends in a Failure."""
        return await collect(self.stream(request))

    async def aclose(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def _until_cue(self, events: Iterator[Event]) -> Iterator[Event]:
        if self._fail_after != 0:
            for count, event in enumerate(events, 1):
                yield event
                if count == self._fail_after:
                    break
            else:
                return
        if isinstance(self._error, Exception):
            raise self._error.with_traceback(None)
        yield self._error
        yield Done(finished=False)

    def _speak(self, request: ChatRequest, random: Random) -> Iterator[Event]:
        text = ANSWER.replace("{question}", request.query.strip()) if self._text is None else self._text
        yield Start(request.model or self.model, "scripted", f"scripted-{random.getrandbits(48):012x}")
        pieces = _TOKEN.findall(text)
        for piece in pieces:
            yield TextDelta(piece)
        asked = sum(len(_TOKEN.findall(message.text)) for message in request.messages)
        yield FinishStep(1)
        yield Finish("stop", Usage(asked, len(pieces), asked + len(pieces)))
        yield Done()


def _seconds(option: str, value: float) -> float:
    if not isinstance(value, int | float) or not (value >= 0 and isfinite(value)):
        raise ValueError(f"{option} must be a number of seconds, 0 or more, not {value!r}")
    return value


def _play(events: Iterable[Event]) -> _Script:
    script = list(events)
    for event in script:
        if type(event) not in EVENT_TYPES:
            raise TypeError(f"events must be normalised events, not {type(event).__name__}")
    return lambda _request, _random: iter(script)


def _cut(data: bytes, seed: int | None) -> Iterator[bytes]:
    """Yield `data` whole, or in pieces of 1 to 200 bytes."""
    if seed is None:
        yield data
        return
    random = Random(seed)
    start = 0
    while start < len(data):
        end = start + random.randint(1, 200)
        yield data[start:end]
        start = end
