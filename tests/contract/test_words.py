"""What every collection promises of words, against BM25 written here from its formula."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import formula
import numpy as np
import pytest
from formula import bm25
from local import create_local
from samples import DIMENSION, make_identity, random_units

from indexer.collection import Collection
from indexer.documents import Chunk, Document, EmbeddedDocument, Vectors, normalise
from indexer.filters import matches, parse_filter
from indexer.queries import Fusion, Hit, Mode, Query
from indexer.thresholds import Thresholds

WORDS = [f"w{i}" for i in range(60)]  # stems of themselves
ODD = [
    *("", " ", "the of and", "😀🦆", '"', "NOT (", 'title:"x" AND', "a*b?~2^3", "\x00", "\u202e"),
    " ".join(f"word{i}" for i in range(10_000)),
    "w1 " * 10_000,
]


def make_texts(count: int, seed: int = 0) -> dict[str, str]:
    """Texts of 1 to 30 words, a few of which are in most of them."""
    dice = random.Random(seed)
    return {
        f"d{i}": " ".join(
            WORDS[min(int(dice.expovariate(0.12)), 59)] for _ in range(dice.randint(1, 30))
        )
        for i in range(count)
    }


def fill(
    collection: Collection, texts: Mapping[str, str], metadata: Callable[[str], dict] | None = None
) -> Vectors:
    """Documents of one chunk each, in two batches; their vectors."""
    vectors = random_units(len(texts))
    embedded = [
        EmbeddedDocument(
            Document(id, text, None, metadata(id) if metadata else {}),
            (Chunk(0, 0, len(text)),),
            vectors[i : i + 1],
        )
        for i, (id, text) in enumerate(texts.items())
    ]
    half = len(embedded) // 2
    for part in (embedded[:half], embedded[half:]):
        collection.put(part)
    return vectors


def search(collection: Collection, text: str, **given: object) -> tuple[Hit, ...]:
    """The hits of one search for words."""
    return collection.search([Query(text=text, **({"mode": Mode.LEXICAL} | given))])[0].hits


def agree(hits: tuple[Hit, ...], scores: Mapping[str, float], k: int) -> None:
    """The k best, equal ones by id, each with its score."""
    formula.agree([(hit.document.id, hit.score) for hit in hits], scores, k)
    for rank, hit in enumerate(hits, start=1):
        assert (hit.scores.lexical, hit.scores.lexical_rank) == (hit.score, rank)
        assert hit.distance is hit.scores.dense is None


def found(collection: Collection, text: str, **given: object) -> list[tuple[str, float]]:
    """Ids and scores of the hits of one search for words."""
    return [(hit.document.id, hit.score) for hit in search(collection, text, **given)]


@pytest.mark.parametrize("rebuilt", [False, True])
def test_hits_are_the_best_by_bm25(collection: Collection, rebuilt: bool) -> None:
    """The k documents of largest score, as soon as they are put, and by a new index."""
    texts = make_texts(400)
    fill(collection, texts)
    if rebuilt:
        collection.rebuild()
    for query in ("w3", "w1 w7 w7 w30", "w55 w58 unheard", " ".join(WORDS)):
        agree(search(collection, query, k=25), bm25(texts, query), 25)
        agree(search(collection, query, k=500), bm25(texts, query), 500)
    assert search(collection, "unheard of") == ()


@pytest.mark.parametrize("count", [2_400, pytest.param(12_000, marks=pytest.mark.long)])
def test_many_documents_at_once_are_the_best_by_bm25(collection: Collection, count: int) -> None:
    """At first and when as many came again; of 12,000 another process makes the local index."""
    check_many(collection, count)


def test_what_another_process_indexes_is_the_best_by_bm25(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As if it were indexed here, which is done only where that fails, and then logged."""
    low = Thresholds(subprocess_documents=500)
    with (
        caplog.at_level(logging.DEBUG),
        create_local(tmp_path / "c", make_identity(), thresholds=low) as collection,
    ):
        check_many(collection, 1_200)
    assert "rebuild_job" not in caplog.text


