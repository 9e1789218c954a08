"""Folders followed: whenever something has changed in them, they are kept in step once more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from indexer.cli import messages
from indexer.cli.index import terminable
from indexer.cli.sync import SyncedSources, SyncOptions, sync_sources
from indexer.errors import BearingError, InvalidInput, MissingExtra, Unreadable
from indexer.ingestion.sync import Source
from indexer.library import Library

QUIET_MILLISECONDS: Final = 400
"""Changes are followed once there was none for so long, so that a file is written to its end."""

LONGEST_MILLISECONDS: Final = 10_000
"""Changes are followed at the latest after so long, however many come."""

SETTLE_SECONDS: Final = 1.0
"""Files that are gone are looked for again after so long: editors replace files by others."""

RESCAN_SECONDS: Final = 600.0
"""A look without a change, since systems may lose some, and network drives tell none."""

LOOK_MILLISECONDS: Final = 1_000
"""The time between two looks at whether the watched folders are still the same."""

FIRST_RETRY_SECONDS: Final = 5.0
LONGEST_RETRY_SECONDS: Final = 60.0


def watch_sources(
    library: Library,
    name: str,
    sources: Sequence[Source],
    options: SyncOptions,
    *,
    as_json: bool,
) -> None:
    """Keep a collection in step with sources until interrupted, and print what each change did.

    What goes wrong after the first run is told, and tried again. Raises MissingExtra, what
    ``sync_sources`` raises in the first run, and KeyboardInterrupt from within a run.
    """
    _require_watchfiles()
    with terminable(), _watching(sources, library.folder) as changes:
        follow = _Following(library, name, sources, options, as_json)
        follow.first()
        places = ", ".join(str(one.root) for one in sources)
        messages.note(f"watching {places}; Ctrl-C ends")
        while changes.come(follow.wait_seconds):
            follow.look()


def _require_watchfiles() -> None:
    try:
        import watchfiles  # noqa: F401 - asked for before any work
    except ImportError as error:
        raise MissingExtra("watchfiles", "watch") from error


@dataclass(slots=True)
class _Following:
    """The runs, one after the other."""

    library: Library
    name: str
    sources: Sequence[Source]
    options: SyncOptions
    as_json: bool
    wait_seconds: float = RESCAN_SECONDS
    _said: str = ""

    def first(self) -> None:
        """The first run, whose errors end the command."""
        self._run().show(self.as_json)

    def look(self) -> None:
        """A run, which is told if it did something; one that failed is tried again soon."""
        try:
            done = self._run()
        except BearingError as error:
            failed_before = bool(self._said)
            longer = min(2 * self.wait_seconds, LONGEST_RETRY_SECONDS)
            self.wait_seconds = longer if failed_before else FIRST_RETRY_SECONDS
            self._tell(f"not in step: {error}; it is tried again")
            return
        self.wait_seconds, self._said = RESCAN_SECONDS, ""
        if any(one.read or one.gone or one.pruned.deleted for one in done.sources):
            done.show(self.as_json)

    def _run(self) -> SyncedSources:
        for source in self.sources:
            if not source.root.exists():
                raise Unreadable(f"{source.root} is gone; nothing is deleted")
        return sync_sources(
            self.library, self.name, self.sources, self.options, settle_seconds=SETTLE_SECONDS
        )

    def _tell(self, text: str) -> None:
        if text != self._said:
            messages.note(text)
        self._said = text


@dataclass(slots=True)
class _Changes:
    """Changes that another thread sees, until the wait for them is interrupted."""

    seen: threading.Event = field(default_factory=threading.Event)
    ready: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    problem: Exception | None = None

    def come(self, seconds: float) -> bool:
        """Wait for a change, or so long; False if it is time to end. Raises InvalidInput."""
        try:
            self.seen.wait(seconds)
        except KeyboardInterrupt:
            messages.note("no longer watching")
            return False
        if self.problem is not None:
            raise InvalidInput(f"cannot watch: {self.problem}") from self.problem
        self.seen.clear()
        return True

    def follow(self, roots: Sequence[Path], matters: Callable[[str], bool]) -> None:
        """See changes below these folders, whichever folders stand there meanwhile."""
        from watchfiles import watch

        while not self.stop.is_set():
            before = [_identity(root) for root in roots]
            if None in before:
                self.ready.set()
                self.stop.wait(LOOK_MILLISECONDS / 1000)
                continue
            for found in watch(
                *roots,
                watch_filter=None,
                debounce=LONGEST_MILLISECONDS,
                step=QUIET_MILLISECONDS,
                rust_timeout=LOOK_MILLISECONDS,
                yield_on_timeout=True,
                stop_event=self.stop,
                raise_interrupt=False,
            ):
                self.ready.set()
                if any(matters(path) for _, path in found):
                    self.seen.set()
                if [_identity(root) for root in roots] != before:
                    self.seen.set()
                    break

    def attend(self, roots: Sequence[Path], matters: Callable[[str], bool]) -> None:
        """Follow changes, and tell what ends that."""
        try:
            self.follow(roots, matters)
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
            self.problem = error
            self.ready.set()
            self.seen.set()


@contextmanager
def _watching(sources: Sequence[Source], own: Path | None) -> Iterator[_Changes]:
    """The changes of sources from now on."""
    changes = _Changes()
    # A file is replaced by another when it is written anew: its folder is what stays.
    roots = [one.root if one.root.is_dir() else one.root.parent for one in sources]
    wanted = [one.root for one in sources]
    skipped = own.resolve() if own is not None else None

    def matters(path: str) -> bool:
        return concerns(Path(path), wanted, skipped)

    thread = threading.Thread(target=changes.attend, args=(roots, matters), daemon=True)
    thread.start()
    try:
        changes.ready.wait()
        yield changes
    finally:
        changes.stop.set()
        thread.join()


def concerns(path: Path, roots: Sequence[Path], skipped: Path | None) -> bool:
    """Return whether a changed file may be one that is read: hidden and skipped ones are not."""
    if skipped is not None and path.is_relative_to(skipped):
        return False
    within = [root for root in roots if path.is_relative_to(root)]
    return any(
        not any(part.startswith(".") for part in path.relative_to(root).parts) for root in within
    )


def _identity(root: Path) -> tuple[int, int] | None:
    try:
        status = root.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
