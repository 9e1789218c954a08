"""Every measure that is offered against its formula, whatever ids, order and company it has."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import ir_measures
import pytest
from ir_measures.measures import registry

from indexer.errors import InvalidInput, Unreadable
from indexer.evaluation.dataset import read_dataset
from indexer.evaluation.measures import measure_each, parse_measures

Grades: TypeAlias = Mapping[str, int]
Formula: TypeAlias = Callable[[Sequence[str], Grades], float]


def kept(found: Sequence[str], grades: Grades) -> list[str]:
    """The documents found that were judged; a negative grade says that one was not."""
    return [id for id in found if grades.get(id, -1) >= 0]


def hits(found: Sequence[str], grades: Grades, rel: int = 1) -> list[bool]:
    """Which documents found are relevant."""
    return [grades.get(id, 0) >= rel for id in found]


def relevant(grades: Grades, rel: int = 1) -> int:
    """How many documents are relevant."""
    return sum(grade >= rel for grade in grades.values())


def precision(found: Sequence[str], grades: Grades, k: int, rel: int = 1) -> float:
    """The relevant share of the first k places."""
    return sum(hits(found, grades, rel)[:k]) / k if k else 0.0


def recall(found: Sequence[str], grades: Grades, k: int | None = None, rel: int = 1) -> float:
    """The share of the relevant that is found."""
    return sum(hits(found, grades, rel)[:k]) / max(relevant(grades, rel), 1)


def average_precision(
    found: Sequence[str], grades: Grades, k: int | None = None, rel: int = 1
) -> float:
    """The mean over the relevant of the precision at their places."""
    places = [place for place, hit in enumerate(hits(found, grades, rel)[:k], 1) if hit]
    total = sum(number / place for number, place in enumerate(places, 1))
    return total / max(relevant(grades, rel), 1)


def reciprocal_rank(
    found: Sequence[str], grades: Grades, k: int | None = None, rel: int = 1
) -> float:
    """1 / the place of the first relevant document."""
    places = [place for place, hit in enumerate(hits(found, grades, rel)[:k], 1) if hit]
    return 1 / places[0] if places else 0.0


def ndcg(
    found: Sequence[str],
    grades: Grades,
    k: int | None = None,
    gain: Callable[[int], float] = float,
) -> float:
    """The discounted gains of the first k places, as a share of the best possible."""
    gains = {id: gain(max(grade, 0)) for id, grade in grades.items()}

    def discounted(of: Sequence[float]) -> float:
        return sum(each / math.log2(place + 1) for place, each in enumerate(of[:k], 1))

    ideal = discounted(sorted(gains.values(), reverse=True))
    return discounted([gains.get(id, 0.0) for id in found]) / ideal if ideal else 0.0


def set_precision(
    found: Sequence[str], grades: Grades, rel: int = 1, *, relative: bool = False
) -> float:
    """The relevant share of all found, or of as many as could be relevant."""
    most = min(relevant(grades, rel), len(found)) if relative else len(found)
    return sum(hits(found, grades, rel)) / most if most else 0.0


def set_f(found: Sequence[str], grades: Grades, beta: float = 1.0, rel: int = 1) -> float:
    """The weighted harmonic mean of precision and recall, as trec_eval weighs them."""
    p, r = set_precision(found, grades, rel), recall(found, grades, None, rel)
    return (1 + beta) * p * r / (r + beta * p) if p + r else 0.0


def interpolated(found: Sequence[str], grades: Grades, share: float, rel: int = 1) -> float:
    """The best precision from where this share of the relevant is found, as trec_eval rounds it."""
    wanted = int(share * relevant(grades, rel) + 0.9)
    counts = [sum(hits(found, grades, rel)[:k]) for k in range(1, len(found) + 1)]
    shares = [count / k for k, count in enumerate(counts, 1) if count >= wanted]
    return max(shares, default=0.0) if relevant(grades, rel) else 0.0


def bpref(found: Sequence[str], grades: Grades, rel: int = 1) -> float:
    """The mean over the relevant of how few of the judged not relevant stand above."""
    count = relevant(grades, rel)
    others = min(count, sum(0 <= grade < rel for grade in grades.values()))
    above, total = 0, 0.0
    for id in kept(found, grades):
        if grades[id] >= rel:
            total += 1 - min(above, count) / others if above else 1.0
        else:
            above += 1
    return total / count if count else 0.0


def inferred(found: Sequence[str], grades: Grades, rel: int = 1) -> float:
    """Average precision estimated where -1 is in the pool, and unjudged (Yilmaz and Aslam)."""
    e, total, good, bad, unjudged = 0.00001, 0.0, 0, 0, 0
    for place, id in enumerate(found, 1):
        grade = grades.get(id)
        if grade is not None and grade >= rel:
            pooled = good + bad + unjudged
            above = (good + e) / (good + bad + 2 * e)
            total += 1.0 if place == 1 else (1 + pooled * above) / place
        good += grade is not None and grade >= rel
        bad += grade is not None and 0 <= grade < rel
        unjudged += grade is not None and grade < 0
    return total / max(relevant(grades, rel), 1)


def expected_rank(found: Sequence[str], grades: Grades, k: int) -> float:
    """The expected reciprocal rank at which a reader is content, grades going up to 4."""
    reading, total = 1.0, 0.0
    for place, id in enumerate(found[:k], 1):
        content = (2 ** max(grades.get(id, 0), 0) - 1) / 2**4
        total += reading * content / place
        reading *= 1 - content
    return total


def judged(found: Sequence[str], grades: Grades, k: int | None = None) -> float:
    """The share of the found that was judged."""
    top = found[:k]
    return sum(id in grades for id in top) / len(top) if top else 0.0


def compatibility(
    found: Sequence[str], grades: Grades, p: float = 0.95, *, normalize: bool = True
) -> float:
    """The overlap with the ideal ranking that is most like it, weighed by rank."""
    places = {id: place for place, id in enumerate(found)}
    good = [id for id, grade in grades.items() if grade > 0]
    ideal = sorted(good, key=lambda one: (-grades[one], places.get(one, len(found))))
    depth = max(len(found), len(ideal))

    def overlap(ranking: Sequence[str]) -> float:
        shares = [len({*ranking[:k]} & {*ideal[:k]}) / k for k in range(1, depth + 1)]
        weights = [p**place for place in range(depth)]
        return sum(w * s for w, s in zip(weights, shares, strict=True)) / sum(weights)

    if not found or not ideal:
        return 0.0
    return overlap(found) / (overlap(ideal) if normalize else 1.0)


FORMULAS: Mapping[str, Formula] = {
    "nDCG": ndcg,
    "nDCG@7": lambda f, g: ndcg(f, g, 7),
    "nDCG(dcg='exp-log2')@7": lambda f, g: ndcg(f, g, 7, lambda grade: 2**grade - 1),
    "nDCG(gains={1:5,2:7})@10": lambda f, g: ndcg(
        f, {id: {1: 5, 2: 7}.get(grade, grade) for id, grade in g.items()}, 10
    ),
    "nDCG(judged_only=True)@5": lambda f, g: ndcg(kept(f, g), g, 5),
    "P@5": lambda f, g: precision(f, g, 5),
    "P(rel=2)@5": lambda f, g: precision(f, g, 5, 2),
    "P(judged_only=True)@3": lambda f, g: precision(kept(f, g), g, 3),
    "AP": average_precision,
    "AP@5": lambda f, g: average_precision(f, g, 5),
    "AP(rel=2)@5": lambda f, g: average_precision(f, g, 5, 2),
    "AP(judged_only=True)": lambda f, g: average_precision(kept(f, g), g),
    "RR": reciprocal_rank,
    "RR@3": lambda f, g: reciprocal_rank(f, g, 3),
    "RR(rel=2)": lambda f, g: reciprocal_rank(f, g, None, 2),
    "RR(rel=2)@5": lambda f, g: reciprocal_rank(f, g, 5, 2),
    "RR(judged_only=True)": lambda f, g: reciprocal_rank(kept(f, g), g),
    "R@5": lambda f, g: recall(f, g, 5),
    "R(rel=2)@5": lambda f, g: recall(f, g, 5, 2),
    "R(judged_only=True)@5": lambda f, g: recall(kept(f, g), g, 5),
    "SetR": recall,
    "SetR(rel=2)": lambda f, g: recall(f, g, None, 2),
    "SetP": set_precision,
    "SetP(relative=True)": lambda f, g: set_precision(f, g, relative=True),
    "SetP(judged_only=True)": lambda f, g: set_precision(kept(f, g), g),
    "SetF": set_f,
    "SetF(beta=0.5)": lambda f, g: set_f(f, g, 0.5),
    "SetF(rel=2,beta=2.0)": lambda f, g: set_f(f, g, 2.0, 2),
    "SetAP": lambda f, g: set_precision(f, g) * recall(f, g),
    "Success@3": lambda f, g: float(any(hits(f, g)[:3])),
    "Success(rel=2)@3": lambda f, g: float(any(hits(f, g, 2)[:3])),
    "Rprec": lambda f, g: precision(f, g, relevant(g)),
    "Rprec(rel=2)": lambda f, g: precision(f, g, relevant(g, 2), 2),
    "IPrec@0.0": lambda f, g: interpolated(f, g, 0.0),
    "IPrec@0.37": lambda f, g: interpolated(f, g, 0.37),
    "IPrec(rel=2)@0.5": lambda f, g: interpolated(f, g, 0.5, 2),
    "IPrec@1.0": lambda f, g: interpolated(f, g, 1.0),
    "Bpref": bpref,
    "Bpref(rel=2)": lambda f, g: bpref(f, g, 2),
    "infAP": inferred,
    "infAP(rel=2)": lambda f, g: inferred(f, g, 2),
    "ERR@7": lambda f, g: expected_rank(f, g, 7),
    "Judged": judged,
    "Judged@5": lambda f, g: judged(f, g, 5),
    "Compat": compatibility,
    "Compat(p=0.8,normalize=False)": lambda f, g: compatibility(f, g, 0.8, normalize=False),
}
"""What each says of a query, by the name that ir_measures has for it."""

ROUNDED = ("ERR", "exp-log2")
"""What TREC's script gives with five decimals."""


