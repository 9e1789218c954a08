"""Files of another place: fetched into one of this machine, or as they were at the last run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was fetched, at ``path`` until the next one is asked for.

    Its documents' ids begin with ``name``; its format is that of ``called``. By its ``stamp`` one
    tells at the next run whether it has changed.
    """

    name: str
    called: str
    path: Path
    stamp: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A file that is as it was when it was read."""

    name: str
