"""A small judged set of made-up texts in BEIR's layout, for the hashing model."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any


def write_lines(path: Path, *records: Any) -> None:
    """JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def write_judged_set(folder: Path, documents: int = 60, queries: int = 12) -> Path:
    """A set whose queries are pieces of documents, some of them with words of another."""
    random_ = random.Random(0)
    texts = [[f"w{int(random_.expovariate(0.05))}" for _ in range(12)] for _ in range(documents)]
    corpus = [{"_id": f"d{i}", "text": " ".join(words)} for i, words in enumerate(texts)]
    asked = [
        {"_id": f"q{i}", "text": " ".join(texts[i][:4] + texts[-1 - i][: i % 4 * 2])}
        for i in range(queries)
    ]
    write_lines(folder / "corpus.jsonl", *corpus)
    write_lines(folder / "queries.jsonl", *asked)
    (folder / "qrels").mkdir()
    judgements = [f"q{i}\td{i}\t1\n" for i in range(queries)]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(judgements))
    return folder
