"""The commands as programs and people call them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result
from warm import warm_python

from indexer.cli.app import commands
from indexer.cli.options import ExitCode
from indexer.embedding.hashing_engine import open_hashing

DOCUMENTS = [
    {"_id": "tea", "title": "Tea", "text": "Leaves in hot water.", "kind": "drink", "year": 2020},
    {"_id": "ink", "text": "A pen is filled with ink.", "kind": "tool", "year": 2021},
    {"_id": "pen", "text": "A pen writes with ink on paper.", "kind": "tool", "year": 2022},
]

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """A command called in a folder of its own, without settings from the environment."""
    for name in [name for name in os.environ if name.startswith("BEARING_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BEARING_MODEL", "hashing-64")
    return lambda *words: CliRunner().invoke(commands(), [str(word) for word in words])


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three documents as JSON Lines."""
    return write_lines(tmp_path / "corpus.jsonl", DOCUMENTS)


def write_lines(path: Path, records: Sequence[object]) -> Path:
    """A file of JSON Lines; a string is a line as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [one if isinstance(one, str) else json.dumps(one) for one in records]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def answer(result: Result) -> dict[str, Any]:
    """The one JSON object on standard output."""
    assert result.stdout.count("\n") == 1
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_what_is_indexed_is_found(call: Call, corpus: Path) -> None:
    """Progress goes to standard error, one JSON object to standard output."""
    result = call("index", corpus, "--json")
    assert result.exit_code == ExitCode.DONE
    assert 'committed 3 documents (last id "pen")' in result.stderr
    figures = answer(result)
    assert (figures["written"], figures["unchanged"], figures["rejects"]) == (3, 0, None)

    hits = answer(call("search", "filled", "pen", "-k", 2, "--json"))["hits"]
    assert [hit["id"] for hit in hits] == ["ink", "pen"]
    assert hits[0]["distance"] == pytest.approx(1 - hits[0]["scores"]["dense"])
    assert hits[0]["passage"] == {"text": DOCUMENTS[1]["text"], "start": 0, "end": 25}
    assert hits[0]["metadata"] == {"kind": "tool", "year": 2021}


def test_a_second_run_embeds_nothing(call: Call, corpus: Path) -> None:
    """What is stored and unchanged is skipped."""
    call("index", corpus)
    figures = answer(call("index", corpus, "--json"))
    assert (figures["written"], figures["unchanged"], figures["tokens"]) == (0, 3, 0)


def test_fields_are_named_by_options(call: Call, tmp_path: Path) -> None:
    """What is not named as id, text or title is metadata."""
    path = write_lines(tmp_path / "a.jsonl", [{"key": "k", "body": "Some words.", "name": "N"}])
    call("index", path, "--id-field", "key", "--text-field", "body", "--title-field", "name")
    (hit,) = answer(call("search", "words", "--json"))["hits"]
    assert (hit["id"], hit["text"], hit["title"], hit["metadata"]) == ("k", "Some words.", "N", {})


def test_rejected_inputs_are_written_down_and_change_the_exit_code(
    call: Call, tmp_path: Path
) -> None:
    """Each with its place and reason; the rest is stored."""
    path = write_lines(tmp_path / "bad.jsonl", [DOCUMENTS[0], "{not JSON", DOCUMENTS[1]])
    result = call("index", path, "--json")
    assert result.exit_code == ExitCode.REJECTED
    figures = answer(result)
    assert (figures["written"], figures["rejected"]) == (2, 1)
    (rejected,) = map(json.loads, Path(figures["rejects"]).read_text().splitlines())
    assert rejected["place"] == f"{path}:2"
    assert figures["rejects"] in result.stderr


def test_the_rejects_file_holds_the_last_run_only(call: Call, corpus: Path, tmp_path: Path) -> None:
    """A run without rejects empties it."""
    rejects = tmp_path / "elsewhere" / "rejects.jsonl"
    call("index", write_lines(tmp_path / "bad.jsonl", ["{"]), "--rejects", rejects)
    assert len(rejects.read_text().splitlines()) == 1
    assert call("index", corpus, "--rejects", rejects).exit_code == ExitCode.DONE
    assert rejects.read_text() == ""


def test_a_folder_is_indexed_without_the_data_directory_in_it(call: Call, corpus: Path) -> None:
    """Neither the store nor the rejects are documents."""
    for _ in range(2):
        result = call("index", ".", "--json")
        assert result.exit_code == ExitCode.DONE
    assert answer(result)["unchanged"] == 3


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["search", "x", "--filter", "{"], ExitCode.USAGE, "--filter is not JSON"),
        (["search", "x", "--filter", '{"a": {"$no": 1}}'], ExitCode.USAGE, "$no"),
        (["search"], ExitCode.USAGE, "give one of"),
        (["search", "x", "--mode", "sparse"], ExitCode.USAGE, "sparse"),
        (["search", "x", "-k", "0"], ExitCode.USAGE, "-k"),
        (["search", "x", "-c", "no such"], ExitCode.USAGE, "collection's name"),
        (["search", "x", "-c", "missing"], ExitCode.FAILED, "no collection 'missing'"),
        (["stats", "-c", "missing"], ExitCode.FAILED, "no collection 'missing'"),
        (["index", "missing.jsonl"], ExitCode.FAILED, "missing.jsonl"),
        (["index"], ExitCode.USAGE, "PATH"),
        (["evaluate", "."], ExitCode.FAILED, "qrels/test.tsv"),
        (["collections", "create", "default"], ExitCode.FAILED, "already exists"),
        (["collections", "delete", "default"], ExitCode.USAGE, "--yes"),
        (["collections", "delete", "missing", "--yes"], ExitCode.FAILED, "missing"),
        (["index", "corpus.jsonl", "--model", "hashing-32"], ExitCode.FAILED, "hashing-64"),
    ],
)
def test_what_goes_wrong_is_said_in_words(
    call: Call, corpus: Path, words: list[str], code: ExitCode, message: str
) -> None:
    """Wrong usage exits 2, failure 1; nothing goes to standard output."""
    call("index", corpus)
    result = call(*words)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_hits_are_shown_with_bars_and_passages(call: Call, corpus: Path) -> None:
    """For people: rank, bar, score, title or id, and the passage."""
    call("index", corpus)
    shown = call("search", "hot water", "-k", 1, "--temperature", 0.1).stdout
    assert "█" in shown and "Tea" in shown and "Leaves in hot water." in shown
    assert "probability  1 " in shown


def test_a_document_cannot_steer_the_terminal(call: Call, tmp_path: Path) -> None:
    """Escape sequences of a document are not printed."""
    path = write_lines(tmp_path / "a.jsonl", [{"id": "a", "text": "red \x1b[31m [bold]words"}])
    call("index", path)
    shown = call("search", "words").stdout
    assert "\x1b" not in shown
    assert "[bold]words" in shown


def test_searches_take_filters_examples_and_bounds(call: Call, corpus: Path) -> None:
    """Everything that a query can hold."""
    call("index", corpus)

    def ids(*words: object) -> list[str]:
        hits = answer(call("search", *words, "--json"))["hits"]
        return [str(hit["id"]) for hit in hits]

    assert ids("ink", "--filter", '{"year": {"$gte": 2022}}') == ["pen"]
    assert ids("--like", "ink", "-k", 1) == ["pen"]
    assert ids("hot water", "--min-score", 0.4) == ["tea"]
    assert answer(call("search", "ink", "--exact", "--json"))["exact"] is True


def test_a_field_that_no_document_has_is_said(call: Call, corpus: Path) -> None:
    """It is no error; what fields there are is said beside it."""
    call("index", corpus)
    done = call("search", "ink", "--filter", '{"yaer": {"$gte": 2020}}', "--json")
    assert done.exit_code == ExitCode.DONE
    assert "no document has the field 'yaer'; there are: kind, year" in done.stderr
    assert answer(done)["unknown_fields"] == ["yaer"]
    assert "no document has" not in call("search", "ink", "--filter", '{"year": 1}').stderr


def test_similarity_is_the_cosine_of_the_models_vectors(call: Call) -> None:
    """In the shape of the service's answer, without any collection."""
    texts = ["a pen with ink", "ink", "hot water"]
    figures = answer(call("similarity", *texts, "--metric", "dot", "--temperature", 0.5, "--json"))
    vectors = open_hashing(64).embed(texts).vectors.astype(float)
    expected = vectors @ vectors.T
    np.testing.assert_allclose(figures["similarity"], expected, atol=1e-6)
    np.testing.assert_allclose(figures["distance"], 1 - expected, atol=1e-6)
    np.testing.assert_allclose(figures["metrics"]["dot"], expected, atol=1e-6)
    shares = np.exp(expected / 0.5) / np.exp(expected / 0.5).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(figures["probabilities"], shares, atol=1e-6)


