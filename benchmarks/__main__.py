"""Run every benchmark, one after the other."""

import runpy
import sys

for name in ("embedding", "search", "service", "writing"):
    print(f"{name}:", file=sys.stderr, flush=True)
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
