"""The verification of a lexical index on disk against the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from indexer.errors import Damaged
from indexer.lexical.analyzer import Analyzer
from indexer.lexical.bm25 import shares
from indexer.lexical.inverted_index import InvertedIndex, Part
from indexer.lexical.segments import Terms
from indexer.lexical.snapshot import LexicalSnapshot
from indexer.storage.lexical.folder import IndexFolder
from indexer.storage.lexical.index_sync import FOLDER
from indexer.storage.lexical.state import STATE, State, is_current, read_state, require_of
from indexer.storage.sqlite.snapshot import Snapshot
from indexer.storage.sqlite.store import Store

SAMPLE_DOCUMENTS: Final = 512
SAMPLE_WORDS: Final = 8
"""Documents to look up, and words of each to search for, when an index is verified."""

_ROUNDING: Final = 1e-9


def examine(folder: Path, store: Store) -> tuple[str, list[str]]:
    """The state of the lexical index in a collection's folder, in words, and its problems."""
    place = folder / FOLDER
    if not (place / STATE).exists():
        return "none: they are read from the store", []
    while True:
        state = read_state(place)
        told, problems = _examine(place, store, state)
        if not problems or read_state(place) == state:  # otherwise it was written to meanwhile
            return told, problems


def _examine(place: Path, store: Store, state: State | None) -> tuple[str, list[str]]:
    if state is None:
        return "damaged", [f"{STATE} is not what was written"]
    if not is_current(state):
        return "none: it is of another version, and made anew when words are searched for", []
    with store.reading() as snapshot:
        try:
            require_of(state, snapshot)
            parts = IndexFolder(place).open(state)
        except Damaged as error:
            return "damaged", [str(error)]
        problems = list(_differences(parts, state, snapshot))
    if problems:
        return "damaged", problems
    held = sum(part.documents for part in parts)
    return f"{state.language}, of {held} documents", []


def _differences(parts: Sequence[Part], state: State, snapshot: Snapshot) -> Iterator[str]:
    changed = [number for number, _ in snapshot.changed_after(state.sequence)]
    outdated = np.array([*changed, *snapshot.deleted_after(state.sequence)], np.int64)
    living = [part.without(outdated) for part in parts]
    held, due = sum(p.documents for p in living), snapshot.counts().documents - len(changed)
    if held != due:
        yield f"it holds {held} documents, of which there should be {due}"
    index = InvertedIndex(living, Terms(snapshot.instance))
    yield from _wrong_scores(index, snapshot, set(changed))


def _wrong_scores(index: InvertedIndex, snapshot: Snapshot, unindexed: set[int]) -> Iterator[str]:
    """Look up a sample of documents by words of their own, and report wrong scores."""
    words = LexicalSnapshot(Analyzer(snapshot.language), index)
    drawn = (
        np.random.default_rng(0).permutation(snapshot.last_number() + 1)[:SAMPLE_DOCUMENTS].tolist()
    )
    for number, document in snapshot.documents(drawn).items():
        bag = dict.fromkeys(words.analyzer.words(document.content)[:SAMPLE_WORDS], 1.0)
        found = words.analyzer.words(document.content)
        due = sum(shares(found, words.worth(bag), index.mean_length).values())
        if number in unindexed:
            continue
        scored = words.matches(bag).scores(np.array([number]))
        if not np.isclose(scored, due, _ROUNDING, 0)[0]:
            yield f"it scores {document.id!r} by its words otherwise than its text does"
            return
