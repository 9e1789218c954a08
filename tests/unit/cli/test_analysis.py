"""The commands that say what scores are worth, on judged queries of the hashing model."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from called import run_bearing
from typer.testing import Result

WORDS = [f"word{number}" for number in range(80)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty queries, each some words of a document that answers it."""
    folder = tmp_path_factory.mktemp("sets") / "judged"
    (folder / "qrels").mkdir(parents=True)
    rng = random.Random(0)
    texts = [rng.sample(WORDS, 12) for _ in range(120)]
    queries = [rng.sample(text, 5) + rng.sample(WORDS, 3) for text in texts[:60]]
    for name, given in (("corpus", texts), ("queries", queries)):
        lines = [
            json.dumps({"_id": f"{i}", "text": " ".join(words)}) for i, words in enumerate(given)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    judged = "".join(f"{number}\t{number}\t1\n" for number in range(60))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    return folder


def call(folder: Path, *words: str) -> Result:
    """The result of a command on a directory of collections, of the hashing model."""
    settings = {"BEARING_DATA": str(folder / "data"), "BEARING_MODEL": "hashing"}
    return run_bearing(list(words), env=settings)


def test_hits_have_a_relevance_once_the_collection_is_calibrated(
    tmp_path: Path, dataset: Path
) -> None:
    """The command tells its errors; searches then say of each hit how likely it is relevant."""
    done = call(tmp_path, "calibrate", str(dataset), "--json")
    assert done.exit_code == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["queries"] == 60
    assert figures["hits"] == 60 * 100
    assert figures["expected_calibration_error"] < 0.05
    assert figures["temperature"] > 0
    query = (dataset / "queries.jsonl").read_text().splitlines()[0]
    words = json.loads(query)["text"]
    found = call(tmp_path, "search", words, "-c", "evaluate-judged", "--json")
    hits = json.loads(found.stdout)["hits"]
    relevance = [hit["relevance"] for hit in hits]
    assert relevance == sorted(relevance, reverse=True)
    assert relevance[0] > 0.2
    assert relevance[-1] < 0.2
    shown = call(tmp_path, "search", words, "-c", "evaluate-judged").stdout
    assert "relevance" in shown
    assert any(word in shown for word in ("strong", "fair", "weak"))
    assert "of unrelated questions find as much" in " ".join(shown.split())
    assert json.loads(found.stdout)["significance"] > 0


def test_reranked_hits_have_a_relevance_once_that_is_learned(tmp_path: Path, dataset: Path) -> None:
    """Learned of one cross-encoder, it is said of hits that this has scored, and of no others."""
    done = call(tmp_path, "calibrate", str(dataset), "--reranker", "overlap", "--json")
    assert done.exit_code == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["hits"], figures["mode"][-10:]) == (60 * 50, "by overlap")
    query = (dataset / "queries.jsonl").read_text().splitlines()[0]
    asked = ("search", json.loads(query)["text"], "-c", "evaluate-judged", "--json")
    hits = json.loads(call(tmp_path, *asked, "--reranker", "overlap").stdout)["hits"]
    relevance = [hit["relevance"] for hit in hits]
    assert relevance == sorted(relevance, reverse=True) and relevance[0] > relevance[-1]
    assert {hit["grade"] for hit in hits} <= {"strong", "fair", "weak"}
    plain = json.loads(call(tmp_path, *asked).stdout)["hits"]
    assert not any("relevance" in hit for hit in plain)


def test_examples_have_no_relevance(tmp_path: Path, dataset: Path) -> None:
    """Queries, which were learned from, are not documents."""
    assert call(tmp_path, "calibrate", str(dataset)).exit_code == 0
    found = call(tmp_path, "search", "--like", "3", "-c", "evaluate-judged", "--json")
    assert not any("relevance" in hit for hit in json.loads(found.stdout)["hits"])


def test_without_enough_judged_queries_nothing_is_learned(tmp_path: Path, dataset: Path) -> None:
    """The refusal says how many there are."""
    few = tmp_path / "few"
    (few / "qrels").mkdir(parents=True)
    for name in ("corpus", "queries"):
        (few / f"{name}.jsonl").write_text((dataset / f"{name}.jsonl").read_text())
    (few / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n0\t0\t1\n")
    done = call(tmp_path, "calibrate", str(few), "--json")
    assert done.exit_code == 2
    assert "1 judged queries" in json.loads(done.stdout)["error"]


def test_a_diagnosis_is_a_table_or_one_object(tmp_path: Path, dataset: Path) -> None:
    """Each figure with what it means; examples by their ids."""
    assert call(tmp_path, "index", str(dataset / "corpus.jsonl")).exit_code == 0
    shown = call(tmp_path, "diagnose")
    assert shown.exit_code == 0, shown.stderr
    assert "effective rank" in shown.stdout
    drawn = [line for line in shown.stdout.splitlines() if "█" in line]
    assert len(drawn) > 3
    assert sum("←" in line for line in drawn) == 1
    figures = json.loads(call(tmp_path, "diagnose", "--json").stdout)
    assert figures["documents"] == 120
    null = next(one for one in figures["diagnostics"] if one["name"] == "significant_cosine")
    left_out = null["details"]["fields_left_out"]
    assert sum(each["queries"] for each in null["details"]["histogram"]) <= 600 - 12 * len(left_out)
    names = [one["name"] for one in figures["diagnostics"]]
    assert len(set(names)) == len(names) == 13
    assert {"alignment", "uniformity", "hubness", "near_duplicates"} < set(names)


def test_a_map_is_drawn_and_told(tmp_path: Path, dataset: Path) -> None:
    """With the share of neighbours that it keeps, its clusters, and what they are about."""
    assert call(tmp_path, "index", str(dataset / "corpus.jsonl")).exit_code == 0
    done = call(tmp_path, "map", "--json")
    assert done.exit_code == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["documents"], figures["fitted"], figures["late"]) == (120, 120, 0)
    low, high = figures["neighbours_kept_interval"]
    assert 0 < low <= figures["neighbours_kept"] <= high <= 1
    assert sum(one["documents"] for one in figures["clusters"]) == 120
    shown = call(tmp_path, "map").stdout
    assert "neighbours_kept" in shown
    assert figures["clusters"][0]["words"][0] in shown
