"""Outbox: the bytes of framing one by one, and how many; both as its source says it and compiled, if it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects.gai import GaiEncoder
from gai_stream.events import TextDelta
from gai_stream.exceptions import EncodeError
from gai_stream.ndjson import NDJSONEncoder
from gai_stream.sse import ServerSentEvent, SSEEncoder
from gai_stream.writer import COMPILED, Framing, texts_of_events
from gai_stream.writer import outbox as installed


def interpreted() -> Any:
    """The source, which Python would not import where the compiled module stands beside it."""
    source = Path(installed.__file__).with_name("outbox.py")
    spec = spec_from_file_location(installed.__name__, source)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


VERSIONS = {"interpreted": interpreted()} | ({"compiled": installed} if COMPILED else {})
every_version = pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)

FRAMINGS: list[Callable[[], Framing]] = [SSEEncoder, lambda: SSEEncoder(ids=count(1)), NDJSONEncoder]

texts = st.text(max_size=8) | st.text("a\n\r<é\u2028\ud800", max_size=8)
messages = texts | st.dictionaries(texts, st.integers() | texts, max_size=2)
named = st.builds(ServerSentEvent, texts, event=st.sampled_from(["message", "text_delta"]))
steps = st.lists(
    st.tuples(st.just("write"), messages | named)
    | st.tuples(st.just("write"), st.just({"unknown": object()}))
    | st.tuples(st.just("defer"), texts)
    | st.tuples(st.sampled_from(["take", "forget"]), st.none()),
    max_size=40,
)


def open_box(version: Any, framing: Framing, flush_size: int) -> Any:
    """An open outbox of that version, which nobody empties: what a Writer adds, without its tasks."""

    class Box(version.Outbox):
        def _write_first(self, message: Any) -> Coroutine[Any, Any, None]:
            self._rouse()
            if self._plain is not None:
                self._follow(self._plain)
            return self.write(message)

        def _rouse(self) -> None:
            self._roused = True

        async def room(self, *, here: bool = False) -> None:
            self._frame()
            assert self._unsent >= flush_size, "nothing to wait for"

    box = Box(framing, flush_size)
    box._open = True
    return box


def finish(work: Coroutine[Any, Any, None]) -> None:
    """Await what need not wait."""
    with pytest.raises(StopIteration):
        work.send(None)


@every_version
@pytest.mark.parametrize("framing", FRAMINGS, ids=["sse", "sse-ids", "ndjson"])
@given(steps=steps, flush_size=st.integers(1, 200))
def test_it_gives_what_framing_one_by_one_gives(
    version: Any, framing: Callable[[], Framing], steps: list[tuple[str, Any]], flush_size: int
) -> None:
    box, twin, dialect = open_box(version, framing(), flush_size), framing(), GaiEncoder()
    run = texts_of_events(dialect, box._framing)
    taken, expected = b"", b""
    sent = 0

    def forget() -> None:
        nonlocal sent
        box._forget(len(taken) - sent)
        sent = len(taken)

    for step, message in steps:
        if step == "take":
            taken += box._take()
            # Everything is framed now, and so nothing is a guess.
            assert taken == expected
            assert box._unsent == len(taken) - sent
        elif step == "forget":
            forget()
        elif step == "defer":
            if run is not None:
                for each in dialect.feed(TextDelta(message)):
                    expected += b"".join(twin.feed(each))
                if box.defer(message, run):
                    finish(box.room())
        else:
            try:
                block = b"".join(twin.feed(message))
            except EncodeError:
                with pytest.raises(EncodeError):
                    box.write(message).send(None)
            else:
                expected += block
                finish(box.write(message))
                assert box.begun
        assert 0 <= box._unsent <= len(expected) - sent
    taken += box._take()
    assert taken == expected
    forget()
    assert box._unsent == box._framed == 0
    assert box._take() == b""


@every_version
def test_its_size_has_no_limit_of_its_own(version: Any) -> None:
    box = open_box(version, SSEEncoder(), 10**30)
    assert box.write("a") is version.DONE
    assert box._take() == b"data: a\n\n"


@every_version
async def test_done_is_a_coroutine_to_whoever_starts_tasks(version: Any, anyio_backend_name: str) -> None:
    done = version.DONE
    assert isinstance(done, Coroutine)
    for _ in range(3):
        assert await done is None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: done)
    if anyio_backend_name == "asyncio":
        assert await asyncio.create_task(done) is None
        assert await asyncio.gather(done, done) == [None, None]
        assert await asyncio.wait_for(done, 5) is None


def test_compiled_says_which_version_is_in_use() -> None:
    assert isinstance(installed.__loader__, ExtensionFileLoader) is COMPILED
    assert not VERSIONS["interpreted"].COMPILED
