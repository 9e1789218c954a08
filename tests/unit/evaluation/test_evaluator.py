"""Reading judged queries, their measures, and what an evaluation reports."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from local import create_local

from indexer.collection import Collection
from indexer.documents import Document
from indexer.embedding import open_embedder
from indexer.embedding.cross_encoders.reranker import OverlapReranker
from indexer.embedding.embedder import Embedder, TextRole
from indexer.errors import InvalidInput, Unreadable
from indexer.evaluation.dataset import Dataset, read_dataset
from indexer.evaluation.evaluator import evaluate
from indexer.evaluation.measures import DEEP, MEASURES, measure
from indexer.evaluation.systems import LocalSystem
from indexer.ingestion.changes import store
from indexer.queries import Answer, Mode, Query

HEADER = "query-id\tcorpus-id\tscore\n"


def write_dataset(
    folder: Path, queries: str | bytes, judgements: str | bytes, split: str = "test"
) -> Path:
    """A dataset's folder, with an empty corpus."""
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text("")
    for name, content in (("queries.jsonl", queries), (f"qrels/{split}.tsv", judgements)):
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def lines(*records: Any) -> str:
    """JSON Lines."""
    return "".join(json.dumps(record) + "\n" for record in records)


class TestReadDataset:
    """BEIR's layout."""

    def test_judged_queries_are_read(self, tmp_path: Path) -> None:
        """Queries without a judgement are left out, and the header is not a judgement."""
        folder = write_dataset(
            tmp_path / "beir",
            lines(
                {"_id": "1", "text": "one"}, {"_id": "2", "text": "two"}, {"_id": "3", "text": ""}
            ),
            HEADER + "1\td1\t2\n1\td2\t0\n3\td1\t1\n",
        )
        assert read_dataset(folder) == Dataset(
            "beir",
            folder / "corpus.jsonl",
            {"1": "one", "3": ""},
            {"1": {"d1": 2, "d2": 0}, "3": {"d1": 1}},
        )

    @pytest.mark.parametrize(
        "judgements",
        [
            "1\td\t2\n1\te\t-1\n",
            "query-id\tcorpus-id\tscore\n1\td\t2\n1\te\t-1\n",
            "any line\n1\td\t2\n1\te\t-1\n",
            "1 0 d 2\n1 0 e -1\n",
            "1\tQ0\td\t2\n1\tQ0\te\t-1\n",
            "1\td\t2.0\n1\te\t-1.0\n",
            "1 0 d 2.\n1 0 e -1.00\n",
        ],
    )
    def test_forms_of_judgements(self, tmp_path: Path, judgements: str) -> None:
        """BEIR's with or without a header, and TREC's, lose none; whole grades may be decimals."""
        folder = write_dataset(tmp_path / "d", '{"_id": "1", "text": "x"}\n', judgements)
        assert read_dataset(folder).qrels == {"1": {"d": 2, "e": -1}}

    def test_a_short_line_of_trec(self, tmp_path: Path) -> None:
        """A line of TREC's form that lacks a cell is named."""
        folder = write_dataset(tmp_path / "d", '{"_id": "1", "text": "x"}\n', "1 0 d 2\n1 0 e\n")
        with pytest.raises(Unreadable, match=r"test\.tsv:2: expected query-id"):
            read_dataset(folder)

    def test_what_editors_leave_is_no_error(self, tmp_path: Path) -> None:
        """Byte order marks, Windows line ends and blank lines are read over."""
        folder = write_dataset(
            tmp_path / "d",
            b"\xef\xbb\xbf" + b'{"_id": "1", "text": "one"}\r\n\r\n{"_id": 2, "text": "two"}',
            b"\xef\xbb\xbf" + HEADER.encode() + b"1\td1\t1\r\n\r\n2\td 2\t-1",
        )
        dataset = read_dataset(folder)
        assert dataset.queries == {"1": "one", "2": "two"}
        assert dataset.qrels == {"1": {"d1": 1}, "2": {"d 2": -1}}

    def test_ids_may_be_called_id(self, tmp_path: Path) -> None:
        """Records that say id instead of _id are understood, as in a corpus."""
        folder = write_dataset(
            tmp_path / "d", lines({"id": "1", "text": "x"}), HEADER + "1\td\t1\n"
        )
        assert read_dataset(folder).queries == {"1": "x"}

    def test_the_later_of_two_judgements_wins(self, tmp_path: Path) -> None:
        """Repeated pairs and queries count as BEIR counts them."""
        queries = lines({"_id": "1", "text": "old"}, {"_id": "1", "text": "new"})
        folder = write_dataset(tmp_path / "d", queries, HEADER + "1\td\t0\n1\td\t2\n")
        assert read_dataset(folder).queries == {"1": "new"}
        assert read_dataset(folder).qrels == {"1": {"d": 2}}

    def test_another_split_is_read_by_name(self, tmp_path: Path) -> None:
        """A split that is not there is refused with those that are."""
        queries = lines({"_id": "1", "text": "x"})
        folder = write_dataset(tmp_path / "d", queries, HEADER + "1\td\t1\n", split="dev")
        assert read_dataset(folder, "dev").qrels == {"1": {"d": 1}}
        with pytest.raises(Unreadable, match=r"test\.tsv: no such file; splits there are: dev"):
            read_dataset(folder)

    @pytest.mark.parametrize(
        ("queries", "judgements", "message"),
        [
            ("{", "1\td\t1\n", r"queries\.jsonl:1: not JSON"),
            ('{"_id": "1", "text": "x"}\n[]', "1\td\t1\n", r"queries\.jsonl:2: expected an object"),
            ("[" * 100_000, "1\td\t1\n", r"queries\.jsonl:1: not JSON"),
            (b'{"_id": "\xff"}', "1\td\t1\n", r"queries\.jsonl:1: not JSON"),
            ('{"_id": "1"}', "1\td\t1\n", r"queries\.jsonl:1: a query needs"),
            ('{"_id": "", "text": "x"}', "1\td\t1\n", r"queries\.jsonl:1: a query needs"),
            ('{"_id": true, "text": "x"}', "1\td\t1\n", r"queries\.jsonl:1: a query needs"),
            ('{"_id": "1", "text": 7}', "1\td\t1\n", r"queries\.jsonl:1: a query needs"),
            (r'{"_id": "1", "text": "\ud800"}', "1\td\t1\n", r"queries\.jsonl:1: .*surrogate"),
            ('{"_id": "2", "text": "x"}', "1\td\t1\n", r"query '1' is judged but not there"),
            ("", "1\td\n", r"test\.tsv:2: expected query-id, corpus-id and score"),
            ("", "1\td\t1\t1\n", r"test\.tsv:2: expected query-id"),
            ("", "1 d 1\n", r"test\.tsv:2: expected query-id"),
            ("", "1\td\t1\n\td\t1\n", r"test\.tsv:3: expected query-id"),
            ("", "1\t\t1\n", r"test\.tsv:2: expected query-id"),
            ("", "1\td\thigh\n", r"test\.tsv:2: the score must be an integer, got 'high'"),
            ("", "1\td\t0.5\n", r"test\.tsv:2: the score must be an integer, got '0\.5'"),
            ("", b"1\t\xff\t1\n", r"test\.tsv: .*utf-8"),
            ("", "", r"test\.tsv: no judgement in it"),
        ],
    )
    def test_a_malformed_line_is_named(
        self, tmp_path: Path, queries: str | bytes, judgements: str | bytes, message: str
    ) -> None:
        """The error names file and line, and what belongs there."""
        header = HEADER if isinstance(judgements, str) else HEADER.encode()
        folder = write_dataset(tmp_path / "d", queries, header + judgements)  # type: ignore[operator]
        with pytest.raises(Unreadable, match=message):
            read_dataset(folder)

    @pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
    def test_a_missing_file_is_named(self, tmp_path: Path, name: str) -> None:
        """Each of the three files must be there."""
        queries = lines({"_id": "1", "text": "x"})
        folder = write_dataset(tmp_path / "d", queries, HEADER + "1\td\t1\n")
        (folder / name).unlink()
        with pytest.raises(Unreadable, match=name.rpartition("/")[2]):
            read_dataset(folder)


