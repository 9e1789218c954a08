"""Second names of collections: the errors that all engines raise for them.

An alias names a collection wherever one is named, until it is pointed to another in one step. A
collection of the same name goes before it, so engines let neither take the other's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from indexer.errors import AlreadyExists, Conflict, NotFound


def aliases_of(collection: str, aliases: Mapping[str, str]) -> tuple[str, ...]:
    """The aliases of a collection, sorted."""
    return tuple(sorted(alias for alias, named in aliases.items() if named == collection))


def require_free(name: str, aliases: Mapping[str, str]) -> None:
    """Raise AlreadyExists if a new collection would have the name of an alias."""
    if name in aliases:
        raise AlreadyExists(
            f"{name!r} is an alias of {aliases[name]!r}: take another name, or delete the alias "
            f"first (bearing alias delete {name})"
        )


def require_unnamed(collection: str, aliases: Iterable[str]) -> None:
    """Raise Conflict if a collection that is to be deleted has aliases."""
    named = ", ".join(repr(alias) for alias in aliases)
    if named:
        raise Conflict(
            f"collection {collection!r} is in use as {named}: first point each such alias to "
            "another collection (bearing alias set ALIAS COLLECTION), or delete it (bearing alias "
            "delete ALIAS)"
        )


def taken(alias: str) -> AlreadyExists:
    """The error of an alias that has the name of a collection."""
    return AlreadyExists(f"{alias!r} is the name of a collection: an alias needs one of its own")


def missing(alias: str, aliases: Iterable[str]) -> NotFound:
    """The error of an alias that is not there."""
    there = ", ".join(sorted(aliases)) or "none"
    return NotFound(f"there is no alias {alias!r} (there are: {there})")