def check_many(collection: Collection, count: int) -> None:
    """Raise AssertionError unless so many documents, indexed in two parts, are found by BM25."""
    texts = make_texts(count)
    before, after = (dict(list(texts.items())[part::2]) for part in (0, 1))
    fill(collection, before)
    collection.rebuild()
    agree(search(collection, "w3 w55", k=25), bm25(before, "w3 w55"), 25)
    fill(collection, after)
    collection.rebuild()
    agree(search(collection, "w3 w55", k=25), bm25(texts, "w3 w55"), 25)


def test_what_changes_is_found_by_its_new_words_at_once(collection: Collection) -> None:
    """Replaced, deleted, added and amended documents, over an index that does not know yet."""
    texts = make_texts(300)
    fill(collection, texts)
    collection.rebuild()
    changed = {"d1": "w1 fresh", "d2": "w2 fresh words", "new": "fresh"}
    fill(collection, changed)
    collection.delete(["d3", "d4"])
    collection.amend([Document("d5", texts["d5"], None, {"n": 1})])
    expected = {**texts, **changed}
    del expected["d3"], expected["d4"]
    for query in ("fresh", "w1 w2", texts["d3"]):
        agree(search(collection, query, k=1_000), bm25(expected, query), 1_000)
    assert search(collection, "fresh", filter=parse_filter({"n": 1})) == ()
    collection.rebuild()
    agree(search(collection, "fresh w1", k=1_000), bm25(expected, "fresh w1"), 1_000)


def test_a_filter_never_shortens_an_answer(collection: Collection) -> None:
    """K hits whenever k documents hold a word and pass; all documents count for the scores."""
    texts = make_texts(3_000)
    fill(collection, texts, lambda one: {"n": int(one[1:]) % 97})
    collection.rebuild()
    collection.delete([f"d{i}" for i in range(0, 3_000, 9)])
    living = {id: text for id, text in texts.items() if int(id[1:]) % 9}
    scores = {query: bm25(living, query) for query in ("w0", "w50 w1")}
    for condition in ({"n": 7}, {"n": {"$lt": 30}}, {"n": {"$ne": 7}}, {"x": 1}):
        parsed = parse_filter(condition)
        passing = {id for id in living if matches(parsed, {"n": int(id[1:]) % 97})}
        for query, own in scores.items():
            expected = {id: score for id, score in own.items() if id in passing}
            for k in (10, 5_000):
                agree(search(collection, query, k=k, filter=parsed), expected, k)


def test_what_was_deleted_never_shortens_an_answer(collection: Collection) -> None:
    """An index that still holds the best documents, which are gone, gives the next best."""
    texts = make_texts(400)
    fill(collection, texts)
    collection.rebuild()
    scores = bm25(texts, "w9 w2")
    gone = sorted(scores, key=lambda one: -scores[one])[:50]
    collection.delete(gone)
    left = {id: text for id, text in texts.items() if id not in gone}
    agree(search(collection, "w9 w2", k=20), bm25(left, "w9 w2"), 20)


def test_what_was_replaced_does_not_count(collection: Collection) -> None:
    """However often a word is in versions that are gone, who says it most now comes first."""
    texts = {f"d{i}": f"w1 w{2 + i % 50} w{3 + i % 40}" for i in range(1_000)}
    fill(collection, texts)
    collection.rebuild()
    changed = {f"d{i}": f"{texts[f'd{i}']} w5" for i in range(900)}
    fill(collection, changed)
    fill(collection, {"new": "w1 w1 w1 w1 w1"})
    texts |= changed | {"new": "w1 w1 w1 w1 w1"}
    for _ in range(2):
        hits = search(collection, "w1", k=1_001)
        assert hits[0].document.id == "new"
        assert min(hit.score for hit in hits) > 0
        agree(hits, bm25(texts, "w1"), 1_001)
        collection.rebuild()