def expected_measures(
    run: Mapping[str, Sequence[str]], qrels: Mapping[str, Mapping[str, int]]
) -> dict[str, float]:
    """The measures by their formulas, written out."""
    per_query = []
    for query, judged in qrels.items():
        found = list(run.get(query, ()))
        gains = [max(judged.get(id, 0), 0) for id in found]
        ideal = sorted((max(grade, 0) for grade in judged.values()), reverse=True)
        relevant = [grade > 0 for grade in judged.values()].count(True)
        hits = [rank for rank, gain in enumerate(gains, start=1) if gain > 0]
        best = sum(g / math.log2(r + 1) for r, g in enumerate(ideal[:10], start=1))
        per_query.append(
            {
                "ndcg@10": sum(g / math.log2(r + 1) for r, g in enumerate(gains[:10], start=1))
                / (best or 1),
                "mrr@10": next((1 / rank for rank in hits if rank <= 10), 0.0),
                "recall@10": sum(rank <= 10 for rank in hits) / (relevant or 1),
                "recall@100": sum(rank <= 100 for rank in hits) / (relevant or 1),
                "map": sum(i / rank for i, rank in enumerate(hits, start=1)) / (relevant or 1),
            }
        )
    return {name: float(np.mean([found[name] for found in per_query])) for name in MEASURES}


