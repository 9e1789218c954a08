"""How much is left of a run, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from indexer.cli.progress import Pace, moving_state
from indexer.cli.workload import Workload
from indexer.ingestion.pipeline import Progress
from indexer.readers import Part

SPEED = 1_000
"""Tokens a second of the run that is played."""

READ_AHEAD = 2_000
"""Tokens that it reads before they are embedded."""

PAPERS = Part("PDF", 2_000_000)
NOTES = Part("JSON Lines", 200_000)
TOKENS = {"PDF": 20_000, "JSON Lines": 40_000}


def played(*parts: Part) -> Iterator[Progress]:
    """A run of even speed over such parts, whose tokens are spread evenly in each."""
    places = [(0, 0)]
    for part in parts:
        for step in range(1, 101):
            size, tokens = part.size * step // 100, TOKENS[part.format] * step // 100
            places.append((places[-step][0] + size, places[-step][1] + tokens))
    for size, tokens in places[1:]:
        read_bytes, read_tokens = next(
            (place for place in places if place[1] >= tokens + READ_AHEAD), places[-1]
        )
        yield Progress(
            committed=1,
            consumed=size,
            tokens=tokens,
            read_bytes=read_bytes,
            read_tokens=read_tokens,
            done_tokens=tokens,
            seconds=tokens / SPEED,
        )


@pytest.mark.parametrize("parts", [(PAPERS, NOTES), (NOTES, PAPERS), (NOTES,), (PAPERS,)])
def test_what_is_left_is_what_is_left_of_the_tokens(parts: tuple[Part, ...]) -> None:
    """From a tenth of the way on it is right within a quarter, whatever the files' sizes are.

    Told by bytes, a tenth of the PDFs' time would have been said to be most of it.
    """
    pace = Pace(parts)
    whole = sum(TOKENS[part.format] for part in parts) / SPEED
    for progress in played(*parts):
        pace.add(progress)
        left = whole - progress.seconds
        if progress.seconds > whole / 10:
            assert pace.seconds_left == pytest.approx(left, rel=0.25, abs=whole / 50)
            assert pace.fraction == pytest.approx(progress.seconds / whole, abs=0.1)
    assert pace.seconds_left == 0
    assert pace.fraction == 1


def test_a_format_is_learned_from_its_own_files() -> None:
    """PDFs of four times as many tokens as usual are soon known as such."""
    work = Workload([Part("PDF", 1_000_000)])
    half = Progress(read_bytes=500_000, read_tokens=24_000, done_tokens=24_000)
    before = work.tokens_left(Progress())
    work.learn(half)
    assert before == pytest.approx(12_000)
    assert work.tokens_left(half) == pytest.approx(24_000, rel=0.15)


def test_packed_files_have_more_tokens_by_the_byte() -> None:
    """They are told from others of their format."""
    plain, packed = (
        Workload([Part(f"JSON Lines{mark}", 1_000)]).tokens_left(Progress())
        for mark in ("", Part.PACKED)
    )
    assert packed > 2 * plain


def test_what_came_before_the_first_report_says_nothing_of_the_pace() -> None:
    """Loading a model takes longer than the first documents, and is done once."""
    pace = Pace([NOTES])
    for seconds, tokens in ((60.0, 100), (61.0, 1_100)):
        pace.add(Progress(read_tokens=tokens, done_tokens=tokens, seconds=seconds))
        assert (pace.seconds_left is None) == (seconds == 60.0)
    assert pace.seconds_left == pytest.approx(40, rel=0.1)


def test_nothing_is_said_where_nothing_is_known() -> None:
    """Standard input may go on for ever."""
    pace = Pace(None)
    pace.add(Progress(committed=1, done_tokens=10, seconds=1.0))
    assert (pace.seconds_left, pace.fraction) == (None, None)


def test_what_matters_most_comes_first() -> None:
    """A terminal of 40 columns still shows the share, the documents and the time left."""
    pace = Pace([NOTES])
    for progress in played(NOTES):
        pace.add(progress)
    assert moving_state(progress, pace)[:40].startswith("100%, 1 documents, 0:00 left, 0 rejected")
