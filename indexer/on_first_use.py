"""Libraries that take long to import, for commands that end without them."""

from __future__ import annotations

from importlib import import_module


class OnFirstUse:
    """A module that is imported when something in it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> object:
        found = getattr(import_module(self._name), name)
        setattr(self, name, found)
        return found