@pytest.mark.parametrize("unindexed", [0, 1, 150, 300])
def test_the_same_texts_score_the_same_whatever_is_unindexed(
    collection: Collection, unindexed: int
) -> None:
    """To the bit, whether the index holds them, and in whatever order they came."""
    texts = make_texts(300)
    fill(collection, dict(list(texts.items())[unindexed:]))
    collection.rebuild()
    fill(collection, dict(list(texts.items())[:unindexed]))
    queries = ("w3", "w1 w7 w7 w30", " ".join(WORDS))
    before = [found(collection, query, k=500) for query in queries]
    collection.rebuild()
    assert [found(collection, query, k=500) for query in queries] == before


def test_what_is_changed_and_changed_back_scores_as_before(collection: Collection) -> None:
    """To the bit, at once and when the index knows."""
    texts = make_texts(300)
    fill(collection, texts)
    collection.rebuild()
    before = found(collection, "w3 w9 w20", k=500)
    for version in ({id: f"{text} w3 w3" for id, text in texts.items()}, texts):
        fill(collection, version)
        collection.delete(["other"])
        fill(collection, {"other": "w3 w9"})
    collection.delete(["other"])
    assert found(collection, "w3 w9 w20", k=500) == before
    collection.rebuild()
    assert found(collection, "w3 w9 w20", k=500) == before


def test_the_first_hits_do_not_depend_on_how_many_are_asked_for(collection: Collection) -> None:
    """Equal scores are in order of ids, be they indexed or not."""
    texts = {f"d{i}": "w1 w2" if i % 3 else "w1 w3 w4" for i in range(400)}
    fill(collection, dict(list(texts.items())[:250]))
    collection.rebuild()
    fill(collection, dict(list(texts.items())[250:]))
    for query in ("w1", "w2 w4"):
        whole = found(collection, query, k=5_000)
        formula.agree(whole, bm25(texts, query), 5_000)
        assert len({score for _, score in whole}) < 5
        for k in (1, 3, 10, 140, 399):
            assert found(collection, query, k=k) == whole[:k]


def test_a_passage_holds_a_word_that_was_asked_for(collection: Collection) -> None:
    """Also where nearly all documents hold the word, and held others before."""
    document = Document("long", "w2 w3 .. w1 w4")
    chunks = (Chunk(0, 0, 5), Chunk(1, 9, 14))
    for text in ("w1 w7", "w1 w8", "w1 w9"):
        fill(collection, {f"d{i}": text for i in range(400)})
        collection.put([EmbeddedDocument(document, chunks, random_units(2))])
        collection.rebuild()
    fill(collection, {f"d{i}": "w1" for i in range(400)})
    hits = {hit.document.id: hit for hit in search(collection, "w1", k=1_000)}
    assert hits["long"].passage.text == "w1 w4"


@pytest.mark.parametrize("mode", [Mode.LEXICAL, Mode.HYBRID])
def test_odd_queries_never_fail(collection: Collection, mode: Mode) -> None:
    """Quotes, operators, nothing, very much: an answer, and in mode hybrid k hits."""
    fill(collection, make_texts(40))
    for _ in range(2):
        for query in ODD:
            hits = search(collection, query, mode=mode, vector=random_units(1)[0])
            assert len(hits) == 10 or mode is Mode.LEXICAL, query[:40]
        collection.rebuild()


def test_an_empty_collection_has_no_hits(collection: Collection) -> None:
    """In every mode, before and after an index is made."""
    for _ in range(2):
        for mode in Mode:
            vector = None if mode is Mode.LEXICAL else random_units(1)[0]
            assert search(collection, "w1", mode=mode, vector=vector) == ()
        collection.rebuild()


