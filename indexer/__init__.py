"""Documents in, unit vectors kept, nearest documents out. A library; it knows no HTTP.

import indexer

with indexer.open("data") as workspace:
    poems = workspace.collection("poems")
    poems.index([{"id": "tyger", "text": "Tyger Tyger, burning bright", "year": 1794}])
    for hit in poems.search("a fierce animal", k=5, filter={"year": {"$lt": 1800}}).hits:
        print(hit.score, hit.document.id)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from indexer.documents import Document
    from indexer.errors import BearingError
    from indexer.queries import Answer, ExampleText, Hit
    from indexer.workspace import IndexReport, TextCollection, Workspace, open  # noqa: A004

_HOMES: Final = {
    "Answer": "indexer.queries",
    "BearingError": "indexer.errors",
    "Document": "indexer.documents",
    "ExampleText": "indexer.queries",
    "Hit": "indexer.queries",
    "IndexReport": "indexer.workspace",
    "TextCollection": "indexer.workspace",
    "Workspace": "indexer.workspace",
    "open": "indexer.workspace",
}
"""The module of each name, imported at first use so that commands start fast."""

__all__ = [
    "Answer",
    "BearingError",
    "Document",
    "ExampleText",
    "Hit",
    "IndexReport",
    "TextCollection",
    "Workspace",
    "open",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