def draw(seed: int) -> tuple[dict[str, list[str]], dict[str, dict[str, int]]]:
    """A run and its judgements: none, few or many found, grades that may be negative."""
    random_ = random.Random(seed)
    documents = [f"doc-{number}" for number in range(60)]
    grades = [-1, 0, 0, 1, 2, 3] if seed % 2 else [0, 1, 2, 3, 4]
    qrels = {
        f"PLAIN-{query}": {
            id: random_.choice(grades)
            for id in random_.sample(documents, random_.choice([1, 5, 20]))
        }
        for query in range(6)
    }
    run = {query: random_.sample(documents, random_.choice([0, 3, 30, 60])) for query in qrels}
    return run, qrels


@pytest.mark.parametrize("name", FORMULAS)
def test_a_measure_is_its_formula(name: str) -> None:
    """Of every query, in the order of the judgements; ids with dashes are ids as others."""
    assert name in parse_measures([name]).values()
    exact = 1e-5 if any(part in name for part in ROUNDED) else 1e-12
    for seed in range(30):
        run, qrels = draw(seed)
        formula = [FORMULAS[name](run[query], grades) for query, grades in qrels.items()]
        assert measure_each(run, qrels, {"it": name})["it"] == pytest.approx(formula, abs=exact)


def test_measures_say_the_same_in_any_company() -> None:
    """Asked for together, in any order, each says what it says alone."""
    run, qrels = draw(4)
    alone = {name: measure_each(run, qrels, {name: name})[name] for name in FORMULAS}
    for order in (list(FORMULAS), list(FORMULAS)[::-1]):
        together = measure_each(run, qrels, {name: name for name in order})
        for name in order:
            assert together[name].tolist() == alone[name].tolist(), name


