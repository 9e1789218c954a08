#!/usr/bin/env bash
# What: knn_inner_products_by_idx leaves out every id of a line that stands behind a -1.
# Versions: faiss-cpu 1.15.1, numpy 2.4.6.
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: it finds the "max inner product neighbors [...] in a set of ny vectors indexed by
# ids", and may be used for re-ranking; nothing is said of -1, which FAISS's searches put where
# too little is found. Its neighbour fvec_inner_products_by_idx passes over a -1 and goes on.
# Seen: of the ids 0, -1, 2, 3 only 0 is scored; of 0, 2, 3, -1 all three are.
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
base = np.array([[1.0], [2.0], [3.0], [4.0]], np.float32)
query = np.array([[1.0]], np.float32)


def neighbours(ids):
    asked = np.array([ids], np.int64)
    scores = np.empty((1, 4), np.float32)
    found = np.empty((1, 4), np.int64)
    faiss.knn_inner_products_by_idx(
        *map(faiss.swig_ptr, (query, base, asked)), 1, 1, len(base), 4, 4,
        *map(faiss.swig_ptr, (scores, found)), -1,
    )
    return found[0].tolist()


def products(ids):
    out = np.empty((1, 4), np.float32)
    asked = np.array([ids], np.int64)
    faiss.fvec_inner_products_by_idx(*map(faiss.swig_ptr, (out, query, base, asked)), 1, 1, 4)
    return out[0].tolist()


gap, end = [0, -1, 2, 3], [0, 2, 3, -1]
print("knn_inner_products_by_idx", gap, "->", neighbours(gap))
print("knn_inner_products_by_idx", end, "->", neighbours(end))
print("fvec_inner_products_by_idx", gap, "->", products(gap))
seen = (
    neighbours(gap) == [0, -1, -1, -1]
    and neighbours(end) == [3, 2, 0, -1]
    and products(gap)[2:] == [3.0, 4.0]
)
sys.exit(None if seen else "it is no longer as it was seen")
PROGRAM
