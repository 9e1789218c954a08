"""Settings of an evaluation as ``key=value``: A's own, and those in which B differs from A."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final, Self, TypeAlias, TypeVar

from indexer.errors import InvalidInput
from indexer.evaluation.systems import Settings
from indexer.index_choice import IndexKind
from indexer.queries import Query

Given: TypeAlias = Mapping[str, str]
"""Settings by name, as they were typed."""

PLACES: Final = ("url", "collection", "model", "index")
"""Settings that say what is searched; all others are fields of Query."""

NO_SETTINGS: Final = ("k", "strategy")
"""Fields of Query that the measures choose, or that only examples need."""

_NEXT: Final = re.compile(r",(?=[a-z_]+=)")
_TRUTHS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NAME_LENGTH: Final = 64
_MARK_LENGTH: Final = 24

_Member = TypeVar("_Member", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of an evaluation: a collection, here or at a service, and settings of its search.

    ``other_model`` says that the collection is made for this side, for a model of its own.
    """

    search: Settings
    url: str | None = None
    collection: str | None = None
    model: str | None = None
    index: IndexKind | None = None
    other_model: bool = False

    def changed(self, option: str, given: Given) -> Self:
        """The side with these settings changed; raises InvalidInput, which names the option."""
        search = {
            name: _read_value(f"{option} {name}", kinds()[name], value)
            for name, value in given.items()
            if name not in PLACES
        }
        kept = replace(self, model=None, index=None) if "url" in given else self
        index = given.get("index")
        side = replace(
            kept,
            search={**self.search, **search},
            url=given.get("url", self.url) or None,
            collection=given.get("collection", self.collection) or None,
            model=given.get("model", kept.model) or None,
            index=_read_member(f"{option} index", IndexKind, index) if index else kept.index,
            other_model=bool(given.get("model")) and not given.get("collection"),
        )
        if side.url and (side.model or side.index):
            raise InvalidInput(
                f"{option}: a service's collections have their models and indexes, and none can "
                "be chosen here: name a collection that has it"
            )
        return side

    def root(self, default: str) -> str:
        """The name of the collection with its documents, whatever its index."""
        name = self.collection or default
        return _marked(name, (self.model or "").rstrip("/")) if self.other_model else name

    def name(self, default: str) -> str:
        """The name of the collection searched: a separate one if it needs an index of its own."""
        return _marked(self.root(default), self.index) if self.index else self.root(default)


def read_settings(option: str, words: Sequence[str]) -> dict[str, str]:
    """``key=value`` pairs, also several with commas between; the later of two with one key wins.

    Raises InvalidInput, which names the option and what is allowed.
    """
    pairs = [pair.partition("=") for word in words for pair in _NEXT.split(word)]
    for key, equals, _ in pairs:
        if not equals or key not in (*PLACES, *kinds()):
            allowed = ", ".join((*PLACES, *kinds()))
            raise InvalidInput(f"{option} takes KEY=VALUE, with a key of {allowed}; got {key!r}")
    return {key: value for key, _, value in pairs}


def slug(text: str) -> str:
    """The text in the characters allowed in a collection's name, others as hyphens."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)


def kinds() -> dict[str, Any]:
    """The settings of a search that can be written as one word, with their types."""
    hints = typing.get_type_hints(Query)
    names = [field.name for field in fields(Query) if field.name not in NO_SETTINGS]
    return {name: hints[name] for name in names if any(map(_is_word, _alternatives(hints[name])))}


def _alternatives(hint: object) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def _is_word(kind: object) -> bool:
    return isinstance(kind, type) and (kind in (bool, int, float) or issubclass(kind, StrEnum))


def _read_value(name: str, hint: object, text: str) -> object:
    alternatives = _alternatives(hint)
    if type(None) in alternatives and text.lower() in ("", "none", "null"):
        return None
    kind = next(filter(_is_word, alternatives))
    if issubclass(kind, StrEnum):
        return _read_member(name, kind, text)
    try:
        return _TRUTHS[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise InvalidInput(f"{name} must be {wanted}; got {text!r}") from None


def _read_member(name: str, members: type[_Member], text: str) -> _Member:
    try:
        return members(text.lower())
    except ValueError:
        raise InvalidInput(f"{name} must be one of {', '.join(members)}; got {text!r}") from None


def _marked(name: str, mark: str) -> str:
    end = slug(mark.rpartition("/")[2])[:_MARK_LENGTH]
    return f"{name[: _NAME_LENGTH - 1 - len(end)]}-{end}"
