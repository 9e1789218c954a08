"""The worth of scores with the real model: an answer's significance, and the grade of a hit."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from warm import warm_python

import indexer
from indexer.documents import Document
from indexer.queries import Grade
from indexer.readers.standard_library import read_standard_library
from indexer.workspace import TextCollection

MODULES = (csv, gzip, threading)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TextCollection]:
    """The documentation of some modules of this Python."""
    folder = tmp_path_factory.mktemp("modules")
    for module in MODULES:
        shutil.copy(module.__file__, folder)
    items = (read.item for read in read_standard_library(folder))
    documents = [item for item in items if isinstance(item, Document)]
    with indexer.open(tmp_path_factory.mktemp("data")) as workspace:
        collection = workspace.collection("python")
        collection.index(documents)
        yield collection


@pytest.mark.parametrize(
    "query",
    [
        "decompress gzip",
        "wait until a thread has ended",
        "read rows of a CSV file",
    ],
)
def test_a_question_of_the_collections_topic_passes(python: TextCollection, query: str) -> None:
    """Its significance is far below 0.05, and its best hit is no weak one."""
    answer = python.search(query)
    assert answer.significance < 0.01
    assert answer.hits[0].grade in {Grade.STRONG, Grade.FAIR}


@pytest.mark.parametrize(
    "query",
    [
        "how tall is mount kilimanjaro",
        "symptoms of appendicitis",
        "The patient was given iron for her anaemia, and recovered within a week.",
    ],
)
def test_a_question_about_something_else_does_not(python: TextCollection, query: str) -> None:
    """Many unrelated queries find as much, and what is found is weak."""
    answer = python.search(query)
    assert answer.significance > 0.05
    assert {hit.grade for hit in answer.hits} == {Grade.WEAK}


def test_it_is_measured_by_a_benchmark(tmp_path: Path) -> None:
    """On judged sets, each with the queries of the others as those off topic."""
    texts = {
        "birds": ["An owl hunts at night.", "Storks nest on chimneys.", "A wren sings loudly."],
        "tools": ["A saw cuts wood.", "The hammer drives a nail.", "Pliers hold a wire."],
    }
    for name, lines in texts.items():
        (tmp_path / name / "qrels").mkdir(parents=True)
        corpus = [{"_id": f"d{i}", "text": f"{lines[i % 3]} Note {i}."} for i in range(60)]
        queries = [{"_id": f"q{i}", "text": line} for i, line in enumerate(lines)]
        for file, records in (("corpus", corpus), ("queries", queries)):
            written = "".join(json.dumps(record) + "\n" for record in records)
            (tmp_path / name / f"{file}.jsonl").write_text(written)
        judged = "".join(f"q{i % 3}\td{i}\t1\n" for i in range(60))
        (tmp_path / name / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    sets = [str(tmp_path / name) for name in texts]
    done = subprocess.run(
        [*warm_python(), "-m", "benchmarks.scores", "--json", *sets],
        capture_output=True, text=True, check=True, timeout=240,
    )  # fmt: skip
    figures = json.loads(done.stdout)
    assert figures["auc_on_topic"] == figures["auc_raw"] == 1
    assert figures["on_topic_below_005"] == 1
    assert figures["off_topic_below_005"] < 0.5
    assert figures["strong_precision"] > 0.9
    assert set(figures["sets"]) == set(texts)
    assert figures["sets"]["birds"]["ece"] is not None
