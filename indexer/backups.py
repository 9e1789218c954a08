"""All collections of a library in one folder, and back: a backup of each, and their aliases."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from indexer.errors import (
    AlreadyExists,
    BearingError,
    Damaged,
    InvalidInput,
    NotFound,
    StorageFailed,
)
from indexer.library import Library, check_name
from indexer.reports import Backup, Tell

CONTENTS: Final = "collections.json"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """A collection that could not be backed up, and why."""

    collection: str
    error: BearingError


@dataclass(frozen=True, slots=True)
class Backups:
    """The backups in a folder, the aliases there, and the collections that are missing."""

    made: Sequence[Backup]
    aliases: Mapping[str, str]
    failed: Sequence[Failure] = ()


def back_up_all(library: Library, folder: Path, tell: Tell) -> Backups:
    """Back every collection up into a new folder, which has its name once all is in it.

    Each is of one state of its own. One that cannot be backed up does not keep the others from
    it. Raises AlreadyExists if the folder is there, StorageFailed if it cannot be made.
    """
    if folder.exists():
        raise AlreadyExists(f"{folder} already exists: a backup never overwrites, choose another")
    draft = folder.with_name(f".{folder.name}.draft")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        found = _back_up_each(library, draft, tell)
        _write_contents(draft, found)
        draft.rename(folder)
    except OSError as error:
        raise StorageFailed(f"cannot back up to {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    made = [replace(one, path=str(folder / Path(one.path).name)) for one in found.made]
    return replace(found, made=made)


def _back_up_each(library: Library, folder: Path, tell: Tell) -> Backups:
    made: list[Backup] = []
    failed: list[Failure] = []
    for name in library.names():
        try:
            made.append(library.back_up(name, folder / f"{name}.tar", tell))
        except StorageFailed:
            raise  # the next would meet the same full disk
        except BearingError as error:
            failed.append(Failure(name, error))
    there = {one.collection for one in made}
    aliases = {alias: named for alias, named in library.aliases().items() if named in there}
    return Backups(made, aliases, failed)


def _write_contents(folder: Path, found: Backups) -> None:
    contents = {
        "format": FORMAT,
        "collections": [one.collection for one in found.made],
        "aliases": dict(found.aliases),
    }
    with (folder / CONTENTS).open("w") as file:
        json.dump(contents, file)
        file.flush()
        os.fsync(file.fileno())


def restore_all(library: Library, folder: Path, tell: Tell) -> Backups:
    """Make the collections of all backups in a folder, and their aliases: all or none.

    Raises AlreadyExists before anything is made if one of the names is taken, NotFound if the
    folder holds no such backups, and Damaged.
    """
    names, aliases = _read_contents(folder)
    taken = sorted({*names, *aliases} & {*library.names(), *library.aliases()})
    if taken:
        raise AlreadyExists(
            f"there is {', '.join(map(repr, taken))} already: restore into another data directory "
            "(--data), or single collections by other names (bearing restore FILE --collection)"
        )
    made: list[Backup] = []
    try:
        for name in names:
            made += [library.restore(folder / f"{name}.tar", name, tell)]
        for alias, named in aliases.items():
            library.point(alias, named)
    except BaseException:
        for alias in aliases.keys() & library.aliases().keys():
            library.unpoint(alias)
        for name in names[: len(made)]:
            library.delete(name)
        raise
    return Backups(made, aliases)


def _read_contents(folder: Path) -> tuple[list[str], dict[str, str]]:
    path = folder / CONTENTS
    try:
        kept = json.loads(path.read_bytes())
        version = kept["format"]
        names = [check_name(name) for name in kept["collections"]]
        aliases = {check_name(alias): check_name(name) for alias, name in kept["aliases"].items()}
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"{folder} holds no backups of all collections ({CONTENTS})") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{path} is not what was written: {error}") from error
    if version != FORMAT:
        raise InvalidInput(f"{path} is of a later version: restore with that")
    return names, aliases