class TestMeasure:
    """The measures by the names of the contract."""

    def test_a_run_by_hand(self) -> None:
        """One query with its first relevant document second, another found nothing."""
        found = measure({"1": ["x", "a", "y", "b"]}, {"1": {"a": 1, "b": 1}, "2": {"c": 1}})
        ideal = 1 + 1 / math.log2(3)
        assert found == pytest.approx(
            {
                "ndcg@10": (1 / math.log2(3) + 1 / math.log2(5)) / ideal / 2,
                "mrr@10": 0.5 / 2,
                "recall@10": 1.0 / 2,
                "recall@100": 1.0 / 2,
                "map": (1 / 2 + 2 / 4) / 2 / 2,
            }
        )

    @pytest.mark.parametrize("seed", range(5))
    def test_formulas_agree(self, seed: int) -> None:
        """Graded, zero and negative judgements, deep and short runs agree with the formulas."""
        random_ = random.Random(seed)
        documents = [f"d{i}" for i in range(400)]
        qrels = {
            f"q{i}": {id: random_.choice([-2, 0, 1, 2, 3]) for id in random_.sample(documents, 30)}
            for i in range(8)
        }
        run = {f"q{i}": random_.sample(documents, random_.choice([0, 5, 400])) for i in range(7)}
        assert measure(run, qrels) == pytest.approx(expected_measures(run, qrels), abs=1e-12)

    def test_cut_offs_are_where_their_names_say(self) -> None:
        """Rank 10 counts at 10 and rank 11 does not; likewise 100 and 101."""
        others = [f"x{i}" for i in range(200)]

        def at(rank: int) -> dict[str, float]:
            return measure({"1": [*others[: rank - 1], "a", *others[rank:]]}, {"1": {"a": 1}})

        assert at(10)["mrr@10"] == pytest.approx(0.1)
        assert at(10)["ndcg@10"] == pytest.approx(1 / math.log2(11))
        assert at(10)["recall@10"] == 1
        assert (at(11)["mrr@10"], at(11)["ndcg@10"], at(11)["recall@10"]) == (0, 0, 0)
        assert (at(100)["recall@100"], at(101)["recall@100"]) == (1, 0)
        assert at(101)["map"] == pytest.approx(1 / 101)

    def test_the_given_order_counts_and_not_the_ids(self) -> None:
        """trec_eval would order ties by id; ranks are never ties, however many there are."""
        ids = [f"{i:05}" for i in range(3_000)]
        for order in (ids, ids[::-1]):
            assert measure({"1": order}, {"1": {order[0]: 1}})["mrr@10"] == 1.0
            assert measure({"1": order}, {"1": {order[1]: 1}})["map"] == 0.5

    def test_queries_outside_the_judgements_do_not_count(self) -> None:
        """A run may hold more queries than are judged."""
        assert measure({"1": ["a"], "2": ["a"]}, {"1": {"a": 1}})["map"] == 1.0

    def test_an_empty_run_measures_zero(self) -> None:
        """Nothing found is 0 throughout, not an error."""
        assert set(measure({}, {"1": {"a": 1}}).values()) == {0.0}

    def test_some_measures_may_be_asked_for(self) -> None:
        """Only those asked for are given."""
        assert measure({"1": ["a"]}, {"1": {"a": 1}}, DEEP) == {"recall@100": 1.0, "map": 1.0}


def sentence(random_: random.Random) -> str:
    """A few made-up words, some more often than others."""
    return " ".join(f"w{int(random_.expovariate(0.05))}" for _ in range(8))


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    """The embedder that needs no model."""
    with open_embedder("hashing", cache=tmp_path_factory.mktemp("cache")) as embedder:
        yield embedder


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    """Texts of the same words."""
    random_ = random.Random(1)
    return [Document(f"d{i}", sentence(random_)) for i in range(150)]


