"""Ask an indexed folder of PDFs a question: the files, and the passages that answer.

After ``bearing index papers/ --collection papers``: ``python examples/pdfs/search_pdfs.py "what
makes a wing lift?" --collection papers``.
"""

from __future__ import annotations

import argparse
import os
import sys
import textwrap

from indexer.config import Config
from indexer.library import Library
from indexer.queries import Answer, Hit, Mode, Query
from indexer.retrieval.search import search

WIDTH = 80


def ask(library: Library, collection: str, question: str, k: int) -> Answer:
    """The best documents by meaning and words, each with its best passage."""
    opened = library.open(collection)
    (answer,) = search(
        opened, library.embedder(opened), [Query(text=question, k=k, mode=Mode.HYBRID)]
    )
    return answer


def is_about(answer: Answer, least: float) -> bool:
    """Return whether few unrelated questions find as much, or that is not known."""
    return answer.significance is None or answer.significance < least


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
    parser.add_argument("--below", type=float, default=0.05, help="the least significance to doubt")
    given = parser.parse_args()
    with Library(Config.from_environment(os.environ)) as library:
        answer = ask(library, given.collection, given.question, given.k)
    for hit in answer.hits:
        show(hit)
    if not is_about(answer, given.below):
        print("Perhaps none of these files is about the question.", file=sys.stderr)


if __name__ == "__main__":
    main()