@pytest.mark.parametrize("fusion", list(Fusion))
def test_hybrid_hits_say_what_they_are_made_of(collection: Collection, fusion: Fusion) -> None:
    """K hits by the fused score, each with its cosine, its BM25 score and its places in both."""
    texts, query = make_texts(400), "w20 w33 w41"
    vectors, direction = fill(collection, texts), random_units(1, seed=3)[0]
    collection.rebuild()
    given = {"mode": Mode.HYBRID, "vector": direction, "fusion": fusion}
    hits = search(collection, query, k=30, **given)
    cosines = dict(zip(texts, (vectors @ direction).tolist(), strict=True))
    by_meaning = sorted(cosines, key=lambda one: -cosines[one])
    lexical = bm25(texts, query)
    least = sorted(lexical.values())[-50] * (1 - 1e-9)
    assert len(hits) == 30
    assert [hit.score for hit in hits] == sorted([hit.score for hit in hits], reverse=True)
    for hit in hits:
        id, scores = hit.document.id, hit.scores
        assert scores.dense == pytest.approx(cosines[id], abs=1e-6)
        assert hit.distance == pytest.approx(1 - cosines[id], abs=1e-6)
        assert scores.lexical == pytest.approx(lexical.get(id, 0.0), rel=1e-9)
        place = by_meaning.index(id) + 1
        assert scores.dense_rank == (place if place <= 50 else None)
        assert (scores.lexical_rank is None) == (lexical.get(id, 0.0) < least)
        assert scores.fused == hit.score
    assert {hit.scores.lexical_rank for hit in hits} & {1, 2, 3}
    if fusion is Fusion.RECIPROCAL_RANK:
        ranks = [(hit.scores.dense_rank, hit.scores.lexical_rank) for hit in hits]
        expected = [sum(1 / (60 + rank) for rank in pair if rank) for pair in ranks]
        assert [hit.score for hit in hits] == pytest.approx(expected)


def test_hybrid_hits_are_ranked_by_the_formula(collection: Collection) -> None:
    """Both standardised over the pool, 0.65 to 0.35, then feedback, on the scale of the cosines."""
    texts, query = make_texts(150), "w20 w33 w41"
    vectors, direction = fill(collection, texts), random_units(1, seed=3)[0]
    ids, lexical = list(texts), bm25(texts, query)
    dense = (vectors @ direction).astype(np.float64)
    words = np.array([lexical.get(id, 0.0) for id in ids])
    heads = np.argsort(-dense)[:50], [i for i in np.argsort(-words)[:50] if words[i] > 0]
    pool = np.union1d(*heads)
    fused = 0.65 * formula.standardised(dense[pool]) + 0.35 * formula.standardised(words[pool])
    best = np.argsort(-fused)[:30]
    weights = np.exp(fused[best[:5]] / 0.5)
    second = weights @ vectors[pool[best[:5]]]
    like = formula.standardised(vectors[pool[best]] @ second / np.linalg.norm(second))
    fused += 0.3 * like.min()
    fused[best] += 0.3 * (like - like.min())
    unit = max(float(dense[pool].std()), float(np.ptp(dense[pool])) / 8)
    fused = dense[pool].mean() + unit * fused
    wanted = {ids[pool[i]]: float(fused[i]) for i in np.argsort(-fused)[:40]}
    hits = search(collection, query, k=40, mode=Mode.HYBRID, vector=direction)
    assert [hit.document.id for hit in hits] == list(wanted)
    assert [hit.score for hit in hits] == pytest.approx(list(wanted.values()), abs=1e-5)


def test_what_is_like_several_of_the_best_moves_up(collection: Collection) -> None:
    """Of two equally near documents, that which is nearer to the other good ones comes first."""
    axes = np.eye(DIMENSION, dtype=np.float32)
    near = [0.8 * axes[0] + 0.6 * axes[1]] * 3
    twins = {"a": 0.5 * axes[0] + 0.866025 * axes[2], "b": 0.5 * axes[0] + 0.866025 * axes[1]}
    far = [axes[4], axes[5]]
    rows = normalise(np.stack([*near, *twins.values(), *far]))
    collection_of = ["n0", "n1", "n2", *twins, "f0", "f1"]
    collection.put(
        [
            EmbeddedDocument(Document(id, "w1"), (Chunk(0, 0, 2),), rows[i : i + 1])
            for i, id in enumerate(collection_of)
        ]
    )
    asked = {"k": 7, "vector": axes[0]}
    dense = [hit.document.id for hit in search(collection, "unheard", mode=Mode.DENSE, **asked)]
    hybrid = [hit.document.id for hit in search(collection, "unheard", mode=Mode.HYBRID, **asked)]
    assert dense[3:5] == ["a", "b"]
    assert hybrid[3:5] == ["b", "a"]


