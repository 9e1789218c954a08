"""Training examples from files: BEIR's folders; tables of pairs, triplets, grades and clicks.

Where pictures are learned from, an answer may be one: of a record, of a document of the folder or
of the collection. It is not read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

from indexer.collection import Collection
from indexer.documents import Document
from indexer.errors import Unreadable
from indexer.evaluation.dataset import Dataset, read_dataset
from indexer.learning.examples import TEXT_CHARACTERS, Example, Unread
from indexer.learning.examples_records import QUERY, parse_captions, parse_example
from indexer.readers import Fields, Illustrated, Rejection, check_paths, read_paths
from indexer.readers.image_files import image_of
from indexer.readers.records import IMAGE_FIELD
from indexer.readers.tables import Record, read_records

Found: TypeAlias = Example | Unread | Rejection
"""An example, one whose picture is still to be read, or what was refused."""

BLOCK: Final = 512
"""Examples whose documents are looked up in the collection together."""

TRAINING_SPLIT: Final = "train"


def read_examples(
    paths: Sequence[str],
    collection: Collection | None,
    split: str | None = None,
    *,
    pictures: bool = False,
) -> Iterator[Found]:
    """The examples of these files and folders, in order, with what is refused.

    Ids of documents are looked up in the collection. ``split`` names the judgements of folders in
    BEIR's layout: ``train`` without it, or the only ones there are. With ``pictures`` documents may
    be pictures, which are still to be read. Raises Unreadable at once for a path that does not
    exist, and for a folder in BEIR's layout that is malformed.
    """
    check_paths(paths)
    return _resolved(_all(paths, split, pictures), collection, pictures)


def _all(paths: Sequence[str], split: str | None, pictures: bool) -> Iterator[Found]:
    for path in map(Path, paths):
        if (path / "queries.jsonl").is_file():
            yield from _judged(path, split or _split_of(path), pictures)
        else:
            yield from _recorded(path, pictures)


def _recorded(path: Path, pictures: bool) -> Iterator[Found]:
    for record in read_records(path, QUERY[0]):
        if isinstance(record, Rejection):
            yield record
        else:
            yield from _parsed(record, pictures)


def _parsed(record: Record, pictures: bool) -> Iterator[Found]:
    named = record.values.get(IMAGE_FIELD)
    try:
        if pictures and isinstance(named, str):
            image = image_of(named, record.folder)
            captions = parse_captions(record.values, record.place)
            yield from (Unread(one, image) for one in captions)
        else:
            yield from parse_example(record.values, record.place)
    except Unreadable as error:
        yield Rejection(record.place, str(error))


def _split_of(folder: Path) -> str:
    there = sorted(found.stem for found in (folder / "qrels").glob("*.tsv"))
    if TRAINING_SPLIT in there or len(there) != 1:
        return TRAINING_SPLIT
    return there[0]


def _judged(folder: Path, split: str, pictures: bool) -> Iterator[Found]:
    """The examples of judgements, whose documents are those of the folder's own corpus."""
    dataset = read_dataset(folder, split)
    corpus = _judged_documents(dataset, pictures)
    place = f"{folder}/qrels/{split}.tsv"
    for query_id, grades in dataset.qrels.items():
        wrong = tuple(
            corpus[id].text for id, grade in grades.items() if grade <= 0 and id in corpus
        )
        right = {id: grade for id, grade in grades.items() if grade > 0}
        query = dataset.queries[query_id][:TEXT_CHARACTERS]
        if not right:
            yield Rejection(place, f"query {query_id!r} has no positive: no document above 0")
        for id, grade in right.items():
            if id not in corpus:
                yield Rejection(place, f"query {query_id!r}: document {id!r} is not in the corpus")
                continue
            one = Example(query, query_id, corpus[id].text, id, wrong, float(grade), place)
            yield corpus[id].answers(one)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A document that is judged: its text, and its picture before that is read."""

    text: str
    image: Path | bytes | None = None

    def answers(self, one: Example) -> Example | Unread:
        """The example that it answers."""
        if self.image is None:
            return one
        return Unread(replace(one, positive="", negatives=()), self.image)


def _judged_documents(dataset: Dataset, pictures: bool) -> dict[str, _Judged]:
    judged = {id for grades in dataset.qrels.values() for id in grades}
    found: dict[str, _Judged] = {}
    for read in read_paths([str(dataset.corpus_path)], Fields(pictures=pictures)):
        item = read.item
        if isinstance(item, Rejection):
            continue
        image = item.image if isinstance(item, Illustrated) else None
        document = item.document if isinstance(item, Illustrated) else item
        if document.id in judged:
            found[document.id] = _Judged(document.content[:TEXT_CHARACTERS], image)
    return found


def _resolved(
    found: Iterable[Found], collection: Collection | None, pictures: bool
) -> Iterator[Found]:
    """The same, with the documents that are known by their ids."""
    rest = iter(found)
    while block := list(islice(rest, BLOCK)):
        wanted = {
            one.positive_id
            for one in block
            if isinstance(one, Example) and not one.positive and one.positive_id is not None
        }
        stored = _stored(sorted(wanted), collection)
        yield from (_with_document(one, stored, pictures) for one in block)


def _stored(ids: Sequence[str], collection: Collection | None) -> dict[str, Document]:
    if collection is None or not ids:
        return {}
    stored = zip(ids, collection.get(ids), strict=True)
    return {id: document for id, document in stored if document}


def _with_document(one: Found, stored: dict[str, Document], pictures: bool) -> Found:
    if not isinstance(one, Example) or one.positive or one.positive_id is None:
        return one
    if one.positive_id not in stored:
        return Rejection(one.place, f"unknown id: no document {one.positive_id!r} to be found")
    document = stored[one.positive_id]
    if pictures and document.picture is not None:
        return Unread(one, document)
    return replace(one, positive=document.content[:TEXT_CHARACTERS])
