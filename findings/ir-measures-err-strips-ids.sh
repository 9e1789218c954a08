#!/usr/bin/env bash
# What: ERR@10 is 0 for a query whose id holds a dash, and the mean is halved: the script that
# computes it strips what stands before the last dash.
# Versions: ir-measures 0.4.3, pytrec-eval-terrier 0.5.11; Perl, which runs the script.
# Seen on: Linux x86-64, CPython 3.11, Perl 5.
# By the docs: a query's id is a string, and ERR that of the query.
# Seen: one query "2", or "PLAIN-2", whose first document has grade 1. By "2" its ERR@10 is
# 0.0625; by "PLAIN-2" the value is told of a query "2" that there is not, PLAIN-2 has 0, and the
# mean is halved.
#
# Exit status: 0 while it is as seen, 1 once it is not.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check ir-measures==0.4.3 pytrec-eval-terrier==0.5.11

"$place/bin/python" - <<'PROGRAM'
import importlib.metadata
import sys

import ir_measures
from ir_measures import ERR

print("ir-measures", importlib.metadata.version("ir-measures"))


def measured(query):
    qrels, run = {query: {"a": 1}}, {query: {"a": 1.0}}
    found = ir_measures.iter_calc([ERR @ 10], qrels, run)
    each = {metric.query_id: metric.value for metric in found}
    mean = ir_measures.calc_aggregate([ERR @ 10], qrels, run)[ERR @ 10]
    print(f"query {query!r}: {each}, mean {mean}")
    return each, mean


seen = measured("2") == ({"2": 0.0625}, 0.0625)
seen = measured("PLAIN-2") == ({"2": 0.0625, "PLAIN-2": 0.0}, 0.03125) and seen
sys.exit(None if seen else "it is no longer as it was seen")
PROGRAM