def test_hybrid_finds_k_whenever_k_exist(collection: Collection) -> None:
    """Words that are in no document leave what is near in meaning; filters shorten nothing."""
    fill(collection, make_texts(120), lambda one: {"n": int(one[1:]) % 3})
    direction, passing = random_units(1, seed=3)[0], parse_filter({"n": 1})
    for k in (5, 40, 1_000):
        asked = {"k": k, "filter": passing, "vector": direction}
        dense = search(collection, "unheard", mode=Mode.DENSE, **asked)
        hybrid = search(collection, "unheard", mode=Mode.HYBRID, **asked)
        assert len(hybrid) == len(dense)
        assert hybrid[0].document.id in {hit.document.id for hit in dense[:5]}
        assert len(search(collection, "w1", mode=Mode.HYBRID, **asked)) == min(k, 40)


def test_modes_are_answered_together(collection: Collection) -> None:
    """A batch of all modes gives what each search gives by itself."""
    fill(collection, make_texts(200))
    direction = random_units(1, seed=3)[0]
    queries = [
        Query(text=text, mode=mode, vector=None if mode is Mode.LEXICAL else direction)
        for text in ("w3 w9", "w40")
        for mode in Mode
    ]
    together = collection.search(queries)
    assert together == [collection.search([query])[0] for query in queries]
    assert [answer.mode for answer in together] == [*Mode, *Mode]


def test_hybrid_queries_of_one_call_are_answered_each_by_itself(collection: Collection) -> None:
    """Of any fusion, depth and number of words, to the bit; also where none has a candidate."""
    fill(collection, texts := make_texts(200), lambda one: {"n": int(one[1:]) % 7})
    nowhere = parse_filter({"n": 9})
    queries = [
        Query(
            text=text,
            vector=vector,
            mode=Mode.HYBRID,
            fusion=(*Fusion,)[i % 3 == 2],
            k=(1, 5, 70)[i % 3],
            candidates=None if i % 2 else 3 + i,
            filter=(None, parse_filter({"n": 2}), nowhere)[i % 3],
            unknown=False,
        )
        for i, (text, vector) in enumerate(
            zip(["", "unheard", *texts.values()], random_units(24, seed=9), strict=False)
        )
    ]
    together = collection.search(queries)
    assert together == [collection.search([query])[0] for query in queries]
    hits = [len(answer.hits) for answer in together]
    assert hits == [0 if query.filter is nowhere else min(query.k, 70) for query in queries]


def test_the_passage_is_the_chunk_with_the_words(collection: Collection) -> None:
    """Of a longer document, the chunk in which the words asked for are worth most is shown."""
    text = "w1 w2 w3 w4 .. rare w2 w1 .. w1 w1 w1 w1"
    chunks = (Chunk(0, 0, 12), Chunk(1, 15, 25), Chunk(2, 28, 40))
    document = EmbeddedDocument(Document("long", text), chunks, random_units(3))
    collection.put([document])
    fill(collection, {f"d{i}": "w1 w2" for i in range(20)})
    hits = {query: search(collection, query, k=30) for query in ("w1 rare", "w4 w1")}
    shown = {
        query: next(hit.passage for hit in own if hit.document.id == "long")
        for query, own in hits.items()
    }
    assert shown["w1 rare"].text == "rare w2 w1"
    assert (shown["w4 w1"].start, shown["w4 w1"].end) == (0, 12)


def test_it_says_which_modes_it_offers(collection: Collection) -> None:
    """And by the rules of which language words are stemmed."""
    index = collection.describe().index
    assert index["modes"] == ["dense", "lexical", "hybrid"]
    assert index["lexical"]["language"] == "english"
    assert np.all([name in index["lexical"] for name in ("documents", "late_documents", "bytes")])