class Witness:
    """A collection that remembers what it was asked."""

    def __init__(self, collection: Collection) -> None:
        self.asked: list[Sequence[Query]] = []
        self._collection = collection

    def search(self, queries: Sequence[Query]) -> list[Answer]:
        """The collection's answers."""
        self.asked.append(queries)
        return self._collection.search(queries)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)


@pytest.fixture(scope="module")
def collection(
    tmp_path_factory: pytest.TempPathFactory, embedder: Embedder, documents: list[Document]
) -> Iterator[Collection]:
    """A collection of those documents."""
    folder = tmp_path_factory.mktemp("evaluation") / "things"
    with create_local(folder, embedder.identity) as collection:
        store(collection, embedder, documents)
        yield collection


@dataclass(frozen=True)
class Ranking:
    """All documents by exact cosine to a query, with their cosines rounded so that ties show."""

    ids: list[str]
    scores: list[float]


def rank(embedder: Embedder, documents: Sequence[Document], text: str) -> Ranking:
    """The exact answer, by NumPy in float64."""
    stored = embedder.embed([d.text for d in documents]).vectors.astype(np.float64)
    scores = stored @ embedder.embed([text], TextRole.QUERY).vectors[0].astype(np.float64)
    order = np.argsort(-scores)
    return Ranking([documents[i].id for i in order], [round(float(scores[i]), 5) for i in order])


def judge(
    embedder: Embedder, documents: Sequence[Document]
) -> tuple[Dataset, dict[str, list[str]]]:
    """Queries judged at random, documents of one score alike; and the exact run.

    So the measures do not depend on how ties are broken.
    """
    random_ = random.Random(0)
    queries = {f"q{i}": sentence(random_) for i in range(12)}
    run, qrels = {}, {}
    for id, text in queries.items():
        ranking = rank(embedder, documents, text)
        grades = {score: random_.choice([0, 0, 0, 0, 1, 2]) for score in ranking.scores}
        run[id] = ranking.ids
        qrels[id] = {d: grades[s] for d, s in zip(ranking.ids, ranking.scores, strict=True)}
    return Dataset("words", Path("corpus.jsonl"), queries, qrels), run


