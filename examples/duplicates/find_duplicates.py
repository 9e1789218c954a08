"""Groups of documents of a collection that say nearly the same.

``python examples/duplicates/find_duplicates.py http://localhost:8000 --at-least 0.9``
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice

from app.client import Client

BATCH = 64


def pairs(client: Client, at_least: float, neighbours: int) -> Iterator[tuple[str, str]]:
    """Ids of documents whose cosine is so large; of each document its nearest neighbours only."""
    ids = (document.id for document in client.documents())
    while batch := list(islice(ids, BATCH)):
        searches = [{"like": [id], "k": neighbours, "min_score": at_least} for id in batch]
        for id, answer in zip(batch, client.search_many(searches), strict=True):
            yield from ((id, hit.id) for hit in answer.hits)


def groups(joined: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Ids that hang together, by pairs; the largest group first (union-find)."""
    parents: dict[str, str] = {}

    def root(id: str) -> str:
        while (parent := parents.setdefault(id, id)) != id:
            parents[id] = id = parents[parent]  # halves the way for the next
        return id

    for one, other in joined:
        parents[root(one)] = root(other)
    found: dict[str, list[str]] = defaultdict(list)
    for id in parents:
        found[root(id)].append(id)
    ordered = [sorted(group) for group in found.values()]
    return sorted(ordered, key=lambda group: (-len(group), group))


def main() -> None:
    """Print each group on a line, its ids between tabs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("service", help="such as http://localhost:8000")
    parser.add_argument("--collection", default="default")
    parser.add_argument("--at-least", type=float, default=0.9, help="cosine of two duplicates")
    parser.add_argument("--neighbours", type=int, default=10, help="most of one document")
    given = parser.parse_args()
    key = os.environ.get("BEARING_API_KEY")
    with Client(given.service, api_key=key, collection=given.collection) as client:
        for group in groups(pairs(client, given.at_least, given.neighbours)):
            print(*group, sep="\t")


if __name__ == "__main__":
    main()
