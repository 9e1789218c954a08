"""The command ``evaluate``: what it opens, asks, compares, prints and writes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from called import run_bearing
from judged import write_judged_set, write_lines
from typer.testing import Result


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A judged set."""
    return write_judged_set(tmp_path / "things")


def call(folder: Path, *words: str) -> Result:
    """The result of ``evaluate`` on a data directory of its own, with the hashing model."""
    settings = {"BEARING_DATA": str(folder / "data"), "BEARING_MODEL": "hashing", "COLUMNS": "80"}
    return run_bearing(["evaluate", *words], env=settings)


def figures(result: Result) -> dict:
    """The one JSON object on standard output."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_system_against_itself(tmp_path: Path, dataset: Path) -> None:
    """Exact search where all search is exact differs in nothing: p is 1 throughout."""
    found = figures(call(tmp_path, str(dataset), "--against", "exact=true", "--json"))
    assert found["against"]["changed"] == {"exact": "true"}
    assert found["collection"] == found["against"]["collection"] == "evaluate-things"
    for one in found["comparison"]["measures"].values():
        assert (one["p"], one["p_holm"], one["difference"], one["ties"]) == (1, 1, 0, 12)


def test_another_model_is_indexed_into_a_collection_of_its_own(
    tmp_path: Path, dataset: Path
) -> None:
    """Its name is said on standard error; A keeps its collection, and the figures differ."""
    result = call(tmp_path, str(dataset), "--against", "model=hashing-8", "--json")
    found = figures(result)
    assert "B has a collection of its own, 'evaluate-things-hashing-8'" in result.stderr
    assert (found["model"], found["against"]["model"]) == ("hashing-256", "hashing-8")
    assert found["against"]["documents"] == found["documents"] == 60
    one = found["comparison"]["measures"]["ndcg@10"]
    assert one["difference"] < 0
    assert one["p"] < 0.05
    alone = figures(call(tmp_path, str(dataset), "-c", "evaluate-things-hashing-8", "--json"))
    assert alone["ndcg@10"] == found["against"]["ndcg@10"] == one["b"]


def test_another_index_is_built_on_a_copy(tmp_path: Path) -> None:
    """Nothing is embedded again, and the index of the collection that was there stays."""
    dataset = write_judged_set(tmp_path / "many", documents=1_100)
    result = call(tmp_path, str(dataset), "--against", "index=scan", "--json")
    found = figures(result)
    assert found["index"] == "exact"
    assert (found["against"]["index"], found["against"]["exact"]) == ("scan", False)
    assert found["against"]["collection"] == "evaluate-many-scan"
    second = result.stderr.rpartition("indexing into")[2]
    assert "0 tokens/s" in second


def test_settings_of_both_sides(tmp_path: Path, dataset: Path) -> None:
    """--set goes for both, --against for B."""
    words = ["--set", "min_score=0.9", "--against", "min_score=none", "--json"]
    found = figures(call(tmp_path, str(dataset), *words))
    assert (found["min_score"], found["against"]["min_score"]) == (0.9, None)
    assert found["recall@100"] < found["against"]["recall@100"]


def test_one_evaluation_says_as_much_as_ever(tmp_path: Path, dataset: Path) -> None:
    """Without --against there is no comparison; measures have intervals that hold them."""
    found = figures(call(tmp_path, str(dataset), "--json"))
    assert not {"against", "comparison", "per_query"} & found.keys()
    for name, (low, high) in found["intervals"].items():
        assert low <= found[name] <= high
    assert found["rejected"] == 0


def test_more_measures(tmp_path: Path, dataset: Path) -> None:
    """They are added under the names of ir_measures; those of the contract stay."""
    words = ["--measures", "P@5", "--measures", "Success@1", "--measures", "AP", "--json"]
    found = figures(call(tmp_path, str(dataset), *words))
    assert {"P@5", "Success@1", "map"} <= found.keys()
    assert "AP" not in found
    assert 0 < found["P@5"] <= 0.2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--measures", "silly"], "'silly' is not a measure"),
        (["--measures", "P"], "'P' is not a measure"),
        (["--measures", "NumRet"], "no mean over queries"),
        (["--measures", "P@2000"], "ranks go from 1 to 1000"),
        (["--depth", "99"], "depth must be at least 100"),
        (["--against", "silly=1"], "got 'silly'"),
        (["--set", "mode=silly"], "--set mode must be one of"),
        (["--plot", "figure.gif"], "ends with .png, .svg, .pdf"),
        (["--url", "localhost:8000"], "a service's URL is like http://localhost:8000"),
        (["--url", "http://x", "--model", "hashing"], "name a collection"),
    ],
)
def test_wrong_usage(tmp_path: Path, dataset: Path, words: list[str], said: str) -> None:
    """It is refused with what is allowed."""
    result = call(tmp_path, str(dataset), *words, "--json")
    assert result.exit_code == 2
    assert said in json.loads(result.stdout)["error"]


def test_each_query_in_a_file(tmp_path: Path, dataset: Path) -> None:
    """One row for each; of two evaluations both values and their difference."""
    path = tmp_path / "each.tsv"
    found = figures(call(tmp_path, str(dataset), "--per-query", str(path), "--json"))
    rows = list(csv.DictReader(path.read_text().splitlines(), delimiter="\t"))
    assert [row["query"] for row in rows] == [f"q{i}" for i in range(12)]
    mean = sum(float(row["ndcg@10"]) for row in rows) / 12
    assert mean == pytest.approx(found["ndcg@10"], abs=1e-6)
    against = ["--against", "model=hashing-8", "--per-query", str(path), "--json"]
    found = figures(call(tmp_path, str(dataset), *against))
    rows = list(csv.DictReader(path.read_text().splitlines(), delimiter="\t"))
    for row, each in zip(rows, found["per_query"], strict=True):
        assert float(row["map:A"]) == pytest.approx(each["a"]["map"], abs=1e-6)
        assert float(row["map:B"]) == pytest.approx(each["b"]["map"], abs=1e-6)
        assert float(row["map:B-A"]) == pytest.approx(each["difference"]["map"], abs=1e-6)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, dataset: Path) -> None:
    """As a failure, with the reason."""
    path = str(tmp_path / "nowhere" / "each.tsv")
    result = call(tmp_path, str(dataset), "--per-query", path)
    assert result.exit_code == 1
    assert f"cannot write {path}: No such file" in result.stderr


@pytest.mark.parametrize(
    ("suffix", "begin", "words"),
    [
        ("png", b"\x89PNG", []),
        ("svg", b"<?xml", ["--against", "model=hashing-8"]),
        ("pdf", b"%PDF", []),
    ],
)
def test_a_figure(
    tmp_path: Path, dataset: Path, suffix: str, begin: bytes, words: list[str]
) -> None:
    """One evaluation and two can be drawn, in the format that the file's name says."""
    path = tmp_path / f"figure.{suffix}"
    assert call(tmp_path, str(dataset), *words, "--plot", str(path)).exit_code == 0
    assert path.read_bytes().startswith(begin)


