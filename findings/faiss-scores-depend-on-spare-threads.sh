#!/usr/bin/env bash
# What: the scores of an exact search change in their last bits once there are more threads than
# queries and 10,000 rows or more.
# Versions: faiss-cpu 1.15.1, numpy 2.4.6.
# Seen on: Linux x86-64 with AVX-512, CPython 3.11.
# By the docs: omp_set_num_threads says how many threads take part; nothing is said of results.
# Seen: one query against 9,999 rows has the same scores on one thread and on two; against 10,000
# rows most of them differ. So a query's score depends on how many others were asked with it, and
# copies of a row that tie on one thread need not reach the score of the pair on two.
#
# Exit status: 0 while it is as seen, 1 once it is not.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check faiss-cpu==1.15.1 numpy==2.4.6

"$place/bin/python" - <<'PROGRAM'
import sys

import faiss
import numpy as np

print("faiss", faiss.__version__)
random = np.random.default_rng(0)


def units(count):
    rows = random.standard_normal((count, 384)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def differing(count):
    """The share of the scores of one query that differ between one thread and two."""
    rows, query = units(count), units(1)
    index = faiss.IndexFlatIP(384)
    index.add(rows)
    found = []
    for threads in (1, 2):
        faiss.omp_set_num_threads(threads)
        scores, ids = index.search(query, count)
        found.append(scores[0][np.argsort(ids[0])])
    return float((found[0] != found[1]).mean())


few, many = differing(9_999), differing(10_000)
print(f"scores that differ: {few:.0%} of 9,999, {many:.0%} of 10,000")
sys.exit(None if few == 0 and many > 0.2 else "it is no longer as it was seen")
PROGRAM
