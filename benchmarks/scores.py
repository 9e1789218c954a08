"""The worth of scores: answers about the query told from others, and hits that are relevant.

Each judged set in BEIR's layout is a collection; its own queries are on topic in it, those of all
other sets off topic. Without a set, the documentation of this Python is the only collection, and
questions.txt has queries that are on topic in it, and others. Of a set:

- auc_on_topic: how often an on-topic query has a smaller `significance` than an off-topic one;
  auc_raw the same by the cosine of the best hit.
- off_topic_below_005, on_topic_below_005: how many queries have a significance below 0.05.
- strong_precision, weak_precision: how many of the ten best hits of that grade are relevant, in the
  mode that --mode names.
- ece, ece_first_ten: the expected calibration error of the relevance that grades are read from,
  over the 50 and over the 10 best hits.

Overall figures are means over the sets.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.documents import Document
from indexer.evaluation.dataset import Qrels, read_dataset
from indexer.queries import Answer, Grade, Mode
from indexer.ranking.calibration import expected_error
from indexer.ranking.grades import shipped_relevance
from indexer.readers.standard_library import read_standard_library
from indexer.workspace import TextCollection, Workspace
from indexer.workspace import open as open_workspace

Floats = NDArray[np.float64]

DEPTH = 50
TOP = 10
OFF_TOPIC = 300
"""At most so many queries of another set are asked."""

PYTHON = "python"
BELOW = 0.05


def area_under_curve(higher: Floats, lower: Floats) -> float:
    """How often one of the first is larger than one of the second; a tie counts half."""
    ordered = np.sort(lower)
    below = np.searchsorted(ordered, higher, side="left")
    at_most = np.searchsorted(ordered, higher, side="right")
    return float((below + at_most).mean() / (2 * len(lower)))


def answer_figures(on_topic: Sequence[Answer], off_topic: Sequence[Answer]) -> dict[str, float]:
    """How well answers to on-topic queries are told from those to off-topic ones."""
    on, off = _significances(on_topic), _significances(off_topic)
    return {
        "auc_on_topic": area_under_curve(-on, -off),
        "auc_raw": area_under_curve(_best(on_topic), _best(off_topic)),
        "off_topic_below_005": float((off < BELOW).mean()),
        "on_topic_below_005": float((on < BELOW).mean()),
    }


def _significances(answers: Sequence[Answer]) -> Floats:
    known = [np.nan if answer.significance is None else answer.significance for answer in answers]
    found = np.array(known, dtype=np.float64)
    if np.isnan(found).any():
        raise SystemExit("an answer has no significance: the collection is too small")
    return found


def _best(answers: Sequence[Answer]) -> Floats:
    return np.array([answer.hits[0].scores.dense for answer in answers])


def hit_figures(
    collection: TextCollection, answers: Sequence[Answer], ids: Sequence[str], qrels: Qrels
) -> dict[str, float | None]:
    """How often hits of each grade are relevant, and how far the relevance behind it is off."""
    relevant = [
        [qrels[id].get(hit.document.id, 0) > 0 for hit in answer.hits]
        for id, answer in zip(ids, answers, strict=True)
    ]
    stored = collection.stored
    curve = shipped_relevance(stored.identity, stored.background())
    figures: dict[str, float | None] = {
        f"{grade}_precision": _precision(answers, relevant, grade) for grade in Grade
    }
    for name, depth in (("ece", DEPTH), ("ece_first_ten", TOP)):
        scores = np.array([hit.scores.dense for answer in answers for hit in answer.hits[:depth]])
        places = np.concatenate([1 + np.arange(len(answer.hits[:depth])) for answer in answers])
        truth = np.array([one for own in relevant for one in own[:depth]])
        figures[name] = curve and expected_error(curve(scores, places), truth)
    return figures


def _precision(
    answers: Sequence[Answer], relevant: Sequence[Sequence[bool]], grade: Grade
) -> float | None:
    found = [
        truth
        for answer, own in zip(answers, relevant, strict=True)
        for hit, truth in zip(answer.hits[:TOP], own[:TOP], strict=True)
        if hit.grade is grade
    ]
    return float(np.mean(found)) if found else None


def measure_sets(
    workspace: Workspace, folders: Sequence[Path], mode: str
) -> dict[str, dict[str, Any]]:
    """The figures of each judged set; those of hits are of searches in this mode."""
    sets = {folder.name: read_dataset(folder) for folder in folders}
    figures: dict[str, dict[str, Any]] = {}
    for name, judged in sets.items():
        collection = workspace.collection(name)
        collection.index_files(judged.corpus_path)
        asked = list(judged.queries.values())
        on_topic = collection.search_many(asked, k=1, mode=Mode.DENSE)
        hits = collection.search_many(asked, k=DEPTH, mode=mode)
        others = [text for other in sets if other != name for text in _some(sets[other].queries)]
        off_topic = collection.search_many(others, k=1, mode=Mode.DENSE)
        figures[name] = {
            **answer_figures(on_topic, off_topic),
            **hit_figures(collection, hits, list(judged.queries), judged.qrels),
        }
    return figures


def _some(queries: Mapping[str, str]) -> list[str]:
    """At most OFF_TOPIC of them, from all over."""
    texts = list(queries.values())
    return texts[:: -(-len(texts) // OFF_TOPIC)]


def measure_python(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """The figures of the documentation of this Python, of which nothing is judged."""
    on_topic, off_topic = read_questions()
    collection = workspace.collection(PYTHON)
    items = (read.item for read in read_standard_library())
    collection.index(item for item in items if isinstance(item, Document))
    answers = (
        collection.search_many(texts, k=1, mode=Mode.DENSE) for texts in (on_topic, off_topic)
    )
    unjudged = ("strong_precision", "fair_precision", "weak_precision", "ece", "ece_first_ten")
    return {PYTHON: {**answer_figures(*answers), **dict.fromkeys(unjudged)}}


def read_questions() -> tuple[list[str], list[str]]:
    """The queries of questions.txt: those about Python, and those about other things."""
    written = Path(__file__).with_name("questions.txt").read_text(encoding="utf-8")
    on_topic, off_topic = written.strip().split("\n\n")
    return on_topic.splitlines()[1:], off_topic.splitlines()[1:]


def overall(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """The mean of each figure over the sets of which it is known."""
    names = dict.fromkeys(name for own in figures.values() for name in own)
    known = {
        name: [own[name] for own in figures.values() if own.get(name) is not None] for name in names
    }
    return {name: float(np.mean(values)) if values else None for name, values in known.items()}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path, nargs="*", help="two or more folders in BEIR's layout")
    parser.add_argument("--data", type=Path, help="where collections are kept for the next time")
    parser.add_argument(
        "--mode", choices=("dense", "hybrid"), default="hybrid", help="how hits are found"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    given = parser.parse_args()
    if len(given.sets) == 1:
        parser.error("one set has no other whose queries are off topic: name two, or none")
    with tempfile.TemporaryDirectory() as folder, open_workspace(given.data or folder) as workspace:
        if given.sets:
            found = measure_sets(workspace, given.sets, given.mode)
        else:
            found = measure_python(workspace)
    figures = {**overall(found), "sets": found}
    if given.json:
        print(json.dumps(figures))
        return
    for name, own in {**found, "overall": overall(found)}.items():
        print(name)
        for key, value in own.items():
            print(f"  {key:<22} {'-' if value is None else format(value, '.3f')}")


if __name__ == "__main__":
    main()
