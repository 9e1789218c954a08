"""Ask an indexed folder of PDFs a question: the files, and the passages that answer.

After ``bearing index papers/ --collection papers``: ``python examples/pdfs/search_pdfs.py "what
makes a wing lift?" --collection papers``.
"""

from __future__ import annotations

import argparse
import os
import textwrap
from collections.abc import Iterator

from indexer.config import Config
from indexer.library import Library
from indexer.queries import Hit, Mode, Query
from indexer.retrieval.search import search

WIDTH = 80


def ask(library: Library, collection: str, question: str, k: int) -> list[Hit]:
    """The best documents by meaning and words, each with its best passage."""
    opened = library.open(collection)
    (answer,) = search(
        opened, library.embedder(opened), [Query(text=question, k=k, mode=Mode.HYBRID)]
    )
    return list(answer.hits)


def unlikely_by_chance(hits: list[Hit], chance: float) -> Iterator[Hit]:
    """Hits that unrelated documents would seldom give, or of which that is not known."""
    return (hit for hit in hits if hit.significance is None or hit.significance <= chance)


def show(hit: Hit) -> None:
    """The file, its title, and the passage."""
    print(f"{hit.document.id}  {hit.document.title or ''}".rstrip())
    passage = " ".join(hit.passage.text.split())
    print(textwrap.indent(textwrap.fill(passage, WIDTH), "    "), end="\n\n")


def main() -> None:
    """Print what answers the question on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question")
    parser.add_argument("--collection", default="papers")
    parser.add_argument("-k", type=int, default=5, help="how many files")
    parser.add_argument("--chance", type=float, default=0.5, help="significance, at most")
    given = parser.parse_args()
    with Library(Config.from_environment(os.environ)) as library:
        hits = ask(library, given.collection, given.question, given.k)
        for hit in unlikely_by_chance(hits, given.chance):
            show(hit)


if __name__ == "__main__":
    main()
