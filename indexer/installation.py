"""The installation: its name and version, and the commands that add extras or update it.

The distribution is not named like the command: ``bearing`` is someone else's on PyPI.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

DISTRIBUTION: Final = "bearing-search"
"""The name of the distribution on PyPI."""

UNKNOWN: Final = "unknown"
"""The version of sources that are neither installed nor in a clone."""

_HOME: Final = Path(__file__).parents[1]
"""The clone that these sources are in, or the place where pip put them."""


def version(home: Path = _HOME) -> str:
    """The version of the running sources; UNKNOWN if nothing records it."""
    # A clone's own file comes first: the installed metadata may be older, or another clone's.
    if project := _clone(home):
        return str(project["version"])
    import importlib.metadata

    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN


def how_to_add(extra: str, home: Path = _HOME) -> str:
    """The command that installs an extra; the one for a clone if these sources are in one."""
    # No path: the service shows this to callers, who should not learn its folders.
    if _clone(home):
        return f"in the clone, .venv/bin/pip install -c constraints.txt -e '.[{extra}]'"
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def how_to_update(home: Path = _HOME) -> str:
    """The command that updates Bearing; the one for a clone if these sources are in one."""
    if _clone(home):
        return "in the clone, git pull && make install"
    return f"pip install --upgrade {DISTRIBUTION}"


def _clone(home: Path) -> Mapping[str, Any] | None:
    """The project a clone describes; None for a folder that is not a clone of Bearing."""
    try:
        text = (home / "pyproject.toml").read_text("utf-8")
    except OSError:
        return None
    project = _project(text)
    return project if project.get("name") == DISTRIBUTION else None


@lru_cache(maxsize=1)  # the same one at each call, but for tests of this module
def _project(text: str) -> Mapping[str, Any]:
    import tomllib

    project: Mapping[str, Any] = tomllib.loads(text).get("project", {})
    return project
