"""A process that writes to a collection, killed while it does."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from history import History
from local import open_local

from indexer.documents import Change, EmbeddedDocument
from indexer.index_choice import IndexChoice
from indexer.thresholds import Thresholds

WRITES: Final = 20
DOCUMENTS: Final = 60
WAIT_SECONDS: Final = 60
LONGEST_SECONDS: Final = 0.4

_PROCESSES = multiprocessing.get_context("forkserver")


def write_until_killed(
    journal: Connection,
    folder: Path,
    choice: IndexChoice,
    thresholds: Thresholds,
    writes: Sequence[Sequence[EmbeddedDocument]],
) -> None:
    """Put these documents, write by write; each is journalled when it has returned."""
    with open_local(folder, choice, thresholds) as collection:
        journal.send("open")
        for documents in writes:
            collection.put(documents)
            journal.send("put")


def kill_while_writing(history: History) -> None:
    """What was acknowledged is held, the write under way is held or is not, and nothing else."""
    writes = [history.draft(DOCUMENTS) for _ in range(WRITES)]
    with history.closed():
        done = _acknowledged(history, [history.embed(given) for given in writes])
    for given in writes[:done]:
        history.hold(given)
    for given in writes[done : done + 1]:
        changes = set(history.collection.changes([document for document, _ in given]))
        if changes == {Change.NOTHING}:
            history.hold(given)
        else:
            assert Change.NOTHING not in changes, "half of a write is held"


def _acknowledged(history: History, writes: Sequence[Sequence[EmbeddedDocument]]) -> int:
    """How many of these writes had returned when the process that made them was killed."""
    receiver, sender = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(
        target=write_until_killed,
        args=(sender, history.folder, history.choice, history.thresholds, writes),
    )
    process.start()
    sender.close()
    done = 0
    with receiver:
        assert receiver.poll(WAIT_SECONDS)
        assert receiver.recv() == "open"
        time.sleep(history.dice.uniform(0, LONGEST_SECONDS))
        process.kill()
        process.join()
        with suppress(EOFError):
            while receiver.recv() == "put":
                done += 1
    assert process.exitcode in (0, -signal.SIGKILL)
    return done