def test_texts_to_compare_come_from_a_file_too(call: Call, tmp_path: Path) -> None:
    """A text a line; --against makes columns of its own."""
    (tmp_path / "texts").write_text("ink\n\npen\n")
    figures = answer(call("similarity", "--file", "texts", "--against", "ink", "--json"))
    assert np.shape(figures["similarity"]) == (2, 1)
    assert figures["similarity"][0][0] == pytest.approx(1.0)


def test_collections_are_made_listed_and_deleted(call: Call) -> None:
    """By name, each with the model it was made for."""
    call("collections", "create", "a")
    call("collections", "create", "b", "--model", "hashing-8")
    listed = answer(call("collections", "--json"))["collections"]
    assert [(one["name"], one["dimension"]) for one in listed] == [("a", 64), ("b", 8)]
    assert call("collections", "delete", "a", "--yes").exit_code == ExitCode.DONE
    listed = answer(call("collections", "list", "--json"))["collections"]
    assert [one["name"] for one in listed] == ["b"]
    assert answer(call("stats", "-c", "b", "--json"))["documents"] == 0


def test_an_evaluation_leaves_the_default_collection_alone(call: Call, tmp_path: Path) -> None:
    """The corpus goes into a collection named after the dataset's folder."""
    dataset = tmp_path / "my set"
    write_lines(dataset / "corpus.jsonl", DOCUMENTS)
    queries = [{"_id": "q1", "text": "hot water"}, {"_id": "q2", "text": "filled with ink"}]
    write_lines(dataset / "queries.jsonl", queries)
    qrels = ["query-id\tcorpus-id\tscore", "q1\ttea\t1", "q2\tpen\t1"]
    write_lines(dataset / "qrels" / "test.tsv", qrels)
    result = call("evaluate", dataset, "--json")
    assert result.exit_code == ExitCode.DONE
    figures = answer(result)
    assert figures["collection"] == "evaluate-my-set"
    assert (figures["queries"], figures["documents"]) == (2, 3)
    assert figures["mrr@10"] == pytest.approx((1 + 1 / 2) / 2)
    assert figures["recall@100"] == 1.0
    listed = answer(call("collections", "--json"))["collections"]
    assert [one["name"] for one in listed] == ["evaluate-my-set"]


