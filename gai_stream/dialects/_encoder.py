"""What every dialect's encoder does alike: the life of one answer, and its end, which is never silent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, TypeAlias

from gai_stream import _json
from gai_stream.events import (
    EVENT_TYPES,
    AudioDelta,
    Citations,
    Done,
    Event,
    Failure,
    Finish,
    FinishStep,
    Raw,
    ReasoningDelta,
    Safety,
    Start,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
)
from gai_stream.exceptions import EncodeError
from gai_stream.sse import ServerSentEvent

__all__ = ["TRUNCATED", "Content", "Encoder", "FramingName", "known"]

FramingName: TypeAlias = Literal["sse", "ndjson"]

Content: TypeAlias = (
    Start
    | TextDelta
    | ReasoningDelta
    | AudioDelta
    | ToolCallDelta
    | ToolCall
    | ToolResult
    | Citations
    | Safety
    | FinishStep
    | Raw
)
"""The events that `Encoder` leaves to its dialect one by one: all but those that end an answer."""

TRUNCATED: Final = Failure("truncated", "the answer was cut off before its end", True)


class Encoder:
    """Turn events into the messages of one answer; a dialect says how by the methods that raise NotImplementedError.

    `framing="sse"` gives ServerSentEvents, `"ndjson"` the same values as dicts. An answer that began with Start and
    never finished ends as an error, not as a clean stop; whatever follows the end is dropped. An EncodeError costs its
    event alone, so nothing may change before it is raised.
    """

    heartbeat: ClassVar[bytes | Callable[[Any], bytes] | None] = None
    """What clients of this dialect take for silence: bytes, or a method that returns them; None is the framing's."""

    finish_is_last: ClassVar[bool] = False
    """Whether clients take nothing behind the finish but the terminator: an error that comes so late is dropped."""

    headers: ClassVar[Mapping[str, str]] = {}
    """Response headers that clients of this dialect look for."""

    def __init__(self, framing: FramingName) -> None:
        if framing not in ("sse", "ndjson"):
            raise ValueError(f'framing must be "sse" or "ndjson", not {framing!r}')
        self._sse = framing == "sse"
        self._started = False
        self._ended = False
        self._done = False
        self._finished = False
        # For the event that nearly all are, by choice: what stands before and behind its text, and the message's name.
        self._texts: dict[int, tuple[str, str, str]] = {}

    @staticmethod
    def error_body(failure: Failure, status: int) -> dict[str, Any] | str:
        """Return the body that tells of `failure` in an HTTP response of `status`: a dict is JSON, a str plain text."""
        raise NotImplementedError

    @staticmethod
    def whole(messages: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: ARG004 (there is nothing to make of them)
        """Return the body of an answer that is not streamed, from the messages of one that is.

        Raises EncodeError for a dialect whose clients read nothing but streams.
        """
        raise EncodeError("this dialect has streams only: there is no body for an answer that is not streamed")

    def feed(self, event: Event, /) -> list[Any]:
        """Return the messages that tell of `event`; none once the answer is over.

        Raises EncodeError, and forgets the event, for data that has no JSON form and whatever else its dialect cannot
        tell.
        """
        if type(event) is TextDelta and event.index in self._texts and event.text and not event.refusal:
            # Written out here, for a call would cost a tenth of it.
            before, behind, name = self._texts[event.index]
            return [ServerSentEvent(f"{before}{_json.dumps(event.text).decode()}{behind}", event=name)]
        if self._finished:
            raise RuntimeError(f"{type(self).__name__}: feed after finish")
        if self._done:
            return []
        if type(event) not in EVENT_TYPES:
            raise EncodeError(
                f"{type(self).__name__}: takes events, such as TextDelta(text), not {type(event).__name__}"
            )
        match event:
            case Failure() if self._ended and self.finish_is_last:
                return self._end(finished=True)
            case Failure():
                return self._fail(event)
            case Done(finished=finished):
                return self._end(finished=finished)
            case _ if self._ended:
                # Behind the finish reason there is room for an error or the end alone.
                return []
            case Finish(reason="error"):
                word = event.raw_reason or event.reason
                return self._fail(Failure("internal", f"the provider ended its answer with {word!r}"))
            case Finish():
                return self._finish(event)
            case Start():
                self._started = True
        return self._content(event)

    def text_message(self, text: str) -> Any:
        """Return what TextDelta(text) becomes as of now; None if `feed` must see it."""
        return self.feed(TextDelta(text))[0] if text and 0 in self._texts else None

    def finish(self) -> list[Any]:
        """Return what the source left out of a proper end."""
        if self._finished:
            raise RuntimeError(f"{type(self).__name__}: finish after finish")
        # A source of bare text has no Start and no Finish, and its end is the answer's; any other was cut.
        messages = [] if self._done else self._end(finished=not self._started)
        self._finished = True
        return messages

    def _content(self, event: Content) -> list[Any]:
        """Return the messages that tell of `event`."""
        raise NotImplementedError

    def _close(self, event: Finish) -> list[Any]:
        """Return what closes open parts and tells of the finish."""
        raise NotImplementedError

    def _terminator(self) -> list[Any]:
        """Return what comes last of all behind a finish."""
        return []

    def _error(self, failure: Failure) -> list[Any]:
        """Return what closes open parts and tells of the failure, with all that has to come behind it."""
        raise NotImplementedError

    def _finish(self, event: Finish) -> list[Any]:
        messages = self._close(event)
        self._texts.clear()
        self._ended = True
        return messages

    def _end(self, *, finished: bool) -> list[Any]:
        if not self._ended and not finished:
            return self._fail(TRUNCATED)
        messages = [] if self._ended else self._finish(Finish("stop"))
        if self._done:
            # What was to be closed turned out to be broken: the error is the end.
            return messages
        self._done = True
        return messages + self._terminator()

    def _fail(self, failure: Failure) -> list[Any]:
        messages = self._error(failure)
        self._texts.clear()
        self._done = True
        return messages

    def _shorten_texts(self, before: str, behind: str, *, choice: int = 0, event: str = "message") -> None:
        """Let each TextDelta of `choice` be one message, under SSE: its text's JSON between `before` and `behind`.

        `_content` no longer sees them, but for refusals and empty texts. It holds to the end of the answer, or until
        the dialect, since something else has to come before the next text, clears `_texts`.
        """
        if self._sse:
            self._texts[choice] = (before, behind, event)

    def _message(self, value: dict[str, Any], event: str = "message") -> Any:
        """Return `value` as a message, under SSE named `event`. Raises EncodeError for data that has no JSON form."""
        return ServerSentEvent(_json.dumps(value).decode(), event=event) if self._sse else value


def known(**values: Any) -> dict[str, Any]:
    """Return the values that are known: for a client None is not the same as absent."""
    return {key: value for key, value in values.items() if value is not None}
