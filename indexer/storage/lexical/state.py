"""The state file of a lexical index: its files, and the commit of the store they are of."""

from __future__ import annotations

import json
import logging
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from indexer.errors import Damaged, StorageFailed
from indexer.lexical.analyzer import RULES
from indexer.storage.runtime.durable_files import write_durably
from indexer.storage.sqlite.snapshot import Snapshot

STATE: Final = "state.json"
FORMAT: Final = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Files:
    """The file of a segment, and that of the mask of its live documents, if any."""

    segment: str
    live: str | None


@dataclass(frozen=True, slots=True)
class State:
    """The index on disk: its segments, and the sequence of the store that they are of.

    ``rules`` are those by which texts became words.
    """

    format: int
    rules: int
    instance: str
    language: str
    sequence: int
    segments: tuple[Files, ...]


def read_state(folder: Path) -> State | None:
    """The state of an index; None if it is missing or unreadable."""
    try:
        record = json.loads((folder / STATE).read_bytes())
        told = record["state"]
        if zlib.crc32(json.dumps(told).encode()) != record["checksum"]:
            raise ValueError("its checksum differs")  # noqa: TRY301 - as for its other faults
        if told["format"] != FORMAT:
            return State(told["format"], 0, "", "", 0, ())
        return State(**{**told, "segments": tuple(Files(**one) for one in told["segments"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s is damaged (%s): the index of words is made anew", folder / STATE, error)
        return None


def keep_state(folder: Path, state: State) -> None:
    """Replace the state, durably; raises StorageFailed."""
    told = json.loads(json.dumps(asdict(state)))
    record = {"state": told, "checksum": zlib.crc32(json.dumps(told).encode())}
    try:
        write_durably(folder / STATE, json.dumps(record).encode())
    except OSError as error:
        raise StorageFailed(f"cannot write to {folder}: {error.strerror}") from error


def is_current(state: State) -> bool:
    """Return whether an index has the present format, and words by the present rules."""
    return (state.format, state.rules) == (FORMAT, RULES)


def require_of(state: State, snapshot: Snapshot) -> None:
    """Raise Damaged unless an index is of this store, in this format, by these rules."""
    of_it = (state.instance, state.language) == (snapshot.instance, str(snapshot.language))
    if not is_current(state) or not of_it:
        raise Damaged("the index of words is of another store, language or version")
    if state.sequence > snapshot.sequence:
        raise Damaged("the index of words is newer than the store")
