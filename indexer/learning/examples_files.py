"""Training examples from files: BEIR's folders; tables of pairs, triplets, grades and clicks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from indexer.collection import Collection
from indexer.documents import Document
from indexer.errors import Unreadable
from indexer.evaluation.dataset import Dataset, read_dataset
from indexer.learning.examples import TEXT_CHARACTERS, Example
from indexer.learning.examples_records import QUERY, parse_example
from indexer.readers import Rejection, check_paths, read_paths
from indexer.readers.tables import Record, read_records

BLOCK: Final = 512
"""Examples whose documents are looked up in the collection together."""

TRAINING_SPLIT: Final = "train"


def read_examples(
    paths: Sequence[str], collection: Collection | None, split: str | None = None
) -> Iterator[Example | Rejection]:
    """The examples of these files and folders, in order, with what is refused.

    Ids of documents are looked up in the collection. ``split`` names the judgements of folders in
    BEIR's layout: ``train`` without it, or the only ones there are. Raises Unreadable at once for a
    path that does not exist, and for a folder in BEIR's layout that is malformed.
    """
    check_paths(paths)
    return _resolved(_all(paths, split), collection)


def _all(paths: Sequence[str], split: str | None) -> Iterator[Example | Rejection]:
    for path in map(Path, paths):
        if (path / "queries.jsonl").is_file():
            yield from _judged(path, split or _split_of(path))
        else:
            yield from _recorded(path)


def _recorded(path: Path) -> Iterator[Example | Rejection]:
    for record in read_records(path, QUERY[0]):
        if isinstance(record, Rejection):
            yield record
        else:
            yield from _parsed(record)


def _parsed(record: Record) -> Iterator[Example | Rejection]:
    try:
        yield from parse_example(record.values, record.place)
    except Unreadable as error:
        yield Rejection(record.place, str(error))


def _split_of(folder: Path) -> str:
    there = sorted(found.stem for found in (folder / "qrels").glob("*.tsv"))
    if TRAINING_SPLIT in there or len(there) != 1:
        return TRAINING_SPLIT
    return there[0]


def _judged(folder: Path, split: str) -> Iterator[Example | Rejection]:
    """The examples of judgements, whose texts are those of the folder's own corpus."""
    dataset = read_dataset(folder, split)
    texts = _corpus_texts(dataset)
    place = f"{folder}/qrels/{split}.tsv"
    for query_id, grades in dataset.qrels.items():
        wrong = tuple(texts[id] for id, grade in grades.items() if grade <= 0 and id in texts)
        right = {id: grade for id, grade in grades.items() if grade > 0}
        query = dataset.queries[query_id][:TEXT_CHARACTERS]
        if not right:
            yield Rejection(place, f"query {query_id!r} has no positive: no document above 0")
        for id, grade in right.items():
            if id not in texts:
                yield Rejection(place, f"query {query_id!r}: document {id!r} is not in the corpus")
                continue
            yield Example(query, query_id, texts[id], id, wrong, float(grade), place)


def _corpus_texts(dataset: Dataset) -> dict[str, str]:
    judged = {id for grades in dataset.qrels.values() for id in grades}
    documents = (read.item for read in read_paths([str(dataset.corpus_path)]))
    return {
        document.id: document.content[:TEXT_CHARACTERS]
        for document in documents
        if isinstance(document, Document) and document.id in judged
    }


def _resolved(
    found: Iterable[Example | Rejection], collection: Collection | None
) -> Iterator[Example | Rejection]:
    """The same, with the texts of documents that are known by their ids."""
    rest = iter(found)
    while block := list(islice(rest, BLOCK)):
        wanted = {
            one.positive_id
            for one in block
            if isinstance(one, Example) and not one.positive and one.positive_id is not None
        }
        texts = _stored_texts(sorted(wanted), collection)
        yield from (_with_text(one, texts) for one in block)


def _stored_texts(ids: Sequence[str], collection: Collection | None) -> dict[str, str]:
    if collection is None or not ids:
        return {}
    stored = zip(ids, collection.get(ids), strict=True)
    return {id: document.content[:TEXT_CHARACTERS] for id, document in stored if document}


def _with_text(one: Example | Rejection, texts: dict[str, str]) -> Example | Rejection:
    if isinstance(one, Rejection) or one.positive or one.positive_id is None:
        return one
    if one.positive_id not in texts:
        return Rejection(one.place, f"unknown id: no document {one.positive_id!r} to be found")
    return replace(one, positive=texts[one.positive_id])
