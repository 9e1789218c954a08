"""The drawing of a collection's map, by this process or one of its own."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from indexer.analysis.map_layout import draw
from indexer.reports import Tell
from indexer.storage.analysis.map_file import read, write
from indexer.storage.analysis.map_subject import subject_of
from indexer.storage.sqlite.schema import STORE
from indexer.storage.sqlite.store import Store
from indexer.subprocess_job import Job, say

_log = logging.getLogger(__name__)


def draw_job(job: Job, given: bytes) -> Job:
    """Draw the map of a collection's folder in this process; the caller holds the lock."""
    del given
    folder = Path(job["folder"])
    with closing(Store(folder / STORE)) as store:
        with store.reading() as snapshot:
            model = snapshot.identity(snapshot.generation().number).fingerprint
        draw_and_keep(folder, store, model, lambda step: say(asdict(step)), anew=False)
    return {}


def draw_and_keep(folder: Path, store: Store, model: str, tell: Tell, *, anew: bool) -> None:
    """Draw a collection's map, given the last one, and replace that.

    The caller holds the lock for drawing. Raises MissingExtra or StorageFailed.
    """
    old, _ = read(folder)
    with store.reading() as snapshot:
        if old is not None and not old.is_of(snapshot.instance, model, (snapshot.sequence,)):
            old = None
    drawn = draw(subject_of(folder, store, old), old, tell, anew=anew)
    write(folder, drawn)
    _log.info(
        "%s: drew a map of %d documents, which keeps %s of neighbours, in %.1f s",
        folder, len(drawn.numbers), f"{drawn.kept.mean:.2f}" if drawn.kept else "all",
        drawn.seconds,
    )  # fmt: skip
