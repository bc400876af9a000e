"""Cuts and failures on cue."""

from __future__ import annotations

from contextlib import aclosing
from itertools import count

import anyio
import pytest
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.testing import FailingSource, every_split, failing_source, random_cuts

AUTOJUMP = ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


def test_every_split_is_whole_then_bytes_then_each_cut() -> None:
    assert list(every_split(b"abc")) == [[b"abc"], [b"a", b"b", b"c"], [b"a", b"bc"], [b"ab", b"c"]]


def test_nothing_is_split_into_one_empty_piece_and_none() -> None:
    assert list(every_split(b"")) == [[b""], []]


@given(st.binary(max_size=50))
def test_splits_lose_nothing(data: bytes) -> None:
    splits = list(every_split(data))
    assert all(b"".join(pieces) == data for pieces in splits)
    assert len(splits) == 2 + max(len(data) - 1, 0)


@given(st.binary(max_size=200), st.integers(0, 20), st.integers())
def test_random_cuts_lose_nothing_and_can_be_repeated(data: bytes, n: int, seed: int) -> None:
    cuts = list(random_cuts(data, n, seed))
    assert len(cuts) == n
    assert all(b"".join(pieces) == data and (all(pieces) or not data) for pieces in cuts)
    assert cuts == list(random_cuts(data, n, seed))


def test_random_cuts_differ_from_each_other_and_reach_both_ends() -> None:
    sizes = {len(pieces) for pieces in random_cuts(b"abcdef", 200)}
    assert sizes == {1, 2, 3, 4, 5, 6}
    assert list(random_cuts(b"abcdef", 9, 1)) != list(random_cuts(b"abcdef", 9, 2))


async def taken(source: FailingSource[int], error: type[BaseException]) -> list[int]:
    """Return what `source` gives before it raises `error`."""
    items: list[int] = []
    with pytest.raises(error):
        async for item in source:
            items.append(item)
    return items


@pytest.mark.anyio
async def test_source_fails_behind_its_items() -> None:
    error = OSError("gone")
    source = failing_source([1, 2, 3], error)
    assert await taken(source, OSError) == [1, 2, 3]
    assert source.yielded == 3
    with pytest.raises(StopAsyncIteration):
        await anext(source)
    assert (source.closed, source.closed_by_same_task) == (False, None)


@pytest.mark.anyio
@pytest.mark.parametrize(("after", "expected"), [(0, []), (2, [0, 1]), (4, [0, 1, 2, 3])])
async def test_source_fails_after_so_many(after: int, expected: list[int]) -> None:
    assert await taken(failing_source(count(), KeyError, after=after), KeyError) == expected


@pytest.mark.anyio
async def test_closed_source_gives_no_more_and_knows_its_task() -> None:
    async with aclosing(failing_source([1, 2], OSError)) as source:
        assert await anext(source) == 1
    assert (source.closed, source.closed_by_same_task, source.yielded) == (True, True, 1)
    with pytest.raises(StopAsyncIteration):
        await anext(source)


@pytest.mark.anyio
async def test_source_closed_by_another_task_knows_it() -> None:
    source = failing_source([1, 2], OSError)
    await anext(source)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.aclose)
    assert (source.closed, source.closed_by_same_task) == (True, False)
    await source.aclose()
    assert source.closed_by_same_task is False


@pytest.mark.anyio
async def test_source_closed_unused_has_no_task_to_compare() -> None:
    source = failing_source([1], OSError)
    await source.aclose()
    assert (source.closed, source.closed_by_same_task) == (True, None)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", [AUTOJUMP], ids=["autojump"])
async def test_source_waits_before_each_item_and_before_the_error() -> None:
    begin = anyio.current_time()
    source = failing_source([1, 2], OSError, delay=10.0)
    await anext(source)
    assert anyio.current_time() - begin == pytest.approx(10.0)
    assert await taken(source, OSError) == [2]
    assert anyio.current_time() - begin == pytest.approx(30.0)


def test_senseless_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^after must be 0 or more, not -1$"):
        failing_source([], OSError, after=-1)
    with pytest.raises(ValueError, match=r"^delay must be 0 or more seconds, not -0.5$"):
        failing_source([], OSError, delay=-0.5)
