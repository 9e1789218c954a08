"""Training examples: what is read of files, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from indexer.collection import Collection
from indexer.config import Config
from indexer.documents import Document
from indexer.ingestion.preparation import embed_documents
from indexer.learning.examples import TEXT_CHARACTERS, Example
from indexer.learning.examples_checks import IDENTICAL, REPEATED, SHARED, gather
from indexer.learning.examples_collection import documents_of, unlabelled
from indexer.learning.examples_files import read_examples
from indexer.learning.run import Material
from indexer.library import Library
from indexer.readers import Rejection


@pytest.fixture(scope="module")
def collection() -> Iterator[Collection]:
    """Three documents in memory."""
    documents = [
        Document("d1", "sorting is quick", "How to sort"),
        Document("d2", "dogs are lazy"),
        Document("d3", f"{'one sentence here. ' * 5}\n{'and another there. ' * 5}"),
    ]
    with Library(Config(data="memory:", model="hashing-32")) as library:
        made = library.create("docs")
        made.put(embed_documents(library.embedder(made), documents))
        yield made


def lines(path: Path, *records: dict[str, Any] | str) -> Path:
    """A file of JSON Lines; a text is a line as it is."""
    path.write_text(
        "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in records)
    )
    return path


def read(path: Path, collection: Collection | None = None) -> tuple[list[Example], list[Rejection]]:
    """The examples fit to train by, and what was refused."""
    refused: list[Rejection] = []
    with gather(read_examples([str(path)], collection), refused.append) as examples:
        return list(examples), refused


@pytest.mark.parametrize(
    ("record", "positives"),
    [
        ({"query": "q", "positive": "p"}, ["p"]),
        ({"anchor": "q", "positive": "p", "negative": "n"}, ["p"]),
        ({"question": "q", "answer": "p"}, ["p"]),
        ({"sentence1": "q", "sentence2": "p", "score": 4.5}, ["p"]),
        ({"query": "q", "pos": ["p", "r"], "neg": ["n"]}, ["p", "r"]),
        ({"_id": "7", "title": "q", "text": "p"}, ["p"]),
        ({"query": "q", "id": "d2", "clicked": True}, ["dogs are lazy"]),
        ({"query": "q", "document_id": "d1", "rank": 3}, ["How to sort sorting is quick"]),
    ],
    ids=lambda given: "-".join(given) if isinstance(given, dict) else "",
)
def test_fields_of_other_tools_are_understood(
    record: dict[str, Any], positives: list[str], collection: Collection, tmp_path: Path
) -> None:
    """Pairs, triplets, grades, titles and clicks are read in the names that tools give them."""
    examples, refused = read(lines(tmp_path / "a.jsonl", record), collection)
    assert not refused
    assert [one.positive for one in examples] == positives
    assert {one.query for one in examples} == {"q"}
    assert {one.negatives for one in examples} == {
        ("n",) if {"negative", "neg"} & {*record} else ()
    }


def test_tables_hold_the_same(tmp_path: Path) -> None:
    """CSV, TSV, JSON and Parquet give the examples that JSON Lines give, whatever the delimiter."""
    rows = [{"query": f"q{n}", "positive": f"p, {n}", "grade": n} for n in range(3)]
    lines(tmp_path / "a.jsonl", *rows)
    (tmp_path / "a.json").write_text(json.dumps(rows))
    text = "query;positive;grade\n" + "".join(f"q{n};p, {n};{n}\n" for n in range(3))
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "a.tsv").write_text(text.replace(";", "\t"))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.json", "a.csv", "a.tsv", "a.parquet"):
        examples, refused = read(tmp_path / name)
        assert not refused, name
        found = [{"query": e.query, "positive": e.positive, "grade": e.grade} for e in examples]
        assert found == rows, name


BAD: dict[str, tuple[dict[str, Any] | str, str]] = {
    "no positive": ({"query": "q"}, "no positive"),
    "no query": ({"positive": "p"}, "no query"),
    "empty": ({"query": " ", "positive": "p"}, "empty"),
    "not a text": ({"query": 3, "positive": "p"}, "must be a text"),
    "unknown id": ({"query": "q", "id": "d9"}, "unknown id"),
    "identical": ({"query": "Same  thing", "positive": "same thing"}, IDENTICAL),
    "nan": ('{"query": "q", "positive": "p", "grade": NaN}', "not JSON"),
    "no number": ({"query": "q", "positive": "p", "grade": "good"}, "must be a number"),
    "infinite": ({"query": "q", "positive": "p", "grade": "inf"}, "must be finite"),
    "not an object": ("[1]", "expected an object"),
    "surrogate": ('{"query": "q", "positive": "\\ud800"}', "surrogate"),
    "too long": ('{"query": "' + "x" * (17 * 2**20) + '"}', "longer than"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_lines_are_refused_by_line(name: str, collection: Collection, tmp_path: Path) -> None:
    """A line that cannot be trained by is refused with its number and reason; the next is read."""
    record, reason = BAD[name]
    path = lines(tmp_path / "a.jsonl", record, {"query": "fine", "positive": "good"})
    examples, refused = read(path, collection)
    assert [one.query for one in examples] == ["fine"]
    assert [one.place for one in refused] == [f"{path}:1"]
    assert reason in refused[0].reason


def test_repeats_are_refused(tmp_path: Path) -> None:
    """A pair given twice is refused, and a text that answers two queries, unless it has an id."""
    path = lines(
        tmp_path / "a.jsonl",
        {"query": "one", "positive": "text"},
        {"query": "ONE ", "positive": "text"},
        {"query": "two", "positive": "Text"},
        {"query": "one", "text": "shared", "id": "d"},
        {"query": "two", "text": "shared", "id": "d"},
    )
    examples, refused = read(path)
    assert [one.place.rpartition(":")[2] for one in examples] == ["1", "4", "5"]
    found = {one.place.rpartition(":")[2]: one.reason for one in refused}
    assert found == {"2": REPEATED, "3": SHARED}


def test_long_texts_are_cut(tmp_path: Path) -> None:
    """A text of megabytes is kept as far as a model may read it."""
    path = lines(tmp_path / "a.jsonl", {"query": "q", "positive": "word " * 300_000})
    examples, _ = read(path)
    assert len(examples[0].positive) <= TEXT_CHARACTERS


def test_folders_of_judgements(tmp_path: Path) -> None:
    """Each relevant document of BEIR's layout makes an example, those of grade 0 its negatives."""
    (tmp_path / "qrels").mkdir()
    lines(tmp_path / "queries.jsonl", {"_id": "1", "text": "q"}, {"_id": "2", "text": "r"})
    lines(
        tmp_path / "corpus.jsonl",
        {"_id": "a", "title": "T", "text": "x"},
        {"_id": "b", "text": "y"},
    )
    judged = "query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t0\n1\tz\t1\n2\tb\t0\n"
    (tmp_path / "qrels" / "train.tsv").write_text(judged)
    examples, refused = read(tmp_path)
    assert [(e.query_id, e.positive, e.positive_id, e.negatives, e.grade) for e in examples] == [
        ("1", "T x", "a", ("y",), 2.0)
    ]
    assert "'z' is not in the corpus" in refused[0].reason
    assert "no positive" in refused[1].reason


def test_documents_make_examples_without_labels(collection: Collection) -> None:
    """A title goes with its text, a text without one is halved, and a short one is refused."""
    found = list(unlabelled(documents_of(collection), Material.PAIRS))
    assert [(e.query, e.positive) for e in found[:1] if isinstance(e, Example)] == [
        ("How to sort", "sorting is quick")
    ]
    assert isinstance(found[1], Rejection)
    assert isinstance(found[2], Example)
    assert found[2].query.startswith("one") and found[2].positive.startswith("and another")
    texts = list(unlabelled(documents_of(collection), Material.TEXTS))
    found_texts = [e.positive for e in texts if isinstance(e, Example)]
    assert found_texts[:2] == ["sorting is quick", "dogs are lazy"]
