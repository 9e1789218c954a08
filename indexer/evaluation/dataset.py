"""Judged queries and their documents, read from a folder in BEIR's layout."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

from indexer.errors import Unreadable
from indexer.filters import is_encodable

Qrels: TypeAlias = Mapping[str, Mapping[str, int]]
"""Query id -> document id -> relevance; above 0 is relevant, and more is better for nDCG."""

MOST_GRADE: Final = 1_000_000
"""trec_eval keeps a count for each grade from 0 to the best."""
_GRADE: Final = re.compile(r"\s*[+-]?[0-9]+(?:\.[0-9]*)?\s*")
_NOUGHTS: Final = re.compile(r"(?<=[0-9])\.0*\s*$")
"""The end of a whole number that was written as a decimal, ``1.0``, as data frames do."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Judged queries, and the path of the documents. Every query has judgements, and vice versa."""

    name: str
    corpus_path: Path
    queries: Mapping[str, str]
    qrels: Qrels


def read_dataset(folder: Path, split: str = "test") -> Dataset:
    """The dataset of a folder in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/<split>.tsv.

    The judgements may have a header line, and may be in TREC's form (query, 0, document, grade,
    separated by spaces). Of two judgements of one pair, or two queries of one id, the later wins,
    as in BEIR. Queries without a judgement are left out. Raises Unreadable, naming file and line,
    for what is missing or malformed.
    """
    corpus = folder / "corpus.jsonl"
    if not corpus.is_file():
        raise Unreadable(
            f"{corpus}: no such file; a dataset has corpus.jsonl, queries.jsonl, qrels/"
        )
    qrels = _read_qrels(folder, split)
    texts = _read_queries(folder / "queries.jsonl")
    for id in qrels:
        if id not in texts:
            raise Unreadable(f"{folder / 'queries.jsonl'}: query {id!r} is judged but not there")
    return Dataset(folder.resolve().name, corpus, {id: texts[id] for id in qrels}, qrels)


def _read_qrels(folder: Path, split: str) -> Qrels:
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        there = ", ".join(sorted(found.stem for found in path.parent.glob("*.tsv"))) or "none"
        raise Unreadable(f"{path}: no such file; splits there are: {there}")
    qrels: dict[str, dict[str, int]] = {}
    for place, row in _judgements(path):
        query, document, relevance = _parse_judgement(place, row)
        qrels.setdefault(query, {})[document] = relevance
    if not qrels:
        raise Unreadable(f"{path}: no judgement in it")
    return qrels


def _read_table(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The rows, each with its place in the file; blank lines are left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter="\t")
            yield from ((f"{path}:{reader.line_num}", row) for row in reader if row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(f"{path}: {error}") from error


def _judgements(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Query, document and grade of each row except a header, with its place in the file.

    The first row tells the form: TREC's has four cells between spaces or tabs, the second unused.
    """
    rows = _read_table(path)
    first = next(rows, None)
    if first is None:
        return
    cells = " ".join(first[1]).split()
    if len(cells) == 4 and _GRADE.fullmatch(cells[3]):
        for place, row in chain([first], rows):
            query, *rest = " ".join(row).split() or [""]
            yield place, [query, *rest[1:]]
        return
    is_header = len(first[1]) != 3 or not _GRADE.fullmatch(first[1][2])
    yield from rows if is_header else chain([first], rows)


def _parse_judgement(place: str, row: Sequence[str]) -> tuple[str, str, int]:
    if len(row) != 3 or not row[0] or not row[1]:
        raise Unreadable(
            f"{place}: expected query-id, corpus-id and score between tabs, got {row!r:.200}"
        )
    try:
        grade = int(_NOUGHTS.sub("", row[2]))
    except ValueError:
        raise Unreadable(f"{place}: the score must be an integer, got {row[2]!r:.200}") from None
    if abs(grade) > MOST_GRADE:
        raise Unreadable(f"{place}: the score must be at most {MOST_GRADE}, got {row[2]!r:.200}")
    return row[0], row[1], grade


def _read_queries(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            return dict(_parse_queries(path, file))
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error


def _parse_queries(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _parse_query(f"{path}:{number}", line)


def _parse_query(place: str, line: bytes) -> tuple[str, str]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{place}: not JSON: {error}") from error
    if not isinstance(record, dict):
        raise Unreadable(f"{place}: expected an object, got {type(record).__name__}")
    id, text = record.get("_id", record.get("id")), record.get("text")
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id)
    if not isinstance(id, str) or not id or not isinstance(text, str):
        raise Unreadable(f"{place}: a query needs the strings _id and text")
    if not is_encodable(text):
        raise Unreadable(f"{place}: text holds a lone surrogate, which is not valid Unicode")
    return id, text
