"""The table of index kinds, and the pages that list them for users."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from samples import random_units

from indexer.ann.faiss_index import AnnIndex
from indexer.ann.kinds import DELTA_KIND, INDEX_KINDS, Visits
from indexer.index_choice import IndexKind

ROOT = Path(__file__).parents[3]
DIMENSION = 64
ROWS = 4_000

each_kind = pytest.mark.parametrize("kind", list(INDEX_KINDS))


def test_every_kind_that_is_built_has_a_row() -> None:
    """Only the choice and the comparison of all rows have nothing to build."""
    assert set(INDEX_KINDS) == set(IndexKind) - {IndexKind.AUTO, IndexKind.EXACT}
    assert DELTA_KIND in INDEX_KINDS


@each_kind
def test_search_params_get_more_thorough(kind: IndexKind) -> None:
    """Each looks at more than the one before, and bounds what a search goes through if it can."""
    spec = INDEX_KINDS[kind]
    steps = [(params.rescore, params.nprobe) for params in spec.search_params]
    assert steps == sorted(set(steps))
    assert {nprobe == 0 for _, nprobe in steps} == {spec.visits is Visits.ROWS}


@each_kind
def test_the_memory_that_a_row_takes_is_as_stated(kind: IndexKind) -> None:
    """What an index grows by, measured; a budget of memory is kept by it."""
    vectors = random_units(2 * ROWS, DIMENSION)
    index = AnnIndex.build(kind, vectors[:ROWS])
    grown = len(index.extended(vectors[ROWS:]).encode()) - len(index.encode())
    assert grown / ROWS == pytest.approx(INDEX_KINDS[kind].bytes_per_row(DIMENSION), rel=0.1)


def test_an_automatic_choice_knows_what_a_kind_stands_in_for() -> None:
    """The other kind is automatic, too, and tried before."""
    tried: list[IndexKind] = []
    for kind in automatic():
        if other := INDEX_KINDS[kind].instead_of:
            assert other in tried
        tried.append(kind)


def automatic() -> list[IndexKind]:
    """The kinds that are tried, in order."""
    return [kind for kind, spec in INDEX_KINDS.items() if spec.automatic]


@pytest.mark.parametrize("page", ["docs/operating.md", "app/web/figures.js"])
def test_every_kind_is_told_of(page: str) -> None:
    """Whatever a collection's index can be stands in the documentation and on the page."""
    row = r"^\| `(\w+)` \|" if page.endswith(".md") else r"^  (\w+): \""
    told = re.findall(row, (ROOT / page).read_text(), re.MULTILINE)
    assert set(told) >= set(IndexKind) - {IndexKind.AUTO}
