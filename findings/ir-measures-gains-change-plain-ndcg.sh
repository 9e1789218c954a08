#!/usr/bin/env bash
# What: nDCG(gains=...) lends its gains to a plain nDCG of the same call, or does not, by the
# process's seed for hashes.
# Versions: ir-measures 0.4.3, pytrec-eval-terrier 0.5.11.
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: gains are a "custom gain mapping" of the measure that has them; measures that are
# asked for together are computed together, each as it is alone.
# Seen: plain nDCG@10 of one query is 0.8597 alone, and 0.8597 or 0.6369 beside the other.
#
# Exit status: 0 while it is as seen, 1 once it is not.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check ir-measures==0.4.3 pytrec-eval-terrier==0.5.11

"$place/bin/python" - <<'PROGRAM'
import importlib.metadata
import os
import subprocess
import sys

program = """
import sys
import ir_measures

measures = [ir_measures.parse_measure(name) for name in sys.argv[1:]]
qrels, run = {"1": {"a": 1, "b": 2}}, {"1": {"a": 2.0, "b": 1.0}}
values = ir_measures.calc_aggregate(measures, qrels, run)
print(round(values[ir_measures.parse_measure("nDCG@10")], 4))
"""


def measured(*names):
    values = set()
    for seed in range(12):
        words = [sys.executable, "-c", program, *names]
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        done = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
        values.add(float(done.stdout))
    print("nDCG@10 in", list(names), "is", sorted(values))
    return sorted(values)


print("ir-measures", importlib.metadata.version("ir-measures"))
seen = measured("nDCG@10") == [0.8597]
seen = measured("nDCG(gains={2:100})@10", "nDCG@10") == [0.6369, 0.8597] and seen
sys.exit(None if seen else "it is no longer as it was seen")
PROGRAM