@pytest.mark.parametrize("seed", range(4))
def test_ids_and_their_order_do_not_matter(seed: int) -> None:
    """Other ids, however they sort or look, and judgements in another order change nothing."""
    random_ = random.Random(seed)
    run, qrels = draw(seed)
    odd = ["-", "é", "a b", "10", "2", "x\ty", "Q0", "7-7", "#", " "]
    documents = [f"{odd[number % 10]}{number}" for number in random_.sample(range(60), 60)]
    names = {f"doc-{number}": id for number, id in enumerate(documents)}
    queries = {query: f"{odd[place]}{place % 3}-1" for place, query in enumerate(qrels)}
    renamed = {queries[query]: [names[id] for id in found] for query, found in run.items()}
    shuffled = {
        queries[query]: {names[id]: grades[id] for id in random_.sample([*grades], len(grades))}
        for query, grades in qrels.items()
    }
    every = {name: name for name in FORMULAS}
    before, after = measure_each(run, qrels, every), measure_each(renamed, shuffled, every)
    for name in every:
        assert after[name].tolist() == before[name].tolist(), name


def offered(name: str) -> bool:
    """Whether a name is taken."""
    try:
        parse_measures([name])
    except InvalidInput:
        return False
    return True


def test_every_measure_that_is_offered_has_a_formula() -> None:
    """No name of ir_measures is taken, in any of its forms, that is not held against one here."""
    known = {ir_measures.parse_measure(name).NAME for name in FORMULAS}
    for name, registered in registry.items():
        forms = [name, f"{name}@10", f"{name}@0.5", f"{name}(max_rel=3)", f"{name}(max_rel=3)@10"]
        if registered.NAME not in known:
            assert not any(map(offered, forms)), name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Accuracy", "not defined where all that is found is relevant"),
        ("P(rel=0)@5", "rel must be at least 1"),
        ("IPrec@0.123", r"in steps of 0\.01"),
        ("nDCG(gains={1:2.5})@5", "whole numbers from 0"),
    ],
)
def test_what_would_be_measured_wrongly_is_refused(name: str, problem: str) -> None:
    """The error says what is not taken; ir_measures would take it."""
    with pytest.raises(InvalidInput, match=problem):
        parse_measures([name])


@pytest.mark.parametrize("name", ["ERR@10", "nDCG(dcg='exp-log2')@10"])
def test_grades_that_are_too_good_are_refused(name: str) -> None:
    """TREC's script stops at a grade of 5; other measures take it."""
    run, qrels = {"1": ["a"]}, {"1": {"a": 5}}
    with pytest.raises(InvalidInput, match="takes grades up to 4, but a judgement has 5"):
        measure_each(run, qrels, {"it": name})
    assert measure_each(run, qrels, {"it": "nDCG@10"})["it"].tolist() == [1.0]


@pytest.mark.parametrize("grade", ["1000001", "-1000001", "99999999999999999999"])
def test_a_grade_beyond_all_measure_is_named(grade: str, tmp_path: Path) -> None:
    """Its line is, since trec_eval keeps a place for every grade up to it."""
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").touch()
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "x"}\n')
    (tmp_path / "qrels" / "test.tsv").write_text(f"query\tdocument\tscore\n1\ta\t{grade}\n")
    with pytest.raises(Unreadable, match=r"test\.tsv:2: the score must be at most 1000000"):
        read_dataset(tmp_path)
