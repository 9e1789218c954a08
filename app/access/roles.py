"""The roles of keys."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """The permissions of a key; each role includes those before it."""

    SEARCH = "search"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Return whether this role includes the other."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS: Final = {role: rank for rank, role in enumerate(Role)}
