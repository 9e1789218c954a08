"""The table of engines: the URLs of each, and how its catalogue is opened.

To add an engine, add a folder and a line here. Nothing else knows an implementation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from indexer.engine import Catalogue
from indexer.errors import InvalidInput, MissingExtra


@dataclass(frozen=True, slots=True)
class EngineKind:
    """``open`` opens the catalogue of a URL; if ``lasting``, other processes can open it too.

    It is also told whether writes must be confirmed by a standby, where there can be one.
    """

    open: Callable[[str, bool], Catalogue]
    lasting: bool = True


_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def _folder(url: str, _: bool) -> Catalogue:
    from indexer.storage.catalogue import LocalCatalogue

    return LocalCatalogue(folder_of(url))


def _memory(url: str, _: bool) -> Catalogue:
    from indexer.memory.catalogue import MemoryCatalogue

    if url != "memory:":
        raise InvalidInput(
            f"there is only one memory: say memory: with nothing after it, not {url!r}"
        )
    return MemoryCatalogue()


def _postgresql(url: str, require_sync: bool) -> Catalogue:
    try:
        from indexer.postgres.catalogue import PostgresCatalogue
    except ModuleNotFoundError as error:
        raise MissingExtra("psycopg", "postgres") from error

    from indexer.storage.catalogue import LocalCatalogue

    return PostgresCatalogue(url, LocalCatalogue, require_sync=require_sync)


ENGINES: Final[Mapping[str, EngineKind]] = {
    "": EngineKind(_folder),
    "file": EngineKind(_folder),
    "memory": EngineKind(_memory, lasting=False),
    "postgresql": EngineKind(_postgresql),
}
"""The engines by the scheme of their URLs; a plain path has no scheme."""


def open_catalogue(url: str, *, require_sync: bool = False) -> Catalogue:
    """The collections at a URL: a folder's path, or ``scheme:`` and what that engine reads.

    Raises InvalidInput for a scheme that no engine has. Collections are not opened yet. With
    ``require_sync`` a database that may lose what it has acknowledged is refused.
    """
    return ENGINES[scheme_of(url)].open(url, require_sync)


def is_lasting(url: str) -> bool:
    """Return whether collections at a URL outlive this process and are visible to others."""
    return ENGINES[scheme_of(url)].lasting


def scheme_of(url: str) -> str:
    """The scheme of a URL, empty for a path; raises InvalidInput if no engine has it."""
    found = _SCHEME.match(url)
    scheme = found[0][:-1].lower() if found else ""
    if scheme not in ENGINES:
        known = ", ".join(f"{one}:" for one in ENGINES if one)
        raise InvalidInput(
            f"no engine keeps collections at {url!r}: it can be a folder, or begin with one of "
            f"{known} (a folder whose name holds a colon is written ./{url})"
        )
    return scheme


def local_folder(url: str) -> Path | None:
    """The folder that a URL names; None for one of another engine."""
    return folder_of(url) if scheme_of(url) in ("", "file") else None


def folder_of(url: str) -> Path:
    """The folder named by a path, or by a URL of scheme file; raises InvalidInput."""
    path = url.removeprefix("file:")
    if path != url and path.startswith("//"):  # file://host/path: only this host is possible
        host, slash, rest = path[2:].partition("/")
        if host not in ("", "localhost") or not slash:
            raise InvalidInput(f"{url!r} names a folder elsewhere: say file:///path")
        path = "/" + rest
    if not path:
        raise InvalidInput(f"{url!r} does not name a folder: say file:///path, or the path alone")
    return Path(path).expanduser()
