"""Every recorded stream, cut anywhere: the network cuts where it likes, and what is read must be the same."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from conformance.recordings import CORPUS, Recording, events_of, recordings
from gai_stream.testing import every_split

# Bytes. Below it, a recording is read at every split in a few seconds at the most.
SMALL = 6400
# None without the corpus: then these tests are skipped.
RECORDINGS = list(recordings()) if CORPUS.is_dir() else []


def named(found: list[Recording]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recording", found, ids=[recording.name for recording in found])


@named([recording for recording in RECORDINGS if recording.wanted["wire"]["bytes"] < SMALL])
def test_a_small_recording_gives_the_same_events_at_every_split(recording: Recording) -> None:
    whole = events_of(recording)
    for chunks in every_split(recording.data):
        assert events_of(recording, *chunks) == whole, f"cut in {len(chunks)}, first of {len(chunks[0])} bytes"


@named(RECORDINGS)
def test_every_recording_gives_the_same_events_at_fifty_random_splits(recording: Recording) -> None:
    data, whole, random = recording.data, events_of(recording), Random(recording.name)
    for _ in range(50):
        # Forty at the most: single bytes, as `random_cuts` gives them too, take minutes where a recording is large.
        cuts = sorted(random.choices(range(len(data)), k=random.randint(1, 40)))
        assert events_of(recording, *(data[a:b] for a, b in pairwise([0, *cuts, len(data)]))) == whole, f"cut at {cuts}"
