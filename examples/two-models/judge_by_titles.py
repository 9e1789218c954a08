"""Judged queries from documents with titles: each title is a query, its document the answer.

``python examples/two-models/judge_by_titles.py library.jsonl judged --queries 200`` writes BEIR's
layout: corpus.jsonl (without the titles), queries.jsonl and qrels/test.tsv.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def read(path: Path) -> list[Record]:
    """The records of a JSON Lines file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def choose(records: Sequence[Record], count: int, seed: int) -> list[Record]:
    """So many records, by chance, whose title no other record has."""
    titles = Counter(record.get("title") for record in records)
    unique = [record for record in records if record.get("title") and titles[record["title"]] == 1]
    return random.Random(seed).sample(unique, min(count, len(unique)))


def write_lines(path: Path, records: Iterable[Record]) -> None:
    """JSON Lines."""
    with path.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def write_set(folder: Path, records: Sequence[Record], asked: Sequence[Record]) -> None:
    """A judged set: every record without its title, and the titles of those asked for."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    corpus = ({"_id": str(record["id"]), "text": record["text"]} for record in records)
    queries = ({"_id": f"title-{record['id']}", "text": record["title"]} for record in asked)
    write_lines(folder / "corpus.jsonl", corpus)
    write_lines(folder / "queries.jsonl", queries)
    judged = "".join(f"title-{record['id']}\t{record['id']}\t1\n" for record in asked)
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}", "utf-8")


def main() -> None:
    """Write the set, and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("documents", type=Path, help="JSON Lines with id, title and text")
    parser.add_argument("folder", type=Path, help="where the set is written")
    parser.add_argument("--queries", type=int, default=200, help="how many titles are asked")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    records = read(given.documents)
    asked = choose(records, given.queries, given.seed)
    if not asked:
        parser.error(f"{given.documents} has no document with a title of its own")
    write_set(given.folder, records, asked)
    print(f"{len(records):,} documents and {len(asked):,} queries in {given.folder}")


if __name__ == "__main__":
    main()
