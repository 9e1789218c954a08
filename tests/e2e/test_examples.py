"""The programs of examples/, each on a little of its own; their pages are run by test_docs.py."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from judged import write_lines
from pdf_files import make_pdf, page_content
from serving import running_service
from warm import warm_python

from app.client import Client

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 120


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with the default model."""
    with running_service(tmp_path_factory.mktemp("data"), {}) as url:
        yield url


def run(words: list[str], settings: Mapping[str, str]) -> str:
    """What a Python program prints; it must end well."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("BEARING_")}
    done = subprocess.run(
        [*warm_python(), "-W", "error", *words],
        capture_output=True,
        text=True,
        env=inherited | {"PYTHONPATH": str(EXAMPLES.parent), "no_proxy": "*", **settings},
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def example(name: str, *words: str, **settings: str) -> str:
    """What a program of the examples prints."""
    return run([str(EXAMPLES / name), *words], settings)


def index(path: Path, collection: str, data: Path) -> None:
    """Index a file or folder by the command."""
    run(
        ["-m", "app.cli", "index", str(path), "--collection", collection],
        {"BEARING_DATA": str(data)},
    )


def fill(address: str, collection: str, path: Path) -> None:
    """A collection of a service with the documents of a file, and no others."""
    with Client(address, collection=collection) as client:
        client.create()
        records = [json.loads(line) for line in path.read_text().splitlines()]
        for record in records:
            metadata = {key: record.pop(key) for key in [*record] if key == "year"}
            record["metadata"] = metadata
        client.put(records)


def test_a_folder_of_pdfs_is_searched(tmp_path: Path) -> None:
    """The file that answers comes first, with the passage."""
    folder = tmp_path / "papers"
    folder.mkdir()
    for name, text in {"wing": "A wing lifts by turning the air.", "tax": "Taxes rose."}.items():
        (folder / f"{name}.pdf").write_bytes(make_pdf(page_content(text)))
    index(folder, "papers", tmp_path / "data")
    printed = example(
        "pdfs/search_pdfs.py", "how do planes fly?", BEARING_DATA=str(tmp_path / "data")
    )
    assert printed.splitlines()[0].endswith("wing.pdf")
    assert "turning the air" in printed.splitlines()[1]


def test_an_assistant_gets_sources(tmp_path: Path) -> None:
    """The prompt has the passages by number, the best first, and the question."""
    write_lines(
        tmp_path / "notes.jsonl",
        {"id": "ahab", "text": "A captain hunts a white whale."},
        {"id": "bread", "text": "Knead the dough for ten minutes."},
    )
    index(tmp_path / "notes.jsonl", "notes", tmp_path / "data")
    prompt = example(
        "assistant/ask.py",
        *("who hunts the whale?", "--collection", "notes", "-k", "2"),
        BEARING_DATA=str(tmp_path / "data"),
    )
    assert "[1] ahab\nA captain hunts a white whale.\n\n[2] bread" in prompt
    assert "Question: who hunts the whale?" in prompt


def test_duplicates_are_grouped(address: str) -> None:
    """Questions that say the same are on one line, others on none."""
    fill(address, "questions", EXAMPLES / "duplicates" / "questions.jsonl")
    words = [address, "--collection", "questions", "--at-least", "0.8"]
    printed = example("duplicates/find_duplicates.py", *words)
    assert printed.splitlines() == ["q1\tq2\tq4", "q5\tq6"]


def test_what_is_recommended_is_like_the_liked(address: str) -> None:
    """Films of space for who likes two of them and no romance; known ones never come again."""
    fill(address, "films", EXAMPLES / "recommendation" / "films.jsonl")
    words = ["--like", "alien", "--like", "solaris", "--unlike", "notting-hill", "-k", "2"]
    printed = example(
        "recommendation/recommend.py", address, "--collection", "films", *words
    ).splitlines()
    assert {line.split()[1] for line in printed} == {"event-horizon", "gravity"}


def test_titles_become_judged_queries(tmp_path: Path) -> None:
    """Titles that two documents share are not asked, and none stands in the corpus."""
    titles = ["Lift", "Drag", "Heat", "Heat", None]
    records = [{"id": n, "title": title, "text": f"text {n}"} for n, title in enumerate(titles)]
    write_lines(tmp_path / "library.jsonl", *records)
    folder = tmp_path / "judged"
    printed = example("two-models/judge_by_titles.py", str(tmp_path / "library.jsonl"), str(folder))
    assert printed.startswith("5 documents and 2 queries")
    judged = (folder / "qrels" / "test.tsv").read_text().splitlines()
    assert sorted(judged[1:]) == ["title-0\t0\t1", "title-1\t1\t1"]
    assert "title" not in (folder / "corpus.jsonl").read_text()
    run(
        ["-m", "app.cli", "evaluate", str(folder), "--json"],
        {"BEARING_DATA": str(tmp_path / "data"), "BEARING_MODEL": "hashing"},
    )