class TestEvaluate:
    """A collection against judged queries."""

    def test_equals_exact_search_and_the_formulas(
        self, collection: Collection, embedder: Embedder, documents: list[Document]
    ) -> None:
        """What is reported is what exact search and the formulas give."""
        dataset, run = judge(embedder, documents)
        report = evaluate(LocalSystem(collection, embedder), dataset)
        expected = expected_measures(run, dataset.qrels)
        assert report.measures == pytest.approx(expected, abs=1e-9)
        assert all(0 < figure < 1 for figure in expected.values())
        assert (report.queries, report.documents, report.missing, report.truncated) == (
            12,
            150,
            0,
            0,
        )
        assert report.exact
        assert report.facts.settings["mode"] is Mode.DENSE

    def test_a_query_that_is_a_document_can_be_left_out(
        self, collection: Collection, embedder: Embedder, documents: list[Document]
    ) -> None:
        """With ignore_identical_ids a query's own document is dropped, and the next moves up."""
        queries, qrels = {}, {}
        for document in documents:
            ranking = rank(embedder, documents, document.text)
            # Relevant is what ranks 11th, the document itself being first, and all as close.
            if ranking.ids[0] == document.id and ranking.scores[9] != ranking.scores[10]:
                queries[document.id] = document.text
                tied = zip(ranking.ids, ranking.scores, strict=True)
                qrels[document.id] = {id: 1 for id, s in tied if s == ranking.scores[10]}
        assert len(queries) >= 10
        dataset = Dataset("self", Path("corpus.jsonl"), queries, qrels)
        assert evaluate(LocalSystem(collection, embedder), dataset).measures["mrr@10"] == 0.0
        dropped = evaluate(LocalSystem(collection, embedder), dataset, ignore_identical_ids=True)
        assert dropped.measures["mrr@10"] == pytest.approx(0.1)

    def test_hits_are_reranked_where_the_settings_say_so(
        self, collection: Collection, embedder: Embedder, documents: list[Document]
    ) -> None:
        """A cross-encoder's order is what is measured, as deep as it looks."""
        dataset, _ = judge(embedder, documents)
        plain = evaluate(LocalSystem(collection, embedder), dataset).measures
        settings = {"rerank": 20}
        system = LocalSystem(collection, embedder, settings, OverlapReranker())
        reranked = evaluate(system, dataset).measures
        assert reranked["ndcg@10"] != plain["ndcg@10"]
        assert reranked["recall@100"] == plain["recall@100"]

    def test_map_is_taken_over_the_depth(
        self, collection: Collection, embedder: Embedder, documents: list[Document]
    ) -> None:
        """What lies deeper than the depth counts as not found."""
        dataset, _ = judge(embedder, documents)
        deep = evaluate(LocalSystem(collection, embedder), dataset).measures
        shallow = evaluate(LocalSystem(collection, embedder), dataset, depth=100).measures
        assert shallow["map"] < deep["map"]
        assert {**shallow, "map": deep["map"]} == deep
        # The spare hit that ignore_identical_ids asks for is no deeper look.
        spare = evaluate(
            LocalSystem(collection, embedder), dataset, depth=100, ignore_identical_ids=True
        )
        assert spare.measures == shallow
        with pytest.raises(InvalidInput, match="depth must be at least 100 for recall@100, got 99"):
            evaluate(LocalSystem(collection, embedder), dataset, depth=99)

    def test_relevant_documents_that_are_not_stored_are_counted(
        self, collection: Collection, embedder: Embedder
    ) -> None:
        """Missing relevant documents are reported; judged irrelevant ones do not matter."""
        queries = {"q": "wing", "r": "nothing relevant"}
        qrels = {"q": {"d1": 1, "gone": 1, "lost": 0, "away": 2}, "r": {"d2": 0}}
        report = evaluate(
            LocalSystem(collection, embedder), Dataset("x", Path("c"), queries, qrels)
        )
        assert report.missing == 2
        assert report.queries == 2

    def test_a_collection_of_something_else_is_refused(
        self, collection: Collection, embedder: Embedder
    ) -> None:
        """Where no relevant document is stored at all, the error says what to index."""
        dataset = Dataset("beir", Path("beir/corpus.jsonl"), {"q": "wing"}, {"q": {"gone": 1}})
        with pytest.raises(
            InvalidInput, match=r"none of the 1 relevant .*index beir/corpus\.jsonl"
        ):
            evaluate(LocalSystem(collection, embedder), dataset)

    def test_truncated_queries_are_counted(
        self, collection: Collection, embedder: Embedder
    ) -> None:
        """A query longer than the model's window is searched, and reported."""
        queries = {"long": "wing " * 1_000, "short": "wing"}
        qrels = {id: {"d1": 1} for id in queries}
        assert (
            evaluate(
                LocalSystem(collection, embedder), Dataset("x", Path("c"), queries, qrels)
            ).truncated
            == 1
        )

    @pytest.mark.parametrize("exact", [True, False])
    def test_each_query_is_searched_by_itself(
        self, collection: Collection, embedder: Embedder, exact: bool
    ) -> None:
        """A query is asked as users ask it, then deep; only one is asked at a time."""
        dataset = Dataset("x", Path("c"), {"q": "wing", "r": "jet"}, {"q": {"d1": 1}, "r": {}})
        witness = Witness(collection)
        evaluate(LocalSystem(witness, embedder, {"exact": exact}), dataset, depth=120)
        timed_then_deep = [("wing", 10), ("jet", 10), ("wing", 120), ("jet", 120)]
        assert [[(q.text, q.k) for q in asked] for asked in witness.asked[-4:]] == [
            [one] for one in timed_then_deep
        ]
        assert {query.exact for asked in witness.asked for query in asked} == {exact}

    def test_progress_counts_searches(
        self, collection: Collection, embedder: Embedder, documents: list[Document]
    ) -> None:
        """Each search done is told, one by one, with how many there will be."""
        told: list[tuple[int, int]] = []
        dataset, _ = judge(embedder, documents)
        evaluate(
            LocalSystem(collection, embedder), dataset, on_progress=lambda *pair: told.append(pair)
        )
        assert told == [(done, 24) for done in range(1, 25)]

    def test_figures_are_one_flat_object(
        self, collection: Collection, embedder: Embedder, documents: list[Document]
    ) -> None:
        """The report survives JSON with the names of the contract and plausible times."""
        report = evaluate(LocalSystem(collection, embedder), judge(embedder, documents)[0])
        figures = json.loads(json.dumps(report.figures()))
        assert set(figures) >= {
            *("ndcg@10", "recall@10", "recall@100", "mrr@10", "map"),
            *("queries", "documents", "query_ms_p50", "query_ms_p99"),
        }
        assert 0 < figures["query_ms_p50"] <= figures["query_ms_p99"]
        assert figures["mode"] == "dense"