def test_documents_of_elsewhere_in_an_evaluated_collection_are_warned_of(
    call: Call, tmp_path: Path, corpus: Path
) -> None:
    """They compete in every answer, so the figures are not those of the dataset."""
    dataset = tmp_path / "set"
    write_lines(dataset / "corpus.jsonl", DOCUMENTS[:1])
    write_lines(dataset / "queries.jsonl", [{"_id": "q1", "text": "hot water"}])
    write_lines(dataset / "qrels" / "test.tsv", ["header", "q1\ttea\t1"])
    call("index", corpus, "-c", "mixed")
    result = call("evaluate", dataset, "-c", "mixed", "--json")
    assert "2 documents that are not in this corpus" in result.stderr


# Processes


def process(folder: Path, *words: str, **options: Any) -> subprocess.Popen[str]:
    """A command as a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if "BEARING" not in name}
    return subprocess.Popen(
        [*warm_python(), "-m", "indexer", *words],
        env=inherited | {"BEARING_MODEL": "hashing", "BEARING_DATA": str(folder / "data")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize(
    "how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_an_interrupt_says_how_to_go_on_while_input_is_awaited(tmp_path: Path, how: int) -> None:
    """Also when standard input stays open and silent; what is committed is there."""
    with process(tmp_path, "index", "-", stdin=subprocess.PIPE) as running:
        assert running.stdin is not None and running.stderr is not None
        running.stdin.write('{"id": "a", "text": "A document."}\n')
        running.stdin.flush()
        while "committed 1 documents" not in (line := running.stderr.readline()):
            assert line
        running.send_signal(how)
        rest = running.stderr.read()
        assert running.wait(60) == ExitCode.FAILED
    assert "1 documents are committed. Run the same command again" in rest
    assert "Traceback" not in rest and "Fatal" not in rest
    with process(tmp_path, "stats", "--json") as running:
        assert json.loads(running.communicate()[0])["documents"] == 1


def test_a_reader_that_left_is_no_accident(tmp_path: Path) -> None:
    """As in ``bearing search ... | head -1``."""
    path = write_lines(
        tmp_path / "a.jsonl", [{"id": str(n), "text": f"pen {n}"} for n in range(999)]
    )
    with process(tmp_path, "index", str(path)) as running:
        assert "999 documents written" in running.communicate()[0]
    for form in ([], ["--json"]):
        with process(tmp_path, "search", "pen", "-k", "999", *form) as running:
            assert running.stdout is not None and running.stderr is not None
            running.stdout.close()
            errors = running.stderr.read()
        assert "Traceback" not in errors and "Exception" not in errors


def test_the_library_offers_neither_service_nor_demonstration(tmp_path: Path) -> None:
    """``python -m indexer`` has the commands that need no service."""
    with process(tmp_path, "serve") as running:
        assert "No such command 'serve'" in running.communicate()[1]
        assert running.returncode == ExitCode.USAGE
