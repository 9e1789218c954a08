"""The folder of a lexical index: its files, the right to change them, and their removal."""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from indexer.errors import Damaged, StorageFailed
from indexer.lexical.inverted_index import Part
from indexer.lexical.segments import Segment
from indexer.storage.lexical.files import Arrays, read_arrays, write_arrays
from indexer.storage.lexical.state import Files, State, keep_state
from indexer.storage.runtime.durable_files import sync_folder
from indexer.storage.runtime.locks import only_process

SEGMENTS: Final = "segments"
"""The name of the folder, which an older build removes when it builds its own index."""

_POLL_SECONDS: Final = 0.02


class IndexFolder:
    """The files of a lexical index. Thread-safe for reading; one process changes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opening = threading.Lock()
        self._opened: dict[str, Part] = {}

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Hold the right to change the index; False, after a pause, if another process holds it."""
        try:
            (self.path / SEGMENTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageFailed(f"cannot write to {self.path}: {error.strerror}") from error
        with only_process(self.path / "build.lock") as lock:
            if lock is None:
                time.sleep(_POLL_SECONDS)
            yield lock is not None

    def open(self, state: State) -> tuple[Part, ...]:
        """The segments that a state names; raises Damaged unless they are as written.

        A file that was read before is not read again.
        """
        with self._opening:
            parts = [self._opened.get(one.segment) or self._read(one) for one in state.segments]
            parts = [
                part if part.live_name == one.live else self._with_live(part, one)
                for part, one in zip(parts, state.segments, strict=True)
            ]
            self._opened = {part.name: part for part in parts if part.name}
        return tuple(parts)

    def _read(self, files: Files) -> Part:
        arrays = self._arrays(files.segment)
        if arrays.keys() != {one.name for one in fields(Segment)}:
            raise Damaged(f"{self.path / SEGMENTS / files.segment} is not what was written")
        return replace(Part.of(Segment(**arrays)), name=files.segment)

    def _with_live(self, part: Part, files: Files) -> Part:
        live = None
        if files.live is not None:
            bits = self._arrays(files.live)["live"]
            live = np.unpackbits(bits, count=part.segment.documents).view(np.bool_)
        return replace(Part.of(part.segment, live), name=part.name, live_name=files.live)

    def _arrays(self, name: str) -> dict[str, Any]:
        if Path(name).name != name:
            raise Damaged(f"{self.path} names {name!r}, which is no file of it")
        return read_arrays(self.path / SEGMENTS / name)

    def hold(self, segment: Segment) -> Part:
        """A new segment on disk, not yet named by the state; raises StorageFailed."""
        arrays = {one.name: getattr(segment, one.name) for one in fields(Segment)}
        name = self._write("segment", arrays)
        try:
            return self._read(Files(name, None))  # mapped from disk, and so not held in memory
        except Damaged as error:
            raise StorageFailed(f"cannot write {error}") from error

    def keep(self, state: State, parts: Sequence[Part]) -> State:
        """Make parts, whose segments are on disk, the current index; raises StorageFailed."""
        named = []
        for part in parts:
            assert part.name is not None
            if part.live is not None and part.live_name is None:
                live = self._write("live", {"live": np.packbits(part.live)})
                part = replace(part, live_name=live)
            named.append(part)
        segments = tuple(Files(str(part.name), part.live_name) for part in named)
        state = replace(state, segments=segments)
        # The files are made durable before the state that names them.
        with suppress(FileNotFoundError):
            sync_folder(self.path / SEGMENTS)
        keep_state(self.path, state)
        with self._opening:
            self._opened = {str(part.name): part for part in named}
        self._remove_others(state)
        return state

    def _write(self, kind: str, arrays: Arrays) -> str:
        name = f"{uuid.uuid4().hex[:12]}.{kind}"
        write_arrays(self.path / SEGMENTS / name, arrays)
        return name

    def _remove_others(self, state: State) -> None:
        """Remove files that no state names; processes that have one open can still read it."""
        named = {name for one in state.segments for name in asdict(one).values()}
        for path in self.path.iterdir():
            if path.is_dir() and path.name != SEGMENTS:
                shutil.rmtree(path, ignore_errors=True)
        for path in (self.path / SEGMENTS).iterdir():
            if path.name not in named:
                path.unlink(missing_ok=True)