def test_people_see_tables(tmp_path: Path, dataset: Path) -> None:
    """Both means, their difference, and the queries that gain and lose."""
    done = call(tmp_path, str(dataset), "--against", "model=hashing-8")
    text = done.stdout
    assert "things: 12 queries, 60 documents" in text
    for word in ("ndcg@10", "B - A", "95 % interval", "B loses most in ndcg@10", "Holm"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text.partition("Holm")[0]
    alone = call(tmp_path, str(dataset)).stdout
    assert "recall@100" in alone
    assert "B - A" not in alone


def test_rejected_lines_end_with_3(tmp_path: Path, dataset: Path) -> None:
    """Whichever side they are of; the measures are given all the same."""
    with (dataset / "corpus.jsonl").open("a") as file:
        file.write("{bad\n")
    result = call(tmp_path, str(dataset), "--against", "model=hashing-8", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["rejected"] == 1


def test_relevant_documents_that_are_missing_are_told(tmp_path: Path, dataset: Path) -> None:
    """They count as not found, which is said with what to do."""
    corpus = [json.loads(line) for line in (dataset / "corpus.jsonl").read_text().splitlines()]
    write_lines(dataset / "corpus.jsonl", *corpus[1:])
    result = call(tmp_path, str(dataset), "--json")
    assert "1 relevant documents are not in 'evaluate-things'" in result.stderr
    assert figures(result)["missing"] == 1
