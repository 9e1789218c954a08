"""Under which name Bearing is installed, in which version, and how its extras are added.

The distribution has another name than the command: ``bearing`` is someone else's on PyPI.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

DISTRIBUTION: Final = "bearing-search"
"""What pip calls Bearing."""

UNKNOWN: Final = "unknown"
"""The version of sources that are neither installed nor in a clone."""

_HOME: Final = Path(__file__).parents[1]
"""The clone that these sources are in, or where pip has put them."""


def version(home: Path = _HOME) -> str:
    """The version of the sources that run; UNKNOWN where nothing tells it."""
    # A clone's own file comes first: what was installed of it may be older, or another clone.
    if project := _clone(home):
        return str(project["version"])
    import importlib.metadata

    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN


def how_to_add(extra: str, home: Path = _HOME) -> str:
    """The command that installs an extra, for a clone if these sources are in one."""
    # No path is named: the service passes this on to callers, who are not to learn of its folders.
    if _clone(home):
        return f"in the clone, .venv/bin/pip install -c constraints.txt -e '.[{extra}]'"
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def how_to_update(home: Path = _HOME) -> str:
    """The command that brings the newest version, for a clone if these sources are in one."""
    if _clone(home):
        return "in the clone, git pull && make install"
    return f"pip install --upgrade {DISTRIBUTION}"


def _clone(home: Path) -> Mapping[str, Any] | None:
    """The project that a clone describes; None for a folder that is no clone of Bearing."""
    import tomllib

    try:
        text = (home / "pyproject.toml").read_text("utf-8")
    except OSError:
        return None
    project: Mapping[str, Any] = tomllib.loads(text).get("project", {})
    return project if project.get("name") == DISTRIBUTION else None
